"""Who hears what a step does while it works: nobody, unless a person or program asks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

Advance = Callable[[int, int], None]
"""Called with the number of things done and of all."""


class ProgressListener:
    """Ignores everything; subclasses show it."""

    def tell(self, text: str) -> None:
        """Take one line for the person who waits."""

    @contextmanager
    def track_steps(self, titles: Sequence[str]) -> Iterator[Mapping[str, Advance]]:
        """Follow several things that run at once, each by its title."""
        yield {title: lambda done, total: None for title in titles}


SILENT = ProgressListener()
