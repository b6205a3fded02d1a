"""Common odds ratio of 2 x 2 tables: exact for counts, approximate for weighted counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.records import IntervalEstimate

_SPAN = 700.0
_TIE = 1 + 1e-7


def common_odds_ratio(
    tables: Sequence[ArrayLike], *, weights: Sequence[ArrayLike] | None = None, confidence: float = 0.95
) -> tuple[IntervalEstimate | None, float]:
    """The common odds ratio of independent 2 x 2 tables, with exact limits and a two-sided exact test that it is 1.

    Estimand: the odds ratio in the population, assumed equal in all tables. Conditional on all margins, the
    first cells are independent hypergeometric, and their sum has the distribution f(x) psi^x / sum f(t) psi^t with f
    their convolution. Value: the psi under which the expected sum is the observed one; limits: those that leave
    (1 - confidence) / 2 in a tail; p: the probability under psi = 1 of sums as unlikely as the observed one. For one
    table this is Fisher's test.

    If a unit of cell (i, j) represents w_ij of the population, the sample's odds ratio is
    psi * w_12 w_21 / (w_11 w_22): each first cell's distribution is tilted by that known factor. This is exact
    for known weights and close for weights estimated from how many of each kind were drawn.
    Sources: Fisher (1935); Cornfield (1956); Gart (1970); Mehta, Patel, Gray (1985).

    Parameters
    ----------
    tables : sequence of array (2, 2)
        Counts of each table.
    weights : sequence of array (2, 2), optional
        Mean weight of the units in each cell, on any scale in each table; 1 by default.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Returns
    -------
    (IntervalEstimate or None, float)
        Odds ratio and p value; None and 1 if the margins determine the sum.
    """
    counts = [np.asarray(table, dtype=float) for table in tables]
    tilts = (
        [0.0] * len(counts) if weights is None else [_log_tilt(np.asarray(weight, dtype=float)) for weight in weights]
    )
    low, logs, seen = _conditional_law(counts, tilts)
    if len(logs) < 2:
        return None, 1.0
    x = np.arange(low, low + len(logs), dtype=float)
    chance = _tilted_law(logs, x, 0.0)
    p_value = float(chance[chance <= chance[seen - low] * _TIE].sum())
    tail = (1 - confidence) / 2
    value = _solve_limit(lambda t: float(_tilted_law(logs, x, t) @ x) - seen, seen, x)
    floor = _solve_limit(lambda t: float(_tilted_law(logs, x, t)[x >= seen].sum()) - tail, seen, x, lower=True)
    top = _solve_limit(lambda t: tail - float(_tilted_law(logs, x, t)[x <= seen].sum()), seen, x, upper=True)
    return IntervalEstimate(value, floor, top, math.nan, confidence, "conditional, exact"), min(1.0, p_value)


def _log_tilt(weight: Floats) -> float:
    """Log of the sample's odds ratio if the population's is 1."""
    logs = np.log(weight)
    return float(logs[0, 1] + logs[1, 0] - logs[0, 0] - logs[1, 1])


def _conditional_law(tables: Sequence[Floats], tilts: Sequence[float]) -> tuple[int, Floats, int]:
    """Least sum of the first cells, log-weights of all sums under an odds ratio of 1, and the observed sum."""
    from scipy.stats import hypergeom

    low, logs = 0, np.zeros(1)
    for table, tilt in zip(tables, tilts, strict=True):
        n, rows, columns = (round(float(part)) for part in (table.sum(), table[0].sum(), table[:, 0].sum()))
        first, last = max(0, rows + columns - n), min(rows, columns)
        low += first
        x = np.arange(first, last + 1)
        logs = _convolve_laws(logs, hypergeom.logpmf(x, n, rows, columns) + tilt * x)
    seen = round(float(sum(table[0, 0] for table in tables)))
    return low, logs, seen


def _convolve_laws(one: Floats, other: Floats) -> Floats:
    """Log-probabilities of the sum of two counts; in logs, so that far tails keep their precision."""
    short, long = sorted((one, other), key=len)
    total = np.full(len(one) + len(other) - 1, -np.inf)
    for place, each in enumerate(short):
        part = total[place : place + len(long)]
        np.logaddexp(part, each + long, out=part)
    return total


def _tilted_law(logs: Floats, x: Floats, log_ratio: float) -> Floats:
    weight = logs + (x - x[0]) * log_ratio
    law = np.exp(weight - weight.max())
    shares: Floats = law / law.sum()
    return shares


def _solve_limit(
    gap: Callable[[float], float], seen: int, x: Floats, *, lower: bool = False, upper: bool = False
) -> float:
    """The odds ratio at which an increasing function is 0; 0 or infinity if the observed sum is the least or
    greatest possible.
    """
    from scipy.optimize import brentq

    if seen == x[0] and not upper:
        return 0.0
    if seen == x[-1] and not lower:
        return math.inf
    return math.exp(float(brentq(gap, -_SPAN, _SPAN, xtol=1e-10)))
