"""Every page in a real browser: opens without an error, shows what it should, and fetches nothing from elsewhere."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qs, urlsplit

import dashboard_demo as demo
import pytest
from dashboard_browser import calm, drawn, opened, picked, press_until, settle

from gnomon.data.storage.engines import sqlite_file

pytestmark = pytest.mark.browser

PAGES = ["Study", "Scaling", "Battery", "Refusal", "Judges", "Calibration card", "Label", "Transcripts", "Diagnostics"]


def no_error(page) -> None:
    assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").first.inner_text()
    assert page.get_by_text("cannot be shown").count() == 0


@pytest.mark.parametrize("study", ["demo", "fitted", "published", "bare", "failed"])
def test_every_page_of_every_study_opens_without_an_error(visit, study):
    page = visit(study)
    page.get_by_role("heading", name=study, level=1).wait_for()
    no_error(page)
    for name in PAGES[1:]:
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", name=name, level=1).wait_for()
        settle(page)
        no_error(page)


def test_pages_have_a_dark_ground_where_the_reader_wants_one(visit):
    page = visit("demo", dark=True)
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", level=1).wait_for()
        settle(page)
        no_error(page)
    ground = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert ground == "rgb(14, 17, 23)"


def test_the_study_page_says_what_matters_and_what_to_do_next(visit):
    page = visit("demo")
    page.get_by_text("Fewer than 20 labels to measure the judges").wait_for()
    page.get_by_role("link", name="Open Label").click()
    page.get_by_role("heading", name="Label").wait_for()


def test_a_link_to_the_study_page_by_its_name_opens_it(visit):
    page = visit("demo", "study")
    page.get_by_role("heading", name="demo", level=1).wait_for()
    page.get_by_role("heading", name="SmolLM2-135M: identification 35").wait_for()
    assert page.get_by_text("Page not found").count() == 0
    assert page.get_by_role("link", name="Study", exact=True).count() == 1
    no_error(page)


def test_a_failed_fit_is_shown_as_failed_and_its_figures_are_not(visit):
    page = visit("failed")
    page.get_by_text("The fit 'judged' failed (R-hat 1.210").wait_for()
    page.get_by_role("link", name="Scaling").click()
    page.get_by_text("failed its convergence checks").first.wait_for()
    assert page.get_by_test_id("stVegaLiteChart").count() == 0


def test_the_next_step_is_a_command_that_names_the_folder(visit, urls):
    page = visit("bare")
    folder = sqlite_file(urls["bare"]).parent
    page.get_by_text(f"gnomon fit {folder}").wait_for()


def test_judges_change_with_the_label_view_and_the_judge(visit):
    page = visit("demo", "judges")
    page.get_by_text("Can estimates be corrected for the errors of lexicon?").wait_for()
    page.get_by_role("radiogroup").get_by_text("Current", exact=True).click()
    page.get_by_role("heading", name="Changed labels").wait_for()
    page.get_by_text("Against the labels as first given, lexicon has").wait_for()
    page.get_by_role("heading", name="Inconsistent verdicts and labels").wait_for()
    page.get_by_role("heading", name="Drift of lexicon").wait_for()
    settle(page)
    assert "view=Current" in page.url
    picked(page, page.get_by_label("Judge", exact=True).click, page.get_by_role("option", name="embedding"))
    page.get_by_text("Can estimates be corrected for the errors of embedding?").wait_for()
    no_error(page)


def test_transcripts_are_filtered_in_the_database_and_read_one_by_one(visit):
    page = visit("demo", "transcripts", "&text=out+of+the+ordinary")
    page.get_by_text("trials, rows 1 to").wait_for()
    assert page.get_by_test_id("transcript").count() == 0
    press_until(page, "ArrowRight", lambda: page.get_by_text("Transcript 1 of").count() == 1)
    page.get_by_test_id("transcript").filter(has_text="out of the ordinary").wait_for()
    press_until(page, "ArrowRight", lambda: page.get_by_text("Transcript 2 of").count() == 1)
    press_until(page, "ArrowLeft", lambda: page.get_by_text("Transcript 1 of").count() == 1)
    no_error(page)


def test_concepts_and_quotations_are_marked_and_hostile_text_stays_text(visit, opened):
    page = visit("demo", "transcripts", "&text=%3Cscript%3E&outcome=identified")
    press_until(page, "ArrowRight", lambda: page.get_by_text("Transcript 1 of").count() == 1)
    page.locator("mark").first.wait_for()
    shown = page.get_by_test_id("transcript").text_content()
    assert demo.HOSTILE in shown
    assert shown in {trial.answer for trial in opened("demo").load_trials()}
    assert set(page.locator("mark").all_text_contents()) <= set(demo.CONCEPTS)
    assert page.title() != "hacked"


def test_the_study_picker_changes_the_study_and_the_address(visit):
    page = visit("demo")
    picked(page, page.get_by_label("Study", exact=True).click, page.get_by_role("option", name="published"))
    page.get_by_role("heading", name="published", level=1).wait_for()
    page.get_by_text("24,600").wait_for()
    assert "study=published" in page.url


def test_a_database_that_cannot_be_opened_is_one_plain_line(visit, urls):
    page = visit("broken")
    page.get_by_text("not a database").wait_for()
    assert page.get_by_test_id("stException").count() == 0


def cell_of(page, text: str) -> None:
    """Wait for a table's cell with a text; tables are drawn, their texts are beside the drawing."""
    page.get_by_role("gridcell", name=text, exact=True, include_hidden=True).first.wait_for(state="attached")


def test_a_reader_of_the_published_study_finds_the_answers_on_the_scaling_page(visit):
    page = visit("published", "scaling")
    cell_of(page, "Qwen2.5-14B-Instruct")
    dip = page.get_by_text("Qwen2.5-32B-Instruct refuses 64 % of controls and 23 % of injections")
    assert "between −0.8 and +43.9\xa0% (Lee bounds, from the counts)" in dip.inner_text()
    page.get_by_text("To compare models use the raw estimate").wait_for()
    drawn(page)
    no_error(page)


def test_the_figure_is_switched_and_the_switch_stands_in_the_address(visit):
    page = visit("published", "scaling")
    page.locator('[aria-label*="Qwen2.5-32B-Instruct: −49 %"]').first.wait_for(state="attached")
    page.get_by_role("radio", name="Excluding refusals", exact=True).click()
    page.locator('[aria-label*="Qwen2.5-32B-Instruct: +20 %"]').first.wait_for(state="attached")
    assert parse_qs(urlsplit(page.url).query)["figure"] == ["Excluding refusals"]
    page.get_by_role("radio", name="Refusal", exact=True).click()
    page.get_by_text("the mean of the injection and the control arm").wait_for()
    no_error(page)


def test_a_corrected_figure_that_honesty_refuses_is_its_reason_and_no_chart(visit):
    page = visit("demo", "scaling", "&figure=Corrected")
    page.get_by_text("The corrected net detection is not shown").wait_for()
    page.get_by_text("carries no information in the injection arm").wait_for()
    assert page.get_by_test_id("stVegaLiteChart").count() == 0
    no_error(page)


def test_the_refusal_page_says_who_refuses_and_what_that_may_hide(visit):
    page = visit("published", "refusal")
    said = "Refusal differs most between the arms in Qwen2.5-32B-Instruct: 23"
    page.get_by_text(said).wait_for()
    drawn(page)
    assert page.get_by_test_id("stVegaLiteChart").count() == 2
    assert page.get_by_test_id("stDataFrame").count() >= 2
    no_error(page)


def test_refusal_is_shown_by_strength_where_strengths_differ(visit):
    page = visit("fitted", "refusal")
    page.get_by_text("By strength of the injection").wait_for()
    drawn(page)
    assert page.get_by_test_id("stVegaLiteChart").count() == 3
    no_error(page)


def test_diagnostics_say_whether_the_fit_converged_and_makes_the_counts(visit):
    page = visit("published", "diagnostics")
    page.get_by_text("published: passed; R-hat 1.00").wait_for()
    page.get_by_text("No misfit found in 3").wait_for()
    drawn(page)
    no_error(page)


def test_diagnostics_set_fits_side_by_side_and_say_why_one_failed(visit):
    page = visit("fitted", "diagnostics")
    page.get_by_text("All fits").wait_for()
    no_error(page)
    page = visit("failed", "diagnostics")
    page.get_by_text("judged: failed; R-hat 1.210, at least 20 effective draws").wait_for()
    drawn(page)
    assert page.get_by_test_id("stVegaLiteChart").count() == 1, "coverage alone"


def test_the_best_cell_stands_beside_the_luckiest_raw_rate(visit):
    page = visit("fitted", "scaling")
    page.get_by_text("Which layer and strength is best?").wait_for()
    page.get_by_text("The highest raw rate is").wait_for()
    no_error(page)


def test_a_reader_of_scaling_sees_how_sure_every_step_is(visit):
    page = visit("published", "scaling")
    cell_of(page, "Qwen2.5-32B-Instruct, at all 5 steps")
    table = page.get_by_test_id("stDataFrame").filter(
        has=page.get_by_role("columnheader", name="Difference", include_hidden=True)
    )
    assert table.locator(".dvn-scroller").first.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_two_models_are_picked_and_compared(visit):
    page = visit("published", "scaling")
    drawn(page)
    unfold = partial(page.get_by_label("This model").press, "ArrowDown")
    picked(page, unfold, page.get_by_role("option", name="Qwen2.5-7B-Instruct (7B)"))
    page.get_by_text("Qwen2.5-7B-Instruct is higher than Qwen2.5-0.5B-Instruct: difference +66 points").wait_for()


def test_one_model_has_a_forest_and_may_stand_beside_the_published_ones(visit):
    page = visit("demo", "scaling")
    drawn(page)
    page.get_by_text("One model size only: a trend over size cannot be estimated").wait_for()
    page.get_by_text("Overlay published models").click()
    page.get_by_text("another protocol and another judge").wait_for()
    page.get_by_text("One model size only: a trend over size cannot be estimated").wait_for(state="hidden")
    no_error(page)


def test_the_figures_behind_a_chart_can_be_taken_home(visit, tmp_path):
    page = visit("published", "scaling")
    drawn(page)
    opened(page, page.get_by_text("Data and downloads").first, page.get_by_role("button", name="CSV", exact=True).first)
    sizes = {}
    for kind in ("CSV", "SVG", "PNG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind, exact=True).first.click()
        assert download.value.suggested_filename == f"scaling-net_detection_raw.{kind.lower()}"
        sizes[kind] = download.value.path().read_bytes()
    assert sizes["CSV"].decode().count("\n") == 9
    assert b"<svg" in sizes["SVG"][:200]
    assert sizes["PNG"].startswith(b"\x89PNG")


BEYOND = """() => {
  const main = document.querySelector('[data-testid="stMainBlockContainer"]');
  const right = main.getBoundingClientRect().right - parseFloat(getComputedStyle(main).paddingRight);
  const charts = [...main.querySelectorAll('[data-testid="stVegaLiteChart"]')];
  return charts.map((chart) => Math.round(chart.getBoundingClientRect().right - right)).filter((more) => more > 1);
}"""


def test_no_chart_of_the_judges_page_reaches_beyond_a_narrow_column(visit):
    page = visit("demo", "judges")
    page.set_viewport_size({"width": 1024, "height": 1000})
    drawn(page)
    calm(page)
    assert page.evaluate(BEYOND) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024
