"""Who labelled, and which of several raters' labels is the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from gnomon.api.frame_store import read_frames, store_frames
from gnomon.calibration.audit.document import audit_study, audit_views
from gnomon.calibration.labels.truth_summary import summarize_truth
from gnomon.calibration.labels.views import label_events, rater_kinds, rater_labels, reference_labels, reference_raters
from gnomon.data import bundled
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.raters import TruthRule, kind_of_name
from gnomon.data.records import RaterKind
from gnomon.data.storage.store import Store
from gnomon.render.audit import print_audit
from gnomon.stats.cells.aggregation import pattern_cells
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_overview import summarize_study
from gnomon.study_file import LabelSpec

CASE = Path("../shared/cases/raters-alphabetical/t11.csv")
Votes = Sequence[Mapping[str, object]]


def study(votes: Mapping[str, Sequence[int | None]], judge: Sequence[int], **settings: object) -> Store:
    """A study of controls, one judge and some raters; a vote is a claim by the rater on the trial of that place."""
    names = [f"t{place:03d}" for place in range(len(judge))]
    labels = [
        {
            "trial": names[place],
            "rater": rater.split("|")[0],
            "claims": bool(vote),
            "role": (rater + "|rater").split("|")[1],
        }
        for rater, given in votes.items()
        for place, vote in enumerate(given)
        if vote is not None
    ]
    store = store_frames(
        read_frames(
            pd.DataFrame({"trial": names, "arm": "control"}),
            pd.DataFrame({"trial": names, "judge": "j", "claims": [bool(said) for said in judge]}),
            pd.DataFrame(labels),
        )
    )
    store.save_settings(settings)
    return store


def counted(store: Store) -> tuple[int, int, int, int]:
    rates = audit_study(store).judges[0].overall.as_event
    return rates.tp, rates.fp, rates.fn, rates.tn


def test_each_rule_makes_its_own_truth_of_three_raters() -> None:
    votes = {"ann": [1, 1, 0, 0], "bob": [1, 0, 0, None], "cyd": [1, 0, 1, 1]}
    judge = [1, 1, 1, 1]
    found = {
        rule: counted(study(votes, judge, truth=rule)) for rule in ("voices", "majority", "adjudicated", "rater:cyd")
    }
    assert found == {
        "voices": (1, 3, 0, 0),  # the last trial is a tie: the rater who labelled first
        "majority": (1, 2, 0, 0),  # and by the majority it has no truth
        "adjudicated": (1, 0, 0, 0),  # all agree on the first trial only
        "rater:cyd": (3, 1, 0, 0),
    }


def test_an_adjudicator_decides_under_majority_and_adjudicated() -> None:
    votes = {"ann": [1, 1], "bob": [1, 0], "eva|adjudicator": [0, 0]}
    for rule in ("voices", "majority", "adjudicated"):
        assert counted(study(votes, [1, 1], truth=rule)) == (0, 2, 0, 0)


@pytest.mark.parametrize(("rule", "truths"), [("voices", 3), ("majority", 2), ("adjudicated", 2)])
def test_adjudicators_who_disagree_decide_nothing_and_are_a_disagreement(rule: str, truths: int) -> None:
    """Not the one whose name comes first in the alphabet; two of three are a majority."""
    votes = {
        "ann": [1, 1, 1],
        "bob": [0, 0, 1],
        "x|adjudicator": [0, 1, None],
        "y|adjudicator": [1, 0, None],
        "z|adjudicator": [None, 0, None],
    }
    store = study(votes, [1, 0, 1], truth=rule)
    found = summarize_truth(store, "blind")
    assert (found.disagreements, found.adjudicated, found.undecided) == (2, 1, 3 - truths)
    truth = reference_labels(store, "blind").set_index("trial")["claims"].to_dict()
    assert (truth.get("t000"), truth["t001"], truth["t002"]) == (True if rule == "voices" else None, False, True)


def test_ties_are_told_because_a_name_decides_them_where_no_time_does() -> None:
    votes = {
        "ann": [1, 1, 0, 0],
        "bob": [1, 0, 0, None],
        "cyd": [1, None, 1, 1],
        "x|adjudicator": [None, None, None, 1],
    }
    found = summarize_truth(study(votes, [1, 1, 1, 1]), "blind")
    assert (found.tied, found.undecided) == (1, 0)
    assert "1 trial is a tie: where no times tell who labelled first, it is the first by name" in found.words
    by_majority = summarize_truth(study(votes, [1, 1, 1, 1], truth="majority"), "blind")
    assert (by_majority.tied, by_majority.undecided) == (1, 1)
    assert "a tie:" not in by_majority.words


def test_only_under_voices_raters_are_opinions_in_the_fit() -> None:
    votes = {"ann": [1, 1, 0, 0], "bob": [1, 0, 0, None], "cyd": [1, 0, 1, 1]}
    voices = pattern_cells(study(votes, [1, 1, 1, 1]))
    majority = pattern_cells(study(votes, [1, 1, 1, 1], truth="majority"))
    assert voices.raters == ("ann", "bob", "cyd")
    assert not voices.exact.any()
    assert majority.raters == ()
    assert int(majority.count[majority.label >= 0].sum()) == 3
    assert int(majority.count.sum()) == 4  # the tie is a trial without a label


def test_disagreements_and_the_rule_are_told_wherever_counts_stand(capsys: pytest.CaptureFixture[str]) -> None:
    store = study({"ann": [1, 1, 0, 0], "bob": [1, 0, 0, None], "cyd": [1, 0, 1, 1]}, [1, 1, 1, 1], truth="majority")
    told = summarize_truth(store, "blind")
    assert (told.repeated, told.disagreements, told.adjudicated, told.undecided) == (4, 3, 0, 1)
    print_audit(audit_views(store))
    text = " ".join(capsys.readouterr().out.split())
    assert "3 disagreements between raters, 0 of them adjudicated" in text
    assert 'truth = "majority"' in text
    assert "1 labelled trial has no truth by this rule" in text


@pytest.mark.skipif(not CASE.exists(), reason="../shared/cases is absent")
def test_the_three_raters_of_the_case_by_majority() -> None:
    rows = pd.read_csv(CASE)
    votes = {name: [1 - vote for vote in rows[name]] for name in ("ada", "bea", "cyd")}  # there 1 is a pass
    store = study(votes, [1 - said for said in rows["judge"]], truth="majority")
    passed = audit_study(store).judges[0].overall.as_pass
    assert (passed.tp, passed.fp, passed.fn, passed.tn) == (28, 3, 3, 26)
    assert summarize_truth(store, "blind").disagreements == 23


def test_agreement_of_raters_is_printed_with_kappa(capsys: pytest.CaptureFixture[str]) -> None:
    store = study({"ann": [1, 0] * 15, "bob": [1, 0, 1, 1, 0] * 6}, [1, 0] * 15)
    print_audit(audit_views(store))
    text = capsys.readouterr().out
    assert "Cohen's kappa" in text
    assert "  ann and bob " in text
    assert "  j (judge) and ann " in text


def test_a_rule_that_names_nobody_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="rater 'zoe' has no label in this study: choose from ann"):
        audit_study(study({"ann": [1]}, [1], truth="rater:zoe"))
    for text in ("rater:", "most", "Voices", ""):
        with pytest.raises(InputError, match="voices, majority, adjudicated or rater:NAME"):
            TruthRule.from_text(text)
        with pytest.raises(ValueError, match="is not known"):
            LabelSpec(truth=text)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, "model")
            for name in ("judge:claude-sonnet", "JUDGE:x", "gpt-4o", "gpt4", "openai/gpt-4.1", "claude-3")
        ),
        *(
            (name, "model")
            for name in ("meta-llama/Llama-3-8B", "o3-mini", "gemma-2-9b", "qwen2.5", "LLM judge", "grok-2")
        ),
        *((name, "rule") for name in ("regex", "keyword-list", "rule:refusal")),
        *((name, "person") for name in ("ann", "human", "claude", "Gemma", "phil", "jo3", "llamas", "12", "ruler")),
    ],
)
def test_a_name_tells_a_language_model_from_a_person(name: str, kind: str) -> None:
    assert kind_of_name(name) == RaterKind(kind)


def test_labels_by_a_model_are_no_human_labels() -> None:
    store = study({"ann": [1, 0, None], "gpt-4o": [0, 1, 1]}, [1, 0, 1])
    assert counted(store) == (1, 0, 0, 1)
    assert set(label_events(store)["rater"]) == {"ann"}
    assert set(reference_labels(store, "current")["rater"]) == {"ann"}
    assert pattern_cells(store).raters == ("ann",)
    found = audit_study(store)
    assert [(each.rater, each.kind, each.labels) for each in found.truth.machines] == [("gpt-4o", "model", 3)]
    assert "gpt-4o is a language model, no person" in found.truth.words
    assert {(pair.a_kind, pair.b_kind) for pair in found.agreement.pairs} >= {("judge", "model"), ("model", "rater")}
    assert found.disagreements == 0


def test_a_study_with_labels_by_a_model_alone_has_no_human_label() -> None:
    store = study({"gpt-4o": [1, 0, 1]}, [1, 0, 1])
    found = audit_study(store)
    assert found.labelled == 0
    assert "No person has labelled" in found.truth.words


def test_the_study_file_says_what_a_rater_is_against_name_and_fact() -> None:
    store = study({"ann": [1, 0], "gpt-4o": [1, 0]}, [1, 0], rater_kinds={"ann": "rule", "gpt-4o": "person"})
    assert rater_kinds(store) == {"ann": RaterKind.RULE, "gpt-4o": RaterKind.PERSON}
    assert set(rater_labels(store, "blind")["rater"]) == {"gpt-4o"}
    assert LabelSpec(kinds={"ann": "model"}).kinds == {"ann": RaterKind.MODEL}


def test_names_of_raters_in_the_study_file_are_folded_as_those_of_labels_are() -> None:
    votes = {"Ann ": [1, 0], "lm-2": [1, 0], "12": [0, 0]}
    store = study(votes, [1, 0], rater_kinds={"ann": "rule", "LM-2": "person"}, truth="rater:12.0")
    assert {str(kind) for name, kind in rater_kinds(store).items() if name.startswith("Ann")} == {"rule"}
    assert reference_raters(store) == ["12", "lm-2"]
    assert audit_study(store).truth.undecided == 0
    store.save_settings({"admitted_raters": [" ANN"]})
    assert len(reference_raters(store)) == 3
    exact = study({"ann": [1], "Ann": [0]}, [1], rater_kinds={"Ann": "model"})
    assert reference_raters(exact) == ["ann"]


def test_a_name_in_the_study_file_that_no_rater_has_is_told() -> None:
    """Else the labels of a model count as those of a person, because its name is misspelt."""
    store = study({"ann": [1, 0], "bot": [0, 0]}, [1, 0], rater_kinds={"bott": "model"}, admitted_raters=["gpt-9"])
    found = audit_study(store).truth
    assert found.unknown == ("bott", "gpt-9")
    assert found.words.endswith("no rater here is called: bott, gpt-9.")
    assert [note.text for note in list_notices(summarize_study(store)) if "bott, gpt-9" in note.text]


def test_a_study_may_admit_a_model_as_rater_and_then_says_so_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    store = study({"gpt-4o": [1, 0, 1], "gpt-5": [1, 1, 1]}, [1, 0, 1], admitted_raters=["gpt-4o"])
    assert counted(store) == (2, 0, 0, 1)
    found = audit_study(store)
    assert [each.rater for each in found.truth.admitted] == ["gpt-4o"]
    assert [each.rater for each in found.truth.machines] == ["gpt-5"]
    print_audit(audit_views(store))
    text = " ".join(capsys.readouterr().out.split())
    assert "no estimate that rests on them is checked by people" in text
    assert [note.text for note in list_notices(summarize_study(store)) if "checked by people" in note.text]


def test_the_calibration_set_is_labelled_by_language_models() -> None:
    labels = bundled.calibration_set().labels
    assert {label.rater for label in labels} == set(bundled.RATERS)
    assert {label.rater_kind for label in labels} == {RaterKind.MODEL}
