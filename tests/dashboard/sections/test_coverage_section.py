"""The coverage section says which estimates cover least, in which worlds, and what was withheld."""

from __future__ import annotations

import pandas as pd
import pytest

from gnomon.dashboard.sections.coverage_section import (
    estimate_label,
    range_sentence,
    worlds_in_full,
    worlds_overview,
    worlds_sentence,
)
from gnomon.stats.charts.coverage_table import WORLD_COLUMNS


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


def test_the_overview_has_a_row_per_world_and_counts_withheld_estimates(worlds):
    table = worlds_overview(worlds)
    assert table["world"].tolist() == ["errors the same", "errors by strength"]
    assert table["net detection"].tolist() == ["95 % of 20", "55 % of 20"]
    assert table["least at a strength"].tolist() == ["100 % of 20", "–"], "withheld at every strength"
    assert table["withheld"].tolist() == ["0 %", "39 %"]
    assert table["cell called best"].tolist() == ["–", "50 % of 24"]
    assert len(worlds_in_full(worlds)) == len(worlds)


def test_the_range_names_both_ends():
    rows = pd.DataFrame({"figure": ["identification", "refusal", "false_alarm"], "coverage": [0.94, 0.95, 0.972]})
    assert range_sentence(rows) == "Coverage ranges from 94.0 % (identification) to 97.2 % (false alarm)."


def test_estimates_have_their_usual_names():
    assert estimate_label("net_detection_corrected at strength 8.0") == "corrected net detection at strength 8.0"
    assert estimate_label("net_detection_corrected by concept") == "corrected net detection by concept"
    assert estimate_label("contrast refusal") == "difference between models: refusal"
    assert estimate_label("cell called best") == "cell called best"
