"""Confidence sequences for the probability of an event: limits that hold at all times together; takes counts.

An e-process for a value p is a nonnegative process whose expectation is at most 1 at every stopping time if p is the
truth; by Ville's inequality it ever reaches 1 / error with probability at most `error`. The values of p whose
e-process is below 1 / error are a confidence sequence: they contain the truth at all times together with probability
1 - error, so that one may look after each trial and stop when one likes. The e-processes here are mixtures of
likelihood ratios of Bernoulli trials over a beta distribution (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaln, xlog1py, xlogy

from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

PRIOR = (0.5, 0.5)
"""Parameters of the beta distribution over which likelihood ratios are mixed."""
METHOD = "confidence sequence (Robbins)"
_HALVINGS = 36
_GOLDEN = 40
_EDGE = 1e-12


class RunningLimits(NamedTuple):
    """A rate after each trial with its limits, each an array of n values."""

    rate: Floats
    low: Floats
    high: Floats


def log_mixture(events: ArrayLike, trials: ArrayLike, prior: tuple[float, float] = PRIOR) -> Floats:
    """Logarithm of the probability of a sequence of Bernoulli trials, averaged over a beta distribution of the rate.

    Parameters
    ----------
    events : array of float
        Numbers of events.
    trials : array of float
        Numbers of trials.
    prior : (float, float), default PRIOR
        Parameters of the beta distribution.
    """
    k, n = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    return np.asarray(betaln(prior[0] + k, prior[1] + n - k) - betaln(*prior))


def log_evidence(events: ArrayLike, trials: ArrayLike, rate: ArrayLike, prior: tuple[float, float] = PRIOR) -> Floats:
    """Logarithm of the e-process against a rate: mixture over that rate's likelihood.

    With the uniform prior (1, 1) it is -log((n + 1) b(k; n, p)), b the binomial probability (Robbins 1970).

    Parameters
    ----------
    events : array of float
        Numbers of events k.
    trials : array of float
        Numbers of trials n.
    rate : array of float
        Rates p under the null hypothesis.
    prior : (float, float), default PRIOR
        Parameters of the beta distribution.
    """
    k, n, p = (np.asarray(each, dtype=float) for each in (events, trials, rate))
    return np.asarray(log_mixture(k, n, prior) - xlogy(k, p) - xlog1py(n - k, -p))


def sequence_interval(
    k: float, n: float, *, confidence: float = 0.95, prior: tuple[float, float] = PRIOR
) -> IntervalEstimate:
    """Share k / n with the limits of a confidence sequence at this time.

    Estimand: the probability of the event. Assumes that the trials are independent with the same probability, in the
    order in which they came; the limits hold at all times together. Source: Robbins (1970), Annals of Mathematical
    Statistics 41, 1397-1409.

    Parameters
    ----------
    k : float
        Number of events.
    n : float
        Number of trials, above 0.
    confidence : float, default 0.95
        Probability that the truth is within the limits at all times.
    prior : (float, float), default PRIOR
        Parameters of the beta distribution of the mixture.

    Raises
    ------
    NotEnoughDataError
        If n is 0.
    InputError
        If k is not between 0 and n.
    """
    _check_count((k, n))
    limits = running_limits(np.array([k]), np.array([n]), confidence=confidence, prior=prior)
    error = math.sqrt(k / n * (1 - k / n) / n)
    return IntervalEstimate(k / n, float(limits.low[0]), float(limits.high[0]), error, confidence, METHOD)


def running_limits(
    events: ArrayLike, trials: ArrayLike, *, confidence: float = 0.95, prior: tuple[float, float] = PRIOR
) -> RunningLimits:
    """Rates with the limits of a confidence sequence at several times.

    Parameters
    ----------
    events : array of float
        Numbers of events.
    trials : array of float
        Numbers of trials, above 0.
    confidence : float, default 0.95
        Probability that the truth is within the limits at all times.
    prior : (float, float), default PRIOR
        Parameters of the beta distribution of the mixture.
    """
    k, n = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    rate, threshold = k / n, -math.log(1 - confidence)

    def is_inside(p: Floats) -> np.ndarray:
        return np.asarray(log_evidence(k, n, p, prior) < threshold)

    return RunningLimits(rate, _last_inside(rate, 0.0, is_inside), _last_inside(rate, 1.0, is_inside))


def one_sided_limit(
    k: float, n: float, side: Literal["upper", "lower"], *, error: float = 0.05, prior: tuple[float, float] = PRIOR
) -> float:
    """One limit of the probability of an event that holds at all times together.

    The e-process against "at least p" mixes over the beta distribution below p only. Each of its likelihood ratios
    falls with every event, so that its expectation is at most 1 for every probability from p on.

    Parameters
    ----------
    k : float
        Number of events.
    n : float
        Number of trials.
    side : {"upper", "lower"}
        Which limit.
    error : float, default 0.05
        Greatest probability that the limit is ever wrong.
    prior : (float, float), default PRIOR
        Parameters of the beta distribution.

    Returns
    -------
    float
        1 (upper) or 0 (lower) without a trial.
    """
    if side == "lower":
        return 1 - one_sided_limit(n - k, n, "upper", error=error, prior=(prior[1], prior[0]))
    if n <= 0:
        return 1.0
    _check_count((k, n))

    def is_inside(p: Floats) -> np.ndarray:
        return np.asarray(log_evidence_below(k, n, p, prior) < -math.log(error))

    return float(_last_inside(np.array([k / n]), 1.0, is_inside)[0])


def log_evidence_below(
    events: ArrayLike, trials: ArrayLike, rate: ArrayLike, prior: tuple[float, float] = PRIOR
) -> Floats:
    """Logarithm of the e-process against "the rate is at least p": the mixture is over rates below p.

    Parameters
    ----------
    events : array of float
        Numbers of events.
    trials : array of float
        Numbers of trials.
    rate : array of float
        Smallest rates p under the null hypothesis.
    prior : (float, float), default PRIOR
        Parameters of the beta distribution.
    """
    k, n, p = (np.asarray(each, dtype=float) for each in (events, trials, rate))
    with np.errstate(divide="ignore"):
        below = np.log(betainc(prior[0] + k, prior[1] + n - k, p)) - np.log(betainc(*prior, p))
    return np.asarray(log_evidence(k, n, p, prior) + below)


def sequence_difference(one: Count, other: Count, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of two rates p1 - p2 with limits that hold at all times of both samples together.

    Estimand: p1 - p2. Assumes independent trials with one probability in each sample; they may come in any order
    and number. The product of both e-processes is one for the pair (p1, p2); the limits are the differences for which
    its smallest value along p1 - p2 = d is below 1 / error.

    Parameters
    ----------
    one : (k, n)
        Events and trials of the first sample.
    other : (k, n)
        Events and trials of the second sample.
    confidence : float, default 0.95
        Probability that the truth is within the limits at all times.

    Raises
    ------
    NotEnoughDataError
        If a sample is empty.
    """
    _check_count(one)
    _check_count(other)
    (k1, n1), (k2, n2) = one, other
    threshold, value = -math.log(1 - confidence), k1 / n1 - k2 / n2

    def is_inside(delta: Floats) -> np.ndarray:
        return np.array([difference_evidence(one, other, float(d)) < threshold for d in delta])

    low, high = (float(_last_inside(np.array([value]), end, is_inside)[0]) for end in (-1.0, 1.0))
    error = math.sqrt(k1 / n1 * (1 - k1 / n1) / n1 + k2 / n2 * (1 - k2 / n2) / n2)
    return IntervalEstimate(value, low, high, error, confidence, METHOD)


def difference_evidence(one: Count, other: Count, delta: float) -> float:
    """Smallest joint log evidence of pairs of rates with a difference: it is convex along them (golden section).

    Parameters
    ----------
    one : (k, n)
        Events and trials of the first sample.
    other : (k, n)
        Events and trials of the second sample.
    delta : float
        The difference p1 - p2.
    """
    left, right = max(0.0, delta) + _EDGE, min(1.0, 1 + delta) - _EDGE
    if left >= right:
        return math.inf

    def joint(p: Floats) -> Floats:
        return log_evidence(*one, p) + log_evidence(*other, np.clip(p - delta, _EDGE, 1 - _EDGE))

    golden = (math.sqrt(5) - 1) / 2
    for _ in range(_GOLDEN):
        inner = np.array([right - golden * (right - left), left + golden * (right - left)])
        low, high = joint(inner)
        left, right = (left, inner[1]) if low < high else (inner[0], right)
    return float(joint(np.array([(left + right) / 2]))[0])


def _last_inside(start: Floats, end: float, is_inside: Callable[[Floats], np.ndarray]) -> Floats:
    """By bisection from values inside the limits: the outermost values towards an end that are still inside."""
    inside, outside = start.astype(float), np.full_like(start, end, dtype=float)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        good = is_inside(middle)
        inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
    return outside


def _check_count(count: Count) -> None:
    k, n = count
    if n <= 0:
        raise NotEnoughDataError(f"rate of {k:g} of {n:g}: there is no trial to count")
    if not 0 <= k <= n:
        raise InputError(f"rate of {k:g} of {n:g}: the count must lie between 0 and the number of trials")


def cumulative_counts(events: Sequence[bool] | np.ndarray) -> tuple[Floats, Floats]:
    """Numbers of events and of trials after each trial."""
    seen = np.asarray(events, dtype=float)
    return np.cumsum(seen), np.arange(1, len(seen) + 1, dtype=float)
