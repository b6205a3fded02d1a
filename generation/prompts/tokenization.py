"""Converts a protocol into the subject's token ids, and finds where its spans lie and which tokens its options are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.chat_templates import PROMPT_DATE, dated_template
from gnomon.data.foreign_documents.work_limits import run_within_limits
from gnomon.data.records import Span, canonical_hash
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage
from gnomon.generation.prompts.protocol_parts import NamedSpan, PlainFormat, TemplateValue

SpanRanges = tuple[tuple[int, int | None], ...]
"""Positions of a span: the first and the one after the last of each part; None for the answer's last."""
_SENTINEL = "gnomonturnmark"
"""Content that takes a message's place when the message is looked for in the rendered prompt."""


@dataclass(frozen=True)
class TokenizedPrompt:
    """A prompt as the subject reads it.

    Attributes
    ----------
    ids : tuple of int
        Token ids.
    marker : int or None
        Index of the first token that holds any of the marker's text; None without a marker.
    spans : mapping of str to SpanRanges
        Positions of the protocol's own spans.
    options : mapping of str to tuple of int
        Ids of the tokens that stand for each option of the protocol's measure.
    is_thinking : bool
        Whether the prompt ends inside the subject's thinking.
    places : mapping of str to (int, mapping of str to tuple of int)
        Position of each further place at which the options are read, and their tokens there.
    """

    ids: tuple[int, ...]
    marker: int | None = None
    spans: Mapping[str, SpanRanges] = field(default_factory=dict)
    options: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    is_thinking: bool = False
    places: Mapping[str, tuple[int, Mapping[str, tuple[int, ...]]]] = field(default_factory=dict)

    @property
    def ids_hash(self) -> str:
        """Hash of the token ids: what the subject reads."""
        return canonical_hash(list(self.ids))

    def first_position(self, span: Span) -> int:
        """First position of a span.

        `all` begins at 0 and `from_marker` at the marker. `generation` begins at the prompt's last token, whose output
        determines the first response token. That token belongs to the header of the response's turn, not to the
        protocol's messages. The response's last token is chosen but never read back, so that it is never steered.
        """
        return self.span_ranges(span)[0][0]

    def span_ranges(self, span: Span) -> SpanRanges:
        """Positions of a span, in order; those of `all`, `from_marker` and `generation` go on through the answer.

        Raises
        ------
        InputError
            If the prompt has no such span.
        """
        if span == Span.ALL:
            return ((0, None),)
        if span == Span.GENERATION:
            return ((len(self.ids) - 1, None),)
        if span == Span.FROM_MARKER and self.marker is not None:
            return ((self.marker, None),)
        if span not in self.spans:
            known = (Span.ALL, Span.GENERATION, *([] if self.marker is None else [Span.FROM_MARKER]), *self.spans)
            raise InputError(f"span '{span}': the protocol has none of this name: choose from {', '.join(known)}")
        return self.spans[span]


def render_messages(
    tokenizer: Any,
    messages: tuple[ProtocolMessage, ...],
    day: date = PROMPT_DATE,
    template: Mapping[str, TemplateValue] | None = None,
    plain: PlainFormat | None = None,
) -> str:
    """The conversation in the subject's chat format, ready for the subject's response.

    Where the last message is the assistant's, the text ends with it, and the response goes on from there.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The subject's tokenizer, with a chat template unless `plain` is given.
    messages : tuple of ProtocolMessage
        The conversation.
    day : date
        What a template that prints today's date prints.
    template : mapping of str to bool or int or float or str, optional
        Further arguments of the template.
    plain : PlainFormat, optional
        Format for a model without a chat template.

    Raises
    ------
    InputError
        If the chat template rejects the messages, does not end or fills the memory, or there is none and no `plain`.
    """
    if not getattr(tokenizer, "chat_template", None):
        return _plain_text(tokenizer, messages, plain)
    turns = [{"role": message.role, "content": message.content} for message in messages]
    begun = messages[-1].role == "assistant"
    how: dict[str, object] = {**(template or {}), **dated_template(tokenizer, day)}
    how |= {"add_generation_prompt": not begun, "continue_final_message": begun, "tokenize": False}
    try:
        return run_within_limits("chat template", lambda: str(tokenizer.apply_chat_template(turns, **how)))
    except DocumentError:
        raise
    except Exception as error:  # templates raise any exception that their authors chose
        remedy = "an answer that is begun" if begun else "a system message"
        raise InputError(
            f"chat template: refuses these messages ({_first_line(error)}): use a protocol without {remedy}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _plain_text(tokenizer: Any, messages: Sequence[ProtocolMessage], plain: PlainFormat | None) -> str:
    """The conversation as plain text, begun as the tokenizer begins every text."""
    if plain is None:
        raise InputError(
            "the model's tokenizer has no chat template: use its instruct variant, put a chat_template.jinja beside "
            "it, or give the protocol a table [plain] that says how messages are written"
        )
    *before, last = messages
    text = "".join(getattr(plain, each.role).replace("{content}", each.content) for each in before)
    form = getattr(plain, last.role)
    if last.role == "assistant":
        text += form.partition("{content}")[0] + last.content
    else:
        text += form.replace("{content}", last.content) + plain.answer
    begins = list(tokenizer("a")["input_ids"])[:1] == [getattr(tokenizer, "bos_token_id", None)]
    return f"{tokenizer.bos_token}{text}" if begins else text


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
    """Token ids of a protocol, with the positions of its marker and spans and the tokens of its options.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
        The subject's fast tokenizer, with a chat template unless the protocol has a plain format.
    protocol : Protocol
        The protocol.
    day : date
        What a template that prints today's date prints.

    Raises
    ------
    InputError
        If the chat template drops or repeats the marker or a span's text, two options begin with the same token, or the
        tokenizer cannot map tokens to text.
    """
    rendered = _RenderedPrompt(tokenizer, protocol, day)
    prompt = TokenizedPrompt(
        rendered.ids,
        rendered.token_range(rendered.find_text(protocol.marker, "marker"))[0] if protocol.marker else None,
        {span.name: rendered.span_ranges(span) for span in protocol.spans},
        rendered.option_tokens(len(rendered.ids)),
        rendered.is_thinking(),
    )
    for span in (protocol.span, *(also.span for also in protocol.also)):
        prompt.span_ranges(span)
    last = {place: _last_position(prompt, place) for place in (protocol.measure.places if protocol.measure else ())}
    return replace(prompt, places={place: (at, rendered.option_tokens(at + 1)) for place, at in last.items()})


def _last_position(prompt: TokenizedPrompt, place: Span) -> int:
    """The last position of a span in the prompt."""
    ends = [end for _, end in prompt.span_ranges(place) if end is not None]
    return ends[-1] - 1 if ends else len(prompt.ids) - 1


class _RenderedPrompt:
    """A protocol's text in the subject's format, with the place of each token in it."""

    def __init__(self, tokenizer: Any, protocol: Protocol, day: date) -> None:
        self._tokenizer, self._protocol, self._day = tokenizer, protocol, day
        self.text = self._render(protocol.messages)
        wants_places = bool(protocol.marker or protocol.spans)
        try:
            encoded = tokenizer(self.text, add_special_tokens=False, return_offsets_mapping=wants_places)
        except NotImplementedError as error:
            raise InputError(
                f"protocol '{protocol.name}': the marker can't be found with a slow tokenizer: use a fast one"
            ) from error
        self.ids: tuple[int, ...] = tuple(encoded["input_ids"])
        self._places: list[tuple[int, int]] = list(encoded["offset_mapping"]) if wants_places else []

    def _render(self, messages: tuple[ProtocolMessage, ...]) -> str:
        said = self._protocol
        try:
            return render_messages(self._tokenizer, messages, self._day, dict(said.template), said.plain)
        except DocumentError:
            raise
        except InputError as error:
            raise InputError(f"protocol '{said.name}': {error}") from error

    def find_text(self, text: str, what: str) -> tuple[int, int]:
        """Where a text that stands once in the prompt begins and ends, in letters.

        Parameters
        ----------
        text : str
            The text.
        what : str
            What it is, for a message.
        """
        if (found := self.text.count(text)) != 1:
            raise InputError(
                f"protocol '{self._protocol.name}': {what} '{text}' stands {found} times in the prompt that the "
                "subject reads: choose a text that the chat template keeps once"
            )
        begin = self.text.index(text)
        return begin, begin + len(text)

    def token_range(self, letters: tuple[int, int]) -> tuple[int, int]:
        """The first token that holds any of some letters, and the one after the last."""
        begin, end = letters
        held = [index for index, (first, last) in enumerate(self._places) if last > begin and first < end]
        if not held:
            raise InputError(f"protocol '{self._protocol.name}': no token holds '{self.text[begin:end]}'")
        return held[0], held[-1] + 1

    def span_ranges(self, span: NamedSpan) -> SpanRanges:
        """Positions of one of the protocol's spans."""
        what = f"[spans.{span.name}]:"
        if span.text is not None:
            letters = self.find_text(span.text, f"{what} text")
            if span.to is not None:
                letters = (letters[0], self.find_text(span.to, f"{what} to")[1])
        else:
            letters = self._find_turn(span)
        if letters[1] <= letters[0]:
            raise InputError(f"protocol '{self._protocol.name}': {what} 'to' stands before 'text': put it after")
        first, end = self.token_range(letters)
        if span.part is not None:
            first = {"first": first, "middle": (first + end - 1) // 2, "last": end - 1}[span.part]
            end = first + 1
        if not span.answer:
            return ((first, end),)
        answer = len(self.ids) - 1
        return ((first, None),) if end >= answer else ((first, end), (answer, None))

    def _find_turn(self, span: NamedSpan) -> tuple[int, int]:
        """Where a message's content lies: the part of the prompt that changes when another takes its place."""
        messages, turn = self._protocol.messages, span.turn
        if turn is None or not 0 <= turn < len(messages):
            raise InputError(
                f"protocol '{self._protocol.name}': [spans.{span.name}]: there is no turn {turn}: turns are 0 to "
                f"{len(messages) - 1}"
            )
        content = messages[turn].content.strip()
        other = (*messages[:turn], replace(messages[turn], content=_SENTINEL), *messages[turn + 1 :])
        before, found, after = self._render(other).partition(_SENTINEL)
        inside = self.text[len(before) : len(self.text) - len(after)]
        if not found or before + inside + after != self.text or inside.strip() != content or not content:
            raise InputError(
                f"protocol '{self._protocol.name}': [spans.{span.name}]: the chat template changes turn {turn}: give "
                "'text' instead"
            )
        begin = len(before) + inside.index(content)
        return begin, begin + len(content)

    def option_tokens(self, tokens: int) -> dict[str, tuple[int, ...]]:
        """Tokens that stand for each option of the protocol's measure after the first tokens of the prompt."""
        options = self._protocol.measure.options if self._protocol.measure else ()
        before = self.text if tokens == len(self.ids) else self.text[: self._places[tokens - 1][1]]
        found = {
            name: tuple(dict.fromkeys(token for text in texts for token in self._first_tokens(text, before, tokens)))
            for name, texts in options
        }
        owners: dict[int, str] = {}
        for name, own in found.items():
            if not own:
                raise InputError(f"protocol '{self._protocol.name}': option '{name}' has no token of its own")
            for token in own:
                if (other := owners.setdefault(token, name)) != name:
                    raise InputError(
                        f"protocol '{self._protocol.name}': options '{other}' and '{name}' begin with the same token "
                        f"'{self._tokenizer.decode([token])}': choose texts that differ from their first token on"
                    )
        return found

    def _first_tokens(self, text: str, before: str, tokens: int) -> list[int]:
        """First tokens of a text as it follows what is before, with and without a space; a space alone is not one."""
        found = []
        for said in (text.strip(), f" {text.strip()}") if text.strip() else ():
            whole = encode_text(self._tokenizer, before + said)
            shared = tuple(whole[:tokens]) == self.ids[:tokens] and len(whole) > tokens
            token = whole[tokens] if shared else encode_text(self._tokenizer, said)[0]
            if self._tokenizer.decode([token]).strip():
                found.append(token)
        return found

    def is_thinking(self) -> bool:
        """Whether the prompt ends after a text that opens the subject's thinking and before one that closes it."""
        if self._protocol.thinking is None:
            return False
        opened, closed = (self.text.rfind(mark) for mark in self._protocol.thinking)
        return opened > closed
