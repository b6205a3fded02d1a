"""The outcome stages' log density and gradient on arrays, compiled once for every study and kept on disk.

`inference.hierarchical` states the same density in PyMC, and a test holds the two equal. It is written out here
because its
arrays have no fixed shape: one compiled function serves every study and every refit, where PyMC would compile each
one anew (15 to 60 s on two cores). Plain loops throughout: they run as fast as array expressions and compile in
half the time. Knows arrays only: no store, no names, no priors but their numbers.

Parameters, in this order in one vector: coordinates of the coefficients (G + P, S) (`inference.coordinates`); log
standard
deviations (T, S); then those of the verdicts, where there are any (`gnomon.stats.inference.latent_log_density`).
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
"""Log probability of a class that an arm cannot have; finite, so that a count of 0 times it is 0."""


@compiled
def split_outcome_parameters(x: Array, a: PredictorArrays) -> tuple[Array, Array]:
    """Views of the outcome parameters: coordinates of the coefficients, log scales."""
    stages = a.fixed_mean.shape[1]
    one = (a.fixed_mean.shape[0] + a.group.shape[0]) * stages
    two = one + a.scale.shape[0] * stages
    return x[:one].reshape(-1, stages), x[one:two].reshape(-1, stages)


@compiled
def coefficient_priors(log_tau: Array, a: PredictorArrays) -> tuple[Array, Array]:
    """Prior precisions and means (G + P, S) of the coefficients, given the log scales."""
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
    """Coefficients (G + P, S) of the predictor."""
    z, log_tau = split_outcome_parameters(x, a)
    precision, mean = coefficient_priors(log_tau, a)
    return to_coefficients(z, precision, mean, c).beta


@compiled
def linear_predictor(coef: Array, indptr: Array, column: Array, value: Array) -> Array:
    """Logits (cells, S) of the stages."""
    cells, stages = indptr.shape[0] - 1, coef.shape[1]
    eta = np.zeros((cells, stages))
    for c in range(cells):
        for k in range(indptr[c], indptr[c + 1]):
            for s in range(stages):
                eta[c, s] += value[k] * coef[column[k], s]
    return eta


@compiled
def log_class_probabilities(eta: Array, asked: Array) -> Array:
    """Log probabilities (cells, K) of the classes from the logits (cells, S) of the stages that are asked."""
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
    """Log prior of coefficients and log scales with the volume of the coordinates; its slopes in both."""
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
    """Add to `out` (G + P, S) the gradient of sum(weight * log class) in the coefficients, weight (cells, K)."""
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
    """Gradient in all parameters from the slopes in coefficients and log scales."""
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
    """Log density, up to a constant, and gradient, where counts (cells, K) are taken at their word."""
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
