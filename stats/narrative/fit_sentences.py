"""Sentences about fits and judges: convergence, misfit, refusals and their bounds, errors by arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.stats.estimand_registry import NET_ENGAGED, corrected_name
from gnomon.stats.narrative.fit_frames import TidyEstimate, frame_rows
from gnomon.stats.narrative.formatting import (
    count_noun,
    format_interval,
    format_percent,
    format_points,
    join_names,
)
from gnomon.stats.results import (
    FAILED,
    MISFIT_P,
    OUTCOMES,
    REFUSED,
    Diagnostics,
    EngagementBounds,
    IntervalRow,
    PredictiveCheck,
    RaterRow,
)

APART = 0.02

WHY_REFUSALS = (
    "A refusal tells us nothing about what the model noticed. The injection itself can change how often it "
    "declines, so excluding refusals can bias the comparison (selection)."
)
BOUNDS = (
    "Diamond: engaged net detection, refusals excluded. Box: where net detection of trials that would be answered in "
    "either arm can lie, if injection moves refusals one way only (monotonicity, Lee bounds). Dashed line: the same if "
    "it may move them either way. A narrow box says that refusals hardly matter; a wide one that the diamond is only "
    "one of many values that the data allow. Drawn are posterior means of the bounds; their 95 % limits are in the "
    "table. Scaling gives the same bounds from the counts alone, which may differ by a few tenths of a point."
)
GATES = (
    "A fit passes with R-hat at most 1.01, at least 400 effective draws of every estimate in bulk and tails, and at "
    "most one divergence in 200 draws. Fits that fail are stored, and their estimates are hidden."
)

PRIOR_DECIDES = (
    "Where the two intervals are alike, the data say little and the prior decides. Where the posterior lies outside "
    "the prior interval, the prior was at odds with the data: change it in [fit.priors] of study.toml and fit again."
)
CHECKS = (
    "Each check compares the observed counts of one class, by the values of one axis, with counts simulated from the "
    "fit (discrepancy of Freeman and Tukey); the row shows the value that is furthest off. Outcomes and verdicts are "
    "checked within each model and arm, labels given their verdicts within each arm. p is the share of simulated data "
    "sets that are as far off as the observed one, also corrected for the number of checks (Holm)."
)


def interval_phrase(row: IntervalRow) -> str:
    """An estimate in short: `41 % (38 to 44)`; with a sign if it can be negative, a decimal if it is small."""
    return format_interval(row.mean, row.low95, row.high95, sign=row.low95 < 0 or row.mean < 0)


def rater_finding(raters: Sequence[RaterRow]) -> str | None:
    """How often raters' labels are right, and whether the data or the prior say so; None if labels are the truth."""
    if not raters:
        return None
    if not any(row.repeated for row in raters):
        return f"raters assumed right in {format_percent(raters[0].prior)} (prior); no trial was labelled twice"
    each = [f"{row.rater} {interval_phrase(row)} of {count_noun(row.labels, 'label')}" for row in raters]
    return f"share of labels that are right, by rater (prior {format_percent(raters[0].prior)}): {join_names(each)}"


def refusal_sentences(estimands: pd.DataFrame) -> Iterator[str]:
    """How often each subject refuses in each arm."""
    rows = estimands[(estimands["estimand"] == "refusal") & (estimands["axis"] == "arm")]
    for subject, mine in rows.sort_values(["parameters", "subject"], kind="stable").groupby("subject", sort=False):
        arms = frame_rows(mine.sort_values("value"), TidyEstimate)
        said = [f"{interval_phrase(row)} of {row.value} trials" for row in arms]
        yield f"{subject} refuses {join_names(said)}."


def refusal_headline(estimands: pd.DataFrame) -> str | None:
    """Which model refuses most in which arm, and where refusal differs most between injection and control.

    None without refusal by arm.
    """
    rows = estimands[(estimands["estimand"] == "refusal") & (estimands["axis"] == "arm")]
    if rows.empty:
        return None
    by: dict[str, dict[str, TidyEstimate]] = {}
    for row in frame_rows(rows, TidyEstimate):
        by.setdefault(row.subject, {})[str(row.value)] = row
    pairs = {
        name: (arms["injection"], arms["control"]) for name, arms in by.items() if {"injection", "control"} <= {*arms}
    }
    if not pairs:
        most = max((row for arms in by.values() for row in arms.values()), key=lambda row: row.mean)
        return f"{most.subject} refuses most: {interval_phrase(most)} of {most.value} trials."
    name, (injection, control) = max(pairs.items(), key=lambda item: abs(item[1][0].mean - item[1][1].mean))
    what = f"{interval_phrase(injection)} of injection trials and {interval_phrase(control)} of control trials"
    if len(pairs) == 1:
        return f"{name} refuses {what}."
    return f"Refusal differs most between the arms in {name}: {what}."


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


def misfit_headline(predictive: pd.DataFrame) -> str | None:
    """The worst misfit of a fit in a line, with its axis and value; None if no check shows misfit.

    Parameters
    ----------
    predictive : pandas.DataFrame
        Posterior predictive checks of a fit.
    """
    rows = frame_rows(predictive, PredictiveCheck)
    odd = sorted((row for row in rows if row.is_misfit), key=lambda row: row.p)
    if not odd:
        return None
    return (
        f"MISFIT in {len(odd)} of {count_noun(len(rows), 'posterior predictive check')} (p below {MISFIT_P:g} after "
        f"correction for their number), the worst: {check_sentence(odd[0])} Estimates there can be wrong beyond their "
        "intervals."
    )


def check_sentence(row: PredictiveCheck) -> str:
    """One posterior predictive check in words: what, where, observed and expected counts, p-values."""
    what = row.outcome_class if row.data == OUTCOMES else f"{row.data}, {row.outcome_class}"
    where = f"{row.subject or 'all models'}, {row.arm} arm"
    at = f" by {row.axis}, at {row.value}" if row.axis else ""
    p = format_p(row.p) + ("" if row.p_family is None else f", corrected {format_p(row.p_family)}")
    return (
        f"{where}: {what}{at}: {row.observed} of {row.n} observed, {row.mean:.1f} expected (95 % interval "
        f"{row.low95:.0f} to {row.high95:.0f}; {p})."
    )


def misfit_sentences(predictive: pd.DataFrame, limit: int = 6) -> Iterator[str]:
    """What the posterior predictive checks of a fit show: each misfit, or that there is none.

    Parameters
    ----------
    predictive : pandas.DataFrame
        Posterior predictive checks of a fit.
    limit : int, default 6
        Greatest number of misfits in words.
    """
    rows = frame_rows(predictive, PredictiveCheck)
    if not rows:
        return
    known = [row.p_family for row in rows if row.p_family is not None]
    if not known:
        yield "This fit was stored before there were checks by strength, layer and concept: fit again."
        return
    odd = sorted((row for row in rows if row.is_misfit), key=lambda row: row.p)
    if odd:
        yield (
            f"MISFIT in {len(odd)} of {count_noun(len(rows), 'check')} (p below {MISFIT_P:g} after correction for "
            "their number): estimates there can be wrong beyond their intervals."
        )
        yield from (check_sentence(row) for row in odd[:limit])
        if len(odd) > limit:
            yield f"{len(odd) - limit} more are in the table."
    else:
        yield (
            f"No misfit found in {count_noun(len(rows), 'check')}: the smallest has "
            f"{format_p(min(row.p for row in rows))}, {format_p(min(known))} after correction for their number."
        )


def check_table(predictive: pd.DataFrame) -> pd.DataFrame:
    """All posterior predictive checks of a fit as a table, the smallest p first."""
    named = predictive.rename(columns={"mean": "expected", "p_family": "p corrected"})
    named["subject"] = named["subject"].replace("", "all models")
    shown = ["data", "subject", "arm", "class", "axis", "value", "observed", "n", "expected", "low95", "high95", "p"]
    return named.sort_values("p", kind="stable")[[*shown, "p corrected"]].rename(columns={"subject": "model"})
