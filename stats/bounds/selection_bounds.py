"""Bounds for the bias from dropping refusals: the effect among trials that would be answered in either arm.

Engaged net detection compares answered trials, and the injection itself affects which are answered: the answered trials
of the two arms are different populations. The always-engaged would be answered with the injection and without it. They
cannot be identified, but if injection moves engagement in one direction only, their effect lies within bounds that the
counts give (`lee_bounds`), and within wider ones otherwise (`worst_case_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from gnomon.data.errors import InputError, NotEnoughDataError

EngagementAssumption = Literal["monotone", "none"]
INTERVAL_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Counts of one arm: trials that were answered (`engaged`) of all `n`, and events among the answered.

    Raises `InputError` where each is not at most the next: events, engaged, n.
    """

    engaged: int
    n: int
    events: int

    def __post_init__(self) -> None:
        """Refuse counts that contradict each other."""
        if not 0 <= self.events <= self.engaged <= self.n:
            raise InputError(
                f"{self.events} events, {self.engaged} engaged, {self.n} trials: each must be at most the next"
            )


@dataclass(frozen=True, slots=True)
class EffectBounds:
    """Bounds of an effect, and an interval around them that includes sampling error.

    `low` and `high` are the bounds that the counts give; `interval_low` and `interval_high` contain, with probability
    `level`, the effect or the whole set between the bounds, as `method` says.
    """

    low: float
    high: float
    interval_low: float
    interval_high: float
    level: float
    method: str


def lee_bounds(injection: ArmCounts, control: ArmCounts) -> tuple[float, float]:
    """Lee's trimming bounds of P(event | injection) - P(event | control) among the always-engaged.

    The arm with the higher share of engaged trials contains, besides the always-engaged, trials that are answered only
    in its own condition; their share is at most 1 - q, where q is the lower share over the higher one. The bounds trim
    that share from the top (all of them events) or from the bottom (none of them).

    Estimand: the difference of event rates among the always-engaged. Assumptions: trials are assigned to arms at
    random, and engagement moves in one direction only (a trial that would be answered in the arm of lower engagement
    would also be answered in the other). Sampling error is not included: see `bounds_with_interval`.

    Source: Lee, D. S. (2009), Training, wages, and sample selection: estimating sharp bounds on treatment effects,
    Review of Economic Studies 76, 1071-1102; here for an outcome of 0 or 1, where trimming the top of a share e of
    events to a share q leaves max(0, (e - (1 - q)) / q), and the bottom min(1, e / q).

    Parameters
    ----------
    injection : ArmCounts
        Counts with injection.
    control : ArmCounts
        Counts without injection.

    Returns
    -------
    (float, float)
        Lower and upper bound, each in [-1, 1].

    Raises
    ------
    NotEnoughDataError
        If an arm has no engaged trial.
    """
    return _bounds_from_counts(injection, control, "monotone")


def worst_case_bounds(injection: ArmCounts, control: ArmCounts) -> tuple[float, float]:
    """Bounds of the same difference without assuming that injection moves engagement in one direction only.

    The always-engaged are then at least s1 + s0 - 1 of all trials, s1 and s0 being the engaged shares; each arm is
    trimmed to that. If s1 + s0 <= 1 there may be no always-engaged trials, and the bounds are -1 and 1.

    Estimand as for `lee_bounds`. Assumes random assignment alone. Source: Horowitz and Manski (1995); Zhang and Rubin
    (2003), Journal of Educational and Behavioral Statistics 28.

    Parameters
    ----------
    injection : ArmCounts
        Counts with injection.
    control : ArmCounts
        Counts without injection.

    Returns
    -------
    (float, float)
        Lower and upper bound, each in [-1, 1].

    Raises
    ------
    NotEnoughDataError
        If an arm has no engaged trial.
    """
    return _bounds_from_counts(injection, control, "none")


def bounds_with_interval(
    injection: ArmCounts,
    control: ArmCounts,
    *,
    assuming: EngagementAssumption = "monotone",
    cover: Literal["effect", "set"] = "effect",
    confidence: float = 0.95,
    seed: int = 0,
) -> EffectBounds:
    """`lee_bounds` or `worst_case_bounds` with an interval that includes sampling error.

    With `cover` "effect" the interval contains the effect among the always-engaged, wherever between the bounds it
    lies, with the stated probability (Imbens and Manski 2004: if the bounds are far apart only one end can miss, so its
    one-sided limit suffices); with "set" it contains both bounds. Limits are posterior quantiles of the bounds under
    Jeffreys priors (beta 1/2, 1/2) on the engaged share and the event rate of each arm, which preserve the skewness of
    counts near 0. As the bounds approach each other, "effect" becomes an ordinary interval.

    Parameters
    ----------
    injection : ArmCounts
        Counts with injection.
    control : ArmCounts
        Counts without injection.
    assuming : {"monotone", "none"}, default "monotone"
        Lee's bounds, or the worst case.
    cover : {"effect", "set"}, default "effect"
        What the interval contains with the stated probability.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    seed : int, default 0
        Seed of the 20,000 draws.

    Raises
    ------
    NotEnoughDataError
        If an arm has no engaged trial.
    """
    low, high = _bounds_from_counts(injection, control, assuming)
    random = np.random.default_rng(seed)
    drawn = [
        random.beta(k + 0.5, n - k + 0.5, INTERVAL_DRAWS)
        for arm in (injection, control)
        for k, n in ((arm.engaged, arm.n), (arm.events, arm.engaged))
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
    """Bounds from a posterior, so that its uncertainty (judges' errors, the design) is included.

    Parameters
    ----------
    share1 : ndarray, shape (draws,)
        Draws of the engaged share with injection.
    rate1 : ndarray, shape (draws,)
        Draws of the event rate among the engaged with injection.
    share0 : ndarray, shape (draws,)
        Draws of the engaged share without injection.
    rate0 : ndarray, shape (draws,)
        Draws of the event rate among the engaged without injection.
    assuming : {"monotone", "none"}, default "monotone"
        Lee's bounds, or the worst case.
    cover : {"effect", "set"}, default "effect"
        What the interval contains with the stated probability.
    confidence : float, default 0.95
        Probability of the interval, 0 to 1.

    Returns
    -------
    EffectBounds
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
    """Bounds with limits from draws of both."""
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
    """Probability to exclude at each end so that the effect is covered: Imbens and Manski's equation."""
    from scipy.optimize import brentq

    apart = width / max(spread, 1e-12)
    reach = brentq(lambda c: ndtr(c + apart) - ndtr(-c) - confidence, 0.0, 10.0)
    return float(ndtr(-reach))


def _bounds_from_counts(
    injection: ArmCounts, control: ArmCounts, assuming: EngagementAssumption
) -> tuple[float, float]:
    for name, arm in {"injection": injection, "control": control}.items():
        if arm.engaged == 0:
            raise NotEnoughDataError(f"{name} arm: nobody engaged, so there is nothing to bound")
    (share1, rate1), (share0, rate0) = ((arm.engaged / arm.n, arm.events / arm.engaged) for arm in (injection, control))
    low, high = _bounds_from_rates(share1, rate1, share0, rate0, assuming)
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
    """Least and greatest possible rate among a part `kept` of trials whose overall rate is `rate`."""
    some = np.maximum(kept, 1e-300)
    return np.maximum(0.0, (rate - (1.0 - kept)) / some), np.minimum(1.0, rate / some)
