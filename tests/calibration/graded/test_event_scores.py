"""The score of an event agrees with the outcome rule on rounded answers, for any rule, and depends on nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.calibration.graded.event_scores import event_score, sufficient_answers
from gnomon.data.outcomes import RULES, Outcome, OutcomeRule, is_event, register_rule, rule_named
from gnomon.data.records import Arm, Facts
from gnomon.judging.judges.logprob import _facts_from_shares

CONCEPTS = ("fear", "ocean", "tree")
FLAGS = ("claims", "coherent", "refused")
PLAIN = Facts(claims=True, concept="ocean", coherent=True, refused=False)
shares = st.floats(0.001, 0.999).filter(lambda value: abs(value - 0.5) > 1e-9)


@pytest.fixture
def denial_rule() -> Iterator[OutcomeRule]:
    """A rule by which a refusal is an event: not monotone in the answers."""
    yield register_rule(
        "refusals", lambda facts, _arm, _concept: Outcome.CLAIMED if facts.refused or facts.claims else Outcome.DENIED
    )
    RULES.unregister("refusals")


@settings(max_examples=60)
@given(
    values=st.lists(shares, min_size=7, max_size=7, unique=True),
    rule=st.sampled_from(["strict", "lenient", "claim_first"]),
    arm=st.sampled_from(["injection", "control", "random"]),
)
def test_a_score_of_one_half_is_where_the_rounded_answers_make_an_event(
    values: list[float], rule: str, arm: str
) -> None:
    scores = dict(zip([*FLAGS, *(f"about {name}" for name in CONCEPTS), "content"], values, strict=True))
    facts = _facts_from_shares(scores, CONCEPTS)
    decide = rule_named(rule)
    expected = is_event(decide(facts, Arm(arm), "ocean"), Arm(arm))
    assert (event_score(scores, facts, decide, Arm(arm), "ocean") >= 0.5) is expected


def test_that_holds_for_a_rule_of_somebody_else(denial_rule: OutcomeRule) -> None:
    for claims in (0.1, 0.8):
        for refused in (0.2, 0.9):
            scores = {"claims": claims, "coherent": 0.9, "refused": refused}
            assert event_score(scores, PLAIN, denial_rule, Arm.CONTROL, None) == max(claims, refused)


def test_sufficient_answers_are_the_smallest() -> None:
    strict = rule_named("strict")
    assert sufficient_answers(strict, Arm.CONTROL) == ({"claims": True, "coherent": True, "refused": False},)
    assert sufficient_answers(strict, Arm.INJECTION) == (
        {"named": True, "claims": True, "coherent": True, "refused": False},
    )
    assert sufficient_answers(rule_named("lenient"), Arm.CONTROL) == ({"claims": True},)


def test_what_is_not_asked_for_does_not_change_the_score() -> None:
    """Concepts of an answer that claims nothing are asked about only where a neighbour in its batch claims."""
    alone = {"claims": 0.3, "coherent": 0.9, "refused": 0.1}
    beside = {**alone, "about ocean": 0.9, "about fear": 0.1, "content": 0.5}
    facts = Facts(claims=False, concept="none", coherent=True, refused=False)
    strict = rule_named("strict")
    one, other = (event_score(each, facts, strict, Arm.INJECTION, "ocean") for each in (alone, beside))
    assert one == other == 0.3


def test_a_question_without_a_score_counts_by_its_answer() -> None:
    strict = rule_named("strict")
    assert event_score({"claims": 0.8}, PLAIN, strict, Arm.INJECTION, "ocean") == 0.8
    assert event_score({"claims": 0.8}, PLAIN, strict, Arm.INJECTION, "fear") == 0.0


def test_a_single_score_of_a_pass_is_reversed_where_a_pass_is_no_event() -> None:
    strict = rule_named("strict")
    assert event_score({"score": 7.0}, PLAIN, strict, Arm.INJECTION, "ocean") == 7.0
    assert event_score({"score": 7.0}, PLAIN, strict, Arm.CONTROL, None) == -7.0


@settings(max_examples=60)
@given(values=st.lists(shares, min_size=6, max_size=6, unique=True), named=st.integers(0, 2))
def test_of_shares_of_names_the_lead_decides_as_the_verdict_does(values: list[float], named: int) -> None:
    """A judge that chooses among names: the most probable one may have less than one half."""
    flags = dict(zip(FLAGS, values[:3], strict=True))
    shares_of = dict(zip(CONCEPTS, sorted(values[3:], reverse=True), strict=True))
    order = [CONCEPTS[named], *(name for name in CONCEPTS if name != CONCEPTS[named])]
    ranked = dict(zip(order, shares_of.values(), strict=True))
    total = 1.5 * sum(ranked.values())
    scores = {**flags, **{f"names {name}": share / total for name, share in ranked.items()}}
    facts = Facts(flags["claims"] >= 0.5, CONCEPTS[named], flags["coherent"] >= 0.5, flags["refused"] >= 0.5)
    decide = rule_named("strict")
    expected = is_event(decide(facts, Arm.INJECTION, "ocean"), Arm.INJECTION)
    assert (event_score(scores, facts, decide, Arm.INJECTION, "ocean") >= 0.5) is expected


def test_a_name_that_was_not_listed_counts_as_nothing() -> None:
    scores = {"claims": 0.9, "coherent": 0.99, "refused": 0.01, "names fear": 0.95}
    assert event_score(scores, PLAIN, rule_named("strict"), Arm.INJECTION, "ocean") == pytest.approx(0.025)
