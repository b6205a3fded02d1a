"""What a judge's calibrated scores say, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.graded.graded_results import GradedArm, GradedCalibration, ThresholdCost
from gnomon.data.results import Estimate

NARROWER = 0.98
"""Ratio of widths below which scores are said to narrow an interval."""


def graded_sentences(part: GradedCalibration) -> tuple[str, ...]:
    """Sentences on each arm: the estimate, what the scores gain, the threshold, and where the map does not hold."""
    head = (
        f"{part.judge}: scores calibrated by {part.view} labels of the splits {' and '.join(part.splits)}; the test "
        "split is not read",
    )
    return (*head, *(sentence for arm in part.arms for sentence in _arm_sentences(arm)), *_unchecked_sentence(part))


def _arm_sentences(arm: GradedArm) -> Iterator[str]:
    if arm.reason:
        yield f"no estimate by scores: {arm.reason}"
    if arm.estimate:
        yield (
            f"{arm.arm}: event rate {_interval(arm.estimate)} with scores calibrated by {arm.labelled} labels on "
            f"{arm.scored} scored trials{_gain(arm)}"
        )
    if arm.unscored:
        yield (
            f"{arm.arm}: {arm.unscored} of the {arm.scored} verdicts have no score and count by their own answers; "
            "curve, map and thresholds are without them"
        )
    if arm.left_out:
        yield f"{arm.arm}: {arm.left_out} verdicts have no score and are left out: the rates are of the others alone"
    if arm.posterior:
        yield (
            f"{arm.arm}: event rate {_interval(arm.posterior)} by the posterior with scores as levels, which assumes "
            "that labelled events have the scores of all events"
        )
    if arm.isotonic and arm.isotonic[0].value == arm.isotonic[-1].value and arm.labelled > 1:
        yield f"{arm.arm}: events are no more frequent at higher scores, so the scores say nothing"
    if arm.threshold:
        name = f"{arm.arm} (the score of a pass counts as negative)" if arm.reversed else arm.arm
        yield from _threshold_sentences(name, arm.threshold.chosen, arm.threshold.dev, arm.threshold.usual)
    yield from (f"{arm.arm}: {each.words}" for each in arm.transfers if each.margin is not None)


def _unchecked_sentence(part: GradedCalibration) -> Iterator[str]:
    unchecked = {each.target for arm in part.arms for each in arm.transfers if each.margin is None}
    if unchecked:
        yield (
            f"whether the calibration learnt on the other models holds on {', '.join(sorted(unchecked))} was not "
            "checked, no margin was said beforehand: set it under [transport] margin"
        )


def _gain(arm: GradedArm) -> str:
    if arm.width_ratio is None or arm.rounded is None:
        return ""
    if arm.width_ratio < NARROWER:
        return f"; the interval is {arm.width_ratio:.2f} times as wide as with verdicts of yes and no"
    return f"; scores narrow the interval hardly or not ({arm.width_ratio:.2f} times that of verdicts of yes and no)"


def _threshold_sentences(
    arm: str, chosen: ThresholdCost, dev: ThresholdCost | None, usual: ThresholdCost | None
) -> Iterator[str]:
    there = _errors(dev) if dev else "nothing is labelled on the dev split"
    beside = f"; from {usual.threshold:g} on: {_errors(usual)}" if usual else ""
    yield (
        f"{arm}: threshold {chosen.threshold:.3g}, chosen on {chosen.labelled} labels of the train split "
        f"({_errors(chosen)} there); on the dev split: {there}{beside}"
    )


def _errors(cost: ThresholdCost) -> str:
    return f"{cost.misses:.1f} misses and {cost.false_alarms:.1f} false alarms per 100 trials"


def _interval(estimate: Estimate) -> str:
    low, high, level = 100 * estimate.low, 100 * estimate.high, 100 * estimate.level
    return f"{100 * estimate.value:.1f} % ({level:.0f} %: {low:.1f} to {high:.1f})"
