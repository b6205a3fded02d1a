"""Charts of the battery: pure functions from a summary to Altair charts, without a theme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.plotting.theme import BLUE, GREEN, GREY, ORANGE, VERMILION, arm_colours
from gnomon.data.arms import ARMS
from gnomon.data.arms.battery_measures import battery_order, task_title
from gnomon.stats.charts.estimate_charts import PAGE_WIDTH, PANEL_WIDTH, chart_title, percent_axis, tooltip_fields
from gnomon.stats.measures.measure_results import BatterySummary, MeasuredEstimate
from gnomon.stats.measures.measured_trials_frame import LOGIT

ROW_HEIGHT, PANEL_HEIGHT = 38, 240
TITLE_WIDTH = 200
"""Pixels for the title of a task beside its row."""
SHIFTS = {"the question": BLUE, "answer is no": VERMILION, "answer is yes": ORANGE, "yes-corrected": GREEN}
"""Series of the shift chart with their colours."""


def battery_chart(summary: BatterySummary, subject: str) -> Any:
    """Rates of one model by task and arm with 95 % intervals, and a tick where guessing would be.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = battery_rows(summary, subject)
    arms = [arm for arm in dict.fromkeys([*ARMS, *rows["arm"]]) if arm in set(rows["arm"])]
    labels, own = [ARMS[arm].label if arm in ARMS else arm for arm in arms], arm_colours()
    colours = alt.Scale(domain=labels, range=[own.get(arm, GREY) for arm in arms])
    tasks = list(dict.fromkeys(rows["title"]))
    place = alt.Y("title:N", sort=tasks, title=None, axis=alt.Axis(grid=True, labelLimit=TITLE_WIDTH))
    beside = alt.YOffset("label:N", sort=labels)
    share = alt.X("mean:Q", title="Rate", axis=percent_axis(6), scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(rows).encode(
        y=place,
        yOffset=beside,
        color=alt.Color("label:N", sort=labels, scale=colours, legend=alt.Legend(title="Arm")),
        tooltip=tooltip_fields(("title", "Task"), ("label", "Arm")),
    )
    chance = (
        alt.Chart(rows.dropna(subset=["chance"]).drop_duplicates("task"))
        .mark_tick(color=GREY, thickness=2, size=ROW_HEIGHT - 6)
        .encode(y=place, x=alt.X("chance:Q"), tooltip=[alt.Tooltip("chance:Q", title="Chance", format=".1%")])
    )
    layers = [
        chance,
        base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low95:Q"), x2=alt.X2("high95:Q")),
        base.mark_point(filled=True, size=55, opacity=1).encode(x=share),
    ]
    under = [
        "Points: rate, or mean probability where logits were read,",
        "with 95 % intervals. Grey ticks: guessing.",
    ]
    title = chart_title(f"Tasks of the battery: {subject}", under)
    return alt.layer(*layers).properties(width=PAGE_WIDTH, height=ROW_HEIGHT * len(tasks), title=title)


def battery_rows(summary: BatterySummary, subject: str) -> pd.DataFrame:
    """One row a task and arm, in the battery's order: task, title, arm, label, mean, low95, high95, chance.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = [
        {
            "task": task.task,
            "title": task_title(task.task),
            "arm": rate.arm,
            "label": ARMS[rate.arm].label if rate.arm in ARMS else rate.arm,
            "chance": task.chance,
            **_limits(rate),
        }
        for task in sorted(summary.tasks, key=lambda each: battery_order(each.task))
        if task.subject == subject
        for rate in task.rates
    ]
    return pd.DataFrame(rows, columns=["task", "title", "arm", "label", "mean", "low95", "high95", "chance"])


def yes_shift_chart(summary: BatterySummary, subject: str) -> Any:
    """Shifts of yes by strength, one panel a layer: the question, unrelated questions of both kinds, and what is left.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = yes_shift_rows(summary, subject)
    names = list(SHIFTS)
    strengths = sorted(rows["strength"].unique())
    base = alt.Chart(rows).encode(
        x=alt.X("strength:O", title="Strength", sort=strengths, axis=alt.Axis(format="~g", grid=False, labelAngle=0)),
        xOffset=alt.XOffset("series:N", sort=names),
        color=alt.Color(
            "series:N",
            sort=names,
            scale=alt.Scale(domain=names, range=list(SHIFTS.values())),
            legend=alt.Legend(title="Shift of log-odds of yes"),
        ),
        tooltip=[
            alt.Tooltip("series:N", title="Shift"),
            *(
                alt.Tooltip(f"{name}:Q", title=title, format="+.2f")
                for name, title in (("mean", "Mean"), ("low95", "95 % from"), ("high95", "to"))
            ),
        ],
    )
    zero = alt.Chart(rows).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y=alt.YDatum(0))
    shift = alt.Y("mean:Q", title="Shift, nats of log-odds")
    layers = [
        zero,
        base.mark_line(strokeWidth=1.5, opacity=0.6).encode(y=shift),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low95:Q"), y2=alt.Y2("high95:Q")),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=shift),
    ]
    under = [
        "Injection less control, with 95 % intervals. A bias to yes raises all three questions alike,",
        "a loss of certainty raises one kind of unrelated questions and lowers the other; detection is what is left.",
    ]
    title = chart_title(f"What the vector does to yes: {subject}", under)
    layered = alt.layer(*layers).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)
    return layered.facet(facet=alt.Facet("layer:N", title="Layer"), columns=2, title=title)


def yes_shift_rows(summary: BatterySummary, subject: str) -> pd.DataFrame:
    """One row a cell and series of `SHIFTS`, in log-odds: series, layer, strength, mean, low95, high95.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = [
        {"series": series, **estimate.by, **_limits(estimate)}
        for series, estimate in _shift_series(summary)
        if estimate.subject == subject and estimate.by and estimate.scale == LOGIT
    ]
    return pd.DataFrame(rows, columns=["series", "layer", "strength", "mean", "low95", "high95"])


def _shift_series(summary: BatterySummary) -> Iterator[tuple[str, MeasuredEstimate]]:
    question, no, yes, left = SHIFTS
    for each in summary.yes_corrections:
        yield from ((question, each.notice), (no, each.unrelated), (left, each.corrected))
    for found in summary.diagnoses:
        yield yes, found.certain


def _limits(estimate: MeasuredEstimate) -> dict[str, float | None]:
    found = estimate.headline
    return {
        "mean": estimate.value,
        "low95": found.low if found else None,
        "high95": found.high if found else None,
    }


def dose_chart(summary: BatterySummary, subject: str) -> Any:
    """Curves of every measure of one model over strengths and over layers, with limits of points and of whole curves.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = dose_rows(summary, subject)
    base = alt.Chart(rows).encode(
        x=alt.X("at:O", title=None, axis=alt.Axis(format="~g", grid=False, labelAngle=0)),
        tooltip=[
            alt.Tooltip("at:Q", title="Strength or layer", format="~g"),
            *(
                alt.Tooltip(f"{name}:Q", title=title, format=".3~f")
                for name, title in (
                    ("mean", "Mean"), ("low95", "95 % from"), ("high95", "to"),
                    ("low_all", "Whole curve from"), ("high_all", "to "),
                )
            ),
        ],
    )  # fmt: skip
    value = alt.Y("mean:Q", title=None)
    layers = [
        base.mark_area(opacity=0.15, color=BLUE).encode(y=alt.Y("low_all:Q", title=None), y2=alt.Y2("high_all:Q")),
        base.mark_rule(color=GREY, strokeDash=[4, 4]).encode(y=alt.Y("reference:Q")),
        base.mark_line(strokeWidth=1.5, opacity=0.6, color=BLUE).encode(y=value),
        base.mark_rule(strokeWidth=1.5, color=BLUE).encode(y=alt.Y("low95:Q"), y2=alt.Y2("high95:Q")),
        base.mark_point(filled=True, size=55, opacity=1, color=BLUE).encode(y=value),
    ]
    under = [
        "Points with 95 % intervals of their own; the band holds for all points of a curve together. Dashed: nothing,",
        "or chance. Of the question: log-odds after the yes-shift; of tasks: injection less control, else the rate.",
    ]
    title = chart_title(f"By dose and by depth: {subject}", under)
    layered = alt.layer(*layers).properties(width=PANEL_WIDTH, height=170)
    faceted = layered.facet(
        facet=alt.Facet("curve:N", title=None, sort=list(dict.fromkeys(rows["curve"]))), columns=2, title=title
    )
    return faceted.resolve_scale(x="independent", y="independent")


def dose_rows(summary: BatterySummary, subject: str) -> pd.DataFrame:
    """One row a point of a curve: curve, at, mean, low95, high95, low_all, high_all, reference.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = [
        {
            "curve": f"{task_title(curve.task)}, by {curve.axis}",
            "at": point.at,
            **_limits(point.estimate),
            "low_all": point.simultaneous.low if point.simultaneous else None,
            "high_all": point.simultaneous.high if point.simultaneous else None,
            "reference": curve.reference,
        }
        for curve in summary.curves
        if curve.subject == subject
        for point in curve.points
    ]
    return pd.DataFrame(rows, columns=["curve", "at", "mean", "low95", "high95", "low_all", "high_all", "reference"])
