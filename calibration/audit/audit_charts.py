"""Charts of the audit: pure functions from tidy frames (`audit_frames`) to Altair charts, without a theme."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.audit.audit_frames import MEASURES, METHOD_NAMES
from gnomon.calibration.error_rates.confusion import CLASSES
from gnomon.calibration.numerics.number_formats import format_percent
from gnomon.calibration.plotting.theme import (
    BLUE,
    GREY,
    LABEL_SIZE,
    PERCENT_LABEL,
    WHITE_TEXT_FROM,
    arm_scale,
    share_scale,
)
from gnomon.data.arms import ARMS

CELL = 74
CELL_WIDTH = 66
ROW = 26
WIDTH, COLUMNS = 160, 3
"""Width and number of panels side by side: with labels they fit the column of a window that is 1,024 pixels wide."""
WIDE, FEW_COLUMNS = 220, 2
"""The same for panels that need more room."""
INK = "#262730"
UNEQUAL = 0.005
"""Difference of number and effective number of labels from which they count as weighted."""
TOO_FEW = "#e3e3e6"
"""Fill of a cell whose coefficient is not given."""
SHARE_TICKS = [0, 0.25, 0.5, 0.75, 1]
CLASS_LABEL = "datum.label === 'rest' ? ['denied', 'or other'] : datum.label"
"""Label of an outcome class on an axis, as `audit_frames.class_word` writes it, in two lines."""
CHOSEN = "chosen"
"""Name of the selection made by a click on a matrix cell; its fields are the cell's names."""


def confusion_heat_map(classes: pd.DataFrame, *, judge: str) -> Any:
    """Labels against verdicts in each arm, as shares of each label's row, with counts and 95 % intervals.

    Parameters
    ----------
    classes : pandas.DataFrame
        Frame of `audit_frames.class_frame`: arm, truth, verdict, n, of, effective, share, low, high.
    judge : str
        Name for the title.
    """
    weighted = classes["of"] - classes["effective"] > UNEQUAL
    shown = classes.assign(
        weight=[f"w {100 * share:.0f} %" if w else "" for share, w in zip(classes["share"], weighted, strict=True)],
        count=[f"{n} of {of}" for n, of in zip(classes["n"], classes["of"], strict=True)],
        range=[_axis_range(low, high) for low, high in zip(classes["low"], classes["high"], strict=True)],
    )
    classes_axis: dict[str, Any] = {"ticks": False, "domain": False, "labelExpr": CLASS_LABEL}
    base = alt.Chart(shown).encode(
        x=alt.X("verdict:N", sort=CLASSES, title="Judge says", axis=alt.Axis(labelAngle=0, **classes_axis)),
        y=alt.Y("truth:N", sort=CLASSES, title="Label says", axis=alt.Axis(**classes_axis)),
        tooltip=[
            alt.Tooltip("arm:N", title="Arm"),
            alt.Tooltip("truth:N", title="Label"),
            alt.Tooltip("verdict:N", title="Verdict"),
            alt.Tooltip("count:N", title="Trials"),
            alt.Tooltip("share:Q", title="Share of the label's row", format=".1%"),
            alt.Tooltip("effective:Q", title="Effective number of labels", format=".1f"),
            alt.Tooltip("low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    share = alt.Color("share:Q", title="Share of row", scale=share_scale(), legend=alt.Legend(format=".0%"))
    cells = _selection(base.mark_rect(cornerRadius=3, cursor="pointer").encode(color=share), "arm", "truth", "verdict")
    ink = alt.condition(alt.datum.share > WHITE_TEXT_FROM, alt.value("white"), alt.value(INK))
    up = 7 if weighted.any() else 0
    counts = base.mark_text(dy=-8 - up, fontSize=LABEL_SIZE + 1, fontWeight=600).encode(
        text=alt.Text("count:N"), color=ink
    )
    shares = base.mark_text(dy=1, fontSize=LABEL_SIZE - 1).encode(text=alt.Text("weight:N"), color=ink)
    ranges = base.mark_text(dy=9 + up, fontSize=LABEL_SIZE - 1).encode(text=alt.Text("range:N"), color=ink)
    layered = alt.layer(cells, counts, shares, ranges).properties(width=4 * CELL_WIDTH, height=alt.Step(CELL * 0.75))
    note = ["Count of trials with each label, 95 % interval of the share below it. The diagonal is agreement."]
    if weighted.any():
        note += ["w: share weighted back to all trials that the judge read; it is not the ratio of the counts."]
    heading = _chart_title(f"Confusion matrix of {judge}", note)
    return layered.facet(facet=alt.Facet("arm:N", sort=list(ARMS), title=None), columns=FEW_COLUMNS, title=heading)


def error_rates(rates: pd.DataFrame) -> Any:
    """Sensitivity, specificity and Youden's J of each judge by arm, with 95 % intervals.

    Parameters
    ----------
    rates : DataFrame
        Frame of `audit_frames.rate_frame`: judge, arm, measure, value, low, high, of, effective.
    """
    floor = min(0.0, rates["low"].min()) if len(rates) else 0.0
    axis = alt.Axis(values=SHARE_TICKS, grid=True, format=".2f")
    base = _by_arm(rates).encode(
        x=alt.X("value:Q", title=None, scale=alt.Scale(domain=[floor, 1]), axis=axis),
    )
    layered = alt.layer(_zero_rule(rates), *_point_marks(base)).properties(width=WIDTH, height=alt.Step(ROW))
    heading = _chart_title(
        "Judge accuracy by arm",
        "Sensitivity, specificity and Youden's J with 95 % intervals. J = 0 is chance.",
    )
    panels = alt.Facet("measure:N", sort=list(MEASURES.values()), title=None)
    return layered.facet(facet=panels, columns=COLUMNS, title=heading)


def youden_differences(differences: pd.DataFrame) -> Any:
    """Difference of Youden's J between arms, by judge, with 95 % intervals and a line at no difference.

    Parameters
    ----------
    differences : DataFrame
        Frame of `audit_frames.difference_frame`: judge, arms, value, low, high.
    """
    base = alt.Chart(differences).encode(
        y=alt.Y("judge:N", sort=None, title=None),
        x=alt.X(
            "value:Q",
            title="Difference of Youden's J",
            scale=alt.Scale(domain=[-1, 1], clamp=True),
            axis=alt.Axis(tickCount=2, grid=True),
        ),
        color=alt.ColorValue(BLUE),
        tooltip=[alt.Tooltip("judge:N", title="Judge"), alt.Tooltip("arms:N", title="Arms"), *_interval_tips(".2f")],
    )
    layered = alt.layer(_zero_rule(differences), *_point_marks(base)).properties(width=WIDTH, height=alt.Step(ROW))
    heading = _chart_title(
        "Does judge accuracy differ between arms?",
        "An interval away from 0 means that one correction for both arms would be wrong.",
    )
    panels = alt.Facet("arms:N", sort=list(differences["arms"].unique()), title=None)
    return layered.facet(facet=panels, columns=COLUMNS, title=heading)


def agreement_matrix(agreement: pd.DataFrame, *, coefficient: str = "Gwet's AC1") -> Any:
    """Agreement of each pair of judges and raters on the outcome, with 95 % interval and number of transcripts.

    Parameters
    ----------
    agreement : pandas.DataFrame
        Frame of `audit_frames.agreement_frame`: a, b, coefficient, value, low, high, n, base_rate, reason.
    coefficient : str, default "Gwet's AC1"
        Coefficient to show, one of the values of `audit_frames.COEFFICIENTS`.
    """
    rows = agreement[agreement["coefficient"] == coefficient]
    order = list(dict.fromkeys([*rows["a"], *rows["b"]]))
    absent = rows["value"].isna()
    shown = rows.assign(
        figure=["–" if missing else f"{value:.2f}" for value, missing in zip(rows["value"], absent, strict=True)],
        range=[
            "too few" if missing else f"{low:.2f} to {high:.2f}"
            for low, high, missing in zip(rows["low"], rows["high"], absent, strict=True)
        ],
        size=[
            f"n = {n}" if math.isnan(base) else f"n = {n}, base {format_percent(base)}"
            for n, base in zip(rows["n"], rows["base_rate"], strict=True)
        ],
    )
    base = alt.Chart(shown).encode(
        x=alt.X("a:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, orient="top", domain=False, ticks=False)),
        y=alt.Y("b:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False)),
        tooltip=[
            alt.Tooltip("a:N", title="One"),
            alt.Tooltip("b:N", title="Other"),
            *_interval_tips(".2f"),
            alt.Tooltip("n:Q", title="Trials both read", format=",d"),
            alt.Tooltip("base_rate:Q", title="Share of the commonest outcome", format=".0%"),
            alt.Tooltip("reason:N", title="Not given because"),
        ],
    )
    given = alt.expr.isValid(alt.datum.value)
    colour = alt.Color("value:Q", title=coefficient, scale=share_scale())
    few = base.transform_filter(~given).mark_rect(cornerRadius=3).encode(color=alt.ColorValue(TOO_FEW))
    ink = alt.condition(alt.datum.value > WHITE_TEXT_FROM, alt.value("white"), alt.value(INK))
    texts = [
        base.mark_text(dy=-15, fontSize=LABEL_SIZE + 2, fontWeight=600).encode(text=alt.Text("figure:N"), color=ink),
        base.mark_text(dy=1, fontSize=LABEL_SIZE - 1).encode(text=alt.Text("range:N"), color=ink),
        base.mark_text(dy=16, fontSize=LABEL_SIZE - 1).encode(text=alt.Text("size:N"), color=ink),
    ]
    heading = _chart_title(
        f"{coefficient} between judges and raters",
        "On the five outcomes; 95 % interval and number of trials that both read. Grey: fewer than 20 trials.",
    )
    size = alt.Step(CELL * 1.4)
    cells = _selection(base.mark_rect(cornerRadius=3, cursor="pointer").encode(color=colour), "a", "b")
    return alt.layer(few, cells, *texts).properties(width=size, height=alt.Step(CELL * 0.9), title=heading)


def correction_methods_chart(comparison: pd.DataFrame, *, judge: str) -> Any:
    """Event rate of each arm by each correction method, with 95 % intervals; refused methods are marked.

    Parameters
    ----------
    comparison : pandas.DataFrame
        Frame of `audit_frames.comparison_frame`: judge, arm, method, value, low, high, judged, labelled, reason.
    judge : str
        The judge to show.
    """
    rows = comparison[comparison["judge"] == judge]
    base = alt.Chart(rows).encode(
        y=alt.Y("method:N", sort=list(METHOD_NAMES.values()), title=None),
        x=alt.X(
            "value:Q",
            title="Events",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(labelExpr=PERCENT_LABEL, values=SHARE_TICKS),
        ),
        color=alt.Color("arm:N", scale=arm_scale(), legend=None),
        tooltip=[
            alt.Tooltip("arm:N", title="Arm"),
            alt.Tooltip("method:N", title="Method"),
            *_interval_tips(".1%"),
            alt.Tooltip("judged:Q", title="Trials judged", format=",d"),
            alt.Tooltip("labelled:Q", title="of them labelled", format=",d"),
            alt.Tooltip("reason:N", title="Refused because"),
        ],
    )
    given, refused = alt.datum.reason == None, alt.datum.reason != None  # noqa: E711
    word = base.transform_filter(refused).mark_text(align="left", fontStyle="italic", fontSize=LABEL_SIZE - 1)
    here = alt.XValue(4)  # type: ignore[no-untyped-call]
    said = word.encode(x=here, text=alt.TextValue("refused"), color=alt.ColorValue(GREY))
    layered = alt.layer(*_point_marks(base.transform_filter(given)), said).properties(width=WIDE, height=alt.Step(ROW))
    heading = _chart_title(
        f"Event rate by {judge}'s verdicts and corrected",
        "95 % intervals. Methods that use the judge's error rates need a judge better than chance.",
    )
    return layered.facet(facet=alt.Facet("arm:N", sort=list(ARMS), title=None), columns=FEW_COLUMNS, title=heading)


def _selection(cells: Any, *fields: str) -> Any:
    return cells.add_params(alt.selection_point(name=CHOSEN, fields=list(fields), on="click"))


def _present_rows(frame: pd.DataFrame) -> alt.Legend:
    """A legend of only those arms that occur in the frame."""
    return alt.Legend(values=[arm for arm in ARMS if arm in set(frame["arm"])])


def _by_arm(frame: pd.DataFrame) -> Any:
    tips = [alt.Tooltip(f"{key}:N", title=key.capitalize()) for key in ("judge", "arm", "measure")]
    effective = alt.Tooltip("effective:Q", title="Effective number of them", format=".1f")
    return alt.Chart(frame).encode(
        y=alt.Y("judge:N", sort=None, title=None),
        yOffset=alt.YOffset("arm:N", sort=list(ARMS)),
        color=alt.Color("arm:N", title="Arm", scale=arm_scale(), sort=list(ARMS), legend=_present_rows(frame)),
        tooltip=[*tips, *_interval_tips(".2f"), alt.Tooltip("of:Q", title="Labelled trials", format=",d"), effective],
    )


def _point_marks(base: Any) -> list[Any]:
    return [
        base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q")),
        base.mark_point(filled=True, size=80, opacity=1),
    ]


def _zero_rule(frame: pd.DataFrame) -> Any:
    return alt.Chart(frame).mark_rule(strokeDash=[4, 4], color=GREY).encode(x=alt.XDatum(0))


def _interval_tips(format_: str) -> list[alt.Tooltip]:
    names = {"value": "Estimate", "low": "95 % from", "high": "to"}
    return [alt.Tooltip(f"{key}:Q", title=name, format=format_) for key, name in names.items()]


def _axis_range(low: float, high: float) -> str:
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def _chart_title(text: str, note: str | list[str]) -> alt.TitleParams:
    return alt.TitleParams(text, subtitle=note)
