"""Tokens that the runs of a judge have used, and those set aside before a call: what a budget has left, for all runs.

Tokens are stored, not money: their cost follows from the price in the study file. A run sets tokens aside in the
database, under the write lock, before it makes the calls that may use them. A run that is killed therefore leaves its
reservation, which counts as spent until somebody releases it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from gnomon.data.errors import JudgeError
from gnomon.data.records import utc_timestamp
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import events, judge_runs, judges, verdicts

WASTED, CACHED = "judge_wasted", "judge_cached"
"""Events of versions before the table of runs: tokens of calls without a verdict, and input tokens read before."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens: those of prompts, those of replies, and those of the prompts that the server had read before."""

    input: int = 0
    output: int = 0
    cached: int = 0

    def __add__(self, other: TokenCounts) -> TokenCounts:
        """The sum, count by count."""
        return TokenCounts(self.input + other.input, self.output + other.output, self.cached + other.cached)


NO_TOKENS = TokenCounts()


@dataclass(frozen=True, slots=True)
class OtherRuns:
    """What all other runs of judges of one name have used and set aside.

    Attributes
    ----------
    used : TokenCounts
        Tokens of their calls.
    reserved : TokenCounts
        Tokens set aside: by runs that have not ended, and for batches that are not yet collected.
    unended : int
        Number of runs that have tokens set aside and have not ended: they are running, or were killed.
    since : str or None
        When the first of those began.
    """

    used: TokenCounts = NO_TOKENS
    reserved: TokenCounts = NO_TOKENS
    unended: int = 0
    since: str | None = None


Reserve = Callable[[OtherRuns], TokenCounts]


class JudgeRunRow:
    """The row of one run of a judge behind a server.

    Parameters
    ----------
    store : Store
        The study's store.
    name : str
        Name of the judge: a budget is that of all versions of one name.
    version : str
        Judge version.
    """

    def __init__(self, store: Store, name: str, version: str) -> None:
        self.id = uuid.uuid4().hex
        self._store = store
        self._name = name
        with store.write_transaction() as connection:
            if not connection.execute(select(judge_runs.c.id).where(judge_runs.c.judge == name).limit(1)).first():
                _insert_run(connection, uuid.uuid4().hex, name, "", _used_earlier(connection, name), ended=True)
            _insert_run(connection, self.id, name, version)
            self.others = _other_runs(connection, name, self.id)
            self.start = _first_trial(connection, version, self.id)

    def reserve_tokens(self, used: TokenCounts, reserve: Reserve) -> None:
        """Record what was used, and set aside what `reserve` returns.

        Parameters
        ----------
        used : TokenCounts
            Tokens of this run's calls so far.
        reserve : callable
            Function of the other runs, called under the write lock; returns all tokens that this run may still use.

        Raises
        ------
        JudgeError
            If another command released this run's reservation.
        """
        with self._store.write_transaction() as connection:
            ended = select(judge_runs.c.ended_at).where(judge_runs.c.id == self.id)
            if connection.execute(ended).scalar_one() is not None:
                raise JudgeError(
                    f"judge '{self._name}': another command released what this run had set aside: run it again"
                )
            self.others = _other_runs(connection, self._name, self.id)
            self._write_row(connection, used, reserve(self.others))

    def end_run(self, used: TokenCounts, reserved: TokenCounts) -> None:
        """Record the end of the run.

        Parameters
        ----------
        used : TokenCounts
            Tokens of all its calls.
        reserved : TokenCounts
            Tokens that stay set aside, for batches that are still open.
        """
        with self._store.write_transaction() as connection:
            self._write_row(connection, used, reserved, ended_at=utc_timestamp())

    def release_tokens(self, run: str, reserved: TokenCounts, used: TokenCounts) -> None:
        """Record what was used in place of what another run had set aside.

        Parameters
        ----------
        run : str
            Id of the run that submitted a batch.
        reserved : TokenCounts
            Tokens that it had set aside for the batch.
        used : TokenCounts
            Tokens of this run's calls so far, those of the batch among them.
        """
        with self._store.write_transaction() as connection:
            _update_run(connection, self.id, _used_columns(used))
            found = connection.execute(select(*_COUNTS).where(judge_runs.c.id == run)).first()
            if found is not None:
                held = TokenCounts(found.reserved_input, found.reserved_output)
                left = TokenCounts(max(0, held.input - reserved.input), max(0, held.output - reserved.output))
                _update_run(connection, run, _reserved_columns(left))

    def _write_row(
        self, connection: Connection, used: TokenCounts, reserved: TokenCounts, ended_at: str | None = None
    ) -> None:
        _update_run(connection, self.id, {**_used_columns(used), **_reserved_columns(reserved), "ended_at": ended_at})


def release_reservations(store: Store, name: str) -> OtherRuns:
    """End all runs of a judge that have not ended, and count what they and open batches had set aside as not spent.

    Parameters
    ----------
    store : Store
        The study's store.
    name : str
        Name of the judge.

    Returns
    -------
    OtherRuns
        The runs as they were.
    """
    mine, moment = judge_runs.c.judge == name, utc_timestamp()
    with store.write_transaction() as connection:
        before = _other_runs(connection, name)
        connection.execute(update(judge_runs).where(mine).values(**_reserved_columns(NO_TOKENS)))
        connection.execute(update(judge_runs).where(mine, judge_runs.c.ended_at.is_(None)).values(ended_at=moment))
    return before


_COUNTS = (
    judge_runs.c.input_tokens,
    judge_runs.c.output_tokens,
    judge_runs.c.cached_tokens,
    judge_runs.c.reserved_input,
    judge_runs.c.reserved_output,
)


def _other_runs(connection: Connection, name: str, own: str = "") -> OtherRuns:
    """Sums over all runs of a judge but one."""
    others = [judge_runs.c.judge == name, judge_runs.c.id != own]
    sums = [func.coalesce(func.sum(column), 0) for column in _COUNTS]
    sent, received, cached, *reserved = map(int, connection.execute(select(*sums).where(*others)).one())
    holds = judge_runs.c.reserved_input + judge_runs.c.reserved_output > 0
    first = select(func.count(), func.min(judge_runs.c.begun_at))
    unended, since = connection.execute(first.where(*others, judge_runs.c.ended_at.is_(None), holds)).one()
    return OtherRuns(TokenCounts(sent, received, cached), TokenCounts(*reserved), int(unended), since)


def _first_trial(connection: Connection, version: str, own: str) -> str:
    """Id from which a run takes trials, so that runs of one version that go on at once seldom ask about the same ones.

    Ids are spread evenly: the first run begins at 0, the second at 1/2, the third at 1/4, then 3/4, 1/8 ... of them.
    """
    going_on = (judge_runs.c.version == version, judge_runs.c.id != own, judge_runs.c.ended_at.is_(None))
    number = connection.execute(select(func.count()).select_from(judge_runs).where(*going_on)).scalar_one()
    place = int(f"{number % 2**16:016b}"[::-1], 2)
    return f"{place:04x}" if place else ""


def _used_earlier(connection: Connection, name: str) -> TokenCounts:
    """What a judge had used when its first run was recorded: tokens of its verdicts, and of events of that time."""
    versions = list(connection.execute(select(judges.c.version).where(judges.c.name == name)).scalars())
    sums = [func.coalesce(func.sum(column), 0) for column in (verdicts.c.input_tokens, verdicts.c.output_tokens)]
    sent, received = map(int, connection.execute(select(*sums).where(verdicts.c.judge.in_(versions))).one())
    wasted, cached = (_event_tokens(connection, kind, versions) for kind in (WASTED, CACHED))
    return TokenCounts(sent, received) + wasted + TokenCounts(cached=cached.input)


def _event_tokens(connection: Connection, kind: str, versions: Sequence[str]) -> TokenCounts:
    found = connection.execute(select(events.c.detail).where(events.c.kind == kind)).scalars()
    own = [detail for detail in found if detail.get("version") in versions]
    return TokenCounts(
        sum(int(detail.get("input_tokens", 0)) for detail in own),
        sum(int(detail.get("output_tokens", 0)) for detail in own),
    )


def _insert_run(
    connection: Connection, run: str, name: str, version: str, used: TokenCounts = NO_TOKENS, *, ended: bool = False
) -> None:
    moment = utc_timestamp()
    row = {"id": run, "judge": name, "version": version, "begun_at": moment, "ended_at": moment if ended else None}
    connection.execute(insert(judge_runs).values(**row, **_used_columns(used), **_reserved_columns(NO_TOKENS)))


def _update_run(connection: Connection, run: str, values: Mapping[str, int | str | None]) -> None:
    connection.execute(update(judge_runs).where(judge_runs.c.id == run).values(**values))


def _used_columns(used: TokenCounts) -> dict[str, int | str | None]:
    return {"input_tokens": used.input, "output_tokens": used.output, "cached_tokens": used.cached}


def _reserved_columns(reserved: TokenCounts) -> dict[str, int | str | None]:
    return {"reserved_input": reserved.input, "reserved_output": reserved.output}
