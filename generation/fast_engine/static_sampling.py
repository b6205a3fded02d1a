"""The draw of `generation.engine.sampling` in shapes that do not depend on the logits, and without reading them back.

Tokens that take part in the race one by one are collected in a list of fixed length, and the tail is drawn for a fixed
number of rows. A row for which these do not suffice is marked `unresolved`: its token must be chosen by the other
sampler. All others get the same token as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.generation.engine.counter_rng import exponential_noise, stream_keys
from gnomon.generation.engine.sampling import AMONG, TEAM, WINDOW


@dataclass(frozen=True)
class StaticDraw:
    """Next tokens (rows,), each with flags: close choice, finite logits, and not drawn for lack of room."""

    tokens: Tensor
    close: Tensor
    finite: Tensor
    unresolved: Tensor


@dataclass(frozen=True)
class _Rows:
    """What the race needs of each row: logits, the best one, the lowest that runs alone, divisor, key, if drawn."""

    logits: Tensor
    best: Tensor
    cut: Tensor
    scale: Tensor
    keys: Tensor
    sampled: Tensor


def draw_tokens(
    logits: Tensor, temperatures: Tensor, seeds: Tensor, steps: Tensor, near: float, candidates: int, tails: int
) -> StaticDraw:
    """Next token of each row.

    Parameters
    ----------
    logits : Tensor of float, shape (rows, vocabulary)
        Logits.
    temperatures, seeds, steps, near
        As for `generation.engine.sampling.choose_tokens`.
    candidates : int
        Tokens a row, on average, that may run alone.
    tails : int
        Rows whose tail may win.

    Returns
    -------
    StaticDraw
        Tokens and flags.
    """
    count, vocabulary = logits.shape
    low, best = torch.aminmax(logits, dim=1)
    lowest, highest = low.double(), best.double()
    finite = torch.isfinite(highest - lowest)
    margin = near * torch.maximum(highest.abs(), lowest.abs())
    sampled = temperatures > 0
    scale = torch.where(sampled, temperatures, 1.0)
    cut = (highest - torch.where(sampled, WINDOW * scale, 2.0 * margin)).to(logits.dtype)
    rows = _Rows(logits, highest, cut, scale, stream_keys(seeds, steps), sampled)
    alone = logits >= cut[:, None]
    room = count * min(candidates, vocabulary)
    unresolved = alone.sum(dim=1).cumsum(0) > room
    noise = rows.keys.new_full((count,), TEAM)
    winner, first, second, team = _race(rows, torch.nonzero_static(alone, size=room, fill_value=-1), noise)
    earliest = math.log(vocabulary) - WINDOW - team
    might = sampled & finite & (earliest > first - margin / scale)
    arrival = torch.where(might, _tail_weights(rows, alone).log() - team, -torch.inf)
    second = torch.maximum(second, torch.minimum(arrival, first))
    won = arrival > first
    some = torch.topk(won.long(), min(tails, count)).indices
    token, ahead = _tail_winners(rows, some, alone)
    ahead = torch.minimum(arrival[some] - first[some], ahead)
    here = won[some]
    winner = winner.scatter(0, some, torch.where(here, token, winner[some]))
    gap = (first - second).scatter(0, some, torch.where(here, ahead, first[some] - second[some]))
    unresolved = (unresolved | won.scatter(0, some, False)) & finite
    return StaticDraw(winner, (gap * scale <= margin) & (near > 0), finite, unresolved)


def _race(rows: _Rows, pairs: Tensor, team: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Winner, its score and that of the runner-up of the tokens that run alone, and the logarithm of the team's noise.

    `pairs` are rows and tokens, shape (room, 2), with -1 where there is none; the token with the lowest id wins a tie.
    """
    last, count = torch.iinfo(torch.int64).max, len(team)
    tokens = pairs[:, 1]
    real = tokens >= 0
    row = pairs[:, 0].clamp_min(0)
    drawn = exponential_noise(torch.cat([rows.keys[row], rows.keys]), torch.cat([tokens, team])).log()
    scores = (rows.logits[row, tokens].double() - rows.best[row]) / rows.scale[row]
    scores = scores - torch.where(rows.sampled[row], drawn[:-count], 0.0)
    scores = torch.where(real, scores, -torch.inf)
    nothing = scores.new_full((count,), -torch.inf)
    first = nothing.scatter_reduce(0, row, scores, "amax")
    leading = torch.where(real & (scores == first[row]), tokens, last)
    winner = tokens.new_full((count,), last).scatter_reduce(0, row, leading, "amin")
    others = torch.where(tokens == winner[row], -torch.inf, scores)
    second = nothing.scatter_reduce(0, row, others, "amax")
    return torch.where(winner == last, 0, winner), first, second, drawn[-count:]


def _tail_weights(rows: _Rows, alone: Tensor) -> Tensor:
    """Sum over a row's tail of exp((logit - best) / temperature), (rows,) float64."""
    dtype = rows.logits.dtype
    shares = rows.logits - rows.best.to(dtype)[:, None]
    shares.mul_((1.0 / rows.scale)[:, None].to(dtype)).exp_().masked_fill_(alone, 0.0)
    return shares.sum(dim=1).double()


def _tail_winners(rows: _Rows, some: Tensor, alone: Tensor) -> tuple[Tensor, Tensor]:
    """The winner among the tail of some rows, and by how much it leads."""
    scores = (rows.logits[some].double() - rows.best[some, None]) / rows.scale[some, None]
    everyone = torch.arange(scores.shape[1], device=scores.device)
    scores = scores - exponential_noise((rows.keys[some] ^ AMONG)[:, None], everyone).log()
    leaders = torch.topk(scores.masked_fill_(alone[some], -torch.inf), min(2, scores.shape[1]), dim=1)
    return leaders.indices[:, 0], leaders.values[:, 0] - leaders.values[:, -1]
