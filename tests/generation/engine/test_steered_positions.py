"""Claims about positions: states differ by the vectors where these are due and nowhere else, with and without cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from tiny_subjects import LAYERS, SMALL, WIDTH, subject_of, tiny_model
from transformers import DynamicCache

from gnomon.data.readings import ANSWER
from gnomon.generation.engine.base import ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import InjectionError, VectorAddition, injection_hooks
from gnomon.generation.engine.steering_probe import find_model_form
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject

PROMPT, TOKENS, LAYER, EXACT = (9, 8, 7, 6, 5, 4, 3), 5, 1, 1e-10
LAST = len(PROMPT) - 1
RANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "all": ((0, None),),
    "from a marker": ((3, None),),
    "answer": ((LAST, None),),
    "a sentence": ((2, 5),),
    "one token": ((4, 5),),
    "an earlier turn and the answer": ((1, 3), (LAST, None)),
    "the prompt without its last token": ((0, LAST),),
    "part of the answer": ((LAST + 2, LAST + 4),),
    "the answer's second token on": ((LAST + 1, None),),
    "two sentences": ((0, 2), (4, 6)),
    "two that overlap": ((1, 4), (3, 6)),
}


@pytest.fixture(scope="module", params=sorted(SMALL))
def exact_family(request: pytest.FixtureRequest) -> LoadedSubject:
    """A tiny random model of each family in float64, in which nothing hides behind rounding."""
    subject = subject_of(tiny_model(request.param).double())
    find_model_form(subject)  # before any test records what runs
    return subject


def vector(number: int) -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(number), dtype=torch.float64)


def request(ranges: Sequence[tuple[int, int | None]], layers: Sequence[int] = (LAYER,), **more: Any) -> TrialRequest:
    """Each range of positions at each layer, with a vector of its own."""
    places = [(layer, *part) for layer in layers for part in ranges]
    additions = tuple(VectorAddition(layer, vector(n), *part) for n, (layer, *part) in enumerate(places))
    return TrialRequest(PROMPT, additions, **{"seed": 3, "temperature": 1.0, "max_tokens": TOKENS, **more})


def blocks_of(model: Any) -> Any:
    return next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == LAYERS)


@contextmanager
def recorded(model: Any, layer: int) -> Any:
    """Outputs of a block by position, of whatever single row runs inside the context; later calls replace earlier."""
    states: dict[int, torch.Tensor] = {}
    places: list[int] = []

    def note(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        places[:] = kwargs["position_ids"][0].tolist()

    def keep(_module: Any, _args: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        states.update(zip(places, hidden[0], strict=True))

    handles = [
        model.base_model.register_forward_pre_hook(note, with_kwargs=True),
        blocks_of(model)[layer].register_forward_hook(keep),
    ]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def plain_states(model: Any, ids: Sequence[int], layer: int, additions: Sequence[VectorAddition] = ()) -> torch.Tensor:
    """A block's output without a cache, each addition made by a hook of its own."""
    handles = [blocks_of(model)[one.layer].register_forward_hook(_adder(one)) for one in additions]
    with recorded(model, layer) as states, torch.no_grad():
        model(input_ids=torch.tensor([ids]), position_ids=torch.arange(len(ids))[None], use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack([states[place] for place in range(len(ids))])


def _adder(one: VectorAddition) -> Any:
    def add(_module: Any, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[:, one.start : one.end] += one.delta
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return add


@pytest.mark.parametrize("span", RANGES)
def test_states_differ_by_the_vectors_at_their_positions_and_nowhere_else(
    exact_family: LoadedSubject, span: str
) -> None:
    """Vectors at two blocks: at the first, states differ by them alone; the last is that of a run without a cache."""
    model, row = exact_family.model, request(RANGES[span], layers=(LAYER, LAYER + 1))
    with recorded(model, LAYER) as states, recorded(model, LAYERS - 1) as last:
        (answer,) = TorchEngine(exact_family, 1).generate_all([row])
    read = [*PROMPT, *answer.tokens][: len(states)]
    change = torch.stack([states[place] for place in range(len(read))]) - plain_states(model, read, LAYER)
    due = torch.zeros(len(read), WIDTH, dtype=torch.float64)
    for one in row.additions:
        if one.layer == LAYER:
            due[one.start : one.end] += one.delta
    torch.testing.assert_close(change, due, atol=EXACT, rtol=0)
    expected = plain_states(model, read, LAYERS - 1, row.additions)
    begin = row.first_computed
    found = torch.stack([last[place] for place in range(begin, len(read))])
    torch.testing.assert_close(found, expected[begin:], atol=EXACT, rtol=0)
    assert answer.error is None
    assert answer.touched == tuple(one.due_positions(len(read)) for one in row.additions)


def test_what_is_steered_and_then_removed_is_seen_in_the_cache_alone(exact_family: LoadedSubject) -> None:
    """The reference reads the steered beginning with a hook into its own cache, and the rest without any hook."""
    model, row = exact_family.model, request(((1, 4),))
    with recorded(model, LAYERS - 1) as states:
        (answer,) = TorchEngine(exact_family, 1).generate_all([row])
    read = [*PROMPT, *answer.tokens][: len(states)]
    cache = DynamicCache()
    handle = blocks_of(model)[LAYER].register_forward_hook(_adder(row.additions[0]))
    with recorded(model, LAYERS - 1) as reference, torch.no_grad():
        places = torch.arange(len(read))[None]
        model(input_ids=torch.tensor([read[:4]]), position_ids=places[:, :4], past_key_values=cache, use_cache=True)
        handle.remove()
        for place in range(4, len(read)):
            here = slice(place, place + 1)
            logits = model(
                input_ids=torch.tensor([read[here]]),
                position_ids=places[:, here],
                past_key_values=cache,
                use_cache=True,
            ).logits
    for place in range(4, len(read)):
        torch.testing.assert_close(states[place], reference[place], atol=EXACT, rtol=0)
    unsteered = plain_states(model, read, LAYERS - 1)
    assert all((states[place] - unsteered[place]).abs().max() > 1e-3 for place in range(4, len(read)))
    greedy = request(((1, 4),), temperature=0.0, max_tokens=1)
    assert logits.isfinite().all()
    assert TorchEngine(exact_family).generate_all([greedy])[0].touched == (range(1, 4),)


def test_rows_with_several_additions_answer_alone_as_in_any_batch(any_family: LoadedSubject) -> None:
    reading = (ReadingRequest(ANSWER, {"yes": (20,), "no": (30,)}),)
    rows = [request(each, layers, readings=reading) for each in RANGES.values() for layers in ((1,), (2, 2))]
    alone = [TorchEngine(any_family, 1).generate_all([row])[0] for row in rows]
    together = TorchEngine(any_family, 5).generate_all(rows)
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    assert [answer.touched for answer in together] == [answer.touched for answer in alone]
    assert len({round(answer.readings[ANSWER].entropy, 3) for answer in alone}) > len(rows) / 2


def test_two_additions_of_one_row_at_one_place_add_up(tiny: LoadedSubject) -> None:
    twice = [VectorAddition(1, vector(1), 2, 4), VectorAddition(1, vector(1), 2, 4)]
    double = [VectorAddition(1, 2 * vector(1), 2, 4)]
    ids = torch.tensor([PROMPT, PROMPT])
    with injection_hooks(tiny.model, [twice, double]) as injection, torch.no_grad():
        logits = tiny.model(input_ids=ids, position_ids=torch.arange(len(PROMPT)).expand(2, -1)).logits
    torch.testing.assert_close(logits[0], logits[1], atol=1e-5, rtol=0)
    assert injection.touched_positions(0) == (range(2, 4), range(2, 4))
    assert injection.touched_positions(1) == (range(2, 4),)


def test_an_addition_that_was_made_twice_is_told_from_two_additions(tiny: LoadedSubject) -> None:
    with injection_hooks(tiny.model, [[VectorAddition(1, vector(1), 2, 4), VectorAddition(2, vector(2), 0)]]) as found:
        for _ in range(2):
            tiny.model(input_ids=torch.tensor([PROMPT]), position_ids=torch.arange(len(PROMPT))[None])
        with pytest.raises(InjectionError, match="added 4 times between positions 2 and 3"):
            found.touched_positions(0)


def test_nothing_is_added_while_steering_pauses(tiny: LoadedSubject) -> None:
    ids = torch.tensor([PROMPT, PROMPT])
    plain = tiny.model(input_ids=ids).logits
    with injection_hooks(tiny.model, [VectorAddition(1, vector(1), 0)]) as injection:
        with injection.pause_steering():
            paused = tiny.model(input_ids=ids).logits
        steered = tiny.model(input_ids=ids[:1], position_ids=torch.arange(len(PROMPT))[None]).logits
    assert torch.equal(paused, plain)
    assert not torch.allclose(steered[0], plain[0], atol=1e-2)
    assert injection.touched_positions(0) == (range(len(PROMPT)),)
