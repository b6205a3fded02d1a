"""Which deviations sample better in their centred form: those that the data inform better than the group does.

A deviation that the data pin down is best sampled as the effect itself, one that they leave to the group as a
multiple of the group's standard deviation; the wrong choice makes a funnel. The choice changes nothing but speed.
"""

from __future__ import annotations

import numpy as np

RICH = 3.0
"""Ratio of the group's variance to a deviation's sampling variance above which it is centred."""


def well_informed(own: np.ndarray, against: np.ndarray | None, counts: np.ndarray, size: np.ndarray) -> np.ndarray:
    """1 for each subject and stage whose deviation is worth centring.

    The group's variance about its line in size is estimated by moments from empirical logits (DerSimonian and
    Laird 1986), so that a group that does not vary is not centred however many trials it has.

    Parameters
    ----------
    own : ndarray, shape (subjects, cells)
        Which cells are each subject's in the arm that the deviation belongs to.
    against : ndarray, shape (subjects, cells), optional
        Its cells in the base arm, where the deviation is one of the arm's effect.
    counts : ndarray, shape (cells, K)
    size : ndarray, shape (subjects,)
        log2 size.

    Returns
    -------
    ndarray, shape (subjects, K - 1)
    """
    logits, variance = _logits(own @ counts)
    if against is not None:
        base, spread = _logits(against @ counts)
        logits, variance = logits - base, variance + spread
    line = np.column_stack([np.ones_like(size), size - size.mean()])[:, : 1 + (np.ptp(size) > 0)]
    flags = [_group_variance(y, v, line) / v > RICH for y, v in zip(logits.T, variance.T, strict=True)]
    return np.column_stack(flags).astype(float)


def _logits(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Empirical logits of the stages and their sampling variances, with half a trial added to both sides."""
    reached = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    yes, no = counts[:, :-1] + 0.5, reached[:, 1:] + 0.5
    return np.log(yes / no), 1.0 / yes + 1.0 / no


def _group_variance(values: np.ndarray, variance: np.ndarray, line: np.ndarray) -> float:
    """Variance of the values about the line beyond their sampling variance; 0 with no value to spare."""
    weight = 1.0 / variance
    spare = len(values) - line.shape[1]
    if spare <= 0:
        return 0.0
    root = np.sqrt(weight)
    fitted = line @ np.linalg.lstsq(line * root[:, None], values * root, rcond=None)[0]
    excess = float(weight @ (values - fitted) ** 2) - spare
    hat = line @ np.linalg.pinv((line * weight[:, None]).T @ line) @ (line * weight[:, None]).T
    return float(max(0.0, excess / (weight @ (1.0 - np.diag(hat)))))
