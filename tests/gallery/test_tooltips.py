"""A chart's tooltip never shows a raw number such as 0.4285714286 or 24600: every quantity has a format."""

from __future__ import annotations

import pytest
from page_texts import raw_tooltips, read_page

VIEWS = ["study", "scaling", "refusal", "diagnostics", pytest.param("judges", marks=pytest.mark.simulation)]


@pytest.mark.parametrize("view", VIEWS)
def test_tooltips_are_formatted(kind_urls, view):
    charts = read_page(kind_urls["eight-models"], view).charts
    assert charts
    assert [field for chart in charts for field in raw_tooltips(chart)] == []


def test_a_raw_number_in_a_part_of_a_chart_is_found():
    told = [
        {"field": "parameters", "type": "quantitative"},
        {"field": "mean", "type": "quantitative", "format": ".1%"},
        {"field": "arm", "type": "nominal"},
    ]
    assert list(raw_tooltips({"layer": [{"encoding": {"tooltip": told}}]})) == ["/layer[0]/encoding: parameters"]
