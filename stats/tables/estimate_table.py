"""A table of estimates: typed columns with the glossary's terms, cells that keep their numbers, and how they are shown.

The cell keeps the value with its interval, so that a page sorts by it and a file holds it unrounded; the text that
readers see is made of it in one place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import pandas as pd

from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.calibration.numerics.number_formats import format_coefficient
from gnomon.data.errors import InputError
from gnomon.stats.narrative.formatting import (
    format_interval,
    format_percent,
    format_points,
    format_probability,
    format_size,
    reader_heading,
)

ABSENT = "–"
ColumnKind = Literal[
    "text",
    "count",
    "setting",
    "rate",
    "difference",
    "points",
    "log_odds",
    "number",
    "p",
    "probability",
    "size",
    "range",
]
"""How the values of a column are shown: as they are; 1,024; 4 or 0.75, as it was set; 31 %; +7 %; +2.6; +0.42; 0.42;
0.032; 97.5 %; 0.5B; −3 to +9 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval, in the units of its column (rates as fractions); no end is NaN.

    Attributes
    ----------
    value, low, high : float
    kind : ColumnKind, optional
        How it is shown, in a column whose rows are rates and coefficients; None for the kind of the column.
    """

    value: float
    low: float
    high: float
    kind: ColumnKind | None = None


Cell: TypeAlias = str | float | int | Interval | None


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column.

    Attributes
    ----------
    name : str
        Key of its cells, and its heading in a CSV file.
    heading : str
        What readers see.
    kind : ColumnKind
        How values are shown.
    terms : tuple of str
        Terms of the glossary that explain it.
    """

    name: str
    heading: str
    kind: ColumnKind = "text"
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class EstimateTable:
    """A table.

    Attributes
    ----------
    name : str
        Name of its files, without extension.
    caption : str
        What it shows, and what its estimates condition on; one or two sentences.
    columns : tuple of TableColumn
        In their order.
    rows : tuple of mapping of str to Cell
        A missing key is an absent value.
    notes : tuple of str
        Sentences below the table.
    """

    name: str
    caption: str
    columns: tuple[TableColumn, ...]
    rows: tuple[Mapping[str, Cell], ...]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse cells that stand in no column."""
        known = {column.name for column in self.columns}
        if stray := {name for row in self.rows for name in row} - known:
            raise InputError(f"table '{self.name}': no column is named {', '.join(sorted(stray))}; declare it")

    def __bool__(self) -> bool:
        """Whether it has a row."""
        return bool(self.rows)

    def filled(self) -> EstimateTable:
        """The table without the columns in which no row has a value."""
        kept = tuple(column for column in self.columns if any(row.get(column.name) is not None for row in self.rows))
        names = {column.name for column in kept}
        rows = tuple({name: cell for name, cell in row.items() if name in names} for row in self.rows)
        return EstimateTable(self.name, self.caption, kept, rows, self.notes)

    def texts(self) -> Iterator[list[str]]:
        """The rows as readers see them."""
        yield from map(list, self._shown)

    @cached_property
    def _shown(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            tuple(show_cell(row.get(column.name), column.kind) for column in self.columns) for row in self.rows
        )

    def text_frame(self) -> pd.DataFrame:
        """The table as readers see it, with its headings."""
        return pd.DataFrame(list(self.texts()), columns=[column.heading for column in self.columns])

    def value_frame(self) -> pd.DataFrame:
        """The values, unrounded, by the columns' headings: what a page sorts by."""
        return pd.DataFrame(
            {
                column.heading: [_sort_value(row.get(column.name), column.kind) for row in self.rows]
                for column in self.columns
            }
        )

    def data_frame(self) -> pd.DataFrame:
        """The values, unrounded, by the columns' names; an interval gives three columns, `name`, `_low`, `_high`."""
        data: dict[str, list[object]] = {}
        for column in self.columns:
            cells = [row.get(column.name) for row in self.rows]
            if any(isinstance(cell, Interval) for cell in cells):
                data[column.name] = [cell.value if isinstance(cell, Interval) else cell for cell in cells]
                data[f"{column.name}_low"] = [cell.low if isinstance(cell, Interval) else None for cell in cells]
                data[f"{column.name}_high"] = [cell.high if isinstance(cell, Interval) else None for cell in cells]
            else:
                data[column.name] = list(cells)
        return pd.DataFrame(data)


def table_of_texts(name: str, caption: str, frame: pd.DataFrame, notes: Sequence[str] = ()) -> EstimateTable:
    """A table of a frame whose cells are texts and counts already.

    Parameters
    ----------
    name, caption : str
        As of `EstimateTable`.
    frame : DataFrame
        Its columns become headings (`reader_heading`); columns of whole numbers are counts.
    notes : sequence of str
        Sentences below the table.
    """
    columns = tuple(
        TableColumn(
            str(name), reader_heading(str(name)), "count" if pd.api.types.is_integer_dtype(frame[name]) else "text"
        )
        for name in frame.columns
    )
    rows = tuple(
        {str(heading): None if _is_missing(cell) else cell for heading, cell in row.items()}
        for row in frame.astype(object).to_dict("records")
    )
    return EstimateTable(name, caption, columns, rows, tuple(notes))


def show_cell(cell: Cell, kind: ColumnKind) -> str:
    """A cell as readers see it: `31 % (25 to 38)`, `+7 % (−5 to +19)`, `1,024`.

    Parameters
    ----------
    cell : Cell
    kind : ColumnKind
        Kind of its column; an interval that has a kind of its own is shown by that, in a column of ranges by its ends.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ABSENT
    if isinstance(cell, Interval):
        return _show_interval(cell, cell.kind or kind, only_ends=kind == "range")
    return cell if isinstance(cell, str) else _show_value(float(cell), kind)


def _show_interval(cell: Interval, kind: ColumnKind, *, only_ends: bool) -> str:
    if math.isnan(cell.low):
        return f"{_show_value(cell.value, kind)} (no interval)"
    if only_ends and kind in ("range", "rate", "difference"):
        low, high = (format_points(end, sign=kind != "rate") for end in (cell.low, cell.high))
        return f"{low} to {high} %"
    ends = f"{_show_value(cell.low, kind)} to {_show_value(cell.high, kind)}"
    if only_ends:
        return ends
    if kind in ("rate", "difference"):
        return format_interval(cell.value, cell.low, cell.high, sign=kind == "difference")
    return f"{_show_value(cell.value, kind)} ({ends})"


_VALUE_TEXTS: Mapping[ColumnKind, Callable[[float], str]] = {
    "count": lambda value: f"{value:,.0f}",
    "setting": lambda value: f"{value:g}",
    "rate": format_percent,
    "difference": lambda value: f"{format_points(value)} %",
    "points": lambda value: format_points(value, 1),
    "log_odds": lambda value: format_coefficient(value, sign=True),
    "p": lambda value: format_p(value).removeprefix("p ").removeprefix("= "),
    "probability": format_probability,
    "size": format_size,
}


def _show_value(value: float, kind: ColumnKind) -> str:
    return _VALUE_TEXTS[kind](value) if kind in _VALUE_TEXTS else format_coefficient(value)


def _sort_value(cell: Cell, kind: ColumnKind) -> object:
    if isinstance(cell, Interval):
        return cell.value
    return cell if cell is not None or kind == "text" else math.nan


def _is_missing(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))
