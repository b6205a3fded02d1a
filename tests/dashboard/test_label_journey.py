"""Labelling by keyboard in a real browser: what is pressed is what is stored, for the transcript that was on screen."""

from __future__ import annotations

import re

import dashboard_demo as demo
import pytest
from dashboard_browser import (
    ANSWER,
    answer_on_screen,
    calm,
    chosen,
    press_until,
    settle,
    start_as_suggested,
    started,
    until,
)

from bench.support.raters import DENIES
from gnomon.dashboard.labelling.labelling_session import SETTLE, labelled_by
from gnomon.data.storage import tables

pytestmark = pytest.mark.browser

CLAIMS_FEAR = {"y": "claims=True", "2": "concept=fear", "s": "coherent=True", "e": "refused=False"}


def start(visit, study: str, rater: str):
    """Give a name, as a rater does, and wait for the first transcript."""
    page = visit(study, "label")
    started(page, rater)
    page.locator(ANSWER).wait_for()
    settle(page)
    return page


def answer(page, keys: dict[str, str]) -> None:
    for key, name in keys.items():
        press_until(page, key, lambda name=name: chosen(page, name))


def move_on(page, key: str) -> None:
    """Press a key that brings another transcript, and wait until presses count for it."""
    before = answer_on_screen(page)
    press_until(page, key, lambda: answer_on_screen(page) != before)
    page.wait_for_timeout(1000 * SETTLE)


def events_of(store, rater: str):
    events = store.read_frame(tables.labels)
    mine = events[events["rater"] == rater].sort_values("id").reset_index(drop=True)
    answers = {trial.id: trial.answer for trial in store.load_trials()}
    return mine.assign(answer=mine["trial"].map(answers))


UNDONE = (3, 9, 17, 26, 34)
FLAGGED = (6, 21)


@pytest.mark.simulation
def test_forty_items_labelled_by_keyboard_five_undone_two_flagged_are_exactly_the_events_in_the_database(visit, opened):
    page = start(visit, "journey", "ann")
    expected: list[tuple[str, str, bool | None, str | None]] = []

    def label(keys: dict[str, str]) -> str:
        answer(page, keys)
        seen = answer_on_screen(page)
        claims = keys is CLAIMS_FEAR
        expected.append(("label", seen, claims, "fear" if claims else "none"))
        move_on(page, "Enter")
        return seen

    for place in range(40):
        if place in FLAGGED:
            expected.append(("flag", answer_on_screen(page), None, None))
            press_until(page, "f", lambda: chosen(page, "Flag"))
            move_on(page, "Enter")
        keys = CLAIMS_FEAR if place % 2 else DENIES
        seen = label(keys)
        if place in UNDONE:
            move_on(page, "z")
            assert answer_on_screen(page) == seen
            assert all(chosen(page, name) for name in keys.values()), "the draft is back"
            expected.append(("retraction", seen, None, None))
            label(DENIES)
    move_on(page, "k")
    events = events_of(opened("journey"), "ann")
    found = [
        (row.kind, row.answer, *((bool(row.claims), row.concept) if row.kind == "label" else (None, None)))
        for row in events.itertuples()
    ]
    assert found == expected
    assert events["kind"].value_counts().to_dict() == {"label": 45, "retraction": 5, "flag": 2}
    assert labelled_by(opened("journey"), "ann") == 40
    assert set(events["exposure"]) == {"blind"}
    assert set(events["stratum"]) <= {"disputed", "audit"}
    assert events["probability"].between(0, 1, inclusive="right").all()


@pytest.mark.parametrize("gap", [*(pytest.param(gap, marks=pytest.mark.slow) for gap in (30, 60, 120)), 250])
def test_ten_rapid_presses_save_one_label_of_the_transcript_that_was_read(visit, opened, gap):
    rater = f"hasty {gap}"
    page = start(visit, "rapid", rater)
    seen = answer_on_screen(page)
    answer(page, DENIES)
    for _ in range(10):
        page.keyboard.press("Enter")
        page.wait_for_timeout(gap)
    press_until(page, "y", lambda: chosen(page, "claims=True"))
    assert answer_on_screen(page) != seen
    assert list(events_of(opened("rapid"), rater)["answer"]) == [seen]


def test_keys_work_after_a_queue_was_chosen_and_a_note_was_written(visit, opened):
    page = start(visit, "rapid", "noting")
    page.get_by_text("At random", exact=True).click()
    calm(page)
    move_on(page, "k")
    seen = answer_on_screen(page)
    answer(page, DENIES)
    page.get_by_label("Note (optional)").fill("reads like a nay")
    page.keyboard.press("Tab")
    settle(page)
    move_on(page, "Enter")
    events = events_of(opened("rapid"), "noting")
    assert events[["answer", "note", "stratum"]].to_numpy().tolist() == [[seen, "reads like a nay", "random"]]


def test_a_key_held_down_stores_nothing(visit, opened):
    page = start(visit, "rapid", "heavy hand")
    for key in ("f", "y", "k"):
        for _ in range(6):
            page.keyboard.press(key)
            page.wait_for_timeout(30)
    press_until(page, "y", lambda: chosen(page, "claims=True"))
    assert events_of(opened("rapid"), "heavy hand").empty


def test_a_transcript_is_shown_as_it_is_written(visit, opened):
    hostile = {trial.answer for trial in opened("bare").load_trials() if demo.HOSTILE in trial.answer}
    page = start(visit, "bare", "literal")
    for _ in range(60):
        if answer_on_screen(page) in hostile:
            break
        move_on(page, "k")
    assert answer_on_screen(page) in hostile
    assert page.title() != "hacked"
    assert page.locator("[data-testid=transcript] :not(span)").count() == 0


def test_until_a_label_is_saved_the_browser_is_told_nothing_of_its_origin(visit, opened):
    page = visit("demo", "label")
    frames: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(_bytes(frame))))
    page.reload()
    page.get_by_label("Your name").wait_for()
    settle(page)
    started(page, "blind")
    page.locator(ANSWER).wait_for()
    for _ in range(2):
        answer(page, DENIES)
        move_on(page, "Enter")
    sent = b"".join(frames) + page.content().encode()
    assert b"Is it coherent?" in sent
    for secret in (demo.SECRET_QUOTE, "injection", "control", "SmolLM2", "lexicon", "embedding", "from_marker"):
        assert not re.search(rb"\b" + secret.encode() + rb"\b", sent), secret


def test_after_the_reveal_a_changed_label_says_so_and_cannot_be_undone_into_a_blind_one(visit, opened):
    page = start(visit, "bare", "curious")
    first = answer_on_screen(page)
    answer(page, DENIES)
    move_on(page, "Enter")
    press_until(page, "v", lambda: page.get_by_text("Verdicts", exact=True).count() == 1)
    page.get_by_text("SmolLM2-135M · arm").wait_for()
    assert page.locator('.st-key-last [data-testid="transcript"]').text_content() == first
    page.keyboard.press("z")
    page.get_by_text("its label stands").wait_for()
    press_until(page, "b", lambda: answer_on_screen(page) == first)
    answer(page, CLAIMS_FEAR)
    move_on(page, "Enter")
    events = events_of(opened("bare"), "curious")
    assert list(events["exposure"]) == ["blind", "after_verdict"]
    assert list(events["revision"]) == [0, 1]
    assert events["answer"].nunique() == 1


def test_an_earlier_label_is_looked_at_blind_and_takes_the_place_of_the_next_trial(visit, opened):
    page = start(visit, "bare", "looking back")
    first = answer_on_screen(page)
    answer(page, DENIES)
    press_until(page, "f", lambda: chosen(page, "Flag"))
    move_on(page, "Enter")
    page.get_by_text("Label and flag saved.").wait_for()
    following = answer_on_screen(page)
    press_until(page, "ArrowLeft", lambda: page.get_by_text("Your earlier label").count() == 1)
    assert page.locator(ANSWER).count() == 0, "no unlabelled trial stands beside it"
    assert page.locator('.st-key-last [data-testid="transcript"]').text_content() == first
    assert page.get_by_text("Verdicts", exact=True).count() == 0
    press_until(page, "Enter", lambda: page.locator(ANSWER).count() == 1)
    assert answer_on_screen(page) == following
    opened_list = page.get_by_text("Flagged (1)")
    until(page, opened_list.click, lambda: page.get_by_text("claims: no").count() == 1, "a click on the list")
    page.get_by_text("claims: no").click()
    page.get_by_text("Flagged for review").wait_for()
    assert list(events_of(opened("bare"), "looking back")["kind"]) == ["label", "flag"]


def test_question_response_answers_and_buttons_are_on_a_small_screen(visit):
    page = visit("bare", "label")
    page.set_viewport_size({"width": 1024, "height": 768})
    started(page, "small")
    page.locator(ANSWER).wait_for()
    calm(page)
    answer(page, DENIES)
    move_on(page, "Enter")
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    names = ["Yes", "No", "ocean", "None", "Save", "Skip", "Either", "Flag", "Undo", "Reveal the last one"]
    for name in names:
        box = page.get_by_role("button", name=re.compile(rf"^{name}\b")).first.bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 1024, name
        assert box["y"] + box["height"] <= 768, name
    for shown in (page.locator(".st-key-question"), page.locator(".st-key-answer")):
        assert shown.bounding_box()["y"] + 100 <= 768
    wide = "() => document.documentElement.scrollWidth <= 1024"
    assert page.evaluate(wide), "nothing is scrolled sideways"


def test_reading_a_transcript_with_its_verdicts_is_noted_under_the_raters_name(visit, opened):
    page = visit("bare", "transcripts", "&rater=mallory")
    press_until(page, "ArrowRight", lambda: page.get_by_text("Transcript 1 of 128").count() == 1)
    page.get_by_role("link", name="Label", exact=True).click()
    started(page, "peeper")
    seen = opened("bare").read_frame(tables.events)
    seen = list(seen.loc[seen["kind"] == "transcript_seen", "detail"])
    trial = sorted(opened("bare").trial_ids())[0]
    assert {"rater": "peeper", "trial": trial} in seen
    assert "mallory" not in {each["rater"] for each in seen}


def test_a_page_that_is_only_opened_keeps_no_transcript_and_stores_nothing(visit, opened):
    """Whoever makes a browser open the page, in a hidden window say: the name in the URL waits for a press."""
    page = visit("bare", "label", "&rater=Framed")
    page.get_by_label("Your name").wait_for()
    assert page.get_by_label("Your name").input_value() == "Framed"
    assert page.locator(ANSWER).count() == 0
    for key in ("y", "1", "s", "e", "Enter"):
        page.keyboard.press(key)
    calm(page)
    assert "Framed" not in set(opened("bare").read_frame(tables.leases)["rater"])
    start_as_suggested(page)
    assert "Framed" in set(opened("bare").read_frame(tables.leases)["rater"])


def _bytes(frame) -> bytes:
    return frame if isinstance(frame, bytes) else str(frame).encode()
