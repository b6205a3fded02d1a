"""Claims about the logit lens: it reads the states of the steered pass through the model's own norm and head."""

from __future__ import annotations

import pytest
import torch

from gnomon.data.errors import InputError
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.vectors.logit_lens import lens_log_probabilities, read_word

PROMPT = tuple(range(20, 32))


def added(subject: LoadedSubject) -> tuple[VectorAddition, ...]:
    delta = 5 * torch.randn(subject.width, generator=torch.Generator().manual_seed(1))
    return (VectorAddition(1, delta, 4),)


def test_the_last_block_says_what_the_model_says_steered_or_not(any_family: LoadedSubject) -> None:
    model, ids = any_family.model, torch.tensor([PROMPT])
    plain = model(input_ids=ids).logits[0, -1].double().log_softmax(-1)
    read = lens_log_probabilities(any_family, PROMPT, (), [0, any_family.layers - 1])
    assert torch.allclose(read[1], plain, atol=1e-5)
    assert not torch.allclose(read[0], plain, atol=1e-2)

    from gnomon.generation.engine.injection import injection_hooks

    with injection_hooks(model, [added(any_family)]):
        steered = model(input_ids=ids, position_ids=torch.arange(len(PROMPT))[None]).logits[0, -1]
    read = lens_log_probabilities(any_family, PROMPT, added(any_family), [any_family.layers - 1])
    assert torch.allclose(read[0], steered.double().log_softmax(-1), atol=1e-5)
    assert torch.allclose(model(input_ids=ids).logits[0, -1].double().log_softmax(-1), plain)


def test_each_block_is_read_through_norm_and_head(tiny: LoadedSubject) -> None:
    states = tiny.model(input_ids=torch.tensor([PROMPT]), output_hidden_states=True).hidden_states
    read = lens_log_probabilities(tiny, PROMPT, (), [0, 1, 2])
    for layer in range(3):
        logits = tiny.model.lm_head(tiny.model.model.norm(states[layer + 1][:, -1]))[0]
        assert torch.allclose(read[layer], logits.double().log_softmax(-1), atol=1e-5)
    before = lens_log_probabilities(tiny, PROMPT, added(tiny), [0, 1])
    assert torch.allclose(before[0], read[0])
    assert not torch.allclose(before[1], read[1], atol=1e-2)


def test_a_word_has_a_probability_and_a_rank_at_each_block(small_subject: LoadedSubject) -> None:
    found = read_word(small_subject, PROMPT, (), [1, 3], "ocean")
    logs = lens_log_probabilities(small_subject, PROMPT, (), [1, 3])
    for reading, row in zip(found, logs, strict=True):
        tokens = {small_subject.tokenizer(text)["input_ids"][0] for text in ("o", "O", " ")}
        expected = torch.stack([row[token].exp() for token in tokens]).sum().log()
        assert reading.log_probability == pytest.approx(float(expected), abs=1e-6)
        best = max(tokens, key=lambda token: row[token])
        assert reading.rank == int((row > row[best]).sum()) + 1
    with pytest.raises(InputError, match="layer 4: subject 'small' has layers 0 to 3"):
        read_word(small_subject, PROMPT, (), [4], "ocean")
