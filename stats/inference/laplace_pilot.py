"""Laplace approximation of the posterior before sampling, which determines the sampler's coordinates.

With the scales fixed at the middle of their priors, the posterior of everything else has one mode and is nearly normal.
Its curvature there gives two things. The information on each stage's coefficients, marginalised over everything else
and without the prior's part, is what `inference.coordinates` needs to adapt to the scales. The remaining correlation in
these coordinates is removed by one fixed matrix. Both affect only the speed of a fit, never its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sps
from scipy.optimize import minimize
from scipy.sparse.linalg import splu

from gnomon.stats.inference.coordinates import Coordinates

Density = Callable[[np.ndarray], tuple[float, np.ndarray]]
MAX_CORE = 70
"""Greatest number of coefficients with joint information; beyond it, those of the largest groups follow one by one."""
DIFFERENCE_STEP = 1e-4
MIN_CURVATURE = 1e-3
MAX_ITERATIONS = 600
MAX_DENSE = 400
"""Number of parameters up to which all have one dense covariance; beyond it, not the coefficients outside the core."""
NEGLIGIBLE_SHARE = 0.02
"""Shared information, as a share of a coefficient's own, that is left out of its conditional mean."""


@dataclass(frozen=True)
class CoefficientBlock:
    """Coefficients (n, S) with a normal prior, and the positions of their coordinates in the parameter vector.

    `places` (n, S); `rows` (n, S) their rows in the pilot's covariance, -1 if they have none; `precision` and `mean`
    (n, S) of the prior; `core` the positions among n with joint information.
    """

    places: np.ndarray
    rows: np.ndarray
    precision: np.ndarray
    mean: np.ndarray
    core: np.ndarray


def core_coefficients(fixed: int, groups: np.ndarray) -> np.ndarray:
    """Positions of the fixed coefficients and the smallest groups of deviations, up to `MAX_CORE` in total.

    Parameters
    ----------
    fixed : int
        Number of fixed coefficients, which come first.
    groups : ndarray of int, shape (P,)
        Group of each deviation.
    """
    chosen = list(range(fixed))
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for places in sorted(members, key=len):
        if len(chosen) + len(places) <= MAX_CORE:
            chosen += (places + fixed).tolist()
    return np.array(sorted(chosen), dtype=np.int64)


def posterior_mode(density: Density, start: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The mode over the free parameters, with the others fixed.

    Parameters
    ----------
    density : Density
        Function from a parameter vector to log density and gradient.
    start : ndarray, shape (size,)
        Starting point.
    free : ndarray of int, shape (m,)
        Positions of the free parameters.

    Returns
    -------
    ndarray, shape (size,)
        The mode.
    """
    point = start.copy()

    def downhill(x: np.ndarray) -> tuple[float, np.ndarray]:
        point[free] = x
        value, slope = density(point)
        return -value, -slope[free]

    point[free] = minimize(downhill, start[free], jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS}).x
    return point


def curvature(density: Density, at: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Rows of the negative Hessian, by differences of gradients.

    Parameters
    ----------
    density : Density
        Function from a parameter vector to log density and gradient.
    at : ndarray, shape (size,)
        Point, usually the mode.
    rows, columns : ndarray of int, shapes (m,) and (n,)
        Positions of the parameters.

    Returns
    -------
    ndarray, shape (m, n)
        Second derivatives with the opposite sign.
    """
    out = np.empty((len(rows), len(columns)))
    for row, place in enumerate(rows):
        ahead, behind = at.copy(), at.copy()
        ahead[place] += DIFFERENCE_STEP
        behind[place] -= DIFFERENCE_STEP
        out[row] = (density(behind)[1][columns] - density(ahead)[1][columns]) / (2 * DIFFERENCE_STEP)
    return out


def inverse_curvature(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a negative Hessian, made symmetric and positive definite."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors / np.maximum(values, MIN_CURVATURE)) @ vectors.T)


def laplace_covariance(density: Density, at: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Covariance of the free parameters by the curvature at a point, with the others fixed.

    Parameters
    ----------
    density : Density
        Function from a parameter vector to log density and gradient.
    at : ndarray, shape (size,)
        Point, usually the mode.
    free : ndarray of int, shape (m,)
        Positions of the free parameters.

    Returns
    -------
    ndarray, shape (m, m)
        The covariance.
    """
    return inverse_curvature(curvature(density, at, free, free))


def marginal_covariance(
    density: Density, at: np.ndarray, dense: np.ndarray, sparse: np.ndarray, precision: sps.csc_matrix
) -> np.ndarray:
    """Covariance of some parameters by the curvature at a point, over the uncertainty of many others.

    The curvature among these others is given, so that the number of gradients does not grow with them.

    Parameters
    ----------
    density : Density
        Function from a parameter vector to log density and gradient.
    at : ndarray, shape (size,)
        Point, usually the mode.
    dense, sparse : ndarray of int, shapes (m,) and (n,)
        Positions of the parameters, and of the others.
    precision : csc_matrix, shape (n, n)
        Negative Hessian in the others.

    Returns
    -------
    ndarray, shape (m, m)
        The covariance.
    """
    rows = curvature(density, at, dense, np.concatenate([dense, sparse]))
    own, cross = rows[:, : len(dense)], rows[:, len(dense) :]
    return inverse_curvature(own - cross @ splu(precision).solve(np.ascontiguousarray(cross.T)))


def conditional_information(
    joint: np.ndarray, prior: np.ndarray, core: np.ndarray, runs: Sequence[np.ndarray]
) -> np.ndarray:
    """Information on each coefficient of the rest, over the uncertainty of all later ones, and what it shares.

    Runs are eliminated from the last to the first. Within a run the information is taken as diagonal: deviations of one
    group describe different cells.

    Parameters
    ----------
    joint : ndarray, shape (n, n)
        Precision of one stage's coefficients, prior included.
    prior : ndarray, shape (n,)
        The prior's part of its diagonal.
    core : ndarray of int
        Positions of the core.
    runs : sequence of ndarray of int
        Positions of the rest, one run for each group, coarse ones first.

    Returns
    -------
    ndarray, shape (n, n)
        Row r: the information shared with each earlier coefficient, and on the diagonal r's own, without the prior.
    """
    left, out = joint.copy(), np.zeros(joint.shape)
    for place in range(len(runs) - 1, -1, -1):
        run, before = runs[place], np.concatenate([core, *runs[:place]])
        block, cross = left[np.ix_(run, run)], left[np.ix_(run, before)]
        own = np.maximum(np.diag(block) - prior[run], 0.0)
        out[np.ix_(run, before)] = np.where(np.abs(cross) > NEGLIGIBLE_SHARE * own[:, None], cross, 0.0)
        out[run, run] = own
        left[np.ix_(before, before)] -= cross.T @ np.linalg.solve(block, cross)
    return out


def informed_coordinates(
    block: CoefficientBlock, at: np.ndarray, covariance: np.ndarray, shared: np.ndarray | None = None
) -> Coordinates:
    """Coordinates of a block from mode and covariance of its non-centred ones.

    Parameters
    ----------
    block : CoefficientBlock
        The coefficients and their prior.
    at : ndarray, shape (size,)
        Mode in non-centred coordinates.
    covariance : ndarray, shape (m, m)
        Covariance at the mode; `block.rows` are the positions in it.
    shared : ndarray, shape (S, n, n), optional
        `conditional_information` of each stage. Without it, the coefficients of the rest are transformed one by one.
    """
    many, stages = block.places.shape
    rest, root = np.setdiff1d(np.arange(many), block.core), np.sqrt(block.precision)
    beta = block.mean + at[block.places] / root
    information = np.zeros((stages, len(block.core), len(block.core)))
    pull, own = np.zeros((stages, len(block.core))), np.zeros((len(rest), stages))
    tension = block.precision * (beta - block.mean)
    for s in range(stages):
        rows = block.rows[block.core, s]
        whole = covariance[np.ix_(rows, rows)] / np.outer(root[block.core, s], root[block.core, s])
        information[s] = _positive_part(np.linalg.inv(whole) - np.diag(block.precision[block.core, s]))
        pull[s] = information[s] @ beta[block.core, s] + tension[block.core, s]
        if shared is None:
            alone = np.diag(covariance)[block.rows[rest, s]] / block.precision[rest, s]
            own[:, s] = np.maximum(1.0 / alone - block.precision[rest, s], 0.0)
        else:
            own[:, s] = np.diag(shared[s])[rest]
    given = np.zeros((stages, len(rest), many)) if shared is None else shared[:, rest]
    given[:, np.arange(len(rest)), rest] = 0.0
    row, column = np.nonzero((given != 0.0).any(axis=0))
    value = given[:, row, column].T
    rest_pull = own * beta[rest] + tension[rest]
    np.add.at(rest_pull, row, value * beta[column])
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(rest)))]).astype(np.int64)
    return Coordinates(
        block.core,
        rest,
        information,
        pull,
        own,
        rest_pull,
        starts,
        column.astype(np.int64),
        np.ascontiguousarray(value),
    )


def _positive_part(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
