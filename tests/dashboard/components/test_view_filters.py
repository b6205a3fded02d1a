"""Filters are one choice for every page: they survive a change of page, and a page's address brings its view back."""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from dashboard_browser import calm, picked

pytestmark = pytest.mark.browser

SMALL, LARGE = "Qwen2.5-0.5B-Instruct", "Qwen2.5-14B-Instruct"


def choose(page, label: str, *values: str) -> None:
    """Pick options of a list in the sidebar."""
    for value in values:
        box = page.get_by_test_id("stSidebar").get_by_role("combobox", name=re.compile(label))
        picked(page, partial(box.fill, value), page.get_by_role("option", name=value, exact=True))
        page.get_by_test_id("stSidebar").get_by_text(value, exact=True).first.wait_for()
        calm(page)
    page.keyboard.press("Escape")


def asked(page) -> dict[str, list[str]]:
    """What the address asks for."""
    return parse_qs(urlsplit(page.url).query)


def cell_of(page, subject: str):
    """The first cell of a table that names a model."""
    return page.get_by_role("gridcell", name=subject, exact=True, include_hidden=True).first


def test_a_filter_narrows_the_figures_and_goes_along_to_the_next_page(visit):
    page = visit("published", "scaling")
    cell_of(page, SMALL).wait_for(state="attached")
    choose(page, "Model", LARGE, "Qwen2.5-7B-Instruct")
    assert asked(page)["subject"] == [LARGE, "Qwen2.5-7B-Instruct"]
    cell_of(page, LARGE).wait_for(state="attached")
    cell_of(page, SMALL).wait_for(state="detached")
    page.get_by_role("link", name="Refusal", exact=True).click()
    page.get_by_role("heading", name="Refusal", level=1).wait_for()
    calm(page)
    assert asked(page)["subject"] == [LARGE, "Qwen2.5-7B-Instruct"]
    cell_of(page, LARGE).wait_for(state="attached")
    cell_of(page, SMALL).wait_for(state="detached")


def test_a_page_sent_as_a_link_opens_as_it_was(visit):
    page = visit("demo", "transcripts")
    choose(page, "Concept", "ocean")
    choose(page, "Outcome", "identified")
    page.get_by_text("Judges disagree").click()
    page.get_by_text("Not labelled").click()
    calm(page)
    told = page.get_by_text(re.compile(r"trials?, rows")).text_content()
    sent = urlsplit(page.url).query
    again = visit("demo", "transcripts", "&" + sent)
    assert again.get_by_text(re.compile(r"trials?, rows")).text_content() == told
    assert asked(again) == asked(page)


def test_a_filter_that_another_study_does_not_know_is_let_go(visit):
    page = visit("demo", "transcripts", "&concept=ocean")
    picked(page, page.get_by_label("Study", exact=True).click, page.get_by_role("option", name="published", exact=True))
    page.get_by_text("This study holds counts, without transcripts").wait_for()
    page.get_by_role("link", name="Scaling", exact=True).click()
    page.get_by_role("heading", name="Scaling", level=1).wait_for()
    calm(page)
    assert page.get_by_test_id("stException").count() == 0
    cell_of(page, SMALL).wait_for(state="attached")
