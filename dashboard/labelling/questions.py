"""Questions for raters, in the words of the blind rubric, so that raters and judges answer the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.data.facts import FACTS, AnswerChoice, Fact, asked_facts, free_keys


@dataclass(frozen=True, slots=True)
class RaterQuestion:
    """One fact: its question, possible answers and definition."""

    fact: str
    asks: str
    choices: tuple[AnswerChoice, ...]
    definition: str


def rater_questions(concepts: Sequence[str]) -> tuple[RaterQuestion, ...]:
    """The questions for a closed list of concepts, with keys: digits for the first nine concepts, then free letters."""
    FACTS.check_plugins()
    return tuple(
        RaterQuestion(fact.name, fact.question, _choices(fact, concepts), fact.definition) for fact in asked_facts()
    )


def _choices(fact: Fact, concepts: Sequence[str]) -> tuple[AnswerChoice, ...]:
    if fact.kind != "concept":
        return fact.choices
    keys = [*"123456789", *free_keys()]
    named = (
        AnswerChoice(concept, concept, keys[place] if place < len(keys) else None)
        for place, concept in enumerate(concepts)
    )
    return (*named, *fact.choices)
