"""Laplace approximation of the posterior before sampling, which determines the sampler's coordinates.

With the scales fixed at the middle of their priors, the posterior of everything else has one mode and is nearly normal.
Its curvature there gives two things. The information on each stage's coefficients, marginalised over everything else
and without the prior's part, is what `inference.coordinates` needs to adapt to the scales. The remaining correlation in
these coordinates is removed by one fixed matrix. Both affect only the speed of a fit, never its result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from gnomon.stats.inference.coordinates import Coordinates

Density = Callable[[np.ndarray], tuple[float, np.ndarray]]
MAX_CORE = 100
"""Greatest number of coefficients with joint information; beyond it, the largest groups have diagonal information."""
DIFFERENCE_STEP = 1e-4
MIN_CURVATURE = 1e-3
MAX_ITERATIONS = 600


@dataclass(frozen=True)
class CoefficientBlock:
    """Coefficients (n, S) with a normal prior, and the positions of their coordinates in the parameter vector.

    `places` (n, S); `precision`, `mean` (n, S) of the prior; `core` the positions among n with joint information.
    """

    places: np.ndarray
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


def laplace_covariance(density: Density, at: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Inverse of the negative Hessian over the free parameters, made positive definite; 0 for the others.

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
    ndarray, shape (size, size)
        The covariance.
    """
    curvature = np.empty((len(free), len(free)))
    for row, place in enumerate(free):
        ahead, behind = at.copy(), at.copy()
        ahead[place] += DIFFERENCE_STEP
        behind[place] -= DIFFERENCE_STEP
        curvature[row] = (density(behind)[1][free] - density(ahead)[1][free]) / (2 * DIFFERENCE_STEP)
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    out = np.zeros((len(at), len(at)))
    out[np.ix_(free, free)] = (vectors / np.maximum(values, MIN_CURVATURE)) @ vectors.T
    return out


def informed_coordinates(block: CoefficientBlock, at: np.ndarray, spread: np.ndarray) -> Coordinates:
    """Coordinates of a block from mode and covariance of its non-centred ones.

    Parameters
    ----------
    block : CoefficientBlock
        The coefficients and their prior.
    at : ndarray, shape (size,)
        Mode in non-centred coordinates.
    spread : ndarray, shape (size, size)
        Covariance at the mode (`laplace_covariance`).
    """
    many, stages = block.places.shape
    rest, root = np.setdiff1d(np.arange(many), block.core), np.sqrt(block.precision)
    beta = block.mean + at[block.places] / root
    information = np.zeros((stages, len(block.core), len(block.core)))
    pull, own = np.zeros((stages, len(block.core))), np.zeros((len(rest), stages))
    tension = block.precision * (beta - block.mean)
    for s in range(stages):
        whole = spread[np.ix_(block.places[:, s], block.places[:, s])] / np.outer(root[:, s], root[:, s])
        joint = np.linalg.inv(whole[np.ix_(block.core, block.core)])
        information[s] = _positive_part(joint - np.diag(block.precision[block.core, s]))
        pull[s] = information[s] @ beta[block.core, s] + tension[block.core, s]
        own[:, s] = np.maximum(1.0 / np.diag(whole)[rest] - block.precision[rest, s], 0.0)
    return Coordinates(block.core, rest, information, pull, own, own * beta[rest] + tension[rest])


def covariance_factor(spread: np.ndarray) -> np.ndarray:
    """A Cholesky factor (size, size) of a covariance; the identity for parameters without variance."""
    known = np.diag(spread) > 0
    out = np.eye(len(spread))
    out[np.ix_(known, known)] = np.linalg.cholesky(spread[np.ix_(known, known)])
    return out


def _positive_part(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
