"""Differences of paired proportions: intervals and exact tests from the four cells of a paired table; takes counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

_EDGE = 1e-12
_TIE = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """Units by whether each of two methods was right on them; fractional where they are effective counts.

    Attributes
    ----------
    both, only_a, only_b, neither : float
        Units on which both, only the first, only the second, or neither was right.
    """

    both: float
    only_a: float
    only_b: float
    neither: float

    def __post_init__(self) -> None:
        """Check that there is something to compare.

        Raises
        ------
        InputError
            If a count is negative.
        NotEnoughDataError
            If all are 0.
        """
        if min(self.both, self.only_a, self.only_b, self.neither) < 0:
            raise InputError("paired comparison: a count is negative: pass numbers of units")
        if not self.units > 0:
            raise NotEnoughDataError("paired comparison: there is no unit that both were tried on")

    @property
    def units(self) -> float:
        """Number of units."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Share right by the second, minus share right by the first."""
        return (self.only_b - self.only_a) / self.units


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """P-values of the hypothesis that two methods are right equally often on the same units, two-sided.

    Attributes
    ----------
    exact : float
        Exact conditional test; its size is at most nominal.
    mid : float
        With half the probability of the observed table (mid-p): less conservative, its size is close to nominal.
    """

    exact: float
    mid: float


def mcnemar_test(only_a: int, only_b: int, *, weights: tuple[float, float] = (1.0, 1.0)) -> McNemarTest:
    """McNemar's test, exact and mid-p.

    Null hypothesis: both methods are right with the same probability. Assumes that units are independent. Given the
    number of units on which exactly one is right, the number on which only the first is right is binomial with
    probability 1/2. If a unit of these two cells represents w_a and w_b of the population, the probability is
    (1 / w_a) / (1 / w_a + 1 / w_b): exact for known weights, close for weights that were estimated. Two-sided: the
    probability of all outcomes that are at most as probable as the observed one. Sources: McNemar (1947); Fagerland,
    Lydersen and Laake (2013) for mid-p. Reproduces Armitage and Berry (1994): 12 and 2, p = .0129; Bentur et al.
    (2009): 1 and 7, p = .0703, mid-p .0391 (Fagerland, Lydersen and Laake 2014).

    Parameters
    ----------
    only_a : int
        Units on which only the first is right.
    only_b : int
        Units on which only the second is right.
    weights : (float, float), default (1.0, 1.0)
        Mean inverse inclusion probability of the units of both cells, on any scale.

    Raises
    ------
    InputError
        If a count is negative or a weight is not above 0.
    """
    from scipy.stats import binom

    if min(only_a, only_b) < 0 or min(weights) <= 0:
        raise InputError(f"McNemar's test of {only_a} and {only_b} units: counts below 0 or weights that are not above")
    differing = only_a + only_b
    if not differing:
        return McNemarTest(1.0, 1.0)
    chance = weights[1] / (weights[0] + weights[1])
    masses = np.asarray(binom.pmf(np.arange(differing + 1), differing, chance))
    observed = float(masses[only_a])
    as_rare = masses <= observed * _TIE
    exact = min(1.0, float(masses[as_rare].sum()))
    ties = as_rare & (masses >= observed / _TIE)
    return McNemarTest(exact, exact - float(masses[ties].sum()) / 2)


def newcombe_paired(counts: PairedCounts, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of paired shares with Newcombe's interval: Wilson's limits of both, combined by squares.

    Estimand: P(second right) - P(first right). Assumes independent units. Limits are those of both shares (Wilson)
    with the correlation phi of the paired table, corrected for continuity where it is positive. Source: Newcombe
    (1998), Statistics in Medicine 17, 2635, method 10. Reproduces Bentur et al. (2009), cells 1, 1, 7, 12: -.507 to
    -.026 (Fagerland, Lydersen and Laake 2014).

    Parameters
    ----------
    counts : PairedCounts
        The four cells.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    """
    n = counts.units
    rights = (min(counts.both + alone, n) for alone in (counts.only_a, counts.only_b))
    first, second = (wilson_interval(right, n, confidence=confidence) for right in rights)
    phi = _corrected_phi(counts)
    below, above = second.value - second.low, first.high - first.value
    low = counts.difference - math.sqrt(max(0.0, below**2 + above**2 - 2 * phi * below * above))
    below, above = second.high - second.value, first.value - first.low
    high = counts.difference + math.sqrt(max(0.0, below**2 + above**2 - 2 * phi * below * above))
    return _estimate_of(counts, low, high, confidence, "Newcombe, paired")


def tango_interval(counts: PairedCounts, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of paired shares with Tango's score interval.

    Estimand and assumptions as for `newcombe_paired`. The interval holds the differences that the score test does not
    reject, the probability of the other discordant cell being at its restricted maximum likelihood; at difference 0
    that is McNemar's asymptotic test. It never has width 0: where no unit differs its half width is about
    z^2 / (n + z^2). Source: Tango (1998), Statistics in Medicine 17, 891. Reproduces Bentur et al. (2009), cells 1, 1,
    7, 12: -.517 to -.026 (Fagerland, Lydersen and Laake 2014).

    Parameters
    ----------
    counts : PairedCounts
        The four cells.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    """
    from scipy.optimize import brentq

    z = float(ndtri(0.5 + confidence / 2))
    point = counts.difference
    low = -1.0 if point <= -1 + _EDGE else brentq(lambda at: _score(counts, at) - z, -1 + _EDGE, point)
    high = 1.0 if point >= 1 - _EDGE else brentq(lambda at: _score(counts, at) + z, point, 1 - _EDGE)
    return _estimate_of(counts, float(low), float(high), confidence, "Tango")


def paired_difference(counts: PairedCounts, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of paired shares with the outer limits of Tango's and Newcombe's intervals.

    Estimand and assumptions as for `newcombe_paired`. Each of the two covers a little less than its nominal level in
    some regions (Tango's .94 to .95 with 60 to 300 units); the outer limits cover at least it in all that
    bench/calibration_methods/paired_comparison.py measures, and are at most a few per cent wider.

    Parameters
    ----------
    counts : PairedCounts
        The four cells.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    """
    one, other = (method(counts, confidence=confidence) for method in (tango_interval, newcombe_paired))
    low, high = min(one.low, other.low), max(one.high, other.high)
    return _estimate_of(counts, low, high, confidence, "Tango and Newcombe, paired")


def _score(counts: PairedCounts, difference: float) -> float:
    """The score statistic of a difference; falls as the difference grows."""
    n, b, c = counts.units, counts.only_b, counts.only_a
    linear = (2 * n - b + c) * difference - b - c
    constant = -c * difference * (1 - difference)
    other = (math.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * other + difference * (1 - difference))
    gap = b - c - n * difference
    if variance <= 0:
        return math.copysign(math.inf, gap) if abs(gap) > _EDGE else 0.0
    return gap / math.sqrt(variance)


def _corrected_phi(counts: PairedCounts) -> float:
    """Correlation of both methods being right, corrected for continuity as in Newcombe's method 10."""
    e, f, g, h = counts.both, counts.only_a, counts.only_b, counts.neither
    margins = (e + f) * (g + h) * (e + g) * (f + h)
    if margins <= 0:
        return 0.0
    excess = e * h - f * g
    if excess > 0:
        excess = max(excess - counts.units / 2, 0.0)
    return excess / math.sqrt(margins)


def _estimate_of(counts: PairedCounts, low: float, high: float, confidence: float, method: str) -> IntervalEstimate:
    n, point = counts.units, counts.difference
    spread = (counts.only_a + counts.only_b) / n - point**2
    error = math.sqrt(max(0.0, spread) / n)
    return IntervalEstimate(point, min(max(low, -1.0), point), max(min(high, 1.0), point), error, confidence, method)
