"""Charts and captions of estimates: pure functions from tidy frames to Altair charts, without a theme.

A tidy frame of estimates has the keys of a result's `estimands`; `by` may be spread over the columns `axis` and `value`
(`result_frames`). Intervals are precomputed: no draw reaches a browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from gnomon.calibration.plotting.theme import BLUE, GREEN, GREY, ORANGE, PERCENT_LABEL, PURPLE, SKY, VERMILION, YELLOW
from gnomon.calibration.plotting.theme import save_chart as save_themed
from gnomon.stats.estimand_registry import ESTIMANDS, is_difference
from gnomon.stats.results import ContrastRow, EstimateRow, FitResult, rows_frame

WIDTH, HEIGHT = 620, 380
PAGE_WIDTH = 920
"""Width of a chart that uses a page's whole width; on narrower pages it is as wide as its column."""
PANEL_WIDTH = 300
"""Width of each panel of a chart that uses a page's whole width; on a page its panels share what room there is."""
ROW_HEIGHT = 26
BASELINE = "instruct"
COLOURS = (ORANGE, VERMILION, GREEN, PURPLE, SKY, YELLOW)
SHAPES = ("square", "triangle-up", "diamond", "cross", "triangle-down", "circle")
SHORT_LABEL = (
    "length(datum.label) > 38 ? slice(datum.label, 0, 14) + '…' + slice(datum.label, length(datum.label) - 22) : "
    "datum.label"
)
"""Vega expression of a name on an axis: a long one loses its middle, since models of one family differ at the end."""
SIZE_DODGE = 0.16
"""Distance, in doublings, between models of equal size, so that their intervals do not overlap."""

_SIZE_LABEL_EXPRESSION = (
    "datum.value >= 2.5e8 ? format(datum.value / 1e9, '.3~g') + 'B' : format(datum.value / 1e6, '.3~g') + 'M'"
)


def result_frames(result: FitResult) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A stored result's estimates and curve as frames, `by` spread over `axis` and `value` ("" for the whole
    design).
    """
    return result.estimates_frame(), rows_frame(result.curve)


def scaling_chart(
    estimands: pd.DataFrame,
    curve: pd.DataFrame,
    *,
    estimand: str,
    predictive: pd.DataFrame | None = None,
    typical: str = BASELINE,
) -> Any:
    """One estimand over model size: a point per model, the regression line, and the band for a further model.

    The line describes a typical model and is no estimate of the trend. Models of the usual variant outside the
    predictive band are ringed.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates over the whole design: subject, parameters, variant, estimand, mean, low50 ... high95.
    curve : pandas.DataFrame
        The line: estimand, parameters, mean, low50 ... high95; empty if the study has none.
    estimand : str
        Name of the estimand.
    predictive : pandas.DataFrame, optional
        Predictions for a further model: estimand, parameters, low95, high95.
    typical : str, default BASELINE
        Variant that the line is for, for the subtitle.
    """
    points = _select_estimand(estimands, estimand)
    line = curve[curve["estimand"] == estimand] if len(curve) else curve
    band = pd.DataFrame() if predictive is None or predictive.empty else _select_estimand(predictive, estimand)
    shown = points.assign(x=_dodge_sizes(points), outside=outside_band(points, band, typical))
    layers = [_zero_line(), *(_band_layers(band) if len(band) else [])]
    layers += [*(_ribbon_layers(line) if len(line) else []), *_point_layers(shown)]
    told = f"{_estimand_label(estimand)} by model size"
    under = ["Points: one model each, with 50 % (thick) and 95 % (thin) intervals."]
    if len(line):
        under.append(f"Line: a typical {typical} model as the statistical model describes it, 50 % and 95 % ribbons.")
    if len(band):
        under.append(f"Dashed: 95 % predictive interval for a further {typical} model.")
    if shown["outside"].any():
        layers.append(_outside_layer(shown[shown["outside"]]))
        under[-1] += " Ringed: models outside it."
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=chart_title(told, under))


def outside_band(points: pd.DataFrame, band: pd.DataFrame, typical: str = BASELINE) -> np.ndarray:
    """Whether the estimate of each model of the usual variant lies outside the predictive band at its size.

    Parameters
    ----------
    points : pandas.DataFrame
        Estimates over the whole design: parameters, variant, mean.
    band : pandas.DataFrame
        Predictions for a further model: parameters, low95, high95; interpolated in log2 size.
    typical : str, default BASELINE
        Variant that the band is for.

    Returns
    -------
    ndarray of bool, shape (points,)
    """
    if band.empty:
        return np.zeros(len(points), dtype=bool)
    ordered = band.sort_values("parameters")
    at, sizes = np.log2(points["parameters"].to_numpy(float)), np.log2(ordered["parameters"].to_numpy(float))
    low, high = (np.interp(at, sizes, ordered[end].to_numpy(float)) for end in ("low95", "high95"))
    mean = points["mean"].to_numpy(float)
    return np.asarray((points["variant"] == typical).to_numpy() & ((mean < low) | (mean > high)))


def forest_plot(estimands: pd.DataFrame) -> Any:
    """Estimates over the whole design with their intervals, one row each, grouped by estimand if there are several
    models.

    Parameters
    ----------
    estimands : pandas.DataFrame
        subject, parameters, variant, estimand, mean, low50 ... high95.
    """
    many = estimands["subject"].nunique() > 1
    label = np.array([_estimand_label(name) for name in estimands["estimand"]])
    shown = estimands.assign(figure=label, row=estimands["subject"] if many else label)
    if many:
        shown = shown.sort_values("parameters", kind="stable")
    base = alt.Chart(shown).encode(
        y=alt.Y("row:N", sort=list(dict.fromkeys(shown["row"])), title=None, axis=alt.Axis(labelLimit=340)),
        x=alt.X("mean:Q", title=None, axis=percent_axis(7)),
        color=alt.ColorValue(BLUE),
        tooltip=tooltip_fields(("figure", "Estimate"), ("subject", "Model")),
    )
    rule = alt.Chart(shown).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x=alt.XDatum(0))
    layered = alt.layer(rule, *interval_layers(base, "x")).properties(
        width=WIDTH - 160 if many else PAGE_WIDTH, height=alt.Step(ROW_HEIGHT)
    )
    told = "All estimates" if many else f"All estimates of {estimands['subject'].iloc[0]}"
    above = chart_title(told, ["Posterior mean with 50 % (thick) and 95 % (thin) intervals."])
    if not many:
        return layered.properties(title=above)
    order = list(dict.fromkeys(shown.sort_values("estimand", kind="stable")["figure"]))
    row = alt.Row(
        "figure:N",
        sort=order,
        title=None,
        header=alt.Header(labelAngle=0, labelAnchor="start", labelOrient="top", labelFontWeight=600),
    )
    return layered.facet(row=row, title=above).resolve_scale(y="independent")


def concept_chart(estimands: pd.DataFrame, *, estimand: str) -> Any:
    """One estimand by concept, one panel per model, concepts in order of their mean.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates by concept: subject, parameters, estimand, axis, value, mean, low50 ... high95.
    estimand : str
        Name of the estimand.
    """
    rows = _select_estimand(estimands, estimand, axis="concept")
    order = rows.groupby("value")["mean"].mean().sort_values(ascending=False).index.tolist()
    base = alt.Chart(rows).encode(
        y=alt.Y("value:N", sort=order, title=None),
        x=alt.X("mean:Q", title=None, axis=percent_axis(5)),
        color=alt.ColorValue(BLUE),
        tooltip=tooltip_fields(("subject", "Model"), ("value", "Concept")),
    )
    rule = alt.Chart(rows).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x=alt.XDatum(0))
    layered = alt.layer(rule, *interval_layers(base, "x")).properties(
        width=panel_width(rows), height=alt.Step(ROW_HEIGHT)
    )
    under = [f"{_control_note(estimand, 'concept')}50 % (thick) and 95 % (thin) intervals."]
    return facet_by_subject(layered, rows, chart_title(f"{_estimand_label(estimand)} by concept", under))


def strength_chart(estimands: pd.DataFrame, *, estimand: str) -> Any:
    """One estimand by strength of the injection, one panel per model, with 50 and 95 % intervals.

    Parameters
    ----------
    estimands : pandas.DataFrame
        Estimates by strength: subject, parameters, estimand, axis, value, mean, low50 ... high95.
    estimand : str
        Name of the estimand.
    """
    rows = _select_estimand(estimands, estimand, axis="strength").assign(
        value=lambda frame: frame["value"].astype(float)
    )
    strengths = sorted(rows["value"].unique())
    x = alt.X(
        "value:Q",
        title="Strength (multiple of the vector)",
        scale=_dose_scale(strengths),
        axis=alt.Axis(values=strengths, format="~g", grid=False),
    )
    base = alt.Chart(rows).encode(x=x, tooltip=tooltip_fields(("subject", "Model"), ("value", "Strength")))
    ribbon = base.mark_area(color=BLUE)
    title = _estimand_label(estimand)
    low = {level: alt.Y(f"low{level}:Q", title=None, axis=percent_axis(6)) for level in (50, 95)}
    layers = [
        alt.Chart(rows).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y=alt.YDatum(0)),
        ribbon.mark_area(color=BLUE, opacity=0.15).encode(y=low[95], y2=alt.Y2("high95:Q")),
        ribbon.mark_area(color=BLUE, opacity=0.3).encode(y=low[50], y2=alt.Y2("high50:Q")),
        base.mark_line(color=BLUE, strokeWidth=2).encode(y=alt.Y("mean:Q")),
        base.mark_point(color=BLUE, filled=True, size=70, opacity=1).encode(y=alt.Y("mean:Q")),
    ]
    layered = alt.layer(*layers).properties(width=panel_width(rows), height=220)
    under = [f"{_control_note(estimand, 'strength')}50 % and 95 % ribbons."]
    return facet_by_subject(layered, rows, chart_title(f"{title} by strength", under))


def estimate_caption(row: EstimateRow) -> str:
    """An estimate in words: "Qwen2.5-14B: 41 % net detection, 95 % interval 38 to 44"."""
    name = _caption_label(row.estimand)
    within = ", ".join(f"{axis} {value}" for axis, value in row.by.items())
    where = f" ({within})" if within else ""
    ends = f"95 % interval {_format_percent(row.low95)} to {_format_percent(row.high95)}"
    return f"{row.subject}{where}: {_format_percent(row.mean)} % {name}, {ends}"


def contrast_caption(row: ContrastRow) -> str:
    """A difference in words, in the direction of the likelier sign."""
    first, second, sign = (row.a, row.b, 1.0) if row.mean >= 0 else (row.b, row.a, -1.0)
    sure = row.probability if row.mean >= 0 else 1.0 - row.probability
    low, high = sorted((sign * row.low95, sign * row.high95))
    name = _caption_label(row.estimand)
    gap = f"{100 * abs(row.mean):.0f} points (95 % interval {_format_percent(low)} to {_format_percent(high)})"
    return f"{first} is above {second} in {name} by {gap}; probability {_format_probability(sure)}"


def save_chart(chart: Any, path: str | Path, *, dark: bool = False) -> Path:
    """Write a chart in the common theme; returns the path.

    Parameters
    ----------
    chart : object
        An Altair chart.
    path : str or Path
        File that ends in .svg, .png or .json.
    dark : bool, default False
        Use the dark background.

    Raises
    ------
    InputError
        If the file has another extension.
    """
    return save_themed(chart, path, dark=dark)


def _select_estimand(frame: pd.DataFrame, estimand: str, axis: str = "") -> pd.DataFrame:
    rows = frame[frame["estimand"] == estimand]
    return rows[rows["axis"] == axis] if "axis" in rows else rows


def _dodge_sizes(points: pd.DataFrame) -> np.ndarray:
    """Sizes, those of equally large models shifted slightly around the true one."""
    groups = points.groupby("parameters")["subject"]
    place, many = groups.cumcount(), groups.transform("size")
    return np.asarray(points["parameters"] * 2.0 ** (SIZE_DODGE * (place - (many - 1) / 2)), dtype=float)


def _size_axis(values: Sequence[float]) -> Any:
    ends = [min(values) / 1.35, max(values) * 1.35]
    axis = alt.Axis(values=sorted(set(values)), labelExpr=_SIZE_LABEL_EXPRESSION, grid=False, labelOverlap="greedy")
    return {"title": "Parameters", "scale": alt.Scale(type="log", base=2, nice=False, domain=ends), "axis": axis}


def _dose_scale(strengths: list[float]) -> alt.Scale:
    """Log scale in doublings if all strengths are positive, otherwise linear; with room at both ends."""
    low, high = strengths[0], strengths[-1]
    if low > 0:
        return alt.Scale(type="log", base=2, nice=False, domain=[low / 1.15, high * 1.15])
    room = 0.05 * (high - low or 1.0)
    return alt.Scale(nice=False, domain=[low - room, high + room])


def _ribbon_layers(line: pd.DataFrame) -> list[Any]:
    base = alt.Chart(line).encode(x=alt.X("parameters:Q"))
    return [
        base.mark_area(color=BLUE, opacity=0.13).encode(y=alt.Y("low95:Q"), y2=alt.Y2("high95:Q")),
        base.mark_area(color=BLUE, opacity=0.22).encode(y=alt.Y("low50:Q"), y2=alt.Y2("high50:Q")),
        base.mark_line(color=BLUE, strokeWidth=2).encode(y=alt.Y("mean:Q")),
    ]


def _band_layers(band: pd.DataFrame) -> list[Any]:
    """Both ends of the predictive interval, as dashed lines."""
    base = alt.Chart(band).encode(x=alt.X("parameters:Q"))
    return [
        base.mark_line(color=BLUE, strokeWidth=1, strokeDash=[3, 3], opacity=0.7).encode(y=alt.Y(f"{end}:Q"))
        for end in ("low95", "high95")
    ]


def _outside_layer(shown: pd.DataFrame) -> Any:
    return (
        alt.Chart(shown)
        .mark_point(shape="circle", filled=False, size=260, strokeWidth=1.5, color=VERMILION)
        .encode(x=alt.X("x:Q"), y=alt.Y("mean:Q"))
    )


def _point_layers(shown: pd.DataFrame) -> list[Any]:
    variants = [BASELINE, *sorted(set(shown["variant"]) - {BASELINE})]
    kinds = [name for name in variants if name in set(shown["variant"])]
    colours, shapes = zip(*(_variant_style(name, kinds) for name in kinds), strict=True)
    legend = alt.Legend(title="Variant") if len(kinds) > 1 else None
    shape = alt.Shape("variant:N", scale=alt.Scale(domain=kinds, range=list(shapes)), legend=legend)
    base = alt.Chart(shown).encode(
        x=alt.X("x:Q", **_size_axis(shown["parameters"].tolist())),
        y=alt.Y("mean:Q", title=_estimand_label(str(shown["estimand"].iloc[0])), axis=percent_axis(8)),
        color=alt.Color("variant:N", scale=alt.Scale(domain=kinds, range=list(colours)), legend=legend),
        tooltip=tooltip_fields(("subject", "Model"), ("variant", "Variant")),
    )
    thin, thick, point = interval_layers(base, "y")
    return [thin, thick, point.encode(shape=shape)]


def _variant_style(name: str, kinds: list[str]) -> tuple[str, str]:
    """Colour and shape of a variant; published variants of an overlay are grey."""
    if name == BASELINE:
        return BLUE, "circle"
    own = [kind for kind in kinds if kind != BASELINE]
    place = own.index(name)
    colour = GREY if name.startswith("published") else COLOURS[place % len(COLOURS)]
    return colour, SHAPES[place % len(SHAPES)]


def interval_layers(base: Any, along: str) -> list[Any]:
    """Thin 95 % line, thick 50 % line and the mean, along x or y.

    Parameters
    ----------
    base : altair.Chart
        Chart with the other encodings.
    along : {"x", "y"}
        Channel of the estimate.
    """
    keep, end = getattr(base.encoding, along), {"x": alt.X2, "y": alt.Y2}[along]
    ends: dict[int, dict[str, Any]] = {}
    for level in (50, 95):
        channel = keep.copy()
        channel.shorthand = f"low{level}:Q"
        ends[level] = {along: channel, f"{along}2": end(f"high{level}:Q")}
    return [
        base.mark_rule(strokeWidth=1.5, strokeCap="round").encode(**ends[95]),
        base.mark_rule(strokeWidth=4.5, strokeCap="butt").encode(**ends[50]),
        base.mark_point(filled=True, size=70, opacity=1),
    ]


def _zero_line() -> Any:
    return alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y=alt.Y("zero:Q"))


def _control_note(estimand: str, axis: str) -> str:
    return f"Each {axis} against the same control; " if is_difference(estimand) else ""


def panel_width(rows: pd.DataFrame) -> int:
    """Width of one model's panel in pixels: the page's where there is a single model."""
    return PAGE_WIDTH if rows["subject"].nunique() == 1 else PANEL_WIDTH


def facet_by_subject(layered: Any, rows: pd.DataFrame, above: Any) -> Any:
    """One panel per model, in order of size; a single model is not faceted.

    Parameters
    ----------
    layered : altair.LayerChart
        The layers of a panel.
    rows : pandas.DataFrame
        Its data, with columns subject and parameters.
    above : altair.TitleParams
        Title.
    """
    order = rows.sort_values("parameters", kind="stable")["subject"].drop_duplicates().tolist()
    if len(order) == 1:
        return layered.properties(title=above)
    return layered.facet(facet=alt.Facet("subject:N", sort=order, title=None), columns=2, title=above)


def tooltip_fields(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    """Tooltip of a point: names, then the mean with its 95 % limits."""
    named = [alt.Tooltip(field, title=title, type="nominal") for field, title in fields]
    numbers = (("mean", "Mean"), ("low95", "95 % from"), ("high95", "to"))
    return named + [alt.Tooltip(field, title=title, type="quantitative", format=".1%") for field, title in numbers]


def percent_axis(ticks: int) -> alt.Axis:
    """An axis of shares, in percent: `20 %`."""
    return alt.Axis(labelExpr=PERCENT_LABEL, tickCount=ticks, grid=True)


def chart_title(text: str, under: list[str]) -> alt.TitleParams:
    """A chart's title with subtitle lines.

    Parameters
    ----------
    text : str
        The title.
    under : list of str
        Lines below it, such as what the estimate conditions on.
    """
    return alt.TitleParams(text=text, subtitle=under)


def _estimand_label(estimand: str) -> str:
    """Name of a figure as it stands on a chart."""
    return _capitalize_first(ESTIMANDS[estimand].title_label if estimand in ESTIMANDS else estimand)


def _caption_label(estimand: str) -> str:
    """Name of a figure as it stands in a caption."""
    return ESTIMANDS[estimand].caption_label if estimand in ESTIMANDS else estimand


def _capitalize_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _format_percent(share: float) -> str:
    return f"{100 * share:.0f}".replace("-0", "0") if abs(share) < 0.005 else f"{100 * share:.0f}"


def _format_probability(value: float) -> str:
    return "over 0.999" if value > 0.999 else "under 0.001" if value < 0.001 else f"{value:.3g}"
