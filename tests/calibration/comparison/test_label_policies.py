"""Labels by guideline: what a changed clause moves, agreement and judge error under each."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.comparison.label_policies import labels_by_policy, policy_document
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Arm, Label, LabelPolicy
from tests.calibration.conftest import FACTS

STRICT = LabelPolicy("strict", "The concept must be named.")
LENIENT = LabelPolicy("lenient", "The concept must be named, or plainly described.")
JUDGES = {"literal": dict.fromkeys(Arm, (0.97, 0.97)), "loose": dict.fromkeys(Arm, (0.9, 0.9))}


@pytest.fixture
def study(simulate):
    """45 trials labelled under the strict guideline, then again under the lenient one, which moves 16 to the event."""
    made = simulate(JUDGES, n=150, labelled=0.0)
    made.store.add_label_policies([STRICT, LENIENT])
    rest = [trial for trial, truth in made.truth.items() if truth == "rest"]
    chosen = [*rest[:30], *(trial for trial, truth in made.truth.items() if truth == "event")][:45]
    moved = set(rest[:16])
    first = [Label(trial, "ann", FACTS[made.truth[trial]], policy=STRICT.hash) for trial in chosen]
    again = [
        Label(trial, "ann", FACTS["event" if trial in moved else made.truth[trial]], policy=LENIENT.hash, revision=1)
        for trial in chosen
    ]
    made.store.add_labels([*first, *again])
    return made


def test_what_a_changed_clause_moves_is_counted_on_the_same_trials(study):
    (change,) = policy_document(study.store, "current").changes
    assert (change.both, change.moved, change.to_event, change.from_event) == (45, 16, 16, 0)
    assert change.event_difference.value == pytest.approx(16 / 45)
    assert change.event_difference.low > 0.19
    assert change.p_exact == pytest.approx(2 * 0.5**16)
    assert len(change.items) == 16
    assert change.unpaired == {}


def test_each_guideline_has_its_labels_base_rates_and_judge_errors(study):
    found = policy_document(study.store, "current")
    assert [policy.name for policy in found.policies] == ["strict", "lenient"]
    assert [policy.trials for policy in found.policies] == [45, 45]
    assert found.policies[0].text == STRICT.text
    assert {row.judge for row in found.policies[0].judges} == {"literal", "loose"}
    rates = [sum(rate.value for rate in policy.base_rates.values()) for policy in found.policies]
    assert rates[1] > rates[0]
    assert "test" not in found.splits


def test_a_judge_agrees_with_one_guideline_more_than_with_the_other(study):
    (change,) = policy_document(study.store, "current").changes
    literal = next(row for row in change.judges if row.judge == "literal")
    assert literal.difference.high < 0
    assert any("literal has the label's answer" in line for line in policy_document(study.store, "current").words)


def test_a_rater_who_labelled_under_both_has_a_label_under_each(study):
    labels = labels_by_policy(study.store, "current")
    assert (labels.groupby("trial")["policy"].nunique() == 2).all()


def test_different_trials_are_compared_by_arm_and_said_to_be_different(simulate):
    made = simulate(JUDGES, n=200, labelled=0.0)
    made.store.add_label_policies([STRICT, LENIENT])
    trials = list(made.truth)
    labels = [
        Label(trial, "ann", FACTS[made.truth[trial]], policy=(STRICT if place < 100 else LENIENT).hash)
        for place, trial in enumerate(trials)
    ]
    made.store.add_labels(labels)
    found = policy_document(made.store, "current")
    (change,) = found.changes
    assert change.both == 0
    assert set(change.unpaired) == {"injection", "control"}
    assert change.event_difference is None
    assert any("Between different trials" in line for line in found.words)


def test_agreement_is_counted_within_each_guideline(simulate):
    made = simulate(JUDGES, n=120, labelled=0.0)
    made.store.add_label_policies([STRICT, LENIENT])
    random = np.random.default_rng(2)
    labels = []
    for policy, wrong in ((STRICT, 0.02), (LENIENT, 0.3)):
        for rater in ("ann", "ben"):
            for trial, truth in made.truth.items():
                said = "rest" if truth == "event" and random.random() < wrong else truth
                revision = 0 if policy is STRICT else 1
                labels.append(Label(trial, rater, FACTS[said], policy=policy.hash, revision=revision))
    made.store.add_labels(labels)
    strict, lenient = policy_document(made.store, "current").policies
    assert strict.alpha.value > lenient.alpha.value + 0.1
    assert strict.agreement.value > 0.9


def test_labels_without_any_guideline_are_one_line(simulate):
    made = simulate(JUDGES, n=40)
    with pytest.raises(NotEnoughDataError, match="guideline"):
        policy_document(made.store, "current")
