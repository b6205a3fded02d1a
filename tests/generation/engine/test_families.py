"""Every family of models, tiny and random, answers as its own `generate` with an independent hook, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from family_models import FAMILIES, REFUSED, WRAPPERS, family_model, family_subject, generated, mixed_requests
from family_table import outcome_of, told_outcomes
from tiny_subjects import TEMPLATE, byte_tokenizer

from gnomon.data.errors import InputError
from gnomon.generation.engine.forward import OWN, POSITIONS, SLOTS, model_parts
from gnomon.generation.engine.injection import decoder_blocks
from gnomon.generation.engine.steering_probe import load_steerable_subject
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.fast_engine.fast_engine import FastEngine
from gnomon.generation.fast_engine.fast_proof import find_fast_steps
from gnomon.generation.fast_engine.step_shapes import StepOptions

NAMES = [*FAMILIES, *WRAPPERS]
IN_EVERY_RUN = {
    "llama",
    "gpt2",
    "falcon, alibi",
    "gemma4_text, shared",
    "llama4",
    "qwen3_5_text",
    "lfm2",
    "jamba",
    "minimax",
    "mistral3",
}
READING_BACK = {"dbrx", "gemma3"}
"""Families with keys and values only whose steps read values of the device back: `docs/generation.md` names them."""
LIKE_A_GPU = StepOptions((1, 2, 4, 8), 8, is_static=True, ahead=1)
SLOTS_OF_FIVE = 5
"""Fewer slots than rows, so that rows wait, join, leave and are moved."""


def named(names: list[str]) -> list[object]:
    return [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", named([name for name in NAMES if name not in REFUSED]))
@pytest.mark.filterwarnings("ignore")
def test_a_mixed_batch_is_what_generate_gives_row_by_row(name: str) -> None:
    subject, requests = family_subject(name), mixed_requests()
    answers = TorchEngine(subject, SLOTS_OF_FIVE).generate_all(requests)
    assert [answer.error for answer in answers] == [None] * len(requests)
    blocks = decoder_blocks(subject.model)
    assert [answer.tokens for answer in answers] == [generated(subject.model, blocks, each) for each in requests]
    for request, answer in zip(requests, answers, strict=True):
        read = len(request.prompt) + len(answer.tokens) - (answer.finish == "length")
        assert answer.touched == tuple(addition.due_positions(read) for addition in request.additions)
    assert told_outcomes()[name.replace(", ", " ")] == outcome_of(name)
    proof = find_fast_steps(subject)
    keeps_pairs = model_parts(subject.model).form.cache == POSITIONS
    assert (proof.options is not None) == (keeps_pairs and name not in READING_BACK), proof.why
    if proof.options is not None:
        assert FastEngine(subject, SLOTS_OF_FIVE, LIKE_A_GPU).generate_all(requests) == answers


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.filterwarnings("ignore")
def test_a_family_that_cannot_be_steered_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match=f"^subject '{name}': this architecture can't be steered: ") as told:
        TorchEngine(family_subject(name))
    assert "\n" not in str(told.value)
    assert REFUSED[name] in str(told.value)
    assert told_outcomes()[name] == f"refused: {str(told.value).split('steered: ', 1)[1]}"


@pytest.mark.filterwarnings("ignore")
def test_a_folder_is_loaded_with_its_form_or_refused_by_the_name_of_the_subject(tmp_path: Path) -> None:
    for name in ("mistral3", "gemma3n_text"):
        family_model(name).save_pretrained(tmp_path / name)
        byte_tokenizer(TEMPLATE).save_pretrained(tmp_path / name)
    seeing = load_steerable_subject("seeing", str(tmp_path / "mistral3"), device="cpu")
    assert model_parts(seeing.model).is_proven
    with pytest.raises(InputError, match=r"^subject 'mine': this architecture can't be steered: a block's output is"):
        load_steerable_subject("mine", str(tmp_path / "gemma3n_text"), device="cpu")


def test_the_page_tells_of_every_family_and_of_sixty_that_are_steered() -> None:
    told = told_outcomes()
    assert set(told) == {name.replace(", ", " ") for name in NAMES}
    assert sum(not outcome.startswith("refused") for outcome in told.values()) >= 60


@pytest.mark.parametrize("name", ["qwen3_5_text", "minimax"])
@pytest.mark.filterwarnings("ignore")
def test_a_row_of_states_answers_alike_alone_and_in_any_batch(name: str) -> None:
    subject, requests = family_subject(name), mixed_requests()
    assert model_parts(subject.model).form.cache not in (SLOTS, OWN)  # not yet looked for
    alone = [TorchEngine(subject, 1).generate_all([each])[0] for each in requests]
    assert model_parts(subject.model).form.cache in (SLOTS, OWN)
    for rows in (2, 8):
        assert TorchEngine(subject, rows).generate_all(requests) == alone


@pytest.mark.filterwarnings("ignore")
def test_a_head_that_gives_other_logits_than_the_model_is_refused() -> None:
    subject = family_subject("llama")
    whole = subject.model.forward

    def other(*args: object, **more: object) -> object:
        output = whole(*args, **more)
        if more.get("input_ids") is not None and more["input_ids"].any():
            output.logits = output.logits + 1e-6 * torch.ones_like(output.logits)
        return output

    subject.model.forward = other
    with pytest.raises(InputError, match="this architecture can't be steered: its head"):
        TorchEngine(subject)
