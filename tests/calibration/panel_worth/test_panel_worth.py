"""The worth of the judges and raters of a simulated study."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.panel_worth.panel_worth import judge_panel_worth, panel_of_version, rater_panel_worth
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Arm, JudgeVersion, Label, RaterRole, Verdict
from gnomon.data.storage.tables import verdicts
from tests.calibration.conftest import FACTS

FAIR = dict.fromkeys(Arm, (0.8, 0.85))


@pytest.fixture
def panel(simulate):
    """Three judges: two that err on the same trials, and one that errs alone."""
    study = simulate({"one": FAIR, "alone": FAIR}, n=700, labelled=0.9)
    study.store.add_judge(JudgeVersion("copy-1", "copy", "simulated", {}))
    rows = study.store.read_frame(verdicts)
    random = np.random.default_rng(1)
    heard = rows[rows["judge"] == "one-1"]
    said = ["event" if claims and random.random() < 0.95 else "rest" for claims in heard["claims"]]
    mine = [Verdict(trial, "copy-1", FACTS[what]) for trial, what in zip(heard["trial"], said, strict=True)]
    study.store.add_verdicts(mine)
    return study


def test_two_judges_that_err_together_and_one_alone_are_worth_about_two(panel):
    found = judge_panel_worth(panel.store, view="current")
    assert found.basis == "errors"
    assert 1.5 < found.whole.effective.low < found.whole.effective.value < 2.5
    assert [arm.arm for arm in found.arms] == [None, "injection", "control"]
    without = {member.name: member.effective_without for member in found.members}
    assert without["alone"] < 1.3
    assert without["copy"] > 1.8
    assert "independent ones" in found.words[0]
    assert all("test" not in split for split in found.splits)


def test_base_rate_stands_beside_every_number(panel):
    found = judge_panel_worth(panel.store, view="current")
    assert all(arm.base_rate is not None for arm in found.arms)
    assert found.whole.base_rate.value == pytest.approx(0.4, abs=0.08)


def test_votes_of_fewer_members_are_seen_and_of_more_predicted(panel):
    found = judge_panel_worth(panel.store, view="current")
    assert [vote.members for vote in found.votes] == [1, 2, 3, 4, 5]
    assert [vote.is_predicted for vote in found.votes] == [False, False, False, True, True]
    single = np.mean([member.error.value for member in found.members])
    assert found.votes[0].error == pytest.approx(single, abs=0.01)
    assert found.weighted is not None
    assert sum(abs(member.weight) for member in found.members) == pytest.approx(1)
    now, then = found.votes[2], found.votes[4]
    assert found.words[1].startswith(
        f"Predicted: with 2 more judges like these, all 5 would be worth {then.effective:.1f} independent ones instead "
        f"of {now.effective:.1f}, and the majority's error would "
    )


def test_without_labels_the_correlation_is_that_of_votes_and_said_to_be(simulate):
    study = simulate({"one": FAIR, "two": FAIR}, n=300, labelled=0.0)
    found = judge_panel_worth(study.store, view="current")
    assert found.basis == "votes"
    assert found.votes == ()
    assert found.whole.correlation.value > 0.2
    assert "the least" in found.words[-1]


def test_one_judge_is_no_panel(simulate):
    study = simulate({"one": FAIR}, n=60)
    with pytest.raises(NotEnoughDataError, match="needs two"):
        judge_panel_worth(study.store)
    assert panel_of_version(study.store, "one-1", "current") is None


def test_the_panel_of_a_version_has_it_in_its_judges_place(panel):
    found = panel_of_version(panel.store, "one-1", "current")
    assert {member.version for member in found.members} == {"one-1", "alone-1", "copy-1"}


def test_raters_are_weighed_by_the_adjudicators_label(simulate):
    study = simulate({"one": FAIR}, n=300, labelled=0.0)
    random = np.random.default_rng(4)
    labels = []
    for trial, truth in study.truth.items():
        for rater in ("ann", "ben", "cem"):
            wrong = random.random() < 0.2
            labels.append(Label(trial, rater, FACTS["event" if (truth == "event") != wrong else "rest"]))
        labels.append(Label(trial, "dora", FACTS["event" if truth == "event" else "rest"], role=RaterRole.ADJUDICATOR))
    study.store.add_labels(labels)
    found = rater_panel_worth(study.store, view="current")
    assert found.basis == "errors"
    assert found.whole.effective.value > 2.5
    assert [member.name for member in found.members] == ["ann", "ben", "cem"]
    assert found.members[0].error.value == pytest.approx(0.2, abs=0.07)
    assert "adjudicators' labels" in found.words[-1]
