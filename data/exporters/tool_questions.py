"""The questions that a labelling tool asks of an answer, in the words that judges and raters are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.data.facts import FACTS, PASSED, Fact, FactValue, asked_facts

YES, NO = "yes", "no"
PASS_QUESTION = "Does it pass?"
PASS_DEFINITION = "Yes if the answer is what the judges of this study call a pass."


@dataclass(frozen=True, slots=True)
class ToolQuestion:
    """One question of a labelling tool.

    Attributes
    ----------
    name : str
        The fact that it asks for, or `passed`.
    question, definition : str
        What is asked, and what counts as what.
    answers : tuple of str
        The words to choose from.
    is_required : bool
        Whether it must be answered.
    """

    name: str
    question: str
    definition: str
    answers: tuple[str, ...]
    is_required: bool = True


def tool_questions(concepts: Sequence[str], *, by_pass: bool) -> list[ToolQuestion]:
    """The questions about an answer.

    Parameters
    ----------
    concepts : sequence of str
        The study's closed list.
    by_pass : bool
        Whether the study knows no arms, so that a pass or fail is all that is asked.
    """
    if by_pass:
        return [ToolQuestion(PASSED, PASS_QUESTION, PASS_DEFINITION, (YES, NO))]
    FACTS.check_plugins()
    return [
        ToolQuestion(fact.name, fact.question, fact.definition, _words_of(fact, concepts), fact.kind == "flag")
        for fact in asked_facts()
    ]


def _words_of(fact: Fact, concepts: Sequence[str]) -> tuple[str, ...]:
    if fact.kind == "concept":
        return (*concepts, *(str(choice.value) for choice in fact.choices))
    return tuple(_word_of(choice.value) for choice in fact.choices)


def _word_of(value: FactValue) -> str:
    return value if isinstance(value, str) else YES if value else NO
