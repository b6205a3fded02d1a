"""Claims about the fast engine: it answers as the eager one in any shapes, and steers where it should or says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_subjects import WIDTH, subject_of, tiny_model

from gnomon.generation.engine import batch
from gnomon.generation.engine.base import EngineAnswer, ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.fast_engine.decode_step import CLOSE, DecodeStep
from gnomon.generation.fast_engine.dense_steering import DenseSteering
from gnomon.generation.fast_engine.fast_engine import FastEngine
from gnomon.generation.fast_engine.slot_table import SlotTable
from gnomon.generation.fast_engine.step_shapes import StepOptions
from gnomon.generation.subjects.loading import LoadedSubject

PROMPTS = ((3, 4, 5), (9, 8, 7, 6, 5, 4, 3))
LIKE_A_GPU = StepOptions((1, 2, 4, 8), 8, is_static=True, ahead=1)
SHAPES = {
    "any shape": StepOptions(),
    "shapes of a GPU": LIKE_A_GPU,
    "no room": replace(LIKE_A_GPU, candidates=2, tails=1),
}


def addition(layer: int, strength: float, start: int, end: int | None = None) -> VectorAddition:
    generator = torch.Generator().manual_seed(layer)
    return VectorAddition(layer, strength * torch.randn(WIDTH, generator=generator), start, end)


def rows_of(temperature: float) -> list[TrialRequest]:
    """Rows of different prompts, spans, seeds and lengths; vectors that meet, a sham of zeros, one that ends."""
    short, long = PROMPTS
    steered: list[tuple[tuple[int, ...], tuple[VectorAddition, ...], int]] = [
        (short, (), 12),
        (short, (addition(1, 0.5, 0),), 12),
        (long, (addition(2, 1.0, 3), addition(2, 0.5, 5, 9), addition(0, 0.2, 6)), 12),
        (long, (addition(0, 0.0, 6),), 12),
        (short, (addition(3, 2.0, 2),), 5),
        (long, (), 1),
        (short, (addition(2, -1.0, 1, 2),), 12),
        (long, (addition(2, 4.0, 0),), 7),
    ]
    made = [TrialRequest(p, a, 0, temperature, most, ("99 99",)) for p, a, most in steered * 2]
    return [replace(row, seed=100 + number) for number, row in enumerate(made)]


@pytest.fixture(scope="module")
def own() -> LoadedSubject:
    return subject_of(tiny_model("llama"))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_and_touched_positions_are_those_of_the_eager_engine(own: LoadedSubject, temperature: float) -> None:
    wanted = rows_of(temperature)
    expected = TorchEngine(own, 5).generate_all(wanted)
    assert {answer.finish for answer in expected} <= {"length", "stop"}
    for slots, options in zip((3, 5, 16), SHAPES.values(), strict=True):
        assert FastEngine(own, slots, options).generate_all(wanted) == expected


@pytest.mark.parametrize("family", ["gemma3_text", "gpt2"])
def test_windows_and_other_heads_answer_alike(family: str) -> None:
    subject, wanted = subject_of(tiny_model(family)), rows_of(1.0)[:8]
    assert FastEngine(subject, 3, LIKE_A_GPU).generate_all(wanted) == TorchEngine(subject, 8).generate_all(wanted)


def test_a_row_whose_tokens_ahead_were_wrong_goes_on_from_the_right_one(
    own: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every token drawn is another than it should be and is called a tie: all are settled and all steps run again."""
    wanted = rows_of(1.0)
    expected = TorchEngine(own, 5).generate_all(wanted)
    draw, ahead = DecodeStep.draw, []

    def wrong(self: DecodeStep, logits: torch.Tensor, slots: Any) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, flags = draw(self, logits, slots)
        ahead.append(len(tokens))
        return (tokens + 1) % logits.shape[1], torch.full_like(flags, CLOSE)

    monkeypatch.setattr(DecodeStep, "draw", wrong)
    engine = FastEngine(own, 5, LIKE_A_GPU)
    assert engine.generate_all(wanted) == expected
    assert engine.spent.settled >= sum(len(answer.tokens) for answer in expected)
    assert len(ahead) > 12


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_ties_are_settled_as_the_eager_engine_settles_them(
    own: LoadedSubject, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = TorchEngine(own, 5).generate_all(rows_of(temperature))
    monkeypatch.setattr(batch, "NEAR", 1e9)
    engine = FastEngine(own, 5, LIKE_A_GPU)
    assert engine.generate_all(rows_of(temperature)) == expected
    assert engine.spent.settled >= sum(len(answer.tokens) for answer in expected)


def test_readings_are_those_of_the_eager_engine(own: LoadedSubject) -> None:
    asked = (ReadingRequest("begin", {"yes": (5, 6), "no": (7,)}),)
    wanted = [replace(row, readings=asked, max_tokens=most) for row in rows_of(1.0)[:8] for most in (0, 4)]
    wanted = [row for row in wanted if all(each.start < row.cache_columns for each in row.additions)]
    expected = TorchEngine(own, 4).generate_all(wanted)
    for here, there in zip(FastEngine(own, 4, LIKE_A_GPU).generate_all(wanted), expected, strict=True):
        assert (here.tokens, here.error, here.touched) == (there.tokens, None, there.touched)
        assert here.readings["begin"].log_probabilities == pytest.approx(
            there.readings["begin"].log_probabilities, abs=1e-5
        )


def test_a_damaged_row_fails_alone_and_its_slot_serves_the_next(own: LoadedSubject) -> None:
    broken = VectorAddition(1, torch.full((WIDTH,), float("inf")), 0)
    good = rows_of(1.0)[:8]
    wanted = [replace(good[0], additions=(broken,)), *good]
    expected = TorchEngine(own, 3).generate_all(good)
    for options in SHAPES.values():
        bad, *others = FastEngine(own, 3, options).generate_all(wanted)
        assert bad.error == "logits of answer token 1 are not finite (vector added at layer 1)"
        assert others == expected


def test_rows_move_together_when_fewer_run(own: LoadedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[list[int]] = []
    move = DecodeStep.move_slots

    def seen(self: DecodeStep, sources: torch.Tensor, targets: torch.Tensor, columns: int) -> None:
        moved.append(targets.tolist())
        move(self, sources, targets, columns)

    monkeypatch.setattr(DecodeStep, "move_slots", seen)
    wanted = [replace(row, max_tokens=14 - number) for number, row in enumerate(rows_of(1.0)[:4] * 2)]
    wanted.reverse()  # the rows in the last slots stay longest
    assert FastEngine(own, 8, LIKE_A_GPU).generate_all(wanted) == TorchEngine(own, 8).generate_all(wanted)
    assert moved


def test_where_memory_runs_out_the_batch_is_halved_and_no_trial_is_lost(
    own: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = rows_of(1.0)
    expected = TorchEngine(own, 5).generate_all(wanted)
    run = DecodeStep.run

    def small(self: DecodeStep, rows: int, width: int) -> torch.Tensor:
        if rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, rows, width)

    engine = FastEngine(own, 8, LIKE_A_GPU)
    monkeypatch.setattr(DecodeStep, "run", small)
    assert engine.generate_all(wanted) == expected
    assert engine.rows == 2
    assert not any(block._forward_hooks for block in own.model.model.layers)


# -- proof of steering ---------------------------------------------------------------------------------------


def errors(answers: Sequence[EngineAnswer]) -> list[bool]:
    return [answer.error is not None for answer in answers]


def is_steered(row: TrialRequest) -> bool:
    return bool(row.additions)


def test_steering_that_is_switched_off_is_an_error_of_each_steered_row(
    own: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, wanted = FastEngine(own, 5, LIKE_A_GPU), rows_of(1.0)
    monkeypatch.setattr(DenseSteering, "add_vectors", lambda _self, _layer, output: output)
    answers = engine.generate_all(wanted)
    assert errors(answers) == [is_steered(row) for row in wanted]
    assert answers[1].error == "positions range(0, 0) were steered, range(0, 14) should have been"


def test_a_vector_that_is_dropped_in_mid_answer_is_an_error(
    own: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffers are emptied after four steps, as a graph would read them that was made for others."""
    engine = FastEngine(own, 16, LIKE_A_GPU)
    wanted = [row for row in rows_of(0.0)[:8] if row.max_tokens == 12 and any(a.delta.any() for a in row.additions)]
    run, steps = DecodeStep.run, []

    def emptied(self: DecodeStep, rows: int, width: int) -> torch.Tensor:
        steps.append(rows)
        if len(steps) == 5:
            self.steering.vectors.zero_()
        return run(self, rows, width)

    monkeypatch.setattr(DecodeStep, "run", emptied)
    answers = engine.generate_all(wanted)
    ended = [all(a.end is not None for a in row.additions) for row in wanted]
    assert ended.count(True) == 1
    assert errors(answers) == [not each for each in ended]


def test_a_vector_in_another_rows_slot_is_an_error_of_both(own: LoadedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FastEngine(own, 4, LIKE_A_GPU)
    steered = replace(rows_of(0.0)[1], additions=(addition(1, 0.5, 2),))
    wanted = [steered, replace(steered, additions=())]
    add = DenseSteering.add_rows

    def swapped(self: DenseSteering, slots: torch.Tensor, additions: Sequence[Sequence[VectorAddition]]) -> None:
        add(self, slots, additions)
        if len(self.numbers[0]):
            self.vectors[:, [0, 1]] = self.vectors[:, [1, 0]]
            self.numbers[:, :, [0, 1]] = self.numbers[:, :, [1, 0]]

    monkeypatch.setattr(DenseSteering, "add_rows", swapped)
    assert errors(engine.generate_all(wanted)) == [True, True]


def test_a_control_that_is_steered_is_an_error(own: LoadedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FastEngine(own, 4, LIKE_A_GPU)
    steered = replace(rows_of(0.0)[1], stop=())
    monkeypatch.setattr(DenseSteering, "release", lambda _self, _slots: None)
    (first,) = engine.generate_all([steered])
    assert first.error is None
    monkeypatch.setattr(SlotTable, "release", lambda _self, _slots: None)
    wanted = [replace(steered, max_tokens=3), *[replace(steered, additions=(), max_tokens=9)] * 4]
    answers = engine.generate_all(wanted)
    assert errors(answers)[:4] == [False] * 4
    assert answers[4].error is not None  # took the steered row's slot
    assert answers[4].error.startswith("a vector was added 1 times at position ")


def test_no_hook_stays(own: LoadedSubject) -> None:
    stream = FastEngine(own, 4, LIKE_A_GPU).generate_stream(rows_of(1.0))
    next(stream)
    assert any(block._forward_hooks for block in own.model.model.layers)
    stream.close()
    assert not any(block._forward_hooks for block in own.model.model.layers)


@pytest.mark.model
@pytest.mark.slow
def test_the_embedded_subject_answers_alike(smollm: LoadedSubject, ocean: torch.Tensor) -> None:
    prompt = tuple(smollm.tokenizer("Name three fruits. Now?")["input_ids"])
    wanted = [
        TrialRequest(prompt, (VectorAddition(layer, strength * ocean, 3),) if strength else (), seed, 0.6, 10)
        for seed, (layer, strength) in enumerate([(24, 1.0), (12, 2.0), (24, 0.0), (18, 0.5), (24, 4.0), (24, 0.0)])
    ]
    expected = TorchEngine(smollm, 4).generate_all(wanted)
    assert FastEngine(smollm, 4, LIKE_A_GPU).generate_all(wanted) == expected
