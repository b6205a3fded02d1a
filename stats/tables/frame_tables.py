"""Tidy frames with an interval in columns value, low, high as tables of estimates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

from gnomon.stats.tables.estimate_table import Cell, EstimateTable, Interval, TableColumn

ENDS = ("value", "low", "high")
"""Columns of a tidy frame that hold an estimate with its interval."""
FIT_ENDS = ("mean", "low95", "high95")
"""The same in the frames of a fit."""


def table_of_intervals(
    name: str,
    caption: str,
    frame: pd.DataFrame,
    columns: Sequence[TableColumn],
    *,
    interval: str = "estimate",
    ends: tuple[str, str, str] = ENDS,
    notes: Sequence[str] = (),
) -> EstimateTable:
    """A table of a tidy frame: its column `interval` is made of the frame's three columns of an interval.

    Parameters
    ----------
    name, caption : str
        As of `EstimateTable`.
    frame : DataFrame
        One estimate per row; a missing interval is an absent value.
    columns : sequence of TableColumn
        Columns to show, in their order; those that the frame lacks are left out.
    interval : str, default "estimate"
        Name of the column that holds the interval.
    ends : tuple of str, default ("value", "low", "high")
        Columns of the frame with the estimate and the ends of its interval.
    notes : sequence of str, default ()
        Sentences below the table.

    Returns
    -------
    EstimateTable
    """
    kept = tuple(column for column in columns if column.name == interval or column.name in frame)
    rows = tuple(
        {column.name: _interval(row, ends) if column.name == interval else _cell(row[column.name]) for column in kept}
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records")
    )
    return EstimateTable(name, caption, kept, rows, tuple(notes))


def _interval(row: Mapping[Hashable, object], ends: tuple[str, str, str]) -> Interval | None:
    value, low, high = (row.get(end) for end in ends)
    if value is None or low is None or high is None:
        return None
    return Interval(float(str(value)), float(str(low)), float(str(high)))


def _cell(value: object) -> Cell:
    return value if value is None or isinstance(value, str | int | float | Interval) else str(value)
