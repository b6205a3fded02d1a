"""Partially pooled rates of several groups (shrinkage estimated from the data); takes counts, uses no sampling.

k_j ~ Binomial(n_j, logistic(theta_j)), theta_j ~ N(mu, sigma), mu ~ N(m, s), sigma ~ half-normal(h). The posterior is
summed over a grid of mu, sigma and theta, so the same counts give identical results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import expit, ndtr

from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError
from gnomon.data.records import IntervalEstimate

# A useful judge is right in about 4 of 5 cases: logistic(1.5) = .82, and logistic(1.5 +- 2 * 1.5) runs
# from .18 to .99, so a judge at chance level is not excluded.
# sigma below 1 lets groups differ by several times in their error odds.
MU_PRIOR = (1.5, 1.5)
SIGMA_SCALE = 1.0
METHOD = "partially pooled"

_STEP = 0.05
_FINEST = 0.00625
_MU_POINTS = 81
_SIGMA_POINTS = 40
_REACH = 4.0


@dataclass(frozen=True, slots=True)
class PooledRates:
    """Partially pooled rates: `groups` in the order given, `population` that of a new group.

    `mu` and `sigma` are the mean and the standard deviation of the groups' logits. Every `value` is a posterior median,
    every interval central, every `se` a posterior standard deviation.
    """

    groups: tuple[IntervalEstimate, ...]
    population: IntervalEstimate
    mu: IntervalEstimate
    sigma: IntervalEstimate


@dataclass(frozen=True, slots=True)
class HyperGrid:
    """Grid on which the posterior is summed.

    Attributes
    ----------
    edges : array (t + 1,)
        Borders of the bins of theta, on the logit scale.
    rate : array (t,)
        logistic of the bins' midpoints.
    mu, sigma, prior : array (h,)
        Points of the population and their prior probabilities.
    mass : array (t, h)
        Probability of each bin of theta given each point.
    """

    edges: Floats
    rate: Floats
    mu: Floats
    sigma: Floats
    prior: Floats
    mass: Floats


def partial_pool(
    counts: Sequence[Count],
    *,
    mu_prior: tuple[float, float] = MU_PRIOR,
    sigma_scale: float = SIGMA_SCALE,
    confidence: float = 0.95,
) -> PooledRates:
    """Partially pooled rates of exchangeable groups.

    Estimand: each group's own probability, and that of a new group of the same kind. Assumes independent trials
    within a group, and exchangeable groups: nothing but the counts distinguishes them. Groups with few
    trials are shrunk towards the others, groups with many hardly change; the degree is estimated from their similarity.
    Source: Gelman and Carpenter (2020), Applied Statistics 69, for calibration studies of one test.

    Parameters
    ----------
    counts : sequence of (k, n)
        Successes and trials of each group; n may be 0 (the group is then estimated like a new one) or fractional.
    mu_prior : (float, float), default (1.5, 1.5)
        Mean and standard deviation of the normal prior of mu.
    sigma_scale : float, default 1
        Scale of the half-normal prior of sigma.
    confidence : float, default 0.95
        Probability of the intervals, 0 to 1.

    Raises
    ------
    InputError
        If a count is not between 0 and its n, or a scale is not positive.
    """
    for k, n in counts:
        if not 0 <= k <= n:
            raise InputError(f"rate of {k:g} of {n:g}: the count must lie between 0 and the number of trials")
    if min(mu_prior[1], sigma_scale) <= 0:
        raise InputError(f"priors of scale {mu_prior[1]:g} and {sigma_scale:g}: both scales must be above 0")
    return _pool_counts(tuple(map(tuple, counts)), tuple(mu_prior), sigma_scale, confidence)


@lru_cache(maxsize=512)
def _pool_counts(
    counts: tuple[Count, ...], mu_prior: tuple[float, float], sigma_scale: float, confidence: float
) -> PooledRates:
    grid = logit_grid(mu_prior, sigma_scale, _count_step(counts))
    groups, new, weight = pool_likelihoods(grid, binomial_likelihoods(grid, counts))
    return PooledRates(
        groups=tuple(rate_estimate(grid, each, confidence) for each in groups),
        population=rate_estimate(grid, new, confidence),
        mu=_hyperparameter_summary(grid.mu, weight, confidence),
        sigma=_hyperparameter_summary(grid.sigma, weight, confidence),
    )


@lru_cache(maxsize=8)
def logit_grid(mu_prior: tuple[float, float], sigma_scale: float, step: float = _STEP) -> HyperGrid:
    """The grid for these priors: theta in bins of `step` logits, sigma denser near 0, each out to 4 prior scales.

    A bin's probability is exact (a difference of normal distribution functions), so that small sigmas, for which theta
    lies between two bins, lose no mass.

    Parameters
    ----------
    mu_prior : (float, float)
        Mean and standard deviation of the normal prior of mu, in logits.
    sigma_scale : float
        Scale of the half-normal prior of sigma, in logits.
    step : float, default _STEP
        Width of the bins of theta, in logits.
    """
    centre, scale = mu_prior
    mu = centre + scale * np.linspace(-_REACH, _REACH, _MU_POINTS)
    places = (np.arange(_SIGMA_POINTS) + 0.5) / _SIGMA_POINTS
    sigma, width = _REACH * sigma_scale * places**2, 2 * places
    reach = _REACH * scale + 2 * _REACH * sigma_scale
    edges = np.arange(centre - reach, centre + reach + step, step)
    both_mu, both_sigma = (part.ravel() for part in np.meshgrid(mu, sigma, indexing="ij"))
    height = np.exp(-0.5 * ((both_mu - centre) / scale) ** 2 - 0.5 * (both_sigma / sigma_scale) ** 2)
    prior = height * np.tile(width, len(mu))
    mass = np.diff(ndtr((edges[:, None] - both_mu) / both_sigma), axis=0)
    return HyperGrid(edges, expit((edges[1:] + edges[:-1]) / 2), both_mu, both_sigma, prior / prior.sum(), mass)


def binomial_likelihoods(grid: HyperGrid, counts: Sequence[Count]) -> Floats:
    """Likelihood of each group's count in each bin of theta, scaled so that each group's maximum is 1.

    Parameters
    ----------
    grid : HyperGrid
        The grid.
    counts : sequence of Count
        Successes and trials (k, n) of each group.

    Returns
    -------
    array (groups, t)
        Scaled likelihoods.
    """
    right, every = np.asarray(counts, dtype=float).reshape(-1, 2).T
    log = right[:, None] * np.log(grid.rate) + (every - right)[:, None] * np.log1p(-grid.rate)
    likelihoods: Floats = np.exp(log - log.max(axis=1, keepdims=True, initial=-np.inf))
    return likelihoods


def pool_likelihoods(grid: HyperGrid, likelihoods: Floats) -> tuple[Floats, Floats, Floats]:
    """Posterior of groups, each with a likelihood of its rate of any form.

    Parameters
    ----------
    grid : HyperGrid
        The grid.
    likelihoods : array (groups, t)
        On any scale; a group without data has a row of ones.

    Returns
    -------
    array (groups, t), array (t,), array (h,)
        Posterior probability of each bin of theta for each group; the same for a new group; posterior probability of
        each point of mu and sigma.
    """
    evidence = likelihoods @ grid.mass
    log = np.log(grid.prior) + np.log(np.maximum(evidence, np.finfo(float).tiny)).sum(axis=0)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    share = weight / np.maximum(evidence, np.finfo(float).tiny)
    groups = likelihoods * (share @ grid.mass.T)
    return groups, grid.mass @ weight, weight


def rate_estimate(grid: HyperGrid, mass: Floats, confidence: float = 0.95) -> IntervalEstimate:
    """Posterior median, central interval and standard deviation of a rate from the bins of its logit.

    Parameters
    ----------
    grid : HyperGrid
        The grid.
    mass : array (t,)
        Posterior probability of each bin, on any scale.
    confidence : float, default 0.95
        Probability of the interval, 0 to 1.
    """
    share = mass / mass.sum()
    below = np.concatenate([[0.0], np.cumsum(share)])
    tail = (1 - confidence) / 2
    low, middle, high = (float(part) for part in expit(np.interp([tail, 0.5, 1 - tail], below, grid.edges)))
    mean = float(share @ grid.rate)
    spread = math.sqrt(max(0.0, float(share @ (grid.rate - mean) ** 2)))
    return IntervalEstimate(middle, low, high, spread, confidence, METHOD)


def _hyperparameter_summary(points: Floats, weight: Floats, confidence: float) -> IntervalEstimate:
    """Summary of mu or sigma from its marginal on the grid's points."""
    values, place = np.unique(points, return_inverse=True)
    share = np.bincount(place, weights=weight)
    middles = np.cumsum(share) - share / 2
    tail = (1 - confidence) / 2
    low, middle, high = (float(part) for part in np.interp([tail, 0.5, 1 - tail], middles, values))
    mean = float(share @ values)
    return IntervalEstimate(middle, low, high, math.sqrt(float(share @ (values - mean) ** 2)), confidence, METHOD)


def _count_step(counts: Sequence[Count]) -> float:
    """Bin width of theta: at most two standard errors of the most precise group, but not below `_FINEST`."""
    sharpest = max((max(k * (n - k) / n, 1.0) for k, n in counts if n > 0), default=1.0)
    step = _STEP
    while step > _FINEST and step > 2 / math.sqrt(sharpest):
        step /= 2
    return step
