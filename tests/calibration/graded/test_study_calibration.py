"""A study's scores are calibrated by its labels: arms apart, the test split unread, older verdicts from their text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from sqlalchemy import select

from gnomon.calibration.graded.calibration_chart import bin_frame, calibration_chart, point_frame
from gnomon.calibration.graded.graded_results import GradedCalibration, TransferStatus
from gnomon.calibration.graded.study_calibration import graded_calibration, scored_trials
from gnomon.calibration.plotting.theme import apply_theme
from gnomon.calibration.sequential.look_record import count_test_looks
from gnomon.data.records import (
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Split,
    Subject,
    Trial,
    Verdict,
    trial_seed,
)
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials

CALM = Facts(claims=False, concept="none", coherent=True, refused=False)
NAMES = Facts(claims=True, concept="ocean", coherent=True, refused=False)
Fill = Callable[..., Store]


@pytest.fixture
def fill(store: Store) -> Fill:
    """600 trials of two subjects in two arms; events begin at P(claims) of .75, of subject big at `shift` more."""

    def make(
        *,
        kind: str = "logprob",
        shift: float = 0.0,
        in_raw: bool = False,
        labelled: float = 0.5,
        single: bool = False,
        bare: int = 0,
    ) -> Store:
        random = np.random.default_rng(11)
        store.save_settings({"name": "graded", "concepts": ["ocean"], "judges": ["small"], "rule": "strict"})
        store.add_subjects([Subject(name, 1e9, name, "instruct", "r0") for name in ("big", "little")])
        store.add_protocol("p0", "p0", {"messages": []})
        store.add_judge(JudgeVersion("small-1", "small", kind, {}))
        made = [_trial(place) for place in range(600)]
        store.add_trials(made)
        verdicts, labels = [], []
        for trial in made:
            claims = float(random.beta(1, 1))
            scores = {"claims": claims, "coherent": 0.99, "refused": 0.01}
            if claims >= 0.5:
                scores |= {"about ocean": 0.97}
            off = shift if trial.condition.subject == "big" else 0.0
            event = random.random() < 1 / (1 + math.exp(-15 * (claims - 0.75 - off)))
            if single:
                scores = {"score": claims if trial.condition.arm == "injection" else 1 - claims}
            kept = {"raw": json.dumps(scores)} if in_raw else {"scores": scores}
            if bare and trial.replicate // 2 % bare == 0:
                kept = {}
            verdicts.append(Verdict(trial.id, "small-1", NAMES if claims >= 0.5 else CALM, **kept))
            if random.random() < labelled:
                labels.append(Label(trial.id, "ann", NAMES if event else CALM))
        store.add_verdicts(verdicts)
        store.add_labels(labels)
        return store

    return make


def _trial(place: int) -> Trial:
    arm = ("injection", "control")[place % 2]
    nothing = arm == "control"
    condition = Condition(
        subject=("big", "little")[place // 2 % 2], revision="r0", arm=Arm(arm), concept=None if nothing else "ocean",
        layer=None if nothing else 3, strength=0.0 if nothing else 2.0, span=Span.GENERATION, protocol="p0",
        vector=None if nothing else "v", seed=1,
    )  # fmt: skip
    id_ = condition.trial_id(place)
    return Trial(id_, condition, place, trial_seed(id_), f"answer {place}", "stop", 2)


def calibrated(store: Store, margin: float | None = None) -> GradedCalibration:
    found = graded_calibration(store, "small-1", margin=margin)
    assert found is not None
    return found


def test_scores_give_narrower_intervals_than_verdicts_in_each_arm(fill: Fill) -> None:
    found = calibrated(fill())
    assert [arm.arm for arm in found.arms] == ["injection", "control"]
    for arm in found.arms:
        assert arm.estimate.low < 0.25 < arm.estimate.high
        assert arm.width_ratio < 0.98
        assert arm.rounded.high - arm.rounded.low < arm.labels_only.high - arm.labels_only.low
        assert arm.curve[0].share.value < 0.1
        assert arm.curve[-1].share.value > 0.7
        assert arm.threshold.chosen.threshold == pytest.approx(0.75, abs=0.1)
        assert arm.threshold.usual.threshold == 0.5
        assert arm.posterior.low < arm.estimate.value < arm.posterior.high
        assert arm.reason is None
    assert (
        found.words[0]
        == "small: scores calibrated by blind labels of the splits train and dev; the test split is not read"
    )
    assert any("event rate" in line and "splits" not in line for line in found.words)
    assert sum("was not checked" in line for line in found.words) == 1
    assert "model big, model little was not checked, no margin" in found.words[-1]


def test_the_single_score_of_a_pass_counts_as_negative_where_a_pass_is_no_event(fill: Fill) -> None:
    found = calibrated(fill(kind="imported", single=True))
    assert [(arm.arm, arm.reversed) for arm in found.arms] == [("injection", False), ("control", True)]
    assert found.arms[1].isotonic[-1].score <= 0
    assert found.arms[1].isotonic[0].value < found.arms[1].isotonic[-1].value
    assert any(line.startswith("control (the score of a pass counts as negative): threshold -") for line in found.words)


def test_the_test_split_is_not_read_and_no_look_is_recorded(fill: Fill) -> None:
    store = fill()
    before = calibrated(store)
    rows = store.read_frame(select(trials.c.id, trials.c.split))
    split = dict(zip(rows["id"], rows["split"], strict=True))
    tested = [trial for trial, part in split.items() if part == str(Split.TEST)]
    store.add_labels([Label(trial, "zoe", NAMES) for trial in tested])
    assert calibrated(store) == before
    assert count_test_looks(store) == 0
    assert sum(arm.scored for arm in before.arms) == len(split) - len(tested)


def test_a_judge_that_may_have_learnt_from_the_train_split_is_calibrated_on_dev(fill: Fill) -> None:
    found = calibrated(fill(kind="learned"))
    assert found.splits == ("dev",)
    assert all(arm.threshold is None for arm in found.arms)


def test_labels_that_were_chosen_by_verdict_enter_no_posterior_that_takes_them_for_random(fill: Fill) -> None:
    store = fill(labelled=0.0)
    ids = scored_trials(store, "small-1").sort_values("score")["trial"].tolist()[::-3]
    store.add_labels(
        [Label(trial, "ann", (CALM, NAMES)[place % 2], stratum="disputed") for place, trial in enumerate(ids)]
    )
    assert [arm.posterior for arm in calibrated(store).arms] == [None, None]


def test_older_verdicts_are_read_from_their_text(fill: Fill) -> None:
    store = fill(in_raw=True)
    assert len(scored_trials(store, "small-1")) == 600
    assert calibrated(store).arms[0].estimate is not None


def test_the_text_of_other_judges_is_no_score(fill: Fill) -> None:
    assert graded_calibration(fill(in_raw=True, kind="openai"), "small-1") is None


@pytest.mark.parametrize(("shift", "passed"), [(0.0, True), (0.3, False)])
def test_a_map_is_checked_on_each_model_and_only_with_a_margin(fill: Fill, shift: float, passed: bool) -> None:
    store = fill(shift=shift, labelled=0.9)
    found = calibrated(store, 0.16).arms[1].transfers
    assert {each.target: each.is_usable for each in found} == {"model big": passed, "model little": passed}
    assert {each.status for each in calibrated(store).arms[1].transfers} == {TransferStatus.NOT_CHECKED}
    store.save_settings({**store.study_settings(), "transport": {"margin": 0.16}})
    assert calibrated(store).arms[1].transfers == found


def test_few_labels_give_a_reason_and_no_estimate(fill: Fill) -> None:
    found = calibrated(fill(labelled=0.02))
    assert all(arm.estimate is None and "10 are needed" in arm.reason for arm in found.arms)
    assert any(line.startswith("no estimate by scores: injection") for line in found.words)


def test_its_json_is_read_back(fill: Fill) -> None:
    found = calibrated(fill(), 0.1)
    assert GradedCalibration.model_validate_json(found.model_dump_json()) == found


def test_the_chart_shows_bins_map_and_band(fill: Fill) -> None:
    arm = calibrated(fill()).arms[0]
    drawn = apply_theme(calibration_chart(arm, judge="small")).to_dict()
    assert len(drawn["layer"]) == 5
    assert drawn["title"]["text"] == "Calibration of small, injection"
    points, bins = point_frame(arm), bin_frame(arm)
    assert (points["low"] <= points["value"]).all()
    assert (points["value"] <= points["high"]).all()
    assert bins["labelled"].sum() == arm.labelled


@pytest.mark.parametrize("single", [False, True])
def test_no_trial_is_missing_where_a_server_left_scores_out_of_some_replies(fill: Fill, single: bool) -> None:
    """The verdict's own answers stand in; a single score has a scale that answers do not have: this is said."""
    store = fill(kind="imported" if single else "openai", single=single, bare=5)
    found = calibrated(store)
    assert found.splits == ("train", "dev")
    rows = store.read_frame(select(trials.c.split))
    assert sum(arm.scored + arm.left_out for arm in found.arms) == (rows["split"] != "test").sum()
    for arm in found.arms:
        bare = arm.left_out if single else arm.unscored
        assert 0.1 < bare / (arm.scored + arm.left_out) < 0.3
        assert (arm.left_out == 0) is not single
        assert (sum(each.labelled for each in arm.curve) == arm.labelled) is single
        assert any(f"{arm.arm}: {bare}" in line and "no score" in line for line in found.words)
