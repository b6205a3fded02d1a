"""Bounds of the effect among trials that would be answered in either arm: `gn.bounds`."""

from __future__ import annotations

from typing import Literal

from gnomon.stats.bounds.selection_bounds import ArmCounts, EffectBounds, bounds_with_interval

__all__ = ["ArmCounts", "EffectBounds", "lee", "worst_case"]


def lee(
    injection: ArmCounts,
    control: ArmCounts,
    *,
    cover: Literal["effect", "set"] = "effect",
    confidence: float = 0.95,
    seed: int = 0,
) -> EffectBounds:
    """Lee's bounds of P(event | injection) - P(event | control) among the always-engaged, with an interval.

    Assumes random assignment, and that injection moves engagement in one direction only. Sources: Lee (2009), Review
    of Economic Studies 76; Imbens and Manski (2004), Econometrica 72, for the interval.

    Parameters
    ----------
    injection, control : ArmCounts
        Counts with the vector and without it.
    cover : {"effect", "set"}
        What the interval holds: the effect, wherever between the bounds it lies, or both bounds.
    confidence : float
        The interval's nominal coverage, in (0, 1).
    seed : int
        Seed of the 20,000 draws that the interval is read from.

    Raises
    ------
    NotEnoughDataError
        If an arm has no engaged trial.
    """
    return bounds_with_interval(injection, control, cover=cover, confidence=confidence, seed=seed)


def worst_case(
    injection: ArmCounts,
    control: ArmCounts,
    *,
    cover: Literal["effect", "set"] = "effect",
    confidence: float = 0.95,
    seed: int = 0,
) -> EffectBounds:
    """Bounds of the same difference when injection may move engagement both ways.

    Assumes random assignment alone. Source: Zhang and Rubin (2003), J. Educational and Behavioral Statistics 28.

    Parameters
    ----------
    injection, control, cover, confidence, seed
        As for `lee`.
    """
    return bounds_with_interval(injection, control, assuming="none", cover=cover, confidence=confidence, seed=seed)
