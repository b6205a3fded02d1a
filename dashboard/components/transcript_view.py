"""Shows a transcript unchanged, with highlighted words, from text nodes in the browser and never from markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import streamlit as st

_CSS = """
.transcript {
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  font-family: var(--st-font);
  font-size: 1.2rem;
  line-height: 1.6;
  max-width: 72ch;
  color: var(--st-text-color);
}
.transcript.small { font-size: 1rem; }
.transcript mark {
  background: color-mix(in srgb, #E69F00 40%, transparent);
  color: inherit;
  border-radius: 3px;
}
.transcript .steered {
  background: color-mix(in srgb, var(--st-text-color) 14%, transparent);
  border-bottom: 2px solid color-mix(in srgb, var(--st-text-color) 60%, transparent);
}
.transcript .quote {
  text-decoration: underline dotted;
  text-underline-offset: 4px;
}
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const box = parentElement.querySelector(".transcript");
  box.classList.toggle("small", data.small);
  box.dataset.testid = data.name;
  box.replaceChildren(...data.parts.map(([text, marked, quoted, steered]) => {
    const node = document.createElement(marked ? "mark" : "span");
    node.textContent = text;
    node.classList.toggle("quote", quoted);
    node.classList.toggle("steered", steered);
    return node;
  }));
}
"""

_component = st.components.v2.component("gnomon_transcript", html='<div class="transcript"></div>', css=_CSS, js=_JS)


def split_highlights(text: str, words: Sequence[str] = (), quotes: Sequence[str] = ()) -> list[tuple[str, bool, bool]]:
    """Split a text into pieces with highlights; the pieces joined are the text again.

    Parameters
    ----------
    text : str
        The text.
    words : sequence of str
        Beginnings of words to mark, in any case: `ocean` marks `oceans`.
    quotes : sequence of str
        Passages to mark as quoted, in any case.

    Returns
    -------
    list of (str, bool, bool)
        Piece, whether it is marked, and whether it is quoted; a piece may be both.
    """
    marked = _match_spans(text, [rf"\b{re.escape(word)}\w*" for word in words if word])
    quoted = _match_spans(text, [re.escape(quote) for quote in quotes if quote.strip()])
    cuts = sorted({0, len(text), *(end for span in (*marked, *quoted) for end in span)})
    return [
        (text[start:end], _is_within(start, marked), _is_within(start, quoted))
        for start, end in pairwise(cuts)
        if start < end
    ]


def _match_spans(text: str, patterns: Sequence[str]) -> list[tuple[int, int]]:
    return [found.span() for pattern in patterns for found in re.finditer(pattern, text, re.IGNORECASE)]


def _is_within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in spans)


def show_transcript(
    text: str, key: str, *, words: Sequence[str] = (), quotes: Sequence[str] = (), small: bool = False
) -> None:
    """Draw a text with highlights.

    Parameters
    ----------
    text : str
        The text.
    key : str
        Identity of the element on the page, so that the next text replaces it without flicker.
    words : sequence of str
        Beginnings of words to mark.
    quotes : sequence of str
        Passages to mark as quoted.
    small : bool
        Whether to use the small font size.
    """
    parts = [(*piece, False) for piece in split_highlights(text, words, quotes)]
    _component(data={"parts": parts, "small": small, "name": "transcript"}, key=key)


def show_steered(pieces: Sequence[tuple[str, bool]], key: str) -> None:
    """Draw a message of a prompt, in the small font size, with the steered pieces marked.

    Parameters
    ----------
    pieces : sequence of (str, bool)
        The message's text in pieces, each with whether it was steered.
    key : str
        Identity of the element on the page.
    """
    parts = [(text, False, False, steered) for text, steered in pieces]
    _component(data={"parts": parts, "small": True, "name": "prompt"}, key=key)
