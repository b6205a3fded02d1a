"""Makes a subject's response safe to show to a judge: no control characters, bounded length, an unforgeable fence."""

from __future__ import annotations

import re
import unicodedata

from gnomon.data.records import canonical_hash

LIMIT = 6000
_APOSTROPHES = str.maketrans("‘’ʼ", "'''")
_KEPT = {"\n", "\t"}
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}


def clean_transcript(text: str) -> str:
    """The text without control, formatting (bidi, zero-width), surrogate and unassigned characters.

    Line ends become `\\n`; nothing else is changed, so that a quotation from the cleaned text can be found in it.
    """
    text = re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text)
    return "".join(mark for mark in text if mark in _KEPT or unicodedata.category(mark) not in _DROPPED)


def straighten_quotes(text: str) -> str:
    """The text with plain apostrophes, replaced one character by one, so that positions in it stay the same."""
    return text.translate(_APOSTROPHES)


def shorten_text(text: str, limit: int = LIMIT) -> str:
    """The first `limit` characters, followed by a marker that says how many were left out.

    Parameters
    ----------
    text : str
        Any text; a text of at most `limit` characters is returned unchanged.
    limit : int
        Length in characters.
    """
    left_out = len(text) - limit
    return text if left_out <= 0 else f"{text[:limit]}\n[cut here: {left_out} more characters]"


def fence_text(text: str, seed: int) -> tuple[str, str]:
    """The text between two lines that carry a random mark, and the mark.

    Parameters
    ----------
    text : str
        The text; the mark never occurs in it.
    seed : int
        Seed of the mark, unknown to the author of the text.

    Returns
    -------
    tuple of (str, str)
        The fenced text, and the mark (16 hexadecimal digits).
    """
    turn = 0
    while (mark := canonical_hash(["fence", seed, turn], 16)) in text:
        turn += 1
    return f"<<<ANSWER {mark}\n{text}\nANSWER {mark}>>>", mark


def prepare_transcript(answer: str, seed: int, limit: int = LIMIT) -> tuple[str, str]:
    """A subject's response as it is shown to a judge, and the mark of its fence.

    Parameters
    ----------
    answer : str
        The response as the subject gave it.
    seed : int
        Seed of the mark.
    limit : int
        Length in characters from which the response is shortened.
    """
    return fence_text(shorten_text(clean_transcript(answer), limit), seed)
