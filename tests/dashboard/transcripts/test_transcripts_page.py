"""The Transcripts page in a browser: prompt, snippets, one order, links to a trial, filters by labels."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from dashboard_browser import calm, press_until

from bench.support.browser import ANSWER

pytestmark = pytest.mark.browser

ROW = "[data-testid=trials] button"


def trial_in(page) -> str:
    return parse_qs(urlsplit(page.url).query)["trial"][0]


def opens(page, number: int) -> None:
    page.get_by_text(f"Transcript {number} of").wait_for()
    calm(page)


def test_a_search_is_shown_in_the_snippets_and_the_walk_follows_one_order(visit, opened):
    order = sorted(
        (trial for trial in opened("demo").load_trials() if "pressure" in trial.answer),
        key=lambda trial: (*_condition(trial), trial.id),
    )
    page = visit("demo", "transcripts", "&text=PRESSURE&order=Condition")
    page.locator(f"{ROW} .match").first.wait_for()
    assert {text.lower() for text in page.locator(f"{ROW} .match").all_text_contents()} == {"pressure"}
    assert page.locator(ROW).count() == min(len(order), 20)
    page.locator(ROW).nth(2).click()
    opens(page, 3)
    assert trial_in(page) == order[2].id
    page.keyboard.press("ArrowRight")
    opens(page, 4)
    assert trial_in(page) == order[3].id
    page.get_by_text("Descending").click()
    down = sorted(sorted(order, key=lambda trial: trial.id), key=_condition, reverse=True)
    page.get_by_text(f"Transcript {down.index(order[3]) + 1} of {len(order)}").wait_for()
    calm(page)
    assert trial_in(page) == order[3].id, "the trial that is open stays open"


def _condition(trial):
    is_ = trial.condition
    nulls = [(value is not None, value) for value in (is_.concept, is_.layer)]
    return (is_.subject, str(is_.arm), *nulls, is_.strength)


def test_a_link_opens_its_trial_wherever_it_stands_and_an_unknown_one_is_a_line(visit, opened):
    trial = next(trial for trial in opened("demo").load_trials() if trial.condition.strength == 4.0)
    page = visit("demo", "transcripts", f"&trial={trial.id}")
    page.get_by_text(re.compile(r"^Transcript \d+ of 128")).wait_for()
    assert page.get_by_test_id("transcript").text_content() == trial.answer
    copied = page.get_by_test_id("copy-link").get_attribute("title")
    assert parse_qs(urlsplit(copied).query) == {"trial": [trial.id], "study": ["demo"]}
    elsewhere = visit("demo", "transcripts", f"&trial={trial.id}&arm=control")
    elsewhere.get_by_text("Not among the trials that are listed").wait_for()
    elsewhere.get_by_role("link", name="Diagnostics", exact=True).click()
    elsewhere.get_by_role("heading", name="Diagnostics", level=1).wait_for()
    elsewhere.get_by_role("link", name="Transcripts", exact=True).click()
    elsewhere.get_by_test_id("transcript").wait_for()
    calm(elsewhere)
    assert elsewhere.get_by_test_id("transcript").text_content() == trial.answer
    lost = visit("demo", "transcripts", f"&trial={quote('<b>none')}")
    lost.get_by_text("trial '<b>none' is not in this study").wait_for()
    lost.locator(ROW).nth(19).wait_for()
    assert lost.get_by_test_id("stException").count() == 0


def test_the_prompt_is_shown_with_its_steered_text_marked(visit, opened):
    trial = next(
        trial
        for trial in opened("demo").load_trials()
        if trial.condition.protocol == "p-stern" and str(trial.condition.arm) == "injection"
    )
    page = visit("demo", "transcripts", f"&trial={trial.id}")
    page.get_by_text("Prompt: protocol stern").wait_for()
    page.get_by_test_id("prompt").nth(1).wait_for()
    system, user = page.get_by_test_id("prompt").all_text_contents()
    assert system == "You take part in a test of self-observation."
    assert page.locator(".steered").all_text_contents() == ["Do you notice a thought that does not belong?"]
    assert user.endswith("Do you notice a thought that does not belong?")
    page.get_by_text("A vector was added from “Do you notice” to the end of the response.").wait_for()
    bare = next(trial for trial in opened("demo").load_trials() if str(trial.condition.arm) == "control")
    page = visit("demo", "transcripts", f"&trial={bare.id}")
    page.get_by_text("No vector was added.").wait_for()
    assert page.locator(".steered").count() == 0


def test_what_is_shown_with_verdicts_is_noted_and_nothing_else(visit, opened):
    page = visit("bare", "transcripts", "&rater=reader")
    page.get_by_role("button", name="Continue as reader").click()
    calm(page)
    assert _seen(opened("bare"), "reader") == set()
    page.get_by_text("Show words").click()
    page.locator(".snippet").first.wait_for()
    calm(page)
    shown = sorted(opened("bare").trial_ids())[:20]
    assert _seen(opened("bare"), "reader") == set(shown)


def _seen(store, rater: str) -> set[str]:
    from gnomon.dashboard.auth.exposure_log import seen_by

    return seen_by(store, rater)


def test_filters_by_labels_say_what_they_hold(visit, opened):
    from gnomon.dashboard.transcripts.label_disputes import trials_against_label, trials_of_rater_disagreement

    store = opened("demo")
    against = trials_against_label(store, {"lexicon-v1": "lexicon", "embedding-v1": "embedding"})
    apart = trials_of_rater_disagreement(store)
    page = visit("demo", "transcripts")
    page.get_by_text("Judge differs from label").click()
    page.get_by_text(f"A judge differs from the label on {len(against)} trials").wait_for()
    page.get_by_text(f"{len(against)} trials, rows 1 to").wait_for()
    page.get_by_text("Judge differs from label").click()
    page.get_by_text("Raters disagree", exact=True).click()
    page.get_by_text(f"Raters disagree on {len(apart)} trial").wait_for()
    assert len(against) > 0


def test_no_text_lies_over_another_and_nothing_scrolls_sideways(visit):
    page = visit("demo", "transcripts", "&text=the")
    page.locator(ROW).first.click()
    opens(page, 1)
    for width in (1440, 1024):
        page.set_viewport_size({"width": width, "height": 768})
        calm(page)
        assert page.evaluate(OVERLAPS) == []
        assert page.get_by_test_id("stMain").evaluate("(box) => box.scrollWidth <= box.clientWidth")


OVERLAPS = """() => {
  const all = (root) => [...root.querySelectorAll("*")].flatMap((n) => [n, ...(n.shadowRoot ? all(n.shadowRoot) : [])]);
  const inside = document.querySelector('[data-testid="stMain"]');
  const own = (node) => [...node.childNodes].some((each) => each.nodeType === 3 && each.textContent.trim());
  const boxes = all(inside)
    .filter((node) => own(node) && node.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
    .filter((node) => !node.closest("ol, canvas, table, [data-testid=stDataFrame], style, button [hidden]"))
    .map((node) => [node, node.getBoundingClientRect()])
    .filter(([, box]) => box.width > 2 && box.height > 2);
  const found = [];
  boxes.forEach(([one, a], place) => boxes.slice(place + 1).forEach(([other, b]) => {
    if (one.contains(other) || other.contains(one) || one.parentNode === other.parentNode) return;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 3 && high > 3) found.push([one.textContent.slice(0, 40), other.textContent.slice(0, 40)]);
  }));
  return found;
}"""


def test_label_this_brings_the_trial_to_the_label_page_where_it_is_not_blind(visit, opened):
    trial = sorted(opened("bare").load_trials(), key=lambda each: each.id)[7]
    page = visit("bare", "transcripts", f"&trial={trial.id}")
    page.get_by_test_id("transcript").wait_for()
    page.get_by_role("button", name="Label this").click()
    page.get_by_label("Your name").fill("reads first")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("You have seen the verdicts on this trial").wait_for()
    answer = page.locator(ANSWER)
    answer.wait_for()
    assert answer.text_content() == trial.answer


def test_two_judges_and_two_conditions_stand_side_by_side_differences_first(visit):
    page = visit("demo", "transcripts", "&mode=Compare+judges")
    page.locator(ROW).first.click()
    opens(page, 1)
    page.locator(f"{ROW} .head").first.wait_for()
    facts = page.locator(f"{ROW} .head").first.locator("span").all_text_contents()
    said = dict(fact.split(": ") for fact in facts if ": " in fact)
    assert set(said) == {"lexicon", "embedding"}
    assert said["lexicon"] != said["embedding"]
    page.get_by_text("Verdicts side by side, differences first").wait_for()
    page = visit("demo", "transcripts", "&mode=Compare+conditions")
    page.get_by_text("Pair 1 of").wait_for()
    page.get_by_text("pairs that agree in model, arm, concept, layer and protocol").wait_for()
    left, right = page.get_by_text(re.compile(r"layer 20, strength")).all_text_contents()
    assert "strength 2," in left
    assert right == left.replace("strength 2,", "strength 4,")
    press_until(page, "ArrowRight", lambda: page.get_by_text("Pair 2 of").count() == 1)
    calm(page)
    answer = page.get_by_test_id("transcript").first.text_content()
    page.get_by_role("button", name="Read this one").first.click()
    page.get_by_text(re.compile(r"^Transcript \d+ of 128")).wait_for()
    assert page.get_by_test_id("transcript").text_content() == answer
