"""The coverage that the dashboard shows is of this version of the model, and of studies enough to mean something."""

from __future__ import annotations

import json

from gnomon.stats.charts import coverage_table
from gnomon.stats.inference.hierarchical import VERSION


def test_the_coverage_that_ships_is_of_this_model_and_of_many_studies():
    measured = json.loads(coverage_table.PATH.read_text(encoding="utf-8"))["version"]
    # Of another version nothing is shown: Diagnostics then says that this one has not been measured.
    assert coverage_table.interval_coverage(VERSION).empty is (measured != VERSION)
    found = coverage_table.interval_coverage(measured)
    assert list(found.columns) == list(coverage_table.COLUMNS)
    assert {"net_detection_corrected", "false_alarm", "refusal"} <= set(found["figure"])
    assert (found["studies"] >= 60).all()
    assert found.loc[~found["figure"].str.contains("slope"), "coverage"].between(0.92, 0.98).all()
    assert found["coverage"].between(0.9, 0.99).all()
    assert found["world"].nunique() == 3


def test_coverage_of_another_version_is_not_shown():
    assert coverage_table.interval_coverage("0").empty
