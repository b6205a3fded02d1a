"""Raters as voices: a label is one more verdict on a trial, with a confusion of its own.

Estimand: P(label | truth) of each rater, and through it the truth of labelled trials. Model: given the truth of a trial
the labels of raters are independent of each other and of the verdicts; the log odds of each wrong class against the
right one are common to raters and arms, with one deviation for each rater. An adjudicated label is the truth. Source:
Dawid and Skene (1979, Applied Statistics 28, 20-28), with a prior that raters are nearly always right: trials that two
raters labelled, adjudications and verdicts inform the errors, and without them the prior does.
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.model.priors import Priors

Array = np.ndarray[Any, Any]


ALIKE_UNCHECKED = 0.9
"""Correlation of a rater's wrong logits where no trial was labelled twice."""
ENOUGH_CHECKED = 20
"""Trials labelled twice from which the correlation is that of the priors."""


class RaterArrays(NamedTuple):
    """Labels of H raters who may be wrong; G is the number of combinations of their labels.

    `ratings` (G, H) is the class by each rater, -1 for none; `row` (R) each row's combination, -1 without a label that
    may be wrong. `deviating` is the number of raters with a deviation of their own: none if there is one rater.
    """

    ratings: np.ndarray
    row: np.ndarray
    raters: int
    deviating: int
    wrong_mean: float
    wrong_sd: float
    wrong_alike: float
    scale: float


def rater_arrays(patterns: VerdictPatternCells, priors: Priors) -> RaterArrays:
    """Arrays of the raters' labels, one row for each row of the patterns.

    The prior mean of a wrong logit is such that a rater's label is right with probability `rater_accuracy` on average
    over the prior (to first order in the error). Errors that differ between classes can be told from errors of judges
    only by trials that were labelled twice. With few of these the wrong logits are nearly equal a priori: otherwise
    verdicts alone would teach that raters err on one class, and unlabelled verdicts would overrule the labels (a judge
    that errs at high strength alone: bias +.20 at that strength with correlation .5, +.05 with .9).

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and labels.
    priors : Priors
        Prior scales.
    """
    many = len(patterns.raters)
    ratings, row = np.zeros((0, 0), dtype=np.int64), np.full(len(patterns.label), MISSING)
    if many:
        ratings, row = np.unique(patterns.ratings, axis=0, return_inverse=True)
        row = np.where((patterns.ratings == MISSING).all(axis=1), MISSING, row.reshape(-1))
    wrong = max(1.0 - priors.rater_accuracy, 1e-6) / max(len(patterns.classes) - 1, 1)
    spread = priors.rater_wrong_sd**2 + priors.rater_scale**2 * (many > 1)
    return RaterArrays(
        ratings=ratings,
        row=row,
        raters=many,
        deviating=many if many > 1 else 0,
        wrong_mean=log(wrong / priors.rater_accuracy) - spread / 2,
        wrong_sd=priors.rater_wrong_sd,
        wrong_alike=_wrong_correlation(patterns, priors.rater_wrong_alike),
        scale=priors.rater_scale,
    )


def _wrong_correlation(patterns: VerdictPatternCells, alike: float) -> float:
    """Prior correlation of wrong logits: `ALIKE_UNCHECKED`, down to `alike` as more trials are labelled twice."""
    unchecked = max(1.0 - patterns.repeated_labels / ENOUGH_CHECKED, 0.0)
    return alike + max(ALIKE_UNCHECKED - alike, 0.0) * unchecked


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
def label_chances(confusion: Array, raters: RaterArrays) -> Array:
    """P(the raters' labels | truth) by arm.

    Parameters
    ----------
    confusion : ndarray, shape (H, A, K, K)
        P(label | truth) of each rater.
    raters : RaterArrays
        The raters' labels.

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
                        out[a, g, z] *= confusion[h, a, z, said]
    return out


@compiled
def rater_gradient(
    tally: Array, confusion: Array, raters: RaterArrays, possible: Array, d_wrong: Array, d_deviation: Array
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
                    for c in range(tally.shape[2]):
                        if not possible[a, c]:
                            continue
                        gap = n * ((1.0 if said == c else 0.0) - confusion[h, a, z, c])
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


def label_weights(patterns: VerdictPatternCells, arms: Array) -> Array:
    """Number of labels (H, A, K) of each rater by arm and class.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and labels.
    arms : ndarray of int, shape (cells,)
        Arm of each cell.
    """
    out = np.zeros((len(patterns.raters), int(arms.max(initial=0)) + 1, len(patterns.classes)))
    for h in range(len(patterns.raters)):
        said = patterns.ratings[:, h]
        rows = said != MISSING
        np.add.at(out[h], (arms[patterns.cell[rows]], said[rows]), patterns.count[rows])
    return out
