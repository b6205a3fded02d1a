"""Diagnostic charts: estimates by depth and strength, predictive checks, and bounds for dropped refusals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.plotting.theme import BLUE, ORANGE, SKY, VERMILION, arm_scale
from gnomon.stats.charts.estimate_charts import (
    ROW_HEIGHT,
    WIDTH,
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
    value = base.mark_text(fontSize=12, dy=-6).encode(text="value:N", color=ink)
    width = base.mark_text(fontSize=10, dy=7).encode(text="width:N", color=ink)
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
    line = base.mark_rule(color=BLUE, strokeWidth=4, opacity=0.5).encode(
        x=alt.X("low95:Q", title=None, axis=percent_axis(5)), x2="high95:Q"
    )
    point = base.mark_point(color=VERMILION, filled=True, size=50, opacity=1).encode(
        x="observed:Q",
        tooltip=[
            *tooltip_fields(("subject", "Model"), ("row", "Count")),
            alt.Tooltip("p:Q", title="p", format=".4f"),
        ],
    )
    layered = alt.layer(line, point).properties(width=panel_width(shown), height=alt.Step(18))
    under = ["Points: observed. Lines: 95 % posterior predictive interval. Misfits are at their worst value."]
    return facet_by_subject(layered, _with_panel_order(shown), chart_title("Posterior predictive check", under))


def refusal_bounds_chart(estimands: pd.DataFrame, bounds: pd.DataFrame) -> Any:
    """Refusal by arm, and below it the engaged estimate inside its bounds: what dropping refusals may hide.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Tidy estimates: refusal by arm, and engaged net detection over the whole design.
    bounds : pandas.DataFrame
        `comparisons["bounds"]` of a result: subject, assuming, low, high, low95, high95.
    """
    refusal = estimands[(estimands["estimand"] == "refusal") & (estimands["axis"] == "arm")]
    engaged = estimands[
        estimands["estimand"].isin((NET_ENGAGED, corrected_name(NET_ENGAGED))) & (estimands["axis"] == "")
    ]
    order = engaged.sort_values("parameters", kind="stable")["subject"].tolist()
    arms = sorted(refusal["value"].unique())
    y = alt.Y("subject:N", sort=order, title=None)
    top = alt.Chart(refusal).encode(
        y=y,
        yOffset=alt.YOffset("value:N", sort=arms),
        x=alt.X("mean:Q", title=None, axis=percent_axis(6)),
        color=alt.Color("value:N", scale=arm_scale(), legend=alt.Legend(title="Arm", orient="top", values=arms)),
        tooltip=tooltip_fields(("subject", "Model"), ("value", "Arm")),
    )
    upper = alt.layer(*interval_layers(top, "x")).properties(width=WIDTH - 160, height=alt.Step(14), title="Refusal")
    base = alt.Chart(bounds).encode(y=y, x=alt.X("low:Q", title=None, axis=percent_axis(6)), x2="high:Q")
    bars = [
        base.transform_filter(alt.datum.assuming == rule).mark_bar(color=colour, height=height, opacity=0.55)
        for rule, colour, height in (("none", SKY, 14), ("monotone", ORANGE, 8))
    ]
    dot = alt.Chart(engaged).encode(
        y=y,
        x=alt.X("mean:Q", title=None, axis=percent_axis(6)),
        color=alt.value(VERMILION),
        tooltip=tooltip_fields(("subject", "Model")),
    )
    told = chart_title("Engaged net detection inside its bounds", [
        "Orange: under monotonicity. Blue: if it may move it either way. Point: refusals dropped.",
    ])  # fmt: skip
    lower = alt.layer(*bars, *interval_layers(dot, "x")).properties(
        width=WIDTH - 160, height=alt.Step(ROW_HEIGHT), title=told
    )
    return alt.vconcat(upper, lower).resolve_scale(color="independent", x="independent")


def _check_label(row: Mapping[Hashable, object]) -> str:
    what = "" if row["data"] == OUTCOMES else f"{row['data']}, "
    at = f", {row['axis']} {row['value']}" if row["axis"] else ""
    return f"{what}{row['arm']}{at}: {row['class']}"


def _with_panel_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column to order panels by; without sizes, the order of subjects."""
    return rows if "parameters" in rows else rows.assign(parameters=pd.factorize(rows["subject"])[0])
