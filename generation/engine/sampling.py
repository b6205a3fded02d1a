"""Chooses the next token of every row as a function of the row's logits, seed and token index only.

A draw is a race: token i arrives at time E_i / p_i with E_i standard exponential, and the first to arrive is a draw
from p (the exponential form of the Gumbel-max trick). Unlike the inverse of the cumulative distribution, the winner
does not jump when rounding changes the logits a little. Nearly all of a vocabulary's tens of thousands of tokens never
win. Improbable tokens (the tail, more than `WINDOW` below the best in units of logits / temperature) therefore race as
one team whose weight is their sum; only if the team wins is its winner drawn, by a race among them. The minimum of
independent exponential times is exponential with the sum of their rates, so that this is exactly a draw from p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.generation.engine.counter_rng import exponential_noise, stream_keys

WINDOW = 10.0
PART = 16
TEAM, AMONG = -2, 0x5851F42D4C957F2D


@dataclass(frozen=True)
class ChosenTokens:
    """Next tokens (rows,); `close`: rounding might have changed the choice; `finite`: all logits are finite."""

    tokens: Tensor
    close: Tensor
    finite: Tensor


@dataclass
class _RaceScores:
    """Each row's winner, its score (minus the logarithm of its time), and the score of the runner-up."""

    winner: Tensor
    first: Tensor
    second: Tensor


def choose_tokens(logits: Tensor, temperatures: Tensor, seeds: Tensor, steps: Tensor, near: float) -> ChosenTokens:
    """Next token of each row.

    Parameters
    ----------
    logits : Tensor of float, shape (rows, vocabulary)
        Logits.
    temperatures : Tensor of float64, shape (rows,)
        0 takes the most probable token; else a draw from softmax(logits / temperature).
    seeds, steps : Tensor of int64, shape (rows,)
        Seed of the trial and number of tokens that it has generated.
    near : float
        Difference that counts as close, as a share of the row's largest absolute logit: a bound on rounding errors.

    Returns
    -------
    ChosenTokens
        Tokens, with flags for close choices and for finite logits.
    """
    best, low = logits.amax(dim=1), logits.amin(dim=1)
    finite = torch.isfinite(low) & torch.isfinite(best)
    margin = near * torch.maximum(best.abs(), low.abs()).double()
    sampled = temperatures > 0
    scale = torch.where(sampled, temperatures, 1.0)
    keys = stream_keys(seeds, steps)
    cut = (best.double() - torch.where(sampled, WINDOW * scale, 2.0 * margin)).to(logits.dtype)
    rows, tokens = torch.nonzero(logits >= cut[:, None], as_tuple=True)
    scores = (logits[rows, tokens].double() - best[rows].double()) / scale[rows]
    scores = scores - torch.where(sampled[rows], exponential_noise(keys[rows], tokens).log(), 0.0)
    race = _run_race(scores, rows, tokens, len(logits))
    _let_tail_run(race, logits, cut, best, scale, keys, sampled & finite, margin / scale)
    return ChosenTokens(race.winner, ((race.first - race.second) * scale <= margin) & (near > 0), finite)


def _run_race(scores: Tensor, rows: Tensor, tokens: Tensor, count: int) -> _RaceScores:
    """The race of the given tokens; the token with the lowest id wins an exact tie."""
    nothing, last = scores.new_full((count,), -torch.inf), torch.iinfo(torch.int64).max
    first = nothing.scatter_reduce(0, rows, scores, "amax")
    winning = scores == first[rows]
    winner = tokens.new_full((count,), last).scatter_reduce(0, rows[winning], tokens[winning], "amin")
    others = torch.where(tokens == winner[rows], -torch.inf, scores)
    second = nothing.scatter_reduce(0, rows, others, "amax")
    return _RaceScores(torch.where(winner == last, 0, winner), first, second)


def _let_tail_run(
    race: _RaceScores,
    logits: Tensor,
    cut: Tensor,
    best: Tensor,
    scale: Tensor,
    keys: Tensor,
    sampled: Tensor,
    margin: Tensor,
) -> None:
    """Let each sampled row's tail take part.

    No tail weighs more than the whole vocabulary at the cut would; for many rows this bound shows without the sum that
    their tail is too late.
    """
    team = exponential_noise(keys, torch.full_like(keys, TEAM)).log()
    earliest = math.log(logits.shape[1]) - WINDOW - team
    might = sampled & (earliest > race.first - margin)
    for begin in range(0, len(logits), PART):
        part = slice(begin, begin + PART)
        if not bool(might[part].any()):
            continue
        weights = _tail_weights(logits[part], cut[part], best[part], scale[part])
        arrival = torch.where(might[part], weights.log() - team[part], -torch.inf)
        race.second[part] = torch.maximum(race.second[part], torch.minimum(arrival, race.first[part]))
        for place in torch.nonzero(arrival > race.first[part])[:, 0].tolist():
            row = begin + place
            _draw_from_tail(race, row, arrival[place], logits[row], cut[row], best[row], scale[row], keys[row])


def _tail_weights(logits: Tensor, cut: Tensor, best: Tensor, scale: Tensor) -> Tensor:
    """Sum over a row's tail of exp((logit - best) / temperature), (rows,) float64."""
    outside = logits < cut[:, None]
    shares = logits - best[:, None]
    shares.mul_((1.0 / scale)[:, None].to(logits.dtype)).exp_().mul_(outside)
    return shares.sum(dim=1).double()


def _draw_from_tail(
    race: _RaceScores, row: int, arrival: Tensor, logits: Tensor, cut: Tensor, best: Tensor, scale: Tensor, key: Tensor
) -> None:
    """The tail has won: draw its token, and record the margin of the closer of the two choices."""
    runners = torch.nonzero(logits < cut)[:, 0]
    scores = (logits[runners].double() - best.double()) / scale
    scores = scores - exponential_noise(key ^ AMONG, runners).log()
    leaders = torch.topk(scores, min(2, len(scores)))
    race.winner[row] = runners[leaders.indices[0]]
    ahead = torch.stack([arrival - race.first[row], *(leaders.values[0] - leaders.values[1:])])
    race.first[row], race.second[row] = arrival, arrival - ahead.min()
