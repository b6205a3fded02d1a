"""Sentences about fits and judges: convergence, misfit, refusals and their bounds, errors by arm."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from gnomon.stats.estimand_registry import NET_ENGAGED, corrected_name
from gnomon.stats.narrative.fit_frames import TidyEstimate, frame_rows
from gnomon.stats.narrative.formatting import format_percent, format_points, join_names
from gnomon.stats.results import FAILED, REFUSED, Diagnostics, EngagementBounds, IntervalRow, ResultModel

ODD = 0.05
APART = 0.02
SMALL = 0.02

WHY_REFUSALS = (
    "A refusal tells us nothing about what the model noticed. The injection itself can change how often it "
    "declines, so excluding refusals can bias the comparison (selection)."
)
BOUNDS = (
    "Point: engaged net detection, refusals excluded. Orange: where net detection of those that would answer in "
    "either arm can lie, under monotonicity (Lee bounds). Blue: the same if it may move it either "
    "way. A narrow bar says that refusals hardly matter; a wide one that the point is only one of many values that the "
    "data allow. Bars: posterior means of the bounds. Text: 95 % intervals for the bounds. "
    "Scaling gives the same bounds from the counts alone, which may differ by a few tenths of a point."
)
GATES = (
    "A fit passes with R-hat at most 1.01, at least 400 effective draws of every estimate in bulk and tails, and at "
    "most one divergence in 200 draws. Fits that fail are stored, and their estimates are hidden."
)


def interval_phrase(row: IntervalRow) -> str:
    """An estimate in short: `41 % (38 to 44)`; with a sign if it can be negative, a decimal if it is small."""
    sign, digits = row.low95 < 0 or row.mean < 0, int(max(abs(row.low95), abs(row.high95)) < SMALL)
    mean, low, high = (format_points(end, digits=digits, sign=sign) for end in (row.mean, row.low95, row.high95))
    return f"{mean} % ({low} to {high})"


def refusal_sentences(estimands: pd.DataFrame) -> Iterator[str]:
    """How often each subject refuses in each arm."""
    rows = estimands[(estimands["estimand"] == "refusal") & (estimands["axis"] == "arm")]
    for subject, mine in rows.sort_values(["parameters", "subject"], kind="stable").groupby("subject", sort=False):
        arms = frame_rows(mine.sort_values("value"), TidyEstimate)
        said = [f"{interval_phrase(row)} of {row.value} trials" for row in arms]
        yield f"{subject} refuses {join_names(said)}."


def bounds_sentences(estimands: pd.DataFrame, bounds: pd.DataFrame) -> Iterator[str]:
    """Possible bias from dropping refusals, for each subject with bounds; widest first.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates of a fit.
    bounds : pandas.DataFrame
        `comparisons["bounds"]` of the fit.
    """
    if bounds.empty:
        return
    mine = bounds[bounds["assuming"] == "monotone"]
    engaged = estimands[
        estimands["estimand"].isin((NET_ENGAGED, corrected_name(NET_ENGAGED))) & (estimands["axis"] == "")
    ]
    means = dict(zip(engaged["subject"], engaged["mean"], strict=True))
    widest = mine.assign(width=mine["high"] - mine["low"]).sort_values("width", ascending=False)
    for row in frame_rows(widest, EngagementBounds):
        width = row.high - row.low
        span = f"{format_points(row.low, digits=1)} to {format_points(row.high, digits=1)} %"
        limits = f"{format_points(row.low95, digits=1)} to {format_points(row.high95, digits=1)}"
        hidden = "negligible" if width < APART else f"bounds {span}, 95 % limits {limits}"
        told = f"{row.subject}: engaged {format_points(means[row.subject])} %; " if row.subject in means else ""
        if width < APART:
            yield f"{told or row.subject + ': '}the effect of excluding refusals is {hidden} (bounds {span})."
        else:
            zero = row.low95 <= 0 <= row.high95
            yield f"{told or row.subject + ': '}{hidden}{': consistent with zero' if zero else ''}."


class MeasuredRate(ResultModel):
    """One measure of a judge in one arm with its 95 % interval, as the audit's frames have it."""

    measure: str
    value: float
    low: float
    high: float


def arm_sentence(rates: pd.DataFrame, judge: str, arm: str) -> str:
    """A judge's error rates in one arm, in words.

    Parameters
    ----------
    rates : pandas.DataFrame
        Rows of `audit_frames.rate_frame` for this judge and arm.
    judge : str
        Name of the judge.
    arm : str
        Name of the arm.
    """
    known = rates[rates["measure"].isin(["Sensitivity", "Specificity", "Youden's J"])]
    by = {row.measure: row for row in frame_rows(known, MeasuredRate)}
    parts = []
    for measure, verb in (("Sensitivity", "sensitivity {}"), ("Specificity", "specificity {}")):
        if row := by.get(measure):
            value, low, high = (format_percent(end) for end in (row.value, row.low, row.high))
            parts.append(f"{verb.format(value)} (95 % interval {low} to {high})")
    told = f"In the {arm} arm, {judge} has " + " and ".join(parts) + "."
    if row := by.get("Youden's J"):
        told += f" Youden's J {row.value:.2f} ({row.low:.2f} to {row.high:.2f})."
    return told


def convergence_sentence(view: str, status: str, diagnostics: Diagnostics) -> str:
    """One fit's convergence in a line.

    Parameters
    ----------
    view : str
        View of the fit.
    status : str
        Its status: passed, failed or refused.
    diagnostics : mapping of str to object
        Its stored diagnostics (`check_convergence`).
    """
    why = "; ".join(diagnostics.reasons)
    least = diagnostics.min_ess
    if status == REFUSED or not diagnostics.draws or diagnostics.max_rhat is None or least is None:
        why = why or "the data do not allow its estimates"
        return f"{view}: {status}; nothing was sampled ({why})."
    numbers = f"R-hat {diagnostics.max_rhat:.3f}, at least {least:,.0f} effective draws"
    parted = diagnostics.divergences
    told = f"{view}: {status}; {numbers}, {parted} divergence{'' if parted == 1 else 's'}"
    if status == FAILED:
        return f"{told}. {why}."
    if weighted := diagnostics.reweighted:
        told += f"; weighted from the draws of fit {weighted.fit[:8]} (Pareto k {weighted.k:.2f})"
    return f"{told}."


def misfit_sentences(predictive: pd.DataFrame) -> Iterator[str]:
    """Sentences listing subject-arm combinations that fail the posterior predictive check."""
    each = predictive.drop_duplicates(["subject", "arm"])
    odd = each[each["p"] < ODD].sort_values("p")
    for subject, arm, p in odd[["subject", "arm", "p"]].itertuples(index=False):
        yield (
            f"{subject}, {arm} arm: observed counts are unlikely under the fit (p {p:.2f}): the statistical model "
            "misses something there."
        )
    if odd.empty:
        yield f"No misfit found: all {len(each)} model and arm checks have p > {ODD:g}."
