"""The legend of every chart lies under its plots, where it takes no width from them, on every page of every kind."""

from __future__ import annotations

import altair as alt
import pandas as pd
import pytest
from chart_geometry import legends_beside_plots, squeezed_plots
from page_texts import read_page
from study_kinds import KINDS

VIEWS = ["study", "scaling", "battery", "refusal", "judges", "calibration_card", "diagnostics"]
QUICK = ("eight-models",)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "kind",
    [kind.name if kind.name in QUICK else pytest.param(kind.name, marks=pytest.mark.simulation) for kind in KINDS],
)
def test_legends_lie_under_their_plots_which_keep_their_height(kind_urls, kind, view):
    charts = read_page(kind_urls[kind], view).charts
    assert [fault for chart in charts for fault in (*legends_beside_plots(chart), *squeezed_plots(chart))] == []


@pytest.mark.parametrize(("orient", "count"), [("right", 1), ("top", 1), ("bottom", 0), ("none", 0)])
def test_a_legend_beside_or_over_a_plot_is_found(orient, count):
    frame = pd.DataFrame({"x": [1.0, 2.0], "k": ["a", "b"]})
    legend = None if orient == "none" else alt.Legend(orient=orient)
    chart = alt.Chart(frame).mark_point().encode(x="x:Q", y="x:Q", color=alt.Color("k:N", legend=legend))
    for one in (chart, chart.facet("k:N", columns=1)):
        assert len(legends_beside_plots(one.to_dict())) == count
