"""A chart takes no more than its column: one panel is fitted to it, a long subtitle is broken into lines."""

from __future__ import annotations

import altair as alt
import pandas as pd
import pytest

from gnomon.dashboard.components.chart_panel import LINE, full_width, wrap_subtitle

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
    chart = POINT.properties(title=alt.TitleParams("a", subtitle=[long, "short"]))
    shown = chart.copy(deep=False)
    wrap_subtitle(shown)
    assert len(shown.title.subtitle) == 3
    assert max(map(len, shown.title.subtitle)) <= LINE
    assert chart.title.subtitle == [long, "short"]


def test_a_title_without_a_subtitle_stays():
    for chart in (POINT, POINT.properties(title="plain"), POINT.properties(title=alt.TitleParams("plain"))):
        before = chart.to_dict()
        wrap_subtitle(chart)
        assert chart.to_dict() == before
