"""The texts that the Transcripts page marks as steered are those whose tokens the engine steers."""

from __future__ import annotations

import pytest
from tiny_subjects import TEMPLATE, byte_tokenizer

from gnomon.dashboard.transcripts.steered_spans import mark_steered
from gnomon.data.records import Span
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage, load_protocol
from gnomon.generation.prompts.protocol_parts import NamedSpan
from gnomon.generation.prompts.tokenization import make_prompt

MESSAGES = (
    ProtocolMessage("system", "You are tested."),
    ProtocolMessage("user", "Ready? Go on. Round 1. Do you notice?"),
)
SPANS = [
    NamedSpan("it", text="Go on."),
    NamedSpan("it", text="Go on.", to="Round 1.", answer=True),
    NamedSpan("it", turn=0),
    NamedSpan("it", text="notice", part="last"),
]


def marked_text(protocol: Protocol, span: str) -> tuple[str, bool]:
    prompt = mark_steered(protocol.stored_content(), arm="injection", span=span, strength=1.0)
    pieces = [text for turn in prompt.turns for text, steered in turn.pieces if steered]
    return "".join(pieces), prompt.is_answer_steered


@pytest.mark.parametrize("span", SPANS, ids=lambda span: f"{span.text or span.turn}")
def test_of_a_named_span_the_marked_text_is_what_is_steered(span):
    """With one token for each letter the two are the same, but for a part of a span: its text is marked."""
    tokenizer = byte_tokenizer(TEMPLATE)
    protocol = Protocol("p", MESSAGES, "", Span("it"), 0.0, 5, spans=(span,))
    prompt = make_prompt(tokenizer, protocol)
    parts = prompt.span_ranges(Span("it"))
    steered = "".join(tokenizer.decode(prompt.ids[first:end]) for first, end in parts if end is not None)
    text, answer = marked_text(protocol, "it")
    assert text == steered if span.part is None else steered in text
    assert answer == any(end is None for _, end in parts)


def test_from_a_marker_on_all_messages_and_the_answer_are_marked():
    tokenizer = byte_tokenizer(TEMPLATE)
    for protocol in (load_protocol("plain"), load_protocol("stern")):
        prompt = make_prompt(tokenizer, protocol)
        steered = tokenizer.decode(prompt.ids[prompt.first_position(Span.FROM_MARKER) :])
        text, answer = marked_text(protocol, "from_marker")
        assert steered.startswith(text)
        assert text.startswith(protocol.marker)
        assert answer
        assert marked_text(protocol, "generation") == ("", True)
        assert marked_text(protocol, "all")[0] == "".join(message.content for message in protocol.messages)
