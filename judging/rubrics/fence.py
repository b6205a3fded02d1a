"""An answer as an LLM judge is shown it: cleaned, cut with a marker, between fences that it cannot forge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gnomon.judging.rubrics import transcript

_PLAIN = re.compile(r"[\n\t\x20-\x7e]*")


def clean_text(text: str) -> str:
    """As `transcript.clean`, without a look at every character where all are plain."""
    return text if _PLAIN.fullmatch(text) else transcript.clean_transcript(text)


def fence_texts(texts: Sequence[str], seed: int, limit: int) -> tuple[list[str], str]:
    """The texts, each cleaned, cut and fenced with one mark that occurs in none of them, and the mark."""
    shown = [transcript.shorten_text(clean_text(text), limit) for text in texts]
    _, mark = transcript.fence_text("\n".join(shown), seed)
    return [f"<<<ANSWER {mark}\n{text}\nANSWER {mark}>>>" for text in shown], mark
