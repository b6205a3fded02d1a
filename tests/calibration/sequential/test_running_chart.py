"""The chart of running errors: one arm's rates by date, with limits, the bound, and where a rate changed."""

from __future__ import annotations

import pytest

from gnomon.calibration.sequential.running_chart import rates_by_arm, running_chart, running_frame, running_words
from gnomon.calibration.sequential.running_errors import APART
from gnomon.calibration.sequential.sequential_results import RateChange, RatePoint, RunningErrors, RunningRate
from gnomon.data.results import Estimate


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value / 2, high=min(1.0, value * 2), se=0.01, level=0.95, method="sequence")


def rate(kind: str, arm: str, days: int, change: RateChange | None = None) -> RunningRate:
    path = tuple(
        RatePoint(n=day, at=f"2026-11-{day:02d}T10:00:00+00:00", rate=0.1, low=0.02, high=0.4)
        for day in range(1, days + 1)
    )
    return RunningRate(
        kind=kind, arm=arm, trials=days, events=1, rate=estimate(0.1), path=path, evidence=0.0, change=change, runs=()
    )


def errors(*rates: RunningRate) -> RunningErrors:
    return RunningErrors(judge="j", version="v", view="blind", error=0.05, rates=rates, left_out=0, words="")


def test_only_the_judges_own_rates_with_two_dates_are_drawn():
    found = rates_by_arm(
        errors(
            rate("missed events", "injection", 5),
            rate("false alarms", "injection", 1),
            rate("false alarms", "control", 3),
            rate(APART, "control", 9),
        )
    )
    assert {arm: [each.kind for each in rates] for arm, rates in found.items()} == {
        "injection": ["missed events"],
        "control": ["false alarms"],
    }


def test_the_chart_has_the_bound_and_the_change():
    moved = RateChange(
        decided_after=4, decided_at=None, since="2026-11-03T10:00:00+00:00", before=estimate(0.1), after=estimate(0.3)
    )
    rates = [rate("missed events", "injection", 5, moved), rate("false alarms", "injection", 5)]
    drawn = running_chart(rates, judge="j", bounds={"false alarms": 0.2}).to_dict()
    data = list(drawn["datasets"].values())
    assert [{"rate": "false alarms", "value": 0.2}] in data
    assert any(rows[0].get("rate") == "missed events" and set(rows[0]) == {"rate", "at"} for rows in data)
    assert drawn["title"]["subtitle"][1:] == [
        "Dotted: the bound for false alarms.",
        "Vertical: where missed events most likely changed.",
    ]
    plain = running_chart(rates[1:], judge="j").to_dict()
    assert len(plain["layer"]) == len(drawn["layer"]) - 2


def test_its_frame_and_words_hold_the_limits():
    rates = [rate("missed events", "injection", 3)]
    frame = running_frame(rates)
    assert frame["n"].tolist() == [1, 2, 3]
    assert frame[["value", "low", "high"]].iloc[0].tolist() == pytest.approx([0.1, 0.02, 0.4])
    assert running_words(rates) == (
        "Error rates in the injection arm as they became known: missed events 10 % (5 to 20) after 3 trials."
    )
