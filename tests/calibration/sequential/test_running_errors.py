"""A judge's errors as they became known; drift is told in the order of labels, and between runs."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.sequential.look_charges import charge_looks, spent_error
from gnomon.calibration.sequential.running_errors import running_errors
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, Facts, JudgeVersion, Label, Verdict

ALWAYS = {"careful": dict.fromkeys(Arm, (0.95, 0.95))}
FACTS = {
    "refused": Facts(claims=False, concept="none", coherent=True, refused=True),
    "incoherent": Facts(claims=False, concept="none", coherent=False, refused=False),
    "event": Facts(claims=True, concept="ocean", coherent=True, refused=False),
    "rest": Facts(claims=False, concept="none", coherent=True, refused=False),
}


def day(number: int) -> str:
    return f"2026-01-{number:02}T00:00:00.000000+00:00"


@pytest.fixture
def dated(simulate):
    """A study with a judge whose verdicts, and labels, have given days; late ones are wrong on `worse` of the rest."""

    def make(n: int, worse: float, verdict_days: tuple[int, int], label_days: tuple[int, int], **label: str):
        study = simulate(n=n, labelled=0.0)
        random = np.random.default_rng(7)
        late = {trial for trial in study.truth if random.random() < 0.5}
        wrong = {trial for trial in sorted(late) if study.truth[trial] == "rest" and random.random() < worse}
        study.store.add_judge(JudgeVersion("dated-1", "dated", "simulated", {}))
        facts = {trial: FACTS["event" if trial in wrong else truth] for trial, truth in study.truth.items()}
        study.store.add_verdicts(
            [Verdict(t, "dated-1", facts[t], created_at=day(verdict_days[t in late])) for t in study.truth]
        )
        study.store.add_labels(
            [
                Label(t, "ann", FACTS[study.truth[t]], created_at=day(label_days[t in late]), **label)
                for t in study.truth
            ]
        )
        return study.store

    return make


def test_each_arm_has_its_own_errors_and_limits_that_hold_always(simulate):
    study = simulate(ALWAYS, n=400, labelled=1.0)
    found = running_errors(study.store, "careful")
    kinds = [(each.arm, each.kind) for each in found.rates]
    assert kinds == [(arm, kind) for arm in ("injection", "control") for kind in ("missed events", "false alarms")]
    for each in found.rates:
        assert each.rate.low <= 0.05 <= each.rate.high
        assert each.rate.level == pytest.approx(1 - 0.05 / 4)
        assert each.path[-1].n == each.trials
        assert each.path[-1].high == pytest.approx(each.rate.high, abs=1e-6)
    assert not found.has_drifted
    assert "No drift is shown so far; one may look again after each label." in found.words


def test_the_test_split_is_not_read_and_labels_that_verdicts_chose_are_left_out(dated):
    found = running_errors(dated(200, 0.0, (1, 1), (2, 2)), "dated")
    assert 0 < sum(each.trials for each in found.rates) < 200
    assert found.left_out == 0


def test_labels_that_verdicts_chose_are_left_out(dated):
    found = running_errors(dated(100, 0.0, (1, 1), (2, 2), stratum="disputed"), "dated")
    assert found.rates == ()
    assert 0 < found.left_out < 100
    assert f"no labelled trial outside the test split: verdicts chose all {found.left_out}" in found.words


def test_a_judge_that_gets_worse_from_one_run_to_the_next_is_told(dated):
    """The same judge under one version: the second run, ten days later, errs in four of ten; labels come at once."""
    found = running_errors(dated(600, 0.4, (1, 11), (20, 20)), "dated")
    alarms = next(each for each in found.rates if (each.arm, each.kind) == ("control", "false alarms"))
    (run,) = alarms.runs
    assert run.start.startswith("2026-01-11")
    assert run.excludes_zero
    assert found.has_drifted
    assert "control false alarms differ by +" in found.words


def test_a_change_in_the_order_of_labels_is_told_with_its_time(dated):
    found = running_errors(dated(800, 0.5, (1, 1), (5, 20)), "dated")
    alarms = next(each for each in found.rates if (each.arm, each.kind) == ("control", "false alarms"))
    assert alarms.change is not None
    assert alarms.change.since is not None
    assert alarms.change.since.startswith("2026-01-20")
    assert "control false alarms changed from 0 % to" in found.words
    assert alarms.runs == ()


def test_raters_apart_are_followed_too(dated):
    store = dated(100, 0.0, (1, 1), (2, 2))
    trials = sorted(store.trial_ids())[:30]
    claim = FACTS["event"]
    store.add_labels([Label(trial, "bea", claim, created_at=day(3)) for trial in trials])
    apart = [each for each in running_errors(store, "dated").rates if each.kind == "raters apart"]
    assert sum(each.trials for each in apart) == 30
    assert sum(each.events for each in apart) > 0


def test_looks_at_the_test_split_are_paid_for(simulate):
    study = simulate(ALWAYS, n=100, labelled=1.0)
    audit = audit_study(study.store)
    first, fourth = (charge_looks(audit.model_copy(update={"test_split_looks": looks})) for looks in (1, 4))
    assert charge_looks(audit) == first
    assert first is not None
    assert fourth is not None
    assert (first.looks, fourth.looks) == (1, 4)
    assert fourth.level == pytest.approx(1 - 6 * 0.05 / (np.pi * 4) ** 2)
    narrow, wide = first.rates[0].specificity, fourth.rates[0].specificity
    assert narrow is not None
    assert wide is not None
    assert narrow.value == wide.value
    assert wide.high - wide.low > narrow.high - narrow.low
    assert "looked at 4 times so far. For 95 % over all looks together" in fourth.words


def test_an_audit_that_saw_no_test_label_costs_nothing(simulate):
    study = simulate(ALWAYS, n=100, labelled=1.0)
    assert charge_looks(audit_study(study.store, splits=["dev"])) is None


def test_all_looks_together_spend_the_error():
    assert sum(spent_error(look, 0.05) for look in range(1, 20_000)) == pytest.approx(0.05, abs=1e-4)
    with pytest.raises(InputError, match="counted from 1"):
        spent_error(0)
