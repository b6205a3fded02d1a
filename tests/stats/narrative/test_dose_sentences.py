"""Curves are told with the limits that they have, and a rise that may be none is not told as one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.charts.battery_charts import dose_chart, dose_rows
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.measure_results import BatterySummary
from gnomon.stats.narrative.battery.dose_sentences import best_cells, dose_sentences, rise_sentence
from gnomon.stats.tables.battery.dose_table import dose_table
from tests.stats.measures.conftest import trial_rows

NOISE = np.random.default_rng(4).normal(0, 0.05, (4, 6))


@pytest.fixture(scope="module")
def summary() -> BatterySummary:
    """`pick` rises with the strength at both layers, `locate` does not."""
    tables = []
    for layer in (9.0, 12.0):
        for strength, share in ((2.0, 0.3), (4.0, 0.5), (8.0, 0.8)):
            steered = (share + NOISE + (layer - 9) / 30).tolist()
            tables.append(trial_rows("pick", "injection", steered, column="p_correct", layer=layer, strength=strength))
            still = (0.4 + np.roll(NOISE, int(strength + layer))).tolist()
            tables.append(trial_rows("locate", "injection", still, column="p_correct", layer=layer, strength=strength))
    tables.append(trial_rows("pick", "control", [(0.25 + NOISE[0]).tolist()], column="p_correct"))
    frame = pd.concat(tables, ignore_index=True).assign(chance=0.25, expected="a")
    return summarise_battery(frame)


def test_a_rise_is_told_with_its_interval_and_no_rise_as_none(summary: BatterySummary) -> None:
    told = {curve.task: rise_sentence(curve) for curve in summary.curves if curve.axis == "strength"}
    assert "from strength 2 to 8 it rises by 50.0 points" in told["pick"]
    assert "mean of layers 9, 12" in told["pick"]
    assert "which may be no change" in told["locate"]
    assert "rises" not in told["locate"]


def test_the_best_cell_is_told_after_pooling(summary: BatterySummary) -> None:
    best = {cell.task: cell for cell in best_cells(summary, "s")}
    assert best["pick"].by == {"layer": 12, "strength": 8}
    (line,) = [each for each in dose_sentences(summary, "s") if "highest at layer 12, strength 8" in each]
    assert "after pooling" in line


def test_table_and_chart_have_every_point(summary: BatterySummary) -> None:
    points = sum(len(curve.points) for curve in summary.curves)
    table, rows = dose_table(summary, "s"), dose_rows(summary, "s")
    assert len(table.rows) == len(rows) == points == 10
    assert list(table.data_frame()["estimate"]) == list(rows["mean"])
    assert {texts[0] for texts in table.texts()} == {"pick the word", "locate the sentence"}
    assert (rows["low_all"] <= rows["low95"]).all()
    assert (rows["high_all"] >= rows["high95"]).all()
    assert rows["reference"].isin([0, 0.25]).all()
    assert dose_chart(summary, "s").to_dict()["facet"]["field"] == "curve"
    assert not dose_table(summary, "another")
