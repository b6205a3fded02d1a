"""Whether an isotonic map learnt on some trials holds on others: mean residual against a margin said beforehand."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from gnomon.calibration.graded.graded_results import GradedTransfer, TransferStatus
from gnomon.calibration.graded.isotonic_map import FOLDS, check_scores, fit_isotonic, fold_masks
from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate
from gnomon.data.results import finite_estimate

MIN_SLICE = 10
"""Fewest labels of the target with which its residuals are tested."""
SUPPORT_LABELS = 5
"""Labels that a score needs on its side: fewer at or below it (or at or above) say nothing of the map there."""
BY_CHANCE = 0.999
"""Probability with which scores that are distributed as the source's own pass the check of support."""
MIN_TAUGHT = 20
"""Fewest labels that teach a map for use elsewhere."""
UNSEEN = 3.0
"""Discrepancies added to the variance of binary residuals, whose limits lie one discrepancy further out: with none in n
labels, the limit is about 3.9 / n (the exact one is 3 / n), with 28 in 200 it is the exact one."""
POWER = 0.8
METHOD = "mean residual, Student"


def check_transfer(
    taught: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    pool: ArrayLike,
    labelled: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    margin: float | None,
    *,
    source: str,
    target: str,
    size: float = 0.05,
) -> GradedTransfer:
    """Test whether the map that some labels teach holds on other trials.

    Estimand: the mean of label - f(score) over the target, where f is the isotonic map that the source's labels teach,
    taken as it is. Assumes that the target's labelled trials are a random sample of it (or weighted to be one). Two
    one-sided tests of `size` each, in the form of an interval of level 1 - 2 size: pass if it lies within
    (-margin, margin), so that a map that is off by the margin or more passes with probability at most `size`; fail if
    it lies beyond; inconclusive otherwise. Limits are Student's; with labels of 0 and 1 the variance counts three
    discrepancies more and the limits one, since a rare one may not have been drawn, and mean and variance fall
    together. Before any test, the map is refused (`unsupported`) where more of the target's scores than chance explains
    (`support_limit`) lie where fewer than five of the source's labels are at or beyond them: there the map is no more
    than a guess, and no label of the source can tell. Source: Schuirmann (1987), two one-sided tests; the support check
    and the additions for labels of 0 and 1 are our own.

    Parameters
    ----------
    taught : (scores, labels, weights or None)
        Labelled trials of the source.
    pool : array (N,)
        Scores of all trials of the target.
    labelled : (scores, labels, weights or None)
        Labelled trials of the target; may be empty.
    margin : float or None
        Greatest mean residual that counts as none, in units of the label; None if none was said beforehand.
    source, target : str
        The two sets of trials, in words.
    size : float, default 0.05
        Greatest probability of a pass where the map is off by the margin.

    Raises
    ------
    NotEnoughDataError
        If the source has no label.
    InputError
        If the margin is not above 0, lengths differ, or a value is missing.
    """
    if margin is not None and not margin > 0:
        raise InputError(f"margin {margin:g}: give one above 0, in units of the label, such as .05")
    score, label = check_scores(labelled[0], labelled[1])
    share = unsupported_share(taught[0], pool)
    supported = share <= support_limit(np.size(taught[0]), np.size(pool))
    residual = _residual_mean(taught, score, label, labelled[2], 1 - 2 * size) if len(label) >= 2 else None
    status = _transfer_status(residual, supported, margin, len(label))
    needs = _labels_needed(residual, margin, len(label), size) if status in _UNDECIDED else None
    return GradedTransfer(
        source=source,
        target=target,
        status=status,
        margin=margin,
        labelled=len(label),
        residual=finite_estimate(residual),
        unsupported=share,
        needs=needs,
        words=_transfer_words(source, target, status, residual, share, margin, len(label), needs),
    )


def unsupported_share(scores: ArrayLike, pool: ArrayLike) -> float:
    """Share of scores with fewer than five labelled scores at or below them, or at or above them.

    Parameters
    ----------
    scores : array (n,)
        Scores of the labelled trials that teach the map.
    pool : array (N,)
        Scores on which it is to be used.
    """
    known, every = np.sort(np.asarray(scores, dtype=float)), np.asarray(pool, dtype=float)
    if not len(every):
        return 0.0
    below = np.searchsorted(known, every, side="right")
    above = len(known) - np.searchsorted(known, every, side="left")
    return float((np.minimum(below, above) < SUPPORT_LABELS).mean())


def support_limit(labelled: int, pool: int) -> float:
    """Greatest share of unsupported scores at which a map is used; below 0 with fewer than twenty labels.

    Beyond the fifth label from either end lies a share of the source's own distribution of scores that is distributed
    as beta(10, n - 9) (order statistics of a continuous distribution; less with ties), so the number among N scores of
    that distribution is beta-binomial: its .999 quantile, divided by N.

    Parameters
    ----------
    labelled : int
        Labels of the source.
    pool : int
        Scores of the target.
    """
    from scipy.stats import betabinom

    if labelled < MIN_TAUGHT or not pool:
        return -1.0
    law = betabinom(pool, 2 * SUPPORT_LABELS, labelled + 1 - 2 * SUPPORT_LABELS)
    return float(law.ppf(BY_CHANCE)) / pool


def transferred_mean(
    taught: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    pool: ArrayLike,
    transfer: GradedTransfer,
    *,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Mean label of the target by a map that was taught elsewhere and passed the test there.

    Estimand: the mean label of the process that the trials of `pool` are a random sample of. Assumes what the test has
    shown: that the map is off by less than the margin there. Formula: mean of f(pool); its variance adds that of the
    calibrated scores over the pool and that of the map by a jackknife over the folds of its labels; limits are widened
    by the margin on both sides, since the test leaves a residual of that size. Source: Kott (2001), delete-a-group
    jackknife; the margin is our addition.

    Parameters
    ----------
    taught : (scores, labels, weights or None)
        Labelled trials of the source.
    pool : array (N,)
        Scores of all trials of the target.
    transfer : GradedTransfer
        The result of `check_transfer` for this source and target.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If the test did not pass.
    """
    if not transfer.is_usable or transfer.margin is None:
        raise NotEnoughDataError(transfer.words)
    every = np.asarray(pool, dtype=float)
    calibrated = fit_isotonic(*taught).calibrate(every)
    score, label = check_scores(taught[0], taught[1])
    weight = np.ones_like(label) if taught[2] is None else np.asarray(taught[2], dtype=float)
    folds = min(FOLDS, len(label))
    means = np.array(
        [
            fit_isotonic(score[~inside], label[~inside], weight[~inside]).calibrate(every).mean()
            for inside in fold_masks(score, folds)
        ]
    )
    of_map = (folds - 1) / folds * float(((means - means.mean()) ** 2).sum())
    se = math.sqrt(of_map + float(calibrated.var()) / len(every))
    half = float(ndtri(0.5 + confidence / 2)) * se + transfer.margin
    value = float(calibrated.mean())
    return IntervalEstimate(value, value - half, value + half, se, confidence, "isotonic map of other trials")


_UNDECIDED = (TransferStatus.INCONCLUSIVE, TransferStatus.NOT_CHECKED)


def _residual_mean(
    taught: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    score: Floats,
    label: Floats,
    weights: ArrayLike | None,
    level: float,
) -> IntervalEstimate:
    residual = label - fit_isotonic(*taught).calibrate(score)
    weight = np.ones_like(label) if weights is None else np.asarray(weights, dtype=float)
    effective = effective_number(weight)
    mean = float(np.average(residual, weights=weight))
    is_binary = set(np.unique(label)) <= {0.0, 1.0}
    spread = float(np.average((residual - mean) ** 2, weights=weight)) * effective / (effective - 1)
    se = math.sqrt((spread + (UNSEEN / effective if is_binary else 0.0)) / effective)
    half = float(stdtrit(effective - 1, 0.5 + level / 2)) * se + (1 / effective if is_binary else 0.0)
    return IntervalEstimate(mean, mean - half, mean + half, se, level, METHOD)


def _transfer_status(
    residual: IntervalEstimate | None, supported: bool, margin: float | None, labelled: int
) -> TransferStatus:
    if not supported:
        return TransferStatus.UNSUPPORTED
    if margin is None or residual is None or labelled < MIN_SLICE:
        return TransferStatus.NOT_CHECKED
    if residual.low > -margin and residual.high < margin:
        return TransferStatus.PASS
    beyond = residual.low > margin or residual.high < -margin
    return TransferStatus.FAIL if beyond else TransferStatus.INCONCLUSIVE


def _labels_needed(residual: IntervalEstimate | None, margin: float | None, labelled: int, size: float) -> int | None:
    """Labels with which a mean residual of 0 of this spread would pass with probability `POWER`; at least `MIN_SLICE`.

    Where nothing is labelled, the spread is taken as the largest of shares, 1/2.
    """
    if margin is None:
        return None
    spread = residual.se**2 * labelled if residual is not None else 0.25
    reach = float(ndtri(1 - size) + ndtri(1 - (1 - POWER) / 2))
    needed = max(MIN_SLICE, math.ceil(spread * (reach / margin) ** 2))
    return needed if needed > labelled else None


def _transfer_words(
    source: str,
    target: str,
    status: TransferStatus,
    residual: IntervalEstimate | None,
    unsupported: float,
    margin: float | None,
    labelled: int,
    needs: int | None,
) -> str:
    head = f"scores calibrated on {source}, used on {target}: "
    off = (
        f"labels there differ from calibrated scores by {residual.value:+.3f} on average "
        f"({100 * residual.level:.0f} %: {residual.low:+.3f} to {residual.high:+.3f}, {labelled} labels)"
        if residual is not None
        else ""
    )
    more = f"; about {needs} labels of {target} would decide" if needs is not None else ""
    match status:
        case TransferStatus.UNSUPPORTED:
            return (
                f"{head}refused, {100 * unsupported:.0f} % of its scores lie where fewer than {SUPPORT_LABELS} labels "
                f"taught the map: label trials of {target}"
            )
        case TransferStatus.NOT_CHECKED if margin is None:
            return f"{head}not checked, no margin was said beforehand: set it under [transport] margin"
        case TransferStatus.NOT_CHECKED:
            return f"{head}not checked, {labelled} labels there, {MIN_SLICE} are the least{more}"
        case TransferStatus.PASS:
            return f"{head}holds, {off}, within the margin of {margin:g}"
        case TransferStatus.FAIL:
            return f"{head}refused, {off}, beyond the margin of {margin:g}"
        case _:
            return f"{head}not decided, {off}, margin {margin:g}{more}"
