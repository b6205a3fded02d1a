"""Runs a design on a subject: generates the trials that the store does not hold yet, and stores them as they finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import JsonValue
from sqlalchemy import select

from gnomon.data.errors import InputError
from gnomon.data.records import Subject, Trial, utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store, split_chunks
from gnomon.generation.engine.base import TORCH, EngineSubject
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.subjects.environment import describe_changes, describe_environment
from gnomon.generation.sweeps.sweep_plan import SweepPlan
from gnomon.generation.sweeps.trial_design import PlannedTrial, SweepDesign, VectorRecord

if TYPE_CHECKING:
    from gnomon.generation.prompts.protocol import Protocol as TrialProtocol

FILES, ENVIRONMENT, PROMPTS = "subject_files", "environment", "prompts"
"""Events: all files of a subject that a revision of the first edition names, what its trials were made on, and hashes
of the token ids that it reads.
"""
TOGETHER = 32
SECONDS = 5.0
Progress = Callable[[int, int], None]


class TrialWorkers(Protocol):
    """Generates trials of a design: this process, or actors on several machines.

    `subject` has a name, a revision, and numbers of layers and parameters. `make_trials` may yield a trial twice.
    """

    @property
    def subject(self) -> Any:
        """The subject of the trials."""

    def prepare_worker(self, design: SweepDesign, protocols: Sequence[TrialProtocol]) -> Iterable[VectorRecord]:
        """Prepare a design; returns the vectors in use as the store keeps them.

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
        """

    def prompt_hashes(self) -> Mapping[str, str]:
        """Hash of the token ids of each prompt of the prepared design, by hash of its protocol."""

    def make_trials(self, planned: Sequence[PlannedTrial]) -> Iterable[Trial]:
        """The trials, each as soon as it is finished."""


@dataclass(frozen=True)
class SweepReport:
    """Result of a run: trials planned, made now, stored before, and failed among those made; seconds."""

    planned: int
    made: int
    already: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class SweepEstimate:
    """Expected size of a run: trials planned and stored, largest number of response tokens, and the time for them.

    `rows` run together; a row takes `admit_seconds` for its prompt and first token, `step_seconds` for each other
    token.
    """

    planned: int
    already: int
    missing: int
    tokens: int
    seconds: float
    rows: int
    admit_seconds: float
    step_seconds: float


class LocalWorker:
    """Worker that runs in the current process.

    Parameters
    ----------
    subject : EngineSubject
        The subject.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    engine : str
        Name of a registered engine.
    """

    def __init__(self, subject: EngineSubject, rows: int | None = None, engine: str = TORCH) -> None:
        self.subject, self._rows, self._engine = subject, rows, engine

    def prepare_worker(self, design: SweepDesign, protocols: Sequence[TrialProtocol]) -> Iterable[VectorRecord]:
        """Make the vectors of a design, or read them from the cache.

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
        """
        from gnomon.generation.sweeps.trial_factory import TrialFactory

        self.maker = TrialFactory(self.subject, design, protocols, self._rows, self._engine)
        return self.maker.vector_records()

    def prompt_hashes(self) -> Mapping[str, str]:
        """Hash of the token ids of each prompt of the prepared design, by hash of its protocol."""
        return self.maker.prompt_hashes()

    def make_trials(self, planned: Sequence[PlannedTrial]) -> Iterable[Trial]:
        """The trials, each as soon as it is finished."""
        return self.maker.make_trials(planned)


def run_sweep(
    store: Store,
    workers: TrialWorkers,
    design: SweepDesign,
    *,
    record: Subject,
    progress: Progress | None = None,
    tell: Callable[[str], object] = lambda _line: None,
) -> SweepReport:
    """Generate the trials of a design that the store does not hold yet.

    Finished trials are stored in small batches, each in one transaction, also when the run is interrupted: only the
    rows in progress are lost. The next run generates only what is missing. A trial that arrives twice is stored once,
    by its id.

    Parameters
    ----------
    store : Store
        The study's store.
    workers : TrialWorkers
        What generates the trials, with the subject loaded.
    design : SweepDesign
        The design.
    record : Subject
        The subject as the store keeps it; its name and revision are taken from `workers`.
    progress : callable, optional
        Called with (trials stored, trials planned), first before any work.
    tell : callable
        Takes one line for the user.

    Returns
    -------
    SweepReport
        Numbers of trials and duration.

    Raises
    ------
    InputError
        If the design is not valid for the subject, or the store holds trials of another subject under the same name.
    """
    plan = plan_sweep(design, workers.subject)
    return run_plan(store, workers, plan, record=record, progress=progress, tell=tell)


def plan_sweep(design: SweepDesign, subject: Any) -> SweepPlan:
    """The design's protocols, loaded, with every trial that it plans of a subject.

    Parameters
    ----------
    design : SweepDesign
        The design.
    subject : LoadedSubject or SubjectInfo
        Anything with a name, a revision and a number of layers.

    Raises
    ------
    InputError
        If the design is not valid for the subject.
    """
    from gnomon.generation.sweeps.trial_factory import plan_trials

    protocols = tuple(load_protocol(name) for name in design.protocols)
    return SweepPlan(design, protocols, tuple(plan_trials(design, subject, protocols)))


def run_plan(
    store: Store,
    workers: TrialWorkers,
    plan: SweepPlan,
    *,
    record: Subject,
    progress: Progress | None = None,
    tell: Callable[[str], object] = lambda _line: None,
) -> SweepReport:
    """Generate the trials of a plan that the store does not hold yet, as `run_sweep` does those of a design.

    Parameters
    ----------
    store : Store
        The study's store.
    workers : TrialWorkers
        What generates the trials, with the subject loaded.
    plan : SweepPlan
        Design, protocols and trials.
    record : Subject
        The subject as the store keeps it; its name and revision are taken from `workers`.
    progress : callable, optional
        Called with (trials stored, trials planned), first before any work.
    tell : callable
        Takes one line for the user.

    Returns
    -------
    SweepReport
        Numbers of trials and duration.

    Raises
    ------
    InputError
        If the store holds trials of another subject under the same name, or a protocol is not for the subject.
    """
    from gnomon.generation.sweeps.trial_factory import all_protocols

    begun = time.monotonic()
    design, protocols, planned = plan.design, plan.protocols, plan.trials
    missing = plan.without(store.trial_ids()).trials
    writer = _TrialWriter(store, len(planned), len(planned) - len(missing), progress)
    if missing:
        _add_subject(store, workers.subject, record)
        environment = getattr(workers.subject, "environment", None) or describe_environment(workers.subject)
        if changed := record_environment(store, workers.subject.name, environment):
            tell(f"{workers.subject.name}: earlier trials were made on {changed}: rounding may differ between them")
        made = list(workers.prepare_worker(design, protocols))
        _check_prompts(store, workers.subject.name, workers.prompt_hashes())
        if differing := _differing_vectors(store, made):
            tell(
                f"{workers.subject.name}: {differing} of {len(made)} vectors have other values than those of the "
                "stored trials, by their recipes' hashes: they were made anew, or on another machine"
            )
        for vector in made:
            store.add_vector(
                vector.hash,
                subject=vector.subject,
                concept=vector.concept,
                layer=vector.layer,
                norm=vector.norm,
                content=vector.content,
            )
        for protocol in all_protocols(design, protocols):
            store.add_protocol(protocol.protocol_hash, protocol.name, protocol.stored_content())
        with writer:
            for trial in workers.make_trials(missing):
                writer.add_trial(trial)
    already = len(planned) - len(missing)
    return SweepReport(len(planned), writer.made, already, writer.failed, round(time.monotonic() - begun, 3))


def estimate_sweep(
    store: Store, subject: EngineSubject, design: SweepDesign, rows: int | None = None, engine: str = TORCH
) -> SweepEstimate:
    """Size and duration of a run, from a probe of a few tokens; nothing is stored.

    Parameters
    ----------
    store : Store
        The study's store.
    subject : EngineSubject
        The subject.
    design : SweepDesign
        The design.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    engine : str
        Name of a registered engine.
    """
    from gnomon.generation.sweeps.trial_factory import SpeedProbe, TrialFactory

    plan = plan_sweep(design, subject)
    left = plan.without(store.trial_ids())
    planned, missing, tokens = plan.trials, left.trials, left.most_tokens
    probe = (
        TrialFactory(subject, design, plan.protocols, rows, engine).probe_speed(missing[: 2 * TOGETHER])
        if missing
        else SpeedProbe(1, 0.0, 0.0)
    )
    return SweepEstimate(
        len(planned),
        len(planned) - len(missing),
        len(missing),
        tokens,
        round(probe.estimated_seconds(len(missing), tokens), 1),
        probe.rows,
        round(probe.admit_seconds, 6),
        round(probe.step_seconds, 6),
    )


class _TrialWriter:
    """Stores trials in small batches, and the rest when the block ends, also on an error."""

    def __init__(self, store: Store, planned: int, already: int, progress: Progress | None) -> None:
        self.made = self.failed = 0
        self._store, self._planned, self._already, self._progress = store, planned, already, progress
        self._held: dict[str, Trial] = {}
        self._since = time.monotonic()
        self._report_progress()

    def __enter__(self) -> _TrialWriter:
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        self._flush_trials()
        if kind is None:
            self._report_progress()

    def add_trial(self, trial: Trial) -> None:
        """Take a trial; it is stored together with others."""
        self._held[trial.id] = trial
        if len(self._held) >= TOGETHER or time.monotonic() - self._since > SECONDS:
            self._flush_trials()
            self._report_progress()

    def _flush_trials(self) -> None:
        held, self._held, self._since = self._held, {}, time.monotonic()
        if not held:
            return
        self.made += self._store.add_trials(held.values())
        self.failed += sum(trial.error is not None for trial in held.values())

    def _report_progress(self) -> None:
        if self._progress:
            self._progress(self._already + self.made, self._planned)


def _add_subject(store: Store, subject: Any, record: Subject) -> None:
    """Store the subject, or reject one that shares its name with other weights."""
    store.add_subjects([replace(record, name=subject.name, revision=subject.revision)])
    kept = next(known for known in store.load_subjects() if known.name == subject.name)
    if kept.revision != subject.revision:
        raise InputError(
            f"subject '{subject.name}': the study holds trials of other weights, configuration, tokenizer, template or "
            f"dtype under this name (revision {kept.revision[:8]}, now {subject.revision[:8]}): give it another name "
            "in study.toml"
        )
    _check_files(store, subject)


def _check_files(store: Store, subject: Any) -> None:
    """Of a subject under a revision of the first edition, keep all files in mind, and reject others from then on."""
    files = getattr(subject, "files", "")
    if not files:
        return
    with _subject_events(store, FILES, subject.name) as (known, log):
        if not known:
            log({"revision": subject.revision, "files": files})
    if known and known[-1]["files"] != files:
        raise InputError(
            f"subject '{subject.name}': configuration, tokenizer or generation settings of its model are not those of "
            f"its stored trials (files {str(known[-1]['files'])[:8]}, now {files[:8]}): give it another name in "
            "study.toml"
        )


def _check_prompts(store: Store, subject: str, prompts: Mapping[str, str]) -> None:
    """Keep what a subject reads in mind, by protocol, and reject other token ids under the same protocol."""
    known: dict[str, JsonValue] = {}
    with _subject_events(store, PROMPTS, subject) as (details, log):
        for detail in details:
            known |= cast("dict[str, JsonValue]", detail["prompts"])
        if new := {protocol: ids for protocol, ids in prompts.items() if protocol not in known}:
            log({"prompts": new})
    for protocol, ids in prompts.items():
        if known.get(protocol, ids) != ids:
            raise InputError(
                f"subject '{subject}': a prompt has other tokens than the one that its stored trials answered "
                f"(protocol {protocol[:8]}): its tokenizer, its chat template or 'date' in study.toml has changed: "
                "take the change back, or give it another name"
            )


@contextmanager
def _subject_events(
    store: Store, kind: str, subject: str
) -> Iterator[tuple[list[dict[str, JsonValue]], Callable[[Mapping[str, object]], None]]]:
    """The events of a kind about a subject, oldest first, and a function that adds one: in one transaction, so that
    two runs at once do not both add the first.
    """
    event = tables.events.c
    with store.write_transaction() as connection:

        def log(detail: Mapping[str, object]) -> None:
            row = {"kind": kind, "detail": {"subject": subject, **detail}, "created_at": utc_timestamp()}
            store.insert_rows(connection, tables.events, [row])

        rows = connection.execute(select(event.detail).where(event.kind == kind).order_by(event.id)).scalars()
        yield [detail for detail in rows if detail["subject"] == subject], log


def _differing_vectors(store: Store, made: Sequence[VectorRecord]) -> int:
    """Number of vectors that are stored with other values under the same recipe."""
    column = tables.vectors.c
    hashes = {vector.hash: vector.content["sha256"] for vector in made if "sha256" in vector.content}
    found = 0
    with store.read_transaction() as connection:
        for part in split_chunks(list(hashes)):
            query = select(column.hash, column.content["sha256"].as_string()).where(column.hash.in_(part))
            found += sum(sha not in (None, hashes[hash_]) for hash_, sha in connection.execute(query))
    return found


def record_environment(store: Store, subject: str, environment: Mapping[str, str]) -> str:
    """Record what a subject's trials are made on, if it has changed; returns what differs from before.

    Parameters
    ----------
    store : Store
        The study's store.
    subject : str
        Name of the subject.
    environment : mapping of str to str
        As `generation.subjects.environment.describe_environment` returns it.
    """
    with _subject_events(store, ENVIRONMENT, subject) as (known, log):
        last = known[-1]["environment"] if known else None
        if last == dict(environment):
            return ""
        log({"environment": dict(environment)})
    return describe_changes(cast("dict[str, str]", last), dict(environment)) if last else ""
