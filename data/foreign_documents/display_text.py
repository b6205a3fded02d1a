"""Text that others wrote, made safe to show: no escape sequences, no bidirectional or invisible characters."""

from __future__ import annotations

import re
import unicodedata

_KEPT = frozenset("\n\t")
_DROPPED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x85]")
_CONTROLS = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_BEYOND = re.compile("[\U000e0000-\U000e0fff]")


def clean_text(text: str) -> str:
    """The text without control, formatting (bidi, zero-width), surrogate and unassigned characters.

    Line ends become `\\n`; nothing else is changed, so that a quotation from the cleaned text can be found in it.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_ENDS.sub("\n", text)
    return "".join(mark for mark in text if mark in _KEPT or unicodedata.category(mark) not in _DROPPED)


def clean_line(text: str) -> str:
    """The cleaned text in one line: white space is collapsed."""
    return " ".join(clean_text(text).split())


def escape_controls(document: str, *, pairs: bool = True) -> str:
    """A document of the same values in which invisible characters are escape sequences.

    Parameters
    ----------
    document : str
        JSON, or TOML whose texts are basic strings.
    pairs : bool
        Whether characters beyond U+FFFF are surrogate pairs, as in JSON; otherwise they are written as in TOML.
    """
    document = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
    return _BEYOND.sub(_surrogate_pair if pairs else lambda found: f"\\U{ord(found[0]):08x}", document)


def _surrogate_pair(found: re.Match[str]) -> str:
    high, low = divmod(ord(found[0]) - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
