"""Text formatting: escaping for Markdown labels of Streamlit, numbers with their units."""

from __future__ import annotations

import re

import pandas as pd

from gnomon.calibration.numerics.number_formats import (
    format_interval,
    format_percent,
    format_points,
    format_probability,
)
from gnomon.stats.estimand_registry import ESTIMANDS

__all__ = [
    "READER_HEADINGS",
    "count_noun",
    "escape_markdown",
    "estimand_label",
    "format_interval",
    "format_percent",
    "format_points",
    "format_probability",
    "format_size",
    "format_time",
    "join_names",
    "non_breaking",
    "reader_heading",
    "with_reader_headings",
]

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!$~|&:^=])")
_SHORTCODE = re.compile(r":(?=[\w+-])")


def escape_markdown(text: object) -> str:
    """Escape `text` so that a Markdown label shows it verbatim: no emphasis, link, formula, HTML, emoji or icon.

    Emoji and icon codes are resolved after escapes, so a zero-width space separates their colon from their name. For
    whole transcripts use `components.transcript_view`, which bypasses Markdown.
    """
    flat = " ".join(str(text).split())
    return _SHORTCODE.sub(":\u200b", _MARKS.sub(r"\\\1", flat).replace("\\:", ":"))


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


_INTERVAL = re.compile(r"\([−+]?[\d.,]+ to [−+]?[\d.,]+\)")


def non_breaking(text: str) -> str:
    """The text with non-breaking spaces before its percent signs and within its intervals: `(24 to 36)`."""
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text.replace(" %", "\u00a0%"))


READER_HEADINGS = {"subject": "model"}
"""Headings of columns whose name in the data is not the reader's word."""


def reader_heading(name: str) -> str:
    """The heading that readers see of a column of the data: its word for it, with a capital; a symbol (n) stays."""
    name = READER_HEADINGS.get(name, name)
    is_symbol = len(name) < 2 or not name[1].isalpha()
    return name if is_symbol else name[:1].upper() + name[1:]


def with_reader_headings(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the headings that readers see; data files keep the names of the data."""
    return table.rename(columns=READER_HEADINGS)
