"""Claims about steering: what is added is added where it should be, nowhere else, and never after."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_subjects import LAYERS, WIDTH
from transformers import DynamicCache

from gnomon.data.errors import InputError
from gnomon.generation.engine.injection import (
    Injection,
    InjectionError,
    VectorAddition,
    decoder_blocks,
    injection_hooks,
)
from gnomon.generation.subjects.loading import LoadedSubject

IDS = torch.tensor([[5, 6, 7, 8, 9], [11, 12, 13, 14, 15]])
DELTA = torch.linspace(-1, 1, WIDTH)


def call(model: Any, ids: torch.Tensor = IDS, **more: Any) -> Any:
    places = {"position_ids": torch.arange(ids.shape[1]).expand(*ids.shape), "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        return model(input_ids=ids, **{**places, **more})


def steered_at(injection: Injection, slot: int) -> list[int]:
    (touched,) = injection.touched_positions(slot)
    return list(touched)


def hooks(model: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_strength_zero_equals_no_hook(any_family: LoadedSubject) -> None:
    plain = call(any_family.model).logits
    with injection_hooks(any_family.model, [VectorAddition(1, 0.0 * DELTA, 0)] * 2) as injection:
        steered = call(any_family.model).logits
    assert torch.equal(plain, steered)
    assert injection.touched_positions(0) == (range(5),)


def test_a_vector_and_its_negative_cancel(any_family: LoadedSubject) -> None:
    model = any_family.model
    plain = call(model).logits
    with (
        injection_hooks(model, [VectorAddition(2, DELTA, 1)] * 2),
        injection_hooks(model, [VectorAddition(2, -DELTA, 1)] * 2),
    ):
        cancelled = call(model).logits
    with injection_hooks(model, [VectorAddition(2, DELTA, 1)] * 2):
        steered = call(model).logits
    assert torch.allclose(plain, cancelled, atol=1e-4)
    assert not torch.allclose(plain, steered, atol=1e-2)


@pytest.mark.parametrize("layer", range(LAYERS - 1))
def test_layer_l_changes_hidden_state_l_plus_1_by_the_vector_and_none_before(
    any_family: LoadedSubject, layer: int
) -> None:
    before = call(any_family.model, output_hidden_states=True).hidden_states
    with injection_hooks(any_family.model, [None, VectorAddition(layer, DELTA, 2)]):
        after = call(any_family.model, output_hidden_states=True).hidden_states
    change = [new - old for new, old in zip(after, before, strict=True)]
    assert all(not part.any() for part in change[: layer + 1])
    assert torch.allclose(change[layer + 1][1, 2:], DELTA.expand(3, -1), atol=1e-5)
    assert not change[layer + 1][1, :2].any()
    assert not change[layer + 1][0].any()
    assert change[-1][1, 2:].any(dim=-1).all()


@pytest.mark.parametrize(("start", "prompt", "answer"), [(0, [0, 1, 2], [3, 4]), (2, [2], [3, 4]), (4, [], [4])])
def test_positions_are_the_same_with_and_without_cache(
    tiny: LoadedSubject, start: int, prompt: list[int], answer: list[int]
) -> None:
    additions = [VectorAddition(1, DELTA, start)] * 2
    with injection_hooks(tiny.model, additions) as whole:
        full = call(tiny.model).logits
    cache = DynamicCache()
    with injection_hooks(tiny.model, additions) as stepped:
        call(tiny.model, IDS[:, :3], past_key_values=cache, use_cache=True)
        assert steered_at(stepped, 0) == prompt
        for place in (3, 4):
            last = call(
                tiny.model,
                IDS[:, place : place + 1],
                position_ids=torch.full((2, 1), place),
                attention_mask=torch.ones(2, place + 1, dtype=torch.long),
                past_key_values=cache,
                use_cache=True,
            ).logits
    assert steered_at(whole, 1) == steered_at(stepped, 1) == prompt + answer
    assert torch.allclose(full[:, -1], last[:, -1], atol=1e-4)


def test_left_padding_is_never_touched_and_positions_count_a_rows_own_tokens(tiny: LoadedSubject) -> None:
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    positions = torch.tensor([[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]])
    with injection_hooks(tiny.model, [VectorAddition(1, DELTA, 0), VectorAddition(1, DELTA, 3)]) as injection:
        call(tiny.model, attention_mask=mask, position_ids=positions)
    assert steered_at(injection, 0) == [0, 1, 2]
    assert steered_at(injection, 1) == [3, 4]


def test_vectors_follow_their_rows_when_others_leave(tiny: LoadedSubject) -> None:
    with injection_hooks(tiny.model, [VectorAddition(1, DELTA, 0), VectorAddition(2, 2 * DELTA, 0)]) as injection:
        both = call(tiny.model).logits
        injection.select_rows([1])
        alone = call(tiny.model, IDS[1:]).logits
    assert torch.allclose(both[1], alone[0], atol=1e-4)
    assert injection.touched_positions(0) == (range(5),)
    with pytest.raises(InjectionError, match="added 10 times between positions 0 and 4"):
        injection.touched_positions(1)


def test_hooks_are_gone_after_the_block_and_after_an_exception(any_family: LoadedSubject) -> None:
    before = hooks(any_family.model)
    with injection_hooks(any_family.model, [VectorAddition(1, DELTA, 0)]):
        assert hooks(any_family.model) > before
    with pytest.raises(KeyboardInterrupt), injection_hooks(any_family.model, [VectorAddition(1, DELTA, 0)]):
        raise KeyboardInterrupt
    with (
        pytest.raises(InputError),
        injection_hooks(any_family.model, [VectorAddition(1, DELTA, 0), VectorAddition(9, DELTA, 0)]),
    ):
        pass
    assert hooks(any_family.model) == before


def test_an_unknown_layer_is_refused_with_the_layers_there_are(tiny: LoadedSubject) -> None:
    with (
        pytest.raises(InputError, match="layer 4: the model has layers 0 to 3"),
        injection_hooks(tiny.model, [VectorAddition(4, DELTA, 0)]),
    ):
        pass


def test_a_call_that_would_steer_the_wrong_rows_or_places_is_refused(tiny: LoadedSubject) -> None:
    with injection_hooks(tiny.model, [VectorAddition(1, DELTA, 0)]):
        with pytest.raises(ValueError, match="2 rows run, 1 selected"):
            call(tiny.model)
        with pytest.raises(ValueError, match="position_ids"):
            tiny.model(input_ids=IDS[:1])


def test_a_row_that_nothing_is_added_to_was_touched_nowhere(tiny: LoadedSubject) -> None:
    plain = call(tiny.model).logits
    with injection_hooks(tiny.model, [None, VectorAddition(1, DELTA, 0)]) as injection:
        steered = call(tiny.model).logits
    assert injection.touched_positions(0) == ()
    assert torch.equal(plain[0], steered[0])
    assert not torch.equal(plain[1], steered[1])


def test_the_blocks_own_output_is_left_as_it_was_for_whoever_else_holds_it(tiny: LoadedSubject) -> None:
    output = torch.zeros(1, 5, WIDTH)
    with injection_hooks(tiny.model, [VectorAddition(1, DELTA, 0)]) as injection:
        call(tiny.model, IDS[:1])
        steered = injection.add_vectors(1, output)
    assert not output.any()
    assert torch.equal(steered[0], DELTA.expand(5, -1))


def test_the_blocks_are_found_whatever_the_family_calls_them(any_family: LoadedSubject) -> None:
    blocks = decoder_blocks(any_family.model)
    assert len(blocks) == LAYERS
    assert sum(p.numel() for p in blocks.parameters()) > 0.3 * sum(p.numel() for p in any_family.model.parameters())
