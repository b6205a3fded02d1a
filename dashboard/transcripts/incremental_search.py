"""Incremental transcript search over id ranges with a time budget per call. Knows no screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, func, select

from gnomon.dashboard.transcripts.trial_order import ID_RANGES, OrderPlan, id_stretches
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

FEW = 8_000
"""Up to this many matches are fetched completely."""
WHOLE = 20_000
"""A study of up to this many trials is searched completely at once."""
AT_ONCE = 5_000
"""Largest number of ids in one query."""
BEST_PART = 0.6
"""Time budget of one call, in seconds."""

_id = tables.trials.c.id
_answered = tables.trials.c.error.is_(None)
SORTED_AT_ONCE = 1_000
"""Ids that are fetched at once where the database sorts all matches."""
MANY = FEW // len(ID_RANGES) // 2
"""More matches than this in the first range are probably too many to be fetched completely."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """State of a search: ids found, in order, and how many of its stretches have been searched.

    `total` is the number of matching transcripts, if counting all of them is fast. With `stretches` 1 the database
    sorts all matches, and the search holds the first of them.
    """

    ids: tuple[str, ...] = ()
    reached: int = 0
    total: int | None = None
    stretches: int = len(ID_RANGES)

    @property
    def is_complete(self) -> bool:
        """Whether the whole study has been searched."""
        return self.reached == self.stretches

    @property
    def searched_share(self) -> float:
        """Share of the study that has been searched."""
        return self.reached / self.stretches


def start_search(
    store: Store,
    conditions: Sequence[ColumnElement[bool]],
    *,
    slow: bool,
    wanted: int,
    order: OrderPlan | None = None,
    reads_text: bool = False,
) -> SearchState:
    """Start a search.

    Conditions on the trial alone need one scan of its table: few matches are fetched completely, many are counted. The
    first id range decides between the two, because there is not enough time to scan a large table twice. Slow
    conditions ask for verdicts, trial by trial, and in a large study the search stops when the time is up; it goes
    through the study in the order that is asked for, so that what it has found are the first ones.

    Parameters
    ----------
    store : Store
        The study's store.
    conditions : sequence of ColumnElement
        SQL conditions on trials, all of which must hold.
    slow : bool
        Whether a condition asks for verdicts.
    wanted : int
        Number of transcripts after which the search may stop.
    order : OrderPlan, optional
        The order; by default that of ids.
    reads_text : bool, default False
        Whether a condition reads the responses: many matches are then not sorted by the database, which would read
        them all again, but found in the order that is asked for.

    Returns
    -------
    SearchState
        The first matches: at least `wanted`, or those found in time, or all.
    """
    if slow or (order is not None and order.is_slow):
        if _count_matches(store, []) <= WHOLE:
            return _complete(_sorted_ids(store, conditions, order))
        return resume_search(store, conditions, _unsearched(order), wanted, order=order)
    first = _sorted_ids(store, [*id_stretches()[0], *conditions])
    if len(first) <= MANY and len(few := _matching_rows(store, conditions, order, FEW + 1)) <= FEW:
        return _complete(_in_order(few, order))
    if order is not None and reads_text:
        return resume_search(store, conditions, _unsearched(order), wanted, order=order)
    total = _count_matches(store, conditions)
    if order is not None:
        return resume_search(store, conditions, SearchState(total=total, stretches=1), wanted, order=order)
    return replace(resume_search(store, conditions, SearchState(tuple(first), 1), wanted), total=total)


def filter_ids(
    store: Store, conditions: Sequence[ColumnElement[bool]], ids: Sequence[str], order: OrderPlan | None = None
) -> SearchState:
    """Those of the given trials that match, as a complete search.

    Parameters
    ----------
    store : Store
        The study's store.
    conditions : sequence of ColumnElement
        SQL conditions on trials, all of which must hold.
    ids : sequence of str
        Trial ids.
    order : OrderPlan, optional
        The order; by default that of ids.
    """
    parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    rows = [row for part in parts for row in _matching_rows(store, [_id.in_(part), *conditions], order)]
    return _complete(_in_order(rows, order))


def resume_search(
    store: Store,
    conditions: Sequence[ColumnElement[bool]],
    found: SearchState,
    wanted: int,
    clock: Callable[[], float] = time.monotonic,
    order: OrderPlan | None = None,
) -> SearchState:
    """Continue a search until `wanted` transcripts are found or the time is up; at least one stretch is searched.

    Parameters
    ----------
    store : Store
        The study's store.
    conditions : sequence of ColumnElement
        SQL conditions on trials, as at the start of the search.
    found : SearchState
        Where the search stopped.
    wanted : int
        Number of transcripts after which the search may stop.
    clock : callable
        Returns the time in seconds, from any origin.
    order : OrderPlan, optional
        The order, as at the start of the search.
    """
    if order is not None and found.stretches == 1:
        return _sort_further(store, conditions, found, wanted, order)
    stretch = id_stretches().__getitem__ if order is None else order.stretch
    end, ids, reached = clock() + BEST_PART, list(found.ids), found.reached
    while reached < found.stretches and len(ids) < wanted:
        ids += _sorted_ids(store, [*stretch(reached), *conditions])
        reached += 1
        if clock() > end:
            break
    return replace(found, ids=tuple(ids), reached=reached)


def _unsearched(order: OrderPlan | None) -> SearchState:
    return SearchState() if order is None else SearchState(stretches=order.stretch_count)


def _sort_further(
    store: Store, conditions: Sequence[ColumnElement[bool]], found: SearchState, wanted: int, order: OrderPlan
) -> SearchState:
    """The next matches of a search whose matches the database sorts."""
    most = max(wanted - len(found.ids), SORTED_AT_ONCE)
    query = select(_id).where(_without_failed(), *conditions).order_by(*order.sort_expressions)
    with store.read_transaction() as connection:
        further = connection.execute(query.limit(most).offset(len(found.ids))).scalars().all()
    known = set(found.ids)  # what was added meanwhile has moved the others
    ids = (*found.ids, *(id_ for id_ in further if id_ not in known))
    return replace(found, ids=ids, reached=int(len(further) < most))


def _complete(ids: Sequence[str]) -> SearchState:
    """A complete search with these matches, which are in order."""
    return SearchState(tuple(ids), len(ID_RANGES), len(ids))


def _in_order(rows: Sequence[tuple[Any, ...]], order: OrderPlan | None) -> list[str]:
    return sorted(str(row[0]) for row in rows) if order is None else order.sort_rows(rows)


def _sorted_ids(store: Store, conditions: Sequence[ColumnElement[bool]], order: OrderPlan | None = None) -> list[str]:
    """All matches, in order."""
    return _in_order(_matching_rows(store, conditions, order), order)


def _matching_rows(
    store: Store, conditions: Sequence[ColumnElement[bool]], order: OrderPlan | None = None, most: int | None = None
) -> list[tuple[Any, ...]]:
    """Ids of matches with what they are sorted by, in no order."""
    query = select(_id, *(order.keys if order else ())).where(_answered, *conditions).limit(most)
    with store.read_transaction() as connection:
        return [tuple(row) for row in connection.execute(query)]


def _without_failed() -> ColumnElement[bool]:
    """The trial did not fail, said so that an index of conditions is enough to sort by."""
    return _id.not_in(select(_id).where(tables.failed))


def _count_matches(store: Store, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Number of matches without a failed trial.

    No index covers both the conditions and failure, so that failed matches are counted separately and subtracted.
    """
    query = select(func.count()).select_from(tables.trials).where(*conditions)
    failed = query.where(_id.in_(select(_id).where(tables.failed)))
    with store.read_transaction() as connection:
        every, lost = (int(connection.execute(part).scalar_one()) for part in (query, failed))
    return every - lost
