"""Correlation of votes, and the number of independent votes that they are worth; takes arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from gnomon.calibration.numerics.rating_arrays import TINY, Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

FEWEST_UNITS = 10
METHOD = "linearised, intraclass scale"
_HIGHEST = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class EffectiveVotes:
    """Correlation of votes within strata, and the number of independent votes that they are worth.

    Attributes
    ----------
    correlation : IntervalEstimate
        Mean covariance of two voters over the mean variance of one, within strata.
    effective : IntervalEstimate
        k / (1 + (k - 1) correlation).
    units : int
        Units with two votes or more.
    """

    correlation: IntervalEstimate
    effective: IntervalEstimate
    units: int


def effective_votes(
    votes: ArrayLike, stratum: ArrayLike, *, weight: ArrayLike | None = None, confidence: float = 0.95
) -> EffectiveVotes:
    """The effective number of voters.

    Estimand: n_eff = k / (1 + (k - 1) rho), the number of independent voters whose mean vote varies as much as that of
    these k (Kish 1965), with rho the mean covariance of two voters' votes over the mean variance of one voter's, both
    within strata and pooled over them. If votes are errors and strata are arms and true classes, rho says how far
    voters err on the same units. Where they err on different ones rho is negative; n_eff is then k. Assumes that
    units are a random sample within strata, after weighting, and that missing votes are missing at random.

    Interval: standard error by linearisation (each unit's influence on rho), on Fisher's scale of an intraclass
    correlation, z = log((1 + (k - 1) rho) / (1 - rho)) / 2 (Fisher 1925), with Student's t; degrees of freedom are the
    effective number of units that rho rests on, (sum v)^2 / sum v^2 - 2 with v the squared influences, so that a few
    errors give a wide interval. Measured in bench/calibration_methods/panel_votes.py; a bootstrap of units was too
    narrow there. Where no two voters err on one unit, or all always err together, the limit also allows for the joint
    errors that a sample of this size may miss (Clopper and Pearson's limit of 0 of the m units with an error).

    Used for panels of judges by Kohli (2026), arXiv 2605.29800, whose nine judges are worth about two: with nine voters
    that is rho = (9 / 2 - 1) / 8 = .44.

    Parameters
    ----------
    votes : array (units, k)
        0 or 1; NaN where a voter did not vote.
    stratum : array (units,)
        Stratum of each unit, any values that can be sorted.
    weight : array (units,), optional
        Inverse inclusion probabilities on any scale; 1 by default.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two voters, fewer than 10 units with two votes, or no vote varies within strata.
    InputError
        If the shapes do not match.
    """
    values, kinds, load = _checked_arrays(votes, stratum, weight)
    k = values.shape[1]
    twice = (~np.isnan(values)).sum(axis=1) >= 2
    values, kinds, load = values[twice], kinds[twice], load[twice]
    if k < 2:
        raise NotEnoughDataError("effective number: one voter is one vote: name two or more")
    if len(values) < FEWEST_UNITS:
        raise NotEnoughDataError(f"effective number: {len(values)} trials with two votes: it needs {FEWEST_UNITS}")
    rho, influence = _pooled_correlation(values, kinds, load)
    n = len(values)
    error = math.sqrt(float((influence**2).sum()) * n / (n - 1))
    low, high = _correlation_limits(rho, influence, error, k, confidence)
    missed_low, missed_high = _limits_of_missed_errors(values, kinds, confidence)
    low, high = min(low, missed_low, rho), max(high, missed_high, rho)
    correlation = IntervalEstimate(rho, low, high, error, confidence, METHOD)
    value, least, most = (kish_number(k, each) for each in (rho, high, low))
    slope = value**2 * (k - 1) / k
    return EffectiveVotes(correlation, IntervalEstimate(value, least, most, slope * error, confidence, METHOD), n)


def kish_number(voters: int, correlation: float) -> float:
    """Kish's effective number of voters, k / (1 + (k - 1) rho).

    Parameters
    ----------
    voters : int
        Number of voters k.
    correlation : float
        Correlation rho; a negative one counts as 0, so that k voters are never said to be worth more than k.
    """
    return voters / (1 + (voters - 1) * max(correlation, 0.0))


def _checked_arrays(
    votes: ArrayLike, stratum: ArrayLike, weight: ArrayLike | None
) -> tuple[Floats, NDArray[np.intp], Floats]:
    values = np.asarray(votes, dtype=float)
    kinds = np.unique(np.asarray(stratum), return_inverse=True)[1].reshape(-1).astype(np.intp)
    load = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=float)
    if values.ndim != 2 or not len(values) == len(kinds) == len(load):
        raise InputError(f"votes of shape {values.shape} with {len(kinds)} strata and {len(load)} weights")
    return values, kinds, load


def _pooled_correlation(values: Floats, kinds: NDArray[np.intp], load: Floats) -> tuple[float, Floats]:
    """The correlation within strata and the influence of each unit on it."""
    there = ~np.isnan(values)
    centred = np.zeros_like(values)
    for kind in np.unique(kinds):
        here = kinds == kind
        share = load[here, None] * there[here]
        means = (share * np.nan_to_num(values[here])).sum(axis=0) / np.maximum(share.sum(axis=0), TINY)
        centred[here] = np.where(there[here], values[here] - means, 0.0)
    voters = there.sum(axis=1).astype(float)
    squares = (centred**2).sum(axis=1)
    products, pairs = (centred.sum(axis=1) ** 2 - squares) / 2, voters * (voters - 1) / 2
    variance = float(load @ squares) / float(load @ voters)
    covariance = float(load @ products) / float(load @ pairs)
    if variance < TINY:
        raise NotEnoughDataError("effective number: no voter ever errs, or all always do: nothing varies to correlate")
    rho = covariance / variance
    moved = (products - covariance * pairs) / (load @ pairs) / variance
    scaled = rho * (squares - variance * voters) / (load @ voters) / variance
    influence: Floats = load * (moved - scaled)
    return rho, influence


def _correlation_limits(
    rho: float, influence: Floats, error: float, voters: int, confidence: float
) -> tuple[float, float]:
    squared = influence**2
    if error < TINY:
        return rho, rho
    freedom = max(float(squared.sum() ** 2 / (squared**2).sum()) - 2, 1.0)
    at = min(max(rho, -1 / voters), _HIGHEST)
    slope = ((voters - 1) / (1 + (voters - 1) * at) + 1 / (1 - at)) / 2
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error * slope
    centre = math.log((1 + (voters - 1) * at) / (1 - at)) / 2
    low, high = (_from_intraclass(centre + way * half, voters) for way in (-1, 1))
    return low, high


def _from_intraclass(z: float, voters: int) -> float:
    """The correlation at a place of Fisher's scale."""
    if z > 300:
        return 1.0
    ratio = math.exp(2 * z)
    return (ratio - 1) / (ratio + voters - 1)


def _limits_of_missed_errors(values: Floats, kinds: NDArray[np.intp], confidence: float) -> tuple[float, float]:
    """How low or high the correlation may be where joint errors, or single ones, were not seen; no limits elsewhere.

    An error is a vote against most of the voter's votes in the stratum. If a share u of the units with an error is one
    of joint errors, two voters' errors correlate by about 2 u / (1 + u).
    """
    errs = np.zeros_like(values)
    for kind in np.unique(kinds):
        here = kinds == kind
        usual = np.nanmean(np.where(np.isnan(values[here]).all(axis=0), 0.0, values[here]), axis=0) > 0.5
        errs[here] = np.where(np.isnan(values[here]), 0.0, values[here] != usual)
    number, cast = errs.sum(axis=1), (~np.isnan(values)).sum(axis=1)
    some = number > 0
    joint = number[some] == cast[some]
    m = int(some.sum())
    if not m:
        return 1.0, -1.0
    rare = ((1 - confidence) / 2) ** (1 / m)
    if (number <= 1).all():
        return 1.0, 2 * (1 - rare) / (2 - rare)
    return (2 * rare / (1 + rare), -1.0) if joint.all() else (1.0, -1.0)
