"""A chart takes no more than its column: one panel is fitted to it, a long subtitle is broken into lines."""

from __future__ import annotations

import ast
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
import vl_convert
from altair.utils import schemapi

import gnomon
from gnomon.dashboard.components import chart_panel
from gnomon.dashboard.components.chart_panel import (
    csv_bytes,
    data_table,
    fit_panels,
    full_width,
    wrap_subtitle,
)
from gnomon.stats.charts.estimate_charts import PANEL_WIDTH

POINT = alt.Chart(pd.DataFrame({"x": [1.0], "k": ["a"]})).mark_point().encode(x="x:Q")


@pytest.mark.parametrize("chart", [POINT, alt.layer(POINT, POINT)])
def test_a_chart_of_one_panel_is_fitted_to_its_column(chart):
    assert full_width(chart.properties(width=500)) == 500


@pytest.mark.parametrize(
    "chart",
    [
        POINT.properties(width=alt.Step(20)),
        POINT,
        POINT.properties(width=200).facet("k:N", columns=2),
        POINT.properties(width=200) & POINT,
    ],
)
def test_other_charts_keep_their_own_width(chart):
    assert full_width(chart) is None


def test_a_long_subtitle_is_broken_and_the_chart_that_was_passed_stays():
    long = "An interval away from zero means that one correction for both arms would be wrong. " * 2
    chart = POINT.properties(title=alt.TitleParams("a", subtitle=[long.strip(), "short"]))
    shown = chart.copy(deep=False)
    wrap_subtitle(shown, 650)
    assert len(shown.title.subtitle) == 3
    assert max(map(len, shown.title.subtitle)) <= 125
    assert chart.title.subtitle == [long.strip(), "short"]
    wide = chart.copy(deep=False)
    wrap_subtitle(wide, 1240)
    assert len(wide.title.subtitle) == 2


def test_a_sentence_of_two_lines_is_broken_anew():
    lines = ["Injection less control, with 95 % intervals, as far as", "it is known.", "Points: rates."]
    chart = POINT.properties(title=alt.TitleParams("a", subtitle=lines))
    wrap_subtitle(chart, 650)
    assert chart.title.subtitle == [" ".join(lines[:2]), "Points: rates."]


def test_a_title_without_a_subtitle_stays():
    for chart in (POINT, POINT.properties(title="plain"), POINT.properties(title=alt.TitleParams("plain"))):
        before = chart.to_dict()
        wrap_subtitle(chart, 650)
        assert chart.to_dict() == before


@pytest.mark.parametrize("room", [650, 960, 1240])
def test_panels_share_the_page_whatever_its_width(room):
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0], "name": ["a short name"] * 3, "k": ["a", "b", "c"]})
    panel = alt.layer(alt.Chart(rows).mark_point().encode(x="x:Q", y=alt.Y("name:N"))).properties(width=PANEL_WIDTH)
    shown = panel.facet(facet=alt.Facet("k:N"), columns=2)
    fit_panels(shown, room)
    drawn = vl_convert.vegalite_to_scenegraph(shown.to_dict())
    assert room - 60 < drawn["width"] <= room
    assert panel.width == PANEL_WIDTH


def test_panels_of_another_width_keep_it():
    shown = POINT.properties(width=200).facet(facet=alt.Facet("k:N"), columns=2)
    fit_panels(shown, 900)
    assert shown.spec.width == 200


@pytest.mark.parametrize(("room", "columns"), [(500, 2), (700, 3), (2000, 3)])
def test_panels_that_keep_their_width_stand_side_by_side_where_there_is_room(room, columns):
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0], "k": ["a", "b", "c"]})
    panel = alt.layer(alt.Chart(rows).mark_point().encode(x="x:Q")).properties(width=170)
    shown = panel.facet(facet=alt.Facet("k:N"), columns=2)
    fit_panels(shown, room)
    assert shown.columns == columns
    assert vl_convert.vegalite_to_scenegraph(shown.to_dict())["width"] <= max(room, 2 * 190 + 100)


RATES = pd.DataFrame(
    {"judge": ["a", "b"], "share": [1 / 3, float("nan")], "j": [-0.1234567, 0.5], "n": [1024, 2], "other": [1e-5, 0.25]}
)


@pytest.mark.parametrize("form", ["one", "layers", "facets", "side by side"])
def test_the_data_of_a_chart_is_shown_as_its_tooltips_show_it_and_the_file_is_unrounded(form):
    tips = [alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("j:Q", format=".2f")]
    one = alt.Chart(RATES).mark_point().encode(x="share:Q", tooltip=tips)
    plain = alt.Chart(RATES).mark_point().encode(x="share:Q")
    charts = {
        "one": one,
        "layers": alt.layer(plain, one),
        "facets": alt.layer(plain, one).facet("judge:N", columns=2),
        "side by side": plain | (plain & one),
    }
    styler = data_table(charts[form], RATES)
    styler._compute()
    shown = [
        [styler._display_funcs[row, place](value) for place, value in enumerate(RATES.iloc[row])] for row in range(2)
    ]
    assert shown == [["a", "33.3 %", "−0.12", "1024", "1e−05"], ["b", "–", "0.50", "2", "0.25"]]
    assert styler.data["share"].tolist()[0] == 1 / 3, "sorting uses the values"
    assert b"0.3333333333333333" in csv_bytes(RATES)


def test_a_large_table_is_shown_as_text():
    many = pd.concat([RATES] * 6000, ignore_index=True)
    one = alt.Chart(RATES).mark_point().encode(x="share:Q", tooltip=[alt.Tooltip("share:Q", format=".1%")])
    assert data_table(one, many)["share"].tolist()[:2] == ["33.3 %", "–"]


def test_a_page_sends_a_chart_as_it_is_saved_without_checking_it_once_more(monkeypatch):
    """The checks are the tests': each page would repeat them for every reader."""
    chart = alt.layer(POINT, POINT).properties(title=alt.TitleParams("Points", subtitle=["One"]))
    checked = chart.to_dict()

    def refuse(*_args, **_further):
        raise AssertionError("checked")

    monkeypatch.setattr(schemapi, "DEBUG_MODE", False)  # as in the server (`server.page_preload`)
    monkeypatch.setattr(schemapi, "validate_jsonschema", refuse)
    assert chart_panel._SentChart(chart).to_dict() == checked


def test_every_encoding_of_a_chart_is_a_channel():
    """From a text Altair finds the channel by hashing all classes of Vega-Lite, which takes 3 ms each time."""
    found = []
    for part in ("stats", "calibration", "dashboard", "report"):
        for file in (Path(gnomon.__file__).parent / part).resolve().rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "encode":
                    found += [(file, each.value) for each in node.keywords]
    assert len(found) > 100
    loose = [f"{file}:{value.lineno}: {ast.unparse(value)}" for file, value in found if _is_loose(value)]
    assert not loose


def _is_loose(value: ast.expr) -> bool:
    is_helper = isinstance(value, ast.Call) and ast.unparse(value.func) in ("alt.value", "alt.datum")
    return is_helper or isinstance(value, ast.Constant | ast.JoinedStr)
