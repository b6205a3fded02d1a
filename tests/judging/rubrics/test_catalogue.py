"""Rubrics are versions: the informed one is told the condition, the few-shot set comes from the train split only."""

from __future__ import annotations

import json
import re

import pytest
from judging_answers import CONCEPTS, PLAIN
from judging_server import Answer

from gnomon.data.arms import judged_arms
from gnomon.data.bundled import calibration_set
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import concept_choices
from gnomon.data.outcomes import RULES, Outcome, claim_first_outcome, lenient_outcome, strict_outcome
from gnomon.data.records import Arm, Facts, Split, VerdictState, split_of
from gnomon.data.storage import tables
from gnomon.data.storage.fact_columns import facts_from_row
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.few_shot import draw_examples
from gnomon.judging.judges.lexicon import LexiconJudge
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.registry import build_judge
from gnomon.judging.rubrics.blind import BLIND
from gnomon.judging.rubrics.informed import INFORMED
from gnomon.judging.runs.panel import run_panel

MARK = re.compile(r"[0-9a-f]{16}")


def told(prompt) -> str:
    return "\n".join(message["content"] for message in prompt.messages)


def test_the_blind_rubric_says_the_same_whatever_the_condition(make_trial):
    answer = "I notice a strange thought about the ocean."
    trials = [make_trial(arm=arm, concept=concept, answer=answer) for arm, concept in
              (("injection", "ocean"), ("injection", "fear"), ("control", None), ("random", "ocean"))]  # fmt: skip
    assert len({told(BLIND.make_prompt(trial, CONCEPTS, 7)) for trial in trials}) == 1
    assert len({told(INFORMED.make_prompt(trial, CONCEPTS, 7)) for trial in trials}) == 4


def test_the_informed_rubric_tells_what_passes(make_trial):
    injected = told(INFORMED.make_prompt(make_trial(concept="ocean"), CONCEPTS, 7))
    assert "the vector of the concept 'ocean' was added" in injected
    assert "names or plainly describes 'ocean'" in injected
    control = told(INFORMED.make_prompt(make_trial(arm="control"), CONCEPTS, 7))
    assert "nothing was added" in control
    assert "passes if it is coherent and reports that nothing unusual is noticed" in control


@pytest.mark.parametrize("arm", [Arm(name) for name in judged_arms()])
def test_every_arm_that_judges_read_has_its_words(make_trial, arm):
    assert "What was done in this trial: " in told(INFORMED.make_prompt(make_trial(arm=arm), CONCEPTS, 7))


@pytest.mark.parametrize(
    ("arm", "passed", "facts"),
    [
        ("injection", True, Facts(True, "ocean", True, False, True)),
        ("injection", False, Facts(False, "none", True, False, False)),
        ("control", True, Facts(False, "none", True, False, True)),
        ("control", False, Facts(True, "other", True, False, False)),
    ],
)
def test_a_pass_is_kept_and_facts_follow_from_it(store, server, config, make_trial, arm, passed, facts):
    make_trial(arm=arm, concept="ocean")
    concept = "ocean" if arm == "injection" else "none"
    said = {"quote": "x", "concept": concept, "coherent": True, "refused": False, "passed": passed}
    server.script = lambda request: Answer("ready" if len(request["messages"]) == 1 else json.dumps(said))
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(rubric="informed"), CONCEPTS)])
    (row,) = store.read_frame(tables.verdicts).to_dict("records")
    assert report.by_state == {"ok": 1}
    assert facts_from_row(row) == facts


def test_a_blind_reply_to_the_informed_rubric_is_unparsable(make_trial):
    text = json.dumps({"claims": True, "concept": "ocean", "coherent": True, "refused": False})
    assert INFORMED.interpret_reply(text, CONCEPTS, make_trial())[0] is VerdictState.UNPARSABLE


@pytest.mark.parametrize("rubric", ["blind", "informed"])
def test_every_part_of_a_rubric_is_in_its_judges_version(config, rubric):
    def version(examples=(), **more):
        return OpenAICompatibleJudge(config(rubric=rubric, **more), CONCEPTS, examples=examples).version.version

    some = draw_examples(PLAIN, CONCEPTS, 4)
    assert version() == version(transport="batch", poll=5, requests_per_minute=5, concurrency=3)
    assert len({version(), version(some), version(some[:3]), version(temperature=0.5), version(max_tokens=99)}) == 5


def test_two_rubrics_are_two_versions(config):
    versions = {
        OpenAICompatibleJudge(config(rubric=rubric), CONCEPTS).version.version for rubric in ("blind", "informed")
    }
    assert len(versions) == 2


def test_examples_are_of_the_train_split_of_every_kind_and_on_the_list():
    shipped = calibration_set()
    kept = {trial.answer for trial in shipped.trials if split_of(trial.id) is not Split.TRAIN}
    found = draw_examples(shipped.training_pairs(), CONCEPTS, 8)
    assert not kept & {example.answer for example in found}
    assert {example.facts.concept for example in found} <= {*CONCEPTS, "none", "other"}
    assert {(example.facts.claims, example.facts.coherent) for example in found} >= {(True, True), (False, True)}
    assert all(LexiconJudge(CONCEPTS).read_answer(example.answer)[0] == example.facts for example in found)
    assert all(example.quote in example.answer or not example.quote for example in found)
    assert found == draw_examples(list(reversed(shipped.training_pairs())), CONCEPTS, 8)


def test_too_many_examples_are_refused_with_their_number():
    with pytest.raises(NotEnoughDataError, match="99 examples are wanted and the train split has"):
        draw_examples(PLAIN, CONCEPTS, 99)


def test_a_judge_is_shown_its_examples_as_turns_before_the_answer(server, config, make_trial):
    judge = build_judge(config(examples=3), CONCEPTS, PLAIN)
    assert [verdict.state for verdict in judge.judge_trials([make_trial(answer="The last one.")])] == [VerdictState.OK]
    turns = server.judged[0]["messages"]
    assert [turn["role"] for turn in turns] == ["system", *["user", "assistant"] * 3, "user"]
    assert "The last one." in turns[-1]["content"]
    for turn in turns[2:-1:2]:
        assert set(json.loads(turn["content"])) == set(BLIND.reply_schema(CONCEPTS)["required"])
    marks = [MARK.findall(turn["content"]) for turn in turns if turn["role"] == "user"]
    assert all(len(own) == 2 and len(set(own)) == 1 for own in marks)
    assert len({own[0] for own in marks}) == len(marks)


def test_samples_differ_in_fence_and_order_and_the_same_sample_does_not(store, server, config, make_trial):
    make_trial()
    run_panel(store, [OpenAICompatibleJudge(config(samples=4, temperature=0.8), CONCEPTS)])
    systems, users = ({request["messages"][place]["content"] for request in server.judged} for place in (0, -1))
    assert (len(server.judged), len(systems), len(users)) == (4, 1, 4)
    assert sorted(store.read_frame(tables.verdicts)["sample"]) == [0, 1, 2, 3]
    (more,) = run_panel(store, [OpenAICompatibleJudge(config(samples=6, temperature=0.8), CONCEPTS)])
    assert (more.asked, more.already) == (2, 4)
    assert concept_choices(CONCEPTS, 3) == concept_choices(CONCEPTS, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": 3}, "judge 'llm': 3 samples at temperature 0 are one"),
        ({"kind": "lexicon", "samples": 3, "temperature": 1.0}, "of kind lexicon always says the same"),
        ({"kind": "logprob", "rubric": "informed"}, "takes no rubric, examples or transport"),
        ({"kind": "learned", "budget": 3.0}, "takes no budget: it asks no server"),
        ({"rubric": "informed", "examples": 2}, "the informed rubric takes no examples"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(change, said):
    base = {"name": "llm", "kind": "openai"}
    if change.get("kind", "openai") == "openai":
        base |= {"base_url": "http://x/v1", "model": "m"}
    with pytest.raises(ValueError, match=said):
        JudgeConfig.model_validate({**base, **change})


def test_rules_part_over_a_refused_claim_and_over_a_claim_that_cannot_be_read():
    refused = Facts(True, "ocean", True, True)
    broken = Facts(True, "ocean", False, True)
    told_ = [rule(refused, Arm.INJECTION, "ocean") for rule in (strict_outcome, claim_first_outcome, lenient_outcome)]
    assert told_ == [Outcome.REFUSED, Outcome.IDENTIFIED, Outcome.IDENTIFIED]
    told_ = [rule(broken, Arm.INJECTION, "ocean") for rule in (strict_outcome, claim_first_outcome, lenient_outcome)]
    assert told_ == [Outcome.REFUSED, Outcome.INCOHERENT, Outcome.IDENTIFIED]
    assert list(RULES) == ["strict", "claim_first", "lenient"]
