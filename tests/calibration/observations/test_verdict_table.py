"""The arrays that an audit counts hold what the frames of verdicts say, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from database import on_both
from sqlalchemy import text

from gnomon.calibration.error_rates.confusion import judged_trials, verdict_times
from gnomon.calibration.error_rates.judged_counts import KIND_COLUMNS, TRIALS, count_judged
from gnomon.calibration.labels.views import label_events, one_label_reading
from gnomon.calibration.observations import verdict_table
from gnomon.calibration.observations.frames import judge_splits, verdicts_with_outcomes
from gnomon.calibration.observations.verdict_table import NO_TIME, read_verdict_table
from gnomon.data.errors import StoreError
from gnomon.data.records import Facts, JudgeVersion, Label, Trial, Verdict, VerdictState
from gnomon.data.storage.columns import column_batches
from gnomon.data.storage.store import Store

store_url = on_both
VERSIONS = ["j1", "j2"]


@pytest.fixture
def judged(store: Store, make_trial: Callable[..., Trial]) -> Store:
    random = np.random.default_rng(3)
    trials = [make_trial(arm=("injection", "control")[n % 2], replicate=n) for n in range(80)]
    for version in VERSIONS:
        store.add_judge(JudgeVersion(version, f"judge {version}", "imported", {}))
        for trial in trials[:: 1 if version == "j1" else 2]:
            claims, coherent, refused = (bool(draw < 0.5) for draw in random.random(3))
            concept = ("none", "ocean", "fear")[int(random.integers(3))]
            passed = (None, True, False)[int(random.integers(3))]
            facts = Facts(claims, concept, coherent, refused, passed)
            lost = random.random() < 0.1
            state = VerdictState.UNPARSABLE if lost else VerdictState.OK
            store.add_verdicts([Verdict(trial.id, version, None if lost else facts, state)])
            store.add_verdicts([Verdict(trial.id, version, Facts(True, "ocean", True, False), sample=1)])
    return store


def test_the_table_says_what_the_frames_say(judged: Store) -> None:
    table, heard = read_verdict_table(judged, VERSIONS), verdicts_with_outcomes(judged, VERSIONS)
    times = verdict_times(judged, VERSIONS)
    assert table.trials.is_monotonic_increasing
    for version in VERSIONS:
        kind = table.counted_kinds(version)
        here = np.flatnonzero(kind >= 0)
        ours = table.kinds.iloc[kind[here]].set_index(table.trials.iloc[here].to_numpy())
        theirs = heard[heard["judge"] == version].set_index("trial").sort_index()
        assert list(ours.index) == list(theirs.index)
        for name, other in (("outcome", "outcome"), ("event", "event"), ("is_pass", "passed"), ("arm", "arm")):
            assert (ours[name].to_numpy() == theirs[other].to_numpy()).all(), name
        known = times[times["judge"] == version].set_index("trial")["at"].reindex(table.trials)
        at = table.at[:, table.place_of(version)]
        assert (known.isna().to_numpy() == (at == NO_TIME)).all()
        assert (known.dropna().dt.as_unit("us").astype("int64").to_numpy() == at[at != NO_TIME]).all()


def test_counts_of_judged_trials_are_those_of_their_rows(judged: Store) -> None:
    ids = label_trials(judged)
    own = [(version, judge_splits("imported")) for version in VERSIONS]
    counted = count_judged(read_verdict_table(judged, VERSIONS), own, VERSIONS, ids)
    for part, rows in zip(counted, judged_trials(judged, VERSIONS), strict=True):
        expected = rows.groupby(list(KIND_COLUMNS), dropna=False).size().reset_index(name=TRIALS)
        columns = list(KIND_COLUMNS)
        pd.testing.assert_frame_equal(
            part.counts.sort_values(columns).reset_index(drop=True).astype(object).fillna(""),
            expected.sort_values(columns).reset_index(drop=True).astype(object).fillna(""),
        )
        assert list(part.labelled["trial"]) == sorted(set(ids) & set(rows["trial"]))


def label_trials(store: Store) -> list[str]:
    ids = read_verdict_table(store, []).trials.tolist()[::7]
    store.add_labels([Label(trial, "ann", Facts(False, "none", True, False)) for trial in ids])
    return ids


def test_verdicts_are_placed_in_portions(judged: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_verdict_table(judged, VERSIONS)
    monkeypatch.setattr(column_batches, "BATCH", 7)
    monkeypatch.setattr(verdict_table, "PORTION", 2)
    parts = read_verdict_table(judged, VERSIONS)
    assert list(parts.trials) == list(whole.trials)
    for one, other in ((parts.counted_kinds(v), whole.counted_kinds(v)) for v in VERSIONS):
        assert ((one >= 0) == (other >= 0)).all()
    assert (parts.at == whole.at).all()


def test_a_flag_that_is_neither_true_nor_false_is_told(judged: Store) -> None:
    if judged.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps no such value")
    with judged.write_transaction() as connection:
        for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.execute(text(f'DROP TRIGGER "{name}"'))
        first = "(SELECT min(id) FROM verdicts WHERE state = 'ok' AND sample = 0)"
        connection.execute(text(f"UPDATE verdicts SET claims = 'perhaps' WHERE id = {first}"))
    with pytest.raises(StoreError, match="claims"):
        read_verdict_table(judged, VERSIONS)


def test_labels_are_read_once_only_within_one_reading(judged: Store) -> None:
    trials = read_verdict_table(judged, []).trials.tolist()
    label = Label(trials[0], "ann", Facts(False, "none", True, False))
    with one_label_reading():
        assert label_events(judged).empty
        judged.add_labels([label])
        assert label_events(judged).empty
    assert len(label_events(judged)) == 1
