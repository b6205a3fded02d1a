"""Partial pooling gives published figures, covers what it claims, and draws groups together only as far as alike."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import beta

from gnomon.calibration.numerics.partial_pooling import (
    binomial_likelihoods,
    logit_grid,
    partial_pool,
    pool_likelihoods,
    rate_estimate,
)
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.data.errors import InputError

SENSITIVITY = [(78, 85), (27, 37), (25, 35)]
SPECIFICITY = [
    (368, 371), (30, 30), (70, 70), (1102, 1102), (300, 300), (311, 311), (500, 500), (198, 200), (99, 99),
    (29, 31), (146, 150), (105, 108), (50, 52),
]  # fmt: skip
PRIOR = (4.0, 2.0)
SCALE = 0.3


def target(grid, own, other):
    """Likelihood of the target study's error rate from 50 positives of 3330, prevalence flat, the other rate pooled.

    Given sensitivity a and specificity b, the chance of a positive runs from 1 - b to a as the prevalence goes
    from 0 to 1, so the binomial likelihood integrates to a difference of beta distribution functions over its length.
    """
    below = beta(51, 3281).cdf
    specificity, sensitivity = grid.rate[:, None], grid.rate[None, :]
    length = specificity + sensitivity - 1
    safe = np.where(np.abs(length) > 1e-9, length, 1.0)
    mean = np.where(np.abs(length) > 1e-9, (below(sensitivity) - below(1 - specificity)) / safe, 0.0)
    seen = mean @ other if own == "specificity" else other @ mean
    return seen / seen.max()


def shortest(grid, mass):
    """The shortest interval of the rate that holds 95 %, which is what the paper gives."""
    below = np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])
    starts = np.linspace(0, 0.05, 501)
    lows, highs = (expit(np.interp(starts + shift, below, grid.edges)) for shift in (0, 0.95))
    best = int(np.argmin(highs - lows))
    return lows[best], highs[best]


@pytest.fixture(scope="module")
def published():
    """The joint posterior of Gelman and Carpenter's Santa Clara figures, by quadrature."""
    grid = logit_grid(PRIOR, SCALE)
    alone = {
        "sensitivity": binomial_likelihoods(grid, SENSITIVITY),
        "specificity": binomial_likelihoods(grid, SPECIFICITY),
    }
    new = {name: pool_likelihoods(grid, rows)[1] for name, rows in alone.items()}
    found = {}
    for own, other in (("specificity", "sensitivity"), ("sensitivity", "specificity")):
        rows = np.vstack([target(grid, own, new[other]), alone[own]])
        found[own] = (grid, *pool_likelihoods(grid, rows))
    return found


@pytest.mark.parametrize(
    ("name", "value", "interval", "mu", "sigma"),
    [
        ("specificity", 0.995, (0.987, 0.999), 5.234, 0.72),
        ("sensitivity", 0.821, (0.622, 0.959), 1.54, 0.39),
    ],
)
def test_the_published_posterior_of_several_calibration_studies(published, name, value, interval, mu, sigma) -> None:
    """Published: posterior medians and shortest intervals from a sampler; means of mu and sigma."""
    grid, groups, _, weight = published[name]
    assert rate_estimate(grid, groups[0]).value == pytest.approx(value, abs=0.001)
    assert shortest(grid, groups[0]) == pytest.approx(interval, abs=0.004)
    assert weight @ grid.mu == pytest.approx(mu, abs=0.02)
    assert weight @ grid.sigma == pytest.approx(sigma, abs=0.015)


def test_the_unlabelled_target_sharpens_specificity_alone(published) -> None:
    """50 positives of 3330 cap the false positives; of the true ones they say next to nothing."""
    for name, counts, moved in (("specificity", SPECIFICITY, True), ("sensitivity", SENSITIVITY, False)):
        grid, groups, *_ = published[name]
        alone = partial_pool(counts, mu_prior=PRIOR, sigma_scale=SCALE).population
        width = rate_estimate(grid, groups[0])
        assert ((width.high - width.low) < 0.6 * (alone.high - alone.low)) == moved
        assert alone.value == pytest.approx({"specificity": 0.995, "sensitivity": 0.821}[name], abs=0.008)


def test_small_groups_lean_on_the_others_and_large_ones_stand_alone() -> None:
    counts = [(3, 3), (380, 400), (90, 100), (45, 50), (1, 2)]
    pooled = partial_pool(counts)
    raw = [k / n for k, n in counts]
    middle = pooled.population.value
    for group, share, (_, n) in zip(pooled.groups, raw, counts, strict=True):
        assert min(share, middle) - 0.005 <= group.value <= max(share, middle) + 0.005
        assert abs(group.value - share) < (0.01 if n >= 400 else 0.02 if n >= 50 else 0.5)
    assert pooled.groups[4].low > wilson_interval(1, 2).low + 0.3
    assert pooled.groups[0].low > wilson_interval(3, 3).low + 0.2


def test_groups_that_differ_are_pooled_less_than_groups_that_are_alike() -> None:
    alike = partial_pool([(18, 20)] * 6 + [(2, 4)])
    apart = partial_pool([(20, 20), (6, 20)] * 3 + [(2, 4)])
    assert alike.sigma.value < 0.5 * apart.sigma.value
    assert alike.groups[-1].value > apart.groups[-1].value
    assert apart.population.high - apart.population.low > 2 * (alike.population.high - alike.population.low)


def test_a_group_without_trials_is_a_new_group() -> None:
    pooled = partial_pool([(9, 10), (0, 0), (19, 20)])
    empty, new = (astuple(each)[:4] for each in (pooled.groups[1], pooled.population))
    assert empty == pytest.approx(new, rel=1e-6)
    assert partial_pool([]).population.low < 0.2, "without counts there is only the prior"


def test_the_grid_is_fine_enough_for_many_trials() -> None:
    group = partial_pool([(45_000, 50_000), (26_000, 50_000)]).groups[0]
    own = wilson_interval(45_000, 50_000)
    assert (group.value, group.low, group.high) == pytest.approx((own.value, own.low, own.high), abs=5e-4)


@pytest.mark.parametrize(("middle", "spread"), [(2.0, 0.0), (2.0, 0.7), (2.0, 1.5), (4.0, 0.5), (0.0, 0.5)])
def test_intervals_of_groups_cover_what_they_claim(middle: float, spread: float) -> None:
    random = np.random.default_rng(5)
    hits, all_ = 0, 0
    for _ in range(150):
        truth = expit(random.normal(middle, spread, size=7))
        sizes = random.integers(3, 30, size=7)
        groups = partial_pool([(int(random.binomial(n, p)), int(n)) for n, p in zip(sizes, truth, strict=True)]).groups
        hits += sum(group.low <= p <= group.high for group, p in zip(groups, truth, strict=True))
        all_ += len(groups)
    assert hits / all_ >= 0.93


@pytest.mark.parametrize(("counts", "scale"), [([(3, 2)], 1.0), ([(-1, 2)], 1.0), ([(1, 2)], 0.0)])
def test_impossible_counts_and_scales_are_refused(counts, scale: float) -> None:
    with pytest.raises(InputError):
        partial_pool(counts, sigma_scale=scale)
