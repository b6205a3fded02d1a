"""Steering as vLLM needs it: tokens of all requests in one row, blocks that give the stream in two parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from gnomon.generation.vllm_engine.steering_state import SteeringState, StepRow
from gnomon.generation.vllm_engine.worker_messages import AdditionMessage, PlaceMessage

WIDTH, COLUMNS, LAYERS = 8, 16, 3


@pytest.fixture
def state() -> SteeringState:
    found = SteeringState(WIDTH, torch.float32, torch.device("cpu"), COLUMNS)
    rng = np.random.default_rng(0)
    found.hold_vectors(["ocean", "fear"], rng.standard_normal((2, WIDTH)).astype(np.float32))
    return found


def run_step(state: SteeringState, rows: Sequence[StepRow], pairs: bool = True) -> dict[int, Tensor]:
    """What each block's output has become, less what it was: (tokens, width) by layer."""
    tokens = sum(row.count for row in rows)
    state.begin_step(rows, torch.cat([torch.arange(row.start, row.start + row.count) for row in rows]))
    found = {}
    for layer in range(LAYERS):
        hidden, residual = torch.randn(tokens, WIDTH), torch.randn(tokens, WIDTH)
        before = hidden.clone()
        output = state.add_vectors(layer, (hidden, residual) if pairs else hidden)
        after = output[0] if pairs else output
        assert torch.equal(hidden, before)
        if pairs:
            assert output[1] is residual
        found[layer] = after - before
    state.end_step()
    return found


def delta(state: SteeringState, name: str) -> Tensor:
    return state._vectors[name]


@pytest.mark.parametrize("pairs", [True, False])
def test_each_request_is_steered_at_its_own_block_and_positions_and_nowhere_else(state: SteeringState, pairs: bool):
    state.add_row(7, [AdditionMessage(1, "ocean", 2, None)], [])
    state.add_row(8, [], [])
    state.add_row(9, [AdditionMessage(1, "fear", 0, 3), AdditionMessage(2, "ocean", 1, 2)], [])
    added = run_step(state, [StepRow(7, 0, 4), StepRow(8, 0, 2), StepRow(9, 0, 4)], pairs)
    due = {layer: torch.zeros(10, WIDTH) for layer in range(LAYERS)}
    due[1][2:4], due[1][6:9], due[2][7] = delta(state, "ocean"), delta(state, "fear"), delta(state, "ocean")
    for layer in range(LAYERS):
        torch.testing.assert_close(added[layer], due[layer], atol=1e-6, rtol=0)
        assert not added[layer][due[layer] == 0].any()
    decoded = run_step(state, [StepRow(9, 4, 1), StepRow(7, 4, 1)], pairs)
    torch.testing.assert_close(decoded[1], torch.stack([torch.zeros(WIDTH), delta(state, "ocean")]), atol=1e-6, rtol=0)
    first, second, third = (state.take_evidence(number) for number in (7, 8, 9))
    assert (first.read, first.touched, first.error) == (5, (((2, 5),),), None)
    assert (second.read, second.touched, second.error) == (2, (), None)
    assert (third.read, third.touched, third.error) == (5, (((0, 3),), ((1, 2),)), None)


def test_additions_that_meet_add_up(state: SteeringState):
    state.add_row(1, [AdditionMessage(0, "ocean", 0, 2), AdditionMessage(0, "fear", 1, None)], [])
    added = run_step(state, [StepRow(1, 0, 3)])[0]
    both = torch.stack([delta(state, "ocean"), delta(state, "ocean") + delta(state, "fear"), delta(state, "fear")])
    torch.testing.assert_close(added, both, atol=1e-6, rtol=0)
    assert state.take_evidence(1).touched == (((0, 2),), ((1, 3),))


def test_a_step_without_the_hook_is_found(state: SteeringState):
    state.add_row(1, [AdditionMessage(0, "ocean", 0, None)], [])
    run_step(state, [StepRow(1, 0, 3)])
    state.begin_step([StepRow(1, 3, 1)], torch.tensor([3]))  # the blocks run, and no hook does
    state.end_step()
    evidence = state.take_evidence(1)
    assert evidence.error == ("a vector was added 0 times at position 3, 1 were due there, and 1 positions differ so")
    assert evidence.touched == (((0, 3),),)


def test_an_addition_that_changes_nothing_is_found_and_one_of_zeros_is_not(
    state: SteeringState, monkeypatch: pytest.MonkeyPatch
):
    state.hold_vectors(["zero"], np.zeros((1, WIDTH), dtype=np.float32))
    state.add_row(1, [AdditionMessage(0, "zero", 0, None)], [])
    run_step(state, [StepRow(1, 0, 2)])
    assert state.take_evidence(1).error is None
    state.add_row(2, [AdditionMessage(0, "ocean", 0, None)], [])
    monkeypatch.setattr(Tensor, "index_copy", lambda hidden, *_: hidden)
    run_step(state, [StepRow(2, 0, 2)])
    assert state.take_evidence(2).touched == ((),)


def test_a_hook_that_is_installed_twice_is_found(state: SteeringState):
    state.add_row(1, [AdditionMessage(0, "ocean", 0, None)], [])
    state.begin_step([StepRow(1, 0, 2)], torch.arange(2))
    hidden = torch.randn(2, WIDTH)
    state.add_vectors(0, state.add_vectors(0, hidden))
    assert "2 times at position 0, 1 were due" in (state.take_evidence(1).error or "")


def test_positions_that_the_model_counts_otherwise_are_found(state: SteeringState):
    state.add_row(1, [AdditionMessage(0, "ocean", 1, None)], [])
    state.begin_step([StepRow(1, 0, 3)], torch.tensor([1, 2, 3]))
    state.add_vectors(0, torch.randn(3, WIDTH))
    assert state.take_evidence(1).error


def test_an_interrupted_request_is_computed_again_and_its_marks_are_due(state: SteeringState):
    state.add_row(1, [AdditionMessage(0, "ocean", 1, None)], [])
    for step in ((0, 2), (2, 1), (0, 4), (4, 1)):
        run_step(state, [StepRow(1, *step)])
    evidence = state.take_evidence(1)
    assert (evidence.read, evidence.touched, evidence.error) == (5, (((1, 5),),), None)


def test_positions_from_a_cache_are_not_counted_as_computed(state: SteeringState):
    state.add_row(1, [AdditionMessage(0, "ocean", 0, None)], [])
    run_step(state, [StepRow(1, 2, 3)])
    evidence = state.take_evidence(1)
    assert (evidence.read, evidence.touched) == (0, (((2, 5),),))


def test_slots_are_taken_again_without_what_was_marked_in_them(state: SteeringState):
    for number in range(300):
        state.add_row(number, [AdditionMessage(0, "ocean", 0, None)], [])
        run_step(state, [StepRow(number, 0, 1 + number % 3)])
        assert state.take_evidence(number).touched == (((0, 1 + number % 3),),)
    state.drop_row(9999)
    assert len(state._marks) == 64


def test_readings_come_from_the_logits_at_their_positions(state: SteeringState):
    places = [PlaceMessage("answer", 3, (1, 4)), PlaceMessage("second", 1, (0,))]
    state.add_row(5, [AdditionMessage(0, "ocean", 0, None)], [])
    state.add_row(6, [], places)
    state.begin_step([StepRow(5, 0, 2), StepRow(6, 0, 3)], None)
    assert [(number, place.place, token) for number, place, token in state.wanted_states()] == [(6, "second", 3)]
    state.begin_step([StepRow(6, 3, 1)], None)
    wanted = state.wanted_states()
    assert [(number, place.place, token) for number, place, token in wanted] == [(6, "answer", 0)]
    logits = torch.randn(1, 6)
    state.keep_readings(wanted, logits)
    values, entropy = state.take_evidence(6).readings["answer"]
    shares = logits[0].double().log_softmax(dim=0)
    assert values == pytest.approx(shares[[1, 4]].tolist(), abs=1e-12)
    assert entropy == pytest.approx(float(-(shares.exp() * shares).sum()), abs=1e-12)


def test_logits_that_are_not_finite_are_told(state: SteeringState):
    state.add_row(6, [AdditionMessage(2, "ocean", 0, None)], [PlaceMessage("answer", 0, (1,))])
    state.begin_step([StepRow(6, 0, 1)], None)
    state.keep_readings(state.wanted_states(), torch.full((1, 6), torch.nan))
    assert state.take_evidence(6).error == "logits at 'answer' are not finite (vector added at layer 2)"
