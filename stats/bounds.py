"""Bounds for what dropping refusals hides: the effect among trials that would be answered in either arm.

Engaged net detection compares trials that were answered, and the injection itself changes which are: the answered
trials of the two arms are not of one kind. The always-engaged are those that would be answered with the injection and
without it. They cannot be told apart, but if injection moves engagement one way only, their effect lies in bounds
that the counts give.
"""

from __future__ import annotations

from data.errors import BadInput, NotEnoughData


def lee(engaged1: int, n1: int, events1: int, engaged0: int, n0: int, events0: int) -> tuple[float, float]:
    """Lee's trimming bounds of P(event | injection) - P(event | control) among the always-engaged.

    The arm with the higher share of engaged trials holds, beside the always-engaged, trials that only its own
    condition makes answer; their share is at most 1 - q, where q is the lower share over the higher one. The bounds
    take that share off from the top (all of them events) or from the bottom (none of them).

    Estimand: the difference of event rates among the always-engaged. Assumptions: trials are assigned to arms at
    random, and engagement moves in one direction only (a trial that would be answered in the arm of lower
    engagement would also be answered in the other). No sampling error is counted.

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
    BadInput
        Where the counts contradict each other.
    NotEnoughData
        Where an arm has no engaged trial.

    Notes
    -----
    Lee, D. S. (2009), Training, wages, and sample selection: estimating sharp bounds on treatment effects, Review of
    Economic Studies 76, 1071-1102; here for an outcome of 0 or 1, where trimming the top of a share e of events to
    a share q leaves max(0, (e - (1 - q)) / q), and the bottom min(1, e / q).
    """
    for name, (events, engaged, n) in {
        "injection": (events1, engaged1, n1),
        "control": (events0, engaged0, n0),
    }.items():
        if not 0 <= events <= engaged <= n:
            raise BadInput(f"{name} arm: {events} events, {engaged} engaged, {n} trials: each must be at most the next")
        if engaged == 0:
            raise NotEnoughData(f"{name} arm: nobody engaged, so there is nothing to bound")
    share1, share0 = engaged1 / n1, engaged0 / n0
    low1, high1 = _trimmed(events1 / engaged1, min(1.0, share0 / share1))
    low0, high0 = _trimmed(events0 / engaged0, min(1.0, share1 / share0))
    return low1 - high0, high1 - low0


def _trimmed(rate: float, kept: float) -> tuple[float, float]:
    """Least and greatest rate that a part `kept` of the trials can have, when all of them have `rate`."""
    return max(0.0, (rate - (1.0 - kept)) / kept), min(1.0, rate / kept)
