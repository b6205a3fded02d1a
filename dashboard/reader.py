"""Shows a transcript exactly as it stands, with words marked: made of text nodes in the browser, never of markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
  padding: 0 2px;
}
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const box = parentElement.querySelector(".transcript");
  box.classList.toggle("small", data.small);
  box.replaceChildren(...data.parts.map(([text, marked]) => {
    const node = document.createElement(marked ? "mark" : "span");
    node.textContent = text;
    return node;
  }));
}
"""

_component = st.components.v2.component(
    "gnomon_transcript", html='<div class="transcript" data-testid="transcript"></div>', css=_CSS, js=_JS
)


def parts(text: str, words: Sequence[str] = (), quotes: Sequence[str] = ()) -> list[tuple[str, bool]]:
    """The text cut into (piece, marked) so that the pieces joined are the text again.

    Marked are the quotations, word for word, and whole words that begin with one of `words` (`ocean` marks
    `oceans`), in any case.
    """
    patterns = [rf"\b{re.escape(word)}\w*" for word in words if word]
    patterns = [re.escape(quote) for quote in sorted(quotes, key=len, reverse=True) if quote.strip()] + patterns
    if not patterns:
        return [(text, False)]
    cut: list[tuple[str, bool]] = []
    start = 0
    for found in re.finditer("|".join(patterns), text, re.IGNORECASE):
        cut += [(text[start : found.start()], False), (found.group(), True)]
        start = found.end()
    return [piece for piece in [*cut, (text[start:], False)] if piece[0]]


def transcript(
    text: str, key: str, *, words: Sequence[str] = (), quotes: Sequence[str] = (), small: bool = False
) -> None:
    """Draw a text; `key` is the place's identity, so that the next text replaces it without a flicker."""
    _component(data={"parts": parts(text, words, quotes), "small": small}, key=key)
