"""A response as it is shown to an LLM judge: cleaned, shortened with a marker, between fences that it cannot forge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gnomon.judging.rubrics import transcript

_PLAIN = re.compile(r"[\n\t\x20-\x7e]*")


def clean_text(text: str) -> str:
    """As `transcript.clean_transcript`, but a text of plain characters is returned without looking at each of them."""
    return text if _PLAIN.fullmatch(text) else transcript.clean_transcript(text)


def fence_texts(texts: Sequence[str], seed: int, limit: int) -> tuple[list[str], str]:
    """Sanitise, truncate and fence each text with a shared random delimiter.

    Parameters
    ----------
    texts : sequence of str
        Texts to show.
    seed : int
        Seed of the delimiter.
    limit : int
        Length in characters from which a text is truncated.

    Returns
    -------
    tuple of (list of str, str)
        The fenced texts, and the delimiter, which occurs in none of the texts.
    """
    shown = [transcript.shorten_text(clean_text(text), limit) for text in texts]
    _, mark = transcript.fence_text("\n".join(shown), seed)
    return [f"<<<ANSWER {mark}\n{text}\nANSWER {mark}>>>" for text in shown], mark
