"""Density of the levels of graded verdicts, with its gradient; compiled (`stats.model.graded_voices`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.model.graded_voices import GradeArrays

Array = np.ndarray[Any, Any]


class GradeParameters(NamedTuple):
    """Parameters of graded voices: `logit` (A, Q, 2, 2, L - 1) with common and lean before the verdict's side; shifts
    `shift` (n, Q, 2) by verdict and `dose` (n', Q, 2, 2) by truth and verdict, of the deviations' columns or of their
    levels.
    """

    logit: np.ndarray
    shift: np.ndarray
    dose: np.ndarray


@compiled
def level_probabilities(
    arm: int, shifted: Array, dosed: Array, p: GradeParameters, grades: GradeArrays, out: Array
) -> None:
    """P(level | truth, verdict) of a stratum.

    Parameters
    ----------
    arm : int
        Its arm.
    shifted, dosed : ndarray of int
        Its levels of the deviations of accuracies and of wrong logits; -1 for none.
    p : GradeParameters
        Parameters, shifts by level.
    grades : GradeArrays
        Levels of verdicts.
    out : ndarray, shape (Q, 2, 2, L)
        Filled: by judge, truth and verdict.
    """
    for q in range(out.shape[0]):
        for s in range(2):
            for t in range(2):
                step = 0.0
                for m in shifted:
                    if m >= 0:
                        step += p.shift[m, q, t]
                for m in dosed:
                    if m >= 0:
                        step += p.dose[m, q, s, t]
                top = 0.0
                for k in range(out.shape[3]):
                    out[q, s, t, k] = 0.0
                    if 0 < k < grades.most[arm, q, t]:
                        by = 0.5 if s == t else -0.5
                        out[q, s, t, k] = p.logit[arm, q, 0, t, k - 1] + by * p.logit[arm, q, 1, t, k - 1] + k * step
                        top = max(top, out[q, s, t, k])
                whole = 0.0
                for k in range(out.shape[3]):
                    out[q, s, t, k] = np.exp(out[q, s, t, k] - top) if k < grades.most[arm, q, t] else 0.0
                    whole += out[q, s, t, k]
                for k in range(out.shape[3]):
                    out[q, s, t, k] /= whole


@compiled
def add_level_slope(
    arm: int, shifted: Array, dosed: Array, tally: Array, chance: Array, slope: GradeParameters
) -> None:
    """Add the gradient of a stratum's levels.

    Parameters
    ----------
    arm : int
        Its arm.
    shifted, dosed : ndarray of int
        Its levels of the deviations of accuracies and of wrong logits; -1 for none.
    tally : ndarray, shape (Q, 2, 2, L)
        Expected trials by judge, truth, verdict and level.
    chance : ndarray, shape (Q, 2, 2, L)
        `level_probabilities`.
    slope : GradeParameters
        The gradient is added to it.
    """
    for q in range(tally.shape[0]):
        for s in range(2):
            for t in range(2):
                many = tally[q, s, t].sum()
                if many == 0.0:
                    continue
                step, by = 0.0, 0.5 if s == t else -0.5
                for k in range(1, tally.shape[3]):
                    gap = tally[q, s, t, k] - many * chance[q, s, t, k]
                    slope.logit[arm, q, 0, t, k - 1] += gap
                    slope.logit[arm, q, 1, t, k - 1] += by * gap
                    step += k * gap
                for m in shifted:
                    if m >= 0:
                        slope.shift[m, q, t] += step
                for m in dosed:
                    if m >= 0:
                        slope.dose[m, q, s, t] += step


@compiled
def grade_prior(p: GradeParameters, grades: GradeArrays, d: GradeParameters) -> float:
    """Log prior of graded voices; accumulates its gradient.

    Parameters
    ----------
    p : GradeParameters
        Parameters, shifts by column.
    grades : GradeArrays
        Prior scales.
    d : GradeParameters
        The gradient is added to it.
    """
    total = 0.0
    for a in range(p.logit.shape[0]):
        for q in range(p.logit.shape[1]):
            for kind in range(2):
                sd = grades.common_sd if kind == 0 else grades.lean_sd
                for t in range(2):
                    for k in range(p.logit.shape[4]):
                        middle = 0.0 if kind == 0 else grades.lean_mean * (k + 1)
                        gap = (p.logit[a, q, kind, t, k] - middle) / sd
                        total -= 0.5 * gap * gap
                        d.logit[a, q, kind, t, k] -= gap / sd
    total += normal_prior(p.shift.ravel(), grades.shift_sd, d.shift.ravel())
    return total + normal_prior(p.dose.ravel(), grades.dose_sd, d.dose.ravel())


@compiled
def normal_prior(values: Array, sd: float, slope: Array) -> float:
    """Log density of independent normals around 0; accumulates its gradient.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The values.
    sd : float
        Standard deviation.
    slope : ndarray, shape (n,)
        The gradient is added to it.
    """
    total = 0.0
    for k in range(values.size):
        gap = values[k] / sd
        total -= 0.5 * gap * gap
        slope[k] -= gap / sd
    return total
