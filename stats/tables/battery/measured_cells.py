"""Estimates of the battery as cells of tables: log-odds and rates keep their own units beside each other."""

from __future__ import annotations

import math

from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_trials_frame import LOGIT
from gnomon.stats.tables.estimate_table import ColumnKind, Interval, TableColumn

TASK = TableColumn("task", "Task", terms=("battery",))
COUNTED = TableColumn("counted", "Counted")
UNITS = {LOGIT: "log-odds"}
"""Unit of a difference by its scale; of probabilities and rates percentage points."""


def difference_unit(scale: str) -> str:
    """Unit of a difference on a scale: log-odds or percentage points."""
    return UNITS.get(scale, "percentage points")


def difference_cell(found: MeasuredEstimate | None) -> Interval | None:
    """A difference or shift with its interval: `+42 % (+34 to +50)`, or `+1.29 (+0.79 to +1.79)` in log-odds."""
    if found is None:
        return None
    return interval_cell(found.value, found.headline, kind="log_odds" if found.scale == LOGIT else "difference")


def rate_cell(found: MeasuredEstimate | None) -> Interval | None:
    """A rate, or a mean probability, with its interval: `72 % (60 to 83)`."""
    return None if found is None else interval_cell(found.value, found.headline, kind="rate")


def interval_cell(value: float, limits: Estimate | None, kind: ColumnKind) -> Interval:
    """A value with the ends of an interval; without one it says so.

    Parameters
    ----------
    value : float
    limits : Estimate or None
        The interval, if there is one.
    kind : ColumnKind
        How the value is shown.
    """
    if limits is None:
        return Interval(value, math.nan, math.nan, kind)
    return Interval(value, limits.low, limits.high, kind)
