"""The ten questions of docs/reading-the-dashboard.md are answered where that page says, within two clicks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page_texts import PageReading, read_page

from gnomon.calibration.queue.sample_size import default_estimand, plan_labels
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.planned_interval import planned_interval

DOC = Path(__file__).resolve().parents[2] / "docs" / "reading-the-dashboard.md"
ANSWERS = {
    "How often do the models notice": ("study", r"net detection of 8 models ranges from .\d+ % \(.\d+ to .\d+\)"),
    "What may be wrong": ("study", r"disagreements between raters.*Next step"),
    "Does 14B detect more": (
        "scaling",
        r"Qwen2.5-7B-Instruct\|Qwen2.5-14B-Instruct\|.\d+ % \(.\d+ to .\d+\)\|\d+.\d %",
    ),
    "Does detection change": ("scaling", r"Trend through the 8 models that were run: \S+ points per doubling"),
    "Is the dip of 32B": ("scaling", r"Qwen2.5-32B-Instruct\|as judged\|32B\|instruct\|128\|.*\d+ to .\d+ %\|\d+ % \("),
    "Does the injection change": ("refusal", r"Refusal differs most between the arms in \S+ \d+ % \(\d+ to \d+\)"),
    "May estimates be corrected": ("judges", r"lexicon\|control\|(yes|no)\|\w+\|.*\|\d+\|\d+"),
    "What would 40 more labels": ("judges", r"What would more labels buy\?"),
    "Which trials do raters": ("judges", r"[1-9]\d* disagreements between raters"),
    "Did the fits converge": ("diagnostics", r"corrected: passed; R-hat 1\.\d+"),
}


@pytest.fixture(scope="module")
def pages(kind_urls) -> dict[str, PageReading]:
    return {view: read_page(kind_urls["eight-models"], view) for view in {view for view, _ in ANSWERS.values()}}


def documented() -> dict[str, list[str]]:
    """Clicks by question."""
    rows = re.findall(r"(?m)^\| (.+\?) \| .+ \| (.+) \|$", DOC.read_text(encoding="utf-8"))
    return {question: [] if clicks == "none" else clicks.split(", ") for question, clicks in rows}


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_has_its_answer_on_its_page(pages, question):
    view, answer = ANSWERS[question]
    page = pages[view]
    said = page.text + " " + " ".join("|".join(row.values()) for row in page.rows)
    assert re.search(answer, said)


def test_no_answer_is_further_than_two_clicks():
    found = documented()
    assert len(found) == 10
    assert all(len(clicks) <= 2 for clicks in found.values())
    assert all(any(question.startswith(start) for question in found) for start in ANSWERS)


@pytest.mark.browser
def test_what_40_more_labels_would_buy_is_one_click_away_and_is_the_number_of_plan(open_kind, kind_urls):
    page = open_kind("eight-models")
    page.get_by_role("link", name="Judges", exact=True).click()
    page.get_by_role("heading", name="Judges", level=1).wait_for()
    page.get_by_text("The same from the command line").wait_for()
    store = Store.open(kind_urls["eight-models"])
    seed = load_settings(store).plan.seed
    shown = planned_interval(store, default_estimand(store))
    (bought,) = (each for each in plan_labels(store, budget=40, seed=seed, shown=shown).options if not each.trials)
    store.close()
    assert bought.labels == 40
    cell = page.get_by_role("gridcell", name=f"{100 * bought.width:.2f}", include_hidden=True)
    cell.first.wait_for(state="attached")


@pytest.mark.browser
def test_the_trials_that_raters_disagree_on_are_two_clicks_away(open_kind):
    page = open_kind("eight-models")
    page.get_by_role("link", name="Transcripts", exact=True).click()
    page.get_by_role("heading", name="Transcripts", level=1).wait_for()
    page.get_by_text("Raters disagree", exact=True).click()
    page.get_by_text("Raters disagree on 6 trial").wait_for()
