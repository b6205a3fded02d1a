"""Chart of the calibration curve of a judge's scores in one arm; without a theme, so that the page chooses it."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.graded.graded_results import GradedArm
from gnomon.calibration.plotting.theme import BLUE, GREY, VERMILION

WIDTH = 420
HEIGHT = 320
BAND_OPACITY = 0.18


def calibration_chart(arm: GradedArm, *, judge: str) -> Any:
    """Share of labelled events by score: bins with exact limits, the isotonic map, and its simultaneous band.

    Parameters
    ----------
    arm : GradedArm
        One arm of `graded_calibration`, with a labelled trial at least.
    judge : str
        Name for the title.
    """
    points, bins = point_frame(arm), bin_frame(arm)
    x = alt.X("score:Q", title="Score of the event", scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("value:Q", title="Share of labelled events", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    band = (
        alt.Chart(points).mark_area(color=BLUE, opacity=BAND_OPACITY).encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    )
    line = alt.Chart(points).mark_line(color=BLUE).encode(x=x, y=y)
    base = alt.Chart(bins).encode(
        x=x,
        tooltip=[
            alt.Tooltip("start:Q", title="Scores from", format=".3g"),
            alt.Tooltip("end:Q", title="to", format=".3g"),
            alt.Tooltip("labelled:Q", title="Labelled trials", format=",d"),
            alt.Tooltip("value:Q", title="Labelled events", format=".1%"),
            alt.Tooltip("low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    limits = base.mark_rule(color=VERMILION).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    dots = base.mark_point(color=VERMILION, filled=True, size=60).encode(y=y)
    layers = [band, line, limits, dots]
    if points["score"].min() >= 0 and points["score"].max() <= 1:
        layers.insert(0, _identity_line(points))
    note = [
        f"{arm.labelled} labelled trials of {arm.scored}. Dots: bins with 95 % intervals; line: isotonic map;",
        "shaded: band that holds the whole curve with 95 %, if it never falls. Dashed: scores that are shares.",
    ]
    heading = alt.TitleParams(f"Calibration of {judge}, {arm.arm}", subtitle=note)
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=heading)


def point_frame(arm: GradedArm) -> pd.DataFrame:
    """Points of the isotonic map: score, value, low, high."""
    return pd.DataFrame(
        [(each.score, each.value, each.low, each.high) for each in arm.isotonic],
        columns=["score", "value", "low", "high"],
    )


def bin_frame(arm: GradedArm) -> pd.DataFrame:
    """Bins of the calibration curve: start, end, score, labelled, value, low, high."""
    return pd.DataFrame(
        [
            (each.start, each.end, each.score, each.labelled, each.share.value, each.share.low, each.share.high)
            for each in arm.curve
        ],
        columns=["start", "end", "score", "labelled", "value", "low", "high"],
    )


def _identity_line(points: pd.DataFrame) -> Any:
    ends = [float(points["score"].min()), float(points["score"].max())]
    return (
        alt.Chart(pd.DataFrame({"score": ends, "value": ends}))
        .mark_line(color=GREY, strokeDash=[4, 4])
        .encode(x=alt.X("score:Q"), y=alt.Y("value:Q"))
    )
