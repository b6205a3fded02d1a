"""Estimates in words: sizes compared, the effect of refusals, which estimates can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pandas as pd

from gnomon.stats.bounds.selection_bounds import EffectBounds
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, MISNAMED, REFUSED
from gnomon.stats.estimand_registry import NET_ENGAGED, NET_RAW, is_difference
from gnomon.stats.narrative.fit_frames import TidyEstimate, frame_rows
from gnomon.stats.narrative.formatting import format_points, format_probability, format_size
from gnomon.stats.results import ContrastRow, DoseCell, ObservedSlope

FIRM = 0.975
LIKELY = 0.9
ASYMMETRY = 0.1

COMPARABLE = (
    "To compare models use the raw estimate: it counts every trial of every model alike. It mixes how well a model "
    "notices with how often it refuses. The estimate excluding refusals is comparable only if refusal rates are "
    "similar in both arms. Corrected estimates can also be compared between judges; they are shown only where labels "
    "allow it."
)

STAGE_PHRASES = {
    REFUSED: "refusing",
    EVENT: "naming the concept (in a control: claiming anything), if the response does not refuse",
    INCOHERENT: "being incoherent, if neither of these",
    MISNAMED: "claiming something else, if none of these",
}
"""Outcome of each stage of the statistical model, as an odds ratio is about it."""

STANDARD = (
    "Each estimate averages over the model's own trials. With the same design: both models with the mix of concepts, "
    "layers and strengths of all models together."
)


def figure_sentence(row: TidyEstimate) -> str:
    """One subject's estimate with its interval, for use under a heading that names the estimand."""
    sign = is_difference(row.estimand)
    mean, low, high = (format_points(end, sign=sign) for end in (row.mean, row.low95, row.high95))
    return f"{row.subject}: {mean} %, 95 % interval {low} to {high}."


def find_contrast(contrasts: pd.DataFrame, name: str, a: str, b: str) -> ContrastRow | None:
    """The contrast a - b of an estimand, reversed if it is stored as b - a; None if there is none.

    Parameters
    ----------
    contrasts : pandas.DataFrame
        Contrasts of a fit.
    name : str
        Name of the estimand.
    a : str
        Subject to subtract from.
    b : str
        Subject to subtract.
    """
    mine = contrasts[contrasts["estimand"] == name] if len(contrasts) else contrasts
    for row in frame_rows(mine, ContrastRow):
        if (row.a, row.b) == (a, b):
            return row
        if (row.a, row.b) == (b, a):
            ends = {"mean": -row.mean, "low95": -row.high95, "high95": -row.low95}
            return ContrastRow(estimand=name, a=a, b=b, **ends, probability=1 - row.probability)
    return None


def contrast_sentence(row: ContrastRow) -> str:
    """Whether one subject is better than another, by how much, and how certain that is."""
    sure = row.probability
    verdict = "is higher than" if sure >= FIRM else "is lower than" if sure <= 1 - FIRM else "may not differ from"
    if LIKELY <= sure < FIRM:
        verdict = "is probably higher than"
    elif 1 - FIRM < sure <= 1 - LIKELY:
        verdict = "is probably lower than"
    low, high = format_points(row.low95), format_points(row.high95)
    return (
        f"{row.a} {verdict} {row.b}: difference {format_points(row.mean)} points, 95 % "
        f"interval {low} to {high}; "
        f"probability that it is higher {format_probability(sure)}."
    )


def monotone_sentence(estimands: pd.DataFrame, contrasts: pd.DataFrame, name: str) -> Iterator[str]:
    """A sentence for each pair of adjacent sizes of the commonest variant.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates of a fit.
    contrasts : pandas.DataFrame
        Contrasts of the fit.
    name : str
        Name of the estimand.
    """
    rows = estimands[(estimands["estimand"] == name) & (estimands["axis"] == "")]
    if rows["parameters"].nunique() < 2:
        return
    usual = rows["variant"].mode().iloc[0]
    order = list(rows[rows["variant"] == usual].sort_values("parameters")["subject"])
    for below, above in pairwise(order):
        if (row := find_contrast(contrasts, name, above, below)) is not None:
            yield contrast_sentence(row)


def best_cells(rows: pd.DataFrame) -> Iterator[str]:
    """The best cell of each subject, and the highest raw rate with its bias (`comparisons["best"]` of a fit)."""
    for subject, mine in rows.groupby("subject", sort=False):
        (row,) = frame_rows(mine.loc[[mine["mean"].idxmax()]], DoseCell)
        low, high = format_points(row.low95), format_points(row.high95)
        told = f"{subject}: {_condition_phrase(row)}, {format_points(row.mean)} % ({low} to {high})"
        told += f"; P(best) {format_probability(row.probability_best)}"
        raw = mine[mine["naive"].notna()]
        if len(raw):
            (lucky,), naive = frame_rows(raw.loc[[raw["naive"].idxmax()]], DoseCell), float(raw["naive"].max())
            told += (
                f". The highest raw rate is {format_points(raw['naive'].max())} % in "
                f"{_condition_phrase(lucky)} ({lucky.n:,} trials)"
            )
            told += ": selected as the maximum, so biased upward (winner's curse)" if naive > lucky.mean else ""
        yield f"{told}."


def _condition_phrase(row: DoseCell) -> str:
    deep = f"layer {row.layer:.0f}" if pd.notna(row.layer) else f"depth {row.depth:.2f}"
    return f"{deep} at strength {row.strength:g}"


def trend_sentences(trends: pd.DataFrame, name: str) -> Iterator[str]:
    """The trend through the models that were run, within the usual variant and over all, and without each of them.

    Parameters
    ----------
    trends : pandas.DataFrame
        `comparisons["slopes"]` of a fit.
    name : str
        Name of the estimand.
    """
    mine = trends[trends["estimand"] == name] if len(trends) else trends
    rows = frame_rows(mine, ObservedSlope)
    for row in rows:
        if row.variants == "all" and any(row.subjects == other.subjects for other in rows if other is not row):
            continue
        which = "of the usual variant " if row.variants == "within" and len(rows) > 1 else ""
        number = f"{row.subjects} models {which}" if row.subjects else f"models {which}"
        yield (
            f"Trend through the {number}that were run: {format_points(row.mean, digits=1)} points per doubling of "
            f"size, 95 % interval {format_points(row.low95, digits=1)} to {format_points(row.high95, digits=1)}; "
            f"P(increase) {format_probability(row.probability_positive)}. It describes these models only."
            f"{_without_one(row)}"
        )


def _without_one(row: ObservedSlope) -> str:
    """How far a trend moves when one model is left out."""
    if not row.without:
        return ""
    least, most = min(row.without, key=lambda one: one.mean), max(row.without, key=lambda one: one.mean)
    return (
        f" Without one of them it lies between {format_points(least.mean, digits=1)} (without {least.subject}) and "
        f"{format_points(most.mean, digits=1)} (without {most.subject})."
    )


def refusal_asymmetry(estimands: pd.DataFrame, bounds: Mapping[str, EffectBounds]) -> Iterator[str]:
    """Subjects that refuse one arm much more than the other, and the effect on raw and engaged estimates.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates of a fit.
    bounds : mapping of str to EffectBounds
        Lee's bounds by subject (`gnomon.stats.bounds.selection_bounds.bounds_with_interval`).
    """
    refusals = estimands[(estimands["estimand"] == "refusal") & (estimands["axis"] == "arm")]
    table = refusals.pivot_table(index="subject", columns="value", values="mean", aggfunc="first")
    if not {"injection", "control"} <= set(table.columns):
        return
    apart = table[(table["control"] - table["injection"]).abs() > ASYMMETRY]
    for subject, row in apart.iterrows():
        yield _asymmetry_sentence(str(subject), row, estimands, bounds.get(str(subject)))


def _asymmetry_sentence(subject: str, refused: pd.Series, estimands: pd.DataFrame, bounds: EffectBounds | None) -> str:
    mine = estimands[(estimands["subject"] == subject) & (estimands["axis"] == "")].set_index("estimand")["mean"]
    control, injection = format_points(refused["control"], sign=False), format_points(refused["injection"], sign=False)
    told = f"{subject} refuses {control} % of controls and {injection} % of injections"
    removed = refused["injection"] < refused["control"]
    told += ": the injection itself removes refusals. " if removed else ": the injection itself adds refusals. "
    if {NET_RAW, NET_ENGAGED} <= set(mine.index):
        raw, engaged = format_points(mine[NET_RAW]), format_points(mine[NET_ENGAGED])
        told += (
            f"Its raw estimate, which counts refusals against it, is {raw} %; excluding refusals gives {engaged} %, "
            "but that comparison can be biased by selection. "
        )
    if bounds is not None:
        low, high = format_points(bounds.low, digits=1), format_points(bounds.high, digits=1)
        told += f"For trials that would be answered in either arm, net detection lies between {low} and {high} % "
        low, high = format_points(bounds.interval_low, digits=1), format_points(bounds.interval_high, digits=1)
        told += f"(Lee bounds, from the counts), with sampling error between {low} and {high} % (95 % interval)."
    return told.strip()


def size_label(name: str, parameters: float) -> str:
    """A subject's name with its size.

    Parameters
    ----------
    name : str
        Name of the subject.
    parameters : float
        Number of parameters.
    """
    return f"{name} ({format_size(parameters)})"
