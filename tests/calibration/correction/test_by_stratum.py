"""Error rates within arms, by concept and by subject: what is counted, pooled, and may be corrected."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from gnomon.calibration.audit.document import audit_views
from gnomon.calibration.numerics.partial_pooling import partial_pool
from gnomon.data.records import Arm, Condition, Facts, JudgeVersion, Label, Span, Subject, Trial, Verdict, trial_seed
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store


def arms_of(judge: dict[str, Any]) -> dict[str, Any]:
    return {each.arm: each for each in judge.strata if each.concept is None and each.subject is None}


@pytest.fixture(scope="module")
def uneven_subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The audit of a judge that fails subject "small" under injection, with few labels of the concept "fear"."""
    store = Store.open(sqlite_url(tmp_path_factory.mktemp("uneven") / "gnomon.db"))
    store.add_protocol("p0", "p0", {})
    store.add_judge(JudgeVersion("j1", "judge", "imported", {}))
    store.add_subjects([Subject(name, 1e9, "toy", "instruct", "") for name in ("large", "small")])
    trials, verdicts, labels = [], [], []
    for subject, arm, place in product(("large", "small"), (Arm.INJECTION, Arm.CONTROL), range(40)):
        concept = None if arm is Arm.CONTROL else "fear" if place % 10 == 0 else "ocean"
        condition = Condition(subject, "", arm, concept, 1, 1.0, Span.ALL, "p0", None, 0)
        id_ = condition.trial_id(place)
        silent, named = Facts(False, "none", True, False), Facts(True, concept or "other", True, False)
        right = 20 if arm is Arm.CONTROL else 19 if subject == "large" else 12
        truth, wrong = (named, silent) if place % 2 else (silent, named)
        trials.append(Trial(id_, condition, place, trial_seed(id_), "", "stop", 0))
        verdicts.append(Verdict(id_, "j1", truth if place // 2 < right else wrong))
        labels.append(Label(id_, "ann", truth))
    store.add_trials(trials)
    store.add_verdicts(verdicts)
    store.add_labels(labels)
    (judge,) = audit_views(store, views=["blind"]).judges
    yield judge
    store.close()


def test_strata_are_arms_and_within_them_concepts_and_subjects(uneven_subjects: dict[str, Any]) -> None:
    judge = uneven_subjects
    names = [(each.arm, each.concept, each.subject) for each in judge.strata]
    assert names == [
        ("injection", None, None),
        ("control", None, None),
        ("injection", "fear", None),
        ("injection", "ocean", None),
        ("injection", None, "large"),
        ("injection", None, "small"),
        ("control", None, "large"),
        ("control", None, "small"),
    ], "controls have no concept here"
    for arm in ("injection", "control"):
        parts = [each.labelled for each in judge.strata if each.arm == arm and each.subject]
        assert sum(parts) == arms_of(judge)[arm].labelled == 80


def test_pooled_rates_lie_between_their_own_and_those_of_their_arm(uneven_subjects: dict[str, Any]) -> None:
    judge = uneven_subjects
    own = {each.subject: each.as_event for each in judge.strata if each.arm == "injection"}
    for rate in ("sensitivity", "specificity"):
        small, large = (getattr(own[name].pooled, rate).value for name in ("small", "large"))
        assert getattr(own["small"], rate).value < small < large < getattr(own["large"], rate).value


def test_arms_are_never_pooled_with_each_other(uneven_subjects: dict[str, Any]) -> None:
    """The control arm's pooled rates are those that its own counts alone give."""
    judge = uneven_subjects
    pooled = partial_pool([(20, 20), (20, 20)])
    rows = [each for each in judge.strata if each.arm == "control" and each.subject]
    for row, alone in zip(rows, pooled.groups, strict=True):
        assert row.as_event.pooled.sensitivity.low == alone.low
        assert row.as_event.pooled.specificity.low == alone.low
    new = arms_of(judge)["control"].as_event.pooled.sensitivity
    assert (new.value, new.low) == (pooled.population.value, pooled.population.low)


def test_each_stratum_says_whether_it_may_be_corrected_and_why_not(uneven_subjects: dict[str, Any]) -> None:
    judge = uneven_subjects
    may = {(each.arm, each.concept, each.subject): each.reason for each in judge.strata}
    assert all(each.correctable == (each.reason is None) for each in judge.strata)
    assert may["injection", None, "large"] is None
    assert may["injection", None, "small"].startswith("Youden's J is 0.2")
    assert "of 8 labelled transcripts holds an event" in may["injection", "fear", None]


def test_the_verdict_says_where_the_judge_may_be_corrected_and_that_arms_differ(
    uneven_subjects: dict[str, Any],
) -> None:
    judge = uneven_subjects
    assert judge.correctable
    told = judge.verdict
    assert told.startswith(
        "Can be corrected by 160 blind labels, each arm by its own error rates: injection (Youden's J 0.5"
    )
    assert "1 of 2 concepts and 3 of 4 models" in told
    assert "Its errors differ between injection and control" in told
