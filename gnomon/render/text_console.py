"""The console of all tables: what others wrote is shown as text, never as markup or escape sequences."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from gnomon.data.foreign_documents.display_text import clean_text


class TextConsole(Console):
    """A console on stdout without markup, emoji codes and highlighting that drops control and invisible characters.

    Parameters
    ----------
    width : int, optional
        Width in characters; that of the terminal by default.
    """

    def __init__(self, width: int | None = None) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, width=width)

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


def bold_text(text: object) -> Text:
    """A text in bold, for titles and cells."""
    return Text(str(text), style="bold")
