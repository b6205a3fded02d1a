"""The mean with calibrated scores as regressor: a published example, coverage, real judges, limits of shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnomon.calibration.graded.graded_mean import graded_mean, inclusion_chances, regression_mean
from gnomon.data.errors import InputError, NotEnoughDataError

WEIGHED = np.array([61, 42, 50, 58, 67, 45, 39, 57, 71, 53.0])
GUESSED = np.array([59, 47, 52, 60, 67, 48, 44, 58, 76, 58.0])


def test_cochrans_peaches_have_their_difference_estimate() -> None:
    """Cochran (1977), exercise 7.1: 200 trees, eye estimates of 11,600 lb in all, ten trees weighed.

    By his formulas N (X + y - x) = 200 (58 + 54.3 - 56.9) = 11,080 lb, with the standard error
    N sqrt((1 - n / N) s_d^2 / n) = 151.6 lb.
    """
    rest = np.full(190, (11_600 - GUESSED.sum()) / 190)
    found = regression_mean(WEIGHED, GUESSED, np.concatenate([GUESSED, rest]), lam=1.0)
    gap = WEIGHED - GUESSED
    assert 200 * found.value == pytest.approx(11_080)
    assert found.se**2 == pytest.approx((1 - 10 / 200) * gap.var(ddof=1) / 10)
    assert 200 * found.se == pytest.approx(151.6, abs=0.05)


@pytest.fixture(scope="module")
def base(shared: Path) -> pd.DataFrame:
    table = pd.read_csv(shared / "data" / "cje-arena-sample" / "scores.csv")
    return table[table["policy"] == "base"].dropna()


def test_real_scores_cover_the_oracle_mean_and_are_narrower_than_rounded_verdicts(base: pd.DataFrame) -> None:
    """The bar of issue 27 on 100 of its 500 subsamples of 60 labels (the rest: bench/calibration_methods)."""
    scores, labels = base["judge_score"].to_numpy(), base["oracle_label"].to_numpy()
    rounded = (scores >= 0.5).astype(float)
    held, widths = [], []
    for seed in range(100):
        chosen = np.random.default_rng([27, seed]).choice(len(labels), 60, replace=False)
        graded = graded_mean(labels[chosen], scores[chosen], scores)
        plain = regression_mean(labels[chosen], rounded[chosen], rounded)
        held.append(graded.low <= labels.mean() <= graded.high)
        widths.append((graded.high - graded.low, plain.high - plain.low))
    assert np.mean(held) >= 0.93
    assert np.mean(widths, axis=0)[0] < np.mean(widths, axis=0)[1]


def simulate(random: np.random.Generator, pool: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a judge that is badly calibrated but ranks, and events: true curve score ** 2."""
    scores = random.beta(1, 2, pool)
    return scores, (random.random(pool) < scores**2).astype(float)


def test_intervals_cover_with_labels_drawn_by_another_judge() -> None:
    """What another judge calls an event is labelled three times as often; without weights the mean is too high."""
    held = plain = 0
    for seed in range(200):
        random = np.random.default_rng([5, seed])
        scores, events = simulate(random)
        other = np.where(random.random(len(scores)) < 0.8, events, 1 - events)
        chance = np.where(other == 1, 0.45, 0.15)
        chosen = random.random(len(scores)) < chance
        found = graded_mean(events[chosen], scores[chosen], scores, 1 / chance[chosen])
        naive = graded_mean(events[chosen], scores[chosen], scores)
        held += found.low <= events.mean() <= found.high
        plain += naive.low <= events.mean() <= naive.high
    assert held / 200 >= 0.93
    assert plain / 200 < 0.8


def test_useless_scores_cost_little() -> None:
    random = np.random.default_rng(6)
    _, events = simulate(random)
    noise = random.random(len(events))
    chosen = np.arange(80)
    aided = graded_mean(events[chosen], noise[chosen], noise)
    alone = regression_mean(events[chosen], noise[chosen], noise, lam=0.0)
    assert aided.high - aided.low < 1.1 * (alone.high - alone.low)


def test_shares_stay_within_their_limits_and_other_labels_do_not() -> None:
    rare = np.array([1.0] + [0.0] * 29)
    pool = np.linspace(0, 1, 300)
    assert graded_mean(rare, np.linspace(1, 0, 30), pool).low == 0.0
    assert regression_mean(10 * rare - 1, np.zeros(30), np.zeros(300)).low < -0.9


def test_chances_stand_for_the_whole_pool_and_none_exceeds_one() -> None:
    chances = inclusion_chances(3, 50, np.array([1.0, 20.0, 40.0]))
    assert (1 / chances).sum() == pytest.approx(50)
    assert chances.max() == 1.0
    assert inclusion_chances(10, 40).tolist() == [0.25] * 10


def test_too_few_labels_and_a_pool_that_is_too_small_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="9 labels with a score: the map needs 10"):
        graded_mean(np.ones(9), np.ones(9), np.ones(20))
    with pytest.raises(InputError, match="12 labelled trials of a pool of 11"):
        graded_mean(np.ones(12), np.ones(12), np.ones(11))
    with pytest.raises(InputError, match="give one above 0"):
        inclusion_chances(3, 50, [1.0, 0.0, 2.0])
