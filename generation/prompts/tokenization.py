"""Converts a protocol into the subject's token ids and finds where each span begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.chat_templates import PROMPT_DATE, dated_template
from gnomon.data.foreign_documents.work_limits import run_within_limits
from gnomon.data.records import Span, canonical_hash
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage


@dataclass(frozen=True)
class TokenizedPrompt:
    """Token ids of a prompt; `marker` is the index of the first token that holds any of the marker's text."""

    ids: tuple[int, ...]
    marker: int

    @property
    def ids_hash(self) -> str:
        """Hash of the token ids: what the subject reads."""
        return canonical_hash(list(self.ids))

    def first_position(self, span: Span) -> int:
        """First position that is steered; all later ones are steered too, including response tokens.

        `all` begins at 0 and `from_marker` at the marker. `generation` begins at the prompt's last token, whose output
        determines the first response token. That token belongs to the header of the response's turn, not to the
        protocol's messages. The response's last token is chosen but never read back, so that it is never steered.
        """
        return {Span.ALL: 0, Span.FROM_MARKER: self.marker, Span.GENERATION: len(self.ids) - 1}[span]


def render_messages(tokenizer: Any, messages: tuple[ProtocolMessage, ...], day: date = PROMPT_DATE) -> str:
    """The conversation in the subject's chat format, ready for the subject's response.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The subject's tokenizer, with a chat template.
    messages : tuple of ProtocolMessage
        The conversation.
    day : date
        What a template that prints today's date prints.

    Raises
    ------
    InputError
        If the chat template rejects the messages, does not end or fills the memory.
    """
    turns = [{"role": message.role, "content": message.content} for message in messages]
    dated = dated_template(tokenizer, day)
    try:
        return run_within_limits(
            "chat template",
            lambda: str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **dated)),
        )
    except DocumentError:
        raise
    except Exception as error:  # templates raise any exception that their authors chose
        raise InputError(
            f"chat template: refuses these messages ({error}): use a protocol without a system message"
        ) from error


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Token ids of rendered text, without special tokens beyond those that the chat template has written.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The subject's tokenizer.
    text : str
        Text as `render_messages` returns it.
    """
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def make_prompt(tokenizer: Any, protocol: Protocol, day: date = PROMPT_DATE) -> TokenizedPrompt:
    """Token ids of a protocol, with the position of the marker.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The subject's fast tokenizer, with a chat template.
    protocol : Protocol
        The protocol.
    day : date
        What a template that prints today's date prints.

    Raises
    ------
    InputError
        If the chat template drops or repeats the marker, or the tokenizer cannot map tokens to text.
    """
    text = render_messages(tokenizer, protocol.messages, day)
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
