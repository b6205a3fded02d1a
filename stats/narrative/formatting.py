"""Text formatting: escaping for Markdown labels of Streamlit, numbers with their units."""

from __future__ import annotations

import math
import re

import pandas as pd

from gnomon.stats.estimand_registry import ESTIMANDS

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!$~|&:^=])")
_SHORTCODE = re.compile(r":(?=[\w+-])")


def escape_markdown(text: object) -> str:
    """Escape `text` so that a Markdown label shows it verbatim: no emphasis, link, formula, HTML, emoji or icon.

    Emoji and icon codes are resolved after escapes, so a zero-width space separates their colon from their name. For
    whole transcripts use `components.transcript_view`, which bypasses Markdown.
    """
    flat = " ".join(str(text).split())
    return _SHORTCODE.sub(":\u200b", _MARKS.sub(r"\\\1", flat).replace("\\:", ":"))


def format_percent(value: float | None, digits: int = 0) -> str:
    """A rate as `41 %`; an en dash if there is none.

    Parameters
    ----------
    value : float or None
        The rate, 0 to 1; None or NaN if there is none.
    digits : int, default 0
        Number of decimals.
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def format_size(parameters: float) -> str:
    """A count of parameters: `135M`, `0.5B`, `32B`."""
    return f"{parameters / 1e9:g}B" if parameters >= 4e8 else f"{parameters / 1e6:.0f}M"


def count_noun(number: int, thing: str, things: str = "") -> str:
    """A number with its noun: `1 trial`, `2,560 trials`.

    Parameters
    ----------
    number : int
        The number.
    thing : str
        Singular of the noun.
    things : str, default ""
        Plural; by default `thing` with an s.
    """
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def join_names(names: list[str], limit: int = 6) -> str:
    """Names joined with commas and "and".

    Parameters
    ----------
    names : list of str
        The names.
    limit : int, default 6
        Greatest number of names; the rest are counted.
    """
    shown = names[:limit] + ([f"{len(names) - limit} more"] if len(names) > limit else [])
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" and {shown[-1]}" if shown else "none"


def format_time(stamp: str) -> str:
    """An ISO time as stored, to the minute, in UTC."""
    return stamp[:16].replace("T", " ") + " UTC"


def estimand_label(name: str) -> str:
    """Name of an estimand within a sentence."""
    return ESTIMANDS[name].label if name in ESTIMANDS else name.replace("_", " ")


def format_points(rate: float, digits: int = 0, sign: bool = True) -> str:
    """A rate or difference in percentage points with its sign: `+41`, `−49`; zero has none.

    Parameters
    ----------
    rate : float
        The rate, as a fraction.
    digits : int, default 0
        Number of decimals.
    sign : bool, default True
        Show the sign.
    """
    shown = f"{abs(100 * rate):.{digits}f}"
    if not sign or float(shown) == 0:
        return shown
    return f"{'−' if rate < 0 else '+'}{shown}"


def format_probability(probability: float) -> str:
    """A probability in percent; none is shown as certain."""
    if probability > 0.999:
        return "above 99.9 %"
    return "below 0.1 %" if probability < 0.001 else f"{100 * probability:.1f} %"


SMALL = 0.02
"""Intervals of rates that end below this are shown with a decimal."""


def format_interval(mean: float, low: float, high: float, sign: bool) -> str:
    """An estimate in short: `41 % (38 to 44)`, `+7 % (−5 to +19)`; with a decimal if it is small.

    Parameters
    ----------
    mean, low, high : float
        The estimate and the ends of its interval, as fractions.
    sign : bool
        Show the signs.
    """
    digits = int(max(abs(low), abs(high)) < SMALL)
    shown, below, above = (format_points(end, digits, sign) for end in (mean, low, high))
    return f"{shown} % ({below} to {above})"


def non_breaking(text: str) -> str:
    """The text with non-breaking spaces before its percent signs."""
    return text.replace(" %", "\u00a0%")


READER_HEADINGS = {"subject": "model"}
"""Headings of columns whose name in the data is not the reader's word."""


def with_reader_headings(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the headings that readers see; data files keep the names of the data."""
    return table.rename(columns=READER_HEADINGS)
