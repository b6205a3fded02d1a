"""Gives trials to Ray actors that are ready for them, and takes the results as they come.

An actor that waits for a GPU, that never comes up or that is lost with its machine delays nothing but its own share.
What an actor has not delivered is given to others when it dies, or when others have nothing to do: a trial may then be
generated twice, and what comes second is dropped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from textwrap import shorten
from typing import Any

from gnomon.data.errors import GnomonError
from gnomon.data.records import Trial
from gnomon.generation.prompts.protocol import Protocol
from gnomon.generation.subjects.environment import describe_changes
from gnomon.generation.sweeps.ray_actors import (
    TICK,
    TRIES,
    WAIT_SECONDS,
    ActorFleet,
    ActorKind,
    PoolActor,
    Say,
    Stage,
    actors_words,
)
from gnomon.generation.sweeps.trial_design import PlannedTrial, SweepDesign, VectorRecord

PART, LEAST, PARTS_EACH = 4096, 256, 2
"""Trials of a part at most; fewest of a part, so that a batch is full; parts into which what is left is cut, an actor.

The rows of a part leave the batch before those of the next part enter, so that parts are large; they become smaller
towards the end.
"""
DEEP = 2
"""Parts that an actor has, and calls that wait for it: it never idles while an answer travels."""
ANSWER_SECONDS = 1.0
"""Seconds of work whose trials an actor delivers together: what an interrupt loses at most, for each call."""
IDLE_SECONDS = 5.0
"""Seconds without work after which an actor generates again what another has not delivered."""


@dataclass(eq=False)
class WorkPart:
    """A part of the plan: its trials by id, and how often in a row an actor died on it without delivering one.

    `is_copy` if another actor has these trials too.
    """

    trials: dict[str, PlannedTrial]
    tries: int = 0
    is_copy: bool = False


@dataclass(eq=False)
class ActorWork:
    """What an actor has to do: parts in their order, that at which it works first; when it had finished its own."""

    parts: deque[WorkPart] = field(default_factory=deque)
    idle_since: float = field(default_factory=time.monotonic)


@dataclass
class RayCluster:
    """Actors that generate trials of one subject; implements `gnomon.generation.sweeps.runner.TrialWorkers`.

    Creating it waits until one actor has loaded the model.

    Parameters
    ----------
    name : str
        Name of the subject, for messages.
    kind : ActorKind
        How an actor is started.
    say : callable
        Takes one line for the user.
    wanted : int, optional
        Number of actors; by default as many as the cluster holds, also when it grows or shrinks.
    wait_seconds : float
        Seconds without any placed actor after which the run ends.
    answer_seconds : float
        Seconds of work whose trials an actor delivers together.

    Raises
    ------
    GnomonError
        If no actor gets its resources in time, or none can load the model.
    """

    name: str
    kind: ActorKind
    say: Say
    wanted: int | None = None
    wait_seconds: float = WAIT_SECONDS
    answer_seconds: float = ANSWER_SECONDS

    def __post_init__(self) -> None:
        """Start the actors and wait for the first that has loaded the model."""
        self.fleet = ActorFleet(self.name, self.kind, self.say, self.wanted, self.wait_seconds)
        self.subject: Any = None
        self._design: tuple[SweepDesign, Sequence[Protocol]] | None = None
        self._vectors: Any = None
        self._records: list[VectorRecord] | None = None
        self._prompts: Mapping[str, str] | None = None
        self._work: dict[PoolActor, ActorWork] = {}
        self._left: deque[PlannedTrial] = deque()
        self._again: deque[WorkPart] = deque()
        self._missing: dict[str, PlannedTrial] = {}
        self._copied: set[str] = set()
        while self.subject is None:
            self._take_step()
        self.say(f"ray: {actors_words(self.fleet.count_actors())}, each with {self.kind.words}")

    def prepare_worker(self, design: SweepDesign, protocols: Sequence[Protocol]) -> Iterable[VectorRecord]:
        """Prepare a design. One actor makes the vectors; all others, also later ones, use the same.

        Parameters
        ----------
        design : SweepDesign
            The design.
        protocols : sequence of Protocol
            Its protocols, loaded.

        Returns
        -------
        iterable of VectorRecord
            The vectors in use.

        Raises
        ------
        GnomonError
            If a prompt has other tokens on another machine.
        """
        self._design, self._vectors, self._records, self._prompts = (design, protocols), None, None, None
        self._reset_actors([actor for actor in self.fleet.actors if actor.stage > Stage.LOADED])
        while self._records is None:
            self._take_step()
        return self._records

    def prompt_hashes(self) -> Mapping[str, str]:
        """Hash of the token ids of each prompt of the prepared design, by hash of its protocol."""
        return self._prompts or {}

    def make_trials(self, planned: Sequence[PlannedTrial]) -> Iterator[Trial]:
        """Yield the trials as they arrive, each once.

        Raises
        ------
        GnomonError
            If actors die again and again on the same trials, or none is left.
        """
        self._reset_actors([actor for actor, work in self._work.items() if work.parts])
        self._left, self._again, self._copied = deque(planned), deque(), set()
        self._missing = {trial.id: trial for trial in planned}
        self._least = max(1, min(LEAST, ceil(len(planned) / max(self.fleet.count_actors(), 1))))
        while self._missing:
            self._give_parts()
            yield from self._take_step()

    def _reset_actors(self, actors: Iterable[PoolActor]) -> None:
        """Have actors forget their parts, and prepare the design again."""
        for actor in actors:
            self._work.pop(actor, None)
            actor.calls.clear()
            actor.stage = Stage.LOADED

    def _take_step(self) -> list[Trial]:
        """Wait for one event, at most `TICK` seconds, and act on it; returns trials that came."""
        import ray

        self.fleet.follow_cluster()
        self._prepare_loaded()
        pending = {actor.calls[0]: actor for actor in self.fleet.actors if actor.calls}
        if not pending:
            time.sleep(TICK)
            return []
        done, _ = ray.wait(list(pending), timeout=TICK)
        return [trial for reference in done for trial in self._take_answer(pending[reference])]

    def _prepare_loaded(self) -> None:
        """Have loaded actors prepare the design: one with vectors of its own, the others with those once they exist."""
        for actor in self.fleet.actors:
            if actor.stage != Stage.LOADED or self._design is None:
                continue
            if self._vectors is None and self.fleet.count_actors(Stage.PREPARING):
                return
            actor.stage = Stage.PREPARING
            actor.calls.append(actor.handle.prepare_worker.remote(*self._design, self._vectors))

    def _give_parts(self) -> None:
        """Fill the queues of ready actors, those with nothing to do first; keep a call waiting for each."""
        for depth in range(DEEP):
            for actor, work in self._work.items():
                if len(work.parts) == depth and (part := self._next_part(actor, depth)):
                    work.parts.append(part)
                    actor.calls.append(actor.handle.work.remote(list(part.trials.values()), self.answer_seconds))
        for actor, work in self._work.items():
            while work.parts and len(actor.calls) < DEEP:
                actor.calls.append(actor.handle.work.remote(None, self.answer_seconds))

    def _next_part(self, actor: PoolActor, depth: int) -> WorkPart | None:
        """What an actor gets next; nothing beyond its first part where others would soon have nothing."""
        if self._again:
            return self._again.popleft()
        number = max(self.fleet.count_actors(), 1)
        if self._left and (depth == 0 or len(self._left) > self._least * number):
            size = max(self._least, min(PART, ceil(len(self._left) / (PARTS_EACH * number))))
            part = [self._left.popleft() for _ in range(min(size, len(self._left)))]
            return WorkPart({trial.id: trial for trial in part})
        if depth == 0 and time.monotonic() - self._work[actor].idle_since > IDLE_SECONDS:
            return self._copied_part(actor)
        return None

    def _copied_part(self, idle: PoolActor) -> WorkPart | None:
        """The second half of what is missing of another actor's part, for an actor that has nothing to do."""
        others = [part for actor, work in self._work.items() if actor is not idle for part in work.parts]
        missing = [
            [trial for id_, trial in part.trials.items() if id_ in self._missing and id_ not in self._copied]
            for part in others
        ]
        most = max(missing, key=len, default=[])
        copied = {trial.id: trial for trial in most[len(most) // 2 :]}
        self._copied |= copied.keys()
        return WorkPart(copied, is_copy=True) if copied else None

    def _take_answer(self, actor: PoolActor) -> list[Trial]:
        """Take the answer to an actor's first call; returns the trials in it that are new."""
        from ray.exceptions import RayError

        try:
            answer = ray_result(actor.calls[0])
        except RayError as error:
            self._drop_dead(actor, error)
            return []
        except Exception as error:
            if actor.stage != Stage.LOADING:
                raise
            self.fleet.drop_failed(actor, self._load_failure(actor, error))
            return []
        actor.calls.popleft()
        self.fleet.note_news(actor)
        if actor.stage == Stage.READY:
            return self._take_trials(actor, *answer)
        if actor.stage == Stage.LOADING:
            self._take_info(actor, answer)
        else:
            self._take_preparation(actor, *answer)
        return []

    def _load_failure(self, actor: PoolActor, error: Exception) -> GnomonError:
        if isinstance(error, GnomonError):
            return error
        where, why = self.fleet.machine_words(actor.machine), first_line(error)
        return GnomonError(f"subject '{self.name}': can't be loaded by a Ray actor on {where}: {why}")

    def _take_info(self, actor: PoolActor, info: Any) -> None:
        """Take what an actor has loaded; refuse another model than the first's."""
        actor.stage = Stage.LOADED
        if self.subject is None:
            self.subject = info
        elif info.revision != self.subject.revision:
            raise GnomonError(
                f"ray: subject '{self.name}' is another model on {self.fleet.machine_words(actor.machine)} (revision "
                f"{info.revision[:8]}, not {self.subject.revision[:8]}): copy the same model everywhere"
            )
        elif info.environment != self.subject.environment:
            changes = describe_changes(dict(self.subject.environment), dict(info.environment))
            where = self.fleet.machine_words(actor.machine)
            self.say(f"ray: the actor on {where} runs on {changes}: rounding may differ between machines")

    def _take_preparation(
        self, actor: PoolActor, records: list[VectorRecord], prompts: Mapping[str, str], made: Any
    ) -> None:
        """Take what an actor has prepared: the first one's vectors are everybody's."""
        import ray

        actor.stage = Stage.READY
        self._work[actor] = ActorWork()
        if self._prompts is None:
            self._vectors, self._prompts, self._records = ray.put(made), prompts, records
        elif prompts != self._prompts:
            raise GnomonError(
                f"ray: subject '{self.name}' reads other tokens on {self.fleet.machine_words(actor.machine)}: install "
                "the same versions and copy the same model everywhere"
            )

    def _take_trials(self, actor: PoolActor, trials: list[Trial], finished: int) -> list[Trial]:
        """Take delivered trials; returns those that had not come from another actor before."""
        work = self._work[actor]
        for trial in trials:
            for part in work.parts:
                part.tries = 0 if trial.id in part.trials else part.tries
        self.fleet.note_news(actor, of_trials=bool(trials))
        new = [trial for trial in trials if self._missing.pop(trial.id, None) is not None]
        done = [work.parts.popleft() for _ in range(finished)]
        self._again.extend(self.resubmit_parts(done, "left trials out"))
        if any(not part.is_copy for part in done):
            work.idle_since = time.monotonic()
        return new

    def _drop_dead(self, actor: PoolActor, error: Exception) -> None:
        """Give the parts of a dead actor to others; raises where actors die again and again."""
        where, why, work = self.fleet.machine_words(actor.machine), _death_words(error), self._work.pop(actor, None)
        if work is None:
            doing = "loaded the model" if actor.stage == Stage.LOADING else "prepared the design"
            self.say(f"ray: an actor on {where} died while it {doing} ({why})")
        else:
            doing, parts = "generated", self.resubmit_parts(work.parts, f"died ({why})")
            number = sum(len(part.trials) for part in parts)
            self.say(f"ray: an actor on {where} died ({why}); its {number} trials are given to others")
            self._again.extend(parts)
        self.fleet.replace_dead(actor, doing, why)

    def resubmit_parts(self, parts: Iterable[WorkPart], how: str) -> list[WorkPart]:
        """What is missing of the parts of an actor that did not finish them, to be given to others.

        Parameters
        ----------
        parts : iterable of WorkPart
            Its parts, that at which it worked first.
        how : str
            What actors did on them, for the message: "died (...)".

        Raises
        ------
        GnomonError
            If the first part was given to actors again and again without a trial of it being delivered.
        """
        found: list[WorkPart] = []
        for part in parts:
            left = {id_: trial for id_, trial in part.trials.items() if id_ in self._missing}
            if left:
                found.append(WorkPart(left, part.tries + (not found), part.is_copy))
        if found and found[0].tries >= TRIES:
            raise GnomonError(
                f"ray: {TRIES} actors in a row {how} on the same {len(found[0].trials)} trials: look at memory and at "
                "Ray's logs; what was stored is safe, and the same command goes on"
            )
        return found


def ray_result(reference: Any) -> Any:
    """Result of a Ray reference; what an actor's method raises is raised unchanged.

    Parameters
    ----------
    reference : ray.ObjectRef
        The reference.

    Raises
    ------
    RayError
        If the actor is dead or can't be reached.
    """
    import ray
    from ray.exceptions import RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from (None if isinstance(error.cause, GnomonError) else error)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, shortened, or its class where it has none."""
    return shorten((str(error).strip().splitlines() or [type(error).__name__])[0], 200, placeholder=" ...")


def _death_words(error: Exception) -> str:
    """How an actor died, in one line."""
    from ray.exceptions import ActorUnavailableError

    return "it can't be reached" if isinstance(error, ActorUnavailableError) else first_line(error).rstrip(".")
