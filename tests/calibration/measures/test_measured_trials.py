"""Claims about the frame of measured trials: its columns are the contract that estimators rely on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gnomon.calibration.measures.battery_trials import battery_trials
from gnomon.calibration.measures.measured_trials import NUMBERS, TEXTS, measured_trials
from gnomon.calibration.observations.frames import readable_trials
from gnomon.data.readings import OptionReading
from gnomon.data.records import Arm, Condition, Span, Subject, Trial, trial_seed
from gnomon.data.storage.store import Store

OPTIONS = {"ocean": ["A"], "fear": ["B"], "silence": ["C"], "celebration": ["D"]}
CONTENTS: dict[str, dict[str, object]] = {
    "notice": {"name": "notice: Do you notice it?", "measure": {"name": "notice", "options": {"yes": ["Yes"]}}},
    "pick": {"name": "pick: Which?", "measure": {"name": "pick", "options": OPTIONS, "expected": "{concept}"}},
    "locate": {"name": "locate: set 1", "measure": {"options": {"sentence_1": ["1"], "sentence_2": ["2"]}}},
    "transcribe": {
        "name": "transcribe: A cat slept.",
        "measure": {"options": OPTIONS},
        "spans": {"sentence": {"text": "A cat slept."}},
    },
    "own": {"name": "own: Is it so?", "measure": {"options": {"yes": ["Yes"], "no": ["No"]}, "expected": "no"}},
    "bare": {},
}
Measured = Callable[..., Trial]


def probabilities(**shares: float) -> dict[str, OptionReading]:
    return {"answer": OptionReading({name: math.log(share) for name, share in shares.items()}, 2.5)}


@pytest.fixture
def measured(store: Store) -> Measured:
    """Adds a trial of a measure."""
    store.add_subjects([Subject("toy", 1e9, "toy", "instruct", "r0")])
    for name, content in CONTENTS.items():
        store.add_protocol(name, name, content)

    def make(measure: str, arm: str = "injection", **more: object) -> Trial:
        steered = arm != "control"
        condition = Condition(
            subject="toy",
            revision="r0",
            arm=Arm(arm),
            concept=more.pop("concept", "fear"),  # type: ignore[arg-type]
            layer=20 if steered else None,
            strength=4.0 if steered else 0.0,
            span=more.pop("span", Span.FROM_MARKER),  # type: ignore[arg-type]
            protocol=str(more.pop("protocol", measure)),
            vector="v" if steered else None,
            seed=1,
        )
        id_ = condition.trial_id(0)
        given = {"answer": "", "finish": "read", "tokens": 0, "depth": 0.7 if steered else None, **more}
        trial = Trial(id_, condition, 0, trial_seed(id_), measure=measure, **given)  # type: ignore[arg-type]
        store.add_trials([trial])
        return trial

    return make


def test_the_columns_are_those_of_the_contract(store: Store) -> None:
    frame = measured_trials(store)
    assert frame.empty
    assert list(frame.columns) == [*TEXTS, *NUMBERS]
    contract = "trial subject parameters task arm concept layer depth strength span item k chance correct p_correct"
    assert {*contract.split(), "log_odds_yes", "mass", "entropy", "expected", "picked", "pair", "score"} <= {*frame}


def test_a_yes_no_trial_has_its_log_odds_mass_and_entropy(store: Store, measured: Measured) -> None:
    trial = measured("notice", readings=probabilities(yes=0.6, no=0.2))
    (row,) = measured_trials(store).to_dict("records")
    assert row["trial"] == trial.id
    assert (row["task"], row["arm"], row["item"]) == ("notice", "injection", "Do you notice it?")
    assert (row["subject"], row["parameters"], row["layer"], row["depth"], row["strength"]) == ("toy", 1e9, 20, 0.7, 4)
    assert (row["k"], row["expected"], row["picked"], row["correct"]) == (2, "yes", "yes", 1.0)
    assert row["p_correct"] == pytest.approx(0.75)
    assert row["log_odds_yes"] == pytest.approx(math.log(3))
    assert row["mass"] == pytest.approx(0.8)
    assert row["entropy"] == 2.5
    assert np.isnan(row["chance"])
    assert np.isnan(row["score"])


def test_a_choice_is_right_where_the_trials_own_concept_is_likeliest(store: Store, measured: Measured) -> None:
    measured("pick", readings=probabilities(ocean=0.1, fear=0.2, silence=0.05, celebration=0.05))
    measured(
        "pick", "control", concept="ocean", readings=probabilities(ocean=0.1, fear=0.2, silence=0.1, celebration=0.01)
    )
    frame = measured_trials(store).set_index("arm")
    assert list(frame.loc["injection", ["k", "chance", "expected", "picked", "correct"]]) == [
        4,
        0.25,
        "fear",
        "fear",
        1,
    ]
    assert frame.loc["control", "correct"] == 0
    assert np.isnan(frame.loc["injection", "log_odds_yes"])


def test_a_place_is_right_where_the_vector_was_added(store: Store, measured: Measured) -> None:
    for span, right in (("sentence_1", 0.0), ("sentence_2", 1.0)):
        trial = measured("locate", span=Span(span), readings=probabilities(sentence_1=0.1, sentence_2=0.3))
        row = measured_trials(store).set_index("trial").loc[trial.id]
        assert (row["expected"], row["correct"], row["chance"]) == (span, right, 0.5)


def test_a_transcription_has_two_scores(store: Store, measured: Measured) -> None:
    trial = measured(
        "transcribe",
        answer="fear. Sentence: a cat slept",
        readings=probabilities(ocean=0.2, fear=0.1, silence=0.1, celebration=0.1),
    )
    frame = measured_trials(store).set_index("task")
    assert list(frame["trial"]) == [trial.id, trial.id]
    assert (frame.loc["transcribe", "correct"], frame.loc["transcribe_copy", "correct"]) == (0, 1)
    assert np.isnan(frame.loc["transcribe_copy", "k"])
    assert np.isnan(frame.loc["transcribe_copy", "entropy"])


def test_the_two_orders_of_a_pair_share_its_text(store: Store, measured: Measured) -> None:
    for span in ("sentence_1", "sentence_2"):
        measured("stronger", span=Span(span), protocol="locate", readings=probabilities(sentence_1=0.1, sentence_2=0.3))
    measured("locate", span=Span("sentence_1"), readings=probabilities(sentence_1=0.1, sentence_2=0.3))
    frame = measured_trials(store)
    assert set(frame.loc[frame["task"] == "stronger", "pair"]) == {"fear: set 1"}
    assert frame.loc[frame["task"] == "locate", "pair"].isna().all()


def test_a_measure_of_somebodys_own_protocol_is_read_by_what_the_protocol_says(
    store: Store, measured: Measured
) -> None:
    measured("shy", protocol="own", readings=probabilities(yes=0.1, no=0.3))
    (row,) = measured_trials(store).to_dict("records")
    assert (row["task"], row["expected"], row["correct"]) == ("shy", "no", 1)
    assert row["log_odds_yes"] == pytest.approx(-math.log(3))
    assert np.isnan(row["chance"])


def test_imported_words_are_read_without_a_protocol_that_says_anything(store: Store, measured: Measured) -> None:
    measured("unrelated_no", protocol="bare", answer="Yes, of course.", readings=None)
    (row,) = measured_trials(store).to_dict("records")
    assert (row["picked"], row["correct"], row["expected"]) == ("yes", 0, "no")
    assert np.isnan(row["p_correct"])
    assert np.isnan(row["log_odds_yes"])


def test_reports_and_failed_trials_are_not_in_it(
    store: Store, measured: Measured, make_trial: Callable[..., Trial]
) -> None:
    report = make_trial()
    measured("notice", error="no vector was added", readings=None)
    kept = measured("notice", "control", concept=None, readings=probabilities(yes=0.5, no=0.5))
    assert list(measured_trials(store)["trial"]) == [kept.id]
    assert readable_trials(store) == [report.id]


def test_it_can_be_narrowed_to_some_tasks_and_models(store: Store, measured: Measured) -> None:
    one = measured("notice", readings=probabilities(yes=0.6, no=0.2))
    measured("pick", readings=probabilities(ocean=0.5, fear=0.5))
    assert list(battery_trials(store, tasks=["notice"])["trial"]) == [one.id]
    assert battery_trials(store, subjects=["nobody"]).empty
    assert len(battery_trials(store)) == 2


def test_trials_of_another_design_are_not_in_it(store: Store, measured: Measured) -> None:
    """A scale of the vectors, a strength or a seed that has changed since makes another experiment."""
    kept = measured("notice", readings=probabilities(yes=0.6, no=0.2))
    plain = measured("notice", "control", concept=None, readings=probabilities(yes=0.5, no=0.5))
    made = {"method": "difference", "normalisation": "raw"}
    store.add_vector("v", subject="toy", concept="fear", layer=20, norm=1.0, content=made)
    design = {
        "seed": 1,
        "arms": ["injection"],
        "concepts": ["fear"],
        "layers": [20],
        "strengths": [4.0],
        "spans": ["all"],
        "protocols": [],
        **made,
    }
    store.save_settings({"scope": design})
    assert set(measured_trials(store)["trial"]) == {kept.id, plain.id}
    for key, value, left in (
        ("normalisation", "matched", {plain.id}),
        ("strengths", [2.0], {plain.id}),
        ("concepts", ["ocean"], {plain.id}),
        ("seed", 2, set()),
    ):
        store.save_settings({"scope": {**design, key: value}})
        assert set(measured_trials(store)["trial"]) == left
