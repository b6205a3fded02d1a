"""Trials side by side: those of two conditions that agree in everything else, or two judges on the same trials."""

from __future__ import annotations

import operator
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select

from gnomon.dashboard.transcripts.transcript_query import (
    CELL_AXES,
    Cell,
    FilterChoices,
    TrialFilters,
    filter_conditions,
    outcome_said_by,
)
from gnomon.dashboard.transcripts.trial_order import OrderPlan, is_cell
from gnomon.data.outcomes import Outcome
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

PROTOCOL = "protocol"
MOST_PAIRS = 200
"""Pairs that a comparison holds."""
TIME = 0.6
"""Time budget of one call, in seconds."""

_trial = tables.trials.c
Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class ConditionPair:
    """Two conditions that differ in one axis, out of `CELL_AXES` or `PROTOCOL`."""

    axis: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class PairSearch:
    """Trials of two conditions beside each other.

    Attributes
    ----------
    pairs : tuple of (str, str)
        Trial ids: of the left condition, of the right one.
    matched_on : tuple of str
        Axes in which the trials of each pair agree.
    is_complete : bool
        Whether these are all pairs.
    """

    pairs: tuple[tuple[str, str], ...]
    matched_on: tuple[str, ...]
    is_complete: bool


def comparable_axes(there: FilterChoices) -> dict[str, list[Value]]:
    """Axes with at least two values in the study, each with its values in order; no strength of what has no vector."""
    found: dict[str, list[Value]] = {}
    steered = [cell for cell in there.cells if cell[CELL_AXES.index("layer")] is not None]
    for place, axis in enumerate(CELL_AXES):
        cells = (steered or there.cells) if axis == "strength" else there.cells
        values = {cell[place] for cell in cells} - {None}
        if len(values) > 1:
            found[axis] = sorted(values, key=_sort_value)
    if len(there.protocol) > 1:
        found[PROTOCOL] = list(there.protocol)
    return found


def _sort_value(value: Value) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))


def pair_trials(
    store: Store,
    wanted: ConditionPair,
    filters: TrialFilters,
    there: FilterChoices,
    clock: Callable[[], float] = time.monotonic,
    among: Sequence[str] | None = None,
) -> PairSearch:
    """Trials of two conditions that agree in all other axes, each beside one of the other condition.

    An axis in which the two have no value in common, as concept and strength of an injection and of a control, is left
    out of the match. Within a match the n-th trial, by replicate, stands beside the n-th: they are different draws, so
    that the difference of one pair is no effect.

    Parameters
    ----------
    store : Store
        The study's store.
    wanted : ConditionPair
        The two conditions.
    filters : TrialFilters
        Filters of both; one on the compared axis is ignored.
    there : FilterChoices
        Values that occur in the study.
    clock : callable
        Returns the time in seconds, from any origin.
    among : sequence of str, optional
        Ids to which the trials of both are restricted.
    """
    if hasattr(filters, wanted.axis):
        ignored: Any = {wanted.axis: ()}
        filters = replace(filters, **ignored)
    conditions = [_trial.error.is_(None), *filter_conditions(store, filters, there)]
    if among is not None:
        conditions.append(_trial.id.in_(list(among)))
    matched, left, right = _matching_cells(wanted, _cells_of(filters, there))
    end, pairs, searched = clock() + TIME, [], 0
    keys = [key for key in left if key in right]
    for key in keys:
        sides = (
            _rows_of(store, [*conditions, *_is_side(wanted, value)], cells)
            for value, cells in ((wanted.left, left[key]), (wanted.right, right[key]))
        )
        pairs += list(_zip_by_protocol(*sides, apart=wanted.axis != PROTOCOL))
        searched += 1
        if len(pairs) > MOST_PAIRS or clock() > end:
            break
    on = (*matched, *(() if wanted.axis == PROTOCOL else (PROTOCOL,)))
    return PairSearch(tuple(pairs[:MOST_PAIRS]), on, searched == len(keys) and len(pairs) <= MOST_PAIRS)


def _cells_of(filters: TrialFilters, there: FilterChoices) -> list[Cell]:
    chosen = {place: getattr(filters, axis, ()) for place, axis in enumerate(CELL_AXES)}
    return [
        cell for cell in there.cells if all(not values or cell[place] in values for place, values in chosen.items())
    ]


def _matching_cells(
    wanted: ConditionPair, cells: Sequence[Cell]
) -> tuple[tuple[str, ...], dict[Cell, list[Cell]], dict[Cell, list[Cell]]]:
    """Axes that both conditions share, and the cells of each condition by their values in these axes."""
    if wanted.axis == PROTOCOL:
        every = {cell: [cell] for cell in cells}
        return CELL_AXES, every, every
    at = CELL_AXES.index(wanted.axis)
    sides = [[cell for cell in cells if cell[at] == value] for value in (wanted.left, wanted.right)]
    shared = [
        place
        for place in range(len(CELL_AXES))
        if place != at and {cell[place] for cell in sides[0]} & {cell[place] for cell in sides[1]}
    ]
    grouped: list[dict[Cell, list[Cell]]] = []
    for side in sides:
        groups: dict[Cell, list[Cell]] = defaultdict(list)
        for cell in side:
            groups[tuple(cell[place] for place in shared)].append(cell)
        grouped.append(dict(groups))
    return tuple(CELL_AXES[place] for place in shared), grouped[0], grouped[1]


def _is_side(wanted: ConditionPair, value: Value) -> list[ColumnElement[bool]]:
    return [_trial.protocol == value] if wanted.axis == PROTOCOL else []


def _rows_of(store: Store, conditions: Sequence[ColumnElement[bool]], cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Ids and protocols of the first trials of some cells, by replicate."""
    query = select(_trial.id, _trial.protocol).where(or_(*map(is_cell, cells)), *conditions)
    with store.read_transaction() as connection:
        rows = connection.execute(query.order_by(_trial.replicate, _trial.id).limit(MOST_PAIRS + 1))
        return [(str(row[0]), str(row[1])) for row in rows]


def _zip_by_protocol(
    left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]], *, apart: bool
) -> Iterator[tuple[str, str]]:
    groups: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((left, right)):
        for trial, protocol in rows:
            groups[protocol if apart else ""][side].append(trial)
    for _, (ones, others) in sorted(groups.items()):
        yield from zip(ones, others, strict=False)


def plan_judge_pair(store: Store, one: str, other: str) -> tuple[list[ColumnElement[bool]], OrderPlan]:
    """Trials that two judges both read, those first on which their outcomes differ: conditions and order.

    Parameters
    ----------
    store : Store
        The study's store; its outcome rule is read.
    one, other : str
        Versions of the judges.
    """
    said = [outcome_said_by(store, version) for version in (one, other)]
    known = [str(outcome) for outcome in Outcome]
    differ = said[0] != said[1]
    key = case((differ, 0), else_=1)
    groups = tuple((partial(operator.eq, key, place), False) for place in (0, 1))
    read = and_(said[0].in_(known), said[1].in_(known))
    return [read], OrderPlan((key,), groups, is_slow=True)
