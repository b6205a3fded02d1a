"""Claims about choosing a token: a draw from the softmax, from logits, seed and step alone, told when it was close."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from gnomon.generation.engine import sampling
from gnomon.generation.engine.counter_rng import _mix_bits, direction_noise, exponential_noise, stream_keys
from gnomon.generation.engine.sampling import choose_tokens

LOGITS = torch.tensor([3.0, 1.0, 0.0, -1.0, -2.0, -9.0, -9.5, -8.5, -10.0, 2.0, -12.0, -20.0])
DRAWS = 50_000


def drawn(logits: torch.Tensor, temperature: float, seeds: torch.Tensor, step: int = 0, near: float = 1e-5) -> Any:
    rows = len(seeds)
    temperatures = torch.full((rows,), temperature, dtype=torch.float64)
    return choose_tokens(logits.expand(rows, -1), temperatures, seeds, torch.full((rows,), step), near)


def test_the_noise_is_the_published_generator() -> None:
    """SplitMix64's first outputs from state 0 (Vigna's reference implementation)."""
    states = torch.arange(1, 3) * (0x9E3779B97F4A7C15 - (1 << 64))
    outputs = [number & (1 << 64) - 1 for number in _mix_bits(states).tolist()]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    noise = exponential_noise(torch.zeros(2, dtype=torch.long), torch.arange(2)).tolist()
    assert noise == pytest.approx([-math.log(((output >> 11) + 0.5) * 2.0**-53) for output in outputs])


def test_noise_depends_on_seed_and_step_alone_and_never_hands_a_token_the_win() -> None:
    seeds, steps, tokens = torch.tensor([5, 5, 6, 2**63 - 1]), torch.tensor([3, 4, 3, 0]), torch.arange(1000)
    values = exponential_noise(stream_keys(seeds, steps)[:, None], tokens)
    assert torch.equal(values[0], exponential_noise(stream_keys(seeds[:1], steps[:1]), tokens))
    assert len(values.flatten().unique()) == values.numel()
    many = exponential_noise(stream_keys(torch.arange(4000), torch.zeros(4000, dtype=torch.long))[:, None], tokens)
    assert 0 < many.min() < 1e-5
    assert many.mean().item() == pytest.approx(1.0, abs=3e-3)
    assert many.var().item() == pytest.approx(1.0, abs=6e-3)
    assert torch.corrcoef(torch.stack([many[:, 0], many[:, 1], many[0].repeat(4)]))[0, 1].abs() < 0.06


@pytest.mark.parametrize("window", [0.5, 3.0, 10.0])
@pytest.mark.parametrize("temperature", [0.6, 1.3])
def test_draws_follow_the_softmax_wherever_the_tail_begins(
    window: float, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "WINDOW", window)
    counts = torch.bincount(drawn(LOGITS, temperature, torch.arange(DRAWS)).tokens, minlength=len(LOGITS)).double()
    expected = torch.softmax(LOGITS.double() / temperature, dim=0) * DRAWS
    common = expected >= 5
    found = torch.cat([counts[common], counts[~common].sum()[None]])
    wanted = torch.cat([expected[common], expected[~common].sum()[None]])
    if wanted[-1] < 5:
        found, wanted = found[:-1], wanted[:-1] * found[:-1].sum() / wanted[:-1].sum()
    assert chisquare(found.numpy(), wanted.numpy()).pvalue > 1e-3


def test_steps_of_a_trial_and_trials_of_a_step_draw_apart() -> None:
    flat = torch.zeros(64)
    by_step = [int(drawn(flat, 1.0, torch.tensor([7]), step).tokens) for step in range(2000)]
    pairs = [a * 64 + b for a, b in pairwise(by_step)]
    assert chisquare(torch.bincount(torch.tensor(by_step), minlength=64).numpy()).pvalue > 1e-3
    assert len(set(pairs)) > 1500


def test_a_greedy_choice_is_the_likeliest_token_whatever_the_seed() -> None:
    assert drawn(LOGITS, 0.0, torch.arange(50)).tokens.unique().tolist() == [0]
    assert drawn(torch.tensor([1.0, 4.0, 4.0]), 0.0, torch.arange(3)).tokens.tolist() == [1, 1, 1]


def test_a_choice_is_called_close_exactly_where_the_runner_up_was_near() -> None:
    seeds = torch.arange(3)
    for gap, close in ((0.0, True), (2e-5, True), (4e-5, False), (0.1, False)):
        logits = torch.tensor([4.0, 4.0 - gap, -2.0])
        assert drawn(logits, 0.0, seeds, near=7.5e-6).close.tolist() == [close] * 3


def test_a_draw_that_a_little_rounding_turns_is_called_close_in_both_roundings() -> None:
    """What settles ties rests on this: tokens that differ between two roundings were called close in both."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20_000, 50, generator=generator)
    shifted = logits + 1e-3 * (torch.rand(logits.shape, generator=generator) - 0.5)
    seeds, steps = torch.arange(len(logits)), torch.zeros(len(logits), dtype=torch.long)
    temperatures = torch.ones(len(logits), dtype=torch.float64)
    one, other = (choose_tokens(part, temperatures, seeds, steps, near=1e-3) for part in (logits, shifted))
    turned = one.tokens != other.tokens
    assert turned.any()
    assert (one.close & other.close)[turned].all()
    assert one.close.float().mean() < 0.01


def test_logits_that_are_not_finite_are_told_row_by_row() -> None:
    rows = torch.stack([LOGITS, LOGITS.clone(), LOGITS.clone(), LOGITS.clone()])
    rows[1, 3], rows[2, 0], rows[3, 5] = float("nan"), float("inf"), -float("inf")
    drawing = choose_tokens(
        rows, torch.ones(4, dtype=torch.float64), torch.arange(4), torch.zeros(4, dtype=torch.long), 0.0
    )
    assert drawing.finite.tolist() == [True, False, False, False]


def test_directions_are_what_they_were() -> None:
    """Stored studies hold random trials whose directions must stay the same."""
    assert direction_noise(7, 3).tolist() == pytest.approx(
        [-1.312595352004947, -0.15143744385014732, -2.7041895268478156]
    )
