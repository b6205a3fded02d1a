"""Isotonic maps from a judge's scores to shares of events, learnt from labels; knows nothing of stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError

FOLDS = 10
"""Parts of the labelled trials: the map for each part is learnt on the others."""


@dataclass(frozen=True, slots=True)
class IsotonicMap:
    """A function that never decreases: linear between its points, constant beyond its ends.

    Attributes
    ----------
    scores : ndarray, shape (m,)
        Distinct scores of the labelled trials, ascending.
    values : ndarray, shape (m,)
        Fitted mean label at each.
    """

    scores: Floats
    values: Floats

    def calibrate(self, scores: ArrayLike) -> Floats:
        """The mean label that trials with these scores are fitted to have."""
        return np.asarray(np.interp(np.asarray(scores, dtype=float), self.scores, self.values), dtype=float)


@dataclass(frozen=True, slots=True)
class CrossFittedScores:
    """Calibrated scores of which none was calibrated by its own label.

    Attributes
    ----------
    labelled : ndarray, shape (n,)
        Of each labelled trial, by the map that the other folds teach.
    pool : ndarray, shape (N,)
        Of each trial of the pool, the mean over the maps of all folds.
    by_fold : ndarray, shape (folds,)
        Mean of the calibrated pool by each fold's map, for a jackknife over folds.
    """

    labelled: Floats
    pool: Floats
    by_fold: Floats


def fit_isotonic(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> IsotonicMap:
    """The monotone map of least squares from scores to labels.

    Estimand: E(label | score) of the population that the weighted labels represent. Assumes that it does not decrease
    with the score, and nothing else of its form. Formula: the weighted least-squares fit among non-decreasing
    functions of the distinct scores (pool adjacent violators), with the mean label at tied scores; its weighted mean is
    that of the labels. Source: Barlow, Bartholomew, Bremner and Brunk (1972), Statistical inference under order
    restrictions; Zadrozny and Elkan (2002) for calibration.

    Parameters
    ----------
    scores : array (n,)
        Scores of labelled trials, on any scale.
    labels : array (n,)
        Their labels: 0 and 1, or shares.
    weights : array (n,), optional
        Inverse inclusion probabilities, on any scale.

    Raises
    ------
    NotEnoughDataError
        If nothing is labelled.
    InputError
        If lengths differ, or a value is missing.
    """
    from scipy.optimize import isotonic_regression

    score, label = check_scores(scores, labels)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, dtype=float)
    if not len(label):
        raise NotEnoughDataError("isotonic map: no labelled trial has a score: label some")
    points, place = np.unique(score, return_inverse=True)
    mass = np.bincount(place, weights=weight)
    means = np.bincount(place, weights=weight * label) / mass
    return IsotonicMap(points, np.asarray(isotonic_regression(means, weights=mass).x, dtype=float))


def cross_fitted_scores(
    scores: ArrayLike, labels: ArrayLike, pool: ArrayLike, weights: ArrayLike | None = None, *, folds: int = FOLDS
) -> CrossFittedScores:
    """Calibrate scores so that no label takes part in calibrating its own trial.

    Estimand: none; a regressor for `graded_mean`. Trials are dealt to folds in the order of their scores (ties in the
    order given, which must not depend on the labels), so that each fold spans them. Source: Zrnic and Candes (2024),
    Cross-prediction-powered inference.

    Parameters
    ----------
    scores : array (n,)
        Scores of labelled trials.
    labels : array (n,)
        Their labels.
    pool : array (N,)
        Scores of all trials of the pool.
    weights : array (n,), optional
        Inverse inclusion probabilities of the labelled trials, on any scale.
    folds : int, default 10
        Number of folds; at most n.

    Raises
    ------
    NotEnoughDataError
        If fewer than two trials are labelled.
    InputError
        If lengths differ, or a value is missing.
    """
    score, label = check_scores(scores, labels)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, dtype=float)
    every = np.asarray(pool, dtype=float)
    if len(label) < 2:
        raise NotEnoughDataError(f"calibrated scores: {len(label)} labelled trials: two are the least")
    own, mean, means = np.empty_like(label), np.zeros_like(every), []
    count = min(folds, len(label))
    for inside in fold_masks(score, count):
        learnt = fit_isotonic(score[~inside], label[~inside], weight[~inside])
        own[inside] = learnt.calibrate(score[inside])
        calibrated = learnt.calibrate(every)
        mean += calibrated / count
        means.append(float(calibrated.mean()))
    return CrossFittedScores(own, mean, np.array(means))


def fold_masks(scores: Floats, folds: int) -> Iterator[np.ndarray]:
    """Which trials belong to each fold.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Scores, by whose order trials are dealt out.
    folds : int
        Number of folds.
    """
    place = np.empty(len(scores), dtype=int)
    place[np.argsort(scores, kind="stable")] = np.arange(len(scores)) % folds
    for fold in range(folds):
        yield place == fold


def check_scores(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Scores and labels as arrays of one length without missing values.

    Parameters
    ----------
    scores : array (n,)
        Scores.
    labels : array (n,)
        Labels of the same trials.

    Raises
    ------
    InputError
        If lengths differ, or a value is missing.
    """
    score, label = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    if score.shape != label.shape:
        raise InputError(
            f"calibrated scores: {len(score)} scores and {len(label)} labels: give them of the same trials"
        )
    if not (np.isfinite(score).all() and np.isfinite(label).all()):
        raise InputError("calibrated scores: a score or a label is missing or infinite: leave out these trials")
    return score, label
