"""Log density and gradient of the corrected model: the true class is marginalised over verdicts and labels.

Parameters after those of the outcome stages: logits of wrong classes (A, J, K, K - 1), log standard deviations of
accuracies (Q, J), coordinates of their deviations (D, J, K), agreement of pairs of judges (A, pairs). Letters as in
`model.judge_confusion.VerdictArrays`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.inference.coordinates import Coordinates
from gnomon.stats.inference.log_density import (
    LOG_ZERO,
    coefficient_gradient,
    coefficient_priors,
    linear_predictor,
    log_class_probabilities,
    outcome_gradient,
    outcome_prior,
    split_outcome_parameters,
)
from gnomon.stats.inference.reparameterization import CoefficientTransform, coordinate_gradient, to_coefficients
from gnomon.stats.model.judge_confusion import VerdictArrays
from gnomon.stats.model.linear_predictor import PredictorArrays

Array = np.ndarray[Any, Any]


@compiled
def split_verdict_parameters(x: Array, v: VerdictArrays, classes: int) -> tuple[Array, Array, Array, Array]:
    """Views of the verdict parameters.

    Parameters
    ----------
    x : ndarray, shape (size,)
        Verdict part of a parameter vector.
    v : VerdictArrays
        Verdict data.
    classes : int
        Number of classes K.

    Returns
    -------
    tuple of ndarray
        Logits of wrong classes (A, J, K, K - 1), log scales (Q, J), deviations (D, J K), agreement (A, pairs).
    """
    judges, many = v.full.shape[1], v.deviation.shape[1]
    one = v.arms * judges * classes * (classes - 1)
    two = one + v.groups * judges
    three = two + many * judges * classes
    four = three + v.arms * v.pairs.shape[0]
    return (
        x[:one].reshape(v.arms, judges, classes, classes - 1),
        x[one:two].reshape(v.groups, judges),
        x[two:three].reshape(many, judges * classes),
        x[three:four].reshape(v.arms, v.pairs.shape[0]),
    )


@compiled
def accuracy_prior(log_tau: Array, v: VerdictArrays, classes: int) -> Array:
    """Prior precisions of the accuracy deviations.

    Parameters
    ----------
    log_tau : ndarray, shape (Q, J)
        Log standard deviations.
    v : VerdictArrays
        Verdict data.
    classes : int
        Number of classes K.

    Returns
    -------
    ndarray, shape (D, J K)
        Precisions.
    """
    judges = v.full.shape[1]
    out = np.zeros((v.deviation.shape[1], judges * classes))
    for d in range(out.shape[0]):
        for j in range(judges):
            for z in range(classes):
                out[d, j * classes + z] = np.exp(-2.0 * log_tau[v.group[d], j])
    return out


@compiled
def accuracy_logits(deviations: Array, v: VerdictArrays, classes: int) -> Array:
    """Logit of the correct class for each stratum, judge and true class.

    Parameters
    ----------
    deviations : ndarray, shape (D, J K)
        Accuracy deviations.
    v : VerdictArrays
        Verdict data.
    classes : int
        Number of classes K.

    Returns
    -------
    ndarray, shape (N, J, K)
        Logits.
    """
    judges = v.full.shape[1]
    out = np.zeros((v.arm.shape[0], judges, classes))
    for n in range(v.arm.shape[0]):
        for d in range(deviations.shape[0]):
            if v.deviation[n, d] != 0.0:
                for j in range(judges):
                    for z in range(classes):
                        out[n, j, z] += v.deviation[n, d] * deviations[d, j * classes + z]
    return out


@compiled
def accuracy_deviations(x: Array, v: VerdictArrays, c: Coordinates, classes: int) -> Array:
    """Accuracy deviations from their coordinates.

    Parameters
    ----------
    x : ndarray, shape (size,)
        Verdict part of a vector in the model's coordinates.
    v : VerdictArrays
        Verdict data.
    c : Coordinates
        Coordinates of the deviations.
    classes : int
        Number of classes K.

    Returns
    -------
    ndarray, shape (D, J K)
        Deviations.
    """
    _, log_tau, raw, _ = split_verdict_parameters(x, v, classes)
    precision = accuracy_prior(log_tau, v, classes)
    return to_coefficients(raw, precision, np.zeros(precision.shape), c).beta


@compiled
def pattern_tables(x: Array, deviations: Array, v: VerdictArrays, classes: int) -> Array:
    """P(full pattern | true class) in each stratum, given the accuracy deviations.

    Parameters
    ----------
    x : ndarray, shape (size,)
        Verdict part of a parameter vector.
    deviations : ndarray, shape (D, J K)
        Accuracy deviations.
    v : VerdictArrays
        Verdict data.
    classes : int
        Number of classes K.

    Returns
    -------
    ndarray, shape (N, K, L)
        Probability of each full pattern.
    """
    wrong, _, _, agree = split_verdict_parameters(x, v, classes)
    strata, judges, many = v.arm.shape[0], v.full.shape[1], v.full.shape[0]
    out = np.zeros((strata, classes, many))
    right = accuracy_logits(deviations, v, classes)
    voice = np.zeros((judges, classes))
    for n in range(strata):
        for z in range(classes):
            for j in range(judges):
                for c in range(classes - 1):
                    voice[j, c if c < z else c + 1] = wrong[v.arm[n], j, z, c]
                voice[j, z] = right[n, j, z]
                for c in range(classes):
                    if not v.possible[v.arm[n], c]:
                        voice[j, c] = LOG_ZERO
            top = -np.inf
            for f in range(many):
                for j in range(judges):
                    out[n, z, f] += voice[j, v.full[f, j]]
                for k in range(v.pairs.shape[0]):
                    if v.full[f, v.pairs[k, 0]] == v.full[f, v.pairs[k, 1]]:
                        out[n, z, f] += agree[v.arm[n], k]
                top = max(top, out[n, z, f])
            whole = 0.0
            for f in range(many):
                out[n, z, f] = np.exp(out[n, z, f] - top)
                whole += out[n, z, f]
            for f in range(many):
                out[n, z, f] /= whole
    return out


@compiled
def is_consistent(partial: Array, full: Array) -> bool:
    """Whether a full pattern agrees with a partial one wherever that has a verdict.

    Parameters
    ----------
    partial : ndarray of int, shape (J,)
        Class by each judge, -1 for no verdict.
    full : ndarray of int, shape (J,)
        Class by each judge.
    """
    agrees = True
    for j in range(partial.shape[0]):
        agrees = agrees and (partial[j] < 0 or partial[j] == full[j])
    return agrees


@compiled
def seen_pattern_probabilities(tables: Array, v: VerdictArrays) -> Array:
    """P(observed pattern | true class): full patterns summed over missing verdicts.

    Parameters
    ----------
    tables : ndarray, shape (N, K, L)
        Probability of each full pattern.
    v : VerdictArrays
        Verdict data.

    Returns
    -------
    ndarray, shape (N, K, B)
        Probability of each observed pattern.
    """
    strata, classes, many = tables.shape
    out = np.zeros((strata, classes, v.partial.shape[0]))
    for b in range(v.partial.shape[0]):
        for f in range(many):
            if is_consistent(v.partial[b], v.full[f]):
                for n in range(strata):
                    for z in range(classes):
                        out[n, z, b] += tables[n, z, f]
    return out


@compiled
def rows_log_likelihood(logs: Array, seen: Array, v: VerdictArrays, weight: Array, d_seen: Array) -> float:
    """Log likelihood of the rows; accumulates what the gradient needs.

    Parameters
    ----------
    logs : ndarray, shape (cells, K)
        Log class probabilities.
    seen : ndarray, shape (N, K, B)
        Probability of each observed pattern.
    v : VerdictArrays
        Verdict data.
    weight : ndarray, shape (cells, K)
        Expected class counts are added to it.
    d_seen : ndarray, shape (N, K, B)
        Expected pattern counts are added to it.
    """
    cells, classes = logs.shape
    share = np.zeros((cells, classes))
    for c in range(cells):
        for z in range(classes):
            share[c, z] = np.exp(logs[c, z])
    joint = np.zeros(classes)
    total = 0.0
    for i in range(v.cell.shape[0]):
        c, n, b = v.cell[i], v.stratum[i], v.pattern[i]
        whole = 0.0
        for z in range(classes):
            fits = v.label[i] < 0 or v.label[i] == z
            prior = share[c, z] if c >= 0 else 1.0
            joint[z] = prior * seen[n, z, b] if fits else 0.0
            whole += joint[z]
        whole = max(whole, 1e-300)
        total += v.number[i] * np.log(whole)
        each = v.number[i] / whole
        for z in range(classes):
            d_seen[n, z, b] += each * joint[z]
            if c >= 0:
                weight[c, z] += each * joint[z]
    return total


@compiled
def pattern_gradient(tables: Array, seen: Array, d_seen: Array, v: VerdictArrays) -> Array:
    """Gradient in the logits of the full patterns.

    Parameters
    ----------
    tables : ndarray, shape (N, K, L)
        Probability of each full pattern.
    seen : ndarray, shape (N, K, B)
        Probability of each observed pattern.
    d_seen : ndarray, shape (N, K, B)
        Expected counts of observed patterns.
    v : VerdictArrays
        Verdict data.

    Returns
    -------
    ndarray, shape (N, K, L)
        Gradient.
    """
    strata, classes, many = tables.shape
    out = np.zeros(tables.shape)
    for n in range(strata):
        for z in range(classes):
            whole = 0.0
            for b in range(v.partial.shape[0]):
                if d_seen[n, z, b] > 0.0:
                    for f in range(many):
                        if is_consistent(v.partial[b], v.full[f]):
                            out[n, z, f] += d_seen[n, z, b] * tables[n, z, f] / seen[n, z, b]
                    whole += d_seen[n, z, b]
            for f in range(many):
                out[n, z, f] -= whole * tables[n, z, f]
    return out


@compiled
def verdict_prior(
    x: Array, v: VerdictArrays, precision: Array, way: CoefficientTransform, grad: Array
) -> tuple[float, Array]:
    """Log prior of the verdict parameters; accumulates its gradient.

    Parameters
    ----------
    x : ndarray, shape (size,)
        Verdict part of a parameter vector.
    v : VerdictArrays
        Verdict data.
    precision : ndarray, shape (D, J K)
        Prior precisions of the accuracy deviations.
    way : CoefficientTransform
        Deviations and volume of their coordinates.
    grad : ndarray, shape (size,)
        The gradient is added to it, except in the deviations.

    Returns
    -------
    (float, ndarray)
        Log prior, and its gradient in the deviations (D, J K).
    """
    classes = precision.shape[1] // v.full.shape[1]
    wrong, log_tau, _, agree = split_verdict_parameters(x, v, classes)
    d_wrong, d_log_tau, _, d_agree = split_verdict_parameters(grad, v, classes)
    total = way.log_volume
    gaps, slopes = (wrong.ravel() - v.wrong_mean) / v.wrong_sd, d_wrong.ravel()
    many = gaps.size // v.arms
    common = v.wrong_alike / (1.0 + (many - 1) * v.wrong_alike)
    for arm in range(v.arms):
        whole = gaps[arm * many : (arm + 1) * many].sum()
        for k in range(arm * many, (arm + 1) * many):
            pulled = (gaps[k] - common * whole) / (1.0 - v.wrong_alike)
            total -= 0.5 * gaps[k] * pulled
            slopes[k] -= pulled / v.wrong_sd
    gaps, slopes = agree.ravel() / v.agreement_sd, d_agree.ravel()
    for k in range(gaps.size):
        total -= 0.5 * gaps[k] * gaps[k]
        slopes[k] -= gaps[k] / v.agreement_sd
    for g in range(log_tau.shape[0]):
        for j in range(log_tau.shape[1]):
            ratio = np.exp(log_tau[g, j]) / v.scale
            total += log_tau[g, j] - 0.5 * ratio * ratio
            d_log_tau[g, j] += 1.0 - ratio * ratio
    slope = np.zeros(precision.shape)
    for d in range(precision.shape[0]):
        for k in range(precision.shape[1]):
            pulled = precision[d, k] * way.beta[d, k]
            slope[d, k] = -pulled
            total -= 0.5 * pulled * way.beta[d, k] + log_tau[v.group[d], k // classes]
            d_log_tau[v.group[d], k // classes] += pulled * way.beta[d, k] - 1.0
    return total, slope


@compiled
def verdict_gradient(d_tables: Array, v: VerdictArrays, slope: Array, grad: Array) -> None:
    """Propagate the gradient from the logits of the full patterns to the verdict parameters.

    Parameters
    ----------
    d_tables : ndarray, shape (N, K, L)
        Gradient in the logits of the full patterns.
    v : VerdictArrays
        Verdict data.
    slope : ndarray, shape (D, J K)
        The gradient in the deviations is added to it.
    grad : ndarray, shape (size,)
        The gradient in the other verdict parameters is added to it.
    """
    strata, classes, many = d_tables.shape
    d_wrong, _, _, d_agree = split_verdict_parameters(grad, v, classes)
    judges = v.full.shape[1]
    d_right = np.zeros((judges, classes))
    for n in range(strata):
        arm = v.arm[n]
        d_right[:] = 0.0
        for z in range(classes):
            for f in range(many):
                given = d_tables[n, z, f]
                for j in range(judges):
                    said = v.full[f, j]
                    if said == z:
                        d_right[j, z] += given
                    else:
                        d_wrong[arm, j, z, said if said < z else said - 1] += given
                for k in range(v.pairs.shape[0]):
                    if v.full[f, v.pairs[k, 0]] == v.full[f, v.pairs[k, 1]]:
                        d_agree[arm, k] += given
        for d in range(slope.shape[0]):
            if v.deviation[n, d] != 0.0:
                for j in range(judges):
                    for z in range(classes):
                        slope[d, j * classes + z] += v.deviation[n, d] * d_right[j, z]


@compiled
def accuracy_gradient(
    x: Array, v: VerdictArrays, c: Coordinates, way: CoefficientTransform, slope: Array, grad: Array
) -> None:
    """Propagate the gradient from the accuracy deviations to their coordinates and log scales.

    Parameters
    ----------
    x : ndarray, shape (size,)
        Verdict part of a vector in the model's coordinates.
    v : VerdictArrays
        Verdict data.
    c : Coordinates
        Coordinates of the deviations.
    way : CoefficientTransform
        Their transform (`to_coefficients`).
    slope : ndarray, shape (D, J K)
        Gradient in the deviations.
    grad : ndarray, shape (size,)
        The gradient is added to it.
    """
    classes = slope.shape[1] // v.full.shape[1]
    _, log_tau, raw, _ = split_verdict_parameters(x, v, classes)
    _, d_log_tau, d_raw, _ = split_verdict_parameters(grad, v, classes)
    d_z, d_precision = coordinate_gradient(raw, way, slope, c)
    d_raw[:] = d_z
    for d in range(slope.shape[0]):
        for k in range(slope.shape[1]):
            g, j = v.group[d], k // classes
            d_log_tau[g, j] -= 2.0 * np.exp(-2.0 * log_tau[g, j]) * d_precision[d, k]


@compiled
def corrected_density(
    x: Array, a: PredictorArrays, c: Coordinates, v: VerdictArrays, cv: Coordinates
) -> tuple[float, Array]:
    """Log density, up to a constant, and gradient, with the true class latent except in labelled rows.

    Parameters
    ----------
    x : ndarray, shape (size,)
        A vector in the model's coordinates.
    a : PredictorArrays
        Arrays of the predictor.
    c : Coordinates
        Coordinates of the coefficients.
    v : VerdictArrays
        Verdict data.
    cv : Coordinates
        Coordinates of the accuracy deviations.

    Returns
    -------
    (float, ndarray)
        Log density, and its gradient (size,).
    """
    z, log_tau = split_outcome_parameters(x, a)
    first = z.size + log_tau.size
    own, classes = x[first:], a.fixed_mean.shape[1] + 1
    precision, mean = coefficient_priors(log_tau, a)
    way = to_coefficients(z, precision, mean, c)
    eta = linear_predictor(way.beta, a.indptr, a.column, a.value)
    _, log_sigma, raw, _ = split_verdict_parameters(own, v, classes)
    trust = accuracy_prior(log_sigma, v, classes)
    bent = to_coefficients(raw, trust, np.zeros(trust.shape), cv)
    tables = pattern_tables(own, bent.beta, v, classes)
    seen = seen_pattern_probabilities(tables, v)
    weight, d_seen = np.zeros((eta.shape[0], classes)), np.zeros(seen.shape)
    total, d_beta, d_log_tau = outcome_prior(log_tau, precision, mean, way, a)
    total += rows_log_likelihood(log_class_probabilities(eta, a.asked), seen, v, weight, d_seen)
    coefficient_gradient(a, eta, weight, d_beta)
    grad = outcome_gradient(x, a, c, way, d_beta, d_log_tau)
    more, slope = verdict_prior(own, v, trust, bent, grad[first:])
    verdict_gradient(pattern_gradient(tables, seen, d_seen, v), v, slope, grad[first:])
    accuracy_gradient(own, v, cv, bent, slope, grad[first:])
    return total + more, grad
