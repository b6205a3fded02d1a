"""Separates what a subject thinks before it answers from its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnomon.generation.prompts.protocol import Protocol


def split_thinking(text: str, marks: tuple[str, str], *, is_thinking: bool = False) -> tuple[str | None, str]:
    """The thinking in a response, and the response without it.

    A thought that does not end takes the rest of the response. An end without a beginning ends what the prompt began.

    Parameters
    ----------
    text : str
        The response.
    marks : (str, str)
        What opens and what closes a thought.
    is_thinking : bool
        Whether the prompt has opened one.

    Returns
    -------
    (str or None, str)
        What was thought, None if nothing was, and the answer.
    """
    opening, closing = marks
    thoughts, answer, rest = [], "", text
    if is_thinking or closing in text.partition(opening)[0]:
        thought, _, rest = text.partition(closing)
        thoughts.append(thought)
    while opening in rest:
        before, _, rest = rest.partition(opening)
        thought, _, rest = rest.partition(closing)
        answer += before
        thoughts.append(thought)
    whole = "\n\n".join(thought.strip() for thought in thoughts if thought.strip())
    return whole or None, (answer + rest).strip() if thoughts else text


def readable_text(tokenizer: Any, protocol: Protocol, tokens: Sequence[int], text: str) -> str:
    """A response in which the marks of thinking are left, also if the tokenizer has them as special tokens.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The subject's tokenizer.
    protocol : Protocol
        The protocol.
    tokens : sequence of int
        Token ids of the response.
    text : str
        The response without special tokens.
    """
    special = set(getattr(tokenizer, "all_special_tokens", ()))
    if protocol.thinking is None or not special & set(protocol.thinking):
        return text
    whole = str(tokenizer.decode(list(tokens), skip_special_tokens=False))
    for mark in special - set(protocol.thinking):
        whole = whole.replace(mark, "")
    cut = [whole.index(words) for words in protocol.stop if words in whole]
    return whole[: min(cut)] if cut else whole
