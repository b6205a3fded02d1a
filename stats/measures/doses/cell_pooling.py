"""Cells pooled over layers, strengths and subjects: the best cell without the winner's curse.

Estimand: the estimate of each cell (subject, layer, strength), and P(it is the best of its subject). The largest of
many noisy estimates is too large on average; pooling moves each towards what its subject, its depth and its dose have
in common, the more the noisier it is.

Model: y_j = theta_j + c_j + e_j, e_j ~ N(0, (1 - r) se_j^2) independent, theta_j + c_j = mean + subject + layer +
strength + cell, each a normal effect with mean 0 and a standard deviation of its own. c_j = sqrt(r) se_j z is what
errors of the cells of a subject have in common (cells share concepts, items and control trials): r is the mean of their
estimated correlations, as a full matrix cannot be estimated from few concepts, and z ~ N(0, 1) one number a subject. It
tells nothing of which cell is higher, so cells are pooled with it, and its spread is added to their posterior. Errors
of different subjects are taken as independent. Normal errors: an estimate on few degrees of freedom enters with the
standard error that gives its 95 % interval.

Formula: the standard deviations have half-normal priors with the scale of the spread of the estimates; they are drawn
by importance sampling from their prior, and theta from its exact conditional normal distribution. Source: Rubin (1981),
Estimation in parallel randomized experiments; Efron (2011), Tweedie's formula and selection bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import MeasuredEstimate, PooledCell

MIN_CELLS = 3
PROPOSALS, DRAWS = 1500, 2000
POOLED_METHOD = "partial pooling over cells"
_NORMAL = 1.959964


@dataclass(frozen=True)
class CellEstimates:
    """Cells of one measure of one subject.

    Attributes
    ----------
    cells : sequence of MeasuredEstimate
        One estimand on one scale, by layer and strength.
    correlation : float
        Of the errors of two cells, 0 to below 1.
    """

    cells: Sequence[MeasuredEstimate]
    correlation: float = 0.0


def pool_cells(found: Sequence[CellEstimates], seed: int = 0) -> list[PooledCell]:
    """Cells after partial pooling; none if fewer than `MIN_CELLS` have an interval.

    Parameters
    ----------
    found : sequence of CellEstimates
        Of each subject, one estimand on one scale.
    seed : int, default 0
    """
    cells = [cell for each in found for cell in each.cells]
    common = {cell.subject: each.correlation for each in found for cell in each.cells}
    known = [(cell, cell.headline) for cell in cells if cell.headline is not None]
    usable = [(cell, found) for cell, found in known if found is not None and found.high > found.low]
    if len(usable) < MIN_CELLS:
        return []
    values = np.array([cell.value for cell, _ in usable])
    errors = np.array([(found.high - found.low) / (2 * _NORMAL) for _, found in usable])
    axes = [
        np.array([cell.subject for cell, _ in usable]),
        *(np.array([cell.by[axis] for cell, _ in usable]) for axis in ("layer", "strength")),
    ]
    subjects = axes[0]
    shared = np.array([common[name] for name in subjects])
    rng = np.random.default_rng(seed)
    draws = pooled_draws(values, np.sqrt(1 - shared) * errors, _shared_effects(axes), rng)
    names, row = np.unique(subjects, return_inverse=True)
    draws = draws - np.sqrt(shared) * errors * rng.standard_normal((len(draws), len(names)))[:, row]
    best = np.zeros(len(values))
    for subject in np.unique(subjects):
        mine = np.flatnonzero(subjects == subject)
        best[mine] = np.bincount(draws[:, mine].argmax(axis=1), minlength=len(mine)) / len(draws)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return [
        PooledCell(
            subject=cell.subject,
            task=cell.task,
            estimand=cell.estimand,
            scale=cell.scale,
            by=cell.by,
            estimate=Estimate(
                value=float(draws[:, j].mean()),
                low=float(low[j]),
                high=float(high[j]),
                se=float(draws[:, j].std()),
                level=0.95,
                method=POOLED_METHOD,
            ),
            raw=cell.value,
            probability_best=float(best[j]),
        )
        for j, (cell, _) in enumerate(usable)
    ]


def pooled_draws(
    values: np.ndarray, errors: np.ndarray, shared: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Posterior draws of the cells' true values, shape (DRAWS, cells).

    Parameters
    ----------
    values, errors : ndarray, shape (cells,)
        Estimates and their standard errors.
    shared : sequence of ndarray, shape (cells, cells)
        1 where two cells share a level of an axis; the last is the identity.
    rng : Generator
    """
    size = len(values)
    scale = max(float(values.std()), float(errors.mean()), 1e-9)
    spreads = np.abs(rng.normal(0, scale, (PROPOSALS, len(shared))))
    wide = np.full((size, size), (10 * scale) ** 2 + float(np.abs(values).max()) ** 2)
    priors = wide + np.einsum("pk,kij->pij", spreads**2, np.stack(shared))
    whole = priors + np.diag(errors**2)
    factors = np.linalg.cholesky(whole)
    white = np.linalg.solve(factors, np.broadcast_to(values[:, None], (PROPOSALS, size, 1)))[..., 0]
    density = -0.5 * (white**2).sum(axis=1) - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    weight = np.exp(density - density.max())
    chosen, counts = np.unique(rng.choice(PROPOSALS, DRAWS, p=weight / weight.sum()), return_counts=True)
    drawn = []
    for proposal, count in zip(chosen, counts, strict=True):
        gain = np.linalg.solve(whole[proposal], priors[proposal]).T
        centre, spread = gain @ values, priors[proposal] - gain @ priors[proposal]
        root = np.linalg.cholesky((spread + spread.T) / 2 + 1e-9 * scale**2 * np.eye(size))
        drawn.append(centre + rng.standard_normal((count, size)) @ root.T)
    return np.concatenate(drawn)


def _shared_effects(axes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A matrix for each axis on which cells differ and share levels, and the identity."""
    size = len(axes[0])
    varied = [axis for axis in axes if 1 < len(np.unique(axis)) < size]
    return [(axis[:, None] == axis[None, :]).astype(float) for axis in varied] + [np.eye(size)]
