"""The console of all tables: what others wrote is shown as text, never as markup or escape sequences."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gnomon.data.foreign_documents.display_text import clean_text

UNBOUNDED = 10_000
"""Characters of a line where stdout is no terminal: there nothing is wrapped and nothing is cut."""

GAP = 3


class TextConsole(Console):
    """A console on stdout without markup, emoji codes and highlighting that drops control and invisible characters.

    Parameters
    ----------
    width : int, optional
        Width in characters; by default that of the terminal, and where stdout is none, no limit.
    """

    def __init__(self, width: int | None = None) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, width=width or _default_width())

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of a renderable, their texts cleaned; rich's own control codes pass.

        Parameters
        ----------
        renderable : RenderableType
            What is shown.
        options : ConsoleOptions, optional
            Options of rich.
        """
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(clean_text(segment.text), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; a table with columns that may not wrap is never cut: where it is wider, the terminal wraps its lines.

        Parameters
        ----------
        *objects : Any
            Renderables.
        **options : Any
            Options of `rich.console.Console.print`.
        """
        width = self.width
        self.width = max([width, *(self._least_width(each) for each in objects if isinstance(each, Table))])
        try:
            super().print(*objects, **options)
        finally:
            self.width = width

    def _least_width(self, table: Table) -> int:
        """Characters in which a table is shown whole, its gaps counted generously."""
        widths = []
        for column in table.columns:
            measures = [self.measure(each) for each in (column.header, *column.cells)]
            ends = [each.maximum if column.no_wrap else each.minimum for each in measures]
            widths.append(max([*ends, column.min_width or 0]) + GAP)
        return sum(widths)


def _default_width() -> int | None:
    return None if sys.stdout.isatty() else UNBOUNDED


def bold_text(text: object) -> Text:
    """A text in bold, for titles and cells."""
    return Text(str(text), style="bold")
