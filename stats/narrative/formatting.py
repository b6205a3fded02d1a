"""Text as people read it: escaped for labels that Streamlit would read as Markdown, numbers with their units."""

from __future__ import annotations

import math
import re

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!$~|&:^=])")
_SHORTCODE = re.compile(r":(?=[\w+-])")


def escape_markdown(text: object) -> str:
    """`text` so that a Markdown label shows it as it stands: no emphasis, link, formula, HTML, emoji or icon.

    Emoji and icon codes are looked up after escapes are read, so a zero-width space parts their colon from
    their name. For whole transcripts use `components.transcript_view`, which shows them without any reading.
    """
    flat = " ".join(str(text).split())
    return _SHORTCODE.sub(":\u200b", _MARKS.sub(r"\\\1", flat).replace("\\:", ":"))


def format_percent(value: float | None, digits: int = 0) -> str:
    """A rate: `41 %`; an en dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def format_size(parameters: float) -> str:
    """A count of parameters: `135M`, `0.5B`, `32B`."""
    return f"{parameters / 1e9:g}B" if parameters >= 4e8 else f"{parameters / 1e6:.0f}M"


def count_noun(number: int, thing: str, things: str = "") -> str:
    """A number with its noun: `1 trial`, `2,560 trials`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def join_names(names: list[str], limit: int = 6) -> str:
    """Names in a sentence, the first `limit` of them."""
    shown = names[:limit] + ([f"{len(names) - limit} more"] if len(names) > limit else [])
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" and {shown[-1]}" if shown else "none"


def format_time(stamp: str) -> str:
    """An ISO time as stored, to the minute, in UTC."""
    return stamp[:16].replace("T", " ") + " UTC"


ESTIMANDS = {
    "net_detection_raw": "raw net detection",
    "net_detection_engaged": "engaged net detection",
    "net_detection_corrected": "corrected net detection",
    "net_detection_engaged_corrected": "corrected engaged net detection",
    "refusal": "refusal",
    "detection": "detection",
    "false_alarm": "false alarm",
    "coherent": "readable answers",
}


def estimand_label(name: str) -> str:
    """An estimand as a sentence names it."""
    return ESTIMANDS.get(name, name.replace("_", " "))


def format_points(rate: float, digits: int = 0, sign: bool = True) -> str:
    """A rate or difference in percentage points with its sign: `+41`, `−49`; zero has none."""
    shown = f"{abs(100 * rate):.{digits}f}"
    if not sign or float(shown) == 0:
        return shown
    return f"{'−' if rate < 0 else '+'}{shown}"


def non_breaking(text: str) -> str:
    """The text with its percent signs held to their numbers when a line ends there."""
    return text.replace(" %", "\u00a0%")
