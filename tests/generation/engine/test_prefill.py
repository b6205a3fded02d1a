"""Claims about readings: they are the model's own log-probabilities, whatever else runs, and cost no decoding step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_subjects import LAYERS, VOCABULARY, WIDTH, subject_of, tiny_model

from gnomon.data.errors import InputError
from gnomon.data.readings import ANSWER
from gnomon.generation.engine import prefill, prompt_cache
from gnomon.generation.engine.base import EngineAnswer, ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.engine.steering_probe import find_model_form
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject

SHORT, LONG = (3, 4, 5), (9, 8, 7, 6, 5, 4, 3)
OPTIONS = {"yes": (20, 30), "no": (40,), "maybe": (50, 60, 70)}
AT_ANSWER = (ReadingRequest(ANSWER, OPTIONS),)


def added(layer: int, strength: float, start: int, end: int | None = None) -> VectorAddition:
    return VectorAddition(
        layer, strength * torch.randn(WIDTH, generator=torch.Generator().manual_seed(layer)), start, end
    )


def read(prompt: tuple[int, ...], *additions: VectorAddition, **more: Any) -> TrialRequest:
    return TrialRequest(
        prompt, additions, **{"seed": 1, "temperature": 1.0, "max_tokens": 0, "readings": AT_ANSWER, **more}
    )


ROWS = [
    read(SHORT),
    read(LONG),
    read(LONG, added(1, 0.5, 3)),
    read(LONG, added(1, -0.5, 3)),
    read(LONG, added(3, 1.0, 3)),
    read(LONG, added(0, 1.0, 0)),
    read(SHORT, added(2, 1.0, 2)),
    read(LONG, added(1, 0.5, 3, 5)),
    read(LONG, added(1, 0.5, 3, 5), added(1, 0.25, 4, 6), added(2, -1.0, 3)),
    read(LONG, added(2, 0.7, 1, 2), readings=(*AT_ANSWER, ReadingRequest("second", {"a": (5,), "b": (6,)}, 1))),
    read(LONG),
]


def reference_logits(model: Any, request: TrialRequest, upto: int) -> torch.Tensor:
    """Logits of plain `transformers` after `upto` positions, with an independent hook for each addition."""
    blocks = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) in (LAYERS, 30))
    handles = []
    for addition in request.additions:

        def steer(_module: Any, _args: Any, output: Any, one: VectorAddition = addition) -> Any:
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            hidden[:, one.start : one.end] += one.delta
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        handles.append(blocks[addition.layer].register_forward_hook(steer))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([request.prompt]), use_cache=False).logits[0, upto - 1]
    for handle in handles:
        handle.remove()
    return logits


def check_readings(model: Any, requests: Sequence[TrialRequest], answers: Sequence[EngineAnswer]) -> None:
    for request, answer in zip(requests, answers, strict=True):
        assert answer.error is None
        assert set(answer.readings) == {reading.place for reading in request.readings}
        for reading in request.readings:
            upto = len(request.prompt) if reading.position is None else reading.position + 1
            shares = torch.log_softmax(reference_logits(model, request, upto), dim=0)
            found = answer.readings[reading.place]
            assert list(found.log_probabilities) == list(reading.options)
            for option, tokens in reading.options.items():
                expected = torch.logsumexp(shares[list(tokens)], dim=0).item()
                assert found.log_probabilities[option] == pytest.approx(expected, abs=1e-5)
            assert found.entropy == pytest.approx(-(shares.exp() * shares).sum().item(), abs=1e-5)


def test_options_have_the_log_probabilities_of_transformers_in_any_batch(any_family: LoadedSubject) -> None:
    for rows in (1, 2, 16):
        answers = TorchEngine(any_family, rows).generate_all(ROWS)
        check_readings(any_family.model, ROWS, answers)
        assert {(answer.finish, answer.text, answer.tokens) for answer in answers} == {("read", "", ())}
        for request, answer in zip(ROWS, answers, strict=True):
            assert answer.touched == tuple(one.due_positions(len(request.prompt)) for one in request.additions)


def test_a_row_that_is_read_and_decoded_gives_both(any_family: LoadedSubject) -> None:
    decoded = [replace(row, max_tokens=3 + number % 3, temperature=0.0) for number, row in enumerate(ROWS)]
    answers = TorchEngine(any_family, 4).generate_all([*decoded, *ROWS])
    check_readings(any_family.model, decoded, answers[: len(ROWS)])
    check_readings(any_family.model, ROWS, answers[len(ROWS) :])
    unread = TorchEngine(any_family, 4).generate_all([replace(row, readings=()) for row in decoded])
    assert [answer.tokens for answer in unread] == [answer.tokens for answer in answers[: len(ROWS)]]


def test_reading_needs_no_decoding_step_and_computes_what_rows_share_once(tiny: LoadedSubject) -> None:
    rows = [read(LONG, added(2, strength, 3)) for strength in (0.5, 1.0, 2.0, 4.0)]
    find_model_form(tiny)  # its probe is not what is counted
    ran: list[tuple[int, int]] = []
    blocks = next(m for m in tiny.model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == LAYERS)
    handles = [
        blocks[layer].register_forward_pre_hook(lambda _m, args, layer=layer: ran.append((layer, len(args[0]))))
        for layer in (2, 3)
    ]
    engine = TorchEngine(tiny, 8)
    engine.generate_all(rows)
    for handle in handles:
        handle.remove()
    assert ran == [(2, 1), (3, 1), (2, 1), (3, 4)]  # the shared prompt, then the rows: one until the vectors differ
    assert (engine.spent.steps, engine.spent.admitted) == (0, 4)


def runs_of(
    model: Any, layers: Sequence[int], engine: TorchEngine, rows: Sequence[TrialRequest]
) -> list[tuple[int, ...]]:
    """Block, rows and columns of each call while requests are answered."""
    ran: list[tuple[int, ...]] = []
    blocks = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == LAYERS)
    handles = [
        blocks[layer].register_forward_pre_hook(lambda _m, args, layer=layer: ran.append((layer, *args[0].shape[:2])))
        for layer in layers
    ]
    engine.generate_all(rows)
    for handle in handles:
        handle.remove()
    return ran


def test_prompts_that_begin_alike_compute_their_beginning_once(tiny: LoadedSubject) -> None:
    begun = LONG[:4]
    prompts = [(*begun, *rest) for rest in ((1, 2, 3), (5, 6), (1, 7, 8, 9))]
    rows = [read(prompt, added(2, 1.0, 4)) for prompt in prompts]
    columns = [columns for _, _, columns in runs_of(tiny.model, [0], TorchEngine(tiny, 8), rows)]
    assert sorted(columns) == [2, 3, 4, 4]  # four tokens that all share, then each prompt's own
    plain = [read(prompt) for prompt in prompts]  # nothing is added: they depart from each other where they differ
    columns = [columns for _, _, columns in runs_of(tiny.model, [0], TorchEngine(tiny, 8), plain)]
    assert sum(columns) < sum(map(len, prompts)) - len(begun)
    check_readings(tiny.model, plain, TorchEngine(tiny, 8).generate_all(plain))


def test_rows_branch_off_at_their_own_block_and_what_is_unsteered_goes_along(tiny: LoadedSubject) -> None:
    rows = [
        read(LONG),
        *(read(LONG, added(layer, strength, 3)) for layer in (0, 2) for strength in (1.0, 2.0)),
        read(LONG),
    ]
    ran = runs_of(tiny.model, range(LAYERS), TorchEngine(tiny, 8), rows)
    assert ran[LAYERS:] == [(0, 1, 4), (1, 3, 4), (2, 3, 4), (3, 5, 4)]
    assert ran[:LAYERS] == [(layer, 1, 3) for layer in range(LAYERS)]


def test_prompts_that_are_dropped_from_the_cache_are_computed_again(
    tiny: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = [replace(row, max_tokens=4, temperature=0.0) for row in ROWS]
    expected = TorchEngine(tiny, 3).generate_all([*ROWS, *decoded])
    monkeypatch.setattr(prompt_cache, "KEPT_BYTES", 1)
    engine = TorchEngine(tiny, 3)
    assert engine.generate_all([*ROWS, *decoded]) == expected
    assert len(engine._prompts._kept) == 1


def test_rows_that_are_not_finite_fail_with_their_reason_and_the_others_are_read(tiny: LoadedSubject) -> None:
    broken = VectorAddition(1, torch.full((WIDTH,), float("inf")), 2)
    rows = [read(LONG, added(1, 1.0, 2)), read(LONG, broken), read(LONG, broken, max_tokens=2), read(LONG)]
    good, bad, late, plain = TorchEngine(tiny).generate_all(rows)
    assert (good.error, plain.error) == (None, None)
    for answer in (bad, late):
        assert (answer.finish, answer.readings) == ("error", {})
        assert answer.error == "logits at 'answer' are not finite (vector added at layer 1)"


def test_options_that_hold_the_whole_vocabulary_have_probability_one(tiny: LoadedSubject) -> None:
    halves = {"low": tuple(range(VOCABULARY // 2)), "high": tuple(range(VOCABULARY // 2, VOCABULARY))}
    (answer,) = TorchEngine(tiny).generate_all([read(SHORT, readings=(ReadingRequest(ANSWER, halves),))])
    assert answer.readings[ANSWER].mass == pytest.approx(1.0, abs=1e-12)


def test_a_float64_model_is_read_in_float64() -> None:
    model = tiny_model("llama").double()
    row = read(LONG, added(1, 0.5, 3))
    (answer,) = TorchEngine(subject_of(model)).generate_all([row])
    double = VectorAddition(1, row.additions[0].delta.double(), 3)
    shares = torch.log_softmax(reference_logits(model, replace(row, additions=(double,)), len(LONG)), dim=0)
    assert answer.readings[ANSWER].log_probabilities["no"] == pytest.approx(shares[40].item(), abs=1e-12)


@pytest.mark.model
def test_the_embedded_subject_is_read_as_transformers_reads_it(smollm: LoadedSubject, ocean: torch.Tensor) -> None:
    text = smollm.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Is there a thought? Yes or no?"}], tokenize=False, add_generation_prompt=True
    )
    prompt = tuple(smollm.tokenizer(text, add_special_tokens=False)["input_ids"])
    row = read(prompt, VectorAddition(24, ocean, 3, 9), readings=(ReadingRequest(ANSWER, {"a": (20, 30), "b": (40,)}),))
    rows = [row, replace(row, additions=()), replace(row, additions=(VectorAddition(24, 2 * ocean, len(prompt) - 1),))]
    answers = TorchEngine(smollm, 4).generate_all(rows)
    for request, answer in zip(rows, answers, strict=True):
        shares = torch.log_softmax(reference_logits(smollm.model, request, len(prompt)).double(), dim=0)
        found = answer.readings[ANSWER]
        assert found.log_probabilities["b"] == pytest.approx(shares[40].item(), abs=2e-5)
        for option, tokens in (("a", [20, 30]), ("b", [40])):
            expected = shares[tokens].exp().sum().item()
            assert math.exp(found.log_probabilities[option]) == pytest.approx(expected, abs=1e-5)
        assert found.entropy == pytest.approx(-(shares.exp() * shares).sum().item(), abs=2e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"readings": ()}, "needs a prompt, and a token to sample or an option to read"),
        ({"additions": (added(1, 1.0, 7),)}, "vector added from position 7: the row computes positions 0 to 6"),
        ({"additions": (added(1, 1.0, 9),), "max_tokens": 3}, "the row computes positions 0 to 8"),
        ({"readings": (ReadingRequest("x", OPTIONS, 7),)}, "reading at 'x': needs a position inside the prompt"),
        ({"readings": (ReadingRequest("x", {"yes": ()}),)}, "and a token for each option"),
    ],
)
def test_a_request_outside_the_rows_positions_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(read(LONG), **change)


def test_an_addition_without_a_position_is_refused() -> None:
    with pytest.raises(InputError, match="positions 3 to 3"):
        added(1, 1.0, 3, 3)
    assert prefill.READ == "read"
