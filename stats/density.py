"""The model's log density and its gradient on arrays, compiled once for every study and kept on disk.

`stats.model` states the same density in PyMC, and a test holds the two equal. It is written out here because its
arrays have no fixed shape: one compiled function serves every study and every refit, where PyMC would compile each
one anew (15 to 60 s on two cores). Plain loops throughout: they run as fast as array expressions and compile in
half the time. Knows arrays only: no store, no names, no priors but their numbers.

Parameters, in this order in one vector: fixed coefficients (G, S); log standard deviations (T, S); deviations
(P, S), raw or centred; and with verdicts: logits of wrong classes (A, J, K, K - 1), log standard deviations of
accuracies (Q, J), their deviations (D, J, K), agreement of pairs of judges (A, pairs).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.compiled import compiled
from stats.design import Arrays
from stats.panel import Verdicts

Array = np.ndarray[Any, Any]


@compiled
def split(x: Array, a: Arrays) -> tuple[Array, Array, Array]:
    """Views of the outcome parameters: fixed, log scales, deviations."""
    fixed, stages = a.fixed_mean.shape
    scales, many = a.scale.shape[0], a.group.shape[0]
    one, two = fixed * stages, (fixed + scales) * stages
    three = two + many * stages
    return x[:one].reshape(fixed, stages), x[one:two].reshape(scales, stages), x[two:three].reshape(many, stages)


@compiled
def coefficients(x: Array, a: Arrays) -> tuple[Array, Array]:
    """Coefficients (G + P, S) of the predictor, and the means (P, S) of the deviations that have parents."""
    gamma, log_tau, raw = split(x, a)
    fixed, stages = gamma.shape
    coef = np.zeros((fixed + raw.shape[0], stages))
    mean = np.zeros(raw.shape)
    for g in range(fixed):
        for s in range(stages):
            coef[g, s] = gamma[g, s]
    for p in range(raw.shape[0]):
        for s in range(stages):
            if a.centred[p, s] == 0.0:
                coef[fixed + p, s] = np.exp(log_tau[a.group[p], s]) * raw[p, s]
    for k in range(a.child.shape[0]):
        for s in range(stages):
            if a.centred[a.child[k], s] == 1.0:
                mean[a.child[k], s] += a.weight[k] * coef[a.parent[k], s]
    for p in range(raw.shape[0]):
        for s in range(stages):
            if a.centred[p, s] == 1.0:
                coef[fixed + p, s] = raw[p, s] - mean[p, s]
    return coef, mean


@compiled
def predictor(coef: Array, indptr: Array, column: Array, value: Array) -> Array:
    """Logits (cells, S) of the stages."""
    cells, stages = indptr.shape[0] - 1, coef.shape[1]
    eta = np.zeros((cells, stages))
    for c in range(cells):
        for k in range(indptr[c], indptr[c + 1]):
            for s in range(stages):
                eta[c, s] += value[k] * coef[column[k], s]
    return eta


@compiled
def log_classes(eta: Array) -> Array:
    """Log probabilities (cells, K) of the classes from the logits of the stages."""
    cells, stages = eta.shape
    out = np.zeros((cells, stages + 1))
    for c in range(cells):
        left = 0.0
        for s in range(stages):
            e = eta[c, s]
            tail = np.log1p(np.exp(-abs(e)))
            out[c, s] = left + min(e, 0.0) - tail
            left += min(-e, 0.0) - tail
        out[c, stages] = left
    return out


@compiled
def outcome_prior(x: Array, a: Arrays, mean: Array, grad: Array) -> tuple[float, Array]:
    """Log prior of the outcome parameters; adds its gradient, but for what passes through `mean`, which it returns."""
    gamma, log_tau, raw = split(x, a)
    d_gamma, d_log_tau, d_raw = split(grad, a)
    d_mean = np.zeros(raw.shape)
    total = 0.0
    for g in range(gamma.shape[0]):
        for s in range(gamma.shape[1]):
            z = (gamma[g, s] - a.fixed_mean[g, s]) / a.fixed_sd[g, s]
            total -= 0.5 * z * z
            d_gamma[g, s] -= z / a.fixed_sd[g, s]
    for t in range(log_tau.shape[0]):
        for s in range(log_tau.shape[1]):
            ratio = np.exp(log_tau[t, s]) / a.scale[t, s]
            total += log_tau[t, s] - 0.5 * ratio * ratio
            d_log_tau[t, s] += 1.0 - ratio * ratio
    for p in range(raw.shape[0]):
        for s in range(raw.shape[1]):
            if a.centred[p, s] == 1.0:
                t = a.group[p]
                tau = np.exp(log_tau[t, s])
                z = (raw[p, s] - mean[p, s]) / tau
                total -= 0.5 * z * z + log_tau[t, s]
                d_raw[p, s] -= z / tau
                d_mean[p, s] += z / tau
                d_log_tau[t, s] += z * z - 1.0
            else:
                total -= 0.5 * raw[p, s] * raw[p, s]
                d_raw[p, s] -= raw[p, s]
    return total, d_mean


@compiled
def coefficient_gradient(a: Arrays, eta: Array, weight: Array) -> Array:
    """Gradient (G + P, S) of sum(weight * log class) in the coefficients, weight (cells, K)."""
    stages = eta.shape[1]
    out = np.zeros((a.fixed_mean.shape[0] + a.group.shape[0], stages))
    for c in range(eta.shape[0]):
        below = weight[c, stages]
        for s in range(stages - 1, -1, -1):
            share = 1.0 / (1.0 + np.exp(-eta[c, s]))
            slope = weight[c, s] * (1.0 - share) - below * share
            below += weight[c, s]
            for k in range(a.indptr[c], a.indptr[c + 1]):
                out[a.column[k], s] += a.value[k] * slope
    return out


@compiled
def outcome_gradient(x: Array, a: Arrays, coef: Array, d_coef: Array, d_mean: Array, grad: Array) -> None:
    """Add to `grad` what comes through the coefficients and through the means of centred deviations."""
    _, log_tau, _ = split(x, a)
    d_gamma, d_log_tau, d_raw = split(grad, a)
    fixed, stages = d_gamma.shape
    for p in range(d_raw.shape[0]):
        for s in range(stages):
            if a.centred[p, s] == 1.0:
                d_raw[p, s] += d_coef[fixed + p, s]
                d_mean[p, s] -= d_coef[fixed + p, s]
    for k in range(a.child.shape[0]):
        for s in range(stages):
            if a.centred[a.child[k], s] == 1.0:
                d_coef[a.parent[k], s] += a.weight[k] * d_mean[a.child[k], s]
    for p in range(d_raw.shape[0]):
        for s in range(stages):
            if a.centred[p, s] == 0.0:
                d_raw[p, s] += np.exp(log_tau[a.group[p], s]) * d_coef[fixed + p, s]
                d_log_tau[a.group[p], s] += coef[fixed + p, s] * d_coef[fixed + p, s]
    for g in range(fixed):
        for s in range(stages):
            d_gamma[g, s] += d_coef[g, s]


@compiled
def judged_density(x: Array, a: Arrays, counts: Array) -> tuple[float, Array]:
    """Log density, up to a constant, and gradient, where counts (cells, K) are taken at their word."""
    grad = np.zeros(x.shape)
    coef, mean = coefficients(x, a)
    eta = predictor(coef, a.indptr, a.column, a.value)
    logs = log_classes(eta)
    total, d_mean = outcome_prior(x, a, mean, grad)
    for c in range(logs.shape[0]):
        for z in range(logs.shape[1]):
            total += counts[c, z] * logs[c, z]
    outcome_gradient(x, a, coef, coefficient_gradient(a, eta, counts), d_mean, grad)
    return total, grad


@compiled
def split_verdicts(x: Array, v: Verdicts, classes: int) -> tuple[Array, Array, Array, Array]:
    """Views of the verdict parameters: logits of wrong classes, log scales, deviations, agreement."""
    judges, many = v.full.shape[1], v.deviation.shape[1]
    one = v.arms * judges * classes * (classes - 1)
    two = one + v.groups * judges
    three = two + many * judges * classes
    four = three + v.arms * v.pairs.shape[0]
    return (
        x[:one].reshape(v.arms, judges, classes, classes - 1),
        x[one:two].reshape(v.groups, judges),
        x[two:three].reshape(many, judges, classes),
        x[three:four].reshape(v.arms, v.pairs.shape[0]),
    )


@compiled
def accuracies(log_tau: Array, raw: Array, v: Verdicts) -> Array:
    """Deviations (N, J, K) of each judge's accuracy, as logits of the right class."""
    out = np.zeros((v.arm.shape[0], raw.shape[1], raw.shape[2]))
    for d in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            tau = np.exp(log_tau[v.group[d], j])
            for n in range(v.arm.shape[0]):
                for z in range(raw.shape[2]):
                    out[n, j, z] += v.deviation[n, d] * tau * raw[d, j, z]
    return out


@compiled
def patterns(x: Array, v: Verdicts, classes: int) -> Array:
    """P(full pattern | true class, stratum), shape (N, K, L)."""
    wrong, log_tau, raw, agree = split_verdicts(x, v, classes)
    strata, judges, many = v.arm.shape[0], v.full.shape[1], v.full.shape[0]
    out = np.zeros((strata, classes, many))
    shift = accuracies(log_tau, raw, v)
    voice = np.zeros((judges, classes))
    for n in range(strata):
        for z in range(classes):
            for j in range(judges):
                for c in range(classes - 1):
                    voice[j, c if c < z else c + 1] = wrong[v.arm[n], j, z, c]
                voice[j, z] = shift[n, j, z]
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
def consistent(partial: Array, full: Array) -> bool:
    """Whether a full pattern is what a partial one says where it says anything."""
    agrees = True
    for j in range(partial.shape[0]):
        agrees = agrees and (partial[j] < 0 or partial[j] == full[j])
    return agrees


@compiled
def seen_patterns(tables: Array, v: Verdicts) -> Array:
    """P(seen pattern | true class, stratum), shape (N, K, B): full patterns (N, K, L) summed over silent judges."""
    strata, classes, many = tables.shape
    out = np.zeros((strata, classes, v.partial.shape[0]))
    for b in range(v.partial.shape[0]):
        for f in range(many):
            if consistent(v.partial[b], v.full[f]):
                for n in range(strata):
                    for z in range(classes):
                        out[n, z, b] += tables[n, z, f]
    return out


@compiled
def rows_likelihood(logs: Array, seen: Array, v: Verdicts, weight: Array, d_seen: Array) -> float:
    """Log likelihood of the rows; adds expected counts of classes to `weight` and of patterns to `d_seen`."""
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
            joint[z] = share[c, z] * seen[n, z, b] if fits else 0.0
            whole += joint[z]
        whole = max(whole, 1e-300)
        total += v.number[i] * np.log(whole)
        for z in range(classes):
            expected = v.number[i] * joint[z] / whole
            weight[c, z] += expected
            d_seen[n, z, b] += expected
    return total


@compiled
def pattern_gradient(tables: Array, seen: Array, d_seen: Array, v: Verdicts) -> Array:
    """Gradient (N, K, L) in the logits of the full patterns, from expected counts of the seen ones."""
    strata, classes, many = tables.shape
    out = np.zeros(tables.shape)
    for n in range(strata):
        for z in range(classes):
            whole = 0.0
            for b in range(v.partial.shape[0]):
                if d_seen[n, z, b] > 0.0:
                    for f in range(many):
                        if consistent(v.partial[b], v.full[f]):
                            out[n, z, f] += d_seen[n, z, b] * tables[n, z, f] / seen[n, z, b]
                    whole += d_seen[n, z, b]
            for f in range(many):
                out[n, z, f] -= whole * tables[n, z, f]
    return out


@compiled
def verdict_prior(x: Array, v: Verdicts, classes: int, grad: Array) -> float:
    """Log prior of the verdict parameters; adds its gradient."""
    judges = v.full.shape[1]
    one = v.arms * judges * classes * (classes - 1)
    two = one + v.groups * judges
    three = two + v.deviation.shape[1] * judges * classes
    total = 0.0
    for k in range(x.shape[0]):
        if one <= k < two:
            ratio = np.exp(x[k]) / v.scale
            total += x[k] - 0.5 * ratio * ratio
            grad[k] += 1.0 - ratio * ratio
        else:
            mean = v.wrong_mean if k < one else 0.0
            sd = v.wrong_sd if k < one else (1.0 if k < three else v.agreement_sd)
            total -= 0.5 * ((x[k] - mean) / sd) ** 2
            grad[k] -= (x[k] - mean) / sd**2
    return total


@compiled
def verdict_gradient(x: Array, v: Verdicts, d_tables: Array, grad: Array) -> None:
    """Add the gradient in the verdict parameters from that in the logits of the full patterns."""
    strata, classes, many = d_tables.shape
    _, log_tau, raw, _ = split_verdicts(x, v, classes)
    d_wrong, d_log_tau, d_raw, d_agree = split_verdicts(grad, v, classes)
    judges = v.full.shape[1]
    d_shift = np.zeros((strata, judges, classes))
    for n in range(strata):
        arm = v.arm[n]
        for z in range(classes):
            for f in range(many):
                slope = d_tables[n, z, f]
                for j in range(judges):
                    said = v.full[f, j]
                    if said == z:
                        d_shift[n, j, z] += slope
                    else:
                        d_wrong[arm, j, z, said if said < z else said - 1] += slope
                for k in range(v.pairs.shape[0]):
                    if v.full[f, v.pairs[k, 0]] == v.full[f, v.pairs[k, 1]]:
                        d_agree[arm, k] += slope
    for d in range(raw.shape[0]):
        for j in range(judges):
            tau = np.exp(log_tau[v.group[d], j])
            for z in range(classes):
                step = 0.0
                for n in range(strata):
                    step += tau * v.deviation[n, d] * d_shift[n, j, z]
                d_raw[d, j, z] += step
                d_log_tau[v.group[d], j] += step * raw[d, j, z]


@compiled
def corrected_density(x: Array, a: Arrays, v: Verdicts) -> tuple[float, Array]:
    """Log density, up to a constant, and gradient, where the true class is latent but for labelled rows."""
    grad = np.zeros(x.shape)
    first = (a.fixed_mean.shape[0] + a.scale.shape[0] + a.group.shape[0]) * a.fixed_mean.shape[1]
    classes = a.fixed_mean.shape[1] + 1
    coef, mean = coefficients(x, a)
    eta = predictor(coef, a.indptr, a.column, a.value)
    tables = patterns(x[first:], v, classes)
    seen = seen_patterns(tables, v)
    weight, d_seen = np.zeros((eta.shape[0], classes)), np.zeros(seen.shape)
    total, d_mean = outcome_prior(x, a, mean, grad)
    total += verdict_prior(x[first:], v, classes, grad[first:])
    total += rows_likelihood(log_classes(eta), seen, v, weight, d_seen)
    outcome_gradient(x, a, coef, coefficient_gradient(a, eta, weight), d_mean, grad)
    verdict_gradient(x[first:], v, pattern_gradient(tables, seen, d_seen, v), grad[first:])
    return total, grad
