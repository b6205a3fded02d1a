"""A response as it is shown to an LLM judge: cleaned, shortened with a marker, between fences that it cannot forge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gnomon.data.records import canonical_hash
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


def fence_answer(text: str, seed: int, limit: int) -> str:
    """A response as it is shown to a judge: sanitised, shortened, between two lines with a mark that it does not hold.

    Parameters
    ----------
    text : str
        The response.
    seed : int
        Seed of the mark.
    limit : int
        Length in characters from which it is shortened.
    """
    return fence_texts([text], seed, limit)[0][0]


def fence_question(text: str, limit: int) -> str:
    """The question that a subject was asked, fenced likewise; its mark is the same wherever it is shown.

    Parameters
    ----------
    text : str
        The question.
    limit : int
        Length in characters from which it is shortened.
    """
    shown = transcript.shorten_text(clean_text(text), limit)
    _, mark = transcript.fence_text(shown, int(canonical_hash(["question", shown], 15), 16))
    return f"<<<QUESTION {mark}\n{shown}\nQUESTION {mark}>>>"
