"""An estimate has the same number on the pages, in the report and on the command line, in every kind of study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_texts import html_rows, plain, read_page
from study_kinds import KINDS

from gnomon.chain.session import OpenStudy
from gnomon.data.storage.store import Store
from gnomon.render.documents import EstimateLine
from gnomon.render.estimates import estimates_document
from gnomon.report.document import write_report
from gnomon.stats.estimand_registry import ESTIMANDS, is_difference
from gnomon.stats.narrative.formatting import format_interval
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.headline_tables import column_label, fit_title
from gnomon.study_file import StudyFile

NAMES = [kind.name for kind in KINDS]


@contextmanager
def open_study(url: str, name: str) -> Iterator[OpenStudy]:
    store = Store.open(url)
    yield OpenStudy(Path(), StudyFile.model_validate({"name": name, "imported": True}), store)
    store.close()


def estimates(study: OpenStudy) -> dict[tuple[str, str, str], str]:
    """Text of each estimate of `fit --json`, by model, fit and the heading of the estimate that it is or corrects."""
    lines = estimates_document(study, list(newest_fits(study.store).values())).estimates
    return {(line.subject, fit_title(line.view), _heading(line)): _text(line) for line in lines}


def _heading(line: EstimateLine) -> str:
    name = line.estimand
    return column_label(ESTIMANDS[name].corrects or name if name in ESTIMANDS else name.removesuffix("_corrected"))


def _text(line: EstimateLine) -> str:
    return plain(format_interval(line.mean, line.low, line.high, sign=is_difference(line.estimand)))


def compare(rows: tuple[Mapping[str, str], ...], expected: Mapping[tuple[str, str, str], str]) -> set[str]:
    """Assert that tables by model and fit say what is expected of them; the headings of what they said."""
    found = set()
    for (model, fit, heading), text in expected.items():
        for row in rows:
            if row.get("Model") == model and row.get("Fit") == fit and row.get(heading, "–") != "–":
                assert row[heading] == text, (model, fit, heading)
                found.add(heading)
    return found


@pytest.mark.parametrize("kind", NAMES)
def test_pages_say_what_the_command_line_says(kind_urls, kind):
    with open_study(kind_urls[kind], kind) as study:
        expected = estimates(study)
    assert expected
    page = read_page(kind_urls[kind], "study")
    assert compare(page.rows, expected) == {heading for _, _, heading in expected} - {"Readable answers"}
    known = set(expected.values())
    told = [f"{value} ({ends.removesuffix(' % (95 %)')})" for _, value, ends in page.cards if ends.endswith("% (95 %)")]
    assert set(told) <= known
    assert compare(read_page(kind_urls[kind], "scaling").rows, expected)
    side_by_side = [
        row for row in read_page(kind_urls[kind], "diagnostics").rows if {"Model", "Estimate"} <= row.keys()
    ]
    for (model, _, heading), text in expected.items():
        said = [row for row in side_by_side if (row["Model"], row["Estimate"].lower()) == (model, heading.lower())]
        assert all(text in row.values() for row in said), (model, heading)


@pytest.mark.simulation
@pytest.mark.parametrize("kind", ["one-model", "eight-models", "generic"])
def test_the_report_says_what_the_command_line_says(kind_urls, kind, tmp_path):
    with open_study(kind_urls[kind], kind) as study:
        expected = estimates(study)
        rows = tuple(html_rows(write_report(study, tmp_path / "report.html").read_text(encoding="utf-8")))
    assert compare(rows, expected)
