"""Finds transcripts a stretch of the study at a time, so that a rare find does not keep the reader waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import ColumnElement, func, select

from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

FEW = 8_000
"""A find of so many transcripts is fetched whole."""
WHOLE = 20_000
"""A study of so many trials is looked through at once."""
AT_ONCE = 5_000
"""Ids that are asked about in one query."""
BEST_PART = 0.6
"""Seconds that one search may take."""

_id = tables.trials.c.id
_answered = tables.trials.c.error.is_(None)
_EDGES: tuple[str | None, ...] = (None, *(f"{number:02x}" for number in range(1, 256)), None)
ID_RANGES = tuple(pairwise(_EDGES))
"""Bounds (from, below) of ids: they are hashes, so each stretch is about 1/256 of any study."""
MANY = FEW // len(ID_RANGES) // 2
"""More than so many in the first stretch are most likely too many to be fetched whole."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """What a search has come to: ids in their order, and how many of `STRETCHES` it has looked through.

    `total` is how many transcripts there are to find, where counting them all is quick.
    """

    ids: tuple[str, ...] = ()
    reached: int = 0
    total: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the whole study was looked through."""
        return self.reached == len(ID_RANGES)

    @property
    def searched_share(self) -> float:
        """Of the study, how much was looked through."""
        return self.reached / len(ID_RANGES)


def start_search(store: Store, conditions: Sequence[ColumnElement[bool]], *, slow: bool, wanted: int) -> SearchState:
    """The first `wanted` transcripts, or all that were found in the time there is.

    Conditions on the trial alone are one reading of its table: few finds are fetched whole, many are counted. Which
    it will be is told by the first stretch, since a large table is not read twice in the time that a reader waits.
    `slow` ones ask for verdicts, trial by trial, and in a large study are only looked for as far as the time goes.
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
    """Of these trials, those that fit."""
    parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    return _id_range([id_ for part in parts for id_ in _matching_ids(store, [_id.in_(part), *conditions])])


def resume_search(
    store: Store,
    conditions: Sequence[ColumnElement[bool]],
    found: SearchState,
    wanted: int,
    clock: Callable[[], float] = time.monotonic,
) -> SearchState:
    """Look on from where a search stopped, until `wanted` are found or the time is up; one stretch at least."""
    end, ids, reached = clock() + BEST_PART, list(found.ids), found.reached
    while reached < len(ID_RANGES) and len(ids) < wanted:
        ids += _within_stretch(store, conditions, reached)
        reached += 1
        if clock() > end:
            break
    return replace(found, ids=tuple(ids), reached=reached)


def _id_range(ids: Sequence[str]) -> SearchState:
    """What was found where all was looked through."""
    return SearchState(tuple(sorted(ids)), len(ID_RANGES), len(ids))


def _within_stretch(store: Store, conditions: Sequence[ColumnElement[bool]], stretch: int) -> list[str]:
    """Those of one stretch, in order."""
    first, below = ID_RANGES[stretch]
    bounds = ([_id >= first] if first else []) + ([_id < below] if below else [])
    return sorted(_matching_ids(store, [*bounds, *conditions]))


def _matching_ids(store: Store, conditions: Sequence[ColumnElement[bool]], most: int | None = None) -> list[str]:
    with store.read_transaction() as connection:
        return list(connection.execute(select(_id).where(_answered, *conditions).limit(most)).scalars())


def _count_matches(store: Store, conditions: Sequence[ColumnElement[bool]]) -> int:
    """How many gave an answer: whether one failed stands in no index of all, so those that did are taken off again."""
    query = select(func.count()).select_from(tables.trials).where(*conditions)
    failed = query.where(_id.in_(select(_id).where(tables.failed)))
    with store.read_transaction() as connection:
        every, lost = (int(connection.execute(part).scalar_one()) for part in (query, failed))
    return every - lost
