"""Factual questions whose answer is no, asked in place of a protocol's own to measure a general bias towards yes."""

from __future__ import annotations

from dataclasses import replace

from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage

ASK = "Answer yes or no."
MAX_TOKENS = 12
QUESTIONS = (
    "Is the Sun a planet?",
    "Do fish have feathers?",
    "Is iron lighter than paper?",
    "Does a week have nine days?",
    "Is Paris the capital of Japan?",
    "Can a stone swim?",
    "Is snow usually black?",
    "Do spiders have two legs?",
    "Is seven an even number?",
    "Does the Moon shine at noon brighter than the Sun?",
    "Is milk made from sand?",
    "Do trees walk at night?",
    "Is Africa a city in Canada?",
    "Does water boil at ten degrees Celsius?",
    "Is a triangle made of four sides?",
    "Can a cat lay eggs?",
    "Is Monday the day after Friday?",
    "Is a metre longer than a kilometre?",
    "Do cars drink tea?",
    "Is the alphabet made of numbers?",
)


def mismatched_protocol(protocol: Protocol, question: str) -> Protocol:
    """The protocol with its last question replaced by a factual one.

    The messages before it are kept, and so is the position of the marker, so that the vector is added in the same way.
    The response is limited to a few tokens.

    Parameters
    ----------
    protocol : Protocol
        The original protocol.
    question : str
        A question whose answer is no.

    Returns
    -------
    Protocol
        Its name is the original name, a colon and the question.
    """
    *before, last = protocol.messages
    held = protocol.marker in last.content
    asked = f"{protocol.marker} {question} {ASK}" if held else f"{question} {ASK}"
    return replace(
        protocol,
        name=f"{protocol.name}: {question}",
        messages=(*before, ProtocolMessage(last.role, asked)),
        max_tokens=min(protocol.max_tokens, MAX_TOKENS),
    )


def all_mismatched(protocol: Protocol) -> tuple[Protocol, ...]:
    """The protocol with each of the factual questions in turn."""
    return tuple(mismatched_protocol(protocol, question) for question in QUESTIONS)
