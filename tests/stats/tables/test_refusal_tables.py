"""Refusal and bounds as tables: arms in columns, and each bound's reading says what it may hide."""

from __future__ import annotations

from typing import Any

import dashboard_demo as demo
import pytest

from gnomon.stats.narrative.fit_frames import FitFrames, read_fit
from gnomon.stats.narrative.fit_sentences import refusal_headline
from gnomon.stats.results import EngagementBounds, StoredFit
from gnomon.stats.tables.estimate_table import Interval
from gnomon.stats.tables.models.refusal_tables import (
    APART_FROM_ZERO,
    NEGLIGIBLE,
    WITH_ZERO,
    bounds_reading,
    bounds_table,
    refusal_table,
)

SMALL, BIG = ("small", 1e9, "instruct"), ("big", 7e9, "instruct")


def bound(subject: str, assuming: str, low: float, high: float) -> dict[str, Any]:
    return {
        "subject": subject, "assuming": assuming, "low": low, "high": high, "low95": low - 0.05, "high95": high + 0.05,
    }  # fmt: skip


@pytest.fixture
def fit() -> FitFrames:
    rows = [
        demo.estimand(*who, "refusal", mean, 0.01, by={"arm": arm})
        for who, arm, mean in ((BIG, "control", 0.6), (BIG, "injection", 0.2), (SMALL, "control", 0.05))
    ]
    rows += [demo.estimand(*who, "net_detection_engaged", 0.2, 0.02) for who in (BIG, SMALL)]
    bounds = [bound("big", "monotone", -0.01, 0.4), bound("big", "none", -0.3, 0.6)]
    result = {"judge": "lexicon", "estimands": rows, "comparisons": {"bounds": bounds}}
    return read_fit(StoredFit.model_validate(demo._fit("judged", result)))


def test_refusal_has_a_row_for_each_model_in_order_of_size_and_a_column_for_each_arm(fit: FitFrames) -> None:
    table = refusal_table(fit)
    assert [row["model"] for row in table.rows] == ["small", "big"]
    assert [column.heading for column in table.columns] == ["Model", "Size", "Injection", "Control"]
    assert table.text_frame().loc[0].tolist() == ["small", "1B", "–", "5 % (3 to 7)"]


def test_bounds_stand_beside_the_estimate_that_they_bound(fit: FitFrames) -> None:
    (row,) = bounds_table(fit).rows
    assert row["engaged"] == Interval(0.2, pytest.approx(0.1608), pytest.approx(0.2392))
    assert (row["monotone"].low, row["monotone"].high) == (-0.01, 0.4)  # type: ignore[union-attr]
    assert row["reading"] == WITH_ZERO
    shown = bounds_table(fit).text_frame()
    assert shown["Bounds, either way"].tolist() == ["−30 to +60 %"]


@pytest.mark.parametrize(
    ("low", "high", "reading"), [(0.1, 0.11, NEGLIGIBLE), (0.02, 0.3, WITH_ZERO), (0.1, 0.3, APART_FROM_ZERO)]
)
def test_a_reading_is_of_the_limits_not_of_the_means(low: float, high: float, reading: str) -> None:
    assert bounds_reading(EngagementBounds(**bound("m", "monotone", low, high))) == reading


def test_the_page_opens_with_the_model_whose_arms_differ_most(fit: FitFrames) -> None:
    assert refusal_headline(fit.estimands) == (
        "big refuses 20 % (18 to 22) of injection trials and 60 % (58 to 62) of control trials."
    )
    control = fit.estimands[fit.estimands["value"] == "control"]
    assert refusal_headline(control) == "big refuses most: 60 % (58 to 62) of control trials."
    assert refusal_headline(control.head(0)) is None
