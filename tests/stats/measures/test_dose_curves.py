"""Curves over doses and depths are means of cells, with limits that hold one by one and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from bench.measures.dose_worlds import DESIGNS, measure_world
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.doses.dose_curves import (
    cell_estimates,
    dose_curves,
    dose_means,
    dose_measures,
    simultaneous_confidence,
)
from gnomon.stats.measures.measure_results import DoseCurve
from tests.stats.measures.conftest import MakeTrials, trial_rows

RNG = np.random.default_rng(11)
NOISE = RNG.normal(0, 0.3, (4, 6))
CELLS = ((9.0, 2.0), (9.0, 4.0), (12.0, 2.0), (12.0, 4.0))


def rates_of(
    levels: Sequence[float], cells: Sequence[tuple[float, float]] = CELLS, control: bool = True
) -> pd.DataFrame:
    """Trials of the task `pick` with a mean probability in each cell, and of a control of .25."""
    steered = [
        trial_rows(
            "pick", "injection", (level + 0.1 * NOISE).tolist(), column="p_correct", layer=layer, strength=strength
        )
        for level, (layer, strength) in zip(levels, cells, strict=True)
    ]
    plain = [trial_rows("pick", "control", [(0.25 + 0.3 * NOISE[0]).tolist()], column="p_correct")] if control else []
    return pd.concat([*steered, *plain]).assign(chance=0.25, expected="a")


def curves_of(frame: pd.DataFrame) -> dict[str, DoseCurve]:
    (measure,) = dose_measures(frame, "s")
    found = dose_means(frame, "s", measure)
    assert found is not None
    return {curve.axis: curve for curve in dose_curves(found)}


def test_a_point_is_the_mean_over_the_other_axis(trials: MakeTrials) -> None:
    curves = curves_of(trials(rates_of((0.3, 0.5, 0.5, 0.9))))
    plain = 0.25 + 0.3 * NOISE[0].mean()
    shift = 0.1 * NOISE.mean() - plain
    by_strength = {point.at: point.estimate.value - shift for point in curves["strength"].points}
    by_layer = {point.at: point.estimate.value - shift for point in curves["layer"].points}
    assert by_strength == pytest.approx({2.0: 0.4, 4.0: 0.7})
    assert by_layer == pytest.approx({9.0: 0.4, 12.0: 0.7})
    assert curves["strength"].averaged == [9, 12]
    assert curves["layer"].rise is None


def test_controls_that_all_doses_share_cancel_in_the_rise(trials: MakeTrials) -> None:
    curve = curves_of(trials(rates_of((0.3, 0.5, 0.5, 0.9))))["strength"]
    assert curve.rise is not None
    assert curve.rise.value == pytest.approx(0.3)
    assert curve.rise.headline is not None
    point = curve.points[0].estimate.headline
    assert point is not None
    assert curve.rise.headline.high - curve.rise.headline.low < 0.3 * (point.high - point.low)


def test_limits_of_the_whole_curve_are_wider_than_those_of_a_point(trials: MakeTrials) -> None:
    for curve in curves_of(trials(rates_of((0.3, 0.5, 0.5, 0.9)))).values():
        for point in curve.points:
            assert point.estimate.headline is not None
            assert point.simultaneous is not None
            assert point.simultaneous.low <= point.estimate.headline.low
            assert point.simultaneous.high >= point.estimate.headline.high


@pytest.mark.parametrize(("points", "correlation", "level"), [(5, 0.0, 0.9898), (5, 1.0, 0.95), (1, 0.0, 0.95)])
def test_the_level_of_points_follows_from_how_alike_they_are(points: int, correlation: float, level: float) -> None:
    """Independent normal points: .95^(1 / 5). Points that are one: .95."""
    matrix = np.full((points, points), correlation)
    np.fill_diagonal(matrix, 1.0)
    assert simultaneous_confidence(matrix, np.inf) == pytest.approx(level, abs=0.004)


def test_a_curve_compares_only_layers_that_have_every_strength(trials: MakeTrials) -> None:
    cells = ((9.0, 2.0), (9.0, 4.0), (12.0, 4.0))
    curves = curves_of(trials(rates_of((0.3, 0.5, 0.9), cells)))
    assert curves["strength"].averaged == [9]
    assert [point.at for point in curves["layer"].points] == [9, 12]
    assert curves["layer"].averaged == [4]


def test_layers_with_doses_of_their_own_are_compared_over_all_of_them(trials: MakeTrials) -> None:
    curves = curves_of(trials(rates_of((0.3, 0.5, 0.5, 0.9), ((9.0, 2.0), (9.0, 4.0), (12.0, 3.0), (12.0, 5.0)))))
    assert list(curves) == ["layer"]


def test_a_task_without_a_control_is_followed_against_chance(trials: MakeTrials) -> None:
    curve = curves_of(trials(rates_of((0.3, 0.5, 0.5, 0.9), control=False)))["strength"]
    assert (curve.estimand, curve.reference) == ("rate", 0.25)
    assert curve.points[1].estimate.value == pytest.approx(0.7 + 0.1 * NOISE.mean())


def test_cells_that_share_a_noisy_control_are_known_to_be_alike(trials: MakeTrials) -> None:
    frame = trials(rates_of((0.3, 0.5, 0.5, 0.9)))
    found = dose_means(frame, "s", dose_measures(frame, "s")[0])
    assert found is not None
    cells = cell_estimates(found)
    assert cells is not None
    assert cells.correlation > 0.7


def test_the_summary_follows_every_measure_and_finds_its_best_cell() -> None:
    tables = [rates_of((0.3, 0.4, 0.5, 0.9))]
    for task, base in (("notice", -5.0), ("unrelated_no", -6.0)):
        expected = "no" if task == "unrelated_no" else "yes"
        tables.append(trial_rows(task, "control", [(base + NOISE[0]).tolist()], expected=expected))
        for layer, strength in CELLS:
            rise = strength * (2.0 if task == "notice" else 1.0)
            values = (base + rise + NOISE + (layer - 9) / 6).tolist()
            tables.append(trial_rows(task, "injection", values, layer=layer, strength=strength, expected=expected))
    found = summarise_battery(pd.concat(tables, ignore_index=True))
    assert {(curve.task, curve.estimand, curve.axis) for curve in found.curves} == {
        (task, estimand, axis)
        for task, estimand in (("notice", "yes_corrected"), ("pick", "difference"))
        for axis in ("strength", "layer")
    }
    best = max((cell for cell in found.pooled if cell.task == "pick"), key=lambda cell: cell.probability_best)
    assert best.by == {"layer": 12, "strength": 4}
    assert {cell.scale for cell in found.pooled if cell.task == "notice"} == {"logit"}


def test_limits_hold_the_truth_in_a_world_that_no_estimator_drew() -> None:
    held = measure_world("pick", "peaked", DESIGNS["few"], 5)
    assert held["point"] > 0.8
    assert held["whole curve"] >= 0.6
    assert held["pooled cell"] > 0.7
