"""Questions for raters, in the words of the blind rubric, so that raters and judges answer the same questions.

Also what one answer forces of another, and which answers cannot be true together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gnomon.data.facts import FACTS, AnswerChoice, Fact, FactValue, asked_facts, free_keys
from gnomon.data.records import NONE

CLAIMS, CONCEPT = "claims", "concept"


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


def forced_answers(fact: str, value: FactValue) -> dict[str, FactValue]:
    """What one answer forces of others, by fact.

    The rubric defines the concept as none where nothing is claimed, so that a concept needs a claim; and facts may
    exclude each other (`gnomon.data.facts.Fact.excludes`). These are the contradictions that the audit counts
    (`gnomon.calibration.audit.contradictions`), without those that need the trial's arm.

    Parameters
    ----------
    fact : str
        Name of the fact that is answered.
    value : bool or str
        The answer.
    """
    if fact == CONCEPT:
        return {} if value == NONE else {CLAIMS: True}
    forced: dict[str, FactValue] = {CONCEPT: NONE} if fact == CLAIMS and value is False else {}
    if value is True:
        for one in asked_facts():
            others = one.excludes if one.name == fact else (one.name,) if fact in one.excludes else ()
            forced.update(dict.fromkeys(others, False))
    return forced


def preset_answers(given: Mapping[str, FactValue], undecided: Collection[str] = ()) -> dict[str, FactValue]:
    """Answers to open questions that the given answers force, in the order in which they follow.

    Parameters
    ----------
    given : mapping of str to bool or str
        The rater's own answers by fact.
    undecided : collection of str
        Facts of which either answer would be right: they force nothing.
    """
    asked = {fact.name for fact in asked_facts()}
    preset: dict[str, FactValue] = {}
    reasons = [(fact, value) for fact, value in given.items() if fact not in undecided]
    while reasons:
        for fact, value in forced_answers(*reasons.pop(0)).items():
            if fact in asked and fact not in given and fact not in preset:
                preset[fact] = value
                reasons.append((fact, value))
    return preset


def contradicting_answers(
    answers: Mapping[str, FactValue], undecided: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Pairs of facts whose answers cannot be true together, in the order of the questions.

    Parameters
    ----------
    answers : mapping of str to bool or str
        Answers by fact.
    undecided : collection of str
        Facts of which either answer would be right: they contradict nothing.
    """
    order = [fact.name for fact in asked_facts() if fact.name in answers and fact.name not in undecided]
    return tuple(
        (one, other)
        for place, one in enumerate(order)
        for other in order[place + 1 :]
        if forced_answers(one, answers[one]).get(other, answers[other]) != answers[other]
        or forced_answers(other, answers[other]).get(one, answers[one]) != answers[one]
    )


def contradiction_question(answers: Mapping[str, FactValue], undecided: Collection[str] = ()) -> str:
    """What a rater is asked before answers are saved that cannot be true together; empty where they can.

    Parameters
    ----------
    answers : mapping of str to bool or str
        Answers by fact.
    undecided : collection of str
        Facts of which either answer would be right.
    """
    pairs = contradicting_answers(answers, undecided)
    if not pairs:
        return ""
    one, other = (f"{_answer_text(FACTS[name], answers[name])} to '{FACTS[name].question}'" for name in pairs[0])
    more = f" ({len(pairs) - 1} more pair{'s' if len(pairs) > 2 else ''} of this kind)" if len(pairs) > 1 else ""
    return f"You answered {one} and {other}: both cannot be true{more}. Save anyway (Enter), or change an answer."


def _answer_text(fact: Fact, value: FactValue) -> str:
    return next((choice.text for choice in fact.choices if choice.value == value), str(value))
