"""Turns a protocol into the subject's token ids and says at which of them each span begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.records import Span
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage


@dataclass(frozen=True)
class TokenizedPrompt:
    """Token ids of a prompt; `marker` is the index of the first token that holds any of the marker's text."""

    ids: tuple[int, ...]
    marker: int

    def first_position(self, span: Span) -> int:
        """First position that is steered; every later one is steered too, answer tokens included.

        `all` begins at 0 and `from_marker` at the marker. `generation` begins at the prompt's last token: its
        output chooses the first answer token. That token belongs to the header of the answer's turn, not to the
        protocol's words. The answer's last token is chosen but never read back, so it is never steered.
        """
        return {Span.ALL: 0, Span.FROM_MARKER: self.marker, Span.GENERATION: len(self.ids) - 1}[span]


def render_messages(tokenizer: Any, messages: tuple[ProtocolMessage, ...]) -> str:
    """The conversation in the subject's own chat format, open for the subject's answer."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    except Exception as error:  # templates raise whatever their authors wrote
        raise InputError(
            f"chat template: refuses these messages ({error}): use a protocol without a system message"
        ) from error


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Token ids of rendered text; the template has written the special tokens already."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def make_prompt(tokenizer: Any, protocol: Protocol) -> TokenizedPrompt:
    """Token ids of a protocol with the marker's place in them.

    Raises
    ------
    InputError
        The chat template drops the marker, or the tokenizer can't tell which text a token holds.
    """
    text = render_messages(tokenizer, protocol.messages)
    if text.count(protocol.marker) != 1:
        raise InputError(
            f"protocol '{protocol.name}': marker '{protocol.marker}' stands {text.count(protocol.marker)} times in the "
            "prompt that the subject reads: choose a marker that the chat template keeps once"
        )
    at = text.index(protocol.marker)
    try:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    except NotImplementedError as error:
        raise InputError(
            f"protocol '{protocol.name}': the marker can't be found with a slow tokenizer: use a fast one"
        ) from error
    ends = [end for _, end in encoded["offset_mapping"]]
    return TokenizedPrompt(tuple(encoded["input_ids"]), next(index for index, end in enumerate(ends) if end > at))
