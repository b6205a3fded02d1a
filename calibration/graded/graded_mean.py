"""Mean label of a pool of judged trials with calibrated scores as regressor; assumes nothing of the judge."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from gnomon.calibration.graded.isotonic_map import FOLDS, cross_fitted_scores
from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.prediction_powered import ppi_weighted
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

MIN_GRADED_LABELS = 10
GRADED = "PPI++, isotonic scores"
REGRESSED = "PPI++, Student"


def graded_mean(
    labels: ArrayLike,
    scores: ArrayLike,
    pool: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    superpopulation: bool = False,
    folds: int = FOLDS,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Mean label of the trials in `pool`, some of which were labelled, with isotonic scores as regressor.

    Estimand: the mean label of the N trials of `pool` or, with `superpopulation`, of the process that they are a random
    sample of. Assumes that trials were labelled with probabilities that are proportional to 1 / weight, nearly
    independently of each other (`ppi_weighted`); nothing about the judge or the scores: a useless score costs width
    alone. Formula: the difference estimator lam * mean(f(pool)) + Hajek mean(label - lam * f(score)), where f is the
    isotonic map that the labels teach and each label's residual is taken from a map that it did not teach
    (`cross_fitted_scores`), so that residuals carry the error of the map; lam in [0, 1] minimises the variance.
    Limits are Student's with n_eff - 1 degrees of freedom. Source: Zrnic and Candes (2024), Cross-prediction-powered
    inference; Angelopoulos, Duchi, Zrnic (2023), PPI++; Cochran (1977), Sampling Techniques, ch. 7.

    Parameters
    ----------
    labels : array (n,)
        Labels: 0 and 1, or shares.
    scores : array (n,)
        The judge's scores of the labelled trials, on any scale.
    pool : array (N,)
        Its scores of every trial, labelled ones included.
    weights : array (n,), optional
        Inverse inclusion probabilities, on any scale; by default equal.
    superpopulation : bool, default False
        Estimate the mean of the process instead of the pool's.
    folds : int, default 10
        Folds of the labelled trials.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If fewer than ten trials are labelled.
    InputError
        If lengths differ, or more trials are labelled than in the pool.
    """
    label = np.asarray(labels, dtype=float)
    if len(label) < MIN_GRADED_LABELS:
        raise NotEnoughDataError(f"{len(label)} labels with a score: the map needs {MIN_GRADED_LABELS}")
    fitted = cross_fitted_scores(scores, labels, pool, weights, folds=folds)
    found = regression_mean(
        labels, fitted.labelled, fitted.pool, weights, superpopulation=superpopulation, confidence=confidence
    )
    return IntervalEstimate(found.value, found.low, found.high, found.se, found.level, GRADED)


def regression_mean(
    labels: ArrayLike,
    predicted: ArrayLike,
    pool: ArrayLike,
    weights: ArrayLike | None = None,
    lam: float | None = None,
    *,
    superpopulation: bool = False,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Mean label of a pool by the difference estimator with a given regressor and Student's limits.

    Estimand and assumptions as in `graded_mean`, for a regressor that the labels did not teach, such as verdicts of 0
    and 1. Formula: `ppi_weighted`, with Student's quantile for n_eff - 1 degrees of freedom. Labels of 0 and 1 alone
    are padded there by one more misread label, since a rare misreading may be unobserved; shares are not padded, and
    neither are estimates with `lam` of 0, which do without the judge. Labels in [0, 1] give limits in [0, 1].

    Parameters
    ----------
    labels : array (n,)
        Labels: 0 and 1, or shares.
    predicted : array (n,)
        The regressor on the labelled trials.
    pool : array (N,)
        The regressor on every trial, labelled ones included.
    weights : array (n,), optional
        Inverse inclusion probabilities, on any scale; by default equal.
    lam : float, optional
        Weight of the regressor, 0 to 1; by default that of least variance; 0 uses the labels alone.
    superpopulation : bool, default False
        Estimate the mean of the process instead of the pool's.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If fewer than two trials are labelled.
    InputError
        If lengths differ, or more trials are labelled than in the pool.
    """
    label, every = np.asarray(labels, dtype=float), np.asarray(pool, dtype=float)
    chance = inclusion_chances(len(label), len(every), weights)
    pseudo = 1.0 if set(np.unique(label)) <= {0.0, 1.0} else 0.0
    found = ppi_weighted(
        label, predicted, every, chance, lam, superpopulation=superpopulation, pseudo=pseudo, confidence=confidence
    )
    half = float(stdtrit(effective_number(1 / chance) - 1, 0.5 + confidence / 2)) * found.se
    return _within_labels(label, found.value, half, found.se, confidence, REGRESSED)


def inclusion_chances(labelled: int, pool: int, weights: ArrayLike | None = None) -> Floats:
    """Inclusion probabilities that are proportional to 1 / weight and stand for the whole pool.

    Parameters
    ----------
    labelled : int
        Number of labelled trials.
    pool : int
        Number of trials of the pool.
    weights : array (labelled,), optional
        Inverse inclusion probabilities on any scale; by default equal.

    Raises
    ------
    InputError
        If more trials are labelled than are in the pool, or there is not one weight above 0 for each.
    """
    if labelled > pool:
        raise InputError(f"{labelled} labelled trials of a pool of {pool}: give the scores of every trial of the pool")
    if weights is None:
        return np.full(labelled, labelled / pool)
    weight = np.asarray(weights, dtype=float)
    if weight.shape != (labelled,) or not bool((weight > 0).all()):
        raise InputError(f"{weight.size} weights for {labelled} labels: give one above 0 for each labelled trial")
    surely = np.zeros(labelled, dtype=bool)  # trials whose chance would exceed 1 stand for themselves alone
    while True:
        chance = np.ones(labelled)
        chance[~surely] = weight[~surely].sum() / (weight[~surely] * (pool - surely.sum()))
        if not (chance > 1).any():
            return chance
        surely |= chance > 1


def _within_labels(
    label: Floats, value: float, half: float, se: float, confidence: float, method: str
) -> IntervalEstimate:
    """Limits around a value, cut to [0, 1] where labels are shares."""
    if not (label.min() >= 0 and label.max() <= 1):
        return IntervalEstimate(value, value - half, value + half, se, confidence, method)
    inside = min(1.0, max(0.0, value))
    low, high = min(max(0.0, value - half), inside), max(min(1.0, value + half), inside)
    return IntervalEstimate(inside, low, high, se, confidence, method)
