"""Two judge versions of a simulated study on the same labelled trials."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from gnomon.calibration.comparison.compared_versions import compared_judge
from gnomon.calibration.comparison.comparison_sentences import judge_names
from gnomon.calibration.comparison.paired_errors import compare_arms
from gnomon.calibration.comparison.rubric_comparison import compare_rubrics
from gnomon.data.errors import InputError, NotEnoughDataError, UnknownNameError
from gnomon.data.records import Arm, JudgeVersion, Split, Verdict
from gnomon.data.storage.tables import events, trials
from tests.calibration.conftest import FACTS

OLD = dict.fromkeys(Arm, (0.7, 0.9))
NEW = dict.fromkeys(Arm, (0.97, 0.95))
LLM = {"model": "some-model", "rubric": {"name": "blind", "hash": "ab" * 32}}


def row_of(arm, measure):
    return next(row for row in arm.measures if row.measure == measure)


def compare(study, a="old", b="new", **options):
    return compare_rubrics(study.store, a, b, view="current", **options)


@pytest.fixture
def edited(simulate):
    """A study whose judge became better: old and new rubric on 600 trials, 80 % of them labelled."""
    return simulate({"old": OLD, "new": NEW}, n=600, labelled=0.8)


def splits_of(store):
    rows = store.read_frame(select(trials.c.id, trials.c.split))
    return dict(zip(rows["id"], rows["split"], strict=True))


def test_a_better_rubric_is_told_with_interval_and_test(edited):
    found = compare(edited)
    accuracy = row_of(found.arms[0], "accuracy")
    assert accuracy.p_exact < 0.001
    assert 0.03 < accuracy.difference.low < accuracy.difference.value < accuracy.difference.high
    assert accuracy.difference.value == pytest.approx((accuracy.only_b - accuracy.only_a) / accuracy.of)
    assert "new is better" in found.words[0]
    assert [arm.arm for arm in found.arms] == [None, "injection", "control"]
    assert all(arm.base_rate is not None for arm in found.arms)


def test_the_test_split_is_never_read(edited):
    found = compare(edited)
    split = splits_of(edited.store)
    assert found.splits == ("train", "dev")
    assert {split[item.trial] for item in found.changed} <= {str(Split.TRAIN), str(Split.DEV)}
    seen = set(edited.store.read_frame(select(events.c.kind))["kind"])
    assert "test_split_look" not in seen
    labelled = {trial for trial in edited.truth if split[trial] != str(Split.TEST)}
    assert found.labelled <= len(labelled)


def test_a_judge_that_learnt_from_train_is_compared_on_dev_alone(simulate):
    study = simulate({"old": OLD}, n=300)
    add_judge(study, JudgeVersion("shown-1", "shown", "openai", {**LLM, "examples": [{"answer": "a"}]}))
    assert compare(study, "old", "shown").splits == ("dev",)


def test_changed_trials_are_those_with_another_outcome(edited):
    found = compare(edited)
    accuracy = row_of(found.arms[0], "accuracy")
    assert sum(item.right == "b" for item in found.changed) == accuracy.only_b
    assert sum(item.right == "a" for item in found.changed) == accuracy.only_a
    assert all(item.a != item.b for item in found.changed)
    assert found.changed[0].right == "a"


def test_exchanging_the_judges_changes_the_signs_only(edited):
    one, other = compare(edited), compare(edited, "new", "old")
    for here, there in zip(one.arms, other.arms, strict=True):
        for row, turned in zip(here.measures, there.measures, strict=True):
            assert row.difference.value == pytest.approx(-turned.difference.value)
            assert row.difference.low == pytest.approx(-turned.difference.high, abs=1e-9)
            assert row.p_exact == turned.p_exact or row.p_exact == pytest.approx(turned.p_exact)


def add_judge(study, judge, *, wrong=0.2, seed=5, trials_of=None):
    """A further judge that errs on a share of all trials."""
    random = np.random.default_rng(seed)
    study.store.add_judge(judge)
    asked = {trial: truth for trial, truth in study.truth.items() if trials_of is None or trial in trials_of}
    flipped = {"event": "rest", "rest": "event", "refused": "event", "incoherent": "event"}
    said = {trial: flipped[truth] if random.random() < wrong else truth for trial, truth in asked.items()}
    study.store.add_verdicts([Verdict(trial, judge.version, FACTS[what]) for trial, what in said.items()])


def test_every_version_tried_raises_the_adjusted_p_value(simulate):
    study = simulate({"plain": OLD}, n=200, labelled=0.6)
    for place in range(4):
        add_judge(study, JudgeVersion(f"v{place}aaaaa", "rubric", "openai", {**LLM, "edition": place}), seed=place)
    two = compare(study, "v0aaaaa", "v1aaaaa")
    assert two.family == 3
    assert {tried.version for tried in two.tried} == {"v2aaaaa", "v3aaaaa"}
    whole = row_of(two.arms[0], "accuracy")
    family = sorted([whole.p_exact, *(tried.p_exact for tried in two.tried)])
    place = family.index(whole.p_exact)
    stepped = [min(1.0, p * (3 - at)) for at, p in enumerate(family[: place + 1])]
    assert whole.p_adjusted == pytest.approx(max(stepped))
    alone = compare(study, "plain", "v1aaaaa")
    assert alone.family == 4


def test_another_judge_with_the_same_model_counts_as_tried(simulate):
    study = simulate({"plain": OLD}, n=200, labelled=0.6)
    for place, name in enumerate(("first", "second", "third")):
        add_judge(study, JudgeVersion(f"{name}aaaa", name, "openai", LLM), seed=place)
    assert compare(study, "first", "second").family == 2
    assert [tried.judge for tried in compare(study, "first", "second").tried] == ["third"]


def test_no_label_in_common_is_one_line(simulate):
    study = simulate({"old": OLD}, n=100, labelled=0.5)
    split = splits_of(study.store)
    only_test = {trial for trial, name in split.items() if name == str(Split.TEST)}
    add_judge(study, JudgeVersion("tested-1", "tested", "openai", LLM), trials_of=only_test)
    with pytest.raises(NotEnoughDataError, match="no labelled trial of train and dev that both read") as raised:
        compare(study, "old", "tested")
    assert "\n" not in str(raised.value)


def test_a_judge_that_is_not_there_and_one_twice_are_refused(edited):
    with pytest.raises(UnknownNameError, match="nobody"):
        compare(edited, "nobody", "new")
    with pytest.raises(InputError, match="same version"):
        compare(edited, "old", "old-1")


def test_the_beginning_of_a_version_names_it(simulate):
    study = simulate({"old": OLD}, n=120, labelled=0.8)
    add_judge(study, JudgeVersion("abcdef123", "new", "openai", LLM))
    add_judge(study, JudgeVersion("abcdef456", "new", "openai", {**LLM, "edition": 2}))
    assert compare(study, "old", "abcdef1").b.version == "abcdef123"
    with pytest.raises(InputError, match="2 versions begin so"):
        compare(study, "old", "abcdef")


def test_labels_of_disputed_trials_are_weighted_back():
    """Undisputed trials weigh five: the share that the judges have right is that of the population."""
    rows = pd.DataFrame(
        {
            "arm": "injection",
            "truth": [True] * 30,
            "a": [True] * 20 + [False] * 10,
            "b": [True] * 30,
            "weight": [5.0] * 20 + [1.0] * 10,
        }
    )
    whole = compare_arms(rows)[0]
    sensitivity = row_of(whole, "sensitivity")
    assert whole.weighted
    assert sensitivity.a.value == pytest.approx(100 / 110)
    assert sensitivity.difference.value == pytest.approx(10 / 110)
    assert sensitivity.difference.high < 0.2
    assert row_of(whole, "specificity").difference is None
    assert row_of(whole, "kappa").difference is None


def test_versions_that_begin_alike_are_named_by_as_much_as_tells_them_apart():
    def named(*versions: str) -> tuple[str, str]:
        a, b = (compared_judge("reader", version, "openai", {}) for version in versions)
        return judge_names(SimpleNamespace(a=a, b=b))

    assert named("0123456789ab", "abcdef012345") == ("reader 01234567", "reader abcdef01")
    assert named("reader-edition-1", "reader-edition-2") == ("reader reader-edition-1", "reader reader-edition-2")
