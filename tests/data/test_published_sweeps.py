"""The public sweeps and the judge's test labels by arm that ship are the published ones."""

from __future__ import annotations

import csv
from collections import Counter

from gnomon.data import bundled

PUBLISHED = bundled.HERE / "published"


def rows_of(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_passes_of_the_32b_by_strength_are_the_published_ones():
    passed: Counter[float] = Counter()
    for row in rows_of("qwen_sweep_cells.csv"):
        if (row["subject"], row["span"], row["arm"]) == ("Qwen2.5-32B-Instruct", "all", "injection"):
            passed[float(row["strength"])] += int(row["passed"])
    shares = {strength: round(many / 320, 4) for strength, many in passed.items()}
    assert shares == {1.5: 0.0375, 2.0: 0.1531, 2.5: 0.3438, 3.0: 0.4469, 4.0: 0.3719}


def test_each_sweep_has_twenty_trials_in_each_of_eighty_cells():
    rows = rows_of("qwen_sweep_cells.csv")
    assert {(row["n"], int(row["passed"]) + int(row["failed"])) for row in rows} == {("20", 20)}
    assert set(Counter((row["subject"], row["span"], row["arm"]) for row in rows).values()) == {80}


def test_the_judges_test_labels_pooled_are_the_published_confusion():
    """As they stand: 30 true positives, 5 false positives, no false negative, 16 true negatives of pass."""
    table = {
        (row["arm"], row["label"]): row for row in rows_of("test_calibration_by_arm.csv") if "stand" in row["labels"]
    }
    right = {key: int(row["right"]) for key, row in table.items()}
    of = {key: int(row["of"]) for key, row in table.items()}
    passes, fails = [("injection", "pass"), ("control", "pass")], [("injection", "fail"), ("control", "fail")]
    assert (sum(right[key] for key in passes), sum(of[key] for key in passes)) == (30, 30)
    assert (sum(right[key] for key in fails), sum(of[key] for key in fails)) == (16, 21)
