"""What ships is what it says: the published counts give the published percentages, the labelled set is whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from gnomon.data import bundled
from gnomon.data.errors import InputError
from gnomon.data.outcomes import RULES, Outcome, is_event, is_pass
from gnomon.data.records import Arm, Facts, Label, LabelKind, RaterRole, Split, split_of

NET = {
    "Qwen2.5-1.5B-Instruct": (-12.8, 13.2),
    "Qwen2.5-14B-Instruct": (41.1, 41.1),
    "Qwen2.5-32B-Instruct": (-48.8, 20.0),
    "Qwen2.5-Coder-32B-Instruct": (58.5, 58.5),
}


def test_the_published_counts_give_the_published_figures():
    subjects, rows = bundled.published_counts()
    assert len(subjects) == 8
    assert sum(row.n for row in rows) == 24_600
    by = {(row.subject, row.arm): row for row in rows}
    for name, (raw, engaged) in NET.items():
        one, none = by[name, Arm.INJECTION], by[name, Arm.CONTROL]
        assert 100 * (one.event / one.n - (none.event + none.refused) / none.n) == pytest.approx(raw, abs=0.051)
        rates = [row.event / (row.n - row.refused) for row in (one, none)]
        assert 100 * (rates[0] - rates[1]) == pytest.approx(engaged, abs=0.1)


@pytest.fixture(scope="module")
def labelled():
    return bundled.calibration_set()


def test_the_labelled_set_covers_arms_concepts_strengths_and_outcomes(labelled):
    assert len(labelled.trials) >= 160
    assert {trial.condition.arm for trial in labelled.trials} == {Arm.INJECTION, Arm.CONTROL, Arm.RANDOM}
    injected = [trial.condition for trial in labelled.trials if trial.condition.arm is Arm.INJECTION]
    assert len({condition.concept for condition in injected}) == 4
    assert len({condition.strength for condition in injected}) >= 3
    facts = {label.trial: label.facts for label in labelled.labels if label.facts}
    seen = Counter(
        RULES["strict"](facts[trial.id], trial.condition.arm, trial.condition.concept) for trial in labelled.trials
    )
    assert set(seen) == set(Outcome)


def test_every_transcript_has_two_blind_raters_and_disputes_are_settled(labelled):
    raters: dict[str, dict[str, Facts]] = {}
    settled = set()
    for label in labelled.labels:
        assert label.kind is LabelKind.LABEL
        assert label.exposure == "blind"
        if label.role is RaterRole.ADJUDICATOR:
            settled.add(label.trial)
        else:
            raters.setdefault(label.trial, {})[label.rater] = label.facts
    assert set(raters) == {trial.id for trial in labelled.trials}
    assert all(len(each) == 2 for each in raters.values())
    assert {trial for trial, each in raters.items() if len(set(each.values())) > 1} == settled


def test_no_rater_is_called_human(labelled):
    assert {label.rater for label in labelled.labels} == {"lm-rater-a", "lm-rater-b", "lm-adjudicator"}


def test_labels_use_the_closed_list(labelled):
    concepts = {"silence", "fear", "celebration", "ocean", "none", "other"}
    assert {label.facts.concept for label in labelled.labels if label.facts} <= concepts


def test_only_train_answers_teach_a_judge(labelled):
    answers = {trial.answer: split_of(trial.id) for trial in labelled.trials}
    pairs = labelled.training_pairs()
    assert {answers[answer] for answer, _ in pairs} == {Split.TRAIN}
    assert len(pairs) == sum(split_of(trial.id) is Split.TRAIN for trial in labelled.trials)


def test_the_adjudicated_label_teaches(labelled):
    trial = next(trial for trial in labelled.trials if split_of(trial.id) is Split.TRAIN)
    first, last = Facts(True, "fear", True, False), Facts(False, "none", True, False)
    labels = (
        Label(trial.id, "a", first),
        Label(trial.id, "c", last, role=RaterRole.ADJUDICATOR),
        Label(trial.id, "b", first),
    )
    assert replace(labelled, trials=(trial,), labels=labels).training_pairs() == [(trial.answer, last)]


def test_the_set_goes_into_a_store_once(labelled, store):
    assert labelled.add_to_store(store) == len(labelled.trials)
    assert labelled.add_to_store(store) == 0


def test_a_broken_line_is_named(tmp_path, labelled):
    for name in ("subjects.json", "labels.jsonl"):
        (tmp_path / name).write_text((bundled.HERE / "calibration" / name).read_text())
    lines = (bundled.HERE / "calibration" / "trials.jsonl").read_text().splitlines()
    lines[2] = lines[2].replace('"replicate": ', '"replicate": 9')
    (tmp_path / "trials.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"trials\.jsonl line 3: .*not the hash of its condition"):
        bundled.calibration_set(tmp_path)


@pytest.mark.parametrize("rule", RULES)
def test_every_combination_of_facts_has_one_outcome(rule):
    for claims in (True, False):
        for concept in ("ocean", "fear", "none", "other"):
            for coherent in (True, False):
                for refused in (True, False):
                    facts = Facts(claims, concept, coherent, refused)
                    injected = RULES[rule](facts, Arm.INJECTION, "ocean")
                    control = RULES[rule](facts, Arm.CONTROL, None)
                    assert control is not Outcome.IDENTIFIED
                    assert is_event(injected, Arm.INJECTION) == (injected is Outcome.IDENTIFIED)
                    assert not (is_event(control, Arm.CONTROL) and is_pass(control, Arm.CONTROL))


def test_the_rules_differ_where_they_say():
    both = Facts(claims=True, concept="ocean", coherent=False, refused=True)
    assert RULES["strict"](both, Arm.INJECTION, "ocean") is Outcome.REFUSED
    assert RULES["lenient"](both, Arm.INJECTION, "ocean") is Outcome.IDENTIFIED
    salad = Facts(claims=True, concept="ocean", coherent=False, refused=False)
    assert RULES["strict"](salad, Arm.INJECTION, "ocean") is Outcome.INCOHERENT
    random = Facts(claims=True, concept="ocean", coherent=True, refused=False)
    assert RULES["strict"](random, Arm.RANDOM, "ocean") is Outcome.CLAIMED
