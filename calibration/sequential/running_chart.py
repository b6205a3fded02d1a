"""Chart of a judge's running error rates with confidence sequences; without a theme, so that a page chooses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.numerics.number_formats import rate_with_interval
from gnomon.calibration.plotting.theme import GREY, PERCENT_LABEL, arm_colours
from gnomon.calibration.sequential.running_errors import APART
from gnomon.calibration.sequential.sequential_results import RunningErrors, RunningRate

WIDTH = 700
HEIGHT = 280
BAND_OPACITY = 0.12
DASHES = {"missed events": [1, 0], "false alarms": [6, 3]}
SHAPES = {"missed events": "circle", "false alarms": "triangle-up"}
COLUMNS = ["rate", "at", "n", "value", "low", "high"]
MINUTE = len("2026-01-01T00:00")
"""Letters of an ISO time up to its minute."""


def running_chart(rates: Sequence[RunningRate], *, judge: str, bounds: Mapping[str, float] | None = None) -> Any:
    """The running rates of one arm by date: lines with limits that hold at all times, bounds, and where one changed.

    Parameters
    ----------
    rates : sequence of RunningRate
        Rates of one arm (`rates_by_arm`).
    judge : str
        Name for the title.
    bounds : mapping of str to float, optional
        By kind of rate, a rate to stay below: a dashed line.
    """
    points = running_frame(rates)
    colour = arm_colours().get(rates[0].arm, GREY)
    legend = alt.Legend(symbolType="stroke", symbolStrokeWidth=2, symbolSize=300, values=[each.kind for each in rates])
    dash = alt.StrokeDash("rate:N", title=None, scale=_scale_of(DASHES), legend=legend)
    base = alt.Chart(points).encode(
        x=alt.X("at:T", title=None, axis=alt.Axis(format="%d %b %H:%M", labelOverlap=True, tickCount=5))
    )
    y = alt.Y(
        "value:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(labelExpr=PERCENT_LABEL, tickCount=5)
    )
    tips = [
        alt.Tooltip("rate:N", title="Rate"),
        alt.Tooltip("at:T", title="Known", format="%Y-%m-%d %H:%M"),
        alt.Tooltip("n:Q", title="Labelled trials so far", format=",d"),
        alt.Tooltip("value:Q", title="Rate so far", format=".1%"),
        alt.Tooltip("low:Q", title="At all times, from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
    ]
    limits = [
        base.mark_line(color=colour, interpolate="step-after", strokeWidth=1, opacity=0.5).encode(
            y=alt.Y(f"{end}:Q"), strokeDash=dash
        )
        for end in ("low", "high")
    ]
    area = base.mark_area(color=colour, interpolate="step-after", opacity=BAND_OPACITY)
    shape = alt.Shape("rate:N", scale=_scale_of(SHAPES), legend=None)
    layers = [
        area.encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), detail=alt.Detail("rate:N")),
        *limits,
        base.mark_line(color=colour, interpolate="step-after").encode(y=y, strokeDash=dash),
        base.mark_point(color=colour, filled=True, size=30).encode(y=y, shape=shape, tooltip=tips),
        *_rule_layers(rates, bounds or {}),
    ]
    heading = alt.TitleParams(f"Errors of {judge} by date, {rates[0].arm}", subtitle=_chart_note(rates, bounds or {}))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=heading)


def running_frame(rates: Sequence[RunningRate]) -> pd.DataFrame:
    """The points of running rates: rate, at, n, value, low, high; points without a time are left out."""
    rows = [
        (each.kind, point.at, point.n, point.rate, point.low, point.high)
        for each in rates
        for point in each.path
        if point.at is not None
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.assign(at=pd.to_datetime(frame["at"], format="ISO8601", utc=True))


def running_words(rates: Sequence[RunningRate]) -> str:
    """The text alternative of one arm's chart."""
    told = [f"{each.kind} {rate_with_interval(each.rate)} after {each.trials} trials" for each in rates]
    return f"Error rates in the {rates[0].arm} arm as they became known: {'; '.join(told)}."


def rates_by_arm(errors: RunningErrors) -> dict[str, list[RunningRate]]:
    """The judge's own rates that a chart by date can show, those with two minutes at least, by arm."""
    found: dict[str, list[RunningRate]] = {}
    for each in errors.rates:
        if each.kind != APART and len({point.at[:MINUTE] for point in each.path if point.at is not None}) > 1:
            found.setdefault(each.arm, []).append(each)
    return found


def _chart_note(rates: Sequence[RunningRate], bounds: Mapping[str, float]) -> list[str]:
    told = ["Shaded: limits that hold at all times together, so that one may look after each label."]
    bounded = [each.kind for each in rates if each.kind in bounds]
    changed = [each.kind for each in rates if each.change is not None]
    told += [f"Dotted: the bound for {' and '.join(bounded)}."] if bounded else []
    told += [f"Vertical: where {' and '.join(changed)} most likely changed."] if changed else []
    return told


def _rule_layers(rates: Sequence[RunningRate], bounds: Mapping[str, float]) -> list[Any]:
    """Horizontal lines at bounds, and vertical ones where a rate most likely changed."""
    lines = pd.DataFrame(
        [(each.kind, bounds[each.kind]) for each in rates if each.kind in bounds], columns=["rate", "value"]
    )
    changes = pd.DataFrame(
        [(each.kind, each.change.since) for each in rates if each.change is not None and each.change.since is not None],
        columns=["rate", "at"],
    )
    layers = []
    if len(lines):
        layers.append(
            alt.Chart(lines).mark_rule(color=GREY, strokeDash=[2, 3], strokeWidth=1.5).encode(y=alt.Y("value:Q"))
        )
    if len(changes):
        changes = changes.assign(at=pd.to_datetime(changes["at"], format="ISO8601", utc=True))
        layers.append(alt.Chart(changes).mark_rule(color=GREY, strokeWidth=1.5).encode(x=alt.X("at:T")))
    return layers


def _scale_of(values: Mapping[str, Any]) -> alt.Scale:
    return alt.Scale(domain=list(values), range=list(values.values()))
