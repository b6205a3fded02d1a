"""Shows what a step does: lines and progress bars on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gnomon.chain.progress import Advance, ProgressListener
from gnomon.console import print_status, progress_bars


class ConsoleListener(ProgressListener):
    """Prints lines on stderr, and draws bars there."""

    def tell(self, text: str) -> None:
        """Print one line."""
        print_status(text)

    @contextmanager
    def track_steps(self, titles: Sequence[str]) -> Iterator[Mapping[str, Advance]]:
        """Draw a bar, or print lines, for each title."""
        with progress_bars(titles) as reports:
            yield reports
