"""The tasks of the battery over models, as small multiples: rates with their chance lines, and the yes-shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.plotting.theme import GREY, arm_colours
from gnomon.data.arms import ARMS
from gnomon.stats.charts.battery_charts import battery_rows
from gnomon.stats.charts.estimate_charts import PANEL_WIDTH, chart_title, percent_axis, tooltip_fields
from gnomon.stats.estimand_registry import CONTROL, INJECTION
from gnomon.stats.measures.measure_results import BatterySummary
from gnomon.stats.narrative.formatting import format_size

PANEL_HEIGHT, COLUMNS = 150, 3


def battery_scaling_rows(summary: BatterySummary, sizes: Mapping[str, float]) -> pd.DataFrame:
    """One row a model, task and arm, ordered by size: task, title, model, arm, label, mean, low95, high95, chance.

    Parameters
    ----------
    summary : BatterySummary
    sizes : mapping of str to float
        Parameters of each model.
    """
    frames = [
        battery_rows(summary, subject).assign(model=subject, parameters=sizes.get(subject, 0.0))
        for subject in sorted(summary.subjects, key=lambda name: sizes.get(name, 0.0))
    ]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return rows[rows["arm"].isin((INJECTION, CONTROL))].reset_index(drop=True) if len(rows) else rows


def battery_scaling_chart(rows: pd.DataFrame) -> Any:
    """Rates in the injection and the control arm of every task by model, with 95 % intervals and chance as a line.

    Parameters
    ----------
    rows : DataFrame
        `battery_scaling_rows`; not empty.
    """
    order = list(rows.sort_values("parameters", kind="stable")["model"].unique())
    arms = [arm for arm in ARMS if arm in set(rows["arm"])]
    labels, own = [ARMS[arm].label for arm in arms], arm_colours()
    colours = alt.Scale(domain=labels, range=[own.get(arm, GREY) for arm in arms])
    sized = [f"{name} ({format_size(size)})" for name, size in zip(rows["model"], rows["parameters"], strict=True)]
    shown = rows.assign(sized=sized)
    base = alt.Chart(shown).encode(
        x=alt.X("model:N", sort=order, title=None, axis=alt.Axis(labelAngle=-40, labelLimit=90)),
        xOffset=alt.XOffset("label:N", sort=labels),
        color=alt.Color("label:N", sort=labels, scale=colours, legend=alt.Legend(title="Arm")),
        tooltip=tooltip_fields(("title", "Task"), ("sized", "Model"), ("label", "Arm")),
    )
    share = alt.Y("mean:Q", title=None, axis=percent_axis(3), scale=alt.Scale(domain=[0, 1]))
    layers = [
        alt.Chart(shown).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y=alt.Y("min(chance):Q")),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low95:Q"), y2=alt.Y2("high95:Q")),
        base.mark_point(filled=True, size=45, opacity=1).encode(y=share),
    ]
    tasks = list(dict.fromkeys(rows["title"]))
    title = chart_title("Battery by model", ["Rates with 95 % intervals. Dashed: the rate of guessing."])
    return (
        alt.layer(*layers)
        .properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)
        .facet(facet=alt.Facet("title:N", sort=tasks, title=None), columns=COLUMNS, title=title)
    )
