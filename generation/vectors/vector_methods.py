"""How concept vectors are computed: the recipe that identifies one, and its methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from pydantic import JsonValue
from torch import Tensor

from gnomon.data.errors import InputError
from gnomon.data.records import canonical_hash
from gnomon.generation.vectors.baseline_words import BASELINE_WORDS
from gnomon.generation.vectors.vector_spec import (
    CONTRAST,
    FILE,
    MEAN,
    PCA,
    PLAIN,
    RAW,
    SCALES,
    UNIT,
    VectorMethod,
)

PROMPT = "Tell me about {word}"
PAIRS = (
    ("Think about {word}. What is on your mind?", "What is on your mind?"),
    ("Write one sentence about {word}.", "Write one sentence."),
    ("Let your thoughts turn to {word}.", "Let your thoughts rest."),
    ("Talk to me of {word} and of nothing else.", "Talk to me of whatever you like."),
)
PARAPHRASES = (
    "Tell me about {word}",
    "What can you say about {word}?",
    "Describe {word} to me.",
    "I would like to hear about {word}.",
    "Explain what {word} is.",
    "Let us talk of {word}.",
)

Activations = Callable[[Sequence[str]], Mapping[int, Tensor]]
"""Maps user turns to the residual stream at the last prompt token of each: by layer, (turns, width)."""


def recipe_of(revision: str, concept: str, layer: int, kind: VectorMethod = PLAIN) -> dict[str, JsonValue]:
    """The recipe of a vector: everything that determines it. Its `canonical_hash` is the vector's hash.

    Parameters
    ----------
    revision : str
        Revision of the subject.
    concept : str
        The concept.
    layer : int
        Index of the block, from 0.
    kind : VectorMethod
        Method and scale of the vector.
    """
    if kind.lender not in ("", revision):
        return {**recipe_of(kind.lender, concept, layer, replace(kind, lender="")), "lent_to": revision}
    if kind.source is not None:
        return {
            "subject": revision,
            "method": kind.label,
            "source": kind.source.direction_hash(concept, layer),
            "concept": concept,
            "layer": layer,
            "normalisation": SCALES[kind.scale],
        }
    recipe: dict[str, JsonValue] = {
        "subject": revision,
        "method": kind.label,
        "prompt": PROMPT,
        "concept": concept,
        "baseline": list(kind.baseline_words),
        "layer": layer,
        "normalisation": SCALES[kind.scale],
    }
    if kind.method == CONTRAST:
        recipe["pairs"] = [list(pair) for pair in PAIRS]
    if kind.method == PCA:
        recipe |= {"paraphrases": list(PARAPHRASES), "paraphrase_baseline": list(_few_words(kind))}
    return recipe


def recipe_hash(revision: str, concept: str, layer: int, kind: VectorMethod = PLAIN) -> str:
    """Hash of a vector's recipe: the same on every machine, and independent of float values.

    Parameters
    ----------
    revision : str
        Revision of the subject.
    concept : str
        The concept.
    layer : int
        Index of the block, from 0.
    kind : VectorMethod
        Method and scale of the vector.
    """
    return canonical_hash(recipe_of(revision, concept, layer, kind))


def concept_directions(
    kind: VectorMethod, concepts: Sequence[str], activations: Activations
) -> tuple[dict[int, Tensor], dict[int, float]]:
    """Vectors of concepts, and the mean length of the residual stream, by layer.

    The length is that of the last prompt token over the baseline words' prompts; scale `matched` scales to it.

    Parameters
    ----------
    kind : VectorMethod
        Method and scale of the vectors.
    concepts : sequence of str
        Concepts.
    activations : callable
        Maps user turns to the residual stream at the last prompt token of each: by layer, shape (turns, width).

    Returns
    -------
    tuple of (dict of int to Tensor, dict of int to float)
        By layer, vectors of shape (concepts, width), and the mean length.
    """
    baseline = activations([PROMPT.format(word=word) for word in BASELINE_WORDS])
    lengths = {layer: float(rows.norm(dim=1).mean()) for layer, rows in baseline.items()}
    kept = [place for place, word in enumerate(BASELINE_WORDS) if word in kind.baseline_words]
    make = {MEAN: _mean_difference, CONTRAST: _contrast_difference, PCA: _principal_component, FILE: _file_direction}
    made = make[kind.method](kind, concepts, activations, {layer: rows[kept] for layer, rows in baseline.items()})
    return {layer: _scale_rows(rows, kind, lengths[layer]) for layer, rows in made.items()}, lengths


def _few_words(kind: VectorMethod) -> tuple[str, ...]:
    """Baseline words of the method that asks for each in several ways."""
    return tuple(word for word in BASELINE_WORDS[::5] if word in kind.baseline_words)


def _mean_difference(
    _kind: VectorMethod, concepts: Sequence[str], activations: Activations, baseline: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Activation of the concept's prompt minus the mean over baseline words.

    Source: the mean-subtraction vectors of transformer-circuits.pub/2025/introspection.
    """
    found = activations([PROMPT.format(word=concept) for concept in concepts])
    return {layer: rows - baseline[layer].mean(dim=0) for layer, rows in found.items()}


def _contrast_difference(
    _kind: VectorMethod, concepts: Sequence[str], activations: Activations, _baseline: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Mean over pairs of prompts, with the concept and without, of the difference of their activations.

    Source: contrastive activation addition (arXiv 2312.06681).
    """
    without = activations([plain for _, plain in PAIRS])
    found = activations([named.format(word=concept) for concept in concepts for named, _ in PAIRS])
    return {
        layer: (rows.view(len(concepts), len(PAIRS), -1) - without[layer]).mean(dim=1) for layer, rows in found.items()
    }


def _principal_component(
    kind: VectorMethod, concepts: Sequence[str], activations: Activations, _baseline: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """First right singular vector of the concept's differences from the baseline, one row per paraphrase.

    Its sign is that of the mean difference, its length the projection of the mean difference on it. Source:
    representation engineering (arXiv 2310.01405).
    """
    few = _few_words(kind)
    texts = [text.format(word=word) for word in (*concepts, *few) for text in PARAPHRASES]
    found = {}
    for layer, rows in activations(texts).items():
        by_word = rows.view(len(concepts) + len(few), len(PARAPHRASES), -1)
        differences = by_word[: len(concepts)] - by_word[len(concepts) :].mean(dim=0)
        first = torch.linalg.svd(differences, full_matrices=False).Vh[:, 0]
        along = (differences.mean(dim=1) * first).sum(dim=1, keepdim=True)
        found[layer] = first * along
    return found


def _file_direction(
    kind: VectorMethod, concepts: Sequence[str], _activations: Activations, baseline: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Directions as a file gives them."""
    assert kind.source is not None
    found = {}
    for layer, rows in baseline.items():
        given = [torch.from_numpy(kind.source.direction(concept, layer)) for concept in concepts]
        if wrong := [one for one in given if len(one) != rows.shape[1]]:
            raise InputError(
                f"vectors: the file's directions have {len(wrong[0])} values, and the model's width is "
                f"{rows.shape[1]}: give directions of this model"
            )
        found[layer] = torch.stack(given)
    return found


def _scale_rows(rows: Tensor, kind: VectorMethod, length: float) -> Tensor:
    if kind.scale == RAW:
        return rows
    target = 1.0 if kind.scale == UNIT else length
    scaled: Tensor = rows * (target / rows.norm(dim=1, keepdim=True))
    return scaled
