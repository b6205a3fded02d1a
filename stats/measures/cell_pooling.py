"""Cells pooled over layers, strengths and subjects: the best cell without the winner's curse.

Estimand: the estimate of each cell (subject, layer, strength), and P(it is the best of its subject). The largest of
many noisy estimates is too large on average; pooling moves each towards what its subject, its depth and its dose have
in common, the more the noisier it is.

Model: y_j = theta_j + e_j, e_j ~ N(0, se_j^2), theta_j = mean + subject + layer + strength + cell, each a normal effect
with mean 0 and a standard deviation of its own. Assumes that errors of cells are independent; cells that share their
control trials are correlated, which widens all alike and hardly changes their order. Normal errors: an estimate on few
degrees of freedom enters with the standard error that gives its 95 % interval.

Formula: the standard deviations have half-normal priors with the scale of the spread of the estimates; they are drawn
by importance sampling from their prior, and theta from its exact conditional normal distribution. Source: Rubin (1981),
Estimation in parallel randomized experiments; Efron (2011), Tweedie's formula and selection bias.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import MeasuredEstimate, PooledCell

MIN_CELLS = 3
PROPOSALS, DRAWS = 1500, 2000
POOLED_METHOD = "partial pooling over cells"
_NORMAL = 1.959964


def pool_cells(cells: Sequence[MeasuredEstimate], seed: int = 0) -> list[PooledCell]:
    """Cells after partial pooling; none if fewer than `MIN_CELLS` have an interval.

    Parameters
    ----------
    cells : sequence of MeasuredEstimate
        One estimand on one scale, by layer and strength.
    seed : int, default 0
    """
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
    draws = pooled_draws(values, errors, _shared_effects(axes), np.random.default_rng(seed))
    subjects = axes[0]
    best = np.zeros(len(values))
    for subject in np.unique(subjects):
        mine = np.flatnonzero(subjects == subject)
        best[mine] = np.bincount(draws[:, mine].argmax(axis=1), minlength=len(mine)) / len(draws)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return [
        PooledCell(
            subject=cell.subject,
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
