"""All judges combined: two readings of the same verdicts, and which of them may be believed."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.correction.panel_summary import summarize_panel
from gnomon.calibration.observations.frames import judge_frame
from gnomon.data.records import Arm, Facts, JudgeVersion, Verdict
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import verdicts

PAIR = {
    "careful": dict.fromkeys(Arm, (0.95, 0.95)),
    "brisk": dict.fromkeys(Arm, (0.80, 0.85)),
}


@pytest.fixture
def study(simulate):
    return simulate(PAIR, n=400, labelled=0.4, event=0.3, seed=5)


def test_each_arm_has_both_readings_and_so_has_the_net_detection(study) -> None:
    document = summarize_panel(study.store, "blind")
    assert document.judges == ("careful", "brisk")
    assert [row.arm for row in document.arms] == ["injection", "control"]
    assert document.not_denied is not None
    for row in (*document.arms, document.not_denied, document.net_detection_audit):
        for fit in ("independent", "free"):
            assert getattr(row, fit).low < getattr(row, fit).value < getattr(row, fit).high
        assert row.reason is None
    for fit in ("independent", "free"):
        injection, control, net = (
            getattr(row, fit).value for row in (document.arms[0], document.not_denied, document.net_detection_audit)
        )
        assert net == pytest.approx(injection - control, abs=1e-9), "the rows of the table add up"
    truth = np.mean([study.truth[trial] == "event" for trial, arm in study.arm.items() if arm == "injection"])
    assert document.arms[0].free.low <= truth <= document.arms[0].free.high


def test_judges_that_err_apart_are_not_accused(study) -> None:
    document = summarize_panel(study.store, "blind")
    assert document.verdict.startswith("no sign of correlated judge errors")
    assert {pair.a for pair in document.dependence.labelled} == {"careful"}


def test_an_echo_of_a_judge_is_found_out(simulate) -> None:
    study = simulate({"brisk": PAIR["brisk"]}, n=400, labelled=0.5, event=0.3, seed=5)
    store: Store = study.store
    store.save_settings({**store.study_settings(), "judges": ["brisk", "echo"]})
    store.add_judge(JudgeVersion("echo-1", "echo", "simulated", {}))
    rows = store.read_frame(verdicts)
    store.add_verdicts(
        Verdict(row.trial, "echo-1", Facts(bool(row.claims), row.concept, bool(row.coherent), bool(row.refused)))
        for row in rows.itertuples()
    )
    document = summarize_panel(store, "blind")
    assert document.judges == ("brisk", "echo")
    assert document.verdict.startswith("judge errors are correlated")


def test_judges_that_make_up_for_each_other_are_not_accused(simulate) -> None:
    study = simulate({"brisk": PAIR["brisk"]}, n=600, labelled=0.6, event=0.3, seed=5)
    store: Store = study.store
    store.save_settings({**store.study_settings(), "judges": ["brisk", "contrary"]})
    store.add_judge(JudgeVersion("contrary-1", "contrary", "simulated", {}))
    random, yes, no = np.random.default_rng(1), Facts(True, "ocean", True, False), Facts(False, "none", True, False)
    said = store.read_frame(verdicts).set_index("trial")["claims"].astype(bool)
    for trial, truth in study.truth.items():
        event = truth == "event"
        wrong = said[trial] == event and random.random() < 0.5
        store.add_verdicts([Verdict(trial, "contrary-1", yes if event != wrong else no)])
    document = summarize_panel(store, "blind")
    overall = [pair for pair in document.dependence.labelled if pair.truth is None]
    assert overall[0].p_value < 0.01
    assert document.verdict.startswith("no sign of correlated judge errors")


def test_one_judge_has_one_reading_and_none_has_none(simulate, store) -> None:
    assert summarize_panel(store, "blind").judges == ()
    study = simulate({"careful": PAIR["careful"]}, n=200)
    row = summarize_panel(study.store, "blind").arms[0]
    assert row.free is None
    assert row.independent is not None
    assert "one judge" in row.reason


def test_an_arm_without_both_kinds_of_label_says_so(simulate) -> None:
    study = simulate(PAIR, n=200, labelled=0.0)
    row = summarize_panel(study.store, "blind").arms[0]
    assert (row.independent, row.free) == (None, None)
    assert "both kinds are needed" in row.reason
    assert len(judge_frame(study.store)) == 2
