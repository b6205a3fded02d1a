"""Progress and messages on stderr: bars on a terminal, plain lines elsewhere. Results go to stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any

from gnomon.data.foreign_documents.display_text import clean_line, clean_text, escape_controls

Progress = Callable[[int, int], None]


def print_status(text: str) -> None:
    """Print one line for the user on stderr, without control and invisible characters."""
    print(clean_text(text), file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Print a result as text on stdout, without control and invisible characters."""
    print(clean_text(text))


def print_json(document: object) -> None:
    """Print the command's result as one JSON document on stdout."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2, default=_model_content)
    print(escape_controls(text))


def _model_content(value: Any) -> Any:
    """A typed document, or part of one, as `json` takes it."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value.model_dump(mode="json")


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Context manager that yields a progress callback `(done, total)`.

    It draws a bar with rate and remaining time on a terminal, and prints a line every 10 % otherwise.
    """
    with progress_bars([title]) as reports:
        yield reports[title]


@contextmanager
def progress_bars(titles: Sequence[str]) -> Iterator[dict[str, Progress]]:
    """As `progress_bar`, for several concurrent tasks: one callback per title."""
    if sys.stderr.isatty():
        with _rich_bars(titles) as reports:
            yield reports
    else:
        yield {title: _progress_lines(title) for title in titles}


@contextmanager
def _rich_bars(titles: Sequence[str]) -> Iterator[dict[str, Progress]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<24}", markup=False), BarColumn(), MofNCompleteColumn(), _rate_column())
    clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Bar(*columns, *clocks, console=Console(stderr=True)) as bar:
        yield {title: partial(_update_bar, bar, bar.add_task(clean_line(title), total=None)) for title in titles}


def _update_bar(bar: Any, task: Any, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _rate_column() -> Any:
    """Pace over the last seconds."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text("" if not task.speed else readable_pace(task.speed))

    return Rate()


def readable_pace(rate: float) -> str:
    """A number of items a second as text: 3.2 s each, or 12 a second where several are done in one."""
    return f"{1 / rate:.2g} s each" if rate < 2 else f"{rate:,.0f} a second"


def readable_time(seconds: float) -> str:
    """A duration as text: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _progress_lines(title: str) -> Progress:
    started, last, begun = time.monotonic(), -1, 0

    def _pace(made: int, left: int) -> str:
        rate = made / max(time.monotonic() - started, 1e-9)
        return f", {readable_pace(rate)}, {readable_time(left / rate)} left" if made and left else ""

    def report(done: int, total: int) -> None:
        nonlocal last, begun
        if last < 0:
            begun = done
        tenth = 10 * done // max(total, 1)
        if tenth > last or done == total:
            last = tenth
            print_status(
                f"{title}: {done} of {total}, {time.monotonic() - started:.0f} s{_pace(done - begun, total - done)}"
            )

    return report
