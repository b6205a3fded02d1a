"""How a judge's errors differ with a property of the trial, within arms; takes frames and knows no store."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.numerics.common_odds_ratio import common_odds_ratio
from gnomon.calibration.numerics.effective_counts import effective_count
from gnomon.calibration.numerics.multiple_testing import holm_adjusted
from gnomon.calibration.numerics.proportions import difference_interval, wilson_interval
from gnomon.calibration.susceptibility.error_covariates import Covariate
from gnomon.calibration.susceptibility.susceptibility_results import CovariateEffect, ErrorKind, ErrorShare
from gnomon.data.records import IntervalEstimate
from gnomon.data.results import finite_estimate

FEWEST = 10
"""Labelled trials on each side below which no effect is estimated."""
METHOD = "stratified Newcombe"
Flags = NDArray[np.bool_]


def covariate_effects(
    rows: pd.DataFrame, covariates: Sequence[Covariate], *, confidence: float = 0.95
) -> list[CovariateEffect]:
    """The effect of each property on each error that it may cause, p-values adjusted by Holm's method over all of them.

    Estimand: the share of errors among trials of a true class (or among the judge's positives) that have the property,
    less the share among those that lack it, within arms, each arm with the weight n1 n0 / (n1 + n0) that Cochran (1954)
    and Mantel and Haenszel (1959) give it; n are effective numbers of trials where labels are weighted. It is no effect
    of the property alone: what goes along with it within an arm is in it. Assumes that labels are the truth and that
    labelled trials, after weighting, are a random sample of each arm.

    Interval: Wilson's limits in each arm and side, put together by squares (Zou and Donner 2008; stratified: Yan and Su
    2010). Test: exact, that the common odds ratio of the arms is 1 (`common_odds_ratio`).

    Parameters
    ----------
    rows : pandas.DataFrame
        Labelled trials: arm, event and true_event (bool), weight, and a column of 1, 0 or NaN for each covariate.
    covariates : sequence of Covariate
        The properties.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Returns
    -------
    list of CovariateEffect
        One for each property and error, in that order.
    """
    effects = [_effect(rows, covariate, error, confidence) for covariate in covariates for error in covariate.errors]
    tested = [place for place, each in enumerate(effects) if each.p_exact is not None]
    adjusted = holm_adjusted([effects[place].p_exact or 0.0 for place in tested])
    for place, p_value in zip(tested, adjusted, strict=True):
        effects[place] = effects[place].model_copy(update={"p_adjusted": p_value})
    return effects


def _effect(rows: pd.DataFrame, covariate: Covariate, error: ErrorKind, confidence: float) -> CovariateEffect:
    said, truth = rows["event"].to_numpy(dtype=bool), rows["true_event"].to_numpy(dtype=bool)
    among = {ErrorKind.FALSE_ALARM: ~truth, ErrorKind.MISS: truth, ErrorKind.WRONG_PASS: said}[error]
    kept = rows[among & rows[covariate.name].notna().to_numpy()]
    has = kept[covariate.name].to_numpy(dtype=float) > 0
    wrong = kept["event"].to_numpy(dtype=bool) != kept["true_event"].to_numpy(dtype=bool)
    arms = kept["arm"].to_numpy()
    weight = kept["weight"].to_numpy(dtype=float)
    both = [arm for arm in dict.fromkeys(arms) if has[arms == arm].any() and not has[arms == arm].all()]
    inside = np.isin(arms, both)
    sides = [inside & has, inside & ~has]
    counts = [(int((wrong & side).sum()), int(side.sum())) for side in sides]
    p_value, ratio, difference = None, None, None
    shares: tuple[IntervalEstimate | None, IntervalEstimate | None] = (None, None)
    reason = _reason(counts)
    if reason is None:
        strata = [[(effective_count(wrong, side & (arms == arm), weight)) for side in sides] for arm in both]
        loads = np.array([with_[1] * without[1] / (with_[1] + without[1]) for with_, without in strata])
        one, other = (_pooled_share([each[side] for each in strata], loads, confidence) for side in (0, 1))
        shares, difference = (one, other), difference_interval(one, other)
        tables = [_table(wrong, sides, arms == arm, np.ones_like(weight)) for arm in both]
        sums = [_table(wrong, sides, arms == arm, weight) for arm in both]
        found, p_value = common_odds_ratio(tables, weights=_mean_weights(tables, sums), confidence=confidence)
        ratio = finite_estimate(found)
    having, lacking = (
        ErrorShare(errors=errors, of=of, share=finite_estimate(share))
        for (errors, of), share in zip(counts, shares, strict=True)
    )
    return CovariateEffect(
        covariate=covariate.name,
        about=covariate.about,
        error=error,
        having=having,
        lacking=lacking,
        difference=finite_estimate(difference),
        odds_ratio=ratio,
        p_exact=p_value,
        p_adjusted=None,
        reason=reason,
    )


def _reason(counts: Sequence[tuple[int, int]]) -> str | None:
    fewest = min(of for _, of in counts)
    if fewest >= FEWEST:
        return None
    return f"{fewest} labelled trials on one side in arms that have both: {FEWEST} are needed"


def _pooled_share(
    counts: Sequence[tuple[float, float]], loads: NDArray[np.float64], confidence: float
) -> IntervalEstimate:
    each = [wilson_interval(min(k, n), n, confidence=confidence) for k, n in counts]
    share = loads / loads.sum()
    value = float(share @ [one.value for one in each])
    below = math.hypot(*(share * [one.value - one.low for one in each]))
    above = math.hypot(*(share * [one.high - one.value for one in each]))
    return IntervalEstimate(value, max(value - below, 0.0), min(value + above, 1.0), math.nan, confidence, METHOD)


def _table(wrong: Flags, sides: Sequence[Flags], here: Flags, load: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors and right verdicts of both sides: rows are the sides."""
    return np.array([[load[here & side & wrong].sum(), load[here & side & ~wrong].sum()] for side in sides])


def _mean_weights(
    tables: Sequence[NDArray[np.float64]], sums: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Mean weight in each cell; in an empty one that of its table, since nothing is known of it."""
    return [
        np.where(table > 0, total / np.maximum(table, 1), total.sum() / table.sum())
        for table, total in zip(tables, sums, strict=True)
    ]
