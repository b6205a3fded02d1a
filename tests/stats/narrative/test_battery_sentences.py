"""What the battery says is said of the right numbers, and no verdict goes further than its interval."""

from __future__ import annotations

import pandas as pd
import pytest

from gnomon.data.results import Estimate
from gnomon.stats.charts.battery_charts import SHIFTS, battery_chart, battery_rows, yes_shift_chart, yes_shift_rows
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.measure_results import BatterySummary, MeasuredEstimate
from gnomon.stats.measures.yes_correction import correction_verdict
from gnomon.stats.narrative.battery.battery_sentences import battery_sentences
from tests.stats.measures.conftest import trial_rows

STEPS = [[-0.3, 0.1, 0.2, 0.0, 0.0], [0.2, -0.1, 0.0, 0.1, -0.2], [0.0, 0.3, -0.2, 0.1, 0.1]]


def shifted(amount: float) -> list[list[float]]:
    return [[amount + step for step in row] for row in STEPS]


@pytest.fixture(scope="module")
def summary() -> BatterySummary:
    """Pure yes-bias at strength 4, detection of 3 log-odds at strength 8, and a concept that is always picked right."""
    tables = []
    for strength, bias, detection in ((4.0, 3.0, 0.0), (8.0, 5.0, 3.0)):
        for task, base, expected in (("notice", -6, "yes"), ("unrelated_no", -6, "no"), ("unrelated_yes", 6, "yes")):
            rise = bias + (detection if task == "notice" else 0)
            tables.append(trial_rows(task, "injection", shifted(base + rise), strength=strength, expected=expected))
    for task, base, expected in (("notice", -6, "yes"), ("unrelated_no", -6, "no"), ("unrelated_yes", 6, "yes")):
        tables.append(trial_rows(task, "control", [[float(base)] * 5], expected=expected))
    pick = trial_rows("pick", "injection", [[1.0] * 5] * 3, column="correct")
    tables.append(pick.assign(picked=pick["concept"], expected=pick["concept"], chance=1 / 3))
    timing = trial_rows("timing", "injection", [[1.0] * 5] * 3, column="correct")
    tables.append(timing.assign(picked="no claim", expected=timing["concept"]))
    return summarise_battery(pd.concat(tables, ignore_index=True))


def test_each_task_has_its_sentence_with_chance_and_control(summary: BatterySummary) -> None:
    found = {sentence.split(" ")[0]: sentence for sentence in battery_sentences(summary, "s")}
    assert "picks the concept 100 %" in found["pick"]
    assert "chance 33 %" in found["pick"]
    assert "against its control" in found["notice"]


def test_the_verdict_is_said_by_cell(summary: BatterySummary) -> None:
    verdicts = {
        each.corrected.by.get("strength"): each.verdict
        for each in summary.yes_corrections
        if each.corrected.scale == "logit"
    }
    assert verdicts[4] == "nothing_left"
    assert verdicts[8] == "detection"


def test_the_cause_of_the_shift_is_said(summary: BatterySummary) -> None:
    (sentence,) = [each for each in battery_sentences(summary, "s") if "both kinds" in each]
    assert "move to yes by 4.0" in sentence
    assert sentence.count("a bias to yes") == 1
    assert "less certain" not in sentence


def test_bits_are_said_of_tasks_that_choose_a_concept_alone(summary: BatterySummary) -> None:
    assert {each.task for each in summary.identification} == {"pick"}
    assert any("bits of the injected concept" in each for each in battery_sentences(summary, "s"))


def estimate(low: float, high: float) -> MeasuredEstimate:
    interval = Estimate(value=(low + high) / 2, low=low, high=high, se=None, level=0.95, method="")
    return MeasuredEstimate(
        estimand="yes_corrected", subject="s", task="notice", scale="logit", value=interval.value,
        these=interval, like_these=None, n=9, concepts=3, items=5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.2, 0.3, "nothing_left"),
        (0.1, 0.3, "nothing_left"),
        (0.1, 0.9, "detection"),
        (-0.2, 0.9, "undecided"),
        (-2.0, -0.1, "below_zero"),
    ],
)
def test_no_verdict_goes_further_than_the_interval(low: float, high: float, verdict: str) -> None:
    assert correction_verdict(estimate(low, high), 0.5) == verdict


def test_the_charts_hold_every_rate_and_every_shift(summary: BatterySummary) -> None:
    rates = battery_rows(summary, "s")
    assert set(rates["task"]) == {"notice", "unrelated_no", "unrelated_yes", "pick", "timing"}
    assert (rates["low95"] <= rates["mean"]).all()
    shifts = yes_shift_rows(summary, "s")
    assert set(shifts["series"]) == set(SHIFTS)
    assert sorted(shifts["strength"].unique()) == [4, 8]
    left = shifts[(shifts["series"] == "yes-corrected") & (shifts["strength"] == 8)]["mean"].item()
    assert left == pytest.approx(3)
    for chart in (battery_chart(summary, "s"), yes_shift_chart(summary, "s")):
        assert chart.to_dict()["title"]["subtitle"]


def test_a_summary_survives_json(summary: BatterySummary) -> None:
    assert BatterySummary.model_validate_json(summary.model_dump_json()) == summary
