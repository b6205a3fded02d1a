"""Sentences on the methods of a corrected estimate, and which of them is the headline."""

from __future__ import annotations

from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.stats.estimand_registry import corrected_name
from gnomon.stats.narrative.fit_frames import EVERY_SUBJECT
from gnomon.stats.narrative.formatting import estimand_label, format_points
from gnomon.stats.results import CUT, DESIGN, JOINT, POOLED, HeadlineChoice, MethodDifference

METHOD_NAMES = {POOLED: "pooled fits", JOINT: "joint fit", CUT: "cut fit", DESIGN: "design-based"}
ASSUMPTIONS = {
    POOLED: "the joint fit with probability 3/4, the cut fit with 1/4, since unlabelled verdicts may mislead",
    JOINT: "the statistical model of outcomes and of judge errors",
    CUT: "only labelled trials teach what a verdict means; unlabelled trials are completed from that",
    DESIGN: "labels of a verdict pattern are a random sample of the trials with that pattern; nothing about the judges",
}
REMAINS = "Curve, cells of layer and strength, and bounds remain the joint fit's."


def headline_sentence(choice: HeadlineChoice) -> str:
    """Which method gives the corrected estimates that are shown, and why."""
    name = METHOD_NAMES[choice.method]
    if choice.p is None:
        return f"Headline: {name}. Too few labels for a design-based estimate to compare the joint fit with."
    if choice.method != DESIGN:
        return (
            f"Headline: {name}. The joint fit agrees with the design-based estimates within their errors in all "
            f"{len(choice.differences)} comparisons (smallest corrected {format_p(choice.p)})."
        )
    worst = min(choice.differences, key=lambda row: row.p)
    if worst.p >= choice.limit:
        return (
            f"Headline: {name}. The joint fit fails its posterior predictive check of labels "
            f"given verdicts, so the judges' errors are not what it assumes. {REMAINS}"
        )
    return (
        f"Headline: {name}. The joint fit contradicts the labels: {_compared_estimate(worst)} "
        f"is {format_points(worst.joint, 1)} % by the joint fit and {format_points(worst.design, 1)} % by the "
        f"design-based estimate ({format_p(worst.p)}, limit {choice.limit:g}), more than their errors explain, so the "
        f"judges' errors are not what the joint fit assumes. {REMAINS}"
    )


def method_sentences(choice: HeadlineChoice) -> list[str]:
    """Which method is the headline and why, then what each method assumes."""
    assumed = [f"{METHOD_NAMES[name].capitalize()} assumes: {text}." for name, text in ASSUMPTIONS.items()]
    return [headline_sentence(choice), *assumed]


def _compared_estimate(row: MethodDifference) -> str:
    whose = "mean of all models" if row.subject == EVERY_SUBJECT else row.subject
    return f"{estimand_label(corrected_name(row.estimand))} ({whose})"
