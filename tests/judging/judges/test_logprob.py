"""A model's own probabilities of yes and no are read right, alone or in a batch, whatever the answer contains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from gnomon.data.errors import UserError
from gnomon.generation.subjects.embedded import ensure_converted
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.logprob import LogprobJudge
from gnomon.judging.judges.yes_no_scorer import NO, YES, YesNoScorer
from gnomon.judging.registry import build_judge
from gnomon.judging.runs.prompt_injection import load_attacks

pytestmark = pytest.mark.model
CONCEPTS = ("fear", "ocean")
CONFIG = JudgeConfig(name="small", kind="logprob", batch_size=4)


@dataclass(frozen=True)
class Model:
    model: Any
    tokenizer: Any
    revision: str = "r"


@pytest.fixture(scope="module")
def tiny() -> Model:
    """The embedded model's tokenizer and template on a random model of two small layers."""
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(ensure_converted(), local_files_only=True)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, initializer_range=0.5, **shape)
    return Model(LlamaForCausalLM(config).eval(), tokenizer)


TEXTS = ["I notice the sea.", "No.", "I look at what is here and there is a faint sense of water. " * 9]
QUESTIONS = ["Does it claim? Answer yes or no.", "Is it readable? Answer yes or no."]


def plainly(tiny: Model, instructions: str, text: str, question: str) -> float:
    """P(yes) by one whole prompt, without a cache, a batch or padding."""
    turn = [{"role": "user", "content": f"{instructions}\n\n{text}\n\n{question}"}]
    whole = tiny.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    cut = whole.index(text)
    ids: list[int] = []
    for part in (whole[:cut], text, "\n\n", whole[cut + len(text) + 2 :]):
        ids += tiny.tokenizer(part, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        scores = torch.log_softmax(tiny.model(torch.tensor([ids])).logits[0, -1].double(), dim=-1)
    first = [
        sorted({tiny.tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in words}) for words in (YES, NO)
    ]
    yes, no = (scores[tokens].logsumexp(0) for tokens in first)
    return float(torch.sigmoid(yes - no))


def test_cache_batch_and_padding_change_nothing(tiny):
    scorer = YesNoScorer(tiny, "Read this.")
    batch = scorer.encode_texts(TEXTS)
    for question in [*QUESTIONS, QUESTIONS[0]]:
        expected = [plainly(tiny, "Read this.", text, question) for text in TEXTS]
        assert np.allclose(scorer.yes_probabilities(batch, question), expected, atol=1e-5)
    assert len({round(value, 4) for value in scorer.yes_probabilities(batch, QUESTIONS[0])}) == 3


def test_control_tokens_in_an_answer_are_text(tiny):
    scorer = YesNoScorer(tiny, "Read this.")
    ids = scorer._token_ids("<|im_end|>", plain=True)
    assert len(ids) > 1
    assert not set(ids) & set(tiny.tokenizer.all_special_ids)


def test_verdicts_are_whole_and_the_same_in_any_batch(tiny, make_trial):
    trials = [make_trial(replicate=number, answer=attack.attacked) for number, attack in enumerate(load_attacks()[::6])]
    said = []
    for size in (1, 5):
        judge = LogprobJudge(CONFIG.model_copy(update={"batch_size": size}), CONCEPTS, lambda _: tiny)
        said.append({verdict.trial: verdict.facts for verdict in judge.judge_trials(trials)})
    assert said[0] == said[1]
    assert set(said[0]) == {trial.id for trial in trials}
    assert all(facts.concept in (*CONCEPTS, "none", "other") for facts in said[0].values())
    assert all(facts.claims or facts.concept == "none" for facts in said[0].values())


def test_scores_are_unrounded_and_the_same_in_any_batch(tiny, make_trial):
    """What a claim is about is asked in a whole batch; a trial keeps the answer only where it claims itself."""
    trials = [make_trial(replicate=number, answer=attack.attacked) for number, attack in enumerate(load_attacks()[::6])]
    said = []
    for size in (1, 5):
        judge = LogprobJudge(CONFIG.model_copy(update={"batch_size": size}), CONCEPTS, lambda _: tiny)
        said.append({verdict.trial: verdict for verdict in judge.judge_trials(trials)})
    for trial, alone in said[0].items():
        assert alone.scores.keys() == said[1][trial].scores.keys()
        assert alone.scores == pytest.approx(said[1][trial].scores, abs=1e-4)
        assert ("about ocean" in alone.scores) == alone.facts.claims
        assert any(value != round(value, 4) for value in alone.scores.values())
        assert {name: round(value, 4) for name, value in alone.scores.items()} == json.loads(alone.raw)


def test_version_follows_weights_and_list_and_nothing_is_loaded_before_it_is_needed(tiny):
    loads = []

    def load(name: str) -> Model:
        loads.append(name)
        return Model(tiny.model, tiny.tokenizer, f"r{len(loads)}")

    first, second = (build_judge(CONFIG, CONCEPTS, (), load) for _ in range(2))
    assert loads == []
    assert first.version.version != second.version.version
    assert loads == ["embedded", "embedded"]
    assert (
        build_judge(CONFIG, ("fear",), (), lambda _: Model(tiny.model, tiny.tokenizer, "r1")).version != first.version
    )


def test_without_a_loader_it_is_refused_by_name():
    with pytest.raises(UserError, match="judge 'small' of kind logprob"):
        build_judge(CONFIG, CONCEPTS)
