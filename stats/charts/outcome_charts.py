"""Charts of outcomes: what the trials of each arm end in, one stacked bar for each model and arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.plotting.theme import OUTCOME_COLOURS
from gnomon.data.arms import ARMS
from gnomon.stats.cells.outcome_counts import OutcomeCount
from gnomon.stats.charts.estimate_charts import PAGE_WIDTH, SHORT_LABEL, chart_title, percent_axis

LEAST_SHOWN = 0.05
"""Share from which a part of a bar has its number written in it."""
DARK_PARTS = ("identified", "refused")
"""Outcomes whose colour needs white text."""


def outcome_frame(rows: Sequence[OutcomeCount]) -> pd.DataFrame:
    """The parts of the bars: model, arm, outcome, n, of, share, and where each starts and ends on the axis.

    Parameters
    ----------
    rows : sequence of OutcomeCount
        `stats.cells.outcome_counts.study_outcomes`.
    """
    many = len({row.subject for row in rows}) > 1
    order = list(OUTCOME_COLOURS)
    out: list[dict[str, object]] = []
    reached: dict[tuple[str, str], float] = {}
    for row in sorted(rows, key=lambda each: order.index(each.outcome)):
        start, share = reached.get((row.subject, row.arm), 0.0), row.n / row.of if row.of else 0.0
        reached[row.subject, row.arm] = start + share
        out.append(
            {
                "subject": row.subject,
                "arm": row.arm,
                "outcome": row.outcome,
                "n": row.n,
                "of": row.of,
                "share": share,
                "start": start,
                "end": start + share,
                "bar": f"{row.subject}, {row.arm}" if many else ARMS[row.arm].label,
            }
        )
    return pd.DataFrame(out)


def outcome_chart(rows: Sequence[OutcomeCount], source: str) -> Any:
    """Outcomes of each model and arm as one stacked bar each; models in order of size, arms in their order.

    Parameters
    ----------
    rows : sequence of OutcomeCount
        `stats.cells.outcome_counts.study_outcomes`.
    source : str
        Who says what the outcomes are, as in "by the verdicts of lexicon".
    """
    shown = outcome_frame(rows)
    bars = {(row.subject, row.arm): None for row in rows}
    order = list(dict.fromkeys(str(shown.loc[_of_bar(shown, *bar), "bar"].iloc[0]) for bar in bars))
    there = [name for name in OUTCOME_COLOURS if name in set(shown["outcome"])]
    scale = alt.Scale(domain=there, range=[OUTCOME_COLOURS[name] for name in there])
    base = alt.Chart(
        shown.assign(
            middle=(shown["start"] + shown["end"]) / 2, told=shown["share"].map("{:.0%}".format).str.replace("%", " %")
        )
    ).encode(y=alt.Y("bar:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, labelExpr=SHORT_LABEL)))
    parts = base.mark_bar(height=20, stroke="white", strokeWidth=0.5).encode(
        x=alt.X("start:Q", title=None, axis=percent_axis(6), scale=alt.Scale(domain=[0, 1])),
        x2=alt.X2("end:Q"),
        color=alt.Color("outcome:N", scale=scale, legend=alt.Legend(title="Outcome", values=there)),
        tooltip=[
            alt.Tooltip("subject:N", title="Model"),
            alt.Tooltip("arm:N", title="Arm"),
            alt.Tooltip("outcome:N", title="Outcome"),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
            alt.Tooltip("n:Q", title="Trials", format=","),
            alt.Tooltip("of:Q", title="of", format=","),
        ],
    )
    wide = base.transform_filter(alt.datum.share >= LEAST_SHOWN)
    texts = [
        wide.transform_filter(alt.FieldOneOfPredicate("outcome", names))
        .mark_text(fontSize=11, color=colour)
        .encode(x=alt.X("middle:Q"), text=alt.Text("told:N"))
        for names, colour in (
            ([name for name in there if name in DARK_PARTS], "white"),
            ([name for name in there if name not in DARK_PARTS], "black"),
        )
        if names
    ]
    return alt.layer(parts, *texts).properties(
        width=PAGE_WIDTH,
        height=alt.Step(28),
        title=chart_title(
            "Shares of trials by outcome", [f"{source[:1].upper()}{source[1:]}, not corrected for judge error."]
        ),
    )


def _of_bar(shown: pd.DataFrame, subject: str, arm: str) -> pd.Series[bool]:
    return (shown["subject"] == subject) & (shown["arm"] == arm)
