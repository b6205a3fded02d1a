"""Sentences on the three methods of a corrected estimate, and which of them is the headline."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gnomon.stats.estimands.method_comparison import ALPHA, CUT, DESIGN, JOINT, METHOD_NAMES
from gnomon.stats.narrative.formatting import estimand_label, format_points
from gnomon.stats.results import HeadlineChoice, MethodDifference, MethodEstimate

ASSUMPTIONS = {
    JOINT: "the statistical model of outcomes and of judge errors",
    CUT: "as the joint fit, but unlabelled verdicts do not inform the judges' error rates",
    DESIGN: "labels of a verdict pattern are a random sample of the trials with that pattern; nothing about the judges",
}
SMALL_P = 0.001


def headline_sentence(choice: HeadlineChoice) -> str:
    """Which method gives the corrected estimates that are shown, and why."""
    if choice.p is None:
        return "Headline: joint fit. Too few labels for a design-based estimate to compare it with."
    if choice.method == JOINT:
        return (
            f"Headline: joint fit. It agrees with the design-based estimates within their errors in all "
            f"{len(choice.differences)} comparisons (smallest corrected p {choice.p:.2f})."
        )
    worst = min(choice.differences, key=lambda row: row.p)
    return (
        f"Headline: {METHOD_NAMES[choice.method]}. The joint fit contradicts the labels: {_compared_estimate(worst)} "
        f"is {format_points(worst.joint, 1)} % by the joint fit and {format_points(worst.design, 1)} % by the "
        f"design-based estimate ({format_p(worst.p)}, limit {ALPHA:g}), more than their errors explain, so the judges' "
        "errors are not what the joint fit assumes. Curve, cells of layer and strength, and bounds remain those of the "
        "joint fit."
    )


def format_p(p: float) -> str:
    """A p value: `p 0.03`, `p below 0.001`."""
    return f"p below {SMALL_P:g}" if p < SMALL_P else f"p {p:.2g}"


def method_frame(rows: Iterable[MethodEstimate]) -> pd.DataFrame:
    """Estimates by method: columns model, estimate, method, mean, low95, high95, headline (text: "headline" or "")."""
    return pd.DataFrame(
        [
            {
                "model": row.subject,
                "estimate": estimand_label(row.estimand),
                "method": METHOD_NAMES[row.method],
                "mean": row.mean,
                "low95": row.low95,
                "high95": row.high95,
                "shown": "headline" if row.headline else "",
            }
            for row in rows
        ],
        columns=["model", "estimate", "method", "mean", "low95", "high95", "shown"],
    )


def _compared_estimate(row: MethodDifference) -> str:
    where = "".join(f" at {axis} {value:g}" if isinstance(value, float) else "" for axis, value in row.by.items())
    return f"{estimand_label(row.estimand)}{where} ({row.subject})"
