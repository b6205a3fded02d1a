"""Bounds for what dropping refusals hides: the effect among trials that would be answered in either arm.

Engaged net detection compares trials that were answered, and the injection itself changes which are: the answered
trials of the two arms are not of one kind. The always-engaged are those that would be answered with the injection and
without it. They cannot be told apart, but if injection moves engagement one way only, their effect lies in bounds
that the counts give (`lee`), and in wider ones if it moves it both ways (`worst_case_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from gnomon.data.errors import InputError, NotEnoughDataError

EngagementAssumption = Literal["monotone", "none"]
INTERVAL_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class EffectBounds:
    """Bounds of an effect, and an interval around them that counts sampling error.

    `low` and `high` are the bounds that the counts give; `interval_low` and `interval_high` hold, with probability
    `level`, the effect or the whole set between the bounds, as `method` says.
    """

    low: float
    high: float
    interval_low: float
    interval_high: float
    level: float
    method: str


def lee_bounds(engaged1: int, n1: int, events1: int, engaged0: int, n0: int, events0: int) -> tuple[float, float]:
    """Lee's trimming bounds of P(event | injection) - P(event | control) among the always-engaged.

    The arm with the higher share of engaged trials holds, beside the always-engaged, trials that only its own
    condition makes answer; their share is at most 1 - q, where q is the lower share over the higher one. The bounds
    take that share off from the top (all of them events) or from the bottom (none of them).

    Estimand: the difference of event rates among the always-engaged. Assumptions: trials are assigned to arms at
    random, and engagement moves in one direction only (a trial that would be answered in the arm of lower
    engagement would also be answered in the other). No sampling error is counted: see `bounds`.

    Parameters
    ----------
    engaged1, n1, events1 : int
        Engaged trials, all trials, and events among the engaged, with injection.
    engaged0, n0, events0 : int
        The same without it.

    Returns
    -------
    tuple of float
        Lower and upper bound, each in [-1, 1].

    Raises
    ------
    InputError
        Where the counts contradict each other.
    NotEnoughDataError
        Where an arm has no engaged trial.

    Notes
    -----
    Lee, D. S. (2009), Training, wages, and sample selection: estimating sharp bounds on treatment effects, Review of
    Economic Studies 76, 1071-1102; here for an outcome of 0 or 1, where trimming the top of a share e of events to
    a share q leaves max(0, (e - (1 - q)) / q), and the bottom min(1, e / q).
    """
    return _bounds_from_counts((engaged1, n1, events1), (engaged0, n0, events0), "monotone")


def worst_case_bounds(
    engaged1: int, n1: int, events1: int, engaged0: int, n0: int, events0: int
) -> tuple[float, float]:
    """Bounds of the same difference without assuming that injection moves engagement one way only.

    The always-engaged are then at least s1 + s0 - 1 of all trials, s1 and s0 being the engaged shares; each arm is
    trimmed to that. Where s1 + s0 <= 1 there may be no always-engaged at all, and the bounds are -1 and 1.

    Estimand, parameters and errors as for `lee`. Assumes random assignment alone. Source: Horowitz and Manski (1995);
    Zhang and Rubin (2003), Journal of Educational and Behavioral Statistics 28.
    """
    return _bounds_from_counts((engaged1, n1, events1), (engaged0, n0, events0), "none")


def bounds_with_interval(
    engaged1: int,
    n1: int,
    events1: int,
    engaged0: int,
    n0: int,
    events0: int,
    *,
    assuming: EngagementAssumption = "monotone",
    cover: Literal["effect", "set"] = "effect",
    confidence: float = 0.95,
    seed: int = 0,
) -> EffectBounds:
    """`lee` or `worst_case_bounds` with an interval that counts sampling error.

    With `cover` "effect" the interval holds the effect among the always-engaged, wherever between the bounds it
    lies, with the stated probability (Imbens and Manski 2004: where the bounds are far apart only one end can
    miss, so its one-sided limit suffices); with "set" it holds both bounds. Limits are posterior quantiles of the
    bounds under Jeffreys priors (beta 1/2, 1/2) on the engaged share and the event rate of each arm, which keep the
    skewness that counts near 0 have. Where the bounds nearly meet, "effect" goes over into an ordinary interval.

    Parameters
    ----------
    engaged1, n1, events1, engaged0, n0, events0 : int
        As for `lee`.
    assuming : {"monotone", "none"}
        Lee's bounds, or the worst case.
    seed : int
        Of the 20,000 draws.
    """
    counts = (engaged1, n1, events1), (engaged0, n0, events0)
    low, high = _bounds_from_counts(*counts, assuming)
    random = np.random.default_rng(seed)
    drawn = [
        random.beta(k + 0.5, n - k + 0.5, INTERVAL_DRAWS)
        for engaged, all_, events in counts
        for k, n in ((engaged, all_), (events, engaged))
    ]
    return _with_interval(
        (low, high), *_bounds_from_rates(drawn[0], drawn[1], drawn[2], drawn[3], assuming), assuming, cover, confidence
    )


def bounds_from_draws(
    share1: NDArray[Any],
    rate1: NDArray[Any],
    share0: NDArray[Any],
    rate0: NDArray[Any],
    *,
    assuming: EngagementAssumption = "monotone",
    cover: Literal["effect", "set"] = "effect",
    confidence: float = 0.95,
) -> EffectBounds:
    """The same from a posterior, so that what it carries (judges' error, the design) is in the bounds.

    Parameters
    ----------
    share1, rate1, share0, rate0 : ndarray, shape (draws,)
        Draws of the engaged share and of the event rate among the engaged, with and without injection.

    Returns
    -------
    Bounds
        `low` and `high` are the bounds' posterior means.
    """
    lows, highs = _bounds_from_rates(share1, rate1, share0, rate0, assuming)
    return _with_interval((float(lows.mean()), float(highs.mean())), lows, highs, assuming, cover, confidence)


def _with_interval(
    ends: tuple[float, float],
    lows: NDArray[Any],
    highs: NDArray[Any],
    assuming: EngagementAssumption,
    cover: Literal["effect", "set"],
    confidence: float,
) -> EffectBounds:
    """Bounds with limits read off draws of both."""
    low, high = ends
    tail = (1 - confidence) / 2
    if cover == "effect":
        tail = _tail_probability(high - low, float(max(lows.std(), highs.std())), confidence)
    limits = float(np.quantile(lows, tail)), float(np.quantile(highs, 1 - tail))
    name = {"monotone": "Lee", "none": "worst case"}[assuming]
    return EffectBounds(
        low, high, min(limits[0], low), max(limits[1], high), confidence, f"{name}, interval for the {cover}"
    )


def _tail_probability(width: float, spread: float, confidence: float) -> float:
    """Probability to leave out at each end so that the effect is held: Imbens and Manski's equation."""
    apart = width / max(spread, 1e-12)
    reach = brentq(lambda c: norm.cdf(c + apart) - norm.cdf(-c) - confidence, 0.0, 10.0)
    return float(norm.sf(reach))


def _bounds_from_counts(
    one: tuple[int, int, int], zero: tuple[int, int, int], assuming: EngagementAssumption
) -> tuple[float, float]:
    for name, (engaged, n, events) in {"injection": one, "control": zero}.items():
        if not 0 <= events <= engaged <= n:
            raise InputError(
                f"{name} arm: {events} events, {engaged} engaged, {n} trials: each must be at most the next"
            )
        if engaged == 0:
            raise NotEnoughDataError(f"{name} arm: nobody engaged, so there is nothing to bound")
    low, high = _bounds_from_rates(one[0] / one[1], one[2] / one[0], zero[0] / zero[1], zero[2] / zero[0], assuming)
    return float(low), float(high)


def _bounds_from_rates(
    share1: Any, rate1: Any, share0: Any, rate0: Any, assuming: EngagementAssumption
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Bounds from engaged shares and event rates among the engaged; numbers or arrays of draws."""
    always = np.minimum(share1, share0) if assuming == "monotone" else np.maximum(share1 + share0 - 1, 0.0)
    low1, high1 = _trimmed_rates(rate1, always / share1)
    low0, high0 = _trimmed_rates(rate0, always / share0)
    return low1 - high0, high1 - low0


def _trimmed_rates(rate: Any, kept: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Least and greatest rate that a part `kept` of the trials can have, when all of them have `rate`."""
    some = np.maximum(kept, 1e-300)
    return np.maximum(0.0, (rate - (1.0 - kept)) / some), np.minimum(1.0, rate / some)
