"""Estimates in words: sizes compared, the effect of refusals, which estimates can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from gnomon.stats.charts import coverage_table
from gnomon.stats.estimand_registry import NET_ENGAGED, NET_RAW
from gnomon.stats.estimands.selection_bounds import EffectBounds
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative.fit_frames import TidyEstimate, frame_rows
from gnomon.stats.narrative.formatting import estimand_label as called
from gnomon.stats.narrative.formatting import format_percent, format_points, format_size
from gnomon.stats.results import ContrastRow, DoseCell, SizeLadderSpan, SlopeRow

FIRM = 0.975
LIKELY = 0.9
ASYMMETRY = 0.1

COMPARABLE = (
    "To compare models use the raw estimate: it counts every trial of every model alike. It mixes how well a model "
    "notices with how often it refuses. The estimate excluding refusals is comparable only if refusal rates are "
    "similar in both arms. Corrected estimates can also be compared between judges; they are shown only where labels "
    "allow it."
)

STANDARD = (
    "Each estimate averages over the model's own trials. With the same design: both models with the mix of concepts, "
    "layers and strengths of all models together."
)


def figure_sentence(row: TidyEstimate) -> str:
    """One subject's estimate with its interval, for use under a heading that names the estimand."""
    low, high = format_points(row.low95), format_points(row.high95)
    return f"{row.subject}: {format_points(row.mean)} %, 95 % interval {low} to {high}."


def format_probability(probability: float) -> str:
    """A probability in percent; none is shown as certain."""
    if probability > 0.999:
        return "above 99.9 %"
    return "below 0.1 %" if probability < 0.001 else f"{100 * probability:.1f} %"


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


def step_sentences(ladder: pd.DataFrame, name: str) -> Iterator[str]:
    """The probability that the estimate increases at all steps of size.

    Parameters
    ----------
    ladder : pandas.DataFrame
        `comparisons["ladder"]` of a fit.
    name : str
        Name of the estimand.
    """
    whole = ladder[(ladder["estimand"] == name) & ladder["steps"].notna()] if "steps" in ladder else ladder.head(0)
    for row in frame_rows(whole, SizeLadderSpan):
        yield (
            f"From {row.from_subject} to {row.to_subject}: P(increase at all {row.steps} steps) "
            f"{format_probability(row.probability)}."
        )


def best_cells(rows: pd.DataFrame) -> Iterator[str]:
    """The best cell of each subject, and the highest raw rate with its bias (`comparisons["best"]` of a fit)."""
    for subject, mine in rows.groupby("subject", sort=False):
        (row,) = frame_rows(mine.loc[[mine["mean"].idxmax()]], DoseCell)
        low, high = format_points(row.low95), format_points(row.high95)
        told = f"{subject}: {_condition_phrase(row)}, {format_points(row.mean)} % ({low} to {high})"
        told += f"; P(best) {row.probability_best:.2f}"
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


def slope_sentences(slopes: pd.DataFrame, name: str) -> Iterator[str]:
    """The effect of a doubling of size, and the coverage of such intervals; nothing if there is no slope.

    Parameters
    ----------
    slopes : pandas.DataFrame
        Slopes of a fit.
    name : str
        Name of the estimand.
    """
    if (sentence := slope_sentence(slopes, name)) is not None:
        yield sentence
        if (kept := slope_coverage_sentence(name)) is not None:
            yield kept


def slope_sentence(slopes: pd.DataFrame, name: str) -> str | None:
    """The effect of a doubling of size; None if there is no slope.

    Parameters
    ----------
    slopes : pandas.DataFrame
        Slopes of a fit.
    name : str
        Name of the estimand.
    """
    for row in frame_rows(slopes, SlopeRow):
        if row.estimand == name:
            low, high = format_points(row.low95), format_points(row.high95)
            return (
                f"A doubling of size changes {called(name)} by {format_points(row.mean)} points on "
                f"average, 95 % interval "
                f"{low} to {high}; probability that it rises with size "
                f"{format_probability(row.probability_positive)}."
            )
    return None


def slope_coverage_sentence(name: str, version: str = VERSION) -> str | None:
    """Coverage of this slope's intervals in simulation; None if it was not measured.

    Parameters
    ----------
    name : str
        Name of the estimand.
    version : str, default the current one
        Version of the model.
    """
    found = coverage_table.interval_coverage(version)
    mine = found[found["figure"] == f"slope {name}"]
    if mine.empty:
        return None
    least, most = format_percent(mine["coverage"].min(), 0), format_percent(mine["coverage"].max(), 0)
    share = least if least == most else f"{least.removesuffix(' %')} to {most}"
    return (
        f"Coverage of 95 % intervals of this slope in simulated studies: {share}, depending on how the models "
        "differ (Diagnostics)."
    )


def refusal_asymmetry(estimands: pd.DataFrame, bounds: dict[str, EffectBounds]) -> Iterator[str]:
    """Subjects that refuse one arm much more than the other, and the effect on raw and engaged estimates.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates of a fit.
    bounds : dict of str to EffectBounds
        Lee's bounds by subject (`gnomon.stats.estimands.selection_bounds.bounds_with_interval`).
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
