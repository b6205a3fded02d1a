"""How wide the columns of a table are in the room that a page has: long texts wrap before a table scrolls sideways.

A table is drawn on a canvas, where nothing wraps by itself: widths are reckoned from the numbers of characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from textwrap import wrap

from gnomon.stats.tables.estimate_table import EstimateTable

CHARACTER, EDGES, WIDEST = 5.8, 14, 469
"""Pixels of a character, of both edges of a cell, and at most of a column that is as wide as its texts."""
LEAST = 120
"""Pixels that a column whose texts wrap has at least."""
LINE, PADDING, LEAST_ROW = 18, 10, 61
"""Pixels of a line of text, above and below the lines, and of the lowest row in which texts wrap (more than 4 rem:
Streamlit's rule)."""
LONG = 200
"""Pixels from which a text is long."""
DOUBT = 100
"""Pixels by which the room may be larger than was told: the width of a window is told in steps."""
LOOKED_AT = 200
"""Rows whose texts are counted."""
MOST_LINES = 6
"""Lines up to which texts wrap."""


@dataclass(frozen=True)
class ColumnWidths:
    """Widths of a table's columns.

    Attributes
    ----------
    given : mapping of str to int
        Width in pixels by the heading of each column of long texts, which wrap where they have to; the others are as
        wide as the canvas makes them, which looks at the first rows alone.
    row_height : int, optional
        Height of all rows in pixels; None for the usual one.
    fits : bool
        Whether no sideways scrolling is needed, or little enough to be in doubt.
    """

    given: Mapping[str, int] = field(default_factory=dict)
    row_height: int | None = None
    fits: bool = True


def fit_columns(table: EstimateTable, room: int) -> ColumnWidths:
    """Widths with which a table fits a room, if texts that wrap can make it fit.

    Parameters
    ----------
    table : EstimateTable
    room : int
        Pixels.
    """
    texts = [[column.heading] for column in table.columns]
    for row in islice(table.texts(), LOOKED_AT):
        for column, text in zip(texts, row, strict=True):
            column.append(text)
    wanted = [_width_of(max(map(len, column))) for column in texts]
    if max(wanted, default=0) <= WIDEST and sum(wanted) <= room:
        return ColumnWidths(
            {
                column.heading: width
                for column, width in zip(table.columns, wanted, strict=True)
                if column.kind == "text" and width > LONG
            }
        )
    least = [
        max(LEAST, _width_of(len(column[0])), _width_of(max(len(word) for text in column for word in text.split(" "))))
        for column in texts
    ]
    pliant = [
        place for place, column in enumerate(table.columns) if column.kind == "text" and wanted[place] > least[place]
    ]
    spare = room - sum(width for place, width in enumerate(wanted) if place not in pliant)
    as_wide_as_texts = ColumnWidths(fits=sum(min(WIDEST, width) for width in wanted) <= room + DOUBT)
    if not pliant or spare < sum(least[place] for place in pliant):
        return as_wide_as_texts
    shared = _share_room({place: (least[place], wanted[place]) for place in pliant}, spare)
    lines = max(_lines_of(texts[place], width) for place, width in shared.items())
    if lines > MOST_LINES:
        return as_wide_as_texts
    given = {table.columns[place].heading: width for place, width in shared.items()}
    return ColumnWidths(given, max(LEAST_ROW, LINE * lines + PADDING))


def _width_of(characters: int) -> int:
    return ceil(characters * CHARACTER) + EDGES


def _lines_of(texts: Sequence[str], width: int) -> int:
    return max(len(wrap(text, int((width - EDGES) / CHARACTER))) for text in texts)


def _share_room(ends: Mapping[int, tuple[int, int]], room: int) -> dict[int, int]:
    """Widths between the least and the wanted of each column: what is left goes to each by what it lacks."""
    left = room - sum(least for least, _ in ends.values())
    share = min(1.0, left / sum(wanted - least for least, wanted in ends.values()))
    return {place: least + int(share * (wanted - least)) for place, (least, wanted) in ends.items()}
