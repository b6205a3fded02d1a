"""Protocols that are changed: a measure's questions in place of their own, words before their first message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from gnomon.data.arms.measures import Measure, MeasureQuestion
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage


def protocol_with_question(protocol: Protocol, question: MeasureQuestion, max_tokens: int) -> Protocol:
    """The protocol with its last question replaced by another.

    The messages before it are kept, and so is the position of the marker, so that the vector is added in the same way.
    The beginning of an answer is left out, and what is read from logits, since both belong to the original question.

    Parameters
    ----------
    protocol : Protocol
        The original protocol.
    question : MeasureQuestion
        What is asked instead.
    max_tokens : int
        Longest answer that is wanted.

    Returns
    -------
    Protocol
        Its name is the original name, a colon and the question.
    """
    messages = protocol.messages[:-1] if protocol.is_answer_begun else protocol.messages
    *before, last = messages
    words = (
        f"{protocol.marker} {question.prompt}"
        if protocol.marker and protocol.marker in last.content
        else question.prompt
    )
    return replace(
        protocol,
        name=f"{protocol.name}: {question.text}",
        messages=(*before, ProtocolMessage(last.role, words)),
        max_tokens=min(protocol.max_tokens or max_tokens, max_tokens),
        question=question,
        measure=None,
    )


@lru_cache(maxsize=1024)
def question_protocols(
    protocol: Protocol, measure: Measure, concept: str | None, concepts: tuple[str, ...]
) -> tuple[Protocol, ...]:
    """The protocol with each of a measure's questions in turn; empty for a measure that has none of its own.

    Parameters
    ----------
    protocol : Protocol
        The original protocol.
    measure : Measure
        What is asked.
    concept : str or None
        The injected concept; None where nothing is added.
    concepts : tuple of str
        The study's closed list.
    """
    asked = measure.questions(concept, concepts)
    return tuple(protocol_with_question(protocol, question, measure.max_tokens) for question in asked)


def prefaced_protocol(protocol: Protocol, preface: str) -> Protocol:
    """The protocol as a subject reads it whose first message begins with further words; spans keep their own text.

    Parameters
    ----------
    protocol : Protocol
        The original protocol, under whose hash its trials are stored.
    preface : str
        The words, which an empty line follows; nothing is changed if empty.
    """
    if not preface:
        return protocol
    first, *others = protocol.messages
    spans = tuple(
        replace(span, turn=None, text=first.content.strip()) if span.turn == 0 else span for span in protocol.spans
    )
    messages = (ProtocolMessage(first.role, f"{preface}\n\n{first.content}"), *others)
    return replace(protocol, messages=messages, spans=spans)


def condition_protocols(
    protocol: Protocol, measure: Measure, chosen: Sequence[str], concepts: tuple[str, ...]
) -> dict[str, Protocol]:
    """All protocols, by hash, that a measure puts to a subject in any condition.

    Parameters
    ----------
    protocol : Protocol
        The original protocol.
    measure : Measure
        What is asked.
    chosen : sequence of str
        Concepts that are injected.
    concepts : tuple of str
        The study's closed list.
    """
    conditions: list[str | None] = [None] if measure.has_baseline else []
    every = (question_protocols(protocol, measure, concept, concepts) for concept in [*conditions, *chosen])
    return {each.protocol_hash: each for protocols in every for each in protocols}
