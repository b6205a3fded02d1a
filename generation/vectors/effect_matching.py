"""Scales what control arms add so that it changes a subject's next token as much as the concept's vector does.

A direction of equal norm may disturb a subject more, or less, than a concept's vector. Here the multiple is found at
which both have the same effect on neutral questions: for a direction that all trials of a condition have; for drawn
directions on average over four of them (`match_scales`), or for each trial's own (`TrialMatcher`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.files import cache_folder, write_atomically
from gnomon.data.records import Arm, canonical_hash, trial_seed
from gnomon.generation.caches.kv_cache import BeginningCache, Pairs, pairs_of
from gnomon.generation.engine.forward import POSITIONS, hidden_states, model_parts
from gnomon.generation.engine.injection import VectorAddition, injection_hooks
from gnomon.generation.prompts.neutral_questions import NEUTRAL_QUESTIONS
from gnomon.generation.prompts.protocol import ProtocolMessage
from gnomon.generation.prompts.tokenization import encode_text, render_messages
from gnomon.generation.vectors.additions import added_hashes, addition_of, steering_direction
from gnomon.generation.vectors.concept_vectors import ConceptVector
from gnomon.generation.vectors.vector_spec import EACH, KL, NORM

QUESTIONS = NEUTRAL_QUESTIONS[:4]
DIRECTIONS = 4
"""Directions drawn for an arm whose trials each have one of their own."""
GREATEST = 16.0
"""Greatest multiple, and the reciprocal of the smallest."""
STEPS = 6
"""Halvings, in log scale, of the factor of two in which a multiple lies."""
SECANTS = 3
"""Steps in log scale of effect and multiple, where many directions are matched together."""
TOGETHER = 64
"""Directions that are matched together."""


@dataclass(frozen=True, slots=True)
class MatchedScale:
    """Multiple of a direction at which its effect is that of the concept's vector, and that effect, in nats."""

    factor: float
    effect: float


class NextTokenEffect:
    """Measures how much additions change the distribution of a subject's next token after neutral questions.

    Estimand: the mean over questions, and over the directions that are given, of D(plain || steered), the
    Kullback-Leibler divergence in nats, or of |H(steered) - H(plain)|, the change of entropy in nats. The addition is
    made at the prompt's last token. Exact for these questions and directions: nothing is sampled.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    match : {"kl", "entropy", "kl_each", "entropy_each"}
        The effect.
    """

    def __init__(self, subject: Any, match: str) -> None:
        if not hasattr(subject, "model"):
            raise InputError(f"match = '{match}': this engine's subject has no model in torch: use match = 'norm'")
        self._subject, self._match = subject, EACH.get(match, match)
        self._begun: dict[int, Pairs] = {}
        turns = [(ProtocolMessage("user", question),) for question in QUESTIONS]
        self._prompts = [encode_text(subject.tokenizer, render_messages(subject.tokenizer, turn)) for turn in turns]
        self._plain = [self._next_token(prompt, [None])[0] for prompt in self._prompts]

    def row_effects(self, layer: int, deltas: Sequence[Tensor]) -> Tensor:
        """Effect of each of several additions at a layer, mean over questions, shape (additions,).

        The prompts' earlier tokens are not computed again.

        Parameters
        ----------
        layer : int
            Index of the block, from 0.
        deltas : sequence of Tensor
            What is added, each of shape (width,).
        """
        found = torch.zeros(len(deltas), dtype=torch.float64)
        for place, (prompt, plain) in enumerate(zip(self._prompts, self._plain, strict=True)):
            found += self._effect_of(plain, self._steered_rows(place, prompt, layer, deltas))
        return found / len(self._prompts)

    def _effect_of(self, plain: Tensor, steered: Tensor) -> Tensor:
        if self._match == KL:
            return (plain.exp() * (plain - steered)).sum(dim=-1)
        return (_entropy(steered) - _entropy(plain)).abs()

    def _steered_rows(self, place: int, prompt: Sequence[int], layer: int, deltas: Sequence[Tensor]) -> Tensor:
        """Log-probabilities of the next token; only keys and values by position go on from one row to many."""
        if model_parts(self._subject.model).form.cache == POSITIONS:
            return self._last_token(place, prompt, layer, deltas)
        return self._next_token(prompt, [VectorAddition(layer, delta, len(prompt) - 1) for delta in deltas])

    @torch.no_grad()
    def _last_token(self, place: int, prompt: Sequence[int], layer: int, deltas: Sequence[Tensor]) -> Tensor:
        """As `_next_token`, from the cache of the prompt's earlier tokens: one row until the layer."""
        model, device, before = self._subject.model, self._subject.model_device, len(prompt) - 1
        if place not in self._begun:
            cache = DynamicCache()
            ids = torch.tensor([list(prompt[:-1])], device=device)
            model_parts(model).body(input_ids=ids, past_key_values=cache, use_cache=True)
            self._begun[place] = pairs_of(cache)
        last, at = torch.tensor([[prompt[-1]]], device=device), torch.tensor([[before]], device=device)
        shared = BeginningCache(self._begun[place], before, self._subject.layers)
        with injection_hooks(model, [VectorAddition(layer, delta, before) for delta in deltas]) as injection:
            with injection.branch_rows(range(len(deltas))):
                mask = torch.ones(1, before + 1, dtype=torch.long, device=device)
                hidden = hidden_states(model, last, at, mask, shared).at_column(-1)
            logits = torch.cat([hidden.next_logits(part) for part in hidden.head_slices()])
        logs: Tensor = logits.double().log_softmax(dim=-1).cpu()
        return logs

    def mean_effect(self, layer: int, deltas: Sequence[Tensor]) -> float:
        """Mean effect of what is added at a layer, over questions and additions.

        Parameters
        ----------
        layer : int
            Index of the block, from 0.
        deltas : sequence of Tensor
            What is added, each of shape (width,).
        """
        found = []
        for prompt, plain in zip(self._prompts, self._plain, strict=True):
            added = [VectorAddition(layer, delta, len(prompt) - 1) for delta in deltas]
            found.append(self._effect_of(plain, self._next_token(prompt, added)))
        return float(torch.stack(found).mean())

    @torch.no_grad()
    def _next_token(self, prompt: Sequence[int], additions: Sequence[VectorAddition | None]) -> Tensor:
        """Log-probabilities of the next token, float64, shape (rows, vocabulary)."""
        model, device = self._subject.model, self._subject.model_device
        ids = torch.tensor([prompt], device=device).expand(len(additions), -1)
        with injection_hooks(model, [() if one is None else (one,) for one in additions]):
            logits = model_parts(model).last_logits(ids)
        logs: Tensor = logits.double().log_softmax(dim=-1).cpu()
        return logs


def _entropy(logs: Tensor) -> Tensor:
    return -(logs.exp() * logs).sum(dim=-1)


def matching_factor(effect: Callable[[float], float], target: float) -> float | None:
    """The smallest multiple, to three digits, at which an effect reaches a target; None if it is out of reach.

    Multiples are doubled from 1 / `GREATEST` on until the target is reached, so that an effect which falls again later
    is matched where it rises first; then the factor of two is bisected.

    Parameters
    ----------
    effect : callable
        From a positive multiple to the effect.
    target : float
        The effect that is sought.
    """
    high = 1 / GREATEST
    if effect(high) >= target:
        return None
    while effect(high) < target:
        high *= 2
        if high > GREATEST:
            return None
    low = high / 2
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if effect(middle) >= target else (middle, high)
    return float(f"{(low * high) ** 0.5:.3g}")


def matching_factors(effects: Callable[[list[int], Tensor], Tensor], targets: Sequence[float]) -> list[float | None]:
    """The smallest multiple of each direction at which its effect reaches its target; None if out of reach.

    Multiples are doubled from 1 / `GREATEST` on until the target is reached; within the factor of two that is left,
    log(effect) is taken as linear in log(multiple) between the two ends, and the end on whose side the target is not is
    replaced, `SECANTS` times. The effect at the result is then interpolated from both ends.

    Parameters
    ----------
    effects : callable
        From the numbers of some directions and a multiple of each to their effects.
    targets : sequence of float
        The effect that is sought, by direction; above 0.
    """
    sought = torch.tensor(targets, dtype=torch.float64)
    count, least = len(targets), 1 / GREATEST
    low, high = torch.full((count,), least, dtype=torch.float64), torch.full((count,), least, dtype=torch.float64)
    below = effects(list(range(count)), low)
    reached = below >= sought
    active = (~reached).nonzero().flatten()
    above, found = below.clone(), torch.zeros(count, dtype=torch.bool)
    while len(active):
        high[active] = low[active] * 2
        active = active[high[active] <= GREATEST]
        if not len(active):
            break
        above[active] = effects(active.tolist(), high[active])
        done = above[active] >= sought[active]
        found[active[done]] = True
        rising = active[~done]
        low[rising], below[rising] = high[rising], above[rising]
        active = rising
    inside = found.nonzero().flatten()
    for _ in range(SECANTS if len(inside) else 0):
        middle = _log_interpolation(low, high, below, above, sought)[inside]
        seen = effects(inside.tolist(), middle)
        is_above = seen >= sought[inside]
        high[inside[is_above]], above[inside[is_above]] = middle[is_above], seen[is_above]
        low[inside[~is_above]], below[inside[~is_above]] = middle[~is_above], seen[~is_above]
    best = _log_interpolation(low, high, below, above, sought)
    return [float(f"{float(best[n]):.3g}") if found[n] else None for n in range(count)]


def _log_interpolation(low: Tensor, high: Tensor, below: Tensor, above: Tensor, sought: Tensor) -> Tensor:
    """Multiples at which effects that are powers of the multiple reach what is sought, kept off the ends."""
    tiny = torch.finfo(torch.float64).tiny
    rise = (above.clamp_min(tiny) / below.clamp_min(tiny)).log()
    share = (sought.clamp_min(tiny) / below.clamp_min(tiny)).log() / rise.clamp_min(1e-12)
    return low * (high / low) ** share.clamp(0.02, 0.98)


@dataclass(frozen=True)
class TrialDirection:
    """A trial's own direction that is to be matched.

    Attributes
    ----------
    trial : str
        Id of the trial.
    arm : Arm
    place : tuple of (str, int)
        Concept and layer.
    strength : float
    direction : Tensor, shape (width,)
        What it adds at strength 1 where norms are equal.
    """

    trial: str
    arm: Arm
    place: tuple[str, int]
    strength: float
    direction: Tensor


class TrialMatcher:
    """Finds multiples of trials' own directions, each with the effect of the concept's vector at the trial's strength.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    match : {"kl_each", "entropy_each"}
        The effect.
    vectors : mapping of (str, int) to ConceptVector
        Concept vectors, by concept and layer.
    """

    def __init__(self, subject: Any, match: str, vectors: Mapping[tuple[str, int], ConceptVector]) -> None:
        self._meter, self._match, self._vectors = NextTokenEffect(subject, match), match, vectors
        self._targets: dict[tuple[tuple[str, int], float], float] = {}

    def trial_scales(self, wanted: Sequence[TrialDirection]) -> dict[str, MatchedScale]:
        """Multiples by id of the trial.

        Raises
        ------
        InputError
            A direction does not reach the effect with any multiple.
        """
        found: dict[str, MatchedScale] = {}
        for layer in sorted({each.place[1] for each in wanted}):
            mine = [each for each in wanted if each.place[1] == layer]
            for begin in range(0, len(mine), TOGETHER):
                found |= self._match_together(layer, mine[begin : begin + TOGETHER])
        return found

    def _match_together(self, layer: int, part: Sequence[TrialDirection]) -> dict[str, MatchedScale]:
        targets = [self._target(each.place, each.strength) for each in part]

        def effects(numbers: list[int], multiples: Tensor) -> Tensor:
            added = [
                float(by) * part[number].strength * part[number].direction
                for number, by in zip(numbers, multiples, strict=True)
            ]
            return self._meter.row_effects(layer, added)

        found: dict[str, MatchedScale] = {}
        for each, factor, target in zip(part, matching_factors(effects, targets), targets, strict=True):
            if factor is None:
                raise _out_of_reach(each.arm, each.place, each.strength, self._match, target)
            found[each.trial] = MatchedScale(factor, float(f"{target:.4g}"))
        return found

    def _target(self, place: tuple[str, int], strength: float) -> float:
        if (place, strength) not in self._targets:
            effect = self._meter.row_effects(place[1], [strength * self._vectors[place].tensor])
            self._targets[place, strength] = float(effect[0])
        return self._targets[place, strength]


def match_scales(
    subject: Any,
    match: str,
    arms: Sequence[Arm],
    concepts: Sequence[str],
    strengths: Mapping[int, Sequence[float]],
    vectors: Mapping[tuple[str, int], ConceptVector],
    listed: Sequence[str],
) -> dict[tuple[str, float], MatchedScale]:
    """Multiples of control arms' directions, each kept in the cache folder once it is found.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    match : {"norm", "kl", "entropy", "kl_each", "entropy_each"}
        What is to be equal; with `norm` there is nothing to find, and with `_each` nothing for drawn directions, whose
        trials have multiples of their own.
    arms : sequence of Arm
        Arms of the design.
    concepts : sequence of str
        Concepts that are injected.
    strengths : mapping of int to sequence of float
        By layer, strengths of the design.
    vectors : mapping of (str, int) to ConceptVector
        Concept vectors, by concept and layer.
    listed : sequence of str
        All concepts of the study.

    Returns
    -------
    dict of (str, float) to MatchedScale
        By the hash of what is added, and the strength.

    Raises
    ------
    InputError
        The subject has no model in torch, or a direction does not reach the effect with any multiple.
    """
    matched = [arm for arm in arms if ARMS[arm].is_matched and not (match in EACH and addition_of(arm).is_drawn)]
    if match == NORM or not matched:
        return {}
    meter: NextTokenEffect | None = None
    hashes = {place: vector.hash for place, vector in vectors.items()}
    found: dict[tuple[str, float], MatchedScale] = {}
    for arm, place, strength in _matched_conditions(matched, concepts, strengths):
        for added in added_hashes(arm, *place, listed, hashes, match):
            file = cache_folder() / "matches" / f"{canonical_hash([added, strength, match, list(QUESTIONS)])}.json"
            if (held := _cached_match(file)) is not None:
                found[added, strength] = held
                continue
            meter = meter or NextTokenEffect(subject, match)
            found[added, strength] = _match_one(meter, arm, place, strength, added, vectors, match)
            file.parent.mkdir(parents=True, exist_ok=True)
            kept = {"factor": found[added, strength].factor, "effect": found[added, strength].effect}
            write_atomically(file, json.dumps(kept).encode())
    return found


def _cached_match(file: Path) -> MatchedScale | None:
    """A match of an earlier run; None where there is none, or its file is broken, so that it is made anew."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        found = MatchedScale(float(held["factor"]), float(held["effect"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if math.isfinite(found.factor) and math.isfinite(found.effect) else None


def _matched_conditions(
    arms: Sequence[Arm], concepts: Sequence[str], strengths: Mapping[int, Sequence[float]]
) -> Iterator[tuple[Arm, tuple[str, int], float]]:
    for arm in arms:
        for layer, doses in strengths.items():
            for strength in doses:
                if strength:
                    yield from ((arm, (concept, layer), float(strength)) for concept in concepts)


def _match_one(
    meter: NextTokenEffect,
    arm: Arm,
    place: tuple[str, int],
    strength: float,
    added: str,
    vectors: Mapping[tuple[str, int], ConceptVector],
    match: str,
) -> MatchedScale:
    seeds = [trial_seed(canonical_hash(["matched direction", added, number])) for number in range(DIRECTIONS)]
    directions = [strength * steering_direction(arm, place, added, seed, vectors, match) for seed in seeds]
    if all(torch.equal(directions[0], one) for one in directions):
        directions = directions[:1]
    target = meter.mean_effect(place[1], [strength * vectors[place].tensor])
    factor = matching_factor(lambda by: meter.mean_effect(place[1], [by * one for one in directions]), target)
    if factor is None:
        raise _out_of_reach(arm, place, strength, match, target)
    return MatchedScale(factor, float(f"{target:.4g}"))


def _out_of_reach(arm: Arm, place: tuple[str, int], strength: float, match: str, target: float) -> InputError:
    return InputError(
        f"arm '{arm}', concept '{place[0]}', layer {place[1]}, strength {strength:g}: no multiple "
        f"from 1/{GREATEST:g} to {GREATEST:g} changes the next token as much as the concept's vector "
        f"({match} {target:.3g}): write match = 'norm', or leave the strength out"
    )
