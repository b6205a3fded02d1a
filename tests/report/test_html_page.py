"""The page of a report: contents that lead somewhere, open tables with tooltips, light and dark, paper."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import altair as alt
import pandas as pd
import pytest

from gnomon.data.glossary import load_glossary
from gnomon.report.html_page import html_page
from gnomon.report.report_blocks import ReportSection, StudyReport
from gnomon.stats.tables.estimate_table import EstimateTable, Interval, TableColumn

HOSTILE = "<script>alert(1)</script>"
COLUMNS = (
    TableColumn("model", "Model", terms=("model",)),
    TableColumn("rate", "Sensitivity", "rate", ("sensitivity", "evidence")),
    TableColumn("why", "Why"),
)
TABLE = EstimateTable(
    "rates",
    "Rates, 95 %.",
    COLUMNS,
    ({"model": HOSTILE, "rate": Interval(0.31, 0.25, 0.38), "why": "a reason " * 10}, {"model": "b"}),
    ("A note.",),
)


def report_of(*sections: ReportSection) -> StudyReport:
    return StudyReport(HOSTILE, "2026-11-30 12:00", "0.1.0", sections)


@pytest.fixture(scope="module")
def page() -> str:
    first = ReportSection("first", "The first")
    first.say("31 % of trials.", "")
    first.head("A part")
    first.tabulate("Rates", TABLE)
    first.head("An empty part")
    second = ReportSection("second", "The second")
    second.warn("warning", HOSTILE)
    second.draw("bars", alt.Chart(pd.DataFrame({"x": [1]})).mark_bar().encode(x="x:Q"), "One bar.")
    return html_page(report_of(first.without_empty_parts(), second), paper="letter")


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_every_link_of_the_contents_and_of_a_heading_leads_to_a_place_on_the_page(page: str) -> None:
    found = Elements(page).found
    anchors = [attrs["id"] for _, attrs in found if "id" in attrs]
    links = [attrs["href"].removeprefix("#") for tag, attrs in found if tag == "a"]
    assert len(set(anchors)) == len(anchors)
    assert {"first", "first-1", "second", "terms", "term-sensitivity", "term-model"} <= set(links)
    assert set(links) <= set(anchors)
    assert "An empty part" not in page
    assert re.search(r'<span class="no">1.1</span>A part', page)


def test_tables_are_open_and_their_headings_explained_by_the_glossary(page: str) -> None:
    assert "<details" not in page
    told = {attrs.get("title", "") for tag, attrs in Elements(page).found if tag == "a"}
    assert any(load_glossary()["sensitivity"].definition.replace("`", "") in each for each in told)
    assert "31\u00a0% (25\u00a0to\u00a038)" in page
    assert "Table 1. Rates" in page
    assert '<td class="words long">' in page


def test_charts_are_there_on_a_light_and_on_a_dark_ground(page: str) -> None:
    source = next(attrs for tag, attrs in Elements(page).found if tag == "source")
    image = next(attrs for tag, attrs in Elements(page).found if tag == "img")
    assert source["media"] == "screen and (prefers-color-scheme: dark)"
    assert source["srcset"] != image["src"]
    assert image["alt"] == "One bar."


def test_the_paper_is_that_which_was_asked_for_and_nothing_is_run(page: str) -> None:
    assert "size: letter" in page
    assert "size: A4" in html_page(report_of(), paper="a4")
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_a_page_to_be_printed_holds_each_chart_once() -> None:
    section = ReportSection("one", "One")
    section.draw("bars", alt.Chart(pd.DataFrame({"x": [1]})).mark_bar().encode(x="x:Q"), "One bar.")
    assert "<source" not in html_page(report_of(section), dark=False)
