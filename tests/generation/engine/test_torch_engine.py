"""Claims about decoding: nothing injected equals `generate`, and a row's answer depends on nothing but the row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_subjects import VOCABULARY, WIDTH, Letters, subject_of, tiny_model

from gnomon.data.errors import GnomonError, InputError
from gnomon.generation.caches import slot_layers
from gnomon.generation.engine import batch, injection
from gnomon.generation.engine.base import EngineAnswer, TrialRequest
from gnomon.generation.engine.batch import stop_tokens
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject

SHORT, LONG = (3, 4, 5), (9, 8, 7, 6, 5, 4, 3)
TOKENS = 12


def request(prompt: tuple[int, ...] = SHORT, addition: VectorAddition | None = None, **more: Any) -> TrialRequest:
    additions = () if addition is None else (addition,)
    return TrialRequest(prompt, additions, **{"seed": 1, "temperature": 0.0, "max_tokens": TOKENS, **more})


def addition(layer: int, strength: float, start: int) -> VectorAddition:
    generator = torch.Generator().manual_seed(layer)
    return VectorAddition(layer, strength * torch.randn(WIDTH, generator=generator), start)


def mixed(temperature: float) -> list[TrialRequest]:
    """Rows of different prompt, layer, strength, first position and seed."""
    rows = [
        request(SHORT),
        request(SHORT, addition(1, 0.5, 0)),
        request(LONG, addition(2, 1.0, 3)),
        request(LONG, addition(0, 0.2, 6)),
        request(SHORT, addition(3, 2.0, 2), max_tokens=5),
        request(LONG),
        request(SHORT, addition(2, -1.0, 1)),
        request(LONG, addition(2, 4.0, 0), max_tokens=7),
    ]
    return [replace(row, temperature=temperature, seed=index) for index, row in enumerate(rows)]


def told(answers: list[EngineAnswer]) -> list[tuple[tuple[int, ...], str]]:
    return [(answer.tokens, answer.finish) for answer in answers]


def generated(subject: LoadedSubject, prompt: tuple[int, ...]) -> tuple[int, ...]:
    """Greedy tokens of `transformers.generate`, without the end of the text."""
    ids = torch.tensor([prompt])
    whole = subject.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False, pad_token_id=1
    )
    return tuple(token for token in whole[0, len(prompt) :].tolist() if token != 1)


def test_a_greedy_batch_of_unequal_prompts_equals_generate(any_family: LoadedSubject) -> None:
    prompts = [SHORT, LONG, (20,), (30, 31, 32, 33), SHORT]
    answers = TorchEngine(any_family).generate_all([request(prompt) for prompt in prompts])
    assert [answer.tokens for answer in answers] == [generated(any_family, prompt) for prompt in prompts]
    assert len({answer.tokens for answer in answers}) > 1


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_mixed_batch_equals_each_row_alone_and_any_order(any_family: LoadedSubject, temperature: float) -> None:
    rows = mixed(temperature)
    engine = TorchEngine(any_family)
    together = told(engine.generate_all(rows))
    assert together == [told(TorchEngine(any_family).generate_all([row]))[0] for row in rows]
    assert together == told(engine.generate_all(rows[::-1]))[::-1]
    assert together[2:5] == told(engine.generate_all(rows[2:5]))
    assert len(set(together)) >= 4


def test_padding_leaves_with_the_long_prompts_that_needed_it(any_family: LoadedSubject) -> None:
    rows = [request(SHORT), request(LONG, max_tokens=3), request(SHORT, addition(1, 1.0, 1))]
    assert told(TorchEngine(any_family).generate_all(rows)) == [
        told(TorchEngine(any_family).generate_all([row]))[0] for row in rows
    ]


def test_a_steered_row_equals_a_plain_loop_without_cache(any_family: LoadedSubject) -> None:
    """The reference recomputes everything for each token and adds the vector by hand at the block."""
    row = request(LONG, addition(1, 1.0, 3), max_tokens=6)
    ids = list(LONG)

    def steer(_module: Any, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[0, 3:] += row.additions[0].delta
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    blocks = next(m for m in any_family.model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 4)
    handle = blocks[1].register_forward_hook(steer)
    for _ in range(6):
        ids.append(int(any_family.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    handle.remove()
    answer = TorchEngine(any_family).generate_all([request(SHORT), row])[1]
    assert answer.tokens == tuple(ids[len(LONG) :])[: len(answer.tokens)]
    assert len(answer.tokens) == 6 or answer.finish == "stop"


def test_every_span_touches_the_positions_it_says(tiny: LoadedSubject) -> None:
    rows = [request(LONG, addition(2, 0.1, start), max_tokens=4, temperature=1.0) for start in (0, 3, len(LONG) - 1)]
    for row, answer in zip(rows, TorchEngine(tiny).generate_all([request(SHORT), *rows])[1:], strict=True):
        assert answer.finish == "length"
        read_back = len(LONG) + len(answer.tokens) - 1
        assert answer.touched == (range(row.additions[0].start, read_back),)


def test_strength_zero_gives_the_tokens_of_no_vector(tiny: LoadedSubject) -> None:
    steered = request(LONG, addition(2, 0.0, 0), temperature=1.0)
    plain = request(LONG, temperature=1.0)
    there, without = TorchEngine(tiny).generate_all([steered, plain])
    assert there.tokens == without.tokens
    assert there.touched == (range(len(LONG) + len(there.tokens) - 1),)
    assert without.touched == ()


def test_the_shared_prompt_is_never_steered(tiny: LoadedSubject) -> None:
    """A control that comes after an injected row of the same prompt answers as if it were first."""
    engine, fresh = TorchEngine(tiny), TorchEngine(tiny)
    engine.generate_all([request(LONG, addition(1, 5.0, 0))])
    assert told(engine.generate_all([request(LONG)])) == told(fresh.generate_all([request(LONG)]))


def test_rows_stop_at_the_end_token_or_at_their_own_length() -> None:
    model = tiny_model("llama", seed=3)
    free = TorchEngine(subject_of(model)).generate_all([request(LONG)])[0]
    model.generation_config.eos_token_id = [1, free.tokens[4]]
    stopped, short = TorchEngine(subject_of(model)).generate_all([request(LONG), request(LONG, max_tokens=2)])
    first = free.tokens.index(free.tokens[4])
    assert (stopped.finish, stopped.tokens) == ("stop", free.tokens[:first])
    assert (short.finish, short.tokens) == ("length", free.tokens[:2])
    assert stopped.text == Letters().decode(list(free.tokens[:first]))


def test_stop_tokens_are_those_of_the_model_and_of_its_tokenizer(tiny: LoadedSubject) -> None:
    tiny.model.generation_config.eos_token_id = [7, 8]
    try:
        assert stop_tokens(tiny) == {7, 8, 1}
    finally:
        tiny.model.generation_config.eos_token_id = 1


def test_a_row_with_logits_that_are_not_finite_fails_with_its_reason_and_the_others_go_on(tiny: LoadedSubject) -> None:
    broken = VectorAddition(1, torch.full((WIDTH,), float("inf")), 2)
    rows = [request(SHORT), request(SHORT, broken), request(LONG, addition(1, 1.0, 0))]
    good, bad, other = TorchEngine(tiny).generate_all(rows)
    assert (bad.finish, bad.tokens) == ("error", ())
    assert bad.error == "logits of answer token 1 are not finite (vector added at layer 1)"
    assert told([good, other]) == told(TorchEngine(tiny).generate_all([rows[0], rows[2]]))


def test_sampled_tokens_follow_the_softmax_at_the_temperature(tiny: LoadedSubject) -> None:
    rows = [request(SHORT, seed=seed, temperature=0.5, max_tokens=1) for seed in range(3000)]
    drawn = Counter(answer.tokens or (1,) for answer in TorchEngine(tiny).generate_all(rows))
    logits = tiny.model(input_ids=torch.tensor([SHORT])).logits[0, -1]
    expected = torch.softmax(logits / 0.5, dim=0) * len(rows)
    common = [token for token in range(VOCABULARY) if expected[token] >= 10]
    squares = [(drawn[(token,)] - expected[token].item()) ** 2 / expected[token].item() for token in common]
    assert len(common) >= 3
    assert sum(squares) < 3 * len(common)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_that_take_the_slots_of_finished_ones_answer_as_if_alone(
    any_family: LoadedSubject, temperature: float
) -> None:
    rows = [replace(row, seed=100 + index) for index, row in enumerate(mixed(temperature) * 2)]
    alone = [told(TorchEngine(any_family, 1).generate_all([row]))[0] for row in rows]
    for together in (2, 3, 7):
        assert told(TorchEngine(any_family, together).generate_all(rows)) == alone


def test_a_resumed_run_says_what_an_unbroken_one_says(any_family: LoadedSubject) -> None:
    rows = mixed(1.0)
    whole = told(TorchEngine(any_family, 3).generate_all(rows))
    stream = TorchEngine(any_family, 3).generate_stream(rows)
    found = dict(next(stream) for _ in range(3))
    stream.close()
    left = [index for index in range(len(rows)) if index not in found]
    found.update(zip(left, TorchEngine(any_family, 5).generate_all([rows[index] for index in left]), strict=True))
    assert told([found[index] for index in range(len(rows))]) == whole


def test_no_step_is_spent_on_a_finished_row_and_no_slot_waits(tiny: LoadedSubject) -> None:
    rows = [request(SHORT, seed=seed, max_tokens=2 + seed % 5) for seed in range(20)]
    ran: list[int] = []

    def count(_module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[1] == 1 and kwargs["past_key_values"].get_seq_length() >= len(SHORT):
            ran.append(len(kwargs["input_ids"]))

    handle = tiny.model.base_model.register_forward_pre_hook(count, with_kwargs=True)
    engine = TorchEngine(tiny, 4)
    answers = engine.generate_all(rows)
    handle.remove()
    assert sum(ran) == sum(len(answer.tokens) - 1 + (answer.finish == "stop") for answer in answers)
    assert engine.spent.steps == len(ran) < sum(sorted(len(answer.tokens) for answer in answers)[::4])


def test_where_memory_runs_out_the_batch_is_halved_and_no_trial_is_lost(
    tiny: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = mixed(1.0)
    expected = told(TorchEngine(tiny).generate_all(rows))
    run, widest = tiny.model.base_model.forward, []

    def small(*args: Any, **kwargs: Any) -> Any:
        widest.append(len(kwargs["input_ids"]))
        if len(kwargs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(*args, **kwargs)

    monkeypatch.setattr(tiny.model.base_model, "forward", small)
    engine = TorchEngine(tiny, 8)
    assert told(engine.generate_all(rows)) == expected
    assert engine.rows == 2
    assert max(widest) > 2


def test_memory_for_not_even_one_row_says_how_much_is_needed(
    tiny: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_args: Any, **kwargs: Any) -> Any:
        if kwargs["input_ids"].shape[1] > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")
        return run(*_args, **kwargs)

    run = tiny.model.base_model.forward
    monkeypatch.setattr(tiny.model.base_model, "forward", none)
    with pytest.raises(GnomonError, match=r"subject 'tiny': no memory for one row: its cache needs \d") as caught:
        TorchEngine(tiny, 4).generate_all([request(LONG, addition(1, 1.0, 0))])
    assert not isinstance(caught.value, InputError)


def test_another_error_than_a_lack_of_memory_is_not_hidden(
    tiny: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(tiny.model.base_model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        TorchEngine(tiny, 4).generate_all([request(SHORT)])


def test_a_slot_that_held_values_that_are_not_finite_serves_the_next_row(tiny: LoadedSubject) -> None:
    broken = VectorAddition(1, torch.full((WIDTH,), float("inf")), 0)
    rows = [request(LONG, broken), request(LONG), request(SHORT, addition(1, 1.0, 0))]
    first, *others = TorchEngine(tiny, 3).generate_all(rows)
    assert first.finish == "error"
    assert told(others) == told(TorchEngine(tiny).generate_all(rows[1:]))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_settling_a_tie_gives_the_token_that_the_batch_gives(
    any_family: LoadedSubject, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every choice called a tie, all tokens come from rows run alone, and are those of the batch."""
    rows = mixed(temperature)
    plain = told(TorchEngine(any_family).generate_all(rows))
    monkeypatch.setattr(batch, "NEAR", 1e9)
    engine = TorchEngine(any_family)
    settled = engine.generate_all(rows)
    assert told(settled) == plain
    assert engine.spent.settled >= sum(len(answer.tokens) for answer in settled)


def test_a_vector_that_was_not_added_where_it_should_is_an_error_not_an_answer(
    tiny: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(injection.Injection, "add_vectors", lambda _self, _layer, output: output)
    answer, control = TorchEngine(tiny).generate_all([request(LONG, addition(1, 1.0, 3)), request(LONG)])
    assert answer.error is not None
    assert answer.error.startswith("positions range(0, 0) were steered, range(3, ")
    assert control.error is None


def test_an_answer_ends_before_a_text_that_stops_it(tiny: LoadedSubject) -> None:
    free = TorchEngine(tiny).generate_all([request(LONG)])[0]
    words = f" {free.tokens[3]} {free.tokens[4]}"
    stopped, other = TorchEngine(tiny).generate_all(
        [request(LONG, stop=("never", words)), request(LONG, stop=("never",))]
    )
    assert stopped.text == free.text[: free.text.index(words)]
    assert stopped.finish == "stop"
    assert stopped.tokens == free.tokens[: len(stopped.tokens)]
    assert told([other]) == told([free])


def test_an_answer_that_begins_with_a_text_that_stops_it_is_empty(tiny: LoadedSubject) -> None:
    free = TorchEngine(tiny).generate_all([request(LONG)])[0]
    assert TorchEngine(tiny).generate_all([request(LONG, stop=(str(free.tokens[0]),))])[0].text == ""


def test_no_more_memory_is_taken_than_the_rows_positions(tiny: LoadedSubject) -> None:
    rows = [request(LONG, seed=seed) for seed in range(6)]
    made: list[tuple[int, ...]] = []
    original = slot_layers.SlotLayer.allocated_blocks

    def seen(self: Any, keys: torch.Tensor, values: torch.Tensor) -> Any:
        blocks = original(self, keys, values)
        made.extend(tuple(block.shape) for block in blocks)
        return blocks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slot_layers.SlotLayer, "allocated_blocks", seen)
        TorchEngine(tiny, 3).generate_all(rows)
    assert set(made) == {(3, 2, len(LONG) + TOKENS - 1, WIDTH // 4)}


@pytest.mark.model
def test_the_embedded_subject_decodes_as_generate_does(smollm: LoadedSubject, ocean: torch.Tensor) -> None:
    tokenizer = smollm.tokenizer
    prompts = []
    for text in ("Name three fruits.", "What is the capital of France? Answer in one word."):
        turns = [{"role": "user", "content": text}]
        encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True)
        prompts.append(tuple(encoded["input_ids"] if hasattr(encoded, "keys") else encoded))
    steered = request(prompts[0], VectorAddition(24, 2 * ocean, len(prompts[0]) - 1))
    *plain, wet = TorchEngine(smollm).generate_all([*(request(prompt) for prompt in prompts), steered])
    for prompt, answer in zip(prompts, plain, strict=True):
        ids = torch.tensor([prompt])
        whole = smollm.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False)
        expected = [token for token in whole[0, len(prompt) :].tolist() if token != tokenizer.eos_token_id]
        assert list(answer.tokens) == expected
    assert "ocean" in wet.text.lower()
    assert "ocean" not in plain[0].text.lower()
