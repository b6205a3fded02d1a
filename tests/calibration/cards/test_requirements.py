"""A requirement passes where the card shows it, never where a figure is missing, rests on too little, or is stale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from scipy.stats import binom

from gnomon.calibration.audit.document import audit_views
from gnomon.calibration.cards.calibration_card import CalibrationCard, CardParts
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.gate_values import GateValue, exact_youden, gate_values, rate_interval
from gnomon.calibration.cards.requirements import GateDocument, check_card, check_requirement, parse_requirement
from gnomon.calibration.graded.graded_results import GradedArm, GradedCalibration
from gnomon.calibration.numerics.proportions import clopper_pearson
from gnomon.calibration.results.agreement import GroupAgreement
from gnomon.calibration.results.error_rates import ErrorRates
from gnomon.calibration.transport.transport_results import TransportAudit, TransportDecision, TransportOutcome
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.results import Estimate

Simulate = Callable[..., Any]
ALPHA = Estimate(value=0.7, low=0.6, high=0.8, se=None, level=0.95, method="m")
AMONG = GroupAgreement(group="raters", members=2, n=50, ac1=None, alpha=ALPHA)
INVERTED = {"careful": {"injection": (0.95, 0.95), "control": (0.05, 0.05)}}


@pytest.fixture(scope="module")
def build(simulate_once: Simulate) -> Callable[..., CalibrationCard]:
    def make(**options: Any) -> CalibrationCard:
        store = simulate_once(**options).store
        document = audit_views(store, views=["blind"], judges=["careful-1"])
        return make_card(store, document, "careful-1", view="blind")

    return make


@pytest.fixture(scope="module")
def card(build: Callable[..., CalibrationCard]) -> CalibrationCard:
    return build(n=300, labelled=0.8)


def gate(card: CalibrationCard, *texts: str, stale: tuple[str, ...] | None = None) -> GateDocument:
    return check_card(card, [parse_requirement(text) for text in texts], stale)


@pytest.mark.parametrize(
    "text",
    [
        "control.specificity > .8 with 95 %",
        "control.specificity>80% with 95%",
        "injection.youden >= .5",
        "labels >= 100",
        "control.evidence >= moderate",
        "agreement.alpha > .6 with 90 %",
        "injection.pass.sensitivity > .7 with 99 %",
        "verdicts.ok >= 1",
        "control.base_rate < .9 with 95 %",
    ],
)
def test_what_the_card_shows_passes(card: CalibrationCard, text: str) -> None:
    document = gate(card, text)
    assert document.passed, document.requirements
    assert document.requirements[0].words.startswith("passed: ")


def test_a_value_above_the_bound_whose_interval_reaches_it_does_not_pass(card: CalibrationCard) -> None:
    rate = card.arm_named("control").event.specificity
    exact = rate_interval("specificity", card.arm_named("control").event, 0.95)
    bound = (exact.low + rate.value) / 2
    assert gate(card, f"control.specificity > {bound:.4f}").passed
    (outcome,) = gate(card, f"control.specificity > {bound:.4f} with 95 %").requirements
    assert not outcome.met
    assert (outcome.low, outcome.high, outcome.level) == (exact.low, exact.high, 0.95)
    assert exact.low < rate.low, "wider than the audit's (Wilson)"
    assert f"95 % interval {100 * exact.low:.1f} % to {100 * exact.high:.1f} %, Clopper-Pearson" in outcome.words
    assert "required lower end > " in outcome.words


def test_the_upper_end_is_what_must_lie_below(card: CalibrationCard) -> None:
    base = gate_values(card)["control.base_rate"].interval(0.95)
    assert not gate(card, f"control.base_rate < {base.high - 0.001:.4f} with 95 %").passed
    assert gate(card, f"control.base_rate < {base.high + 0.001:.4f} with 95 %").passed


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_of_any_level_are_exact_and_made_from_the_counts(card: CalibrationCard, level: float) -> None:
    rates = card.arm_named("injection").event
    hits, events = rates.tp, rates.tp + rates.fn
    wrong, others = rates.fp, rates.fp + rates.tn
    expected = {
        "sensitivity": clopper_pearson(hits, events, confidence=level),
        "specificity": clopper_pearson(others - wrong, others, confidence=level),
        "accuracy": clopper_pearson(hits + others - wrong, events + others, confidence=level),
        "youden": exact_youden((hits, events), (others - wrong, others), level),
    }
    for name, interval in expected.items():
        found = rate_interval(name, rates, level)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high)), name
        assert found.value == pytest.approx(getattr(rates, name).value), name


def test_agreement_has_intervals_of_any_level_from_the_table_of_outcomes(card: CalibrationCard) -> None:
    narrow, wide = (gate_values(card)["agreement.alpha"].interval(level) for level in (0.8, 0.99))
    assert wide.low < card.agreement.alpha.low < narrow.low


def passing_probability(n: int, bound: float, level: float) -> float:
    """How often a judge passes whose specificity is the bound itself, among all counts of n labelled non-events."""
    values = {"control.specificity": None}
    total = 0.0
    for right in range(n + 1):
        interval = partial(_exact, right, n)
        values["control.specificity"] = GateValue(right / n, "share", interval)
        requirement = parse_requirement(f"control.specificity > {bound} with {100 * level:g} %")
        total += check_requirement(requirement, values).met * binom.pmf(right, n, bound)
    return total


def _exact(right: int, n: int, confidence: float) -> Estimate:
    rates = ErrorRates(
        tp=0, fp=n - right, fn=0, tn=right, effective_negatives=n, sensitivity=None, accuracy=None, youden=None,
        specificity=Estimate(value=right / n, low=0, high=1, se=None, level=0.95, method=""),
    )  # fmt: skip
    return rate_interval("specificity", rates, confidence)


@pytest.mark.parametrize(("n", "bound", "level"), [(30, 0.7, 0.95), (20, 0.8, 0.9), (100, 0.9, 0.9)])
def test_a_judge_at_the_bound_passes_no_more_often_than_the_level_leaves(n: int, bound: float, level: float) -> None:
    assert 0 < passing_probability(n, bound, level) <= (1 - level) / 2


def test_an_interval_that_the_card_does_not_keep_is_refused_in_words(card: CalibrationCard) -> None:
    again = card.model_copy(update={"agreement": card.agreement.model_copy(update={"among_raters": AMONG})})
    (outcome,) = gate(again, "among_raters.alpha > .1 with 80 %").requirements
    assert not outcome.met
    assert "keeps no counts for an interval of 80 %" in outcome.words
    assert gate(again, "among_raters.alpha > .1 with 95 %").passed
    (outcome,) = gate(card, "labels > 10 with 95 %").requirements
    assert not outcome.met
    assert "labels has no interval" in outcome.words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("random.specificity > 0", "no trial of the arm random is labelled"),
        ("random.base_rate < 1", "no trial of the arm random is labelled"),
        ("consistency.same_event > 0", "asked once about each trial"),
        ("among_raters.alpha > -1", "fewer than two raters"),
        ("drift.accuracy.p_value > 0", ""),
    ],
)
def test_a_figure_that_is_missing_never_passes(card: CalibrationCard, text: str, told: str) -> None:
    if gate_values(card)[text.split(maxsplit=1)[0]].value is None:
        document = gate(card, text)
        assert not document.passed
        assert told in document.requirements[0].words
    else:
        assert text.startswith("drift")


def test_too_little_evidence_never_passes(build: Callable[..., CalibrationCard]) -> None:
    few = build(n=60, labelled=0.3)
    for arm in ("injection", "control"):
        for rate in ("sensitivity", "specificity", "accuracy", "youden"):
            (outcome,) = gate(few, f"{arm}.{rate} >= 0").requirements
            assert not outcome.met
            assert "a gate needs 10" in outcome.words
    assert not gate(few, "control.evidence >= moderate").passed


def test_an_inverted_judge_passes_nothing(build: Callable[..., CalibrationCard]) -> None:
    document = gate(build(n=300, errors=INVERTED), "labels > 1")
    assert document.requirements[0].met
    assert document.obstacles
    assert not document.passed


def test_a_stale_card_passes_nothing(card: CalibrationCard) -> None:
    assert gate(card, "labels > 1", stale=()).passed
    document = gate(card, "labels > 1", stale=("labels: 1 more than on the card",))
    assert document.checked
    assert not document.passed


def test_all_of_several_requirements_must_be_met(card: CalibrationCard) -> None:
    document = gate(card, "labels > 1", "labels > 1000000")
    assert [each.met for each in document.requirements] == [True, False]
    assert not document.passed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("control.specifity > .9", "control.specificity"),
        ("kontrol.youden > .9", "control.youden"),
        ("nonsense > 1", "a card has no 'nonsense'"),
    ],
)
def test_an_unknown_field_names_the_nearest(card: CalibrationCard, text: str, told: str) -> None:
    with pytest.raises(UnknownNameError, match=told):
        gate(card, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "control.specificity",
        "control.specificity = .9",
        "a > 1 with 40 %",
        "a > 1 with",
    ],
)
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_requirement(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("control.specificity < 90", "between 0 and 1"),
        ("control.evidence >= 2", "is compared with a level"),
        ("labels >= strong", "is compared with a number"),
        ("control.evidence >= high", "is compared with a level: none, inverted, weak, moderate, strong"),
    ],
)
def test_a_bound_that_the_figure_cannot_have_is_refused(card: CalibrationCard, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        gate(card, text)


def test_a_gate_without_requirements_is_refused(card: CalibrationCard) -> None:
    with pytest.raises(InputError, match="nothing is required"):
        gate(card)


def test_further_parts_are_named_by_their_path(card: CalibrationCard) -> None:
    share = Estimate(value=0.7, low=0.6, high=0.8, se=None, level=0.95, method="m")
    arm = GradedArm(
        arm="control", scored=50, labelled=20, events=9, curve=(), isotonic=(), estimate=share, rounded=None,
        labels_only=None, width_ratio=0.5, reason=None,
    )  # fmt: skip
    graded = GradedCalibration(judge="careful", version="v", view="blind", splits=("dev",), arms=(arm,), words=())
    place = TransportDecision(
        name="a b", outcome=TransportOutcome.FAIL, p_within=0.9, p_beyond=0.01, rates=(), reason="differs"
    )
    audit = TransportAudit(
        judge="careful", version="v", axis="subject", margin=0.1, error=0.05, places=1, decisions=(place,), words=""
    )
    parts = CardParts(graded=graded, transport={"subject": audit})
    further = card.model_copy(update={"parts": parts})
    assert gate(further, "graded.control.estimate > .5 with 95 %", "graded.control.width_ratio < 1").passed
    assert not gate(further, "graded.control.estimate > .65 with 95 %").passed
    assert not gate(further, "graded.control.estimate > .1 with 90 %").passed, "no counts for it"
    assert not gate(further, "transport.subject.outcome >= pass").passed
    assert not gate(further, "transport.subject.a-b.outcome >= inconclusive").passed
    assert gate(further, "transport.subject.a-b.p_beyond < .05").passed
