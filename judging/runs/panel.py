"""Runs several judges over a store at once: asks each only for missing verdicts and stores verdicts as they arrive."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from gnomon.data.errors import JudgeError, UserError
from gnomon.data.records import Verdict, VerdictState
from gnomon.data.storage.pending_verdicts import Conditions, count_given, count_missing, pending_trials
from gnomon.data.storage.store import Store
from gnomon.judging.protocols import Judge, JudgeCase, MeteredJudge, VerdictStream
from gnomon.judging.run_state import StoredRunState

BATCH = 50
BATCH_SECONDS = 2.0
PAGE = 256

Progress = Callable[[str, int, int], None]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """Result of one judge's run.

    `asked` verdicts were requested, `new` were stored, `already` had been stored before; `by_state` counts this run's
    verdicts by state (those with state `error` are not stored: the next run requests them again) and `not_ok` is the
    share that is not ok and counts nowhere. `error` says why the judge stopped early; `enforces_schema` is None for a
    judge without a server; `usage` has its calls, tokens and cost.
    """

    judge: str
    version: str
    asked: int
    new: int
    already: int
    by_state: Mapping[str, int] = field(default_factory=dict)
    not_ok: float | None = None
    error: str | None = None
    enforces_schema: bool | None = None
    seconds: float = 0.0
    usage: Mapping[str, JsonValue] = field(default_factory=dict)


def run_panel(
    store: Store,
    judges: Sequence[Judge],
    *,
    limit: int | None = None,
    only: Conditions = (),
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> list[JudgeReport]:
    """Ask every judge for the verdicts that are missing in the store.

    The judges run concurrently, each in its own thread; verdicts are stored in the calling thread, batch by batch. A
    judge that stops early does not stop the others. A call to a server keeps its slot until its verdict is stored: a
    run that is killed at any moment pays again at most for the calls in flight, an interrupted run for fewer.

    Parameters
    ----------
    store : Store
        Where trials are read and verdicts are stored.
    judges : sequence of Judge
        The judges to run.
    limit : int, optional
        Largest number of trials per judge, in the order of their ids, which is random; None for all.
    only : sequence of sqlalchemy.ColumnElement
        Further conditions on the trials, such as `gnomon.data.storage.pending_verdicts.labelled_in`.
    progress : callable, optional
        Called with the judge's name, the number of verdicts received and the number requested.
    clock : callable
        Returns the time in seconds, from any origin.

    Returns
    -------
    list of JudgeReport
        One report per judge, in the order of `judges`.
    """
    tell = progress or _no_progress
    runs = [_JudgeRun(store, judge, limit, only, clock) for judge in judges]
    with _JudgeThreads(runs) as feeds:
        for run in runs:
            tell(run.name, 0, run.asked)
        for feed in feeds.iterate_ready():
            feed.run.keep_verdicts(feed.batch)
            tell(feed.run.name, feed.run.states.total(), feed.run.asked)
            feed.release_batch()
    return [run.make_report() for run in runs]


class _JudgeRun:
    """One judge's run: what is requested, what was stored, how it ended."""

    def __init__(self, store: Store, judge: Judge, limit: int | None, only: Conditions, clock: Clock) -> None:
        self.states: Counter[str] = Counter()
        self.judge = judge
        self.name = judge.version.name
        self._store = store
        self._clock = clock
        self._begun = clock()
        self._ended = self._begun
        self._version = judge.version.version
        self._samples = judge.samples if isinstance(judge, MeteredJudge) else 1
        self._limit, self._only = limit, only
        self.asked = count_missing(store, self._version, samples=self._samples, limit=limit, only=only)
        self._already = count_given(store, self._version)
        self._new = 0
        self.error: str | None = None
        if self.asked:
            store.add_judge(judge.version)

    def open_stream(self) -> VerdictStream:
        """Start judging."""
        state = StoredRunState(self._store, self.name, self._version)
        if isinstance(self.judge, MeteredJudge):
            return self.judge.open_stream(self._iterate_cases(state), state)
        return _LocalVerdictStream(self.judge, self._iterate_cases(state), self._clock)

    def _iterate_cases(self, state: StoredRunState) -> Iterator[JudgeCase]:
        """What lacks a verdict, read when the first case is asked for: the state then knows where to begin."""
        wanted = pending_trials(
            self._store,
            self._version,
            samples=self._samples,
            limit=self._limit,
            start=state.start,
            only=self._only,
        )
        for trial, sample in wanted:
            yield JudgeCase(trial, sample)

    def keep_verdicts(self, batch: Sequence[Verdict]) -> None:
        """Store verdicts; of failed calls, log trial, sample and reason."""
        good = [verdict for verdict in batch if verdict.state is not VerdictState.ERROR]
        failed = [verdict for verdict in batch if verdict.state is VerdictState.ERROR]
        self._new += self._store.add_verdicts(good) if good else 0
        if failed:
            calls = [{"trial": verdict.trial, "sample": verdict.sample, "reason": verdict.raw} for verdict in failed]
            self._store.log_event("judge_failed", {"version": self._version, "calls": calls})
        self.states.update(verdict.state.value for verdict in batch)
        self._ended = self._clock()

    def make_report(self) -> JudgeReport:
        """The report of the run; also logged among the study's events."""
        total = self.states.total()
        report = JudgeReport(
            judge=self.name,
            version=self._version,
            asked=self.asked,
            new=self._new,
            already=self._already,
            by_state=dict(self.states),
            not_ok=1 - self.states[VerdictState.OK.value] / total if total else None,
            error=self.error,
            enforces_schema=self.judge.enforces_schema,
            seconds=self._ended - self._begun,
            usage=self.judge.usage_summary() if isinstance(self.judge, MeteredJudge) else {},
        )
        if self.asked:
            self._store.log_event("judge_run", asdict(report))
        return report


class _LocalVerdictStream:
    """Verdicts of a judge without a server, in batches of `BATCH` verdicts or `BATCH_SECONDS` seconds."""

    def __init__(self, judge: Judge, cases: Iterable[JudgeCase], clock: Clock) -> None:
        self._judge = judge
        self._cases = iter(cases)
        self._clock = clock
        self._stopped = threading.Event()

    def iterate_batches(self) -> Iterator[list[Verdict]]:
        """Yield batches, and the incomplete last one if the judge ends with an error."""
        held: list[Verdict] = []
        since = self._clock()
        try:
            for verdict in self._iterate_verdicts():
                held.append(verdict)
                if len(held) >= BATCH or self._clock() - since >= BATCH_SECONDS:
                    yield held
                    held, since = [], self._clock()
        except BaseException:
            if held:
                yield held
            raise
        if held:
            yield held

    def request_stop(self) -> None:
        """Stop after the current verdict."""
        self._stopped.set()

    def _iterate_verdicts(self) -> Iterator[Verdict]:
        while page := [case.trial for case in islice(self._cases, PAGE)]:
            with closing(self._judge.judge_trials(page)) as verdicts:
                for verdict in verdicts:
                    yield verdict
                    if self._stopped.is_set():
                        return


class _JudgeThread:
    """One judge's thread: takes a batch from its stream, offers it, waits until it is stored, takes the next."""

    def __init__(self, run: _JudgeRun, ready: SimpleQueue[_JudgeThread]) -> None:
        self.run = run
        self.batch: list[Verdict] = []
        self.ended = False
        self.error: BaseException | None = None
        self._ready = ready
        self._kept = threading.Semaphore(0)
        self._flow: VerdictStream | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run_thread, name=f"gnomon-{run.name}", daemon=True)

    def start_thread(self) -> None:
        """Start the thread."""
        self._thread.start()

    def release_batch(self) -> None:
        """Confirm that the batch is stored."""
        self.batch = []
        self._kept.release()

    def request_stop(self) -> None:
        """Start no further call."""
        self._stopped = True
        if self._flow is not None:
            self._flow.request_stop()

    def _run_thread(self) -> None:
        try:
            self._flow = self.run.open_stream()
            if self._stopped:
                self._flow.request_stop()
            for batch in self._flow.iterate_batches():
                self.batch = batch
                self._ready.put(self)
                self._kept.acquire()
        except (JudgeError, UserError) as stopped:
            self.run.error = str(stopped)
        except BaseException as error:
            self.error = error
        self.ended = True
        self._ready.put(self)


class _JudgeThreads:
    """The threads of a panel.

    On exit they are stopped in every case, and the verdicts that they still hold are stored.
    """

    def __init__(self, runs: Sequence[_JudgeRun]) -> None:
        self._queue: SimpleQueue[_JudgeThread] = SimpleQueue()
        self._feeds = [_JudgeThread(run, self._queue) for run in runs if run.asked]

    def __enter__(self) -> Self:
        for feed in self._feeds:
            feed.start_thread()
        return self

    def iterate_ready(self) -> Iterator[_JudgeThread]:
        """Yield threads that hold a batch, until all have ended; raise an error that is not the judge's fault."""
        while not all(feed.ended for feed in self._feeds):
            feed = self._queue.get()
            if feed.batch:
                yield feed
            if feed.error is not None:
                break
        for feed in self._feeds:
            if feed.error is not None:
                raise feed.error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for feed in self._feeds:
            feed.request_stop()
        if error is None:
            return
        while not all(feed.ended for feed in self._feeds):
            self._flush_held()
            with suppress(Exception):
                self._queue.get(timeout=0.05)
        self._flush_held()

    def _flush_held(self) -> None:
        """Store what is held. An interrupt may have hit during storage; storing a verdict twice keeps it once."""
        for feed in self._feeds:
            if feed.batch:
                with suppress(Exception):  # the first error is the one that is reported
                    feed.run.keep_verdicts(feed.batch)
                feed.release_batch()


def _no_progress(_judge: str, _done: int, _total: int) -> None:
    """Progress callback that shows nothing."""
