"""The re-analysis of the published study uses the judge's labels by arm, and says how far its intervals reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.validity import reanalysis, sweep_clustering
from gnomon.data import bundled
from gnomon.data.records import Arm

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reanalysis.md").read_text(encoding="utf-8")


def test_the_judges_counts_by_arm_are_those_of_the_public_label_files() -> None:
    dev, now, first = reanalysis.judge_scenarios()
    assert dev.injection == ((19, 19), (12, 14))
    assert (now.injection, now.control) == (((44, 44), (20, 25)), ((16, 18), (13, 13)))
    assert (first.injection, first.control) == (((37, 40), (17, 29)), ((16, 19), (12, 12)))


def test_on_labels_as_first_recorded_the_14b_may_detect_nothing() -> None:
    _, counts = bundled.published_counts()
    one, zero = (
        next(row for row in counts if row.subject == "Qwen2.5-14B-Instruct" and row.arm is arm)
        for arm in (Arm.INJECTION, Arm.CONTROL)
    )
    found = reanalysis.corrected(one, zero, reanalysis.judge_scenarios()[2])
    assert [100 * found.value, 100 * found.low, 100 * found.high] == pytest.approx([10.8, -0.5, 27.7], abs=0.3)
    assert "+10.8 (-0.5 to +27.7)" in DOCUMENT


def test_binomial_intervals_are_for_the_conditions_that_were_run() -> None:
    rates = {row.name: row for row in sweep_clustering.sweep_rates()}
    injected = rates["Qwen2.5-32B-Instruct, span all, injection"]
    assert injected.fixed < injected.binomial
    assert {axis: round(factor) for axis, (_, factor) in injected.over.items()} == {
        "concept": 13, "layer": 7, "strength": 10,
    }  # fmt: skip
    control = [row for name, row in rates.items() if name.endswith("control")]
    factors = [factor for row in control for _, factor in row.over.values()]
    assert np.mean(factors) == pytest.approx(1.0, abs=0.35), "nothing is injected there: chance alone"


def test_one_level_says_nothing_of_others() -> None:
    with pytest.raises(ValueError, match="at least two"):
        sweep_clustering.interval_over_levels([0.3])
