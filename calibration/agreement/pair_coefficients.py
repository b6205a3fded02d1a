"""Agreement coefficients of many pairs of raters at once, each from its table of counts.

For two raters who rated the same units, the coefficients of `coefficients` are functions of the table of one's
categories by the other's; with dozens of raters there are thousands of such tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from gnomon.calibration.agreement.coefficients import AgreementShares, cohen_variance, interval_around
from gnomon.calibration.numerics.rating_arrays import TINY, Floats
from gnomon.data.records import IntervalEstimate

Intervals = list[IntervalEstimate | None]


@dataclass(frozen=True, slots=True)
class PairCoefficients:
    """Coefficients of P pairs, in their order; None where chance explains all agreement.

    Attributes
    ----------
    cohen, ac1, alpha : list of IntervalEstimate or None, length P
        Cohen's kappa, Gwet's AC1, Krippendorff's alpha (nominal).
    """

    cohen: Intervals
    ac1: Intervals
    alpha: Intervals


def pair_coefficients(tables: ArrayLike, *, confidence: float = 0.95) -> PairCoefficients:
    """Cohen's kappa, Gwet's AC1 and Krippendorff's alpha of P pairs of raters.

    Estimands, assumptions and sources are those of `coefficients.cohen_kappa`, `gwet_ac1` and `krippendorff_alpha`,
    with units that both raters rated and with all q categories; the standard errors are the same sums over units,
    written as sums over the cells of each table.

    Parameters
    ----------
    tables : array (P, q, q)
        Units by the first rater's category and the second's; at least two units in each table.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.
    """
    counts = np.asarray(tables, dtype=float)
    n = counts.sum(axis=(1, 2))
    shares = counts / n[:, None, None]
    seen = _Shares(n, shares, shares.sum(axis=2), shares.sum(axis=1), np.trace(shares, axis1=1, axis2=2))
    return PairCoefficients(*(way(seen, confidence) for way in (_cohen, _ac1, _alpha)))


@dataclass(frozen=True, slots=True)
class _Shares:
    """Units of each pair, shares of the table's cells, both raters' margins, and the share on the diagonal."""

    n: Floats
    cells: Floats
    first: Floats
    second: Floats
    same: Floats

    @property
    def pooled(self) -> Floats:
        """Share of each category among both raters' ratings, (P, q)."""
        return (self.first + self.second) / 2


def _cohen(seen: _Shares, confidence: float) -> Intervals:
    expected = (seen.first * seen.second).sum(axis=1)
    one_category = ((seen.first > 0).sum(axis=1) == 1) | ((seen.second > 0).sum(axis=1) == 1)
    known = (expected <= 1 - TINY) & ~one_category
    chance = np.where(known, expected, 0.0)
    value = (seen.same - chance) / (1 - chance)
    spread = cohen_variance(seen.cells, value, chance) / seen.n
    factor = np.full(len(seen.n), float(ndtri(0.5 + confidence / 2)))
    return _intervals(seen, value, np.sqrt(np.maximum(spread, 0)), factor, chance, known, "Cohen's kappa", confidence)


def _ac1(seen: _Shares, confidence: float) -> Intervals:
    q = seen.cells.shape[1]
    chance = (seen.pooled * (1 - seen.pooled)).sum(axis=1) / (q - 1)
    value = (seen.same - chance) / (1 - chance)
    slope = (1 - 2 * seen.pooled) / (q - 1)
    moved = _mean_of_both(slope) - (seen.pooled * slope).sum(axis=1)[:, None, None]
    found = np.eye(q) - chance[:, None, None]
    influence = (found - (1 - value)[:, None, None] * moved) / (1 - chance)[:, None, None]
    error = _linearised_error(seen, influence, value)
    known = np.ones(len(chance), dtype=bool)
    return _intervals(seen, value, error, _student(seen, confidence), chance, known, "Gwet's AC1", confidence)


def _alpha(seen: _Shares, confidence: float) -> Intervals:
    expected = (seen.pooled**2).sum(axis=1)
    known = expected <= 1 - TINY
    chance = np.where(known, expected, 0.0)
    observed = seen.same + (1 - seen.same) / (2 * seen.n)
    value, crude = (observed - chance) / (1 - chance), (seen.same - chance) / (1 - chance)
    moved = _mean_of_both(seen.pooled) - chance[:, None, None]
    found = np.eye(seen.cells.shape[1]) - chance[:, None, None]
    influence = (found - 2 * (1 - crude)[:, None, None] * moved) / (1 - chance)[:, None, None]
    error, name = _linearised_error(seen, influence, crude), "Krippendorff's alpha, nominal"
    return _intervals(seen, value, error, _student(seen, confidence), chance, known, name, confidence)


def _mean_of_both(values: Floats) -> Floats:
    """Mean of a number of the first rater's category and of the second's, for each cell: (P, q, q) from (P, q)."""
    mean: Floats = (values[:, :, None] + values[:, None, :]) / 2
    return mean


def _linearised_error(seen: _Shares, influence: Floats, centre: Floats) -> Floats:
    squares = (seen.cells * (influence - centre[:, None, None]) ** 2).sum(axis=(1, 2))
    error: Floats = np.sqrt(squares / (seen.n - 1))
    return error


def _student(seen: _Shares, confidence: float) -> Floats:
    return np.asarray(stdtrit(seen.n - 1, 0.5 + confidence / 2), dtype=float)


def _intervals(
    seen: _Shares,
    value: Floats,
    error: Floats,
    factor: Floats,
    chance: Floats,
    known: NDArray[np.bool_],
    method: str,
    confidence: float,
) -> Intervals:
    columns: Sequence[list[float]] = [part.tolist() for part in (value, error, factor, seen.same, chance, seen.n)]
    return [
        interval_around(at, se, times, method, confidence, AgreementShares(same, by_chance, n)) if there else None
        for there, (at, se, times, same, by_chance, n) in zip(known.tolist(), zip(*columns, strict=True), strict=True)
    ]
