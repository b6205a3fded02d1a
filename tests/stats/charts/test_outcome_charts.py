"""Outcome bars: every outcome has one colour that no arm has, and the parts of a bar fill it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.calibration.plotting.theme import INK, OUTCOME_COLOURS, PALETTE, arm_colours, save_chart
from gnomon.data.outcomes import Outcome
from gnomon.stats.cells.outcome_counts import DENIED_OR_OTHER, OutcomeCount
from gnomon.stats.charts.outcome_charts import outcome_chart, outcome_frame

ROWS = tuple(
    OutcomeCount(subject, size, arm, outcome, n, 10)
    for subject, size in (("small", 1e9), ("big", 7e9))
    for arm, found in (("injection", {"refused": 2, "identified": 5, "denied": 3}), ("control", {"denied": 10}))
    for outcome, n in found.items()
)


def test_every_outcome_has_a_colour_that_no_arm_has() -> None:
    assert set(OUTCOME_COLOURS) == {*map(str, Outcome), DENIED_OR_OTHER}
    taken = {*PALETTE, *arm_colours().values(), INK}
    assert not taken & set(OUTCOME_COLOURS.values())
    assert len(set(OUTCOME_COLOURS.values())) == len(OUTCOME_COLOURS)


def test_the_parts_of_each_bar_fill_it_in_the_order_of_the_legend() -> None:
    shown = outcome_frame(ROWS)
    bar = shown[shown["bar"] == "small, injection"]
    assert bar["outcome"].tolist() == ["identified", "denied", "refused"]
    assert bar["start"].tolist() == pytest.approx([0, 0.5, 0.8])
    assert shown.groupby("bar")["end"].max().tolist() == pytest.approx([1.0] * 4)


def test_one_model_has_a_bar_for_each_arm_and_is_drawn(tmp_path: Path) -> None:
    one = [row for row in ROWS if row.subject == "small"]
    assert set(outcome_frame(one)["bar"]) == {"injection", "control"}
    assert "50 %" in save_chart(outcome_chart(one, "by verdicts"), tmp_path / "outcomes.svg").read_text()
