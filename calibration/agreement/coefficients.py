"""Chance-corrected agreement between raters, each coefficient with an interval; takes arrays and knows nothing of a
study.

Every coefficient is (pa - pe) / (1 - pe): observed agreement pa, agreement expected by chance pe. They differ in how
they define chance agreement. Intervals treat the units as a random sample of all units and the raters as fixed.

Where raters agree on every unit, or on none, the published standard errors are 0 or nearly so. There the limit on the
inner side is that of Jeffreys' interval of pa (Brown, Cai, DasGupta 2001) with pe as observed: at pa = 1 the
coefficient's derivative in pe is 0, so that only pa's own uncertainty matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from gnomon.calibration.numerics.proportions import jeffreys_interval
from gnomon.calibration.numerics.rating_arrays import (
    TINY,
    Floats,
    Level,
    as_ratings,
    check_square,
    count_ratings,
    counts_table,
    distance_weights,
    named_weights,
)
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

Chance = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True, slots=True)
class AgreementShares:
    """Observed agreement pa over `units` rated twice or more, and agreement expected by chance pe."""

    observed: float
    expected: float
    units: float

    def inner_limits(self, confidence: float) -> tuple[float, float]:
        """Limits of the coefficient where pa is 0 or 1; no limits elsewhere."""
        if TINY < self.observed < 1 - TINY:
            return 1.0, -1.0
        share = jeffreys_interval(round(self.observed) * self.units, self.units, confidence=confidence)
        low, high = ((limit - self.expected) / (1 - self.expected) for limit in (share.low, share.high))
        return low, high


def cohen_kappa(
    table: ArrayLike, *, confidence: float = 0.95, quantile: Literal["normal", "t"] = "normal"
) -> IntervalEstimate:
    """Cohen's kappa of two raters.

    Estimand: agreement beyond that expected by chance of two raters with these margins. Assumes that units are a
    random sample and that both raters rated all of them. pa = share on the diagonal, pe = sum of products of
    margins; standard error of Fleiss, Cohen and Everitt (1969), `cohen_variance`.

    Parameters
    ----------
    table : array (q, q)
        Counts: first rater's category by second rater's.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    quantile : {"normal", "t"}, default "normal"
        Interval from the normal distribution (as SAS does) or from Student's t with n - 1 degrees of freedom (Gwet).

    Raises
    ------
    NotEnoughDataError
        If there are no units, or a rater used one category only: then chance explains all agreement.
    """
    counts = check_square(table)
    shares = counts / counts.sum()
    expected = float(shares.sum(axis=0) @ shares.sum(axis=1))
    _need_variety(expected)
    if (counts.sum(axis=0) > 0).sum() == 1 or (counts.sum(axis=1) > 0).sum() == 1:
        raise NotEnoughDataError("agreement: one rater used one category only, so kappa is 0 whatever the other said")
    value = (float(np.trace(shares)) - expected) / (1 - expected)
    error = math.sqrt(max(float(cohen_variance(shares[None], np.array([value]), np.array([expected]))[0]), 0.0))
    freedom = int(counts.sum()) - 1
    factor = ndtri(0.5 + confidence / 2) if quantile == "normal" else stdtrit(freedom, 0.5 + confidence / 2)
    agreed = AgreementShares(float(np.trace(shares)), expected, float(counts.sum()))
    return interval_around(
        value, error / math.sqrt(float(counts.sum())), float(factor), "Cohen's kappa", confidence, agreed
    )


def cohen_variance(cells: Floats, kappa: Floats, chance: Floats) -> Floats:
    """Large-sample variance of Cohen's kappa times the number of units, for P pairs of raters.

    Source: Fleiss, Cohen and Everitt (1969), formula 13.

    Parameters
    ----------
    cells : array (P, q, q)
        Share of the units in each cell of the pair's table.
    kappa : array (P,)
        Kappa of each pair.
    chance : array (P,)
        Agreement expected by chance, below 1.

    Returns
    -------
    array (P,)
    """
    first, second = cells.sum(axis=2), cells.sum(axis=1)
    miss = 1 - kappa
    diagonal = np.diagonal(cells, axis1=1, axis2=2)
    right = (diagonal * (1 - (first + second) * miss[:, None]) ** 2).sum(axis=1)
    off = cells * (1 - np.eye(cells.shape[1]))
    wrong = miss**2 * (off * (second[:, :, None] + first[:, None, :]) ** 2).sum(axis=(1, 2))
    found: Floats = (right + wrong - (kappa - chance * miss) ** 2) / (1 - chance) ** 2
    return found


def fleiss_kappa(counts: ArrayLike, *, confidence: float = 0.95) -> IntervalEstimate:
    """Fleiss' kappa of several raters; units may have different numbers of ratings.

    Estimand: agreement beyond that of raters who all draw at random from the pooled category shares.
    pe = sum of squared shares. Source: Fleiss (1971), with missing ratings and standard error by linearisation as in
    Gwet (2014).

    Parameters
    ----------
    counts : array (units, q)
        How many raters put the unit into each category.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If no unit has two ratings, fewer than two units are rated, or all ratings are equal.
    """
    table = counts_table(counts)

    def chance(shares: Floats) -> tuple[float, Floats]:
        return float(shares @ shares), 2 * shares

    return _pooled_kappa(table, np.eye(table.shape[1]), chance, "Fleiss' kappa", confidence)


def gwet_ac1(
    ratings: ArrayLike,
    *,
    categories: Sequence[float] | None = None,
    units: ArrayLike | None = None,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Gwet's AC1 of two or more raters.

    Estimand: agreement beyond that of raters who guess at random on the units that are hard to rate. Unlike
    kappa it stays near the observed agreement if one category is rare. pe = sum of p_k (1 - p_k) / (q - 1).
    Source: Gwet (2008; 2014 for missing ratings). Assumes that missing ratings are missing at random.

    Parameters
    ----------
    ratings : array (units, raters)
        Category codes, NaN where a rater did not rate a unit.
    categories : sequence of float, optional
        All categories that could be chosen; by default those that were.
    units : array (units,), optional
        Number of units that each row stands for; 1 by default.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If no unit has two ratings, fewer than two units are rated, or there is one category only.
    """
    table, values = count_ratings(ratings, categories)
    return _gwet_from_table(table, np.eye(len(values)), "Gwet's AC1", confidence, _unit_numbers(table, units))


def gwet_ac2(
    ratings: ArrayLike,
    weights: Literal["linear", "quadratic", "ordinal"] | ArrayLike,
    *,
    categories: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Gwet's AC2: AC1 with partial credit, for ordered categories (Gwet 2014).

    Parameters
    ----------
    ratings : array (units, raters)
        Category codes, NaN where a rater did not rate a unit.
    weights : {"linear", "quadratic", "ordinal"} or array (q, q)
        Credit for each pair of categories, 1 on the diagonal; the named weights decrease with the distance of the
        codes, with its square, and with the number of categories spanned.
    categories : sequence of float, optional
        All categories that could be chosen; by default those that occur.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    InputError
        If the shape of `weights` does not match the number of categories.
    """
    table, values = count_ratings(ratings, categories)
    credit = named_weights(weights, values) if isinstance(weights, str) else np.asarray(weights, dtype=float)
    if credit.shape != (len(values), len(values)):
        raise InputError(f"weights of shape {credit.shape}: {len(values)} categories need a square of that size")
    return _gwet_from_table(table, credit, "Gwet's AC2", confidence)


def brennan_prediger(ratings: ArrayLike, *, confidence: float = 0.95) -> IntervalEstimate:
    """Brennan and Prediger's kappa (1981): chance is a uniform guess, pe = 1 / q, over the categories that occur.

    Parameters
    ----------
    ratings : array (units, raters)
        Category codes, NaN where a rater did not rate a unit.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    """
    table, values = count_ratings(ratings, None)

    def chance(shares: Floats) -> tuple[float, Floats]:
        return 1 / len(shares), np.zeros_like(shares)

    return _pooled_kappa(table, np.eye(len(values)), chance, "Brennan and Prediger's kappa", confidence)


def krippendorff_alpha(
    ratings: ArrayLike, level: Level = "nominal", *, units: ArrayLike | None = None, confidence: float = 0.95
) -> IntervalEstimate:
    """Krippendorff's alpha of two or more raters.

    Estimand: 1 - observed / expected disagreement, chance being a random pairing of all values given. Only units
    with two ratings or more count. Distances: nominal 0 or 1; ordinal by the ranks between; interval (a - b)^2;
    ratio ((a - b) / (a + b))^2. Source: Krippendorff (2011) for the value; standard error by linearisation
    (Gwet 2014) with the distances taken as fixed, Student's t with units - 1 degrees of freedom.

    Parameters
    ----------
    ratings : array (units, raters)
        Values, NaN where a rater did not rate a unit.
    level : {"nominal", "ordinal", "interval", "ratio"}
        Scale of measurement of the values.
    units : array (units,), optional
        Number of units that each row stands for; 1 by default.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If no unit has two ratings, fewer than two units are rated, or all ratings are equal.
    """
    table, values = count_ratings(ratings, None)
    twice, number = _rated_twice(table), _unit_numbers(table, units)
    table, number = table[twice], number[twice]
    weights = distance_weights(level, values, number @ table)
    value, crude, influence, agreed = _alpha_from_table(table, weights, number)
    return _from_influence(value, influence, crude, f"Krippendorff's alpha, {level}", confidence, agreed, number)


def _unit_numbers(table: Floats, units: ArrayLike | None) -> Floats:
    return np.ones(len(table)) if units is None else np.asarray(units, dtype=float)


def _alpha_from_table(table: Floats, weights: Floats, number: Floats) -> tuple[float, float, Floats, AgreementShares]:
    """Alpha, alpha without its small-sample correction, the influence of each unit on the latter, and both shares."""
    given, units = table.sum(axis=1), float(number.sum())
    total = float(number @ given)
    mean, shares = total / units, number @ table / total
    expected = float(shares @ weights @ shares)
    _need_variety(expected)
    paired = (table * (table @ weights - 1)).sum(axis=1) / (mean * (given - 1))
    raw = float(number @ paired) / units
    observed = raw + (1 - raw) / total
    crude = (raw - expected) / (1 - expected)
    uneven = (given - mean) / mean
    chance = table @ weights @ shares / mean - expected * uneven
    influence = (paired - observed * uneven - expected - 2 * (1 - crude) * (chance - expected)) / (1 - expected)
    agreed = AgreementShares(raw, expected, units)
    return float((observed - expected) / (1 - expected)), crude, influence, agreed


def conger_kappa(ratings: ArrayLike, *, confidence: float = 0.95) -> IntervalEstimate:
    """Conger's kappa (1980): Cohen's kappa for several raters, each with its own margins; nominal categories.

    Chance is the agreement expected of a random pair of raters given their own margins. Standard error by
    linearisation, Student's t with units - 1 degrees of freedom. Assumes that missing ratings are missing at
    random.

    Parameters
    ----------
    ratings : array (units, raters)
        Category codes, NaN where a rater did not rate a unit.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    """
    values = as_ratings(ratings)
    if np.isnan(values).all():
        raise NotEnoughDataError("agreement: no unit is rated: label some first")
    values = values[~np.isnan(values).all(axis=1)][:, ~np.isnan(values).all(axis=0)]
    hits = (values[:, :, None] == np.unique(values[~np.isnan(values)])).astype(float)
    rated = hits.sum(axis=2)
    twice = _rated_twice(hits.sum(axis=1))
    margins = hits.sum(axis=0) / rated.sum(axis=0)[:, None]
    slopes = (margins.sum(axis=0) - margins) / (len(margins) * (len(margins) - 1))
    expected = float((slopes * margins).sum())
    _need_variety(expected)
    moved = (hits - rated[:, :, None] * margins) * (len(values) / rated.sum(axis=0))[:, None]
    observed = np.zeros(len(values))
    agreeing = _observed_agreement(hits.sum(axis=1)[twice], np.eye(hits.shape[2]))
    observed[twice] = agreeing - expected
    observed *= len(values) / twice.sum()
    value = float(observed.mean()) / (1 - expected)
    influence = (observed - (1 - value) * 2 * np.einsum("urq,rq->u", moved, slopes)) / (1 - expected)
    agreed = AgreementShares(float(agreeing.mean()), expected, int(twice.sum()))
    return _from_influence(value, influence, value, "Conger's kappa", confidence, agreed, np.ones(len(influence)))


def _gwet_from_table(
    table: Floats, weights: Floats, method: str, confidence: float, number: Floats | None = None
) -> IntervalEstimate:
    q = table.shape[1]
    _need_variety(1.0 if q == 1 else 0.0)
    scale = float(weights.sum()) / (q * (q - 1))

    def chance(shares: Floats) -> tuple[float, Floats]:
        return scale * float((shares * (1 - shares)).sum()), scale * (1 - 2 * shares)

    return _pooled_kappa(table, weights, chance, method, confidence, number)


def _pooled_kappa(
    table: Floats, weights: Floats, chance: Chance, method: str, confidence: float, number: Floats | None = None
) -> IntervalEstimate:
    """A coefficient whose chance term is a function of the pooled shares, with its linearised standard error.

    `chance` gives pe and its gradient in the shares. Units with one rating inform the shares only. `number` is how many
    units each row stands for.
    """
    rated = table.sum(axis=1) >= 1
    number = _unit_numbers(table, number)[rated]
    table, units = table[rated], float(number.sum())
    twice = _rated_twice(table)
    each = table / table.sum(axis=1, keepdims=True)
    shares = number @ each / units
    expected, gradient = chance(shares)
    _need_variety(expected)
    observed = np.zeros(len(table))
    agreeing = _observed_agreement(table[twice], weights)
    both = float(number[twice].sum())
    observed[twice] = (agreeing - expected) * units / both
    value = float(number @ observed) / units / (1 - expected)
    influence = (observed - (1 - value) * ((each - shares) @ gradient)) / (1 - expected)
    agreed = AgreementShares(float(number[twice] @ agreeing) / both, expected, both)
    return _from_influence(value, influence, value, method, confidence, agreed, number)


def _observed_agreement(table: Floats, weights: Floats) -> Floats:
    """Weighted share of agreeing pairs of ratings in each unit (which has two or more)."""
    given = table.sum(axis=1)
    agreeing: Floats = (table * (table @ weights - 1)).sum(axis=1) / (given * (given - 1))
    return agreeing


def _from_influence(
    value: float,
    influence: Floats,
    centre: float,
    method: str,
    confidence: float,
    agreed: AgreementShares,
    number: Floats,
) -> IntervalEstimate:
    n = float(number.sum())
    if n < 2:
        raise NotEnoughDataError("agreement: one unit gives no interval: rate more of them")
    error = float(np.sqrt((number * (influence - centre) ** 2).sum() / (n * (n - 1))))
    return interval_around(value, error, float(stdtrit(n - 1, 0.5 + confidence / 2)), method, confidence, agreed)


def interval_around(
    value: float, error: float, factor: float, method: str, confidence: float, agreed: AgreementShares
) -> IntervalEstimate:
    """The interval of a coefficient: value -/+ factor times standard error, within -1 and 1 and the inner limits.

    Parameters
    ----------
    value, error : float
        Coefficient and its standard error.
    factor : float
        Quantile of the reference distribution.
    method : str
        Name of the coefficient.
    confidence : float
        Nominal coverage of the interval, 0 to 1.
    agreed : AgreementShares
        Observed agreement and that expected by chance.
    """
    inner_low, inner_high = agreed.inner_limits(confidence)
    low, high = min(value - factor * error, inner_low), max(value + factor * error, inner_high)
    low, high = max(-1.0, low), min(1.0, high)
    return IntervalEstimate(value, min(low, value), max(high, value), error, confidence, method)


def _rated_twice(table: Floats) -> NDArray[np.bool_]:
    twice: NDArray[np.bool_] = table.sum(axis=1) >= 2
    if not twice.any():
        raise NotEnoughDataError("agreement: no unit has two ratings: have a second rater label some of them")
    return twice


def _need_variety(expected: float) -> None:
    if expected > 1 - TINY:
        raise NotEnoughDataError(
            "agreement: every rating is the same, so chance explains all of it: no coefficient exists"
        )
