"""Differences between two judges' error rates on the same labelled trials; takes a frame and knows no store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from gnomon.calibration.comparison.comparison_results import ArmComparison, PairedMeasure
from gnomon.calibration.comparison.paired_proportions import (
    McNemarTest,
    PairedCounts,
    mcnemar_test,
    paired_difference,
)
from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.proportions import newcombe_difference, wilson_interval
from gnomon.calibration.numerics.rating_arrays import TINY, Floats
from gnomon.calibration.observations.frames import arms_in
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate
from gnomon.data.results import finite_estimate

Flags = NDArray[np.bool_]
TESTED = ("sensitivity", "specificity", "accuracy")


@dataclass(frozen=True, slots=True)
class PairedReadings:
    """What two judges and the label say of the same trials, as arrays of the same length.

    Attributes
    ----------
    a, b, truth : array of bool (n,)
        Whether the first judge, the second judge and the label see the event.
    weight : array of float (n,)
        Inverse inclusion probabilities of the labels, on any scale.
    """

    a: Flags
    b: Flags
    truth: Flags
    weight: Floats

    def among(self, chosen: Flags) -> PairedReadings:
        """The readings of some trials."""
        return PairedReadings(self.a[chosen], self.b[chosen], self.truth[chosen], self.weight[chosen])

    @property
    def effective_number(self) -> float:
        """Kish's effective number of trials, (sum w)^2 / sum w^2."""
        return effective_number(self.weight)

    @property
    def effective_pairs(self) -> float:
        """Number of equally weighted trials that would tell as much of the difference of both judges.

        The variance of one trial's difference over the linearised variance of its weighted mean (as Korn and Graubard
        1998 for a share); Kish's number where no trial differs. Labels of disputed trials count in full for it,
        however large the weights of undisputed ones are.
        """
        share = self.weight / self.weight.sum()
        change = (self.b == self.truth).astype(float) - (self.a == self.truth)
        squared = (change - share @ change) ** 2
        variance = float(share**2 @ squared)
        return float(share @ squared) / variance if variance > TINY**2 else self.effective_number

    def paired_counts(self) -> PairedCounts:
        """The four cells of both judges being right, in effective numbers of trials (`effective_pairs`)."""
        scale = self.effective_pairs / self.weight.sum()
        first, second = self.a == self.truth, self.b == self.truth
        cells = (first & second, first & ~second, ~first & second, ~first & ~second)
        return PairedCounts(*(float(self.weight[cell].sum() * scale) for cell in cells))

    def right_alone(self) -> tuple[Flags, Flags]:
        """Trials on which only the first judge, and only the second, has the label's answer."""
        first, second = self.a == self.truth, self.b == self.truth
        return first & ~second, second & ~first


def readings_of(rows: pd.DataFrame) -> PairedReadings:
    """The arrays of a frame with the columns a, b, truth (bool) and weight (float)."""
    a, b, truth = (rows[name].to_numpy(dtype=bool) for name in ("a", "b", "truth"))
    return PairedReadings(a, b, truth, rows["weight"].to_numpy(dtype=float))


def compare_arms(rows: pd.DataFrame, *, confidence: float = 0.95) -> tuple[ArmComparison, ...]:
    """Both judges in all arms together, then in each arm; p-values are not yet adjusted.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row per labelled trial that both judges read: arm, a, b and truth (whether each judge and the label see
        the event), weight (inverse inclusion probability of the label).
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.
    """
    parts = [(None, rows), *((arm, rows[rows["arm"] == arm]) for arm in arms_in(rows))]
    return tuple(_compare_arm(arm, readings_of(part), confidence) for arm, part in parts)


def _compare_arm(arm: str | None, read: PairedReadings, confidence: float) -> ArmComparison:
    events, effective = int(read.truth.sum()), read.effective_number
    share = float(read.weight[read.truth].sum() / read.weight.sum())
    return ArmComparison(
        arm=arm,
        labelled=len(read.truth),
        events=events,
        base_rate=finite_estimate(wilson_interval(min(share, 1.0) * effective, effective, confidence=confidence)),
        weighted=bool(np.ptp(read.weight) > TINY),
        measures=tuple(_measures(read, confidence)),
    )


def _measures(read: PairedReadings, confidence: float) -> Iterator[PairedMeasure]:
    parts = {"sensitivity": read.among(read.truth), "specificity": read.among(~read.truth), "accuracy": read}
    for name, part in parts.items():
        yield _share_measure(name, part, confidence)
    yield _other_measure("youden", read, confidence, _youden_of, youden_change)
    yield _other_measure("kappa", read, confidence, kappa_estimate, kappa_change)


def _share_measure(name: str, part: PairedReadings, confidence: float) -> PairedMeasure:
    """A share of right answers: Wilson's interval for each judge, Tango's for the difference, McNemar's tests."""
    if not len(part.truth):
        empty = dict.fromkeys(("a", "b", "difference", "p_exact", "p_mid", "p_adjusted"))
        return PairedMeasure(measure=name, of=0, only_a=0, only_b=0, **empty)
    counts, alone, test = part.paired_counts(), part.right_alone(), paired_test(part)
    scale = part.effective_number / counts.units
    shares = ((counts.both + counts.only_a) * scale, (counts.both + counts.only_b) * scale)
    n = part.effective_number
    first, second = (wilson_interval(min(right, n), n, confidence=confidence) for right in shares)
    return PairedMeasure(
        measure=name,
        of=len(part.truth),
        only_a=int(alone[0].sum()),
        only_b=int(alone[1].sum()),
        a=finite_estimate(first),
        b=finite_estimate(second),
        difference=finite_estimate(paired_difference(counts, confidence=confidence)),
        p_exact=test.exact,
        p_mid=test.mid,
        p_adjusted=None,
    )


def _other_measure(
    name: str,
    read: PairedReadings,
    confidence: float,
    single: Callable[[Flags, PairedReadings, float], IntervalEstimate],
    change: Callable[..., IntervalEstimate],
) -> PairedMeasure:
    alone = read.right_alone()
    found: list[IntervalEstimate | None] = []
    computed: list[Callable[[], IntervalEstimate]] = [
        partial(single, read.a, read, confidence),
        partial(single, read.b, read, confidence),
        partial(change, read, confidence=confidence),
    ]
    for compute in computed:
        try:
            found.append(compute())
        except NotEnoughDataError:
            found.append(None)
    first, second, difference = map(finite_estimate, found)
    return PairedMeasure(
        measure=name,
        of=len(read.truth),
        only_a=int(alone[0].sum()),
        only_b=int(alone[1].sum()),
        a=first,
        b=second,
        difference=difference,
        p_exact=None,
        p_mid=None,
        p_adjusted=None,
    )


def paired_test(part: PairedReadings) -> McNemarTest:
    """McNemar's tests of both judges being right equally often; weights tilt the chance of the discordant cells.

    A discordant cell without a trial has the mean weight of all trials.
    """
    alone = part.right_alone()
    everywhere = float(part.weight.mean())
    first, second = (float(part.weight[cell].mean()) if cell.any() else everywhere for cell in alone)
    return mcnemar_test(int(alone[0].sum()), int(alone[1].sum()), weights=(first, second))


def youden_change(read: PairedReadings, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of Youden's J of two judges on the same trials, the second minus the first.

    Estimand: (Se_b + Sp_b) - (Se_a + Sp_a). Trials with and without the event are independent samples, so that the
    paired differences of sensitivity and of specificity (`paired_difference`) add, each side's distances by squares
    (MOVER; Zou and Donner 2008). Assumes that labels are the truth.

    Parameters
    ----------
    read : PairedReadings
        Both judges' and the label's reading of the same trials.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If no trial, or every trial, has the event.
    """
    parts = [read.among(read.truth), read.among(~read.truth)]
    if not all(len(part.truth) for part in parts):
        raise NotEnoughDataError("difference of Youden's J: labels of one class only: label trials of the other")
    se, sp = (paired_difference(part.paired_counts(), confidence=confidence) for part in parts)
    value = se.value + sp.value
    low = value - math.hypot(se.value - se.low, sp.value - sp.low)
    high = value + math.hypot(se.high - se.value, sp.high - sp.value)
    return IntervalEstimate(
        value, max(low, -2.0), min(high, 2.0), math.hypot(se.se, sp.se), confidence, "Tango and Newcombe, MOVER"
    )


def kappa_change(read: PairedReadings, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of Cohen's kappa with the label of two judges on the same trials, the second minus the first.

    Estimand: kappa(b, label) - kappa(a, label). Assumes that trials are a random sample, after weighting. Standard
    error by linearisation (the influence of each trial on both kappas; as in Gwet 2014 for one), Student's t with the
    effective number of trials less one degrees of freedom. Linearisation knows nothing of differences that did not
    occur, so that the limits are at least as far out as those of the difference of accuracies (`paired_difference`)
    divided by 1 - pe, pe being the chance agreement of both judges on average.

    Parameters
    ----------
    read : PairedReadings
        Both judges' and the label's reading of the same trials.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two trials, or labels or a judge are of one class only.
    """
    (first, before, chance_a), (second, after, chance_b) = (_kappa_influence(said, read) for said in (read.a, read.b))
    n = len(read.truth)
    if n < 2:
        raise NotEnoughDataError("difference of kappa: one labelled trial: label more")
    share = read.weight / read.weight.sum()
    error = math.sqrt(float(((share * (after - before)) ** 2).sum()) * n / (n - 1))
    half = float(stdtrit(max(read.effective_number - 1, 1.0), 0.5 + confidence / 2)) * error
    value = second - first
    scale = 1 - (chance_a + chance_b) / 2
    shares = paired_difference(read.paired_counts(), confidence=confidence)
    low = min(value - half, value - (shares.value - shares.low) / scale)
    high = max(value + half, value + (shares.high - shares.value) / scale)
    return IntervalEstimate(value, max(low, -2.0), min(high, 2.0), error, confidence, "linearised")


def kappa_estimate(said: Flags, read: PairedReadings, confidence: float) -> IntervalEstimate:
    """Cohen's kappa of one judge with the label, weighted, with its linearised interval.

    Parameters
    ----------
    said : array of bool (n,)
        Whether the judge sees the event.
    read : PairedReadings
        Labels and weights of the same trials.
    confidence : float
        Nominal coverage of the interval, 0 to 1.
    """
    value, influence, _ = _kappa_influence(said, read)
    n, share = len(said), read.weight / read.weight.sum()
    error = math.sqrt(float(((share * influence) ** 2).sum()) * n / max(n - 1, 1))
    half = float(stdtrit(max(read.effective_number - 1, 1.0), 0.5 + confidence / 2)) * error
    return IntervalEstimate(value, max(value - half, -1.0), min(value + half, 1.0), error, confidence, "linearised")


def _kappa_influence(said: Flags, read: PairedReadings) -> tuple[float, Floats, float]:
    """Kappa with the label, the influence of each trial on it, and the agreement expected by chance."""
    share = read.weight / read.weight.sum()
    agree, given, true = ((flags).astype(float) for flags in (said == read.truth, said, read.truth))
    observed, p_said, p_true = (float(share @ part) for part in (agree, given, true))
    expected = p_said * p_true + (1 - p_said) * (1 - p_true)
    if min(p_true, 1 - p_true) < TINY or 1 - expected < TINY:
        raise NotEnoughDataError("kappa: labels of one class only: label trials of the other")
    value = (observed - expected) / (1 - expected)
    moved = (given - p_said) * (2 * p_true - 1) + (true - p_true) * (2 * p_said - 1)
    influence = ((agree - observed) - (1 - value) * moved) / (1 - expected)
    return value, influence, expected


def _youden_of(said: Flags, read: PairedReadings, confidence: float) -> IntervalEstimate:
    counts = []
    for wanted in (True, False):
        part = read.among(read.truth == wanted)
        n = part.effective_number
        if not n:
            raise NotEnoughDataError("Youden's J: labels of one class only: label trials of the other")
        positive = float(part.weight[said[read.truth == wanted]].sum() / part.weight.sum())
        counts.append((min(positive, 1.0) * n, n))
    return newcombe_difference(*counts[0], *counts[1], confidence=confidence)
