"""Transform from coordinates to coefficients (`inference.coordinates`), compiled, with its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.inference.coordinates import Coordinates

Array = np.ndarray[Any, Any]


class CoefficientTransform(NamedTuple):
    """Coefficients with intermediate results for the gradient: beta, u = L^-1 (pull + D mu), and L^-1 of the core."""

    beta: np.ndarray
    u: np.ndarray
    inverse: np.ndarray
    rest_root: np.ndarray
    log_volume: float


@compiled
def inverse_cholesky(matrix: Array) -> Array:
    """L^-1 (n, n) of a positive definite matrix L L'; NaN if it is not positive definite. `matrix` is overwritten with
    L.

    Inner loops run along rows and accumulate into several elements at once, which processors vectorise.
    """
    n = matrix.shape[0]
    column = np.zeros(n)
    for k in range(n):
        root = np.sqrt(matrix[k, k])
        for i in range(k, n):
            column[i] = matrix[i, k] / root
            matrix[i, k] = column[i]
        for i in range(k + 1, n):
            left = column[i]
            for j in range(k + 1, i + 1):
                matrix[i, j] -= left * column[j]
    out = np.zeros((n, n))
    for i in range(n):
        for k in range(i):
            left = matrix[i, k]
            for j in range(k + 1):
                out[i, j] -= left * out[k, j]
        for j in range(i):
            out[i, j] /= matrix[i, i]
        out[i, i] = 1.0 / matrix[i, i]
    return out


@compiled
def to_coefficients(z: Array, precision: Array, mean: Array, c: Coordinates) -> CoefficientTransform:
    """Coefficients from coordinates.

    Parameters
    ----------
    z : ndarray, shape (n, S)
        Coordinates.
    precision : ndarray, shape (n, S)
        Prior precisions.
    mean : ndarray, shape (n, S)
        Prior means.
    c : Coordinates
        Information that defines the coordinates.
    """
    stages = z.shape[1]
    beta, u = np.zeros(z.shape), np.zeros(z.shape)
    size = c.core.shape[0]
    inverse = np.zeros((stages, size, size))
    root = np.zeros((c.rest.shape[0], stages))
    volume = 0.0
    for s in range(stages):
        matrix = c.information[s].copy()
        for i in range(size):
            matrix[i, i] += precision[c.core[i], s]
        inverse[s] = inverse_cholesky(matrix)
        for i in range(size):
            at = 0.0
            for j in range(i + 1):
                at += inverse[s, i, j] * (c.pull[s, j] + precision[c.core[j], s] * mean[c.core[j], s])
            u[c.core[i], s] = at
            volume += np.log(inverse[s, i, i])
        for i in range(size):
            y = u[c.core[i], s] + z[c.core[i], s]
            for j in range(i + 1):
                beta[c.core[j], s] += inverse[s, i, j] * y
    for r in range(c.rest.shape[0]):
        p = c.rest[r]
        for s in range(stages):
            at = c.rest_pull[r, s] + precision[p, s] * mean[p, s]
            for k in range(c.indptr[r], c.indptr[r + 1]):
                at -= c.value[k, s] * beta[c.column[k], s]
            root[r, s] = np.sqrt(c.rest_information[r, s] + precision[p, s])
            u[p, s] = at / root[r, s]
            beta[p, s] = (u[p, s] + z[p, s]) / root[r, s]
            volume -= np.log(root[r, s])
    return CoefficientTransform(beta, u, inverse, root, volume)


@compiled
def coordinate_gradient(z: Array, way: CoefficientTransform, slope: Array, c: Coordinates) -> tuple[Array, Array]:
    """Gradients in coordinates and prior precisions from the gradient in the coefficients, volume included.

    With g the slope in beta, y' = L^-1 g, w = L^-T y' and m = A^-1 (pull + D mu), the derivative in A's k-th diagonal
    entry is - m_k w_k - v'v / 2 - v'T v / 2, where v is the k-th column of L^-1 and T_ij = z_max(i,j) y'_min(i,j): the
    reverse of the Cholesky factorisation (Murray 2016, arXiv 1602.07527) with its products of two vectors written out,
    so that it costs n^2 beyond L^-1. The rest comes first, in reverse order, and adds to the slopes of what it was
    conditioned on. The contribution of D to `pull + D mu` is omitted: a mean other than zero belongs
    to a fixed coefficient, whose precision never changes.

    Parameters
    ----------
    z : ndarray, shape (n, S)
        Coordinates.
    way : CoefficientTransform
        Transform at z (`to_coefficients`).
    slope : ndarray, shape (n, S)
        Gradient in the coefficients.
    c : Coordinates
        Information that defines the coordinates.

    Returns
    -------
    (ndarray, ndarray)
        Gradients in z and in the prior precisions, each (n, S).
    """
    d_z, d_precision = np.zeros(z.shape), np.zeros(z.shape)
    size, slope = c.core.shape[0], slope.copy()
    for r in range(c.rest.shape[0] - 1, -1, -1):
        p = c.rest[r]
        for s in range(z.shape[1]):
            root = way.rest_root[r, s]
            y = slope[p, s] / root
            d_z[p, s] = y
            d_precision[p, s] = -(way.u[p, s] * y + 0.5 * (1.0 + z[p, s] * y)) / root**2
            for k in range(c.indptr[r], c.indptr[r + 1]):
                slope[c.column[k], s] -= c.value[k, s] * y / root
    for s in range(z.shape[1]):
        inverse = way.inverse[s]
        w, m = np.zeros(size), np.zeros(size)
        square, twist, before = np.zeros(size), np.zeros(size), np.zeros(size)
        for i in range(size):
            y = 0.0
            for j in range(i + 1):
                y += inverse[i, j] * slope[c.core[j], s]
            d_z[c.core[i], s] = y
            at, known = z[c.core[i], s], way.u[c.core[i], s]
            for j in range(i + 1):
                v = inverse[i, j]
                w[j] += v * y
                m[j] += v * known
                square[j] += v * v
                twist[j] += v * at * (v * y + 2.0 * before[j])
                before[j] += v * y
        for j in range(size):
            d_precision[c.core[j], s] = -m[j] * w[j] - 0.5 * (square[j] + twist[j])
    return d_z, d_precision
