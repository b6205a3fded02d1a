"""The coverage section says which estimates cover least, in which worlds, and what was withheld."""

from __future__ import annotations

import pandas as pd
import pytest

from gnomon.calibration.plotting.theme import save_chart
from gnomon.stats.charts.coverage_chart import FINDING_COLOURS, coverage_grid_chart
from gnomon.stats.charts.coverage_table import WORLD_COLUMNS, interval_coverage, world_coverage
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.tables.diagnostics.coverage_tables import (
    BELOW,
    FEW,
    NEAR,
    WITHHELD,
    designs_table,
    estimate_label,
    range_sentence,
    world_estimates_table,
    world_grid,
    worlds_sentence,
    worlds_table,
)


@pytest.fixture
def worlds() -> pd.DataFrame:
    rows = [
        ("flat", "errors the same", 10, "net_detection_corrected", 20, 0, 0.95),
        ("flat", "errors the same", 10, "net_detection_corrected at strength 8.0", 20, 0, 1.0),
        ("flat", "errors the same", 10, "false_alarm", 20, 0, 0.9),
        ("strong", "errors by strength", 12, "net_detection_corrected", 20, 4, 0.55),
        ("strong", "errors by strength", 12, "net_detection_corrected at strength 8.0", 0, 24, None),
        ("strong", "errors by strength", 12, "cell called best", 24, 0, 0.5),
    ]
    alone = {"flat": 30, "strong": 0}
    made = [
        {"world": w, "about": a, "trials": 2400, "labels": 140, "studies": s, "studies_alone": alone[w],
         "figure": f, "intervals": n,
         "withheld": k, "coverage": c, "bias": 0.01, "width": 0.2}
        for w, a, s, f, n, k, c in rows
    ]  # fmt: skip
    return pd.DataFrame(made, columns=list(WORLD_COLUMNS))


def test_the_sentence_names_the_worlds_of_least_and_greatest_coverage(worlds):
    assert worlds_sentence(worlds) == (
        "2 worlds, 22 fitted studies, 30 more by the design-based method alone. Coverage of net detection ranges from "
        "55 % (errors by strength) to 95 % (errors the same). With 11 fits, a coverage of 95 % has a standard error of "
        "7 points."
    )


def test_the_grid_tells_what_is_below_nominal_beyond_the_error_of_the_simulation(worlds):
    grid = world_grid(worlds)
    found = {(row["world"], row["estimate"]): row["finding"] for row in grid.to_dict("records")}
    assert found == {
        ("errors the same", "Net detection"): NEAR,
        ("errors the same", "Net at strength 8"): NEAR,
        ("errors the same", "False alarm"): NEAR,
        ("errors by strength", "Net detection"): BELOW,
        ("errors by strength", "Net at strength 8"): WITHHELD,
        ("errors by strength", "Best cell"): BELOW,
    }


def test_few_intervals_say_nothing_unless_coverage_is_clearly_too_low(worlds):
    found = world_grid(worlds.assign(intervals=4))
    assert set(found.loc[found["coverage"] >= 0.9, "finding"]) == {FEW}
    assert set(found.loc[found["coverage"] < 0.6, "finding"]) == {BELOW}


def test_the_table_has_a_row_per_world_and_counts_withheld_estimates(worlds):
    table = worlds_table(worlds)
    shown = table.text_frame()
    assert shown["World"].tolist() == ["errors the same", "errors by strength"]
    assert shown["Net detection"].tolist() == ["95 % (76 to 99)", "55 % (34 to 74)"]
    assert shown["Net at strength 8"].tolist() == ["100 % (84 to 100)", "–"], "withheld at every strength"
    assert shown["Below 95 %"].tolist() == ["–", "Net detection, Best cell"]
    assert shown["Withheld"].tolist() == ["0 %", "39 %"]
    assert len(world_estimates_table(worlds).rows) == len(worlds)


def test_the_grid_is_drawn_with_every_world_of_this_version(tmp_path):
    grid = world_grid(world_coverage(VERSION))
    drawn = save_chart(coverage_grid_chart(grid), tmp_path / "grid.svg").read_text()
    assert set(grid["finding"]) <= set(FINDING_COLOURS)
    assert all(part in drawn for part in ("Net detection", ">95<", "below 95 %"))


def test_designs_show_an_interval_and_the_least_first():
    cells = [row["coverage"] for row in designs_table(interval_coverage(VERSION)).rows]
    assert all(cell.low <= cell.value <= cell.high for cell in cells)
    assert cells[0].value == min(cell.value for cell in cells)


def test_the_range_names_both_ends():
    rows = pd.DataFrame({"figure": ["identification", "refusal", "false_alarm"], "coverage": [0.94, 0.95, 0.972]})
    assert range_sentence(rows) == "Coverage ranges from 94.0 % (identification) to 97.2 % (false alarm)."


def test_estimates_have_their_usual_names():
    assert estimate_label("net_detection_corrected at strength 8.0") == "corrected net detection at strength 8.0"
    assert estimate_label("net_detection_corrected by concept") == "corrected net detection by concept"
    assert estimate_label("contrast refusal") == "difference between models: refusal"
    assert estimate_label("cell called best") == "cell called best"
