"""Score tests and intervals for a difference of two proportions that need not be zero; takes counts."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import betaln, ndtr, ndtri, xlog1py, xlogy

from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

EXACT_TABLES = 250_000
"""Greatest number of pairs of counts over which the exact test is computed; beyond it the score test is asymptotic."""
NUISANCE = 161
REFINED = 21
_TIE = 1e-9
_HALVINGS = 48

Side = Literal["greater", "less"]


def score_statistic(
    one: Floats, n1: float, other: Floats, n2: float, delta: float, *, unbiased: bool = False
) -> Floats:
    """Standardised difference of two proportions from a value under the null hypothesis (Farrington and Manning 1990).

    z = (k1 / n1 - k2 / n2 - delta) / se, where the standard error is that at the maximum of the likelihood under
    p1 - p2 = delta, in closed form. `unbiased` multiplies the variance by N / (N - 1) (Miettinen and Nurminen 1985).

    Parameters
    ----------
    one : array of float
        Events of the first sample.
    n1 : float
        Its number of trials.
    other : array of float
        Events of the second sample, of a shape that broadcasts with `one`.
    n2 : float
        Its number of trials.
    delta : float
        Difference p1 - p2 under the null hypothesis, above -1 and below 1.
    unbiased : bool, default False
        Whether the variance has Miettinen and Nurminen's factor.

    Returns
    -------
    array of float
        One z for each pair of counts; infinite where the standard error is 0 and the difference is not.
    """
    p1, p2 = np.asarray(one, dtype=float) / n1, np.asarray(other, dtype=float) / n2
    first = _restricted_share(p1, p2, n2 / n1, delta)
    second = np.clip(first - delta, 0, 1)
    variance = first * (1 - first) / n1 + second * (1 - second) / n2
    if unbiased:
        variance = variance * (n1 + n2) / (n1 + n2 - 1)
    distance = p1 - p2 - delta
    with np.errstate(divide="ignore", invalid="ignore"):
        z = distance / np.sqrt(variance)
        certain = np.where(distance > 0, np.inf, -np.inf)
    return np.where(np.abs(distance) < _TIE, 0.0, np.where(variance < 1e-15, certain, z))


def _restricted_share(p1: Floats, p2: Floats, ratio: float, delta: float) -> Floats:
    """First proportion at the maximum of the likelihood with p1 - p2 = delta: the root of a cubic."""
    a = 1 + ratio
    b = -(1 + ratio + p1 + ratio * p2 + delta * (ratio + 2))
    c = delta * delta + delta * (2 * p1 + ratio + 1) + p1 + ratio * p2
    d = -p1 * delta * (1 + delta)
    v = (b / a / 3) ** 3 - b * c / (6 * a * a) + d / (2 * a)
    root = np.sqrt(np.maximum((b / a / 3) ** 2 - c / (3 * a), 0))
    u = np.where(v < 0, -root, root)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(root > 1e-12, v / u**3, 1.0)
    angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    low, high = max(0.0, delta), min(1.0, 1 + delta)
    return np.asarray(np.clip(2 * u * np.cos(angle) - b / (3 * a), low, high))


def difference_p_value(one: Count, other: Count, delta: float, side: Side) -> float:
    """One-sided p value that p1 - p2 is delta or lies on the far side of it.

    Estimand: p1 - p2. Null hypothesis: p1 - p2 <= delta (`greater`) or >= delta (`less`). Assumes independent binomial
    counts. Exact and unconditional: the largest probability, over all values of the nuisance parameter, of a score
    statistic at least as extreme (Chan 1998, Statistics in Medicine 17, 1403-1413). Counts that are not whole
    (effective counts of weighted labels), or with more than `EXACT_TABLES` pairs, take the asymptotic score test, whose
    size at .05 was at most .061 where one sample is small (computed, not simulated).

    Parameters
    ----------
    one : (k, n)
        Events and trials of the first sample.
    other : (k, n)
        Events and trials of the second sample.
    delta : float
        Difference under the null hypothesis, above -1 and below 1.
    side : {"greater", "less"}
        Direction of the alternative.

    Raises
    ------
    NotEnoughDataError
        If a sample is empty.
    InputError
        If delta is not between -1 and 1.
    """
    if side == "less":
        return difference_p_value(other, one, -delta, "greater")
    (k1, n1), (k2, n2) = one, other
    _check_samples(n1, n2, delta)
    if not is_exact(one, other):
        z = score_statistic(np.array(k1), n1, np.array(k2), n2, delta, unbiased=True)
        return float(ndtr(-z))
    n1, n2 = round(n1), round(n2)
    table = _score_table(n1, n2, delta)
    extreme = (table >= table[round(k1), round(k2)] - _TIE).astype(float)
    low, high = max(0.0, -delta), min(1.0, 1 - delta)
    grid = np.linspace(low, high, NUISANCE)
    chances = _rejection_chances(extreme, n1, n2, grid, delta)
    top, step = int(np.argmax(chances)), (high - low) / (NUISANCE - 1)
    near = np.clip(np.linspace(grid[top] - step, grid[top] + step, REFINED), low, high)
    return float(min(1.0, max(chances.max(), _rejection_chances(extreme, n1, n2, near, delta).max())))


@lru_cache(maxsize=8)
def _score_table(n1: int, n2: int, delta: float) -> Floats:
    """The statistic of every pair of counts; several p values of one place ask for the same table."""
    one, other = np.arange(n1 + 1, dtype=float)[:, None], np.arange(n2 + 1, dtype=float)[None, :]
    return score_statistic(one, n1, other, n2, delta)


def _rejection_chances(extreme: Floats, n1: int, n2: int, second: Floats, delta: float) -> Floats:
    """Probability of a set of pairs of counts for each value of the second proportion."""
    first = np.clip(second + delta, 0, 1)
    return np.asarray(((_binomial_masses(n1, first) @ extreme) * _binomial_masses(n2, second)).sum(axis=1))


def _binomial_masses(n: int, shares: Floats) -> Floats:
    """Binomial probabilities of 0 to n events (columns) for each probability of an event (rows)."""
    k = np.arange(n + 1)
    chosen = -betaln(k + 1, n - k + 1) - np.log(n + 1)
    p = shares[:, None]
    return np.asarray(np.exp(chosen + xlogy(k, p) + xlog1py(n - k, -p)))


def is_exact(one: Count, other: Count) -> bool:
    """Whether `difference_p_value` of two samples is exact.

    Parameters
    ----------
    one : (k, n)
        Events and trials of the first sample.
    other : (k, n)
        Events and trials of the second sample.
    """
    whole = all(abs(part - round(part)) < 1e-6 for part in (*one, *other))
    return whole and (one[1] + 1) * (other[1] + 1) <= EXACT_TABLES


def score_interval(one: Count, other: Count, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of independent proportions p1 - p2 with the score interval of Miettinen and Nurminen (1985).

    Estimand: p1 - p2. Assumes independent binomial counts. The limits are the differences at which `score_statistic`
    with the unbiased variance is the normal quantile.

    Parameters
    ----------
    one : (k, n)
        Events and trials of the first sample.
    other : (k, n)
        Events and trials of the second sample.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If a sample is empty.
    """
    (k1, n1), (k2, n2) = one, other
    _check_samples(n1, n2, 0.0)
    z, value = float(ndtri(0.5 + confidence / 2)), k1 / n1 - k2 / n2
    error = float(np.sqrt(k1 / n1 * (1 - k1 / n1) / n1 + k2 / n2 * (1 - k2 / n2) / n2))

    def limit(end: float) -> float:
        inside, outside = value, end
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            far = score_statistic(np.array(k1), n1, np.array(k2), n2, middle, unbiased=True)
            inside, outside = (inside, middle) if abs(float(far)) > z else (middle, outside)
        return (inside + outside) / 2

    return IntervalEstimate(value, limit(-1.0), limit(1.0), error, confidence, "Miettinen-Nurminen")


def _check_samples(n1: float, n2: float, delta: float) -> None:
    if n1 <= 0 or n2 <= 0:
        raise NotEnoughDataError(f"difference of rates of {n1:g} and {n2:g} trials: there is no trial to count in one")
    if not -1 < delta < 1:
        raise InputError(f"difference {delta:g}: two rates differ by less than 1: give a value between -1 and 1")
