"""The actors on a Ray cluster: placed, started, lost and replaced; machines on which they fail get no more.

Knows nothing of designs and trials.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from gnomon.data.errors import GnomonError

TRIES = 3
"""Deaths in a row after which a machine gets no more actors; those of actors that ran together count as one."""
WAIT_SECONDS, QUIET_SECONDS = 15.0, 60.0
"""Seconds without any placed actor after which a run ends, and without any news after which a line says so."""
TICK, SCALE_SECONDS, TOLD_SECONDS = 0.5, 5.0, 10.0
"""Seconds between looks at placements, and at the size of the cluster; after which a waiting actor is told."""
NODE = "ray.io/node-id"
"""Label that Ray gives to each machine."""
Say = Callable[[str], None]


class Stage(IntEnum):
    """What an actor does: waits for resources, loads, waits for a design, prepares one, or generates."""

    PLACING = 0
    LOADING = 1
    LOADED = 2
    PREPARING = 3
    READY = 4


@dataclass(frozen=True)
class ActorKind:
    """How an actor is started.

    Attributes
    ----------
    needs : mapping of str to float
        Ray resources of one actor, all on one machine: `GPU` or `CPU`.
    start : callable
        From a placement group with these resources to the handle of an actor that lies in it. The actor has the
        methods of `gnomon.generation.sweeps.ray_workers.RayWorker`.
    """

    needs: Mapping[str, float]
    start: Callable[[Any], Any]

    @property
    def words(self) -> str:
        """The resources in words, such as "2 GPUs"."""
        unit, number = ("GPU", self.needs["GPU"]) if "GPU" in self.needs else ("core", self.needs["CPU"])
        return f"{number:g} {unit}{'s' if number != 1 else ''}"

    def capacity(self, nodes: Iterable[Mapping[str, Any]]) -> int:
        """Number of actors that machines hold if nobody else uses them; an actor lies on one machine.

        Parameters
        ----------
        nodes : iterable of mapping
            Machines, as `ray.nodes()` lists them.
        """
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        return sum(min(int(has.get(name, 0) // number) for name, number in self.needs.items()) for has in alive)


@dataclass(eq=False)
class PoolActor:
    """An actor, from the moment that its resources are asked for.

    Attributes
    ----------
    group : ray.util.placement_group.PlacementGroup
        Its resources.
    handle : ray.actor.ActorHandle or None
        The actor; None while it waits for resources.
    machine : str
        Id of its Ray node; empty while it waits.
    stage : Stage
        What it does.
    calls : deque of ray.ObjectRef
        Calls whose answers have not been taken, in their order.
    since : float
        When its resources were asked for, then when it was started; seconds of `time.monotonic`.
    """

    group: Any
    handle: Any = None
    machine: str = ""
    stage: Stage = Stage.PLACING
    calls: deque[Any] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)


@dataclass
class ActorFleet:
    """As many actors of one kind as are wanted or as the cluster holds, also while it grows and shrinks.

    Parameters
    ----------
    name : str
        Name of the subject, for messages.
    kind : ActorKind
        How an actor is started.
    say : callable
        Takes one line for the user.
    wanted : int, optional
        Number of actors; by default as many as the cluster holds.
    wait_seconds : float
        Seconds without any placed actor after which the run ends.
    actors : list of PoolActor
        Those that there are, also those that wait for resources.
    """

    name: str
    kind: ActorKind
    say: Say
    wanted: int | None = None
    wait_seconds: float = WAIT_SECONDS
    actors: list[PoolActor] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nothing has been asked for, and no machine is left out."""
        self._left_out: dict[str, GnomonError] = {}
        self._deaths: Counter[str] = Counter()
        self._last_death: dict[str, float] = {}
        self._placed = self._news = time.monotonic()
        self._looked = self._scaled = float("-inf")
        self._waiting_told = 0

    def count_actors(self, least: Stage = Stage.LOADING) -> int:
        """Number of actors that have come at least so far; by default all that have their resources."""
        return sum(actor.stage >= least for actor in self.actors)

    def follow_cluster(self) -> None:
        """Ask for actors that are lacking and start those whose resources are there; to be called often.

        Raises
        ------
        GnomonError
            If no actor has had its resources for `wait_seconds`.
        """
        now = time.monotonic()
        if now - self._scaled > SCALE_SECONDS:
            self._scaled = now
            self._ask_for_actors()
        if now - self._looked > TICK:
            self._looked = now
            self._look_at_placements()
            self._tell_state(now)

    def note_news(self, actor: PoolActor, *, of_trials: bool = False) -> None:
        """Take note that an actor has answered.

        Parameters
        ----------
        actor : PoolActor
            The actor.
        of_trials : bool
            Whether it delivered trials: then earlier deaths on its machine are forgotten.
        """
        self._news = time.monotonic()
        if of_trials:
            self._deaths.pop(actor.machine, None)

    def replace_dead(self, actor: PoolActor, doing: str, why: str) -> None:
        """Forget a dead actor, and ask for another one at once.

        Parameters
        ----------
        actor : PoolActor
            The dead actor.
        doing : str
            What it did, after "while it".
        why : str
            How it died, in one line.

        Raises
        ------
        GnomonError
            If no actor is left, and none can be started elsewhere.
        """
        self.remove_actor(actor)
        self._scaled = float("-inf")
        if actor.since >= self._last_death.get(actor.machine, float("-inf")):
            self._deaths[actor.machine] += 1
        self._last_death[actor.machine] = time.monotonic()
        if self._deaths[actor.machine] >= TRIES:
            self._leave_out(
                actor.machine,
                GnomonError(
                    f"ray: {TRIES} actors in a row died on {self.machine_words(actor.machine)}, the last one while it "
                    f"{doing} ({why}): look at memory and at Ray's logs; what was stored is safe"
                ),
            )

    def drop_failed(self, actor: PoolActor, failure: GnomonError) -> None:
        """Go on without an actor that could not load the model; its machine gets no more.

        Parameters
        ----------
        actor : PoolActor
            The actor.
        failure : GnomonError
            Why it could not.

        Raises
        ------
        GnomonError
            The failure, if no actor is left and none can be started elsewhere.
        """
        self.remove_actor(actor)
        self._leave_out(actor.machine, failure)

    def remove_actor(self, actor: PoolActor) -> None:
        """Forget an actor, end it and free what it held."""
        import ray
        from ray.util.placement_group import remove_placement_group

        self.actors.remove(actor)
        if actor.handle is not None:
            ray.kill(actor.handle)
        remove_placement_group(actor.group)

    def machine_words(self, machine: str) -> str:
        """A machine as a user knows it: its host name and address."""
        import ray

        node = next((each for each in ray.nodes() if each["NodeID"] == machine), None)
        return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})" if node else "an unknown machine"

    def _usable_capacity(self) -> int:
        import ray

        return self.kind.capacity(node for node in ray.nodes() if node["NodeID"] not in self._left_out)

    def _ask_for_actors(self) -> None:
        """Ask for actors that are lacking, and give up waiting ones that the cluster cannot hold any more."""
        from ray.util.placement_group import placement_group

        wanted = self.wanted or max(1, self._usable_capacity())
        for actor in self._waiting()[: max(0, len(self.actors) - wanted)]:
            self.remove_actor(actor)
        elsewhere = [{NODE: f"!in({','.join(sorted(self._left_out))})"}] if self._left_out else None
        while len(self.actors) < wanted:
            self.actors.append(PoolActor(placement_group([dict(self.kind.needs)], bundle_label_selector=elsewhere)))

    def _waiting(self) -> list[PoolActor]:
        return [actor for actor in self.actors if actor.stage == Stage.PLACING]

    def _look_at_placements(self) -> None:
        """Start actors whose resources are there; drop those whose machine is gone before they have loaded."""
        from ray.util.placement_group import placement_group_table

        for actor in [each for each in self.actors if each.stage <= Stage.LOADING]:
            found = placement_group_table(actor.group)
            there = found.get("state") == "CREATED"
            if there and actor.stage == Stage.PLACING:
                self._start_actor(actor, next(iter(found["bundles_to_node_id"].values())))
            elif not there and actor.stage == Stage.LOADING:
                self.remove_actor(actor)

    def _start_actor(self, actor: PoolActor, machine: str) -> None:
        if machine in self._left_out:  # placed in the moment in which the machine was left out
            self.remove_actor(actor)
            return
        actor.machine, actor.stage, actor.since = machine, Stage.LOADING, time.monotonic()
        actor.handle = self.kind.start(actor.group)
        actor.calls.append(actor.handle.load.remote())
        self._news = time.monotonic()

    def _tell_state(self, now: float) -> None:
        """Say who waits and that nothing happens; raise where no actor has had resources for too long."""
        placed, ready = self.count_actors(), self.count_actors(Stage.READY)
        if placed:
            self._placed = now
        elif now - self._placed > self.wait_seconds:
            raise self._no_actors()
        waiting = sum(now - each.since > TOLD_SECONDS for each in self._waiting())
        if placed and waiting > self._waiting_told:
            self.say(f"ray: {waiting} of {actors_words(len(self.actors))} wait for {self.kind.words}: going on without")
        self._waiting_told = waiting
        if now - self._news > QUIET_SECONDS:
            self._news = now
            loading, waiting = placed - ready, len(self._waiting())
            self.say(f"ray: no news for {QUIET_SECONDS:.0f} s: {ready} at work, {loading} loading, {waiting} waiting")

    def _no_actors(self) -> GnomonError:
        """That no actor has its resources."""
        import ray

        unit = "GPU" if "GPU" in self.kind.needs else "CPU"
        has, free = ray.cluster_resources().get(unit, 0), ray.available_resources().get(unit, 0)
        failures = list(self._left_out.values())
        why = f"; {len(failures)} machines are left out, the last one because: {failures[-1]}" if failures else ""
        return GnomonError(
            f"ray: no actor got {self.kind.words} on one machine within {self.wait_seconds:.0f} s ({unit}s in "
            f"the cluster: {has:g}, free: {free:g}{why}): end the jobs that hold them, or give --wait more seconds if "
            "machines start on demand; what was stored is safe"
        )

    def _leave_out(self, machine: str, failure: GnomonError) -> None:
        """Start no more actors on a machine; those that run there go on. Raises the failure where none is left."""
        new = machine not in self._left_out
        self._left_out[machine] = failure
        for actor in self._waiting():
            self.remove_actor(actor)
        self._scaled = float("-inf")
        if not self.count_actors() and not self._usable_capacity():
            raise failure
        if new:
            self.say(f"ray: no more actors on {self.machine_words(machine)}: {failure}")


def actors_words(number: int) -> str:
    """A number of actors in words."""
    return f"{number} actor{'s' if number != 1 else ''}"
