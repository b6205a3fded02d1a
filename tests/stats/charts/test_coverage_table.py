"""The coverage that the dashboard shows is of this version of the model, and says from which worlds it comes."""

from __future__ import annotations

from gnomon.stats.charts import coverage_table
from gnomon.stats.charts.coverage_table import (
    CoverageDesign,
    CoverageRow,
    MeasuredCoverage,
    WorldCoverage,
    WorldCoverageRow,
    interval_coverage,
    world_coverage,
    write_coverage,
)
from gnomon.stats.inference.hierarchical import VERSION


def test_designs_that_ship_cover_well_where_the_model_is_right():
    found = interval_coverage(VERSION)
    assert list(found.columns) == list(coverage_table.COLUMNS)
    if found.empty:  # this version was not measured: the page says so
        assert coverage_table.read_coverage().version != VERSION
        return
    assert {"net_detection_corrected", "false_alarm", "refusal"} <= set(found["figure"])
    rates = found[~found["figure"].str.contains("slope|odds")]
    error = (0.95 * 0.05 / rates["studies"]) ** 0.5
    assert (rates["coverage"] > 0.95 - 3 * error).all(), "the error is of studies: their intervals share data"


def test_coverage_of_another_version_is_not_shown():
    assert interval_coverage("0").empty
    assert world_coverage("0").empty


def test_measurements_are_read_as_they_were_written(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage_table, "PATH", tmp_path / "coverage.json")
    design = CoverageDesign(
        subjects=2, world="{n} similar models", trials=200, labels=55, studies=9,
        figures={"refusal": CoverageRow(intervals=18, coverage=0.9)},
    )  # fmt: skip
    world = WorldCoverage(
        about="long responses pass", trials=2400, labels=140, studies=4,
        figures={
            "refusal": WorldCoverageRow(intervals=8, withheld=1, coverage=0.75, bias=0.01, width=0.2),
            "false_alarm": WorldCoverageRow(intervals=0, withheld=8, coverage=None, bias=None, width=None),
        },
    )  # fmt: skip
    measured = MeasuredCoverage(version="8", parts={"pair": design}, worlds_version="9", worlds={"length": world})
    write_coverage(measured)
    assert coverage_table.read_coverage() == measured
    assert interval_coverage("8")["world"].tolist() == ["{n} similar models"]
    assert interval_coverage("9").empty, "designs and worlds each say of which version they are"
    found = world_coverage("9")
    assert list(found.columns) == list(coverage_table.WORLD_COLUMNS)
    assert found["withheld"].tolist() == [1, 8]
