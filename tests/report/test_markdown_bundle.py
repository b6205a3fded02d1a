"""The report as Markdown: every file that the page names is there, tables as CSV and LaTeX, nothing read as markup."""

from __future__ import annotations

import io
import re
import zipfile

import altair as alt
import pandas as pd
import pytest

from gnomon.report.markdown_bundle import bundle_files, zip_bytes
from gnomon.report.report_blocks import ReportSection, Snippet, StudyReport, file_names
from gnomon.stats.tables.estimate_table import EstimateTable, Interval, TableColumn

COLUMNS = (TableColumn("model", "Model"), TableColumn("rate", "Rate", "rate"))
TABLE = EstimateTable("rates", "Rates.", COLUMNS, ({"model": "a_b", "rate": Interval(0.3125, 0.25, 0.38)},))


@pytest.fixture(scope="module")
def report() -> StudyReport:
    section = ReportSection("one", "One")
    section.say("# not a heading", "*not* emphasis <b>")
    section.tabulate("Rates", TABLE)
    section.tabulate("Rates again", TABLE)
    section.draw("rates", alt.Chart(pd.DataFrame({"x": [1]})).mark_bar().encode(x="x:Q"), "One [bar].")
    section.blocks.append(Snippet("references.bib", "@misc{a,\n}\n"))
    return StudyReport("study", "2026-11-30 12:00", "0.1.0", (section,))


def test_every_file_that_the_page_names_is_there(report: StudyReport) -> None:
    files = bundle_files(report, page="r.md", folder="r-files")
    page = files["r.md"].decode()
    named = re.findall(r"\]\((r-files/[^)]+)\)", page)
    assert set(named) | {"r.md", "r-files/references.bib"} == set(files)
    assert files["r-files/tables/one-rates.csv"].decode().splitlines()[1] == "a_b,0.3125,0.25,0.38"
    assert b"\\toprule" in files["r-files/tables/one-rates-2.tex"]
    assert files["r-files/figures/one-rates.svg"].startswith(b"<svg")


def test_a_very_long_table_is_whole_in_its_file_and_the_page_says_so() -> None:
    rows = tuple({"model": f"m{place}", "rate": 0.5} for place in range(600))
    section = ReportSection("one", "One")
    section.tabulate("Long", EstimateTable("long", "", COLUMNS, rows))
    files = bundle_files(StudyReport("s", "", "", (section,)))
    page = files["report.md"].decode()
    assert "| m499 |" in page
    assert "| m500 |" not in page
    assert "The first 500 of 600 rows" in page
    assert files["tables/one-long.csv"].decode().count("\n") == 601


def test_text_is_shown_verbatim(report: StudyReport) -> None:
    page = bundle_files(report)["report.md"].decode()
    assert "\\# not a heading" in page
    assert "\\*not\\* emphasis \\<b\\>" in page
    assert "![One \\[bar\\].](figures/one-rates.svg)" in page
    assert "| a\\_b | 31 % (25 to 38) |" in page


def test_the_same_files_give_the_same_archive(report: StudyReport) -> None:
    files = bundle_files(report)
    first = zip_bytes(files)
    assert first == zip_bytes(files)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert set(archive.namelist()) == set(files)


def test_names_of_files_differ_and_hold_no_path() -> None:
    assert file_names(["../A b", "a-b", "a b", ""]) == ["a-b", "a-b-2", "a-b-3", "part"]
