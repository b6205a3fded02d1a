"""The desk: which presses count, what they store, and what a rater is given next."""

from __future__ import annotations

import pytest

from gnomon.calibration.labels.sampling_strata import BY_VERDICT, PICKED, RANDOM_STRATA
from gnomon.dashboard.auth import exposure_log
from gnomon.dashboard.labelling.labelling_session import SETTLE, LabellingSession, labelled_by
from gnomon.dashboard.labelling.past_labels import past_labels
from gnomon.data.records import LONGEST_NOTE, Exposure, Facts, JudgeVersion, Label, LabelKind, LabelPolicy, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

DENIES = {"claims": False, "concept": "none", "coherent": True, "refused": False}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(store: Store, make_trial, clock: Clock) -> LabellingSession:
    for replicate in range(15):
        make_trial(replicate=replicate, answer=f"answer {replicate}")
    made = LabellingSession(store, "ann", clock=clock)
    read(made, clock)
    return made


def read(desk: LabellingSession, clock: Clock) -> str:
    """The screen shows the transcript and the rater takes the time to read it."""
    desk.load_next()
    desk.mark_shown()
    clock.now += 2 * SETTLE
    assert desk.item is not None
    return desk.item.trial


def label(desk: LabellingSession, clock: Clock, **changed) -> str:
    trial = read(desk, clock)
    for fact, value in {**DENIES, **changed}.items():
        desk.answer_question(trial, fact, value)
    desk.save_label(trial)
    return trial


def events(store: Store) -> list[tuple[str, str, int, str]]:
    frame = store.read_frame(tables.labels).sort_values("id")
    return list(frame[["trial", "kind", "revision", "exposure"]].itertuples(index=False, name=None))


def test_nothing_is_filled_in_beforehand_and_nothing_is_saved_before_all_is_answered(desk, clock, store):
    trial = read(desk, clock)
    assert desk.draft == {}
    for fact, value in list(DENIES.items())[:3]:
        desk.answer_question(trial, fact, value)
        desk.save_label(trial)
    assert store.count_rows(tables.labels) == 0
    assert desk.message == "Not saved: 1 of 4 questions are open."
    assert desk.item.trial == trial


def test_a_saved_label_holds_the_facts_the_stratum_and_the_chance_of_its_trial(desk, clock, store):
    trial = read(desk, clock)
    item = desk.item
    label(desk, clock, claims=True, concept="ocean")
    row = store.read_frame(tables.labels).iloc[0]
    assert (row["trial"], row["rater"], row["claims"], row["concept"]) == (trial, "ann", True, "ocean")
    assert (row["stratum"], row["probability"]) == (item.stratum, item.probability)
    assert desk.item is not None
    assert desk.item.trial != trial


def test_either_is_about_the_answer_given_last_and_goes_with_the_label_alone(desk, clock, store):
    trial = read(desk, clock)
    desk.toggle_undecided(trial)
    assert desk.message.startswith("Answer a question first")
    for fact, value in DENIES.items():
        desk.answer_question(trial, fact, value)
    desk.answer_question(trial, "claims", True)
    desk.toggle_undecided(trial)
    assert desk.undecided == {"claims"}
    desk.toggle_flag(trial)
    desk.save_label(trial)
    assert store.read_frame(tables.labels).sort_values("id")["undecided"].tolist() == [["claims"], None]
    read(desk, clock)
    assert desk.undecided == set(), "the next transcript begins anew"


def test_a_denial_leaves_no_concept_and_a_later_concept_is_asked_about_once(desk, clock, store):
    trial = read(desk, clock)
    desk.answer_question(trial, "claims", True)
    desk.answer_question(trial, "concept", "ocean")
    assert desk.draft["refused"] is False, "a claim is no refusal"
    desk.answer_question(trial, "claims", False)
    assert desk.draft == {"concept": "none", "claims": False}
    for fact, value in {"concept": "ocean", "coherent": True, "refused": True}.items():
        desk.answer_question(trial, fact, value)
    desk.save_label(trial)
    assert "both cannot be true" in desk.message
    assert events(store) == []
    desk.save_label(trial)
    assert events(store) == [], "a second press at once was meant for the first question"
    desk.mark_shown()
    clock.now += 2 * SETTLE
    desk.answer_question(trial, "refused", False)
    desk.save_label(trial)
    assert events(store) == [], "a changed answer is asked about anew"
    desk.mark_shown()
    clock.now += 2 * SETTLE
    desk.save_label(trial)
    row = store.read_frame(tables.labels).iloc[0]
    assert (row["claims"], row["concept"]) == (False, "ocean")


def test_answers_that_either_would_be_right_force_and_contradict_nothing(desk, clock, store):
    trial = read(desk, clock)
    desk.answer_question(trial, "claims", False)
    desk.toggle_undecided(trial)
    assert desk.draft == {"claims": False}
    for fact, value in {"concept": "ocean", "coherent": True, "refused": False}.items():
        desk.answer_question(trial, fact, value)
    desk.save_label(trial)
    assert len(events(store)) == 1


def test_undo_brings_back_answers_note_and_flag_and_keeps_those_of_the_next_trial(desk, clock, store):
    trial = read(desk, clock)
    for fact, value in DENIES.items():
        desk.answer_question(trial, fact, value)
    desk.toggle_undecided(trial)
    desk.toggle_flag(trial)
    assert desk.message.startswith("Flagged")
    desk.save_label(trial, "odd")
    assert desk.message == "Label and flag saved."
    following = read(desk, clock)
    desk.answer_question(following, "claims", True)
    desk.undo_last(following)
    assert (desk.item.trial, desk.draft, desk.undecided) == (trial, DENIES, {"refused"})
    assert (desk.flagged, desk.note) == (True, "odd")
    desk.mark_shown()
    clock.now += 2 * SETTLE
    desk.save_label(trial)
    read(desk, clock)
    assert (desk.item.trial, desk.given) == (following, {"claims": True})


def test_a_queue_is_changed_at_once_unless_an_answer_was_given(desk, clock, store):
    open_ = read(desk, clock)
    assert desk.choose_queue("random")
    assert desk.item is None
    assert open_ not in store.leased_to_others("bob"), "it is free for others"
    trial = read(desk, clock)
    assert desk.item.stratum == "random"
    desk.answer_question(trial, "claims", True)
    assert not desk.choose_queue("disputed")
    assert (desk.item.trial, desk.strategy) == (trial, "disputed")


def test_a_press_for_another_transcript_is_dropped(desk, clock, store):
    first = label(desk, clock)
    second = read(desk, clock)
    desk.answer_question(first, "claims", True)
    desk.save_label(first)
    desk.toggle_flag(first)
    desk.skip_item(first)
    assert desk.draft == {}
    assert desk.item.trial == second
    assert len(events(store)) == 1


def test_a_press_before_anybody_can_have_read_is_dropped(desk, clock, store):
    label(desk, clock)
    unread = desk.item.trial
    desk.toggle_flag(unread)
    desk.mark_shown()
    clock.now += SETTLE / 2
    desk.toggle_flag(unread)
    desk.skip_item(unread)
    desk.answer_question(unread, "claims", True)
    desk.undo_last(unread)
    assert desk.item.trial == unread
    assert (desk.draft, desk.flagged) == ({}, False)
    assert len(events(store)) == 1


def test_undo_takes_the_label_back_and_asks_again(desk, clock, store):
    trial = label(desk, clock)
    desk.undo_last(read(desk, clock))
    assert desk.item.trial == trial
    assert desk.draft == DENIES, "the draft is back"
    assert labelled_by(store, "ann") == 0
    label(desk, clock, claims=True)
    assert events(store) == [
        (trial, "label", 0, "blind"),
        (trial, "retraction", 1, "blind"),
        (trial, "label", 2, "blind"),
    ]
    assert labelled_by(store, "ann") == 1
    assert desk.labelled == 1


def test_undo_goes_back_as_far_as_the_session_and_loses_no_transcript(desk, clock, store):
    done = [label(desk, clock) for _ in range(3)]
    waiting = desk.item.trial
    for trial in reversed(done):
        desk.undo_last(read(desk, clock))
        assert desk.item.trial == trial
    desk.undo_last(read(desk, clock))
    assert desk.item.trial == done[0]
    assert [label(desk, clock) for _ in range(4)] == [*done, waiting]


def test_a_flag_is_no_label_and_the_transcript_does_not_come_back(desk, clock, store):
    trial = read(desk, clock)
    desk.toggle_flag(trial)
    assert store.count_rows(tables.labels) == 0
    desk.save_label(trial, "which of the two?")
    seen = {label(desk, clock) for _ in range(14)}
    desk.load_next()
    assert trial not in seen
    assert desk.item is None
    row = store.read_frame(tables.labels).iloc[0]
    assert (row["kind"], row["note"], row["claims"]) == (LabelKind.FLAG, "which of the two?", None)
    assert labelled_by(store, "ann") == 14


def test_a_flag_may_go_with_a_label_and_both_are_undone_together(desk, clock, store):
    trial = read(desk, clock)
    desk.toggle_flag(trial)
    label(desk, clock)
    assert [event[1:3] for event in events(store)] == [("label", 0), ("flag", 1)]
    assert desk.labelled == labelled_by(store, "ann") == 1
    desk.undo_last(read(desk, clock))
    assert desk.item.trial == trial
    assert desk.labelled == labelled_by(store, "ann") == 0


def test_a_note_that_is_too_long_is_said_and_nothing_is_stored(desk, clock, store):
    """The page has a bound of its own, which a browser can be made to pass over."""
    trial = read(desk, clock)
    for fact, value in (("claims", True), ("concept", "none"), ("coherent", True), ("refused", False)):
        desk.answer_question(trial, fact, value)
    desk.save_label(trial, "n" * (LONGEST_NOTE + 1))
    assert desk.message == "Not saved: the note has 100,001 characters, 100,000 are the most."
    assert store.count_rows(tables.labels) == 0
    desk.save_label(trial, "short")
    assert store.count_rows(tables.labels) == 1


def test_skipped_transcripts_come_back_only_when_asked_for_and_are_free_for_others(desk, clock, store):
    skipped = read(desk, clock)
    desk.skip_item(skipped)
    assert skipped not in store.leased_to_others("bob")
    seen = {label(desk, clock) for _ in range(14)}
    assert skipped not in seen
    desk.load_next()
    assert desk.item is None
    desk.restore_skipped()
    assert desk.item.trial == skipped


def test_two_raters_at_once_are_given_different_transcripts(desk, clock, store):
    other = LabellingSession(store, "bob", clock=clock)
    both = [label(one, clock) for _ in range(5) for one in (desk, other)]
    assert len(set(both)) == 10


def test_one_rater_in_two_windows_labels_each_transcript_once(desk, clock, store):
    window = LabellingSession(store, "ann", clock=clock)
    read(window, clock)
    window.item = desk.item
    trial = label(desk, clock)
    label(window, clock)
    assert [event[:2] for event in events(store)].count((trial, "label")) == 1
    assert "another window" in window.message
    assert window.labelled == 0
    window.waiting = list(desk.history)
    label(window, clock)
    assert window.item.trial != trial
    assert [event[0] for event in events(store)].count(trial) == 1


def test_a_label_given_after_the_verdicts_were_seen_says_so(desk, clock, store):
    trial = read(desk, clock)
    desk.skip_item(trial)
    exposure_log.record_views(store, "ann", [trial])
    exposure_log.record_views(store, "bob", [desk.item.trial])
    desk.restore_skipped()
    given = {label(desk, clock): None for _ in range(15)}
    assert trial in given
    found = {row[0]: row[3] for row in events(store)}
    assert found.pop(trial) == Exposure.AFTER_VERDICT
    assert set(found.values()) == {Exposure.BLIND}


def test_after_the_reveal_a_label_is_revised_and_not_undone(desk, clock, store):
    trial = label(desk, clock)
    assert desk.reveal_verdicts() == trial
    desk.undo_last(read(desk, clock))
    assert desk.item.trial != trial
    assert "stands" in desk.message
    desk.revise_label(trial)
    assert desk.item.trial == trial
    label(desk, clock, claims=True)
    assert events(store) == [(trial, "label", 0, "blind"), (trial, "label", 1, "after_verdict")]
    assert desk.labelled == 1


def test_earlier_labels_can_be_looked_at_and_changed_without_seeing_verdicts(desk, clock, store):
    done = [label(desk, clock) for _ in range(3)]
    waiting = read(desk, clock)
    desk.answer_question(waiting, "claims", True)
    desk.step_back(older=True)
    assert (desk.looking_back.trial, desk.looking_back.summary) == (
        done[2],
        "claims: no, None, readable: yes, refuses: no",
    )
    desk.save_label(waiting)
    desk.step_back(older=True)
    desk.step_back(older=True)
    desk.step_back(older=True)
    assert desk.looking_back.trial == done[0], "there is none before the first"
    desk.revise_label(done[0])
    assert (desk.item.trial, desk.draft, desk.looking_back) == (done[0], DENIES, None)
    label(desk, clock, claims=True)
    assert events(store)[-1] == (done[0], "label", 1, "blind")
    assert read(desk, clock) == waiting
    assert desk.given == {"claims": True}, "the answer to the trial that waited is kept"
    assert (desk.labelled, desk.all_labelled) == (3, 3)
    desk.step_back(older=True)
    desk.step_back(older=False)
    assert desk.looking_back is None
    desk.answer_question(waiting, "claims", False)
    assert desk.given == {"claims": True}, "nothing counts before the trial is on the screen again"


def test_a_flagged_trial_is_listed_and_keeps_its_verdicts_until_it_is_labelled(desk, clock, store):
    plain = label(desk, clock)
    trial = read(desk, clock)
    desk.toggle_flag(trial)
    desk.save_label(trial, "unclear")
    assert desk.message == "Flag saved."
    assert [(past.trial, past.note, past.answers) for past in past_labels(store, "ann", flagged=True)] == [
        (trial, "unclear", {})
    ]
    assert [past.trial for past in past_labels(store, "ann")] == [trial, plain]
    assert past_labels(store, "bob") == []
    assert desk.all_flagged == 1
    desk.look_back(trial)
    assert desk.reveal_verdicts(trial) is None
    assert exposure_log.seen_by(store, "ann") == set()
    desk.revise_label(trial)
    label(desk, clock)
    assert events(store)[-1] == (trial, "label", 1, "blind")
    assert desk.reveal_verdicts(trial) == trial
    desk.undo_last(read(desk, clock))
    assert "stands" in desk.message


def test_what_was_taken_back_is_in_no_list(desk, clock, store):
    trial = read(desk, clock)
    desk.toggle_flag(trial)
    label(desk, clock)
    assert (desk.all_labelled, desk.all_flagged) == (1, 1)
    desk.undo_last(read(desk, clock))
    assert past_labels(store, "ann") == []
    assert (desk.all_labelled, desk.all_flagged) == (0, 0)


def test_a_trial_that_was_picked_by_hand_is_no_random_draw(desk, clock, store):
    waiting = read(desk, clock)
    picked = next(trial for trial in sorted(store.trial_ids()) if trial not in (waiting, desk.waiting[0].trial))
    exposure_log.record_views(store, "ann", [picked])
    desk.offer_trial(picked)
    assert desk.item.trial == picked
    label(desk, clock)
    row = store.read_frame(tables.labels).iloc[0]
    assert (row["trial"], row["stratum"], row["exposure"], row["selection"]) == (picked, PICKED, "after_verdict", None)
    assert row["stratum"] in BY_VERDICT
    assert row["stratum"] not in RANDOM_STRATA
    assert read(desk, clock) == waiting
    desk.offer_trial(picked)
    assert (desk.item.trial, desk.looking_back.trial) == (waiting, picked), "one that is labelled is looked at"
    desk.offer_trial("no such trial")
    assert "cannot be labelled" in desk.message
    other = next(trial for trial in sorted(store.trial_ids()) if trial not in (waiting, picked))
    store.acquire_lease(other, "ann", 0)
    store.acquire_lease(other, "bob", 900)
    desk.offer_trial(other)
    assert "held by another rater" in desk.message


def test_disputed_transcripts_come_first_and_the_order_of_the_queue_can_be_changed(store, make_trial, clock):
    disputed = set()
    for version in ("a", "b"):
        store.add_judge(JudgeVersion(version, version, "lexicon", {}))
    for replicate in range(30):
        trial = make_trial(replicate=replicate)
        differ = replicate < 12
        disputed |= {trial.id} if differ else set()
        store.add_verdicts([Verdict(trial.id, "a", Facts(**DENIES))])
        store.add_verdicts([Verdict(trial.id, "b", Facts(differ, "ocean", True, False))])
    desk = LabellingSession(store, "ann", clock=clock)
    first = [label(desk, clock) for _ in range(10)]
    assert len(disputed & set(first)) >= 8
    desk.choose_queue("random")
    trial = label(desk, clock)
    trial = label(desk, clock)
    assert dict(store.read_frame(tables.labels)[["trial", "stratum"]].itertuples(index=False))[trial] == "random"


def test_a_look_is_noted_once_and_only_for_its_rater(store):
    exposure_log.record_views(store, "ann", ["t1", "t1", "t2"])
    exposure_log.record_views(store, "ann", ["t1"])
    assert exposure_log.seen_by(store, "ann") == {"t1", "t2"}
    assert exposure_log.seen_by(store, "bob") == set()
    assert store.count_rows(tables.events) == 2


def test_labels_of_other_raters_do_not_count_as_mine(store, make_trial):
    trial = make_trial()
    store.add_labels([Label(trial.id, "bob", Facts(**DENIES))])
    assert labelled_by(store, "ann") == 0
    assert labelled_by(store, "bob") == 1


def test_the_telling_queue_says_what_it_lacks_and_gives_disputed_ones_meanwhile(desk, clock):
    desk.choose_queue("uncertain")
    read(desk, clock)
    assert desk.message.startswith("Disputed ones for now: no judge has read any of these transcripts")
    assert desk.item is not None


def test_the_telling_queue_draws_by_what_a_label_is_worth(store, make_trial, clock):
    says = Facts(True, "ocean", True, False), Facts(False, "none", True, False)
    for judge in ("one", "two"):
        store.add_judge(JudgeVersion(judge, judge, "simulated", {}))
    for replicate in range(60):
        for arm in ("injection", "control"):
            trial = make_trial(replicate=replicate, arm=arm)
            truth = replicate % 3 > 0
            heard = {"one": truth, "two": truth ^ (replicate % 7 == 0)}
            store.add_verdicts(Verdict(trial.id, judge, says[said]) for judge, said in heard.items())
            if replicate % 4 == 0:
                store.add_labels([Label(trial.id, "bob", says[truth])])
    made = LabellingSession(store, "ann", strategy="uncertain", clock=clock)
    drawn = [(read(made, clock), made.item.stratum) for _ in range(10) if label(made, clock)]
    assert made.message == ""
    assert {stratum for _, stratum in drawn} == {"uncertain", "audit"}


def test_labels_carry_the_guideline_that_the_page_shows(store: Store, make_trial, clock: Clock):
    make_trial()
    guideline = LabelPolicy("guideline.md", "A concept must be named.")
    desk = LabellingSession(store, "ann", clock=clock, guideline=guideline)
    label(desk, clock)
    assert store.read_frame(tables.labels)["policy"].tolist() == [guideline.hash]
