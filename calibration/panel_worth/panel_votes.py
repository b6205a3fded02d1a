"""How often a panel's vote is wrong: majority of any number of its members, one more, and a weighted vote."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln

from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.numerics.rating_arrays import TINY, Floats
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate

FOLDS = 10
RIDGE = 0.05
Kinds = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class WeightedVote:
    """A vote with weights learnt from labels.

    Attributes
    ----------
    weights : array (k,)
        Weight of each voter's yes; the absolute values add to 1.
    error : IntervalEstimate
        Share of units that the vote gets wrong, each by weights and a threshold learnt from the other folds.
    """

    weights: Floats
    error: IntervalEstimate


def majority_errors(
    errors: ArrayLike, *, weight: ArrayLike | None = None, confidence: float = 0.95
) -> list[IntervalEstimate]:
    """Share of units that a majority of m members gets wrong, for m = 1 to k, averaged over all choices of the m.

    Estimand: the probability that more than half of m members, drawn from this panel, err on a unit; a tie counts
    half. Assumes that units are a random sample, after weighting. With s of k members wrong on a unit, the number wrong
    among m is hypergeometric. Interval: Wilson's with the number of units whose binomial variance is that of the
    observed mean (m = k: all units; smaller m: more, since averages over choices vary less).

    Parameters
    ----------
    errors : array (units, k)
        1 where a member errs; complete rows only.
    weight : array (units,), optional
        Inverse inclusion probabilities on any scale; 1 by default.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If there is no unit.
    """
    wrong = np.asarray(errors, dtype=float)
    load = np.ones(len(wrong)) if weight is None else np.asarray(weight, dtype=float)
    if not len(wrong):
        raise NotEnoughDataError("majority vote: no trial has a verdict of every member")
    share, k = load / load.sum(), wrong.shape[1]
    number = wrong.sum(axis=1).astype(int)
    found = []
    for m in range(1, k + 1):
        lost = np.array([_lost_votes(m, s, k) for s in range(k + 1)])[number]
        mean = float(share @ lost)
        variance = float(share**2 @ (lost - mean) ** 2)
        kish = float(1 / (share**2).sum())
        units = mean * (1 - mean) / variance if variance > TINY else kish
        units = max(units, kish)
        found.append(wilson_interval(min(mean, 1.0) * units, units, confidence=confidence))
    return found


def further_majority(errors: ArrayLike, kinds: ArrayLike, members: int, *, weight: ArrayLike | None = None) -> float:
    """Expected change of the majority's error from the whole panel to one of `members` like its members.

    Assumes that further members err as often as those of the panel do on average, with the same correlation, within
    each kind of unit: the number wrong is beta-binomial with the observed mean and intraclass correlation (cut to 0 to
    1). A tie counts half, so that an even panel is no better than one member fewer: compare odd numbers.

    Parameters
    ----------
    errors : array (units, k)
        1 where a member errs; complete rows only.
    kinds : array (units,)
        Kind of each unit, such as arm and true class.
    members : int
        Size of the larger panel.
    weight : array (units,), optional
        Inverse inclusion probabilities on any scale; 1 by default.

    Returns
    -------
    float
        Error of `members`, minus error of the panel's own number, both by the beta-binomial.
    """
    wrong = np.asarray(errors, dtype=float)
    load = np.ones(len(wrong)) if weight is None else np.asarray(weight, dtype=float)
    k, change = wrong.shape[1], 0.0
    groups = np.unique(np.asarray(kinds), return_inverse=True)[1].reshape(-1)
    for kind in np.unique(groups):
        here = groups == kind
        share = load[here] / load[here].sum()
        mean = float(share @ wrong[here].mean(axis=1))
        rho = _intraclass(wrong[here], share, mean)
        step = _beta_binomial_majority(members, mean, rho) - _beta_binomial_majority(k, mean, rho)
        change += float(load[here].sum() / load.sum()) * step
    return change


def weighted_vote(
    votes: ArrayLike,
    truth: ArrayLike,
    kinds: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> WeightedVote:
    """The best linear vote that labels can teach, and how often it is wrong on units that did not teach it.

    Weights are those of Fisher's linear discriminant (1936): the inverse of the voters' covariance within kinds of
    units, with a ridge of 5 % of the mean variance, times each voter's difference of mean vote between events and
    others (Youden's J); for independent voters they rank as the log odds of Nitzan and Paroush (1982). The threshold
    has the fewest errors on the units that teach. Error: each of ten folds is voted by weights of the other nine;
    Wilson's interval.

    Parameters
    ----------
    votes : array (units, k)
        1 where a voter sees the event; complete rows only.
    truth : array (units,)
        Whether the label sees it.
    kinds : array (units,)
        Kind of each unit without regard to truth, such as the arm.
    weight : array (units,), optional
        Inverse inclusion probabilities on any scale; 1 by default.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    seed : int, default 0
        Seed of the folds.

    Raises
    ------
    NotEnoughDataError
        If labels are of one class, or there are fewer than two units a fold.
    """
    said, true = np.asarray(votes, dtype=float), np.asarray(truth, dtype=bool)
    load = np.ones(len(said)) if weight is None else np.asarray(weight, dtype=float)
    groups = np.unique(np.asarray(kinds), return_inverse=True)[1].reshape(-1).astype(np.intp)
    if len(said) < 2 * FOLDS or true.all() or not true.any():
        raise NotEnoughDataError(
            f"weighted vote: {len(said)} labelled trials with a verdict of every member, {int(true.sum())} events: "
            f"it learns from {2 * FOLDS}, of both classes"
        )
    fold = np.random.default_rng(seed).permutation(len(said)) % FOLDS
    wrong = np.zeros(len(said))
    for part in range(FOLDS):
        teach, held = fold != part, fold == part
        if true[teach].all() or not true[teach].any():
            wrong[held] = true[held] != true[teach][0]
            continue
        weights, threshold = _learn_vote(said[teach], true[teach], groups[teach], load[teach])
        wrong[held] = (said[held] @ weights > threshold) != true[held]
    effective = effective_number(load)
    share = min(float(load @ wrong / load.sum()), 1.0)
    error = wilson_interval(share * effective, effective, confidence=confidence)
    return WeightedVote(_learn_vote(said, true, groups, load)[0], error)


def _lost_votes(m: int, wrong: int, members: int) -> float:
    """Probability that most of m members, drawn from a panel with `wrong` members wrong, are wrong; a tie is half."""
    from scipy.stats import hypergeom

    places = np.arange(m + 1)
    masses = hypergeom.pmf(places, members, wrong, m)
    return float(masses[2 * places > m].sum() + masses[2 * places == m].sum() / 2)


def _intraclass(wrong: Floats, share: Floats, mean: float) -> float:
    k = wrong.shape[1]
    number = wrong.sum(axis=1)
    variance = float(share @ (number - k * mean) ** 2)
    single = k * mean * (1 - mean)
    if k < 2 or single < TINY:
        return 0.0
    return float(min(max((variance / single - 1) / (k - 1), 0.0), 1.0))


def _beta_binomial_majority(m: int, mean: float, rho: float) -> float:
    places = np.arange(m + 1)
    choose = np.array([math.comb(m, int(place)) for place in places], dtype=float)
    if mean < TINY or mean > 1 - TINY:
        return float(mean > 0.5)
    if rho > 1 - TINY:
        return mean
    if rho < TINY:
        masses = choose * mean**places * (1 - mean) ** (m - places)
    else:
        a, b = mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1)
        masses = choose * np.exp(betaln(places + a, m - places + b) - betaln(a, b))
    return float(masses[2 * places > m].sum() + masses[2 * places == m].sum() / 2)


def _learn_vote(said: Floats, true: NDArray[np.bool_], kinds: Kinds, load: Floats) -> tuple[Floats, float]:
    """Weights whose absolute values add to 1, and the threshold above which the vote is yes."""
    k = said.shape[1]
    covariance, gap, total = np.zeros((k, k)), np.zeros(k), 0.0
    for kind in np.unique(kinds):
        means = {}
        for flag in (True, False):
            here = (kinds == kind) & (true == flag)
            if here.any():
                share = load[here] / load[here].sum()
                means[flag] = share @ said[here]
                centred = said[here] - means[flag]
                covariance += load[here].sum() * (centred.T * share) @ centred
        if len(means) == 2:
            both = float(load[kinds == kind].sum())
            gap += both * (means[True] - means[False])
            total += both
    if total < TINY:
        gap = np.ones(k)
    covariance /= load.sum()
    ridge = RIDGE * max(float(np.trace(covariance)) / k, TINY) + TINY
    weights = np.linalg.solve(covariance + ridge * np.eye(k), gap / max(total, 1.0))
    weights = weights / max(float(np.abs(weights).sum()), TINY)
    return weights, _best_threshold(said @ weights, true, load)


def _best_threshold(score: Floats, true: NDArray[np.bool_], load: Floats) -> float:
    """The threshold with the least weighted error: halfway between two scores, the middle one of equally good."""
    levels = np.unique(np.round(score, 12))
    cuts = np.concatenate([[levels[0] - 1], (levels[:-1] + levels[1:]) / 2, [levels[-1] + 1]])
    lost = np.array([float(load @ ((score > cut) != true)) for cut in cuts])
    best = np.flatnonzero(lost <= lost.min() + TINY)
    return float(cuts[best[len(best) // 2]])
