"""Label views: what counts as a rater's label, which one stands, and what revisions show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from database import on_both

from gnomon.calibration.audit.revisions import audit_revisions
from gnomon.calibration.labels.views import COLUMNS, label_events, rater_disagreements, rater_labels, reference_labels
from gnomon.data.errors import UnknownNameError
from gnomon.data.records import Exposure, Facts, JudgeVersion, Label, LabelKind, RaterRole, Trial, Verdict, VerdictState
from gnomon.data.storage.store import Store

SILENT = Facts(claims=False, concept="none", coherent=True, refused=False)
NAMED = Facts(claims=True, concept="ocean", coherent=True, refused=False)
REFUSED = Facts(claims=False, concept="none", coherent=True, refused=True)

store_url = on_both
Make = Callable[..., Trial]


@pytest.fixture
def trial(make_trial: Make) -> str:
    return make_trial().id


@pytest.fixture
def say(store: Store, trial: str) -> Callable[..., None]:
    """Add one event of a rater on the trial; time moves on by a second with each."""
    clock = iter(range(60))

    def add(
        rater: str,
        facts: Facts | None = SILENT,
        exposure: Exposure = Exposure.BLIND,
        kind: LabelKind = LabelKind.LABEL,
        role: RaterRole = RaterRole.RATER,
    ) -> None:
        revision = store.next_revision(trial, rater)
        moment = f"2026-01-01T00:00:{next(clock):02d}.000000+00:00"
        event = Label(trial, rater, facts, kind, role, revision, exposure, created_at=moment)
        assert store.add_labels([event]) == 1

    return add


def believed(store: Store, view: str) -> list[tuple[str, bool, bool]]:
    rows = reference_labels(store, view)
    return list(zip(rows["rater"], rows["claims"].tolist(), rows["refused"].tolist(), strict=True))


def test_no_labels_give_an_empty_frame_with_the_agreed_columns(store: Store) -> None:
    for view in ("blind", "first", "current"):
        rows = reference_labels(store, view)
        assert list(rows.columns) == list(COLUMNS)
        assert rows.empty
        assert rater_disagreements(store, view).empty
    assert audit_revisions(store).n == 0


def test_of_several_raters_the_most_frequent_outcome_counts_and_the_first_where_there_is_none(
    store: Store, say: Callable[..., None]
) -> None:
    say("ann", NAMED)
    say("bob", SILENT)
    assert believed(store, "blind") == [("ann", True, False)], "one each: the first"
    say("cyd", SILENT)
    assert believed(store, "blind") == [("bob", False, False)]
    say("dee", REFUSED, role=RaterRole.ADJUDICATOR)
    assert believed(store, "blind") == [("dee", False, True)]


def test_a_label_carries_its_trials_split_and_how_it_was_chosen(store: Store, trial: str) -> None:
    store.add_labels([Label(trial, "ann", NAMED, stratum="audit", probability=0.25)])
    (row,) = reference_labels(store, "blind").to_dict("records")
    assert row["split"] in {"train", "dev", "test"}
    assert (row["stratum"], row["probability"], row["exposure"]) == ("audit", 0.25, "blind")
    assert (row["claims"], row["concept"], row["coherent"], row["refused"]) == (True, "ocean", True, False)


def test_views_tell_a_revision_after_the_verdict_apart(store: Store, say: Callable[..., None]) -> None:
    say("ann", SILENT)
    say("ann", NAMED, Exposure.AFTER_VERDICT)
    assert believed(store, "blind") == [("ann", False, False)]
    assert believed(store, "first") == [("ann", False, False)]
    assert believed(store, "current") == [("ann", True, False)]


def test_blind_view_knows_nothing_of_labels_that_were_not_blind(store: Store, say: Callable[..., None]) -> None:
    say("ann", NAMED, Exposure.UNKNOWN)
    say("bob", NAMED, Exposure.AFTER_VERDICT)
    assert believed(store, "blind") == []
    assert believed(store, "first") == [("ann", True, False)]


def test_a_blind_second_thought_is_the_blind_label(store: Store, say: Callable[..., None]) -> None:
    say("ann", SILENT)
    say("ann", NAMED)
    assert believed(store, "blind") == [("ann", True, False)]
    assert believed(store, "first") == [("ann", False, False)]


def test_undo_withdraws_what_the_same_rater_said_before_it_and_nothing_else(
    store: Store, say: Callable[..., None]
) -> None:
    say("ann", NAMED)
    say("bob", REFUSED)
    say("ann", None, kind=LabelKind.RETRACTION)
    for view in ("blind", "first", "current"):
        assert believed(store, view) == [("bob", False, True)]
    say("ann", SILENT)
    assert believed(store, "current") == [("bob", False, True)], "ann's standing label is now younger than bob's"
    assert len(rater_labels(store, "first")) == 2
    assert label_events(store)["withdrawn"].tolist() == [True, False, False, False]


def test_a_flag_is_no_label(store: Store, say: Callable[..., None]) -> None:
    say("ann", None, kind=LabelKind.FLAG)
    assert believed(store, "current") == []


def test_the_first_rater_stands_even_after_revising_last(store: Store, say: Callable[..., None]) -> None:
    say("bob", SILENT)
    say("ann", REFUSED)
    say("bob", NAMED)
    assert believed(store, "current") == [("bob", True, False)]


def test_the_adjudicator_outranks_everybody(store: Store, say: Callable[..., None]) -> None:
    say("ann", SILENT)
    say("bob", NAMED)
    assert rater_disagreements(store, "blind")["adjudicated"].tolist() == [False]
    say("zoe", REFUSED, role=RaterRole.ADJUDICATOR)
    for view in ("blind", "first", "current"):
        assert believed(store, view) == [("zoe", False, True)]
    (row,) = rater_disagreements(store, "blind").to_dict("records")
    assert row["outcomes"] == "ann: denied; bob: identified"
    assert row["adjudicated"]
    say("ann", NAMED, role=RaterRole.ADJUDICATOR)
    assert believed(store, "first") == [("ann", False, False)], "adjudicators who disagree decide nothing"
    (row,) = rater_disagreements(store, "blind").to_dict("records")
    assert row["outcomes"] == "ann: denied; ann: identified; bob: identified; zoe: refused"
    assert not row["adjudicated"]


def test_raters_who_differ_only_where_the_outcome_does_not_care_agree(store: Store, make_trial: Make) -> None:
    control = make_trial(arm="control").id
    for rater, concept in (("ann", "ocean"), ("bob", "other")):
        store.add_labels([Label(control, rater, Facts(True, concept, True, False))])
    assert rater_disagreements(store, "current").empty


def test_an_unknown_view_is_refused_by_name(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="label view 'best' is not known: choose from blind, first, current"):
        reference_labels(store, "best")


def judge_says(store: Store, trial: str, facts: Facts | None, state: VerdictState = VerdictState.OK) -> None:
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
    store.add_verdicts([Verdict(trial, "j1", facts, state)])


@pytest.mark.parametrize(
    ("verdict", "toward", "away"), [(NAMED, 1, 0), (SILENT, 0, 1), (REFUSED, 0, 1)], ids=["toward", "away", "fail"]
)
def test_revisions_after_the_verdict_are_told_by_direction(
    store: Store, say: Callable[..., None], trial: str, verdict: Facts, toward: int, away: int
) -> None:
    judge_says(store, trial, verdict)
    say("ann", SILENT)
    say("ann", NAMED, Exposure.AFTER_VERDICT)
    seen = audit_revisions(store)
    assert (seen.n, seen.after_verdict, seen.toward_judge, seen.away_from_judge) == (1, 1, toward, away)
    assert (seen.p_value, seen.p_one_sided) == (1.0, 0.5 if toward else 1.0)
    assert seen.pass_fail.n == 1, "who turns a fail into a pass moves to a judge that passed or from one that failed"


@pytest.mark.parametrize(("verdict", "direction"), [(REFUSED, "toward"), (SILENT, "away"), (NAMED, "neither")])
def test_a_revision_that_keeps_pass_and_fail_moves_by_its_outcome(
    store: Store, say: Callable[..., None], trial: str, verdict: Facts, direction: str
) -> None:
    judge_says(store, trial, verdict)
    say("ann", SILENT)
    say("ann", REFUSED, Exposure.AFTER_VERDICT)
    seen = audit_revisions(store)
    (move,) = seen.moves
    assert move.direction == move.verdicts[0].direction == direction
    assert (move.before, move.after, move.passed_before, move.passed_after) == (
        "denied",
        "refused",
        False,
        False,
    )
    assert (seen.pass_fail.n, seen.pass_fail.toward_judge, seen.pass_fail.p_value) == (0, 0, None)
    assert seen.neither == (direction == "neither")


def test_revisions_are_counted_by_what_the_rater_had_seen(store: Store, say: Callable[..., None], trial: str) -> None:
    judge_says(store, trial, NAMED)
    say("ann", SILENT)
    say("ann", NAMED, Exposure.UNKNOWN)
    say("ann", REFUSED, Exposure.BLIND)
    say("ann", NAMED, Exposure.AFTER_VERDICT)
    seen = audit_revisions(store)
    assert [seen.n, seen.unknown, seen.blind, seen.after_verdict, seen.toward_judge] == [3, 1, 1, 1, 1]
    assert [move.exposure for move in seen.moves] == ["unknown", "blind", "after_verdict"]


def test_an_answer_to_the_studys_question_alone_can_be_revised(
    store: Store, say: Callable[..., None], trial: str
) -> None:
    judge_says(store, trial, replace(NAMED, passed=True))
    say("ann", replace(NAMED, passed=False))
    say("ann", replace(NAMED, passed=True), Exposure.AFTER_VERDICT)
    assert (audit_revisions(store).n, audit_revisions(store).toward_judge) == (1, 1)


def test_the_version_that_had_spoken_by_then_is_the_one_that_was_seen(
    store: Store, say: Callable[..., None], trial: str
) -> None:
    """The old version passed the trial before the revision; the new one fails it, but spoke later."""
    for version, facts, day in (("old", NAMED, "2025-12-31"), ("new", SILENT, "2026-02-01")):
        store.add_judge(JudgeVersion(version, "judge", "lexicon", {}))
        store.add_verdicts([Verdict(trial, version, facts, created_at=f"{day}T00:00:00Z")])
    say("ann", SILENT)
    say("ann", NAMED, Exposure.AFTER_VERDICT)
    (by,) = audit_revisions(store).by_judge
    assert (by.version, by.toward_judge) == ("old", 1)
    assert audit_revisions(store, judges=["new"]).away_from_judge == 1, "who was seen may be known"


def test_many_changes_that_all_go_one_way_are_hardly_chance(store: Store, make_trial: Make) -> None:
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
    for place in range(8):
        trial = make_trial(replicate=place).id
        store.add_verdicts([Verdict(trial, "j1", NAMED if place < 7 else SILENT)])
        store.add_labels([Label(trial, "ann", SILENT)])
        store.add_labels([Label(trial, "ann", NAMED, revision=1, exposure=Exposure.AFTER_VERDICT)])
    seen = audit_revisions(store)
    assert (seen.toward_judge, seen.away_from_judge) == (7, 1)
    assert seen.p_one_sided == pytest.approx(9 / 256)
    assert seen.p_value == pytest.approx(18 / 256)
    assert len(seen.moves) == len(seen.trials) == 8


def test_saying_the_same_again_is_no_revision_and_an_undo_hides_none(
    store: Store, say: Callable[..., None], trial: str
) -> None:
    judge_says(store, trial, NAMED)
    say("ann", SILENT)
    say("ann", SILENT, Exposure.AFTER_VERDICT)
    assert audit_revisions(store).n == 0
    say("ann", None, kind=LabelKind.RETRACTION)
    say("ann", NAMED, Exposure.AFTER_VERDICT)
    assert (audit_revisions(store).n, audit_revisions(store).toward_judge) == (1, 1)


def test_a_verdict_that_is_not_ok_pulls_no_label(store: Store, say: Callable[..., None], trial: str) -> None:
    judge_says(store, trial, NAMED, VerdictState.UNPARSABLE)
    say("ann", SILENT)
    say("ann", NAMED, Exposure.AFTER_VERDICT)
    assert audit_revisions(store).toward_judge == 0
