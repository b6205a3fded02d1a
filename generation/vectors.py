"""Makes, keeps and checks concept vectors: a concept's activation minus the mean over baseline words, at one layer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from data.errors import BadInput
from data.records import digest
from generation.folders import cache_folder, whole_file, writing_to
from generation.injection import decoder_blocks
from generation.noise import direction_noise
from generation.prompts import encode, render
from generation.protocol import Message
from generation.subjects import LoadedSubject
from generation.words import BASELINE_WORDS

PROMPT = "Tell me about {word}"
METHOD = "mean subtraction at the last prompt token"
NORMALISATION = "raw"
BATCH = 16


@dataclass(frozen=True)
class ConceptVector:
    """A concept's direction at one layer of one subject.

    `hash` is that of the recipe (subject revision, method, prompt, words, layer, normalisation), the same on every
    machine; `sha256` is that of the float32 values of `tensor` (width,); `norm` is its Euclidean length.
    """

    hash: str
    concept: str
    layer: int
    tensor: Tensor
    norm: float
    sha256: str
    recipe: dict[str, Any]


def recipe_of(revision: str, concept: str, layer: int) -> dict[str, Any]:
    """All that decides what a vector is; its `data.records.digest` is the vector's hash."""
    return {
        "subject": revision,
        "method": METHOD,
        "prompt": PROMPT,
        "concept": concept,
        "baseline": list(BASELINE_WORDS),
        "layer": layer,
        "normalisation": NORMALISATION,
    }


def recipe_hash(revision: str, concept: str, layer: int) -> str:
    """Hash of a vector's recipe: deterministic across machines, never of float values."""
    return digest(recipe_of(revision, concept, layer))


def concept_vectors(
    subject: LoadedSubject, concepts: Sequence[str], layers: Sequence[int]
) -> dict[tuple[str, int], ConceptVector]:
    """Vectors of all concepts at all layers, from the cache folder where they are there.

    Activation of the last prompt token of "Tell me about {concept}" (one user turn, the answer's header included)
    at the output of the block, minus the mean of the same over `BASELINE_WORDS`. Source: the mean-subtraction
    vectors of transformer-circuits.pub/2025/introspection.

    Raises
    ------
    BadInput
        An unknown layer, or a cached vector that is damaged or another subject's.
    """
    check_layers(subject, layers)
    wanted = [(concept, layer) for concept in concepts for layer in layers]
    missing = [pair for pair in wanted if not _path(subject, *pair).is_file()]
    if missing:
        for vector in _make(subject, missing):
            _save(subject, vector)
    return {pair: load_vector(subject, *pair) for pair in wanted}


def check_layers(subject: LoadedSubject, layers: Sequence[int]) -> None:
    """Raise `BadInput` for a layer that the subject does not have."""
    for layer in layers:
        if not 0 <= layer < subject.layers:
            raise BadInput(
                f"layer {layer}: subject '{subject.name}' has layers 0 to {subject.layers - 1}: "
                "mend 'layers' in study.toml"
            )


def random_direction(seed: int, width: int, norm: float) -> Tensor:
    """A direction drawn uniformly from a trial's seed, float32 (width,), scaled to `norm`."""
    drawn = torch.from_numpy(direction_noise(seed, width))
    scaled: Tensor = drawn * (norm / drawn.norm())
    return scaled.float()


def load_vector(subject: LoadedSubject, concept: str, layer: int) -> ConceptVector:
    """Read a vector from the cache folder and check it: finite, of the subject's width, not another subject's."""
    path = _path(subject, concept, layer)
    try:
        with safe_open(path, framework="pt") as file:
            tensor, metadata = file.get_tensor("vector"), file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, "can't be read") from error
    recipe = recipe_of(subject.revision, concept, layer)
    vector = _vector(recipe, tensor)
    if metadata.get("recipe") != vector.hash:
        raise _damaged(path, f"is of another subject or recipe than '{concept}' at layer {layer} of '{subject.name}'")
    if tuple(tensor.shape) != (subject.width,):
        raise _damaged(path, f"has shape {tuple(tensor.shape)}, subject '{subject.name}' has width {subject.width}")
    if metadata.get("sha256") != vector.sha256:
        raise _damaged(path, "is not as it was written")
    _check_finite(vector, subject)
    return vector


def _make(subject: LoadedSubject, pairs: Sequence[tuple[str, int]]) -> list[ConceptVector]:
    concepts = sorted({concept for concept, _ in pairs})
    layers = sorted({layer for _, layer in pairs})
    words = [*concepts, *BASELINE_WORDS]
    activations = _last_token_activations(subject, words, layers)
    made = []
    for concept, layer in pairs:
        rows = activations[layer]
        tensor = rows[concepts.index(concept)] - rows[len(concepts) :].mean(dim=0)
        vector = _vector(recipe_of(subject.revision, concept, layer), tensor)
        _check_finite(vector, subject)
        made.append(vector)
    return made


@torch.no_grad()
def _last_token_activations(subject: LoadedSubject, words: Sequence[str], layers: Sequence[int]) -> dict[int, Tensor]:
    """Per layer the block's output at the last token of each word's prompt, float32 (words, width), on the CPU."""
    prompts = [
        encode(subject.tokenizer, render(subject.tokenizer, (Message("user", PROMPT.format(word=word)),)))
        for word in words
    ]
    found = {layer: torch.empty(len(words), subject.width) for layer in layers}
    for length in sorted({len(prompt) for prompt in prompts}):  # equal lengths only: nothing is padded
        alike = [index for index, prompt in enumerate(prompts) if len(prompt) == length]
        for begin in range(0, len(alike), BATCH):
            part = alike[begin : begin + BATCH]
            ids = torch.tensor([prompts[index] for index in part], device=subject.device)
            for layer, output in _block_outputs(subject.model, ids, layers).items():
                found[layer][part] = output[:, -1].float().cpu()
    return found


def _block_outputs(model: Any, ids: Tensor, layers: Sequence[int]) -> dict[int, Tensor]:
    """Outputs of blocks, caught at the blocks: the last of `output_hidden_states` is normed and would not do."""
    blocks, caught = decoder_blocks(model), {}

    def catcher(layer: int) -> Any:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            caught[layer] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [blocks[layer].register_forward_hook(catcher(layer)) for layer in layers]
    try:
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
    finally:
        for handle in handles:
            handle.remove()
    return caught


def _vector(recipe: dict[str, Any], tensor: Tensor) -> ConceptVector:
    values = tensor.detach().float().cpu().contiguous()
    return ConceptVector(
        hash=digest(recipe),
        concept=recipe["concept"],
        layer=recipe["layer"],
        tensor=values,
        norm=float(values.norm()),
        sha256=hashlib.sha256(values.numpy().tobytes()).hexdigest(),
        recipe=recipe,
    )


def _check_finite(vector: ConceptVector, subject: LoadedSubject) -> None:
    if not bool(torch.isfinite(vector.tensor).all()):
        raise BadInput(
            f"vector of '{vector.concept}' at layer {vector.layer} of '{subject.name}': holds values that are not "
            "finite: load the subject with dtype float32 or bfloat16"
        )


def _path(subject: LoadedSubject, concept: str, layer: int) -> Path:
    return cache_folder() / "vectors" / f"{recipe_hash(subject.revision, concept, layer)}.safetensors"


def _save(subject: LoadedSubject, vector: ConceptVector) -> None:
    metadata = {
        "recipe": vector.hash,
        "subject": subject.name,
        "concept": vector.concept,
        "layer": str(vector.layer),
        "sha256": vector.sha256,
    }
    target = _path(subject, vector.concept, vector.layer)
    with whole_file(target) as path, writing_to(target.parent):
        save_file({"vector": vector.tensor}, path, metadata=metadata)


def _damaged(path: Path, what: str) -> BadInput:
    return BadInput(f"vector file {path}: {what}: delete it and run again, it will be made anew")
