"""Filters by labels: a judge that differs from the label, raters that differ, flags, notes, and one's own labels."""

from __future__ import annotations

import pytest

from gnomon.dashboard.transcripts import incremental_search, label_conditions, label_disputes, transcript_query
from gnomon.dashboard.transcripts.transcript_query import TrialFilters
from gnomon.data.records import Exposure, Facts, JudgeVersion, Label, LabelKind, RaterRole, Verdict, VerdictState

DENIES, CLAIMS = Facts(False, "none", True, False), Facts(True, "other", True, False)


@pytest.fixture
def judges(store) -> dict[str, str]:
    for name in ("a", "b"):
        store.add_judge(JudgeVersion(f"{name}-1", name, "lexicon", {}))
    store.save_settings({"concepts": ["ocean"], "judges": ["a", "b"], "label_view": "blind"})
    return {"a-1": "a", "b-1": "b"}


def found(store, **filters) -> set[str]:
    conditions = transcript_query.filter_conditions(
        store, TrialFilters(**filters), transcript_query.filter_choices(store)
    )
    return set(incremental_search.start_search(store, conditions, slow=False, wanted=99).ids)


def test_a_judge_differs_from_the_label_by_outcome_and_in_the_studys_view(store, make_trial, judges):
    agrees, differs, failed, late, unlabelled = (make_trial(replicate=n).id for n in range(5))
    store.add_verdicts(
        [
            *(Verdict(trial, "a-1", DENIES) for trial in (agrees, late, unlabelled)),
            Verdict(differs, "a-1", CLAIMS),
            Verdict(differs, "b-1", DENIES),
            Verdict(failed, "a-1", None, VerdictState.REFUSED),
        ]
    )
    store.add_labels([Label(trial, "ann", DENIES) for trial in (agrees, differs, failed)])
    store.add_labels([Label(late, "ann", CLAIMS, exposure=Exposure.AFTER_VERDICT)])
    assert label_disputes.trials_against_label(store, judges) == [differs]
    assert label_disputes.trials_against_label(store, {"b-1": "b"}) == []
    store.save_settings({"concepts": ["ocean"], "judges": ["a", "b"], "label_view": "current"})
    assert label_disputes.trials_against_label(store, {"a-1": "a"}) == sorted([differs, late])


def test_raters_disagree_and_an_adjudication_is_told(store, make_trial, judges):
    one, same, settled = (make_trial(replicate=n).id for n in range(3))
    store.add_labels([Label(trial, "ann", DENIES) for trial in (one, same, settled)])
    store.add_labels([Label(trial, "bob", CLAIMS) for trial in (one, settled)] + [Label(same, "bob", DENIES)])
    store.add_labels([Label(settled, "cleo", CLAIMS, role=RaterRole.ADJUDICATOR)])
    assert label_disputes.trials_of_rater_disagreement(store) == {
        **dict.fromkeys(sorted([one, settled]), False),
        settled: True,
    }


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_flags_notes_and_own_labels_are_found_until_they_are_retracted(store, make_trial, judges):
    flagged, noted, mine, back = (make_trial(replicate=n).id for n in range(4))
    store.add_labels(
        [
            Label(flagged, "ann", None, LabelKind.FLAG, note="please look"),
            Label(noted, "bob", DENIES, note="odd"),
            Label(mine, "ann", DENIES),
            Label(back, "ann", None, LabelKind.FLAG, note="gone"),
            Label(back, "ann", None, LabelKind.RETRACTION, revision=1),
        ]
    )
    assert found(store, flagged=True) == {flagged}
    assert found(store, noted=True) == {flagged, noted}
    assert found(store, labelled_by="ann") == {mine}
    assert found(store, labelled_by="bob", noted=True) == {noted}
    assert label_conditions.most_labels(store) == 1
