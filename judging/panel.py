"""Runs judges over a store: asks each only for what is missing and keeps verdicts as they come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Self

from sqlalchemy import func, select

from data.errors import JudgeError, UserError
from data.records import Verdict, VerdictState
from data.store import Store
from data.tables import verdicts as verdicts_table
from judging.base import Judge

BATCH = 50
BATCH_SECONDS = 2.0

Progress = Callable[[str, int, int], None]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """How one judge's run went.

    `asked` trials were put to the judge, `new` verdicts stored, `already` stored before; `by_state` counts this run's
    verdicts by state (those in state `error` are not stored: the next run asks for them again). `error` says why the
    judge stopped early; `enforces_schema` is None for a judge without a server.
    """

    judge: str
    version: str
    asked: int
    new: int
    already: int
    by_state: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    enforces_schema: bool | None = None
    seconds: float = 0.0


def run_panel(
    store: Store,
    judges: Sequence[Judge],
    *,
    limit: int | None = None,
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
) -> list[JudgeReport]:
    """Ask every judge for the verdicts that the store does not have yet.

    A judge that stops early does not stop the others. Verdicts are stored every `BATCH` or `BATCH_SECONDS`, and on
    the way out whatever happens: an interrupt loses only the calls in flight.

    Parameters
    ----------
    store : where trials are read and verdicts go.
    judges : asked one after another.
    limit : ask each judge for at most so many trials (in the order of their ids, which is random).
    progress : called with the judge's name, trials done and trials to do.
    clock : seconds from any origin.
    """
    return [_run(store, judge, limit, progress or _silent, clock) for judge in judges]


def _run(store: Store, judge: Judge, limit: int | None, progress: Progress, clock: Clock) -> JudgeReport:
    begun = clock()
    version = judge.version
    trials = store.unjudged(version.version)[:limit]
    already = _stored(store, version.version)
    states: Counter[str] = Counter()
    error: str | None = None
    if trials:
        store.add_judge(version)
    progress(version.name, 0, len(trials))
    with _Writer(store, clock) as writer, closing(judge.judge(trials)) as verdicts:
        while True:
            try:
                verdict = next(verdicts)
            except StopIteration:
                break
            except (JudgeError, UserError) as stopped:
                error = str(stopped)
                break
            states[verdict.state.value] += 1
            writer.add(verdict)
            progress(version.name, states.total(), len(trials))
    report = JudgeReport(
        judge=version.name,
        version=version.version,
        asked=len(trials),
        new=writer.stored,
        already=already,
        by_state=dict(states),
        error=error,
        enforces_schema=judge.enforces_schema,
        seconds=clock() - begun,
    )
    if trials:
        store.log("judge_run", asdict(report))
    return report


class _Writer:
    """Stores verdicts in small transactions, and the rest when it is left, however it is left."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.stored = 0
        self._store = store
        self._clock = clock
        self._waiting: list[Verdict] = []
        self._since = clock()

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict, unless its call failed and is to be made again."""
        if verdict.state is not VerdictState.ERROR:
            self._waiting.append(verdict)
        if len(self._waiting) >= BATCH or self._clock() - self._since >= BATCH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self.stored += self._store.add_verdicts(self._waiting)
        self._waiting = []
        self._since = self._clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()


def _stored(store: Store, version: str) -> int:
    query = select(func.count().label("n")).where(verdicts_table.c.judge == version, verdicts_table.c.sample == 0)
    return int(store.frame(query)["n"].iloc[0])


def _silent(_judge: str, _done: int, _total: int) -> None:
    """No progress is shown."""
