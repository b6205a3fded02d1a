"""Claims about decoding: nothing injected equals `generate`, and a row's answer depends on nothing but the row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_subjects import VOCABULARY, WIDTH, Letters, subject_of, tiny_model

from generation.engine import Answer, Engine, Request, stop_tokens
from generation.injection import Addition
from generation.noise import sampling_noise
from generation.subjects import LoadedSubject

SHORT, LONG = (3, 4, 5), (9, 8, 7, 6, 5, 4, 3)
TOKENS = 12


def request(prompt: tuple[int, ...] = SHORT, addition: Addition | None = None, **more: Any) -> Request:
    return Request(prompt, addition, **{"seed": 1, "temperature": 0.0, "max_tokens": TOKENS, **more})


def addition(layer: int, strength: float, start: int) -> Addition:
    generator = torch.Generator().manual_seed(layer)
    return Addition(layer, strength * torch.randn(WIDTH, generator=generator), start)


def mixed(temperature: float) -> list[Request]:
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


def told(answers: list[Answer]) -> list[tuple[tuple[int, ...], str]]:
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
    answers = Engine(any_family).answers([request(prompt) for prompt in prompts])
    assert [answer.tokens for answer in answers] == [generated(any_family, prompt) for prompt in prompts]
    assert len({answer.tokens for answer in answers}) > 1


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_mixed_batch_equals_each_row_alone_and_any_order(any_family: LoadedSubject, temperature: float) -> None:
    rows = mixed(temperature)
    engine = Engine(any_family)
    together = told(engine.answers(rows))
    assert together == [told(Engine(any_family).answers([row]))[0] for row in rows]
    assert together == told(engine.answers(rows[::-1]))[::-1]
    assert together[2:5] == told(engine.answers(rows[2:5]))
    assert len(set(together)) >= 4


def test_padding_leaves_with_the_long_prompts_that_needed_it(any_family: LoadedSubject) -> None:
    rows = [request(SHORT), request(LONG, max_tokens=3), request(SHORT, addition(1, 1.0, 1))]
    assert told(Engine(any_family).answers(rows)) == [told(Engine(any_family).answers([row]))[0] for row in rows]


def test_a_steered_row_equals_a_plain_loop_without_cache(any_family: LoadedSubject) -> None:
    """The reference recomputes everything for each token and adds the vector by hand at the block."""
    row = request(LONG, addition(1, 1.0, 3), max_tokens=6)
    ids = list(LONG)

    def steer(_module: Any, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[0, 3:] += row.addition.delta  # type: ignore[union-attr]
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    blocks = next(m for m in any_family.model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 4)
    handle = blocks[1].register_forward_hook(steer)
    for _ in range(6):
        ids.append(int(any_family.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    handle.remove()
    answer = Engine(any_family).answers([request(SHORT), row])[1]
    assert answer.tokens == tuple(ids[len(LONG) :])[: len(answer.tokens)]
    assert len(answer.tokens) == 6 or answer.finish == "stop"


def test_every_span_touches_the_positions_it_says(tiny: LoadedSubject) -> None:
    rows = [request(LONG, addition(2, 0.1, start), max_tokens=4, temperature=1.0) for start in (0, 3, len(LONG) - 1)]
    for row, answer in zip(rows, Engine(tiny).answers([request(SHORT), *rows])[1:], strict=True):
        assert answer.finish == "length"
        read_back = len(LONG) + len(answer.tokens) - 1
        assert row.addition is not None
        assert list(answer.touched) == list(range(row.addition.start, read_back))


def test_strength_zero_gives_the_tokens_of_no_vector(tiny: LoadedSubject) -> None:
    steered = request(LONG, addition(2, 0.0, 0), temperature=1.0)
    plain = request(LONG, temperature=1.0)
    there, without = Engine(tiny).answers([steered, plain])
    assert there.tokens == without.tokens
    assert there.touched
    assert not without.touched


def test_the_shared_prompt_is_never_steered(tiny: LoadedSubject) -> None:
    """A control that comes after an injected row of the same prompt answers as if it were first."""
    engine, fresh = Engine(tiny), Engine(tiny)
    engine.answers([request(LONG, addition(1, 5.0, 0))])
    assert told(engine.answers([request(LONG)])) == told(fresh.answers([request(LONG)]))


def test_rows_stop_at_the_end_token_or_at_their_own_length() -> None:
    model = tiny_model("llama", seed=3)
    free = Engine(subject_of(model)).answers([request(LONG)])[0]
    model.generation_config.eos_token_id = [1, free.tokens[4]]
    stopped, short = Engine(subject_of(model)).answers([request(LONG), request(LONG, max_tokens=2)])
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
    broken = Addition(1, torch.full((WIDTH,), float("inf")), 2)
    rows = [request(SHORT), request(SHORT, broken), request(LONG, addition(1, 1.0, 0))]
    good, bad, other = Engine(tiny).answers(rows)
    assert (bad.finish, bad.tokens) == ("error", ())
    assert bad.error == "logits of answer token 1 are not finite (vector added at layer 1)"
    assert told([good, other]) == told(Engine(tiny).answers([rows[0], rows[2]]))


def test_sampled_tokens_follow_the_softmax_at_the_temperature(tiny: LoadedSubject) -> None:
    rows = [request(SHORT, seed=seed, temperature=0.5, max_tokens=1) for seed in range(3000)]
    drawn = Counter(answer.tokens or (1,) for answer in Engine(tiny).answers(rows))
    logits = tiny.model(input_ids=torch.tensor([SHORT])).logits[0, -1]
    expected = torch.softmax(logits / 0.5, dim=0) * len(rows)
    common = [token for token in range(VOCABULARY) if expected[token] >= 10]
    squares = [(drawn[(token,)] - expected[token].item()) ** 2 / expected[token].item() for token in common]
    assert len(common) >= 3
    assert sum(squares) < 3 * len(common)


def test_noise_depends_on_seed_and_step_alone_and_never_hands_a_token_the_win() -> None:
    values = sampling_noise(5, 3, 1000)
    assert (values == sampling_noise(5, 3, 1000)).all()
    assert (values != sampling_noise(5, 4, 1000)).all()
    assert (values != sampling_noise(6, 3, 1000)).all()
    assert (sampling_noise(2**63 - 1, 0, 10) > 0).all()
    smallest = min(sampling_noise(seed, 0, 500_000).min() for seed in range(20))
    assert 0 < smallest < 1e-5


@pytest.mark.model
def test_the_embedded_subject_decodes_as_generate_does(smollm: LoadedSubject, ocean: torch.Tensor) -> None:
    tokenizer = smollm.tokenizer
    prompts = []
    for text in ("Name three fruits.", "What is the capital of France? Answer in one word."):
        turns = [{"role": "user", "content": text}]
        encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True)
        prompts.append(tuple(encoded["input_ids"] if hasattr(encoded, "keys") else encoded))
    steered = request(prompts[0], Addition(24, 2 * ocean, len(prompts[0]) - 1))
    *plain, wet = Engine(smollm).answers([*(request(prompt) for prompt in prompts), steered])
    for prompt, answer in zip(prompts, plain, strict=True):
        ids = torch.tensor([prompt])
        whole = smollm.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False)
        expected = [token for token in whole[0, len(prompt) :].tolist() if token != tokenizer.eos_token_id]
        assert list(answer.tokens) == expected
    assert "ocean" in wet.text.lower()
    assert "ocean" not in plain[0].text.lower()
