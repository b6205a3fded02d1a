"""The re-audit of the field: its intervals, its table, its page, and what it says where a file is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench.audit.field_audit import (
    PAGE,
    ClaimCounts,
    arm_rows,
    choice_rows,
    claims_by_arm,
    concept_interval,
    field_audit,
)

ROOT = Path(__file__).parents[1]


def test_the_page_is_what_the_public_files_say(shared):
    assert PAGE.read_text(encoding="utf-8") == field_audit(shared / "data"), "run 'python -m bench.audit.field_audit'"


def test_a_zero_count_has_its_exact_upper_limit():
    (row,) = arm_rows([ClaimCounts("injected", 0, 216)])
    assert "0.0 (0.0 to 1.7)" in row


def test_the_interval_over_concepts_is_that_of_students_t():
    low, high = concept_interval([(2, 10), (4, 10), (6, 10)])
    assert (low, high) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.4 + 4.302653 * 0.2 / 3**0.5, abs=1e-6))
    assert concept_interval([(2, 10), (4, 10)]) is None
    assert concept_interval([(0, 10)] * 4) is None


def test_a_difference_that_may_be_nothing_is_not_explained():
    rows = list(
        arm_rows([ClaimCounts("injected", 60, 100), ClaimCounts("none", 10, 100), ClaimCounts("random", 55, 100)])
    )
    assert rows[1].endswith("| 50.0 % |")
    assert rows[2].endswith("| none: the interval includes 0 |")


def test_claims_are_counted_by_arm_and_concept():
    frame = pd.DataFrame({"arm": ["x", "x", "y"], "claim": [True, False, True], "concept": ["a", "b", "a"]})
    counts = claims_by_arm(frame, "arm", "claim", {"x": "injected", "y": "control"})
    assert counts == [ClaimCounts("injected", 1, 2, ((1, 1), (0, 1))), ClaimCounts("control", 1, 1, ((1, 1),))]


def test_a_choice_is_compared_with_the_random_direction_pair_by_pair():
    right = {("content", "a"): 9, ("content", "b"): 8, ("content", "c"): 10, ("random_pair", "a"): 5}
    right |= {("random_pair", "b"): 5, ("random_pair", "c"): 5, ("clean", "-"): 5}
    rows = [(arm, pair, number < count) for (arm, pair), count in right.items() for number in range(10)]
    clean, content, random = choice_rows(pd.DataFrame(rows, columns=["arm", "pair", "correct"]))
    half = 4.302653 * 10 / 3**0.5  # differences of 40, 30 and 50 points
    assert content.endswith(f"| {40 - half:.1f} to {40 + half:.1f} |")
    assert content.startswith("| content | 27 of 30 | 90.0 (")
    assert clean.endswith(" |  |")  # no pair in common: no interval over pairs
    assert random.endswith("|  |  |")  # not compared with itself


def test_a_missing_file_is_named_in_one_line(tmp_path):
    command = [sys.executable, "-m", "bench.audit.field_audit", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "trials_base14b_k2_bedrock.jsonl: not there: download it as docs/field-audit.md lists" in done.stderr
