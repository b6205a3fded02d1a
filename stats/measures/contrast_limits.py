"""Intervals of linear combinations of crossed means: Student's t for readings, score limits for answers.

Readings (log-odds, probabilities of options): estimate +- t SE. Answers, which are 0 or 1 and may all be 0 or all be 1:

    one rate       Wilson's score limits with the effective number of trials n* = p (1 - p) / V, Student's quantile in
                   place of the normal one, and n* at most what independent responses within concepts would give
    several rates  Price and Bonett's with a quarter of their addition: 1 / (2 m) events and as many non-events to each
                   of m rates; the variance is that of the crossed means, and what the addition adds to each binomial
                   variance (with their 2 / m, .97 to 1.00 were covered where controls hardly ever say yes)
    d' and c       the limits of both rates on the normal-quantile scale, combined by squares and correlations (MOVER);
                   where a limit is 0 or 1, whose quantile is not finite, the delta method's with half a response added

Where rates are near 0 or 1, limits of answers cover more than their level (few trials can only be 0 or 1); readings of
the same trials cover it with a fraction of the width (`bench/measures/measure_worlds.py`).

Sources: Wilson (1927); Korn and Graubard (1998) and Dean and Pagano (2015), effective sample size for clustered rates;
Price and Bonett (2004); Zou and Donner (2008), MOVER, and Zou (2008) for correlated estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from gnomon.data.records import IntervalEstimate
from gnomon.stats.measures.crossed_means import CrossedMeans, Target

LEVEL = 0.95
T_METHOD = "crossed means, Student's t"
SCORE_METHOD = "crossed means, Wilson"
RATES_METHOD = "crossed means, Price-Bonett"
MOVER_METHOD = "crossed means, Wilson and MOVER"
ADDED = 0.5
"""Events, and non-events, that are added to all rates of a combination together."""
RateScale = Callable[[np.ndarray], np.ndarray]
_EDGE = 1e-12


@dataclass(frozen=True)
class ContrastInterval:
    """An interval with the probability that the quantity is above a reference value.

    Attributes
    ----------
    interval : IntervalEstimate
    freedom : float
        Degrees of freedom of its standard error.
    probability : float
        One less the one-sided p-value against the reference; under a flat prior the posterior probability that the
        quantity is above it.
    """

    interval: IntervalEstimate
    freedom: float
    probability: float


def mean_contrast(
    means: CrossedMeans, weights: np.ndarray, target: Target, *, reference: float = 0.0, confidence: float = LEVEL
) -> ContrastInterval | None:
    """A linear combination of means of unbounded values, with Student's limits; None where the data hold none.

    Parameters
    ----------
    means : CrossedMeans
    weights : ndarray, shape (groups,)
    target : {"these", "like"}
    reference : float, default 0
        Value that the probability is against.
    confidence : float, default .95
    """
    if not means.can_target(target):
        return None
    value = float(weights @ means.means)
    variance, freedom = means.contrast_variance(weights, target)
    error = math.sqrt(variance)
    reach = student_quantile(confidence, freedom) * error
    interval = IntervalEstimate(value, value - reach, value + reach, error, confidence, T_METHOD)
    return ContrastInterval(interval, freedom, probability_above(interval, freedom, reference))


def rate_contrast(
    means: CrossedMeans,
    weights: np.ndarray,
    target: Target,
    *,
    transform: RateScale | None = None,
    reference: float = 0.0,
    confidence: float = LEVEL,
) -> ContrastInterval | None:
    """A linear combination of rates of answers, or of transformed rates; None where the data hold none.

    Parameters
    ----------
    means : CrossedMeans
        Means of answers, 0 or 1 each.
    weights : ndarray, shape (groups,)
    target : {"these", "like"}
    transform : callable, optional
        Increasing function of a rate in (0, 1), such as the normal quantile; none by default.
    reference : float, default 0
        Value that the probability is against.
    confidence : float, default .95
    """
    if not means.can_target(target):
        return None
    if transform is None and (weights != 0).sum() > 1:
        return _difference_of_rates(means, weights, target, reference, confidence)
    variance, freedom = means.contrast_variance(weights, target)
    covariance = means.covariance(target)
    spread = np.sqrt(np.clip(np.diag(covariance), 0, None))
    quantile = student_quantile(confidence, freedom)
    low, high = rate_limits(means.means, np.maximum(spread**2, means.floors), means.floors, means.smoothed, quantile)
    change = transform or _unchanged
    rates = (means.means * means.sizes + 0.5) / (means.sizes + 1) if transform else means.means
    centre = change(rates)
    down, up = centre - change(low), change(high) - centre
    if transform is not None:
        ends = quantile * _transformed_error(transform, rates, means.sizes)
        down, up = np.where(low < _EDGE, ends, down), np.where(high > 1 - _EDGE, ends, up)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(np.outer(spread, spread) > _EDGE, covariance / np.outer(spread, spread), 0.0)
    correlation = np.clip(correlation, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    value = float(weights @ centre)
    below, above = (_mover_distance(weights, down, up, correlation, side) for side in (-1, 1))
    least, most = (-math.inf, math.inf) if transform else _possible_range(weights)
    error = math.sqrt(max(variance, 0.0)) if transform is None else math.nan
    method = MOVER_METHOD if transform else SCORE_METHOD
    interval = IntervalEstimate(value, max(least, value - below), min(most, value + above), error, confidence, method)
    return ContrastInterval(interval, freedom, probability_above(interval, freedom, reference))


def odds_contrast(
    means: CrossedMeans, weights: np.ndarray, target: Target, *, confidence: float = LEVEL
) -> ContrastInterval | None:
    """A linear combination of log-odds of rates of answers, with Student's limits; None where the data hold none.

    Half an event and half a non-event are added to each rate (Haldane, Anscombe); each variance is that of the crossed
    means, by the delta method, and what the addition adds to a binomial variance.

    Parameters
    ----------
    means : CrossedMeans
        Means of answers, 0 or 1 each.
    weights : ndarray, shape (groups,)
    target : {"these", "like"}
    confidence : float, default .95
    """
    if not means.can_target(target):
        return None
    rates = (means.means * means.sizes + 0.5) / (means.sizes + 1)
    inside = rates * (1 - rates)
    variance, freedom = means.contrast_variance(weights / inside, target)
    added = np.clip(inside / (means.sizes + 1) - means.means * (1 - means.means) / means.sizes, 0, None)
    whole = variance + float(((weights / inside) ** 2 * added).sum())
    value, error = float(weights @ np.log(rates / (1 - rates))), math.sqrt(whole)
    reach = student_quantile(confidence, freedom) * error
    interval = IntervalEstimate(value, value - reach, value + reach, error, confidence, T_METHOD)
    return ContrastInterval(interval, freedom, probability_above(interval, freedom, 0.0))


def rate_limits(
    rates: np.ndarray, variances: np.ndarray, floors: np.ndarray, smoothed: np.ndarray, quantile: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's limits of rates with an effective number of trials.

    Parameters
    ----------
    rates : ndarray, shape (rates,)
        Observed rates, 0 to 1.
    variances, floors : ndarray, shape (rates,)
        Variance of each rate, and that of independent responses within concepts, above 0.
    smoothed : ndarray, shape (rates,)
        Rates moved away from 0 and 1.
    quantile : float
        Two-sided quantile of the standardised rate.

    Returns
    -------
    (ndarray, ndarray)
        Lower and upper limits.
    """
    inside = smoothed * (1 - smoothed)
    size = inside / np.maximum(variances, floors)
    square = quantile**2
    centre = (rates + square / (2 * size)) / (1 + square / size)
    half = quantile * np.sqrt(rates * (1 - rates) / size + square / (4 * size**2)) / (1 + square / size)
    low, high = np.minimum(centre - half, rates), np.maximum(centre + half, rates)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def normal_quantile(rate: np.ndarray) -> np.ndarray:
    """z(rate), finite for rates of 0 and 1."""
    return np.asarray(ndtri(np.clip(rate, _EDGE, 1 - _EDGE)))


def student_quantile(confidence: float, freedom: float) -> float:
    """Two-sided quantile of Student's t.

    Parameters
    ----------
    confidence : float
    freedom : float
        Degrees of freedom; fewer than 1 count as 1.
    """
    from scipy.stats import t as student

    return float(student.ppf(0.5 + confidence / 2, max(freedom, 1.0)))


def probability_above(interval: IntervalEstimate, freedom: float, reference: float) -> float:
    """P(above the reference), from the distance to the limit on that side of the estimate.

    Parameters
    ----------
    interval : IntervalEstimate
    freedom : float
        Degrees of freedom of its standard error.
    reference : float
    """
    from scipy.stats import t as student

    gap = interval.value - reference
    reach = interval.value - interval.low if gap > 0 else interval.high - interval.value
    if reach <= 0:
        return 0.5 if gap == 0 else float(gap > 0)
    quantile = student_quantile(interval.level, freedom)
    return float(student.cdf(gap / reach * quantile, max(freedom, 1.0)))


def _difference_of_rates(
    means: CrossedMeans, weights: np.ndarray, target: Target, reference: float, confidence: float
) -> ContrastInterval:
    """Price and Bonett's interval with the variance of crossed means.

    `ADDED` / m events and as many non-events are added to each of m rates; what that adds to the binomial variance of a
    rate is added to the variance of the combination, so that rates of 0 and 1 have some.
    """
    pseudo = ADDED / (weights != 0).sum()
    sizes = means.sizes + 2 * pseudo
    rates = (means.means * means.sizes + pseudo) / sizes
    plain = means.means * (1 - means.means) / means.sizes
    added = float((weights**2 * np.clip(rates * (1 - rates) / sizes - plain, 0, None)).sum())
    variance, freedom = means.contrast_variance(weights, target)
    whole = variance + added
    freedom = whole**2 / max(variance**2 / freedom + added**2 / max(1.0, float(means.sizes.min()) - 1), 1e-300)
    value, centre = float(weights @ means.means), float(weights @ rates)
    reach = student_quantile(confidence, freedom) * math.sqrt(whole)
    least, most = _possible_range(weights)
    low, high = max(least, min(centre - reach, value)), min(most, max(centre + reach, value))
    interval = IntervalEstimate(value, low, high, math.sqrt(whole), confidence, RATES_METHOD)
    return ContrastInterval(interval, freedom, probability_above(interval, freedom, reference))


def _transformed_error(transform: RateScale, rates: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Standard error of transformed rates of independent responses, by the delta method."""
    inside = rates * (1 - rates)
    step = 1e-4 * inside
    slope = (transform(rates + step) - transform(rates - step)) / (2 * step)
    return np.asarray(slope * np.sqrt(inside / (sizes + 1)))


def _unchanged(rate: np.ndarray) -> np.ndarray:
    return rate


def _mover_distance(weights: np.ndarray, down: np.ndarray, up: np.ndarray, correlation: np.ndarray, side: int) -> float:
    """Distance from the estimate to its lower (-1) or upper (1) limit."""
    reach = np.abs(weights) * np.where(weights * side > 0, up, down)
    signed = np.sign(weights) * reach
    return math.sqrt(max(0.0, float(signed @ correlation @ signed)))


def _possible_range(weights: np.ndarray) -> tuple[float, float]:
    return float(weights[weights < 0].sum()), float(weights[weights > 0].sum())
