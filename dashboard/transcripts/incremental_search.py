"""Incremental transcript search over id ranges with a time budget per call. Knows no screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import ColumnElement, func, select

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
_EDGES: tuple[str | None, ...] = (None, *(f"{number:02x}" for number in range(1, 256)), None)
ID_RANGES = tuple(pairwise(_EDGES))
"""Bounds (from, below) of ids: ids are hashes, so that each range is about 1/256 of any study."""
MANY = FEW // len(ID_RANGES) // 2
"""More matches than this in the first range are probably too many to be fetched completely."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """State of a search: ids found, in order, and how many of `ID_RANGES` have been searched.

    `total` is the number of matching transcripts, if counting all of them is fast.
    """

    ids: tuple[str, ...] = ()
    reached: int = 0
    total: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the whole study has been searched."""
        return self.reached == len(ID_RANGES)

    @property
    def searched_share(self) -> float:
        """Share of the study that has been searched."""
        return self.reached / len(ID_RANGES)


def start_search(store: Store, conditions: Sequence[ColumnElement[bool]], *, slow: bool, wanted: int) -> SearchState:
    """Start a search.

    Conditions on the trial alone need one scan of its table: few matches are fetched completely, many are counted. The
    first id range decides between the two, because there is not enough time to scan a large table twice. Slow
    conditions ask for verdicts, trial by trial, and in a large study the search stops when the time is up.

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

    Returns
    -------
    SearchState
        The first matches: at least `wanted`, or those found in time, or all.
    """
    if slow:
        large = _count_matches(store, []) > WHOLE
        return (
            resume_search(store, conditions, SearchState(), wanted)
            if large
            else _id_range(_matching_ids(store, conditions))
        )
    first = _within_stretch(store, conditions, 0)
    if len(first) <= MANY and len(few := _matching_ids(store, conditions, FEW + 1)) <= FEW:
        return _id_range(few)
    return replace(
        resume_search(store, conditions, SearchState(tuple(first), 1), wanted), total=_count_matches(store, conditions)
    )


def filter_ids(store: Store, conditions: Sequence[ColumnElement[bool]], ids: Sequence[str]) -> SearchState:
    """Those of the given trials that match, as a complete search.

    Parameters
    ----------
    store : Store
        The study's store.
    conditions : sequence of ColumnElement
        SQL conditions on trials, all of which must hold.
    ids : sequence of str
        Trial ids.
    """
    parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    return _id_range([id_ for part in parts for id_ in _matching_ids(store, [_id.in_(part), *conditions])])


def resume_search(
    store: Store,
    conditions: Sequence[ColumnElement[bool]],
    found: SearchState,
    wanted: int,
    clock: Callable[[], float] = time.monotonic,
) -> SearchState:
    """Continue a search until `wanted` transcripts are found or the time is up; at least one id range is searched.

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
    """
    end, ids, reached = clock() + BEST_PART, list(found.ids), found.reached
    while reached < len(ID_RANGES) and len(ids) < wanted:
        ids += _within_stretch(store, conditions, reached)
        reached += 1
        if clock() > end:
            break
    return replace(found, ids=tuple(ids), reached=reached)


def _id_range(ids: Sequence[str]) -> SearchState:
    """A complete search with these matches."""
    return SearchState(tuple(sorted(ids)), len(ID_RANGES), len(ids))


def _within_stretch(store: Store, conditions: Sequence[ColumnElement[bool]], stretch: int) -> list[str]:
    """Matches in one id range, in order."""
    first, below = ID_RANGES[stretch]
    bounds = ([_id >= first] if first else []) + ([_id < below] if below else [])
    return sorted(_matching_ids(store, [*bounds, *conditions]))


def _matching_ids(store: Store, conditions: Sequence[ColumnElement[bool]], most: int | None = None) -> list[str]:
    with store.read_transaction() as connection:
        return list(connection.execute(select(_id).where(_answered, *conditions).limit(most)).scalars())


def _count_matches(store: Store, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Number of matches without a failed trial.

    No index covers both the conditions and failure, so that failed matches are counted separately and subtracted.
    """
    query = select(func.count()).select_from(tables.trials).where(*conditions)
    failed = query.where(_id.in_(select(_id).where(tables.failed)))
    with store.read_transaction() as connection:
        every, lost = (int(connection.execute(part).scalar_one()) for part in (query, failed))
    return every - lost
