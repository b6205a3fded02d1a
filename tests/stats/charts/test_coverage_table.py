"""The coverage that the dashboard shows is of this version of the model, and of studies enough to mean something."""

from __future__ import annotations

from gnomon.stats.charts import coverage_table
from gnomon.stats.inference.hierarchical import VERSION


def test_the_coverage_that_ships_is_of_this_model_and_of_many_studies():
    found = coverage_table.interval_coverage(VERSION)
    assert list(found.columns) == list(coverage_table.COLUMNS)
    assert {"net_detection_corrected", "false_alarm", "refusal"} <= set(found["figure"])
    assert (found["studies"] >= 60).all()
    assert found.loc[~found["figure"].str.contains("slope"), "coverage"].between(0.92, 0.98).all()
    assert found["coverage"].between(0.9, 0.99).all()
    assert found["world"].nunique() == 3


def test_coverage_of_another_version_is_not_shown():
    assert coverage_table.interval_coverage("0").empty
