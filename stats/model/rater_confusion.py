"""Raters as voices: a label is one more verdict on a trial, with a confusion of its own.

Estimand: P(label | truth) of each rater, and through it the truth of labelled trials. Model: given the truth of a trial
the labels of raters are independent of each other and of the verdicts; the log odds of each wrong class against the
right one are common to raters and arms, with one deviation for each rater. An adjudicated label is the truth. A label
that leaves the class open has the sum of the probabilities of the classes that it names (`cells.open_labels`). Source:
Dawid and Skene (1979, Applied Statistics 28, 20-28), with a prior that raters are nearly always right: trials that two
raters labelled, adjudications and verdicts inform the errors, and without them the prior does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any, NamedTuple

import numpy as np

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.open_labels import NO_SET
from gnomon.stats.model.priors import Priors

Array = np.ndarray[Any, Any]


ALIKE_UNCHECKED = 0.9
"""Correlation of a rater's wrong logits where no trial was labelled twice."""
ENOUGH_CHECKED = 20
"""Trials labelled twice from which the correlation is that of the priors."""


class RaterArrays(NamedTuple):
    """Labels of H raters who may be wrong; G is the number of combinations of their labels.

    `ratings` (G, H) is the set of classes that each rater names, a row of `class_sets` (a class is its own index), -1
    for none; `row` (R) each row's combination, -1 without a label that may be wrong. `deviating` is the number of
    raters with a deviation of their own: none if there is one rater.
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
        said = patterns.ratings
        if patterns.opened is not None:
            said = with_open_sets(said, patterns.opened.ratings, patterns.classes)
        ratings, row = np.unique(said, axis=0, return_inverse=True)
        row = np.where((said == MISSING).all(axis=1), MISSING, row.reshape(-1))
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


def class_sets(patterns: VerdictPatternCells) -> Array:
    """The sets of classes that labels name, shape (K + G, K): the single classes, and those of open labels."""
    single = np.eye(len(patterns.classes), dtype=bool)
    return single if patterns.opened is None else np.concatenate([single, patterns.opened.sets])


def with_open_sets(classes: Array, opened: Array, names: Sequence[str]) -> Array:
    """Indices into `class_sets`: of the class where there is one, else of the set that is left open; -1 for neither.

    Parameters
    ----------
    classes, opened : ndarray of int, of the same shape
        Index of the class, `MISSING` for none, and of the open set, `NO_SET` for none.
    names : sequence of str
        The classes, which stand before the open sets.
    """
    return np.where((classes == MISSING) & (opened != NO_SET), len(names) + opened, classes)


def _wrong_correlation(patterns: VerdictPatternCells, alike: float) -> float:
    """Prior correlation of wrong logits: `ALIKE_UNCHECKED`, down to `alike` as more trials are labelled twice."""
    unchecked = max(1.0 - patterns.repeated_labels / ENOUGH_CHECKED, 0.0)
    return alike + max(ALIKE_UNCHECKED - alike, 0.0) * unchecked


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
