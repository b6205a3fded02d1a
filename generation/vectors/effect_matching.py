"""Scales what control arms add so that it changes a subject's next token as much as the concept's vector does.

A direction of equal norm may disturb a subject more, or less, than a concept's vector. Here the multiple is found at
which both have the same effect on neutral questions.
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

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.files import cache_folder, write_atomically
from gnomon.data.records import Arm, canonical_hash, trial_seed
from gnomon.generation.engine.injection import VectorAddition, injection_hooks
from gnomon.generation.prompts.neutral_questions import NEUTRAL_QUESTIONS
from gnomon.generation.prompts.protocol import ProtocolMessage
from gnomon.generation.prompts.tokenization import encode_text, render_messages
from gnomon.generation.vectors.additions import added_hashes, steering_direction
from gnomon.generation.vectors.concept_vectors import ConceptVector
from gnomon.generation.vectors.vector_spec import KL, NORM

QUESTIONS = NEUTRAL_QUESTIONS[:4]
DIRECTIONS = 4
"""Directions drawn for an arm whose trials each have one of their own."""
GREATEST = 16.0
"""Greatest multiple, and the reciprocal of the smallest."""
STEPS = 6
"""Halvings, in log scale, of the factor of two in which a multiple lies."""


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
    match : {"kl", "entropy"}
        The effect.
    """

    def __init__(self, subject: Any, match: str) -> None:
        if not hasattr(subject, "model"):
            raise InputError(f"match = '{match}': this engine's subject has no model in torch: use match = 'norm'")
        self._subject, self._match = subject, match
        turns = [(ProtocolMessage("user", question),) for question in QUESTIONS]
        self._prompts = [encode_text(subject.tokenizer, render_messages(subject.tokenizer, turn)) for turn in turns]
        self._plain = [self._next_token(prompt, [None])[0] for prompt in self._prompts]

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
            steered = self._next_token(prompt, added)
            if self._match == KL:
                found.append((plain.exp() * (plain - steered)).sum(dim=-1))
            else:
                found.append((_entropy(steered) - _entropy(plain)).abs())
        return float(torch.stack(found).mean())

    @torch.no_grad()
    def _next_token(self, prompt: Sequence[int], additions: Sequence[VectorAddition | None]) -> Tensor:
        """Log-probabilities of the next token, float64, shape (rows, vocabulary)."""
        model, device = self._subject.model, self._subject.model_device
        ids = torch.tensor([prompt], device=device).expand(len(additions), -1)
        places = torch.arange(len(prompt), device=device).expand(len(additions), -1)
        with injection_hooks(model, [() if one is None else (one,) for one in additions]):
            output = model(input_ids=ids, position_ids=places, use_cache=False, logits_to_keep=1)
        logs: Tensor = output.logits[:, -1].double().log_softmax(dim=-1).cpu()
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
    match : {"norm", "kl", "entropy"}
        What is to be equal; with `norm` there is nothing to find.
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
    matched = [arm for arm in arms if ARMS[arm].is_matched]
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
        raise InputError(
            f"arm '{arm}', concept '{place[0]}', layer {place[1]}, strength {strength:g}: no multiple "
            f"from 1/{GREATEST:g} to {GREATEST:g} changes the next token as much as the concept's vector "
            f"({match} {target:.3g}): write match = 'norm', or leave the strength out"
        )
    return MatchedScale(factor, float(f"{target:.4g}"))
