"""What is counted is a choice: the same verdicts under other rules, and trials without a verdict taken as anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.data.records import (
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Span,
    Subject,
    Trial,
    Verdict,
    VerdictState,
    trial_seed,
)
from gnomon.data.storage.store import Store
from gnomon.stats.estimands.rule_sensitivity import compare_outcome_rules, missing_verdict_ranges
from gnomon.stats.results import MissingVerdictRange, RuleEstimate

IDENTIFIED, DENIED = Facts(True, "ocean", True, False), Facts(False, "none", True, False)
GARBLED = Facts(True, "ocean", False, False)
DISCLAIMED = Facts(True, "ocean", True, True)
CLAIMED = Facts(True, "other", True, False)


@pytest.fixture
def study(store: Store) -> Callable[[dict[str, list[tuple[int, Facts | None]]]], Store]:
    """Adds trials by arm with one judge's facts; None is a call without a usable verdict."""
    store.save_settings({"judges": ["first"], "rule": "strict", "label_view": "blind"})
    store.add_protocol("p", "plain", {"messages": []})
    store.add_judge(JudgeVersion("first-1", "first", "local", {}))
    store.add_subjects([Subject("s", 1e9, "toy", "instruct", "r")])

    def fill(arms: dict[str, list[tuple[int, Facts | None]]]) -> Store:
        for arm, groups in arms.items():
            steered = arm != "control"
            concept = "ocean" if steered else None
            condition = Condition(
                "s", "r", Arm(arm), concept, 20 if steered else None, 2.0 * steered, Span.GENERATION, "p", None, 1
            )
            number = 0
            for n, facts in groups:
                for _ in range(n):
                    id_ = condition.trial_id(number)
                    store.add_trials([Trial(id_, condition, number, trial_seed(id_), "words", "stop", 1, None)])
                    state = VerdictState.OK if facts else VerdictState.UNPARSABLE
                    store.add_verdicts([Verdict(id_, "first-1", facts, state)])
                    number += 1
        return store

    return fill


def by_rule(rows: list[RuleEstimate], estimand: str) -> dict[str, RuleEstimate]:
    return {row.rule: row for row in rows if row.estimand == estimand}


def test_the_same_verdicts_are_counted_under_each_rule(study: Callable[..., Store]) -> None:
    rows = compare_outcome_rules(
        study(
            {
                "injection": [(4, IDENTIFIED), (8, GARBLED), (2, DISCLAIMED), (3, CLAIMED), (23, DENIED)],
                "control": [(1, CLAIMED), (39, DENIED)],
            }
        )
    )
    found = by_rule(rows, "identification")
    assert list(found) == ["strict", "claim_first", "lenient"], "the study's own rule comes first"
    assert [row.is_study_rule for row in found.values()] == [True, False, False]
    assert [row.value for row in found.values()] == pytest.approx([4 / 40, 6 / 40, 14 / 40])
    detection = by_rule(rows, "detection")
    assert detection["strict"].value == pytest.approx(7 / 40)
    assert by_rule(rows, "net_detection_claimed")["lenient"].value == pytest.approx(17 / 40 - 1 / 40)
    for row in rows:
        assert row.low95 <= row.value <= row.high95


def test_an_interval_of_one_rate_is_near_wilsons(study: Callable[..., Store]) -> None:
    rows = compare_outcome_rules(study({"injection": [(12, IDENTIFIED), (28, DENIED)], "control": [(40, DENIED)]}))
    row, wilson = by_rule(rows, "identification")["strict"], wilson_interval(12, 40)
    assert row.low95 == pytest.approx(wilson.low, abs=0.02)
    assert row.high95 == pytest.approx(wilson.high, abs=0.02)


def ranges(rows: list[MissingVerdictRange]) -> dict[str, MissingVerdictRange]:
    return {row.estimand: row for row in rows}


def test_missing_verdicts_could_be_events_or_none(study: Callable[..., Store]) -> None:
    found = ranges(
        missing_verdict_ranges(
            study(
                {
                    "injection": [(10, IDENTIFIED), (20, DENIED), (10, None)],
                    "control": [(2, CLAIMED), (38, DENIED)],
                }
            )
        )
    )
    row = found["identification"]
    assert (row.missing, row.trials) == (10, 40)
    assert (row.lowest, row.value, row.highest) == pytest.approx((10 / 40, 10 / 30, 20 / 40))
    assert "false_alarm" not in found, "none is missing in the control arm"
    net = found["net_detection_raw"]
    assert (net.lowest, net.highest) == pytest.approx((10 / 40 - 2 / 40, 20 / 40 - 2 / 40))


def test_few_missing_verdicts_are_not_worth_a_range(study: Callable[..., Store]) -> None:
    filled = study({"injection": [(30, IDENTIFIED), (69, DENIED), (1, None)], "control": [(60, DENIED)]})
    assert missing_verdict_ranges(filled) == []
