"""The head of a model over a few rows at a time: the model's own logits, and no more memory for more rows."""

from __future__ import annotations

import pytest
import torch
from tiny_subjects import VOCABULARY, subject_of, tiny_model
from transformers import DynamicCache

from gnomon.generation.engine import forward
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject


def taken(model: object, ids: torch.Tensor) -> torch.Tensor:
    rows, columns = ids.shape
    positions = torch.arange(columns).expand(rows, -1)
    hidden = forward.last_hidden(model, ids, positions, torch.ones_like(ids), DynamicCache())
    return torch.cat([hidden.next_logits(part) for part in hidden.head_slices()])


def test_parts_give_the_logits_of_the_whole_model(any_family: LoadedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "ROWS", 2)
    ids = torch.randint(2, VOCABULARY, (5, 7), generator=torch.Generator().manual_seed(1))
    body = any_family.model.base_model
    whole = any_family.model(input_ids=ids).logits[:, -1]
    torch.testing.assert_close(taken(any_family.model, ids), whole)
    assert any_family.model.base_model is body


def test_a_model_that_caps_its_logits_caps_them_here_too() -> None:
    model = tiny_model("gemma3_text")
    ids = torch.tensor([[3, 4, 5]])
    free = taken(model, ids)
    model.config.final_logit_softcapping = 0.5
    torch.testing.assert_close(taken(model, ids), 0.5 * torch.tanh(free / 0.5))


def test_the_body_stands_in_its_place_after_an_error(tiny: LoadedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    body = tiny.model.base_model
    hidden = forward.last_hidden(tiny.model, torch.tensor([[3]]), torch.tensor([[0]]), torch.ones(1, 1), DynamicCache())
    monkeypatch.setattr(tiny.model.lm_head, "forward", None)
    with pytest.raises(TypeError):
        hidden.next_logits(slice(0, 1))
    assert tiny.model.base_model is body


def test_no_more_rows_than_said_meet_the_head_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "ROWS", 4)
    subject, seen = subject_of(tiny_model("llama")), []
    engine = TorchEngine(subject, 11)
    subject.model.lm_head.register_forward_hook(lambda _module, _args, output: seen.append(tuple(output.shape)))
    engine.generate_all([TrialRequest((3, 4, 5), (), seed, 1.0, 3) for seed in range(11)])
    assert max(rows for rows, _, _ in seen) == 4
    assert {columns for _, columns, _ in seen} == {1}
