"""Calibration curve of a judge's scores: what labels say of trials with a score, with intervals; arrays in and out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, stdtrit

from gnomon.calibration.graded.isotonic_map import check_scores
from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.proportions import clopper_pearson
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.records import IntervalEstimate

BINS = 8
LEAST_IN_BIN = 5
BAND_GROUPS = 20
"""Groups of neighbouring scores between which the band's limits are sought: more give a wider band with finer steps."""


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Labelled trials with scores from `start` to `end`: their mean score and the share of events among them."""

    start: float
    end: float
    score: float
    labelled: int
    effective: float
    share: IntervalEstimate


@dataclass(frozen=True, slots=True)
class MonotoneBand:
    """Simultaneous limits of a curve that does not decrease, at distinct scores.

    Attributes
    ----------
    scores : ndarray, shape (m,)
        Distinct scores, ascending.
    low, high : ndarray, shape (m,)
        Limits at each.
    """

    scores: Floats
    low: Floats
    high: Floats


def binned_shares(
    scores: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    bins: int = BINS,
    confidence: float = 0.95,
) -> list[ScoreBin]:
    """Share of events by bins of neighbouring scores.

    Estimand: the mean label of trials with scores in the bin. Assumes that the labelled of a bin are a random sample of
    it (or weighted to be one); nothing about the scores. Bins hold about equally many labels, at least five; equal
    scores are never parted. Intervals: Clopper and Pearson (1934) for labels of 0 and 1, on Kish's effective numbers
    where weights differ; Student's for shares.

    Parameters
    ----------
    scores : array (n,)
        Scores of labelled trials.
    labels : array (n,)
        Their labels: 0 and 1, or shares.
    weights : array (n,), optional
        Inverse inclusion probabilities, on any scale.
    bins : int, default 8
        Greatest number of bins.
    confidence : float, default 0.95
        Nominal coverage of each interval, 0 to 1.

    Raises
    ------
    InputError
        If lengths differ, or a value is missing.
    """
    score, label = check_scores(scores, labels)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, dtype=float)
    group = neighbour_groups(score, min(bins, len(score) // LEAST_IN_BIN), LEAST_IN_BIN)
    binary = set(np.unique(label)) <= {0.0, 1.0}
    found = []
    for number in np.unique(group):
        inside = group == number
        mass = weight[inside]
        share = _mean_interval(label[inside], mass, confidence, binary=binary)
        mean = float(np.average(score[inside], weights=mass))
        held = score[inside]
        found.append(
            ScoreBin(float(held.min()), float(held.max()), mean, int(inside.sum()), effective_number(mass), share)
        )
    return found


def monotone_band(
    scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, *, confidence: float = 0.95
) -> MonotoneBand:
    """Simultaneous confidence band of P(event | score) that assumes only that it does not decrease.

    Estimand: P(event | score) at every score at once. Assumes labels of 0 and 1, independent given their scores, and a
    curve that does not decrease with the score. Formula: for every run of neighbouring groups of scores, an exact
    lower limit of its mean holds for all scores from its end on, and an upper limit for all up to its beginning; the
    band is the greatest and the least of them, each at level (1 - confidence) / (m (m + 1)) for m groups, so that all
    hold together. With unequal weights limits rest on Kish's effective numbers and are approximate. Source: the
    construction of Dimitriadis, Duembgen, Henzi, Puke and Ziegel (2023), Honest calibration assessment for binary
    outcome predictions, Biometrika 110, on at most twenty groups; a sum of unequal chances strays less than a binomial
    (Hoeffding 1956), so that Clopper and Pearson's limits hold for a run's mean.

    Parameters
    ----------
    scores : array (n,)
        Scores of labelled trials.
    labels : array (n,)
        Their labels, 0 or 1.
    weights : array (n,), optional
        Inverse inclusion probabilities, on any scale.
    confidence : float, default 0.95
        Nominal coverage of the whole band, 0 to 1.

    Raises
    ------
    InputError
        If lengths differ, or a value is missing.
    """
    score, label = check_scores(scores, labels)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, dtype=float)
    group = neighbour_groups(score, BAND_GROUPS, 1)
    numbers = np.unique(group)
    m = len(numbers)
    starts = np.array([score[group == number].min() for number in numbers])
    ends = np.array([score[group == number].max() for number in numbers])
    sums = [
        np.concatenate([[0.0], np.cumsum(np.bincount(group, part))]) for part in (weight, weight**2, weight * label)
    ]
    first, last = np.triu_indices(m)
    mass, squares, hits = (part[last + 1] - part[first] for part in sums)
    effective = mass**2 / squares
    yes = np.clip(hits / mass, 0, 1) * effective
    error = (1 - confidence) / (m * (m + 1))
    lower = np.where(yes > 0, betaincinv(np.maximum(yes, 1e-12), effective - yes + 1, error), 0.0)
    no = effective - yes
    upper = np.where(no > 1e-9, betaincinv(yes + 1, np.maximum(no, 1e-12), 1 - error), 1.0)
    points = np.unique(score)
    holds_from = ends[last][:, None] <= points[None, :]
    holds_to = starts[first][:, None] >= points[None, :]
    low = np.where(holds_from, lower[:, None], 0.0).max(axis=0)
    high = np.where(holds_to, upper[:, None], 1.0).min(axis=0)
    return MonotoneBand(points, low, high)


def neighbour_groups(scores: Floats, groups: int, least: int) -> np.ndarray:
    """Number of the group of neighbouring scores that each trial belongs to.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Scores; equal ones are never parted.
    groups : int
        Greatest number of groups, filled about equally.
    least : int
        Fewest trials in a group, where there are that many at all.
    """
    points, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    target = max(len(scores) / max(groups, 1), least)
    number, held, of_point = 0, 0, np.zeros(len(points), dtype=int)
    for at, count in enumerate(counts.tolist()):
        left = int(counts[at:].sum())
        if held and (held >= target or held + count / 2 > target) and held >= least and left >= least:
            number, held = number + 1, 0
        of_point[at], held = number, held + count
    return np.asarray(of_point[place])


def _mean_interval(label: Floats, weight: Floats, confidence: float, *, binary: bool) -> IntervalEstimate:
    effective = effective_number(weight)
    mean = float(np.average(label, weights=weight))
    if binary:
        return clopper_pearson(min(mean, 1.0) * effective, effective, confidence=confidence)
    if effective <= 1:
        return IntervalEstimate(mean, 0.0, 1.0, float("nan"), confidence, "one label")
    error = float(np.sqrt(np.average((label - mean) ** 2, weights=weight) / (effective - 1)))
    half = float(stdtrit(effective - 1, 0.5 + confidence / 2)) * error
    return IntervalEstimate(mean, mean - half, mean + half, error, confidence, "Student")
