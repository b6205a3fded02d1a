"""A model whose blocks lie on two devices answers as on one: prefill, decode, rows that leave or move, readings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from family_models import family_subject, mixed_requests
from pretend_devices import pretended_devices, spread

from gnomon.generation.engine.base import EngineAnswer, ReadingRequest, TrialRequest
from gnomon.generation.engine.forward import model_parts
from gnomon.generation.engine.injection import decoder_blocks
from gnomon.generation.engine.torch_engine import TorchEngine

FAMILIES = ["llama", "gemma3_text", "qwen3_5_text", "falcon_mamba", "gpt_neo"]
"""Keys and values, windows, states beside them, states alone, and a cache of the model's own."""


def told(answers: list[EngineAnswer]) -> list[tuple[object, ...]]:
    return [(each.tokens, each.finish, each.error, each.touched) for each in answers]


def reading_requests() -> list[TrialRequest]:
    asked = (ReadingRequest("begin", {"yes": (5, 6), "no": (7,)}), ReadingRequest("early", {"yes": (5,)}, 5))
    return [replace(each, max_tokens=0, readings=asked) for each in mixed_requests()]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.filterwarnings("ignore")
def test_two_devices_answer_as_one(name: str) -> None:
    one = TorchEngine(family_subject(name), 5)
    expected, read = one.generate_all(mixed_requests()), one.generate_all(reading_requests())
    spread_out = family_subject(name)
    with pretended_devices() as devices:
        spread(spread_out.model, decoder_blocks(spread_out.model), devices)
        assert {part.device for part in spread_out.model.parameters()} == set(devices)
        two = TorchEngine(spread_out, 5)
        assert model_parts(spread_out.model).form == model_parts(one.subject.model).form  # not a form that asks less
        assert told(two.generate_all(mixed_requests())) == told(expected)
        for here, there in zip(two.generate_all(reading_requests()), read, strict=True):
            assert (here.error, here.touched) == (None, there.touched)
            for place, reading in there.readings.items():
                assert here.readings[place].log_probabilities == pytest.approx(reading.log_probabilities, abs=1e-4)


def test_a_pretended_device_refuses_what_cuda_refuses() -> None:
    with pretended_devices() as (first, second):
        block, index = torch.zeros(3, 2, device=second), torch.tensor([0, 1], device=first)
        assert block[torch.tensor([0, 1])].device == second
        with pytest.raises(RuntimeError, match="same device"):
            block[index]
        with pytest.raises(RuntimeError, match="same device"):
            block[index] = torch.ones(2, 2, device=second)
        with pytest.raises(RuntimeError, match="same device"):
            block + torch.ones(3, 2, device=first)
        with pytest.raises(RuntimeError, match="same device"):
            block + torch.ones(3, 2)
        assert (block + index.to(second)[1]).tolist() == [[1.0, 1.0]] * 3
