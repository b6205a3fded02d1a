"""What judges said of some trials is what they said of all, of those trials alone; it is asked for in portions."""

from __future__ import annotations

import pandas as pd
import pytest

from gnomon.calibration.error_rates.confusion import verdict_times
from gnomon.calibration.observations import frames
from gnomon.data.records import Facts, JudgeVersion, Verdict, VerdictState
from gnomon.data.storage.store import split_chunks

HEARD = Facts(claims=True, concept="ocean", coherent=True, refused=False)


@pytest.fixture
def judged(store, make_trial) -> list[str]:
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
    trials = [make_trial(replicate=place).id for place in range(7)]
    lost = {trials[2], trials[3]}
    for trial in trials:
        state = VerdictState.ERROR if trial in lost else VerdictState.OK
        store.add_verdicts([Verdict(trial, "j1", None if trial in lost else HEARD, state)])
    return trials


def test_verdicts_on_some_trials_are_asked_for_in_portions(store, judged, monkeypatch):
    monkeypatch.setattr(frames, "split_chunks", lambda rows: split_chunks(rows, 2))
    wanted = judged[1:6]
    for read in (frames.verdict_frame, verdict_times):
        every = read(store, ["j1"])
        mine = every[every["trial"].isin(wanted)]
        some = read(store, ["j1"], wanted)
        in_order = [rows.sort_values("trial").reset_index(drop=True) for rows in (some, mine)]
        pd.testing.assert_frame_equal(*in_order, check_dtype=False)


def test_of_no_trials_there_are_no_verdicts(store, judged):
    assert frames.verdict_frame(store, ["j1"], []).empty
    assert verdict_times(store, ["j1"], []).empty


def test_few_trials_are_read_as_the_same_among_all(store, judged):
    some = frames.trial_frame(store).iloc[1:6]
    columns = ["trial", "judge", "outcome", "event", "passed"]
    every = frames.verdicts_with_outcomes(store, ["j1"])
    asked, picked = (
        frames.verdicts_with_outcomes(store, ["j1"], some)[columns],
        every[every["trial"].isin(some["trial"])][columns],
    )
    assert len(asked) == len(set(some["trial"]) - {judged[2], judged[3]})
    in_order = [rows.sort_values("trial").reset_index(drop=True) for rows in (asked, picked)]
    pd.testing.assert_frame_equal(*in_order, check_dtype=False)
