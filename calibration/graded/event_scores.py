"""The score of a trial's event from a judge's scores of its questions, by the study's outcome rule.

A judge's score of a question is P(yes), unrounded. Which answers make an event is the outcome rule's to say, so the
event's score follows from the rule and is declared nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

import numpy as np

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.arms import ARMS
from gnomon.data.facts import CORE_FLAGS
from gnomon.data.outcomes import OutcomeRule, is_event
from gnomon.data.records import ABOUT, NAMES, NONE, OTHER, SCORE, Arm, Facts, FurtherFacts

HALF = 0.5
"""Score from which a rounded answer is yes."""
NAMED = "named"
"""Whether the concept that is named is the injected one, beside the flags."""
Answers = Mapping[str, bool]


def event_score(scores: Mapping[str, float], facts: Facts, rule: OutcomeRule, arm: Arm, target: str | None) -> float:
    """Score of a trial's event: the higher, the more the judge's scores speak for it.

    Estimand: none; a regressor, which `isotonic_map` calibrates. The event holds if one of the rule's sufficient
    combinations of answers (`sufficient_answers`) holds; a combination is as sure as its least sure answer, the event
    as its surest combination. So the score is at least 1/2 exactly where the rounded answers make an event (but for
    ties), whatever the rule, and it says how near the others are. It is no probability: several unsure answers count
    as one. That the injected concept is named is as sure as its own question and as its lead over the nearest other
    concept, halved; of the probabilities of the list's names (`NAMES`) only the lead counts. A question without a score
    counts by the verdict's own answer; concepts are not asked about where nothing is claimed, and then the claim's own
    score decides. A judge's single score of a pass counts as it is in arms whose pass is the event, and reversed in the
    others. Source: the maximum and minimum of possibility theory (Dubois and Prade 1988).

    Parameters
    ----------
    scores : mapping of str to float
        P(yes) of each question that was asked, by its name, and of the list's names; or one score under `score`.
    facts : Facts
        The verdict's facts.
    rule : OutcomeRule
        The study's outcome rule.
    arm : Arm
        Arm of the trial.
    target : str or None
        Injected concept.
    """
    if SCORE in scores:
        return scores[SCORE] if ARMS[arm].counts_identified else 0.0 - scores[SCORE]
    sure = {name: scores.get(name, float(_flag_of(facts, name))) for name in (*CORE_FLAGS, *rule.reads)}
    sure[NAMED] = _named_score(scores, facts, target) if ARMS[arm].counts_identified else 1.0
    combinations = (
        min((sure[name] if yes else 1 - sure[name] for name, yes in answers.items()), default=1.0)
        for answers in sufficient_answers(rule, arm)
    )
    return max(combinations, default=0.0)


@cache
def sufficient_answers(rule: OutcomeRule, arm: Arm) -> tuple[Answers, ...]:
    """The smallest combinations of answers that make an event under a rule, whatever the other answers are.

    Prime implicants of the rule over all combinations of its flags and of whether the injected concept is named
    (Quine 1952; McCluskey 1956).

    Parameters
    ----------
    rule : OutcomeRule
        The rule.
    arm : Arm
        The arm whose event is meant.
    """
    names = (NAMED, *CORE_FLAGS, *rule.reads)
    current = {bits for bits in product((False, True), repeat=len(names)) if _makes_event(rule, arm, names, bits)}
    held: set[tuple[bool | None, ...]] = set(current)
    prime: set[tuple[bool | None, ...]] = set()
    while held:
        merged: set[tuple[bool | None, ...]] = set()
        used: set[tuple[bool | None, ...]] = set()
        for term in held:
            for place, bit in enumerate(term):
                if bit is None:
                    continue
                twin = (*term[:place], not bit, *term[place + 1 :])
                if twin in held:
                    merged.add((*term[:place], None, *term[place + 1 :]))
                    used |= {term, twin}
        prime |= held - used
        held = merged
    terms = [{name: bit for name, bit in zip(names, term, strict=True) if bit is not None} for term in prime]
    return tuple(sorted(terms, key=lambda term: sorted(term.items())))


def event_scores(
    scores: Sequence[Mapping[str, float]],
    facts: Sequence[Facts],
    arms: Sequence[str],
    targets: Sequence[str | None],
    rule: OutcomeRule,
) -> Floats:
    """`event_score` of each trial.

    Parameters
    ----------
    scores : sequence of mapping of str to float
        Scores of the questions of each trial.
    facts : sequence of Facts
        Facts of each verdict.
    arms : sequence of str
        Arm of each trial.
    targets : sequence of str or None
        Injected concept of each trial.
    rule : OutcomeRule
        The study's outcome rule.
    """
    rows = zip(scores, facts, arms, targets, strict=True)
    return np.array([event_score(each, said, rule, Arm(arm), target) for each, said, arm, target in rows], dtype=float)


def _named_score(scores: Mapping[str, float], facts: Facts, target: str | None) -> float:
    if target is None:
        return 0.0
    if (claim := scores.get("claims", float(facts.claims))) < HALF:
        return claim
    listed = {name.removeprefix(NAMES): value for name, value in scores.items() if name.startswith(NAMES)}
    if listed:  # shares of one answer: a name that is not there was not among the most probable ones
        own = listed.pop(target, 0.0)
        return (1 + own - max(listed.values(), default=0.0)) / 2
    asked = {name.removeprefix(ABOUT): value for name, value in scores.items() if name.startswith(ABOUT)}
    if target not in asked:
        return float(facts.concept == target)
    own = asked.pop(target)
    return min(own, (1 + own - max(asked.values(), default=0.0)) / 2)


def _flag_of(facts: Facts, name: str) -> bool:
    return bool(getattr(facts, name)) if name in CORE_FLAGS else bool(facts.further[name])


def _makes_event(rule: OutcomeRule, arm: Arm, names: Sequence[str], bits: Sequence[bool]) -> bool:
    answers = dict(zip(names, bits, strict=True))
    concept = "x" if answers[NAMED] else OTHER if answers["claims"] else NONE
    further = FurtherFacts({name: answers[name] for name in rule.reads})
    facts = Facts(answers["claims"], concept, answers["coherent"], answers["refused"], further=further)
    return is_event(rule(facts, arm, "x"), arm)
