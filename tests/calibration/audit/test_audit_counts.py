"""What the audit has counted or read as columns equals what rows say one by one, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from database import on_both
from sqlalchemy import select

from gnomon.calibration.audit.repeats import repeat_consistency
from gnomon.calibration.error_rates.confusion import judged_trials, verdict_states
from gnomon.calibration.labels.selecting_judges import stratifying_versions
from gnomon.calibration.observations.frames import judge_frame, judge_splits, verdicts_with_outcomes, with_outcomes
from gnomon.data.records import Facts, JudgeVersion, Label, Trial, Verdict, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

store_url = on_both
VERSIONS = ["careful-1", "careful-2", "brisk-1", "plain-1"]
STATES = (VerdictState.OK, VerdictState.UNPARSABLE, VerdictState.TRUNCATED, VerdictState.OK, VerdictState.OK)


@pytest.fixture
def hostile(store: Store, make_trial: Callable[..., Trial]) -> Store:
    """Versions of one judge, verdicts that are missing, unreadable or repeated, trials that no judge may read."""
    random = np.random.default_rng(5)
    arms = ("injection", "control", "random", "injection")
    trials = [make_trial(arm=arms[n % 4], replicate=n) for n in range(60)]
    lost = [replace(trial, id=f"{n:032x}", error="lost") for n, trial in enumerate(trials[:4])]
    store.add_trials(lost)
    trials += lost
    rows = []
    for place, version in enumerate(VERSIONS):
        kind = "imported" if version == "plain-1" else "simulated"
        store.add_judge(JudgeVersion(version, version.split("-")[0], kind, {}))
        for trial in random.permutation(np.array(trials, dtype=object)):
            for sample in range(0 if random.random() < 0.2 else 1 + int(random.integers(3)) * (place % 2)):
                claims, coherent, refused = (bool(draw < 0.5) for draw in random.random(3))
                concept = ("none", "ocean", "fear", "other")[int(random.integers(4))]
                facts = Facts(claims, concept, coherent, refused, (None, True, False)[int(random.integers(3))])
                state = STATES[int(random.integers(len(STATES)))]
                rows.append(
                    Verdict(trial.id, version, facts if state is VerdictState.OK else None, state, sample=sample)
                )
    store.add_verdicts(rows)
    store.add_labels([Label(trial.id, "ann", Facts(False, "none", True, False)) for trial in trials[:9]])
    return store


def test_states_are_those_of_the_first_verdicts(hostile: Store) -> None:
    found = verdict_states(hostile, VERSIONS[1:])
    column = tables.verdicts.c
    rows = hostile.read_frame(select(column.judge, column.state).where(column.sample == 0))
    rows = rows[rows["judge"].isin(VERSIONS[1:])]
    expected = rows.value_counts().sort_index().reset_index(name="n")
    assert found[["judge", "state", "n"]].to_dict("records") == expected.to_dict("records")
    assert found.groupby("judge")["share"].sum().to_numpy() == pytest.approx(1)


def test_repeats_are_those_of_the_rows(hostile: Store) -> None:
    found = repeat_consistency(hostile, VERSIONS)
    assert found["careful-1"] is None
    assert found["brisk-1"] is None
    for version in ("careful-2", "plain-1"):
        trials, samples, outcomes, events = slow_repeats(hostile, version)
        one = found[version]
        assert one is not None
        assert (one.trials, one.samples) == (trials, samples)
        assert (one.same_outcome.value, one.same_event.value) == pytest.approx((outcomes / trials, events / trials))


def slow_repeats(store: Store, version: str) -> tuple[int, int, int, int]:
    """Trials, samples, and trials with one outcome and with one event, row by row."""
    verdict, trial = tables.verdicts.c, tables.trials.c
    query = select(tables.verdicts, trial.arm, trial.concept.label("target")).join(tables.trials)
    rows = store.read_frame(query.where(verdict.judge == version, verdict.state == "ok", trial.error.is_(None)))
    groups = [rows for _, rows in with_outcomes(rows, "strict").groupby("trial") if len(rows) > 1]
    same = [sum(rows[name].nunique() == 1 for rows in groups) for name in ("outcome", "event")]
    return len(groups), sum(map(len, groups)), *same


def test_judged_trials_are_those_of_the_frames(hostile: Store) -> None:
    stratifying = stratifying_versions(hostile)
    every = verdicts_with_outcomes(hostile, [*judge_frame(hostile)["version"], *stratifying, *VERSIONS])
    panel = every[every["judge"].isin(stratifying)]
    outcomes = panel.groupby("trial")["outcome"].nunique()
    seen = panel[panel["event"]].sort_values("judge").groupby("trial")["judge"].agg(" ".join)
    assert (outcomes > 1).any()
    for version, found in zip(VERSIONS, judged_trials(hostile, VERSIONS), strict=True):
        splits = judge_splits("imported" if version == "plain-1" else "simulated")
        rows = every[(every["judge"] == version) & every["split"].isin(splits)].reset_index(drop=True)
        rows = rows.assign(
            disputed=rows["trial"].isin(outcomes.index[outcomes > 1]),
            said=[seen.get(trial, "") for trial in rows["trial"]],
        )
        pd.testing.assert_frame_equal(found, rows[list(found)], check_dtype=False)
