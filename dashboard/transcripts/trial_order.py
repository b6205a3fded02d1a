"""The order of all trials of a study, decided in the database: by id, condition, a judge's outcome, or labels."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, and_, case

from gnomon.dashboard.transcripts import label_conditions
from gnomon.dashboard.transcripts.transcript_query import CELL_AXES, MISSING, NO_OUTCOME, FilterChoices, outcome_said_by
from gnomon.data.outcomes import Outcome
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

_trial = tables.trials.c
_id = _trial.id
_EDGES: tuple[str | None, ...] = (None, *(f"{number:02x}" for number in range(1, 256)), None)
ID_RANGES = tuple(pairwise(_EDGES))
"""Bounds (from, below) of ids: ids are hashes, so that each range is about 1/256 of any study."""
BY_ID, BY_CONDITION, BY_LABELS, BY_JUDGE = "", "condition", "labels", "judge"
MOST_RATERS = 9
"""Trials with more labels than this are ordered as one group."""

RANGES_OF_GROUP = 128
"""Into so many ranges of ids a group is parted that is not read at once."""

Stretch = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """By what trials are ordered; trials that are equal in it stand in the order of their ids.

    `by` is `BY_ID`, `BY_CONDITION`, one of `CELL_AXES`, `BY_LABELS` (number of raters with a label), or
    `judge VERSION` for the outcome that a judge found.
    """

    by: str = BY_ID
    descending: bool = False


Group = tuple[Callable[[], ColumnElement[bool]], bool]
"""Makes the condition of a group of trials, and whether the group is read at once rather than by ranges of ids."""


@dataclass(frozen=True)
class OrderPlan:
    """An order as SQL.

    Attributes
    ----------
    keys : tuple of ColumnElement
        Expressions to sort by, NULL first; then by id.
    groups : tuple of Group
        Groups of trials with equal keys that together are the study, in ascending order.
    is_slow : bool
        Whether sorting a large study by the keys takes too long: it is then read group by group.
    descending : bool
        Whether the order is reversed, but for ids.
    """

    keys: tuple[ColumnElement[Any], ...]
    groups: tuple[Group, ...]
    is_slow: bool = False
    descending: bool = False

    @cached_property
    def sort_expressions(self) -> tuple[ColumnElement[Any], ...]:
        """Keys and id with their directions, for ORDER BY."""
        down = self.descending
        return (*(key.desc().nulls_last() if down else key.asc().nulls_first() for key in self.keys), _id.asc())

    @cached_property
    def _stretches(self) -> tuple[tuple[Group, Stretch], ...]:
        ranges = id_stretches(RANGES_OF_GROUP)
        groups = self.groups[::-1] if self.descending else self.groups
        return tuple((group, bounds) for group in groups for bounds in (((),) if group[1] else ranges))

    @property
    def stretch_count(self) -> int:
        """Number of stretches that together are the study."""
        return len(self._stretches)

    def stretch(self, place: int) -> Stretch:
        """Conditions of one stretch: one after the other they are the study in this order, by id inside each."""
        (make, _), bounds = self._stretches[place]
        return (make(), *bounds)

    def sort_rows(self, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        """Ids in this order, of rows that hold an id and then the values of the keys.

        Parameters
        ----------
        rows : sequence of tuple
            Each (id, value of the first key, ...).
        """
        by_id = sorted(rows, key=lambda row: str(row[0]))
        nulls_first = [([(value is not None, value) for value in row[1:]], str(row[0])) for row in by_id]
        return [id_ for _, id_ in sorted(nulls_first, key=lambda row: row[0], reverse=self.descending)]


def id_stretches(parts: int = len(ID_RANGES)) -> tuple[Stretch, ...]:
    """The study in the order of ids, as about so many stretches."""
    step = -(-len(ID_RANGES) // parts)
    firsts = ID_RANGES[::step]
    ends = [first for first, _ in firsts[1:]] + [None]
    return tuple(
        (*([_id >= first] if first else []), *([_id < end] if end else []))
        for (first, _), end in zip(firsts, ends, strict=True)
    )


def plan_order(store: Store, order: TrialOrder, there: FilterChoices) -> OrderPlan | None:
    """An order as SQL; None for that of ids.

    Parameters
    ----------
    store : Store
        The study's store; its outcome rule is read.
    order : TrialOrder
        The order.
    there : FilterChoices
        Values that occur in the study. An axis or judge that it does not have is taken for the order of ids.
    """
    down = order.descending
    if order.by == BY_CONDITION:
        keys = tuple(_trial[name] for name in CELL_AXES)
        return OrderPlan(keys, tuple((partial(is_cell, cell), True) for cell in there.cells), descending=down)
    if order.by in CELL_AXES:
        column = _trial[order.by]
        values = sorted(
            {cell[CELL_AXES.index(order.by)] for cell in there.cells}, key=lambda each: (each is not None, each)
        )
        return OrderPlan(
            (column,), tuple((partial(_is_unindexed, column, value), False) for value in values), descending=down
        )
    if order.by == BY_LABELS:
        return _order_by_labels(store, down)
    if order.by.startswith(f"{BY_JUDGE} ") and (version := order.by.removeprefix(f"{BY_JUDGE} ")) in there.judge:
        return _order_by_outcome(store, version, down)
    return None


def is_cell(cell: Sequence[Any]) -> ColumnElement[bool]:
    """The trial is of a condition, given as its values of `CELL_AXES`."""
    return and_(*(_is_value(_trial[name], value) for name, value in zip(CELL_AXES, cell, strict=True)))


def _is_value(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _is_unindexed(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    """The column holds the value, said so that the range of ids is looked up by index and not the value."""
    return case((_is_value(column, value), 1), else_=0) == 1


def _order_by_outcome(store: Store, version: str, descending: bool) -> OrderPlan:
    """Refused first, identified last, as outcomes are declared; then failed verdicts, then none."""
    names = (*map(str, Outcome), NO_OUTCOME, *MISSING.values())
    places = {name: place for place, name in enumerate(names)}
    key = case(places, value=outcome_said_by(store, version), else_=len(names))
    groups = tuple((partial(operator.eq, key, place), False) for place in range(len(names) + 1))
    return OrderPlan((key,), groups, is_slow=True, descending=descending)


def _order_by_labels(store: Store, descending: bool) -> OrderPlan:
    most = min(label_conditions.most_labels(store), MOST_RATERS)
    often: list[ColumnElement[bool]] = [
        _id.in_(label_conditions.trials_labelled_often(number)) for number in range(1, most + 1)
    ]
    parts: list[ColumnElement[bool]] = [~often[0] if often else _id.is_not(None)]
    parts += [and_(here, ~more) for here, more in pairwise(often)] + often[-1:]
    groups = tuple((partial(_as_it_is, part), place > 0) for place, part in enumerate(parts))
    counted = [(enough, number) for number, enough in enumerate(often, start=1)]
    keys = (case(*counted[::-1], else_=0),) if counted else ()
    return OrderPlan(keys, groups, is_slow=True, descending=descending)


def _as_it_is(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return condition
