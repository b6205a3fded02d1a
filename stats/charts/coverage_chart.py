"""Coverage in simulation as a grid: worlds in rows, estimates in columns, and what is below nominal stands out."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import altair as alt
import pandas as pd

from gnomon.stats.charts.estimate_charts import PAGE_WIDTH, chart_title

LINE = 44
"""Characters of a line of a world's name."""
FINDING_COLOURS = {
    "below 95 %": "#2F3A4F",
    "consistent with 95 %": "#DCE1E8",
    "above 95 %": "#F3F5F8",
    "fewer than 20": "#FFFFFF",
    "withheld": "#FFFFFF",
}
"""The shade of each finding: no arm's colour, and the darkest is what readers must see."""


def coverage_grid_chart(grid: pd.DataFrame) -> Any:
    """Coverage by world and estimate in percent; below nominal is dark with white text.

    Parameters
    ----------
    grid : pandas.DataFrame
        `stats.tables.diagnostics.coverage_tables.world_grid`.
    """
    shown = grid.assign(
        told=["–" if pd.isna(share) else f"{100 * share:.0f}" for share in grid["coverage"]],
        row=["\n".join(wrap(str(name), LINE)) for name in grid["world"]],
    )
    there = [name for name in FINDING_COLOURS if name in set(grid["finding"])]
    scale = alt.Scale(domain=there, range=[FINDING_COLOURS[name] for name in there])
    base = alt.Chart(shown).encode(
        x=alt.X("estimate:N", sort=None, title=None, axis=alt.Axis(orient="top", labelAngle=-45, labelLimit=160)),
        y=alt.Y(
            "row:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=290, labelOffset=-6, labelExpr="split(datum.label, '\\n')"),
        ),
    )
    tiles = base.mark_rect(stroke="#B9C0CC", strokeWidth=0.5).encode(
        color=alt.Color(
            "finding:N",
            scale=scale,
            legend=alt.Legend(title="Coverage", values=[name for name in there if name != "withheld"], columns=2),
        ),
        tooltip=[
            alt.Tooltip("world:N", title="World"),
            alt.Tooltip("estimate:N", title="Estimate"),
            alt.Tooltip("coverage:Q", title="Coverage", format=".0%"),
            alt.Tooltip("low:Q", title="95 % from", format=".0%"),
            alt.Tooltip("high:Q", title="to", format=".0%"),
            alt.Tooltip("intervals:Q", title="Intervals", format=",d"),
            alt.Tooltip("withheld:Q", title="Withheld", format=",d"),
        ],
    )
    dark = alt.datum.finding == "below 95 %"
    texts = [
        base.transform_filter(rule).mark_text(fontSize=11, color=colour).encode(text=alt.Text("told:N"))
        for rule, colour in ((dark, "white"), (alt.datum.finding != "below 95 %", "#262730"))
    ]
    under = ["Percent of 95 % intervals that held the truth. –: every estimate was withheld."]
    return alt.layer(tiles, *texts).properties(
        width=PAGE_WIDTH, height=alt.Step(30), title=chart_title("Interval coverage by world", under)
    )
