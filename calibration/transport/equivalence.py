"""Equivalence of a judge's error rates in two places, against a margin said beforehand; takes counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import ndtri

from gnomon.calibration.numerics.multiple_testing import holm_adjusted
from gnomon.calibration.numerics.number_formats import format_percent
from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.transport.score_tests import difference_p_value, is_exact, score_interval
from gnomon.calibration.transport.transport_results import (
    LabelledCount,
    RateComparison,
    TransportDecision,
    TransportOutcome,
)
from gnomon.data.errors import InputError
from gnomon.data.results import finite_estimate

DEFAULT_ERROR = 0.05
POWER = 0.8
"""Probability of a pass that the label numbers under `needs` are for, where the rates do not differ."""
NO_MARGIN = "no margin was said beforehand: write '[transport] margin = 0.1' in study.toml before you look"
_MOST_LABELS = 100_000
_NEAR_BEST = 2

RateName = Literal["sensitivity", "specificity"]


@dataclass(frozen=True, slots=True)
class RateCounts:
    """Right verdicts and labelled trials of one rate in one arm, where it was learnt and where it is used."""

    arm: str
    rate: RateName
    learnt: Count
    used: Count


def compare_rates(counts: RateCounts, margin: float | None, *, error: float = DEFAULT_ERROR) -> RateComparison:
    """Two one-sided tests that a rate differs by less than the margin, and a test that it differs by more.

    Estimand: difference d of the probabilities of a right verdict, where the errors are used minus where they were
    learnt. Pass: both d <= -margin and d >= margin are rejected at `error` (Schuirmann 1987; the intersection-union
    test needs no correction). Fail: |d| <= margin is rejected at `error` (both sides, Bonferroni). Assumes independent
    labelled trials; tests and interval are those of `score_tests`. Not checked: no result on these labels could have
    passed, or there is no margin.

    Parameters
    ----------
    counts : RateCounts
        The two samples.
    margin : float or None
        Greatest difference that does not matter, between 0 and 1.
    error : float, default 0.05
        Greatest probability of a wrong pass, and of a wrong fail.

    Returns
    -------
    RateComparison
        With p values that are not adjusted for the number of places.

    Raises
    ------
    InputError
        If the margin is not between 0 and 1.
    """
    _check_margin(margin)
    learnt, used = counts.learnt, counts.used
    p_within = p_beyond = None
    difference = None
    if learnt[1] > 0 and used[1] > 0:
        difference = finite_estimate(score_interval(used, learnt, confidence=1 - 2 * error))
        if margin is not None:
            p_within, p_beyond = _within(used, learnt, margin), _beyond(used, learnt, margin)
    outcome, needs = _outcome_of(counts, margin, error, p_within, p_beyond)
    return RateComparison(
        arm=counts.arm,
        rate=counts.rate,
        learnt=LabelledCount(right=learnt[0], of=learnt[1]),
        used=LabelledCount(right=used[0], of=used[1]),
        difference=difference,
        p_within=p_within,
        p_beyond=p_beyond,
        outcome=outcome,
        exact=is_exact(learnt, used),
        needs=needs,
    )


def _within(used: Count, learnt: Count, margin: float) -> float:
    above = difference_p_value(used, learnt, -margin, "greater")
    return max(above, difference_p_value(used, learnt, margin, "less"))


def _beyond(used: Count, learnt: Count, margin: float) -> float:
    above = difference_p_value(used, learnt, margin, "greater")
    return min(1.0, 2 * min(above, difference_p_value(used, learnt, -margin, "less")))


def _outcome_of(
    counts: RateCounts, margin: float | None, error: float, p_within: float | None, p_beyond: float | None
) -> tuple[TransportOutcome, str | None]:
    if margin is None:
        return TransportOutcome.NOT_CHECKED, NO_MARGIN
    if p_within is None or p_beyond is None:
        return TransportOutcome.NOT_CHECKED, _needed_labels(counts, margin, error)
    if p_within <= error:
        return TransportOutcome.PASS, None
    if p_beyond <= error:
        return TransportOutcome.FAIL, None
    possible = _could_pass(counts, margin, error)
    outcome = TransportOutcome.INCONCLUSIVE if possible else TransportOutcome.NOT_CHECKED
    return outcome, _needed_labels(counts, margin, error)


def _could_pass(counts: RateCounts, margin: float, error: float) -> bool:
    """Whether any result on the labels where the rate is used would have passed."""
    share, of = counts.learnt[0] / counts.learnt[1], counts.used[1]
    best = round(share * of)
    near = {min(max(best + step, 0), math.floor(of)) for step in range(-_NEAR_BEST, _NEAR_BEST + 1)}
    return any(_within((float(right), of), counts.learnt, margin) <= error for right in near)


def _needed_labels(counts: RateCounts, margin: float, error: float) -> str:
    """Labels with which equal rates would pass with probability `POWER`, by the normal approximation."""
    kind = "events" if counts.rate == "sensitivity" else "non-events"
    (right, of), there = counts.learnt, counts.used[1]
    share = (right + 1) / (of + 2)
    allowed = (margin / (float(ndtri(1 - error)) + float(ndtri((1 + POWER) / 2)))) ** 2
    spread = share * (1 - share)
    left = allowed - (spread / of if of else math.inf)
    if left <= 0:
        both = math.ceil(2 * spread / allowed)
        return (
            f"{counts.arm}: {of:.0f} labelled {kind} where it was learnt do not suffice for a margin of "
            f"{100 * margin:g} points: about {both} labelled {kind} in each place are needed"
        )
    needed = min(math.ceil(spread / left), _MOST_LABELS)
    more = math.ceil(needed - there)
    if more <= 0:
        return f"{counts.arm}: the {there:.0f} labelled {kind} would suffice if the {counts.rate} were the same"
    return f"{counts.arm}: about {more} more labelled {kind} where it is used ({there:.0f} now)"


def decide_transport(
    places: Mapping[str, Sequence[RateCounts]], margin: float | None, *, error: float = DEFAULT_ERROR
) -> list[TransportDecision]:
    """Decide for each place whether errors learnt elsewhere may be used there.

    A place passes only if every rate passes (an intersection-union test: the largest p value counts) and fails if any
    rate surely differs by more than the margin (the smallest p value times the number of rates). Both are adjusted for
    the number of places that can be checked by Holm's method, so that the probability of any wrong pass, and of any
    wrong fail, is at most `error` in the whole family.

    Parameters
    ----------
    places : mapping of str to sequence of RateCounts
        The rates compared in each place, by its name.
    margin : float or None
        Greatest difference that does not matter, between 0 and 1; None if none was said.
    error : float, default 0.05
        Greatest probability of a wrong pass, and of a wrong fail, in the family.

    Returns
    -------
    list of TransportDecision
        In the order of the places.

    Raises
    ------
    InputError
        If the margin is not between 0 and 1.
    """
    compared = {name: [compare_rates(each, margin, error=error) for each in rates] for name, rates in places.items()}
    family = [name for name, rates in compared.items() if _is_checkable(rates)]
    within = dict(zip(family, holm_adjusted([_largest(compared[name]) for name in family]), strict=True))
    beyond = dict(zip(family, holm_adjusted([_smallest(compared[name]) for name in family]), strict=True))
    return [_decision(name, rates, within.get(name), beyond.get(name), error) for name, rates in compared.items()]


def _is_checkable(rates: Sequence[RateComparison]) -> bool:
    """Whether a place can be decided: all its rates have p values, and none lacks labels unless one fails anyway."""
    if not rates or any(each.p_within is None for each in rates):
        return False
    outcomes = {each.outcome for each in rates}
    return TransportOutcome.NOT_CHECKED not in outcomes or TransportOutcome.FAIL in outcomes


def _largest(rates: Sequence[RateComparison]) -> float:
    return max(each.p_within if each.p_within is not None else 1.0 for each in rates)


def _smallest(rates: Sequence[RateComparison]) -> float:
    return min(1.0, len(rates) * min(each.p_beyond if each.p_beyond is not None else 1.0 for each in rates))


def _decision(
    name: str, rates: Sequence[RateComparison], within: float | None, beyond: float | None, error: float
) -> TransportDecision:
    if within is None or beyond is None:
        outcome = TransportOutcome.NOT_CHECKED
    elif within <= error:
        outcome = TransportOutcome.PASS
    elif beyond <= error:
        outcome = TransportOutcome.FAIL
    else:
        outcome = TransportOutcome.INCONCLUSIVE
    return TransportDecision(
        name=name,
        outcome=outcome,
        p_within=within,
        p_beyond=beyond,
        rates=tuple(rates),
        reason=_reason(outcome, rates),
    )


def _reason(outcome: TransportOutcome, rates: Sequence[RateComparison]) -> str:
    if not rates:
        return "no labelled trial with a verdict"
    if outcome is TransportOutcome.PASS:
        return "every rate surely differs by less than the margin"
    if outcome is TransportOutcome.FAIL:
        worst = min(rates, key=lambda each: 1.0 if each.p_beyond is None else each.p_beyond)
        return f"{rate_phrase(worst)}: surely more than the margin"
    needs = list(dict.fromkeys(each.needs for each in rates if each.needs))
    return "; ".join(needs) or "the tests pass one by one, not together: with several places more labels are needed"


def rate_phrase(rate: RateComparison) -> str:
    """A compared rate in words: "control specificity 90 % (90 of 100) where learnt, 70 % (21 of 30) where used"."""
    shares = [
        f"{format_percent(each.right / each.of)} ({each.right:.0f} of {each.of:.0f}) {where}"
        if each.of
        else f"unknown {where}"
        for each, where in ((rate.learnt, "where learnt"), (rate.used, "where used"))
    ]
    return f"{rate.arm} {rate.rate} {shares[0]}, {shares[1]}"


def _check_margin(margin: float | None) -> None:
    if margin is not None and not 0 < margin < 1:
        raise InputError(f"margin {margin:g}: is not between 0 and 1: write 0.1 for ten percentage points")
