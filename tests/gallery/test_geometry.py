"""Every page of every kind of study, at 1,440 and 1,024 pixels: nothing overlaps, is cut or scrolls sideways."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard_browser import calm, go_to_page
from page_geometry import geometry_faults
from page_pictures import PAGES, WIDTHS
from study_kinds import BAD_INPUTS, KINDS

pytestmark = pytest.mark.browser


def faults_by_page(page: Any, kind: str) -> dict[str, list[str]]:
    """Faults of each page at each width; the page is loaded once and resized."""
    found = {}
    for name in PAGES:
        page.set_viewport_size({"width": WIDTHS[0], "height": 1000})
        calm(page)
        go_to_page(page, name, kind if name == "Study" else name)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 1000})
            calm(page)
            errors = (
                page.get_by_test_id("stException").all_inner_texts()
                + page.get_by_text("cannot be shown").all_inner_texts()
            )
            found[f"{name} {width}"] = errors + geometry_faults(page)
    return {where: faults for where, faults in found.items() if faults}


MARKS = {"one-model": (), "eight-models": pytest.mark.slow}
"""Kinds that every run measures, and that `make test-ci` does; the others and the bad inputs are `make test-all`'s."""


@pytest.mark.parametrize(
    "kind",
    [
        *(pytest.param(kind.name, marks=MARKS.get(kind.name, pytest.mark.simulation)) for kind in KINDS),
        *(pytest.param(kind.name, marks=pytest.mark.simulation) for kind in BAD_INPUTS),
    ],
)
def test_nothing_overlaps_is_cut_or_scrolls_sideways(open_kind, kind):
    page = open_kind(kind)
    found = faults_by_page(page, kind)
    assert not found, "\n".join(f"{where}: {line}" for where, lines in found.items() for line in lines)


FAULTY = """<div data-testid="stMain" style="width: 400px; overflow: auto"><div data-testid="stMainBlockContainer">
  <h2 style="margin: 0; height: 20px">A heading</h2><p style="margin: -15px 0 0">that a text lies over</p>
  <div data-testid="stVegaLiteChart" style="overflow-x: auto; max-width: 100%">
    <canvas style="width: 600px"></canvas></div>
  <div data-testid="stMetric"><div data-testid="stMetricValue">
    <div style="width: 30px; overflow: hidden; white-space: nowrap">12,345,678</div></div></div>
  <div data-testid="stDataFrame"><div class="dvn-scroller" style="width: 300px; overflow-x: auto">
    <div style="width: SHEET; height: 9px"></div></div><div role="grid" aria-colcount="5"></div></div>
  <p style="WIDE">A text</p></div></div>"""


def test_the_measurement_finds_each_kind_of_fault_and_none_where_there_is_none(profile):
    page = profile.new_page()
    page.set_content(FAULTY.replace("WIDE", "width: 900px").replace("SHEET", "400px"))
    found = " ".join(geometry_faults(page))
    for kind in (
        "sideways: ",
        "beyond the right edge by",
        "CANVAS",
        "beyond its column",
        "overlap",
        "cut: ",
        "scrolls by 100",
    ):
        assert kind in found
    sound = FAULTY.replace("WIDE", "").replace("-15px", "0").replace("600px", "300px").replace("30px", "auto")
    page.set_content(sound.replace("SHEET", "300px"))
    assert geometry_faults(page) == []
    page.close()
