"""Thresholds on a judge's score: chosen on the train split, with what each costs, and their error on the dev split."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnomon.calibration.graded.graded_results import ThresholdChoice, ThresholdCost
from gnomon.calibration.graded.isotonic_map import check_scores
from gnomon.calibration.numerics.effective_counts import effective_count
from gnomon.calibration.numerics.proportions import newcombe_difference, wilson_interval
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.results import finite_estimate

MOST_THRESHOLDS = 25
Sample = tuple[ArrayLike, ArrayLike, ArrayLike | None]
"""Scores, labels of 0 and 1, and weights (None: equal) of labelled trials."""


def choose_threshold(
    train: Sample,
    dev: Sample,
    *,
    usual: float | None = None,
    miss_price: float = 1.0,
    false_alarm_price: float = 1.0,
) -> ThresholdChoice:
    """The threshold of least cost on the train split, with what every other costs there and its error on the dev split.

    Estimands: those of `threshold_cost`. The costs on the train split are those of trials on which the threshold was
    chosen, so the chosen one's is too low; the dev split took no part in the choice. Of thresholds that cost the same,
    the one with the greatest Youden's J is taken, and of these the lowest.

    Parameters
    ----------
    train, dev : (scores, labels, weights or None)
        Labelled trials of the two splits; dev may be empty.
    usual : float, optional
        Threshold by which verdicts were rounded, to compare with.
    miss_price, false_alarm_price : float, default 1
        Price of an event with a verdict of no, and of a non-event with a verdict of yes.

    Raises
    ------
    NotEnoughDataError
        If the train split has no labelled event or no labelled non-event.
    InputError
        If a price is below 0, or a label is neither 0 nor 1.
    """
    if miss_price < 0 or false_alarm_price < 0:
        raise InputError("price of a miss or a false alarm: give it as 0 or more")
    prices = (miss_price, false_alarm_price)
    score, label = _check_binary(train)
    if len(np.unique(label)) < 2:
        raise NotEnoughDataError("threshold: the train split has no labelled event or no labelled non-event")
    tried = tuple(threshold_cost(train, each, *prices) for each in candidate_thresholds(score))
    chosen = min(tried, key=lambda each: (each.cost, -(each.youden.value if each.youden else 0.0), each.threshold))
    there = len(_check_binary(dev)[1]) > 0
    return ThresholdChoice(
        chosen=chosen,
        tried=tried,
        dev=threshold_cost(dev, chosen.threshold, *prices) if there else None,
        usual=threshold_cost(dev, usual, *prices) if there and usual is not None else None,
    )


def candidate_thresholds(scores: Floats) -> list[float]:
    """The distinct scores, or 25 of them at about even ranks.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Scores of labelled trials.
    """
    points = np.unique(scores)
    if len(points) > MOST_THRESHOLDS:
        points = np.unique(np.quantile(scores, np.linspace(0, 1, MOST_THRESHOLDS), method="nearest"))
    return [float(point) for point in points]


def threshold_cost(sample: Sample, threshold: float, miss_price: float, false_alarm_price: float) -> ThresholdCost:
    """Error rates of verdicts that are yes from a score on, and what they cost for 100 trials.

    Estimands: sensitivity, specificity and Youden's J of these verdicts, and misses and false alarms for 100 trials
    like the labelled ones. Assumes that labels are the truth and a random sample (or weighted to be one). Intervals:
    Wilson's, and Newcombe's for J, on Kish's effective numbers where weights differ.

    Parameters
    ----------
    sample : (scores, labels, weights or None)
        Labelled trials.
    threshold : float
        Lowest score of a yes.
    miss_price, false_alarm_price : float
        Price of each kind of error.
    """
    score, label = _check_binary(sample)
    weight = np.ones_like(label) if sample[2] is None else np.asarray(sample[2], dtype=float)
    event, said = label == 1, score >= threshold
    right = {kind: effective_count(said == event, event == kind, weight) for kind in (True, False)}
    (hits, positives), (passed, negatives) = right[True], right[False]
    both = positives > 0 and negatives > 0
    mass = float(weight.sum())
    misses = 100 * float(weight[event & ~said].sum()) / mass
    alarms = 100 * float(weight[~event & said].sum()) / mass
    youden = newcombe_difference(hits, positives, negatives - passed, negatives) if both else None
    return ThresholdCost(
        threshold=threshold,
        labelled=len(label),
        sensitivity=finite_estimate(wilson_interval(hits, positives) if positives else None),
        specificity=finite_estimate(wilson_interval(passed, negatives) if negatives else None),
        youden=finite_estimate(youden),
        misses=misses,
        false_alarms=alarms,
        cost=miss_price * misses + false_alarm_price * alarms,
    )


def _check_binary(sample: Sample) -> tuple[Floats, Floats]:
    score, label = check_scores(sample[0], sample[1])
    if not set(np.unique(label)) <= {0.0, 1.0}:
        raise InputError("threshold: labels are shares: a threshold needs labels of 0 and 1")
    return score, label
