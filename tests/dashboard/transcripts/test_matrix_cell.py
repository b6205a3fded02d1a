"""A cell of the audit's matrices opens the transcripts that it counts, by mouse, by list, and by a sent address."""

from __future__ import annotations

import json
import re
from functools import partial
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from dashboard_browser import calm, clicked, drawn, picked

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.document import audit_study

pytestmark = pytest.mark.browser


def cell_in(page) -> list[str]:
    return json.loads(parse_qs(urlsplit(page.url).query)["cell"][0])


def listed(page) -> int:
    return int(page.get_by_text(re.compile(r"trials?, rows")).text_content().split()[0])


def choose_cell(page, place: int, begins: str) -> int:
    """Choose a cell from one of the page's lists; returns how many transcripts it says there are."""
    drawn(page)
    box = page.get_by_role("combobox", name="Open the trials of").nth(place)
    words = picked(
        page, partial(box.click, timeout=4000), page.get_by_role("option", name=re.compile(f"^{begins}")).first
    )
    there = int(re.search(r"(\d+)\D*$", words).group(1))
    page.get_by_role("heading", name="Transcripts", level=1).wait_for()
    calm(page)
    return there


def test_a_cell_that_is_clicked_opens_its_transcripts_and_all_come_back(visit, opened):
    page = visit("demo", "judges")
    charts = page.get_by_test_id("stVegaLiteChart")
    charts.nth(4).wait_for()  # what stands above the matrix has its height by then
    # Inside the first cell also where labels that earlier tests stored give the chart a second line of words above it.
    clicked(page, charts.nth(2), {"x": 130, "y": 114}, page.get_by_role("heading", name="Transcripts", level=1))
    calm(page)
    kind, view, judge, *names = cell_in(page)
    assert (kind, view, judge) == ("confused", "blind", "lexicon")
    classes = audit_frames.class_frame(audit_study(opened("demo")), judge).set_index(["arm", "truth", "verdict"])
    assert listed(page) == classes.loc[tuple(names), "n"] > 0
    page.get_by_role("button", name="Show all trials").click()
    calm(page)
    assert listed(page) == 128
    assert "cell=" not in page.url


def test_a_cell_can_be_chosen_from_a_list_and_sent_as_a_link(visit):
    page = visit("fitted", "judges")
    there = choose_cell(page, 0, "control: label denied or other, verdict denied or other")
    assert listed(page) == there
    assert parse_qs(urlsplit(page.url).query)["study"] == ["fitted"]
    page.get_by_text(
        "Control arm: the label says denied or other, lexicon says denied or other (blind labels)"
    ).wait_for()
    again = visit("fitted", "transcripts", "&" + urlsplit(page.url).query)
    assert listed(again) == there


def test_a_pair_opens_what_the_two_read_differently_and_filters_narrow_it(visit):
    page = visit("demo", "judges")
    there = choose_cell(page, 1, "lexicon .judge. and embedding .judge.")
    page.get_by_text("lexicon and embedding come to different outcomes (blind labels)").wait_for()
    assert listed(page) == there
    narrowed = visit("demo", "transcripts", f"&arm=control&cell={quote(json.dumps(cell_in(page)))}")
    narrowed.get_by_text(re.compile(r"; filters leave \d+")).wait_for()
    assert listed(narrowed) < there


@pytest.mark.parametrize(
    "address", ["{", "7", "[]", '["confused", "blind"]', '["parted", "blind", 1, 2, 3, 4]', '[{}, "a"]']
)
def test_an_address_that_names_no_cell_is_told_so_in_a_line(visit, address):
    page = visit("demo", "transcripts", f"&cell={quote(address)}")
    page.get_by_text("which is none: open it from the Judges page again").wait_for()
    assert page.get_by_test_id("stException").count() == 0
