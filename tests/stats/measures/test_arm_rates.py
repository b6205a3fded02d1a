"""Rates of tasks against chance and control; cells pooled without the winner's curse; the whole battery in one call."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.measures.measure_worlds import DESIGNS, SCRIPTS, measure_world
from gnomon.data.results import Estimate
from gnomon.stats.measures.arm_rates import arm_rate, control_difference
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.doses.cell_pooling import CellEstimates, pool_cells
from gnomon.stats.measures.measure_results import MeasuredEstimate
from tests.stats.measures.conftest import MakeTrials, trial_rows

RNG = np.random.default_rng(3)


def picks(rate: float) -> list[list[float]]:
    return [RNG.permutation((np.arange(20) < rate * 20).astype(float)).tolist() for _ in range(5)]


def test_a_rate_is_told_from_chance(trials: MakeTrials) -> None:
    usual = {"column": "correct", "expected": "{concept}"}
    good, guessed = (
        arm_rate(
            trials(trial_rows("pick", "injection", picks(rate), **usual).assign(chance=0.25)), "s", "pick", "injection"
        )
        for rate in (0.5, 0.25)
    )
    assert good is not None
    assert guessed is not None
    assert (good.value, good.reference, guessed.value) == pytest.approx((0.5, 0.25, 0.25))
    assert good.probability is not None
    assert good.probability > 0.999
    assert guessed.probability == pytest.approx(0.5, abs=0.01)


def test_a_preference_for_the_first_place_cancels_in_pairs(trials: MakeTrials) -> None:
    """It always says "first": right in one order of each pair, wrong in the other."""
    rows = trial_rows("stronger", "injection", [[1.0, 0.0] * 8] * 3, column="correct", expected="first")
    frame = trials(rows.assign(pair=[f"p{place // 2}" for place in range(len(rows))], chance=0.5))
    found = arm_rate(frame, "s", "stronger", "injection")
    assert found is not None
    assert found.these is not None
    assert found.value == 0.5
    assert found.n == 48
    alone = arm_rate(frame.assign(pair=None), "s", "stronger", "injection")
    assert alone is not None
    assert alone.these is not None
    assert found.these.se == pytest.approx(0)
    assert alone.these.se > 0.05


def test_a_pair_that_several_concepts_share_is_one_item(trials: MakeTrials) -> None:
    """Both orders of six sets of sentences, put to eight concepts that answer alike: six items are known, not 48."""
    of_sets = np.array([0.1, 0.9, 0.3, 0.7, 0.2, 0.8])
    orders = [
        trial_rows("stronger", "injection", [np.clip(of_sets + side, 0, 1).tolist()] * 8, column="p_correct")
        for side in (-0.1, 0.1)
    ]
    rows = pd.concat(orders).assign(chance=0.5, expected="first")
    found = arm_rate(trials(rows.assign(pair=rows["concept"] + ": " + rows["item"])), "s", "stronger", "injection")
    assert found is not None
    assert found.these is not None
    assert found.items == 6
    assert found.these.se == pytest.approx(of_sets.std(ddof=1) / np.sqrt(6), rel=0.01)


def test_answers_that_never_differ_still_leave_room_for_some_that_do(trials: MakeTrials) -> None:
    never = trials(
        trial_rows("timing", "injection", [[0.0] * 8] * 4, column="correct", expected="{concept}"),
        trial_rows("timing", "control", [[0.0] * 8], column="correct", expected="{concept}"),
    )
    found = control_difference(never, "s", "timing")
    assert found is not None
    assert found.headline is not None
    assert found.headline.low < -0.02
    assert found.headline.high > 0.02


def test_a_hook_of_strength_0_stands_in_for_a_control(trials: MakeTrials) -> None:
    sham = trial_rows("notice", "injection", [[-5.0] * 4] * 3).assign(arm="sham", strength=0.0)
    found = control_difference(
        trials(trial_rows("notice", "injection", [[0.0] * 4] * 3), sham), "s", "notice", scale="logit"
    )
    assert found is not None
    assert found.value == 5


def test_readings_are_preferred_to_words(trials: MakeTrials) -> None:
    rows = trial_rows("notice", "injection", [[0.0] * 4] * 3).assign(correct=1.0)
    found = arm_rate(trials(rows), "s", "notice", "injection")
    assert found is not None
    assert (found.scale, found.value) == ("probability", 0.5)
    words = arm_rate(trials(rows), "s", "notice", "injection", scale="rate")
    assert words is not None
    assert words.value == 1


def cell(strength: float, value: float, error: float) -> MeasuredEstimate:
    reach = 1.96 * error
    interval = Estimate(value=value, low=value - reach, high=value + reach, se=error, level=0.95, method="")
    return MeasuredEstimate(
        estimand="yes_corrected", subject="s", task="notice", by={"layer": 9.0, "strength": strength}, scale="logit",
        value=value, these=interval, like_these=interval, n=9, concepts=3, items=5,
    )  # fmt: skip


def test_the_largest_of_equal_cells_is_pulled_back() -> None:
    errors = RNG.normal(0, 1, 10)
    pooled = pool_cells([CellEstimates([cell(float(place), 2 + error, 1.0) for place, error in enumerate(errors)])])
    best = max(pooled, key=lambda each: each.raw)
    assert abs(best.estimate.value - 2) < 0.7 * abs(best.raw - 2)
    assert best.estimate.low < 2 < best.estimate.high
    assert sum(each.probability_best for each in pooled) == pytest.approx(1)


def test_cells_that_are_known_well_stay_where_they_are() -> None:
    pooled = pool_cells(
        [CellEstimates([cell(float(place), value, 0.01) for place, value in enumerate((0.0, 1.0, 5.0))])]
    )
    assert [round(each.estimate.value, 1) for each in pooled] == [0, 1, 5]
    assert pooled[2].probability_best == 1
    assert pool_cells([CellEstimates([cell(1.0, 2.0, 1.0)])]) == []


def test_errors_that_all_cells_share_do_not_hide_which_is_higher() -> None:
    """Three cells of one control: each is known to half a log-odds, their differences to a tenth."""
    cells = [cell(float(place), value, 0.5) for place, value in enumerate((1.0, 1.0, 1.6))]
    alone, together = (pool_cells([CellEstimates(cells, correlation)])[2] for correlation in (0.0, 0.98))
    assert together.probability_best > 0.95
    assert alone.probability_best < 0.8
    assert together.estimate.value == pytest.approx(1.6, abs=0.1)
    assert together.estimate.high - together.estimate.low == pytest.approx(4 * 0.5, rel=0.15)


def test_two_subjects_of_one_battery_have_their_own_estimates() -> None:
    tables = [
        trial_rows("pick", "injection", picks(rate), column="correct", subject=name)
        for name, rate in (("a", 0.2), ("b", 0.9))
    ]
    found = summarise_battery(pd.concat(tables))
    assert found.subjects == ["a", "b"]
    assert [task.rates[0].value for task in found.tasks] == pytest.approx([0.2, 0.9])
    assert found.yes_corrections == []


@pytest.mark.slow
def test_intervals_hold_the_truth_in_worlds_that_they_did_not_draw() -> None:
    for kind in ("yes_bias", "detection", "neither"):
        rows = measure_world(SCRIPTS[kind], DESIGNS["few"], "logit", 20)
        for target in ("these", "like_these"):
            assert rows[target]["coverage"] >= 0.8, (kind, target)


def test_no_interval_reaches_beyond_what_probabilities_can_be(trials: MakeTrials) -> None:
    few = [[0.99, 0.98, 0.2, 0.97], [0.99, 0.99, 0.98, 0.96], [0.3, 0.98, 0.99, 0.97]]
    none = [[0.02, 0.9, 0.01, 0.03], [0.01, 0.01, 0.02, 0.01], [0.8, 0.02, 0.01, 0.01]]
    frame = trials(
        trial_rows("pick", "injection", few, column="p_correct", expected="a"),
        trial_rows("pick", "sham", none, column="p_correct", expected="a"),
    )
    for arm in ("injection", "sham"):
        rate = arm_rate(frame, "s", "pick", arm)
        assert rate is not None
        assert rate.headline is not None
        assert 0 <= rate.headline.low < rate.value < rate.headline.high <= 1
    difference = control_difference(frame, "s", "pick")
    assert difference is not None
    assert difference.headline is not None
    assert -1 <= difference.headline.low < difference.headline.high <= 1
