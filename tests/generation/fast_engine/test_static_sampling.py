"""The draw in fixed shapes gives the tokens of the other sampler, or says that it had no room for a row."""

from __future__ import annotations

import pytest
import torch

from gnomon.generation.engine.sampling import choose_tokens
from gnomon.generation.fast_engine.static_sampling import draw_tokens

ROWS, FEW, VOCABULARY = 64, 24, 600


def logits_of(spread: float, seed: int = 0) -> torch.Tensor:
    """Random logits; of a wide spread, so that the tail has members, or of a narrow one, so that hardly any."""
    return spread * torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spread", [0.5, 3.0, 12.0])
def test_tokens_and_flags_are_those_of_the_other_sampler(spread: float) -> None:
    logits = logits_of(spread)
    temperatures = torch.tensor([0.0, 0.3, 0.6, 1.0, 2.0]).double().repeat(13)[:ROWS]
    seeds = torch.arange(ROWS)
    for step in range(5):
        steps = torch.full((ROWS,), step)
        expected = choose_tokens(logits, temperatures, seeds, steps, 1e-5)
        drawn = draw_tokens(logits, temperatures, seeds, steps, 1e-5, VOCABULARY, ROWS)
        assert torch.equal(drawn.tokens, expected.tokens)
        assert torch.equal(drawn.close, expected.close)
        assert torch.equal(drawn.finite, expected.finite)
        assert not drawn.unresolved.any()


def tail_rows() -> torch.Tensor:
    """One token stands out by just more than the window, and the many others together weigh as much."""
    logits = torch.zeros(FEW, 30_000)
    logits[:, 7] = 10.5
    return logits


def test_a_tail_that_wins_gives_the_token_of_the_other_sampler_or_is_told() -> None:
    logits, seeds, steps = tail_rows(), torch.arange(FEW), torch.zeros(FEW, dtype=torch.long)
    warm = torch.ones(FEW, dtype=torch.float64)
    expected = choose_tokens(logits, warm, seeds, steps, 1e-5)
    won = expected.tokens != 7
    assert 6 < won.sum() < FEW
    whole = draw_tokens(logits, warm, seeds, steps, 1e-5, 8, FEW)
    assert torch.equal(whole.tokens, expected.tokens)
    assert torch.equal(whole.close, expected.close)
    assert not whole.unresolved.any()
    few = draw_tokens(logits, warm, seeds, steps, 1e-5, 8, 5)
    assert int((few.unresolved & won).sum()) == int(won.sum()) - 5
    assert torch.equal(few.tokens[~few.unresolved], expected.tokens[~few.unresolved])


def test_rows_for_whose_candidates_there_is_no_room_are_told() -> None:
    logits, seeds, steps = logits_of(0.5), torch.arange(ROWS), torch.zeros(ROWS, dtype=torch.long)
    warm = torch.ones(ROWS, dtype=torch.float64)
    expected = choose_tokens(logits, warm, seeds, steps, 1e-5)
    few = draw_tokens(logits, warm, seeds, steps, 1e-5, VOCABULARY // 2, ROWS)
    assert 0 < few.unresolved.sum() < ROWS
    assert torch.equal(few.tokens[~few.unresolved], expected.tokens[~few.unresolved])


def test_logits_that_are_not_finite_are_told_and_leave_the_others_alone() -> None:
    logits = logits_of(3.0)
    logits[3, 5], logits[4, 6], logits[5] = torch.nan, torch.inf, -torch.inf
    temperatures, seeds, steps = torch.ones(ROWS).double(), torch.arange(ROWS), torch.zeros(ROWS, dtype=torch.long)
    expected = choose_tokens(logits, temperatures, seeds, steps, 1e-5)
    drawn = draw_tokens(logits, temperatures, seeds, steps, 1e-5, VOCABULARY, 4)
    assert torch.equal(drawn.finite, expected.finite)
    assert drawn.finite.sum() == ROWS - 3
    assert torch.equal(drawn.tokens[drawn.finite], expected.tokens[drawn.finite])
    assert ((drawn.tokens >= 0) & (drawn.tokens < VOCABULARY)).all()
