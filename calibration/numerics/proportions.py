"""Rates and differences of rates with intervals, uncorrected and corrected for a judge's errors; takes counts.

A count is a pair (k, n): k of n. Counts may be fractional if they are effective counts of a weighted sample.
"""

from __future__ import annotations

import math
from functools import cache

from scipy.special import betaincinv, ndtri

from gnomon.calibration.numerics.number_formats import format_percent
from gnomon.calibration.numerics.prediction_powered import ppi_mean
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

__all__ = [
    "Count",
    "clopper_pearson",
    "difference_interval",
    "jeffreys_interval",
    "lang_reiczigel",
    "newcombe_difference",
    "ppi_mean",
    "rogan_gladen",
    "wilson_interval",
]

Count = tuple[float, float]
CLIPPED = " (clipped)"
"""End of the method's name where the point estimate lay outside the possible values and was cut to the nearest."""
CUT = 1e-9
_TINY = 1e-9


def wilson_interval(k: float, n: float, *, confidence: float = 0.95) -> IntervalEstimate:
    """Share k / n with Wilson's score interval.

    Estimand: the probability of the event. Assumes n independent trials with the same probability. Inverts the score
    test; mean coverage is close to nominal also for small n. Source: Wilson (1927); Brown, Cai, DasGupta (2001).

    Parameters
    ----------
    k : float
        Number of events.
    n : float
        Number of trials, above 0.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If n is 0.
    InputError
        If k is not between 0 and n.
    """
    _check_counts(k, n)
    share, crit = k / n, _normal_quantile(0.5 + confidence / 2)
    denominator = 1 + crit * crit / n
    centre = (share + crit * crit / (2 * n)) / denominator
    inside = share * (1 - share) / n + crit * crit / (4 * n * n)
    reach = crit * math.sqrt(max(inside, 0.0)) / denominator
    error = _share_error(k, n)
    return _make_estimate(share, centre - reach, centre + reach, error, confidence, "Wilson")


@cache
def _normal_quantile(probability: float) -> float:
    return float(ndtri(probability))


def clopper_pearson(k: float, n: float, *, confidence: float = 0.95) -> IntervalEstimate:
    """Share k / n with the exact interval of Clopper and Pearson (1934), whose coverage is at least nominal.

    Estimand and assumptions as for `wilson_interval`; limits are quantiles of beta distributions.

    Parameters
    ----------
    k : float
        Number of events.
    n : float
        Number of trials, above 0.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If n is 0.
    InputError
        If k is not between 0 and n.
    """
    _check_counts(k, n)
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return _make_estimate(k / n, low, high, _share_error(k, n), confidence, "Clopper-Pearson")


def jeffreys_interval(k: float, n: float, *, confidence: float = 0.95) -> IntervalEstimate:
    """Share k / n with the equal-tailed posterior interval under Jeffreys' prior beta(1/2, 1/2).

    Estimand and assumptions as for `wilson_interval`. At k = 0 the lower limit is 0, at k = n the upper limit is 1; the
    other limit stays inside, so that the interval never has width 0. Source: Brown, Cai, DasGupta (2001).

    Parameters
    ----------
    k : float
        Number of events.
    n : float
        Number of trials, above 0.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If n is 0.
    InputError
        If k is not between 0 and n.
    """
    _check_counts(k, n)
    tail = (1 - confidence) / 2
    low, high = (float(betaincinv(k + 0.5, n - k + 0.5, end)) for end in (tail, 1 - tail))
    return _make_estimate(k / n, low, high, _share_error(k, n), confidence, "Jeffreys")


def newcombe_difference(k1: float, n1: float, k2: float, n2: float, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference k1 / n1 - k2 / n2 of independent shares with Newcombe's interval.

    Combines the Wilson limits of both shares by squares, without continuity correction. Source: Newcombe (1998), method
    10.

    Parameters
    ----------
    k1 : float
        Events of the first sample.
    n1 : float
        Trials of the first sample, above 0.
    k2 : float
        Events of the second sample.
    n2 : float
        Trials of the second sample, above 0.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If a sample is empty.
    InputError
        If a count is not between 0 and its number of trials.
    """
    one, other = (wilson_interval(k, n, confidence=confidence) for k, n in ((k1, n1), (k2, n2)))
    found = difference_interval(one, other)
    return _make_estimate(found.value, found.low, found.high, found.se, confidence, "Newcombe", bounds=(-1.0, 1.0))


def difference_interval(one: IntervalEstimate, other: IntervalEstimate) -> IntervalEstimate:
    """Difference of two independent estimates from their own, possibly asymmetric, limits.

    Method of variance estimates recovery (MOVER): each side's distances from estimate to limit add by squares. Source:
    Zou and Donner (2008).

    Parameters
    ----------
    one : IntervalEstimate
        Estimate to subtract from.
    other : IntervalEstimate
        Estimate to subtract, with the same nominal coverage.

    Raises
    ------
    InputError
        If the nominal coverages differ.
    """
    if one.level != other.level:
        raise InputError(f"intervals of {one.level:g} and {other.level:g}: a difference needs the same level for both")
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return IntervalEstimate(value, low, high, math.hypot(one.se, other.se), one.level, "MOVER")


def rogan_gladen(
    apparent: Count, sensitivity: Count, specificity: Count, clip: bool = True, *, confidence: float = 0.95
) -> IntervalEstimate:
    """True rate from a judge's apparent rate and its error rates, with the delta-method interval.

    Estimand: probability of the event among trials like those counted in `apparent`. Assumes three independent
    samples and error rates that are the same as on the labelled trials. (p + Sp - 1) / (Se + Sp - 1); the variance
    adds those of all three shares. Source: Rogan and Gladen (1978). It is too narrow near 0 and 1 and if the
    observed Se or Sp is 1; prefer `lang_reiczigel`.

    Parameters
    ----------
    apparent : (k, n)
        Judged events of all judged trials.
    sensitivity : (k, n)
        Hits of true events.
    specificity : (k, n)
        Correct rejections of true non-events.
    clip : bool, default True
        Cut estimate and limits to [0, 1].
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If a sample is empty or sensitivity + specificity <= 1: such a judge is not informative.
    """
    value, youden = _rogan_gladen(apparent, sensitivity, specificity)
    rates = zip((apparent, sensitivity, specificity), (1.0, value, 1 - value), strict=True)
    variance = sum(factor**2 * (k / n) * (1 - k / n) / n for (k, n), factor in rates)
    error = math.sqrt(variance) / youden
    half = float(ndtri(0.5 + confidence / 2)) * error
    limits = (0.0, 1.0) if clip else (-math.inf, math.inf)
    return _make_estimate(value, value - half, value + half, error, confidence, "Rogan-Gladen", limits)


def lang_reiczigel(
    apparent: Count, sensitivity: Count, specificity: Count, clip: bool = True, *, confidence: float = 0.95
) -> IntervalEstimate:
    """True rate from a judge's apparent rate and its error rates, with Lang and Reiczigel's interval.

    Estimand and assumptions as for `rogan_gladen`, whose point estimate it keeps. Limits add pseudo counts to all three
    shares (z^2 / 2 of z^2; 1 of 2; 1 of 2), shift the centre and then take normal limits. Source: Lang and Reiczigel
    (2014), Preventive Veterinary Medicine 113; nominal coverage also for small samples.

    Parameters
    ----------
    apparent : (k, n)
        Judged events of all judged trials.
    sensitivity : (k, n)
        Hits of true events.
    specificity : (k, n)
        Correct rejections of true non-events.
    clip : bool, default True
        Cut estimate and limits to [0, 1].
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If a sample is empty, or sensitivity + specificity <= 1 before or after adjustment.
    """
    value, _ = _rogan_gladen(apparent, sensitivity, specificity)
    z = float(ndtri(0.5 + confidence / 2))
    p, n = _adjusted_count(apparent, z * z)
    se, m1 = _adjusted_count(sensitivity, 2.0)
    sp, m0 = _adjusted_count(specificity, 2.0)
    youden = se + sp - 1
    if youden <= _TINY:
        raise NotEnoughDataError("correction: too few labels to tell the judge from a coin: label more transcripts")
    rate = (p + sp - 1) / youden
    spread1, spread0 = se * (1 - se) / m1, sp * (1 - sp) / m0
    centre = rate + 2 * z * z * (rate * spread1 - (1 - rate) * spread0)
    error = math.sqrt(p * (1 - p) / n + rate**2 * spread1 + (1 - rate) ** 2 * spread0) / youden
    limits = (0.0, 1.0) if clip else (-math.inf, math.inf)
    return _make_estimate(value, centre - z * error, centre + z * error, error, confidence, "Lang-Reiczigel", limits)


def allocate_labels(
    total: int, rate: float, sensitivity: float, specificity: float, *, pilot: int = 0
) -> tuple[int, int]:
    """Split a budget of labels between non-events and events for the shortest corrected interval: (m0, m1).

    Estimand: the split that minimises the width of Lang and Reiczigel's interval. Assumes a good judge, so that the
    true rate is near the apparent one and q (1 - q) near 1 - q: m0 / m1 = (1 / p - 1) sqrt((1 - q0) / (1 - q1)), with
    q0, q1 adjusted by one success and one failure of the pilot. Source: Lee et al. (2025), arXiv 2511.21140. For
    labels chosen by verdicts, and for any judge, `gnomon.calibration.queue.sample_size` simulates instead.

    Parameters
    ----------
    total : int
        Number of labels, those of the pilot included.
    rate : float
        Share of all trials judged events.
    sensitivity : float
        The judge's sensitivity, from a pilot or assumed.
    specificity : float
        The judge's specificity, from a pilot or assumed.
    pilot : int, default 0
        Labelled trials of each kind in the pilot; each kind gets at least as many.

    Raises
    ------
    InputError
        If a share is outside 0 to 1, or the budget is below twice the pilot.
    """
    if not all(0 <= share <= 1 for share in (rate, sensitivity, specificity)):
        raise InputError(
            f"label budget: rate {rate:g}, sensitivity {sensitivity:g}, specificity {specificity:g}: give shares"
        )
    if total < max(2 * pilot, 1) or pilot < 0:
        raise InputError(
            f"label budget of {total} with a pilot of {pilot} of each kind: plan for at least twice the pilot"
        )
    wrong0, wrong1 = (1 - (pilot * share + 1) / (pilot + 2) for share in (specificity, sensitivity))
    ratio = (1 / max(rate, _TINY) - 1) * math.sqrt(wrong0 / wrong1)
    events = min(max(round(total / (1 + ratio)), pilot), total - pilot)
    return total - events, events


def _share_error(k: float, n: float) -> float:
    return math.sqrt(max(k / n * (1 - k / n) / n, 0.0))


def _rogan_gladen(apparent: Count, sensitivity: Count, specificity: Count) -> tuple[float, float]:
    for k, n in (apparent, sensitivity, specificity):
        _check_counts(k, n)
    p, se, sp = (k / n for k, n in (apparent, sensitivity, specificity))
    if se + sp - 1 <= _TINY:
        raise NotEnoughDataError(
            f"correction: sensitivity {format_percent(se)} and specificity {format_percent(sp)} add to 100 % or less, "
            "so the judge says nothing about the truth: use another judge"
        )
    return (p + sp - 1) / (se + sp - 1), se + sp - 1


def _adjusted_count(count: Count, pseudo: float) -> tuple[float, float]:
    k, n = count
    return (k + pseudo / 2) / (n + pseudo), n + pseudo


def _check_counts(k: float, n: float) -> None:
    if n <= 0:
        raise NotEnoughDataError(f"rate of {k:g} of {n:g}: there is no trial to count")
    if not 0 <= k <= n * (1 + _TINY):
        raise InputError(f"rate of {k:g} of {n:g}: the count must lie between 0 and the number of trials")


def _make_estimate(
    value: float,
    low: float,
    high: float,
    error: float,
    confidence: float,
    method: str,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> IntervalEstimate:
    """An estimate whose interval contains its own point and stays within the bounds; its method says if it was cut."""
    point, floor, top = (min(bounds[1], max(bounds[0], float(part))) for part in (value, low, high))
    told = f"{method}{CLIPPED}" if abs(point - value) > CUT else method
    return IntervalEstimate(point, min(floor, point), max(top, point), error, confidence, told)
