"""A statement on a true rate is shown or refuted with an imperfect judge, wrongly at most as often as said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.calibration.numerics.proportions import clopper_pearson
from gnomon.calibration.sequential.certificates import (
    CertificateCounts,
    certificate_bounds,
    corrected_rate,
    decide_certificate,
)
from gnomon.calibration.sequential.sequential_results import CertificateOutcome
from gnomon.calibration.sequential.study_certificate import CertificatePlan, certify_rate, parse_statement
from gnomon.data.errors import InputError, NotEnoughDataError, UnknownNameError
from gnomon.data.records import Arm, Facts, Label


def draw_counts(random: np.random.Generator, rate: float, errors: tuple[float, float], n: int, labels: int):
    truth = random.random(n) < rate
    said = random.random(n) < np.where(truth, errors[0], 1 - errors[1])
    known, heard = truth[:labels], said[:labels]
    return CertificateCounts(
        (float(said.sum()), float(n)),
        (float((heard & known).sum()), float(known.sum())),
        (float((heard & ~known).sum()), float((~known).sum())),
    )


def test_without_events_it_is_the_rule_of_three():
    """Hanley and Lippman-Hand (1983), JAMA 249: no event in n, 95 % upper limit near 3 / n; here at the error given."""
    counts = CertificateCounts((0, 300), (0, 0), (0, 300))
    alone = certificate_bounds(counts, error=0.15, anytime=False)[0]
    assert alone.way == "labels alone"
    assert alone.high == pytest.approx(3 / 300, rel=0.01)


def test_a_perfect_judge_on_59_trials_shows_five_percent():
    """Clopper and Pearson: 0 of 59 is the least number that bounds a rate below .05 with 95 %."""
    limits = [
        certificate_bounds(CertificateCounts((0, n), (0, 0), (0, n)), error=0.15, anytime=False)[0].high
        for n in (58, 59)
    ]
    assert limits[0] > 0.05 > limits[1]


@pytest.mark.parametrize("anytime", [True, False])
def test_limits_hold_whatever_the_judge(anytime):
    random = np.random.default_rng(8)
    wrong = 0
    for _ in range(100):
        errors = (random.uniform(0.05, 1), random.uniform(0.05, 1))
        counts = draw_counts(random, 0.05, errors, 400, 150)
        _, low, high = decide_certificate(certificate_bounds(counts, anytime=anytime), 0.05, below=True)
        wrong += not low <= 0.05 <= high
    assert wrong <= 10


def test_the_error_is_shared_among_ways_and_counts():
    """Three ways have a third each, and three counts of a way a third of that: exact limits at that error."""
    alone, rates, values = certificate_bounds(
        CertificateCounts((30, 300), (18, 20), (2, 80)), error=0.09, anytime=False
    )
    assert alone.parts[0].high == pytest.approx(clopper_pearson(20, 100, confidence=1 - 2 * 0.03).high)
    for way in (rates, values):
        assert way.parts[0].high == pytest.approx(clopper_pearson(30, 300, confidence=1 - 2 * 0.01).high)
    assert rates.parts[1].low == pytest.approx(clopper_pearson(18, 20, confidence=1 - 2 * 0.01).low)
    assert rates.high == pytest.approx(
        (rates.parts[0].high - rates.parts[2].low) / (rates.parts[1].low - rates.parts[2].low)
    )


def test_a_judge_narrows_what_labels_alone_leave_open():
    """4,000 verdicts of a judge whose errors are known say more than the 400 labels among them."""
    counts = CertificateCounts((1010, 4000), (99, 100), (2, 300))
    alone, rates, _ = certificate_bounds(counts, anytime=False)
    assert rates.high < alone.high


def test_a_calibration_set_that_is_no_random_sample_teaches_error_rates_only():
    """Half of its trials are events, and a tenth of the study's: labels alone would say otherwise."""
    counts = CertificateCounts((12, 1000), (48, 50), (0, 50))
    (rates,) = certificate_bounds(counts, anytime=False, representative=False)
    assert rates.way == "error rates"
    assert rates.high < 0.05


@given(st.integers(0, 40), st.integers(0, 10), st.integers(0, 30), st.integers(0, 10), st.integers(0, 30))
@settings(max_examples=30)
def test_limits_are_ordered_and_looks_at_any_time_cost(judged, hits, missed, alarms, quiet):
    counts = CertificateCounts((judged, 40), (hits, hits + missed), (alarms, alarms + quiet))
    for always, once in zip(certificate_bounds(counts), certificate_bounds(counts, anytime=False), strict=True):
        assert 0 <= always.low <= always.high <= 1
        assert always.high >= once.high - 1e-9
        assert always.low <= once.low + 1e-9


def test_a_statement_is_decided_by_the_limits():
    bounds = certificate_bounds(CertificateCounts((110, 1000), (48, 50), (2, 450)), anytime=False)
    assert decide_certificate(bounds, 0.2, below=True)[0] is CertificateOutcome.SHOWN
    assert decide_certificate(bounds, 0.2, below=False)[0] is CertificateOutcome.REFUTED
    assert decide_certificate(bounds, 0.1, below=True)[0] is CertificateOutcome.UNDECIDED


def test_the_estimate_is_corrected():
    assert corrected_rate(CertificateCounts((10, 100), (8, 10), (2, 90))) == pytest.approx(0.1 * 0.8 + 0.9 * 2 / 90)
    assert corrected_rate(CertificateCounts((10, 100), (0, 5), (0, 90))) is None


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("control.claim", InputError, "cannot be read: write it like"),
        ("control.claim = .05", InputError, "cannot be read"),
        ("control.claim < 1.5", InputError, "bound 1.5 is not between 0 and 1"),
        ("contrl.claim < .05", UnknownNameError, "arm 'contrl' has no verdict: choose from control"),
        ("control.identified < .05", UnknownNameError, "choose from control.event, control.claim, control.pass"),
    ],
)
def test_a_statement_that_makes_no_sense_is_told_in_a_line(text, error, told):
    with pytest.raises(error, match=told) as raised:
        parse_statement(text, ["control", "injection"])
    assert "\n" not in str(raised.value)


def test_a_statement_is_read():
    stated = parse_statement(" injection.identified > 20 % ", ["injection"])
    assert (stated.arm, stated.what, stated.below, stated.bound) == ("injection", "event", False, 0.2)
    assert parse_statement("control.pass<.05", ["control"]).reading == "passed"


PERFECT = {"careful": dict.fromkeys(Arm, (1.0, 1.0))}


def test_a_study_shows_refutes_or_leaves_open(simulate):
    store = simulate(PERFECT, n=400, labelled=0.5).store
    outcomes = {
        text: certify_rate(store, text, "careful").outcome
        for text in ("control.claim > .2", "control.claim < .2", "control.claim < .39")
    }
    assert list(outcomes.values()) == ["shown", "refuted", "undecided"]


def test_what_a_decision_would_take_decides(simulate):
    store = simulate(PERFECT, n=400, labelled=0.5).store
    found = certify_rate(store, "control.claim < .5", "careful", CertificatePlan(error=0.0001))
    assert found.outcome is CertificateOutcome.UNDECIDED
    assert found.needs is not None
    assert "of the control arm" in found.needs
    assert "To decide: about" in found.words


def test_fixed_looks_are_charged_for(simulate):
    store = simulate(PERFECT, n=200, labelled=0.5).store
    first, third = (
        certify_rate(store, "control.claim < .5", "careful", CertificatePlan(anytime=False, look=look))
        for look in (1, 3)
    )
    assert third.high > first.high
    assert "this is look 3, which spends 0.34 %" in third.words


def test_labels_that_verdicts_chose_certify_nothing(simulate):
    study = simulate(PERFECT, n=100, labelled=0.0)
    claim = Facts(claims=False, concept="none", coherent=True, refused=False)
    study.store.add_labels([Label(trial, "ann", claim, stratum="disputed") for trial in study.truth])
    found = certify_rate(study.store, "control.claim < .05", "careful")
    assert (found.labelled, found.outcome) == (0, "undecided")
    assert found.needs == "label a random sample of the control arm"


def test_labels_with_unequal_chances_are_refused(simulate):
    study = simulate(PERFECT, n=60, labelled=0.0)
    claim = Facts(claims=False, concept="none", coherent=True, refused=False)
    labels = [Label(trial, "ann", claim, probability=1 / (1 + i % 3)) for i, trial in enumerate(sorted(study.truth))]
    study.store.add_labels(labels)
    with pytest.raises(NotEnoughDataError, match=r"unequal chances.*queue random"):
        certify_rate(study.store, "control.claim < .05", "careful")


def test_an_unknown_model_or_error_is_told(simulate):
    store = simulate(PERFECT, n=60, labelled=0.5).store
    with pytest.raises(UnknownNameError, match=r"model 'z': careful read no control trial of it: toy"):
        certify_rate(store, "control.claim < .05", "careful", CertificatePlan(subject="z"))
    with pytest.raises(InputError, match=r"error 5: is not between 0 and \.5"):
        certify_rate(store, "control.claim < .05", "careful", CertificatePlan(error=5))
