"""Drift is seen where a judge changes, not where the order of conditions does, and never where time stood still."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import Table

from gnomon.calibration.audit.drift import judge_drift, stratified_trend
from gnomon.calibration.audit.repeats import repeat_consistency
from gnomon.calibration.error_rates.confusion import collect_evidence, verdict_times
from gnomon.data.records import Facts, JudgeVersion, Label, Split, Trial, Verdict, VerdictState
from gnomon.data.storage.store import Store

Make = Callable[..., Trial]
SILENT = Facts(claims=False, concept="none", coherent=True, refused=False)
NAMED = Facts(claims=True, concept="ocean", coherent=True, refused=False)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def over_time(store: Store, make_trial: Make) -> Callable[..., dict[str, Any]]:
    """A judge that reads one trial an hour; `said` is (arm, its facts, the label's facts or None)."""

    def make(said: list[tuple[str, Facts, Facts | None]], hours: float = 1.0) -> dict[str, Any]:
        store.add_judge(JudgeVersion("j1", "judge", "imported", {}))
        for place, (arm, facts, truth) in enumerate(said):
            trial = make_trial(arm=arm, replicate=place).id
            at = (START + timedelta(hours=hours * place)).isoformat()
            store.add_verdicts([Verdict(trial, "j1", facts, created_at=at)])
            if truth is not None:
                store.add_labels([Label(trial, "ann", truth)])
        (found,) = collect_evidence(store, ["j1"], "blind", splits=list(Split))
        return judge_drift(verdict_times(store, ["j1"]), found)

    return make


def alternating(n: int, arm: str = "injection") -> list[tuple[str, Facts, Facts | None]]:
    return [(arm, NAMED, NAMED) if place % 2 else (arm, SILENT, SILENT) for place in range(n)]


def test_a_judge_that_turns_careless_drifts_in_accuracy(over_time: Callable[..., dict[str, Any]]) -> None:
    late = [("injection", SILENT if place % 2 else NAMED, NAMED if place % 2 else SILENT) for place in range(30)]
    seen = over_time(alternating(30) + late)
    assert seen.accuracy.z < 0
    assert seen.accuracy.p_value < 1e-6
    assert seen.accuracy.change.high < -0.5
    assert seen.positive_rate.p_value > 0.5, "it says event as often as before"
    assert "agreement with the labels falls by 100 points" in seen.words
    shares = [block.accuracy.value for block in seen.blocks]
    assert shares == sorted(shares, reverse=True)
    assert sum(block.verdicts for block in seen.blocks) == seen.verdicts == 60


def test_a_steady_judge_shows_no_drift_though_conditions_come_in_order(
    over_time: Callable[..., dict[str, Any]],
) -> None:
    """First the controls, where nothing is claimed, then the injections: the rate rises, the judge does not change."""
    seen = over_time([("control", SILENT, SILENT)] * 20 + alternating(40))
    assert seen.positive_rate.p_value > 0.5
    assert seen.blocks[0].positive_rate.value < seen.blocks[-1].positive_rate.value
    assert seen.accuracy is None, "it never errs, so there is nothing to test"
    assert "share of events without a trend" in seen.words


def test_a_judge_that_grows_lenient_is_seen_without_any_label(over_time: Callable[..., dict[str, Any]]) -> None:
    said = [("injection", NAMED if place % 10 < 2 + place // 10 else SILENT, None) for place in range(70)]
    seen = over_time(said)
    assert seen.positive_rate.z > 0
    assert seen.positive_rate.p_value < 0.05
    assert seen.accuracy is None
    assert "share of events rises" in seen.words


def test_one_time_for_all_verdicts_shows_no_drift(over_time: Callable[..., dict[str, Any]]) -> None:
    seen = over_time(alternating(40), hours=0)
    assert (seen.times, seen.positive_rate, len(seen.blocks)) == (1, None, 1)
    assert seen.words == "No drift can be seen: all 40 verdicts bear one time."


def test_verdicts_of_one_run_are_said_to_be_of_one_run(over_time: Callable[..., dict[str, Any]]) -> None:
    seen = over_time(alternating(40), hours=1 / 60)
    assert seen.words.startswith("All verdicts came within 39 minutes, so drift over days cannot be seen")


def test_a_chance_trend_within_a_minute_is_not_told_as_drift(over_time: Callable[..., dict[str, Any]]) -> None:
    seen = over_time([("injection", SILENT, None)] * 30 + [("injection", NAMED, None)] * 30, hours=1 / 3600)
    assert seen.positive_rate.p_value < 0.001
    assert seen.words == "No drift can be seen: all verdicts came within a minute."


def test_verdicts_of_one_moment_stay_in_one_block(store: Store, make_trial: Make) -> None:
    store.add_judge(JudgeVersion("j1", "judge", "imported", {}))
    for place in range(60):
        at = (START + timedelta(days=place >= 25)).isoformat()
        store.add_verdicts([Verdict(make_trial(replicate=place).id, "j1", SILENT, created_at=at)])
    (found,) = collect_evidence(store, ["j1"], "blind")
    blocks = judge_drift(verdict_times(store, ["j1"]), found).blocks
    assert [block.verdicts for block in blocks] == [25, 35]


def test_a_judge_without_verdicts_has_no_drift(store: Store) -> None:
    (found,) = collect_evidence(store, ["none"], "blind")
    assert judge_drift(verdict_times(store, ["none"]), found).words == "No drift can be seen: it has no verdicts."


def test_the_trend_test_is_cochran_and_armitages_where_there_is_one_stratum() -> None:
    random = np.random.default_rng(1)
    score = random.integers(0, 4, size=200)
    y = random.random(200) < 0.2 + 0.05 * score
    table = np.array([[((score == s) & (y == v)).sum() for s in range(4)] for v in (0, 1)])
    other = Table(table).test_ordinal_association(col_scores=np.arange(4))
    z, p = stratified_trend(y.tolist(), score.tolist(), ["all"] * 200)
    assert z == pytest.approx(other.zscore, rel=0.005)
    assert p == pytest.approx(other.pvalue, rel=0.02)


def test_the_trend_test_holds_its_level_and_has_power() -> None:
    random = np.random.default_rng(2)
    strata = [place % 3 for place in range(90)]
    hits = {0.0: 0, 0.02: 0}
    for slope in hits:
        for _ in range(200):
            logit = np.array(strata) - 1 + slope * (np.arange(90) - 45)
            tested = stratified_trend((random.random(90) < 1 / (1 + np.exp(-logit))).tolist(), list(range(90)), strata)
            hits[slope] += tested[1] < 0.05
    assert hits[0.0] <= 18
    assert hits[0.02] > 100
    assert stratified_trend([1, 0], [1, 2], ["a", "b"]) is None, "one reading a stratum holds no trend"


def test_a_judge_asked_again_is_measured_against_itself(store: Store, make_trial: Make) -> None:
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
    trials = [make_trial(replicate=place).id for place in range(5)]
    store.add_verdicts([Verdict(trial, "j1", NAMED) for trial in trials])
    assert repeat_consistency(store, ["j1"]) == {"j1": None}, "asked once"
    again = [NAMED, NAMED, SILENT, Facts(False, "none", True, True)]
    store.add_verdicts([Verdict(trial, "j1", facts, sample=1) for trial, facts in zip(trials, again, strict=False)])
    store.add_verdicts([Verdict(trials[4], "j1", None, VerdictState.UNPARSABLE, sample=1)])
    twice = repeat_consistency(store, ["j1"])["j1"]
    assert (twice.trials, twice.samples) == (4, 8)
    assert (twice.same_outcome.value, twice.same_event.value) == (0.5, 0.5)
    assert not math.isnan(twice.same_outcome.low)
