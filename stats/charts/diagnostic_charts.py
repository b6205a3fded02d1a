"""Diagnostic charts: estimates by depth and strength, predictive checks, and bounds for dropped refusals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.plotting.theme import GREY, INK, arm_colours, arm_scale
from gnomon.stats.charts.estimate_charts import (
    PAGE_WIDTH,
    ROW_HEIGHT,
    SHORT_LABEL,
    chart_title,
    facet_by_subject,
    interval_layers,
    panel_width,
    percent_axis,
    tooltip_fields,
)
from gnomon.stats.estimand_registry import NET_ENGAGED, corrected_name
from gnomon.stats.narrative.formatting import format_points
from gnomon.stats.results import MISFIT_P, OUTCOMES

DARK_TILE = 0.6
"""Share of the largest estimate from which a tile is dark, so that its text is white."""


def dose_heatmap(rows: pd.DataFrame) -> Any:
    """Net detection by depth and strength, one panel per model: colour and text are the estimate, with its half-width.

    Parameters
    ----------
    rows : pandas.DataFrame
        `comparisons["best"]` of a result: subject, depth or layer, strength, mean, low95, high95, probability_best.
    """
    deep = "depth" if rows["depth"].notna().any() else "layer"
    shown = rows.assign(
        value=[format_points(mean) for mean in rows["mean"]],
        width=[f"±{50 * (high - low):.0f}" for low, high in zip(rows["low95"], rows["high95"], strict=True)],
        where=[f"{value:.2f}" if deep == "depth" else f"{value:.0f}" for value in rows[deep].fillna(0)],
        dose=[f"{value:g}" for value in rows["strength"]],
    )
    doses = [f"{value:g}" for value in sorted(rows["strength"].unique())]
    reach = max(abs(float(rows["mean"].min())), abs(float(rows["mean"].max())), 0.01)
    scale = alt.Scale(scheme="blueorange", domain=[reach, -reach])
    base = alt.Chart(shown).encode(
        x=alt.X("dose:N", sort=doses, title="Strength", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("where:N", sort="descending", title=deep.title()),
    )
    chance = alt.Tooltip("probability_best", title="P(best)", format=".2f")
    tiles = base.mark_rect().encode(
        color=alt.Color("mean:Q", scale=scale, legend=alt.Legend(title="Net detection", format="%")),
        tooltip=[*tooltip_fields(("subject", "Model"), ("where", deep.title()), ("dose", "Strength")), chance],
    )
    ink = alt.condition(f"abs(datum.mean) > {DARK_TILE * reach}", alt.value("white"), alt.value("black"))
    value = base.mark_text(fontSize=12, dy=-6).encode(text=alt.Text("value:N"), color=ink)
    width = base.mark_text(fontSize=10, dy=7).encode(text=alt.Text("width:N"), color=ink)
    layered = alt.layer(tiles, value, width).properties(width=alt.Step(46), height=alt.Step(ROW_HEIGHT + 6))
    under = ["Estimate ± half the width of its 95 % interval, in points. Depth = layer / number of layers."]
    return facet_by_subject(
        layered, _with_panel_order(shown), chart_title("Net detection by depth and strength", under)
    )


def predictive_check_chart(rows: pd.DataFrame) -> Any:
    """Observed counts (points) against posterior predictive counts (95 % lines), as shares of trials.

    One row for each class of each arm, and one for each check that shows misfit, at its worst value.

    Parameters
    ----------
    rows : pandas.DataFrame
        `predictive` of a result (`stats.results.PredictiveCheck`).
    """
    kept = rows[((rows["axis"] == "") & (rows["n"] > 0)) | (rows["p_family"].astype(float) < MISFIT_P)]
    share = {name: kept[name] / kept["n"] for name in ("observed", "mean", "low95", "high95")}
    names = [_check_label(row) for row in kept.to_dict("records")]
    subjects = [name for name in kept["subject"].unique() if name]
    together = subjects[0] if len(subjects) == 1 else "all models"
    shown = kept.assign(**share, row=names, subject=kept["subject"].replace("", together))
    order = list(dict.fromkeys(shown["row"]))
    base = alt.Chart(shown).encode(y=alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=360)))
    line = base.mark_rule(color=INK, strokeWidth=4, opacity=0.5).encode(
        x=alt.X("low95:Q", title=None, axis=percent_axis(5)), x2=alt.X2("high95:Q")
    )
    point = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=alt.X("observed:Q"),
        color=alt.Color("arm:N", scale=arm_scale(), legend=None),
        tooltip=[
            *tooltip_fields(("subject", "Model"), ("row", "Count")),
            alt.Tooltip("p:Q", title="p", format=".4f"),
        ],
    )
    layered = alt.layer(line, point).properties(width=panel_width(shown), height=alt.Step(18))
    under = [
        "Points: observed, in the arm's colour. Lines: 95 % posterior predictive interval. Misfits: the worst value."
    ]
    return facet_by_subject(layered, _with_panel_order(shown), chart_title("Posterior predictive check", under))


def refusal_chart(estimands: pd.DataFrame) -> Any:
    """Refusal of each model in each arm, arms in their own colours, models in order of size.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Tidy estimates with refusal by arm.
    """
    refusal = estimands[(estimands["estimand"] == "refusal") & (estimands["axis"] == "arm")]
    arms = [name for name in arm_colours() if name in set(refusal["value"])]
    order = refusal.sort_values("parameters", kind="stable")["subject"].drop_duplicates().tolist()
    base = alt.Chart(refusal).encode(
        y=alt.Y("subject:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, labelExpr=SHORT_LABEL)),
        yOffset=alt.YOffset("value:N", sort=arms),
        x=alt.X("mean:Q", title=None, axis=percent_axis(6)),
        color=alt.Color("value:N", scale=arm_scale(), legend=alt.Legend(title="Arm", values=arms)),
        tooltip=tooltip_fields(("subject", "Model"), ("value", "Arm")),
    )
    under = ["Share of trials that are refused, with 50 % (thick) and 95 % (thin) intervals."]
    return alt.layer(*interval_layers(base, "x")).properties(
        width=PAGE_WIDTH, height=alt.Step(14), title=chart_title("Refusal by arm", under)
    )


def bounds_chart(estimands: pd.DataFrame, bounds: pd.DataFrame) -> Any:
    """Engaged net detection inside its bounds; told apart by shape, in no arm's colour.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Tidy estimates with engaged net detection over the whole design.
    bounds : pandas.DataFrame
        `comparisons["bounds"]` of a result: subject, assuming, low, high, low95, high95.
    """
    engaged = estimands[
        estimands["estimand"].isin((NET_ENGAGED, corrected_name(NET_ENGAGED))) & (estimands["axis"] == "")
    ]
    order = engaged.sort_values("parameters", kind="stable")["subject"].tolist()
    told = {"monotone": "bounds, one way", "none": "bounds, either way"}
    shown = bounds.assign(what=bounds["assuming"].map(told))
    y = alt.Y("subject:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, labelExpr=SHORT_LABEL))
    axis = alt.X("low:Q", title=None, axis=percent_axis(6))
    base = alt.Chart(shown).encode(y=y, x=axis, x2=alt.X2("high:Q"), tooltip=[
        alt.Tooltip("subject:N", title="Model"), alt.Tooltip("what:N", title="What"),
        alt.Tooltip("low:Q", title="From", format=".1%"), alt.Tooltip("high:Q", title="to", format=".1%"),
    ])  # fmt: skip
    wide = base.transform_filter(alt.datum.assuming == "none").mark_rule(color=INK, strokeWidth=1.5, strokeDash=[4, 3])
    narrow = base.transform_filter(alt.datum.assuming == "monotone").mark_bar(
        height=11, filled=False, stroke=INK, strokeWidth=1.5
    )
    point = alt.Chart(engaged).mark_point(shape="diamond", filled=True, color=INK, size=80, opacity=1)
    dot = point.encode(
        y=y, x=alt.X("mean:Q", title=None, axis=percent_axis(6)), tooltip=tooltip_fields(("subject", "Model"))
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=GREY, strokeDash=[2, 4]).encode(x=alt.X("zero:Q"))
    under = [
        "Diamond: refusals excluded. Box: bounds if injection moves refusals one way only (Lee bounds). "
        "Dashed line: bounds if it moves them either way."
    ]
    return alt.layer(zero, wide, narrow, dot).properties(
        width=PAGE_WIDTH, height=alt.Step(ROW_HEIGHT), title=chart_title("Engaged net detection and its bounds", under)
    )


def _check_label(row: Mapping[Hashable, object]) -> str:
    what = "" if row["data"] == OUTCOMES else f"{row['data']}, "
    at = f", {row['axis']} {row['value']}" if row["axis"] else ""
    return f"{what}{row['arm']}{at}: {row['class']}"


def _with_panel_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column to order panels by; without sizes, the order of subjects."""
    return rows if "parameters" in rows else rows.assign(parameters=pd.factorize(rows["subject"])[0])
