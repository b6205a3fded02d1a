"""On labelled answers that they were not taught with (dev split), the local judges are as good as their docs say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gnomon.data.bundled import CalibrationSet, calibration_set
from gnomon.data.records import Facts, Split, Trial, split_of
from gnomon.judging.config import JudgeConfig
from gnomon.judging.protocols import Judge
from gnomon.judging.registry import build_judge

CONCEPTS = ("celebration", "fear", "ocean", "silence")
Read = list[tuple[Facts, Facts]]


@pytest.fixture(scope="module")
def shipped() -> CalibrationSet:
    return calibration_set()


@pytest.fixture(scope="module")
def dev(shipped: CalibrationSet) -> list[tuple[Trial, Facts]]:
    """Trials of the dev split with the last word on each: labels stand in the order raters, then adjudicator."""
    labels = {label.trial: label.facts for label in shipped.labels if label.facts is not None}
    return [(trial, labels[trial.id]) for trial in shipped.trials if split_of(trial.id) is Split.DEV]


def read_by(judge: Judge, dev: Sequence[tuple[Trial, Facts]]) -> Read:
    verdicts = judge.judge_trials([trial for trial, _ in dev])
    return [(facts, verdict.facts) for (_, facts), verdict in zip(dev, verdicts, strict=True) if verdict.facts]


def youden(pairs: Read, fact: str) -> float:
    """Sensitivity plus specificity less one."""
    told = {
        truth: [getattr(read, fact) for facts, read in pairs if getattr(facts, fact) is truth]
        for truth in (True, False)
    }
    return sum(told[True]) / len(told[True]) - sum(told[False]) / len(told[False])


@pytest.mark.parametrize(
    ("kind", "claims", "coherent", "concept"), [("lexicon", 0.75, 0.6, 0.8), ("learned", 0.4, 0.4, 0.7)]
)
def test_local_judges_carry_information(shipped, dev, kind, claims, coherent, concept):
    judge = build_judge(JudgeConfig(name=kind, kind=kind), CONCEPTS, shipped.training_pairs())
    pairs = read_by(judge, dev)
    assert len(pairs) == len(dev)
    assert youden(pairs, "claims") >= claims
    assert youden(pairs, "coherent") >= coherent
    assert sum(facts.concept == read.concept for facts, read in pairs) >= concept * len(pairs)


def test_nothing_of_dev_or_test_is_taught(shipped):
    taught = {answer for answer, _ in shipped.training_pairs()}
    kept = {trial.answer for trial in shipped.trials if split_of(trial.id) is not Split.TRAIN}
    assert taught
    assert not taught & kept
