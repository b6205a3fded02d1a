"""The joint posterior: what it must equal, what it must cover, and what it must say where nothing can be known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from gnomon.calibration.numerics.proportions import lang_reiczigel
from gnomon.calibration.posterior import single_judge
from gnomon.calibration.posterior.single_judge import (
    MarginalPosterior,
    joint_difference,
    joint_posterior,
    marginal_posterior,
)
from gnomon.data.errors import InputError


def by_simulation(apparent, sensitivity, specificity, *, internal=False, draws=1_000_000):
    """The same posterior by importance sampling: an independent way to the same integral."""
    random = np.random.default_rng(4)
    (k, n), (hits, events), (right, others) = apparent, sensitivity, specificity
    se, sp = random.beta(hits + 1, events - hits + 1, draws), random.beta(right + 1, others - right + 1, draws)
    p = random.beta(1 + events * internal, 1 + others * internal, draws)
    q = p * se + (1 - p) * (1 - sp)
    logs = k * np.log(q) + (n - k) * np.log1p(-q)
    weight = np.exp(logs - logs.max())
    order = np.argsort(p)
    total = np.cumsum(weight[order]) / weight.sum()
    low, middle, high = p[order][np.searchsorted(total, [0.025, 0.5, 0.975])]
    return float(np.average(p, weights=weight)), low, middle, high


@pytest.mark.parametrize("internal", [False, True])
@pytest.mark.parametrize(
    "counts",
    [
        ((51, 297), (32, 33), (199, 220)),
        ((259, 509), (84, 127), (96, 109)),
        ((20, 50), (30, 30), (70, 70)),
        ((2, 100), (9, 10), (58, 60)),
        ((4, 9), (12, 23), (11, 22)),
        ((9, 9), (0, 0), (3, 4)),
    ],
    ids=["rare", "middling", "perfect", "few seen", "coin", "no labelled event"],
)
def test_quadrature_equals_simulation(counts, internal: bool) -> None:
    found = joint_posterior(*counts, internal=internal)
    mean, low, _, high = by_simulation(*counts, internal=internal)
    slack = 0.02 * (high - low)
    assert (found.value, found.low, found.high) == pytest.approx((mean, low, high), abs=slack)


@pytest.mark.parametrize(
    "counts",
    [
        ((4060, 11284), (178, 179), (358, 359)),
        ((360_000, 1_000_000), (178, 179), (358, 359)),
        ((51, 297), (32, 33), (20, 20)),
    ],
)
def test_finer_quadrature_changes_nothing(counts, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = joint_posterior(*counts)
    monkeypatch.setattr(single_judge, "NODES", 110)
    monkeypatch.setattr(single_judge, "FINE", 900)
    fine = joint_posterior(*counts)
    assert (plain.low, plain.high) == pytest.approx((fine.low, fine.high), abs=0.01 * (fine.high - fine.low))


def test_a_perfect_judge_known_to_be_perfect_gives_the_beta_law() -> None:
    found = joint_posterior((20, 50), (10**7, 10**7), (10**7, 10**7))
    assert (found.low, found.high) == pytest.approx(tuple(beta(21, 31).ppf([0.025, 0.975])), abs=1e-4)
    assert found.se == pytest.approx(beta(21, 31).std(), abs=1e-4)


def test_thirty_of_thirty_right_is_not_taken_for_never_wrong() -> None:
    counts = ((20, 50), (30, 30), (70, 70))
    found, published = joint_posterior(*counts), lang_reiczigel(*counts)
    assert (published.low, published.high) == pytest.approx((0.273, 0.555), abs=5e-4)
    assert (found.low, found.high) == pytest.approx((published.low, published.high), abs=0.005)


def test_a_judge_that_guesses_gives_back_the_prior_or_the_labels() -> None:
    outside = joint_posterior((500, 1000), (5000, 10_000), (5000, 10_000))
    assert outside.high - outside.low > 0.85
    inside = joint_posterior((500, 1000), (15, 30), (35, 70), internal=True)
    law = beta(31, 71).ppf([0.025, 0.975])
    assert (inside.low, inside.high) == pytest.approx(tuple(law), abs=0.03)


def test_labels_of_the_same_trials_narrow_the_interval() -> None:
    counts = ((120, 400), (27, 30), (65, 70))
    apart, same = joint_posterior(*counts), joint_posterior(*counts, internal=True)
    assert same.high - same.low < 0.8 * (apart.high - apart.low)


def test_a_difference_of_arms_has_the_spread_of_both() -> None:
    one, other = (marginal_posterior((k, 500), (54, 60), (right, 140)) for k, right in ((54, 137), (90, 126)))
    found = joint_difference(one, other)
    parts = one.posterior_estimate(), other.posterior_estimate()
    assert found.value == pytest.approx(parts[0].value - parts[1].value, abs=1e-3)
    assert found.se == pytest.approx(np.hypot(parts[0].se, parts[1].se), rel=0.02)
    assert found.low < 0 < found.high


def test_points_of_a_marginal_are_equally_likely() -> None:
    law = MarginalPosterior(np.linspace(0, 1, 101), np.linspace(0, 1, 101) ** 2)
    points = law.posterior_points()
    assert points.mean() == pytest.approx(2 / 3, abs=1e-3)
    assert law.posterior_estimate().se == pytest.approx(np.sqrt(1 / 18), abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "internal", "message"),
    [
        (((11, 10), (3, 4), (3, 4)), False, "apparent 11 of 10"),
        (((1, 10), (5, 4), (3, 4)), False, "sensitivity 5 of 4"),
        (((1, 10), (3, 4), (-1, 4)), False, "specificity -1 of 4"),
        (((0, 0), (3, 4), (3, 4)), False, "no trial is counted"),
        (((0, 0), (0, 0), (0, 0)), True, "no trial is counted"),
    ],
)
def test_counts_that_cannot_be_are_named(counts, internal: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        joint_posterior(*counts, internal=internal)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "se", "sp", "events", "others", "n"),
    [(0.05, 0.95, 0.98, 30, 270, 500), (0.2, 0.9, 0.95, 60, 240, 200), (0.3, 0.97, 0.97, 30, 70, 100)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(p, se, sp, events, others, n) -> None:
    random, studies = np.random.default_rng(7), 150
    held, ours, theirs = 0, 0.0, 0.0
    for _ in range(studies):
        apparent = (random.binomial(n, p * se + (1 - p) * (1 - sp)), n)
        labels = (random.binomial(events, se), events), (random.binomial(others, sp), others)
        found, published = joint_posterior(apparent, *labels), lang_reiczigel(apparent, *labels)
        held += found.low <= p <= found.high
        ours += found.high - found.low
        theirs += published.high - published.low
    assert held / studies >= 0.90
    assert ours <= 1.05 * theirs
