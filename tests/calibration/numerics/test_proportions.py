"""Rates and corrected rates give the published values, and their intervals behave as intervals must."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.calibration.numerics.proportions import (
    allocate_labels,
    clopper_pearson,
    difference_interval,
    lang_reiczigel,
    newcombe_difference,
    ppi_mean,
    rogan_gladen,
    wilson_interval,
)
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

FEW = settings(deadline=None, max_examples=60, derandomize=True)
COUNT = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def limits(estimate: IntervalEstimate) -> tuple[float, float]:
    return estimate.low, estimate.high


def test_wilson_and_clopper_pearson_give_the_known_limits() -> None:
    assert limits(wilson_interval(30, 30)) == pytest.approx((0.886487, 1), abs=1e-6)
    assert limits(wilson_interval(81, 263)) == pytest.approx((0.255289, 0.366210), abs=1e-6)
    low, high = limits(clopper_pearson(0, 216))
    assert (low, round(high, 4)) == (0, 0.0169)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((0, 10, 0, 20), -0.1611, 0.2775)],
)
def test_newcombe_gives_the_published_limits(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    estimate = newcombe_difference(*counts)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("apparent", "sensitivity", "specificity", "point", "low", "high"),
    [
        ((4060, 11284), (178, 179), (358, 359), 0.36003, 0.348674, 0.372083),
        ((51, 2971), (32, 33), (20, 20), 0.017702, -0.146969, 0.053345),
        ((259, 509), (84, 127), (96, 109), 0.718572, 0.584868, 0.866458),
        ((400, 1000), (180, 200), (140, 200), 0.166667, 0.056351, 0.262733),
    ],
)
def test_lang_reiczigel_gives_the_published_limits(
    apparent: tuple[int, int],
    sensitivity: tuple[int, int],
    specificity: tuple[int, int],
    point: float,
    low: float,
    high: float,
) -> None:
    estimate = lang_reiczigel(apparent, sensitivity, specificity, clip=False)
    assert estimate.value == pytest.approx(point, abs=1e-5)
    assert limits(estimate) == pytest.approx((low, high), abs=1e-6)
    assert rogan_gladen(apparent, sensitivity, specificity).value == pytest.approx(point, abs=1e-5)


def test_lang_reiczigel_is_clipped_to_what_a_rate_can_be() -> None:
    estimate = lang_reiczigel((51, 2971), (32, 33), (20, 20))
    assert (estimate.low, round(estimate.high, 3)) == (0, 0.053)


def test_perfect_labels_still_leave_doubt() -> None:
    estimate = lang_reiczigel((20, 50), (30, 30), (70, 70))
    assert (round(estimate.low, 3), round(estimate.high, 3)) == (0.273, 0.555)


def test_a_pooled_correction_makes_an_effect_that_arms_kept_apart_do_not() -> None:
    arms = {0.02: (0.1 * 0.9 + 0.9 * 0.02), 0.10: (0.1 * 0.9 + 0.9 * 0.10)}
    many = 10**6
    for wrong, apparent in arms.items():
        seen = (apparent * many, many)
        own = rogan_gladen(seen, (900, 1000), ((1 - wrong) * 1000, 1000)).value
        assert own == pytest.approx(0.1, abs=1e-9)
    pooled = [rogan_gladen((apparent * many, many), (900, 1000), (940, 1000)).value for apparent in arms.values()]
    assert [round(each, 3) for each in pooled] == [0.057, 0.143]


LABELLED = np.repeat([1.0, 0.0], 50)
JUDGED = np.repeat([1.0, 0.0, 1.0, 0.0], [40, 10, 5, 45])
UNLABELLED = np.repeat([1.0, 0.0], [300, 700])


@pytest.mark.parametrize(
    ("lam", "value", "low", "high"),
    [
        (None, 0.38924561, 0.31644838, 0.46204283),
        (1, 0.35, 0.26954593, 0.43045407),
        (0, 0.5, 0.40200180, 0.59799820),
    ],
)
def test_ppi_gives_the_values_of_its_authors(lam: float | None, value: float, low: float, high: float) -> None:
    estimate = ppi_mean(LABELLED, JUDGED, UNLABELLED, lam)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, low, high), abs=1e-8)


def test_ppi_without_unlabelled_trials_is_the_labels_mean() -> None:
    assert ppi_mean(LABELLED, JUDGED, []).value == pytest.approx(0.5)


def test_ppi_does_not_mind_the_scale_of_weights_and_undoes_unequal_chances() -> None:
    random = np.random.default_rng(7)
    truth = (random.random(200_000) < 0.3).astype(float)
    judged = np.where(random.random(truth.size) < 0.9, truth, 1 - truth)
    chance = np.where(judged == 1, 0.04, 0.01)
    taken = random.random(truth.size) < chance
    weights = 1 / chance[taken]
    rest = judged[~taken]
    fair = ppi_mean(truth[taken], judged[taken], rest, weights=weights)
    assert fair.low < 0.3 < fair.high
    assert ppi_mean(truth[taken], judged[taken], rest, weights=7 * weights) == fair
    assert ppi_mean(truth[taken], judged[taken], rest, 0.0).low > 0.3, "unweighted labels overstate the rate"


@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson])
@FEW
@given(count=COUNT)
def test_intervals_of_a_share_hold_it_and_mirror(interval: object, count: tuple[int, int]) -> None:
    k, n = count
    one, mirrored = interval(k, n), interval(n - k, n)
    assert 0 <= one.low <= one.value <= one.high <= 1
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx(limits(one), abs=1e-9)
    assert interval(k, n, confidence=0.5).high - interval(k, n, confidence=0.5).low < one.high - one.low


@FEW
@given(first=COUNT, second=COUNT)
def test_newcombe_holds_the_difference_and_mirrors(first: tuple[int, int], second: tuple[int, int]) -> None:
    one, other = newcombe_difference(*first, *second), newcombe_difference(*second, *first)
    assert -1 <= one.low <= one.value <= one.high <= 1
    assert (-other.high, -other.low) == pytest.approx(limits(one), abs=1e-9)
    recovered = difference_interval(wilson_interval(*first), wilson_interval(*second))
    assert limits(recovered) == pytest.approx(limits(one), abs=1e-9), "MOVER on Wilson limits is Newcombe's method"


@pytest.mark.parametrize("correct", [rogan_gladen, lang_reiczigel])
@FEW
@given(apparent=COUNT, sensitivity=COUNT, specificity=COUNT)
def test_corrected_rates_hold_their_point_and_mirror(
    correct: object, apparent: tuple[int, int], sensitivity: tuple[int, int], specificity: tuple[int, int]
) -> None:
    try:
        one = correct(apparent, sensitivity, specificity)
    except NotEnoughDataError:
        (a, m), (b, n) = sensitivity, specificity
        assert a / m + b / n <= 1 + 1e-9 or (a + 1) / (m + 2) + (b + 1) / (n + 2) <= 1 + 1e-9
        return
    assert 0 <= one.low <= one.value <= one.high <= 1
    k, n = apparent
    mirrored = correct((n - k, n), specificity, sensitivity)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx(limits(one), abs=1e-9)


def test_a_coin_corrects_nothing() -> None:
    for correct in (rogan_gladen, lang_reiczigel):
        with pytest.raises(NotEnoughDataError, match="says nothing about the truth"):
            correct((10, 20), (5, 10), (5, 10))


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no trial to count"):
        wilson_interval(0, 0)
    with pytest.raises(InputError, match="between 0 and the number"):
        wilson_interval(3, 2)
    with pytest.raises(InputError, match="same trials"):
        ppi_mean([1, 0], [1], [1])
    with pytest.raises(InputError, match="same level"):
        difference_interval(wilson_interval(1, 2), wilson_interval(1, 2, confidence=0.5))


def test_lang_reiczigel_covers_where_the_naive_rate_does_not() -> None:
    """A small version of bench/coverage.py: rate .2, Se .9, Sp .95, 60 + 240 labels, 200 trials."""
    random, truth, runs = np.random.default_rng(3), 0.2, 400
    covered = {"naive": 0, "corrected": 0}
    for _ in range(runs):
        apparent = random.binomial(200, truth * 0.9 + (1 - truth) * 0.05), 200
        corrected = lang_reiczigel(apparent, (random.binomial(60, 0.9), 60), (random.binomial(240, 0.95), 240))
        covered["corrected"] += corrected.low <= truth <= corrected.high
        naive = wilson_interval(*apparent)
        covered["naive"] += naive.low <= truth <= naive.high
    error = 3 * math.sqrt(0.95 * 0.05 / runs)
    assert covered["corrected"] / runs > 0.95 - error
    assert covered["naive"] < covered["corrected"]


def test_a_budget_of_labels_is_split_as_published() -> None:
    assert allocate_labels(200, 0.4, sensitivity=0.9, specificity=0.7, pilot=10) == (136, 64)


def test_the_split_is_near_the_one_that_makes_the_interval_shortest() -> None:
    def width(events: int) -> float:
        counts = (0.95 * events, events), (0.9 * (300 - events), 300 - events)
        found = lang_reiczigel((140, 400), *counts)
        return found.high - found.low

    others, events = allocate_labels(300, 140 / 400, sensitivity=0.95, specificity=0.9, pilot=20)
    assert others + events == 300
    assert width(events) <= 1.05 * min(width(each) for each in range(30, 271, 10))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_each_kind_keeps_its_pilot(rate: float) -> None:
    assert min(allocate_labels(50, rate, 0.9, 0.9, pilot=12)) == 12


@pytest.mark.parametrize(("total", "rate", "pilot"), [(10, 0.4, 6), (0, 0.4, 0), (50, 1.4, 5)])
def test_a_budget_that_cannot_be_is_named(total: int, rate: float, pilot: int) -> None:
    with pytest.raises(InputError, match="label budget"):
        allocate_labels(total, rate, 0.9, 0.9, pilot=pilot)
