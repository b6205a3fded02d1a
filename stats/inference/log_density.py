"""Log density and gradient of the outcome stages on arrays, compiled once for every study and cached on disk.

`inference.hierarchical` states the same density in PyMC, and a test verifies that both agree. It is written out here
because its arrays have no fixed shape: one compiled function serves every study and every refit, while PyMC would
compile each of them (15 to 60 s on two cores). Plain loops throughout: they run as fast as array expressions and
compile in half the time. Knows arrays only: no store, no names, no priors except as numbers.

Parameters, in this order in one vector: coordinates of the coefficients (G + P, S) (`inference.coordinates`); log
standard deviations (T, S); then those of the verdicts, if any (`gnomon.stats.inference.latent_log_density`). Letters as
in `model.linear_predictor.PredictorArrays`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.inference.coordinates import Coordinates
from gnomon.stats.inference.reparameterization import CoefficientTransform, coordinate_gradient, to_coefficients
from gnomon.stats.model.linear_predictor import PredictorArrays

Array = np.ndarray[Any, Any]
LOG_ZERO = -1e30
"""Log probability of an impossible class; finite, so that its product with a count of 0 is 0."""


@compiled
def split_outcome_parameters(x: Array, a: PredictorArrays) -> tuple[Array, Array]:
    """Views of the outcome parameters.

    Parameters
    ----------
    x : ndarray, shape (size,)
        A parameter vector.
    a : PredictorArrays
        Arrays of the predictor.

    Returns
    -------
    (ndarray, ndarray)
        Coordinates of the coefficients (G + P, S), log scales (T, S).
    """
    stages = a.fixed_mean.shape[1]
    one = (a.fixed_mean.shape[0] + a.group.shape[0]) * stages
    two = one + a.scale.shape[0] * stages
    return x[:one].reshape(-1, stages), x[one:two].reshape(-1, stages)


@compiled
def coefficient_priors(log_tau: Array, a: PredictorArrays) -> tuple[Array, Array]:
    """Prior precisions and means of the coefficients, given the log scales.

    Parameters
    ----------
    log_tau : ndarray, shape (T, S)
        Log standard deviations of the groups.
    a : PredictorArrays
        Arrays of the predictor.

    Returns
    -------
    (ndarray, ndarray)
        Precisions and means, each (G + P, S).
    """
    fixed, stages = a.fixed_mean.shape
    precision = np.zeros((fixed + a.group.shape[0], stages))
    mean = np.zeros(precision.shape)
    for g in range(fixed):
        for s in range(stages):
            precision[g, s] = 1.0 / a.fixed_sd[g, s] ** 2
            mean[g, s] = a.fixed_mean[g, s]
    for p in range(a.group.shape[0]):
        for s in range(stages):
            precision[fixed + p, s] = np.exp(-2.0 * log_tau[a.group[p], s])
    return precision, mean


@compiled
def coefficients_from_coordinates(x: Array, a: PredictorArrays, c: Coordinates) -> Array:
    """Coefficients of the predictor from a vector in the model's coordinates.

    Parameters
    ----------
    x : ndarray, shape (size,)
        The vector.
    a : PredictorArrays
        Arrays of the predictor.
    c : Coordinates
        Coordinates of the coefficients.

    Returns
    -------
    ndarray, shape (G + P, S)
        Coefficients.
    """
    z, log_tau = split_outcome_parameters(x, a)
    precision, mean = coefficient_priors(log_tau, a)
    return to_coefficients(z, precision, mean, c).beta


@compiled
def linear_predictor(coef: Array, indptr: Array, column: Array, value: Array) -> Array:
    """Logits of the stages, from the predictor's matrix in compressed rows.

    Parameters
    ----------
    coef : ndarray, shape (G + P, S)
        Coefficients.
    indptr : ndarray of int, shape (cells + 1,)
        Start of each cell's entries.
    column : ndarray of int, shape (entries,)
        Column of each entry.
    value : ndarray, shape (entries,)
        Value of each entry.

    Returns
    -------
    ndarray, shape (cells, S)
        Logits.
    """
    cells, stages = indptr.shape[0] - 1, coef.shape[1]
    eta = np.zeros((cells, stages))
    for c in range(cells):
        for k in range(indptr[c], indptr[c + 1]):
            for s in range(stages):
                eta[c, s] += value[k] * coef[column[k], s]
    return eta


@compiled
def log_class_probabilities(eta: Array, asked: Array) -> Array:
    """Log class probabilities from the logits of the stages.

    Parameters
    ----------
    eta : ndarray, shape (cells, S)
        Logits.
    asked : ndarray of bool, shape (cells, S)
        Stages that the cell's arm has.

    Returns
    -------
    ndarray, shape (cells, K)
        Log probabilities; `LOG_ZERO` for impossible classes.
    """
    cells, stages = eta.shape
    out = np.zeros((cells, stages + 1))
    for c in range(cells):
        left = 0.0
        for s in range(stages):
            if asked[c, s]:
                e = eta[c, s]
                tail = np.log1p(np.exp(-abs(e)))
                out[c, s] = left + min(e, 0.0) - tail
                left += min(-e, 0.0) - tail
            else:
                out[c, s] = LOG_ZERO
        out[c, stages] = left
    return out


@compiled
def outcome_prior(
    log_tau: Array, precision: Array, mean: Array, way: CoefficientTransform, a: PredictorArrays
) -> tuple[float, Array, Array]:
    """Log prior of coefficients and log scales, including the volume of the coordinates.

    Parameters
    ----------
    log_tau : ndarray, shape (T, S)
        Log standard deviations of the groups.
    precision : ndarray, shape (G + P, S)
        Prior precisions.
    mean : ndarray, shape (G + P, S)
        Prior means.
    way : CoefficientTransform
        Coefficients and volume of their coordinates.
    a : PredictorArrays
        Arrays of the predictor.

    Returns
    -------
    (float, ndarray, ndarray)
        Log prior, its gradient in the coefficients (G + P, S) and in the log scales (T, S).
    """
    fixed, beta = a.fixed_mean.shape[0], way.beta
    d_beta, d_log_tau = np.zeros(beta.shape), np.zeros(log_tau.shape)
    total = way.log_volume
    for p in range(beta.shape[0]):
        for s in range(beta.shape[1]):
            gap = beta[p, s] - mean[p, s]
            pulled = precision[p, s] * gap
            total -= 0.5 * pulled * gap
            d_beta[p, s] = -pulled
            if p >= fixed:
                t = a.group[p - fixed]
                total -= log_tau[t, s]
                d_log_tau[t, s] += pulled * gap - 1.0
    for t in range(log_tau.shape[0]):
        for s in range(log_tau.shape[1]):
            ratio = np.exp(log_tau[t, s]) / a.scale[t, s]
            total += log_tau[t, s] - 0.5 * ratio * ratio
            d_log_tau[t, s] += 1.0 - ratio * ratio
    return total, d_beta, d_log_tau


@compiled
def coefficient_gradient(a: PredictorArrays, eta: Array, weight: Array, out: Array) -> None:
    """Add the gradient of sum(weight * log class probability) in the coefficients.

    Parameters
    ----------
    a : PredictorArrays
        Arrays of the predictor.
    eta : ndarray, shape (cells, S)
        Logits of the stages.
    weight : ndarray, shape (cells, K)
        Counts, or expected counts, by class.
    out : ndarray, shape (G + P, S)
        The gradient is added to it.
    """
    stages = eta.shape[1]
    for c in range(eta.shape[0]):
        below = weight[c, stages]
        for s in range(stages - 1, -1, -1):
            share = 1.0 / (1.0 + np.exp(-eta[c, s]))
            slope = weight[c, s] * (1.0 - share) - below * share
            below += weight[c, s]
            if a.asked[c, s]:
                for k in range(a.indptr[c], a.indptr[c + 1]):
                    out[a.column[k], s] += a.value[k] * slope


@compiled
def outcome_gradient(
    x: Array, a: PredictorArrays, c: Coordinates, way: CoefficientTransform, d_beta: Array, d_log_tau: Array
) -> Array:
    """Gradient in the model's coordinates from the gradients in coefficients and log scales.

    Parameters
    ----------
    x : ndarray, shape (size,)
        A vector in the model's coordinates.
    a : PredictorArrays
        Arrays of the predictor.
    c : Coordinates
        Coordinates of the coefficients.
    way : CoefficientTransform
        Their transform (`to_coefficients`).
    d_beta : ndarray, shape (G + P, S)
        Gradient in the coefficients.
    d_log_tau : ndarray, shape (T, S)
        Gradient in the log scales.

    Returns
    -------
    ndarray, shape (size,)
        Gradient.
    """
    z, log_tau = split_outcome_parameters(x, a)
    grad = np.zeros(x.shape)
    out_z, out_tau = split_outcome_parameters(grad, a)
    d_z, d_precision = coordinate_gradient(z, way, d_beta, c)
    out_z[:] = d_z
    out_tau[:] = d_log_tau
    fixed = a.fixed_mean.shape[0]
    for p in range(a.group.shape[0]):
        for s in range(z.shape[1]):
            t = a.group[p]
            out_tau[t, s] -= 2.0 * np.exp(-2.0 * log_tau[t, s]) * d_precision[fixed + p, s]
    return grad


@compiled
def judged_density(x: Array, a: PredictorArrays, c: Coordinates, counts: Array) -> tuple[float, Array]:
    """Log density, up to a constant, and gradient for observed class counts.

    Parameters
    ----------
    x : ndarray, shape (size,)
        A vector in the model's coordinates.
    a : PredictorArrays
        Arrays of the predictor.
    c : Coordinates
        Coordinates of the coefficients.
    counts : ndarray, shape (cells, K)
        Counts by class.

    Returns
    -------
    (float, ndarray)
        Log density, and its gradient (size,).
    """
    z, log_tau = split_outcome_parameters(x, a)
    precision, mean = coefficient_priors(log_tau, a)
    way = to_coefficients(z, precision, mean, c)
    eta = linear_predictor(way.beta, a.indptr, a.column, a.value)
    logs = log_class_probabilities(eta, a.asked)
    total, d_beta, d_log_tau = outcome_prior(log_tau, precision, mean, way, a)
    for cell in range(logs.shape[0]):
        for k in range(logs.shape[1]):
            total += counts[cell, k] * logs[cell, k]
    coefficient_gradient(a, eta, counts, d_beta)
    return total, outcome_gradient(x, a, c, way, d_beta, d_log_tau)
