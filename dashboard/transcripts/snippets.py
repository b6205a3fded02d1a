"""Snippets of responses for a list: their first words, or the place where a searched text stands."""

from __future__ import annotations

import re

LENGTH = 180
BEFORE = 40
"""Characters of a snippet, and those of them before a match."""

Pieces = list[tuple[str, bool]]
"""A snippet in pieces, each with whether it matches the search."""


def make_snippet(answer: str, searched: str = "", length: int = LENGTH) -> Pieces:
    """A part of a response on one line, with the first match of a search in it.

    Parameters
    ----------
    answer : str
        The response.
    searched : str
        Text that is looked for, in any case; empty for the first words.
    length : int, default 180
        Greatest number of characters of the response.

    Returns
    -------
    list of (str, bool)
        Pieces, each with whether it matches; an ellipsis stands where the response goes on.
    """
    if not answer.strip():
        return [("(empty response)", False)]
    found = re.search(re.escape(searched), answer, re.IGNORECASE) if searched else None
    begin, end = found.span() if found else (0, 0)
    first = max(0, begin - BEFORE)
    if first and (space := answer.find(" ", first, begin)) >= 0:
        first = space + 1
    last = max(first + length, end)
    pieces = [(answer[first:begin], False), (answer[begin:end], True), (answer[max(end, first) : last], False)]
    flat = [(re.sub(r"\s+", " ", text), match) for text, match in pieces if text]
    before, after = ([("… ", False)] if first else []), ([(" …", False)] if last < len(answer) else [])
    return [*before, *flat, *after]
