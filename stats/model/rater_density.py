"""Density of the raters' labels and of their errors, with its gradient; compiled (`stats.model.rater_confusion`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.model.rater_confusion import RaterArrays

Array = np.ndarray[Any, Any]


@compiled
def rater_confusions(wrong: Array, deviation: Array, possible: Array, raters: RaterArrays) -> Array:
    """P(label | truth) of each rater in each arm.

    Parameters
    ----------
    wrong : ndarray, shape (K, K - 1), or (0, K - 1) without raters
        Logits of wrong classes, common to raters.
    deviation : ndarray, shape (H,), or (0,) with one rater
        Deviations of the logit of the right class.
    possible : ndarray of bool, shape (A, K)
        Classes that an arm can have.
    raters : RaterArrays
        The raters' labels.

    Returns
    -------
    ndarray, shape (H, A, K, K)
        Confusion matrices, true class first.
    """
    arms, classes = possible.shape
    out = np.zeros((raters.raters, arms, classes, classes))
    for h in range(raters.raters):
        own = np.exp(deviation[h]) if raters.deviating > 0 else 1.0
        for a in range(arms):
            for z in range(classes):
                whole = 0.0
                for c in range(classes):
                    if possible[a, c]:
                        out[h, a, z, c] = own if c == z else np.exp(wrong[z, c - (c > z)])
                        whole += out[h, a, z, c]
                for c in range(classes):
                    out[h, a, z, c] /= max(whole, 1e-300)
    return out


@compiled
def set_probability(probability: Array, members: Array) -> float:
    """Probability of a set of classes.

    Parameters
    ----------
    probability : ndarray, shape (K,)
        Probabilities of the classes.
    members : ndarray of bool, shape (K,)
        Classes of the set.
    """
    total = 0.0
    for c in range(probability.shape[0]):
        if members[c]:
            total += probability[c]
    return total


@compiled
def label_chances(confusion: Array, raters: RaterArrays, sets: Array) -> Array:
    """P(the raters' labels | truth) by arm.

    Parameters
    ----------
    confusion : ndarray, shape (H, A, K, K)
        P(label | truth) of each rater.
    raters : RaterArrays
        The raters' labels.
    sets : ndarray of bool, shape (K + S, K)
        Sets of classes that labels name.

    Returns
    -------
    ndarray, shape (A, G, K)
        Probability of each combination of labels.
    """
    out = np.ones((confusion.shape[1], raters.ratings.shape[0], confusion.shape[2]))
    for g in range(out.shape[1]):
        for h in range(raters.raters):
            said = raters.ratings[g, h]
            if said >= 0:
                for a in range(out.shape[0]):
                    for z in range(out.shape[2]):
                        out[a, g, z] *= set_probability(confusion[h, a, z], sets[said])
    return out


@compiled
def rater_gradient(
    tally: Array,
    confusion: Array,
    raters: RaterArrays,
    sets: Array,
    possible: Array,
    d_wrong: Array,
    d_deviation: Array,
) -> None:
    """Add the gradient of the log likelihood of the labels.

    Parameters
    ----------
    tally : ndarray, shape (A, G, K)
        Expected number of trials by arm, combination of labels and truth.
    confusion : ndarray, shape (H, A, K, K)
        P(label | truth) of each rater.
    raters : RaterArrays
        The raters' labels.
    sets : ndarray of bool, shape (K + S, K)
        Sets of classes that labels name.
    possible : ndarray of bool, shape (A, K)
        Classes that an arm can have.
    d_wrong : ndarray, shape (K, K - 1)
        The gradient in the wrong logits is added to it.
    d_deviation : ndarray, shape (H,), or (0,) with one rater
        The gradient in the deviations is added to it.
    """
    for a in range(tally.shape[0]):
        for g in range(tally.shape[1]):
            for z in range(tally.shape[2]):
                n = tally[a, g, z]
                if n == 0.0:
                    continue
                for h in range(raters.raters):
                    said = raters.ratings[g, h]
                    if said < 0:
                        continue
                    whole = max(set_probability(confusion[h, a, z], sets[said]), 1e-300)
                    for c in range(tally.shape[2]):
                        if not possible[a, c]:
                            continue
                        share = confusion[h, a, z, c] / whole if sets[said, c] else 0.0
                        gap = n * (share - confusion[h, a, z, c])
                        if c != z:
                            d_wrong[z, c - (c > z)] += gap
                        elif raters.deviating > 0:
                            d_deviation[h] += gap


@compiled
def rater_prior(wrong: Array, deviation: Array, raters: RaterArrays, d_wrong: Array, d_deviation: Array) -> float:
    """Log prior of the raters' errors; accumulates its gradient.

    Parameters
    ----------
    wrong : ndarray, shape (K, K - 1), or (0, K - 1) without raters
        Logits of wrong classes: normal, equally correlated.
    deviation : ndarray, shape (H,), or (0,) with one rater
        Deviations of the logit of the right class: normal.
    raters : RaterArrays
        Prior scales.
    d_wrong, d_deviation : ndarray
        The gradient is added to them.
    """
    total = 0.0
    gaps, slopes = (wrong.ravel() - raters.wrong_mean) / raters.wrong_sd, d_wrong.ravel()
    common = raters.wrong_alike / (1.0 + (gaps.size - 1) * raters.wrong_alike)
    whole = gaps.sum()
    for k in range(gaps.size):
        pulled = (gaps[k] - common * whole) / (1.0 - raters.wrong_alike)
        total -= 0.5 * gaps[k] * pulled
        slopes[k] -= pulled / raters.wrong_sd
    for h in range(deviation.shape[0]):
        gap = deviation[h] / raters.scale
        total -= 0.5 * gap * gap
        d_deviation[h] -= gap / raters.scale
    return total


def rater_accuracies(wrong: Array, deviation: Array, possible: Array, raters: RaterArrays, weight: Array) -> Array:
    """P(a rater's label is right), averaged over the classes of the rater's labels.

    Parameters
    ----------
    wrong : ndarray, shape (draws, K, K - 1)
        Logits of wrong classes.
    deviation : ndarray, shape (draws, H), or (draws, 0) with one rater
        Deviations of the logit of the right class.
    possible : ndarray of bool, shape (A, K)
        Classes that an arm can have.
    raters : RaterArrays
        The raters' labels.
    weight : ndarray, shape (H, A, K)
        Labels of each rater by arm and class.

    Returns
    -------
    ndarray, shape (draws, H)
        Probabilities.
    """
    out = np.zeros((len(wrong), raters.raters))
    for at, (one, own) in enumerate(zip(wrong, deviation, strict=True)):
        confusion = rater_confusions(np.ascontiguousarray(one), np.ascontiguousarray(own), possible, raters)
        right = np.einsum("hazz->haz", confusion)
        out[at] = (right * weight).sum(axis=(1, 2)) / np.maximum(weight.sum(axis=(1, 2)), 1e-300)
    return out
