"""Prediction-powered means over strata and by inclusion chance: the authors' numbers, exact cases, and coverage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gnomon.calibration.numerics.prediction_powered import LabelStratum, ppi_mean, ppi_stratified, ppi_weighted
from gnomon.calibration.queue.label_sampling import draw_sample
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

LABELLED = np.repeat([1.0, 0.0], 50)
JUDGED = np.repeat([1.0, 0.0, 1.0, 0.0], [40, 10, 5, 45])
UNLABELLED = np.repeat([1.0, 0.0], [300, 700])
SMALL = (
    np.repeat([1.0, 0.0], [12, 28]),
    np.repeat([1.0, 0.0, 1.0, 0.0], [9, 3, 2, 26]),
    np.repeat([1.0, 0.0], [150, 350]),
)
RUNS = 1000
POOL = 1000
# True rate, (sensitivity, specificity) of two judges: the regimes in which disputes are labelled (issue 5).
REGIMES = [(0.2, (0.9, 0.95), (0.8, 0.9)), (0.05, (0.9, 0.98), (0.8, 0.95)), (0.4, (0.97, 0.76), (0.9, 0.9))]


def numbers(estimate: IntervalEstimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


# -- the same numbers as ppi-python 0.2.3 ----------------------------------------------------------------


def test_strata_give_what_ppi_python_gives_for_each_added_up_by_share() -> None:
    """ppi_mean_ci of ppi-python 0.2.3 on each stratum (.389246 and .315734), shares .6 and .4, variances added."""
    strata = [LabelStratum(LABELLED, JUDGED, UNLABELLED, 0.6), LabelStratum(*SMALL, 0.4)]
    expected = 0.3598411017673466, 0.29906120438422557, 0.4206209991504677
    assert numbers(ppi_stratified(strata, pseudo=0)) == pytest.approx(expected, abs=1e-12)
    assert numbers(ppi_stratified({"one": strata[0], "two": strata[1]}, pseudo=0)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("lam", "value"), [(1, 0.4320754716981132), (0, 0.3018867924528302), (0.5, 0.36698113207547167)]
)
def test_weights_give_the_point_of_ppi_python(lam: float, value: float) -> None:
    weights = np.where(JUDGED == 1, 1.0, 4.0)
    assert ppi_mean(LABELLED, JUDGED, UNLABELLED, lam, weights=weights).value == pytest.approx(value, abs=1e-12)


def test_the_tuned_trust_in_the_judge_makes_the_interval_the_narrowest() -> None:
    weights = np.where(JUDGED == 1, 1.0, 4.0)
    tuned = ppi_mean(LABELLED, JUDGED, UNLABELLED, weights=weights)
    others = [ppi_mean(LABELLED, JUDGED, UNLABELLED, lam, weights=weights).se for lam in np.linspace(0, 1, 201)]
    assert min(others) - 1e-6 < tuned.se <= min(others) + 1e-12


# -- what must hold exactly ------------------------------------------------------------------------------


def test_one_stratum_is_no_stratum() -> None:
    plain = ppi_mean(LABELLED, JUDGED, UNLABELLED)
    assert numbers(ppi_stratified([LabelStratum(LABELLED, JUDGED, UNLABELLED)], pseudo=0)) == pytest.approx(
        numbers(plain)
    )


def test_a_random_sample_of_a_pool_has_the_textbook_error() -> None:
    """Labels alone: mean, and (1 - n / N) s^2 / n. With the judge: the same of the residuals."""
    pool, chance = np.concatenate([JUDGED, UNLABELLED]), np.full(100, 100 / 1100)
    for lam in (0.0, 0.7):
        residual = LABELLED - lam * JUDGED
        estimate = ppi_weighted(LABELLED, JUDGED, pool, chance, lam, pseudo=0)
        assert estimate.value == pytest.approx(residual.mean() + lam * pool.mean())
        assert estimate.se**2 == pytest.approx((1 - 100 / 1100) * residual.var(ddof=1) / 100)


def test_a_pool_labelled_in_full_leaves_no_doubt_of_the_pool_but_of_the_process() -> None:
    whole = ppi_weighted(LABELLED, JUDGED, JUDGED, np.ones(100))
    assert numbers(whole) == pytest.approx((0.5, 0.5, 0.5))
    process = ppi_weighted(LABELLED, JUDGED, JUDGED, np.ones(100), superpopulation=True)
    assert process.se**2 == pytest.approx(LABELLED.var(ddof=1) / 100)


def test_a_judge_that_never_errs_in_a_few_labels_is_not_taken_to_be_perfect() -> None:
    few = np.repeat([1.0, 0.0], [5, 15])
    estimate = ppi_weighted(few, few, np.repeat([1.0, 0.0], [250, 750]), np.full(20, 0.02))
    assert estimate.se > 0.04
    assert ppi_weighted(few, few, np.repeat([1.0, 0.0], [250, 750]), np.full(20, 0.02), pseudo=0).se == pytest.approx(0)


def test_a_judge_that_knows_nothing_is_ignored() -> None:
    random = np.random.default_rng(8)
    truth, noise = np.repeat([1.0, 0.0], [60, 40]), random.random(1000)
    with_noise = ppi_weighted(truth, noise[:100], noise, np.full(100, 0.1))
    assert with_noise.value == pytest.approx(0.6, abs=0.02)
    assert with_noise.se <= ppi_weighted(truth, noise[:100], noise, np.full(100, 0.1), 0.0).se


# -- coverage in simulation ------------------------------------------------------------------------------

World = tuple[np.ndarray, np.ndarray, np.ndarray]


def world(random: np.random.Generator, rate: float, *judges: tuple[float, float]) -> World:
    truth = (random.random(POOL) < rate).astype(float)
    said = [np.where(random.random(POOL) < np.where(truth == 1, se, sp), truth, 1 - truth) for se, sp in judges]
    return truth, said[0], said[1]


def chosen(random: np.random.Generator, one: np.ndarray, other: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n trials by the queue's draw (disputed ones, a fifth audit) with their chances."""
    disputed = {f"{place:04d}" for place in np.flatnonzero(one != other)}
    items = draw_sample([f"{place:04d}" for place in range(POOL)], disputed, n, random)
    return np.array([int(item.trial) for item in items]), np.array([item.probability for item in items])


def coverage(hit: Callable[[int], bool]) -> float:
    return float(np.mean([hit(run) for run in range(RUNS)]))


@pytest.mark.parametrize("labels", [60, 200])
@pytest.mark.parametrize("regime", REGIMES)
def test_labels_chosen_by_dispute_cover_when_weighted(regime: tuple[float, tuple, tuple], labels: int) -> None:
    random = np.random.default_rng(labels)

    def hit(run: int) -> bool:
        truth, one, other = world(random, *regime)
        taken, chance = chosen(random, one, other, labels)
        estimate = ppi_weighted(truth[taken], one[taken], one, chance)
        return estimate.low <= truth.mean() <= estimate.high

    assert coverage(hit) >= 0.93


def test_labels_chosen_by_dispute_do_not_cover_when_taken_for_a_random_sample() -> None:
    random = np.random.default_rng(5)

    def hit(run: int) -> bool:
        truth, one, other = world(random, *REGIMES[2])
        taken, _ = chosen(random, one, other, 120)
        estimate = ppi_mean(truth[taken], one[taken], np.delete(one, taken))
        return estimate.low <= REGIMES[2][0] <= estimate.high

    assert coverage(hit) < 0.3


@pytest.mark.parametrize("labels", [60, 200])
@pytest.mark.parametrize("regime", REGIMES)
def test_a_random_sample_of_the_pool_covers(regime: tuple[float, tuple, tuple], labels: int) -> None:
    random = np.random.default_rng(labels + 1)

    def hit(run: int) -> bool:
        truth, one, _ = world(random, *regime)
        taken = random.choice(POOL, labels, replace=False)
        estimate = ppi_weighted(truth[taken], one[taken], one, np.full(labels, labels / POOL))
        return estimate.low <= truth.mean() <= estimate.high

    assert coverage(hit) >= 0.93


@pytest.mark.parametrize("ratio", [True, False])
def test_independent_unequal_chances_cover_the_pool_and_the_process(ratio: bool) -> None:
    """Chances from .05 to .25 that follow the judge, each trial drawn on its own (Poisson sampling)."""
    random, held = np.random.default_rng(9), np.zeros(2)
    for _ in range(RUNS):
        truth, one, other = world(random, *REGIMES[0])
        chance = 0.05 + 0.15 * one + 0.05 * other
        taken = random.random(POOL) < chance
        given = truth[taken], one[taken], one, chance[taken]
        pool = ppi_weighted(*given, ratio=ratio)
        process = ppi_weighted(*given, ratio=ratio, superpopulation=True)
        held += [pool.low <= truth.mean() <= pool.high, process.low <= REGIMES[0][0] <= process.high]
    assert held.min() / RUNS >= 0.93


@pytest.mark.parametrize("labels", [60, 200])
def test_strata_with_a_judge_of_different_worth_cover_and_are_narrower_than_no_strata(labels: int) -> None:
    """Half of the trials with rate .1 and a good judge, half with .5 and a poor one; equal labels in both."""
    random, kinds = np.random.default_rng(labels), ((0.1, 0.97), (0.5, 0.6))
    held, widths = 0, np.zeros(2)
    for _ in range(RUNS):
        parts = []
        for rate, right in kinds:
            truth = (random.random(labels // 2 + 1000) < rate).astype(float)
            said = np.where(random.random(truth.size) < right, truth, 1 - truth)
            parts.append((truth[: labels // 2], said[: labels // 2], said[labels // 2 :]))
        strata = [LabelStratum(*part, 0.5) for part in parts]
        estimate, published = ppi_stratified(strata), ppi_stratified(strata, pseudo=0)
        pooled = ppi_mean(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        held += estimate.low <= 0.3 <= estimate.high
        widths += [published.se, pooled.se]
    assert held / RUNS >= 0.93
    assert widths[0] < 0.97 * widths[1]


# -- bad input -------------------------------------------------------------------------------------------


def test_what_cannot_be_estimated_is_refused() -> None:
    one = LabelStratum(LABELLED, JUDGED, UNLABELLED, 0.6)
    with pytest.raises(InputError, match=r"add to 1\.2"):
        ppi_stratified([one, one])
    with pytest.raises(InputError, match="none of them"):
        ppi_stratified([one, LabelStratum(LABELLED, JUDGED, UNLABELLED)])
    with pytest.raises(NotEnoughDataError, match="no stratum"):
        ppi_stratified([])
    with pytest.raises(NotEnoughDataError, match="stratum rare: 1 labelled trials"):
        ppi_stratified({"rare": LabelStratum([1.0], [1.0], [0.0, 1.0])})
    with pytest.raises(InputError, match="give one for each labelled"):
        ppi_weighted([1, 0], [1, 0], [1, 0, 1], [0.5])
    with pytest.raises(InputError, match="above 0 and at most at 1"):
        ppi_weighted([1, 0], [1, 0], [1, 0, 1], [0.5, 0.0])
    with pytest.raises(InputError, match="stand for 400 trials, but 1000 were judged"):
        ppi_weighted(LABELLED, JUDGED, UNLABELLED, np.full(100, 0.25))
