"""Makes, caches and verifies concept vectors: safetensors files with recipe, hashes and measured properties."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gnomon.data.errors import InputError
from gnomon.data.files import cache_folder
from gnomon.data.records import canonical_hash
from gnomon.generation.engine.counter_rng import direction_noise
from gnomon.generation.engine.forward import model_parts
from gnomon.generation.engine.injection import VectorAddition, decoder_blocks, injection_hooks
from gnomon.generation.model_folders import whole_file, writing_to
from gnomon.generation.prompts.protocol import ProtocolMessage
from gnomon.generation.prompts.protocol_parts import PlainFormat
from gnomon.generation.prompts.tokenization import encode_text, render_messages
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.vectors.vector_methods import concept_directions, recipe_hash, recipe_of
from gnomon.generation.vectors.vector_spec import PLAIN, VectorMethod

BATCH = 16
NEUTRAL = "Say one word."
ABOUT = ("residual_norm", "steering")


@dataclass(frozen=True)
class ConceptVector:
    """A concept's direction at one layer of one subject.

    `hash` is that of the recipe (subject revision, method, prompts, words, layer, normalisation), the same on every
    machine; `sha256` is that of the float32 values of `tensor` (width,); `norm` is its Euclidean length. `about` holds
    measured properties: `residual_norm`, the mean length of the residual stream at that layer; `steering`, the increase
    of the log probability that a response begins with the concept when the vector is added at that length.
    """

    hash: str
    concept: str
    layer: int
    tensor: Tensor
    norm: float
    sha256: str
    recipe: dict[str, JsonValue]
    about: dict[str, float] = field(default_factory=dict)


def concept_vectors(
    subject: LoadedSubject, concepts: Sequence[str], layers: Sequence[int], kind: VectorMethod = PLAIN
) -> dict[tuple[str, int], ConceptVector]:
    """Vectors of all concepts at all layers, from the cache folder if they are there.

    Activations are those of the last prompt token of one user turn (including the header of the response) at the output
    of the block; `gnomon.generation.vectors.vector_methods` computes the vectors from them.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    concepts : sequence of str
        Concepts.
    layers : sequence of int
        Indices of the blocks, from 0.
    kind : VectorMethod
        Method and scale of the vectors.

    Returns
    -------
    dict of (str, int) to ConceptVector
        By concept and layer.

    Raises
    ------
    InputError
        If the subject lacks a layer, or a cached vector is damaged or of another subject.
    """
    check_layers(subject, layers)
    wanted = [(concept, layer) for concept in concepts for layer in layers]
    if kind.lender not in ("", subject.revision):
        return {pair: _lent_vector(subject, *pair, kind) for pair in wanted}
    if missing := missing_vectors(subject, concepts, layers, kind):
        for vector in _make_vectors(subject, missing, kind):
            _save_vector(subject, vector, kind)
    return {pair: load_vector(subject, *pair, kind) for pair in wanted}


def _lent_vector(subject: LoadedSubject, concept: str, layer: int, kind: VectorMethod) -> ConceptVector:
    """Another model's vector from the cache folder, under a recipe that says to whom it is lent."""
    lender, own = replace(subject, revision=kind.lender, files=""), replace(kind, lender="")
    if not _vector_path(lender, concept, layer, own).is_file():
        raise InputError(
            f"subject '{subject.name}': the model that lends it vectors has none of '{concept}' at layer {layer} in "
            "the cache folder: run 'gnomon generate' on this machine, which makes them"
        )
    recipe = recipe_of(subject.revision, concept, layer, kind)
    return replace(load_vector(lender, concept, layer, own), recipe=recipe, hash=canonical_hash(recipe))


def missing_vectors(
    subject: LoadedSubject, concepts: Sequence[str], layers: Sequence[int], kind: VectorMethod = PLAIN
) -> list[tuple[str, int]]:
    """Concepts and layers of which a subject has no vector in the cache folder.

    Parameters
    ----------
    subject : LoadedSubject
        The subject; no model is needed.
    concepts : sequence of str
        Concepts.
    layers : sequence of int
        Indices of the blocks, from 0.
    kind : VectorMethod
        Method and scale of the vectors.
    """
    wanted = [(concept, layer) for concept in concepts for layer in layers]
    return [pair for pair in wanted if not _is_whole(_vector_path(subject, *pair, kind))]


def adopt_vectors(
    subject: LoadedSubject, vectors: Mapping[tuple[str, int], ConceptVector], kind: VectorMethod = PLAIN
) -> None:
    """Save vectors that the same weights gave under another revision, under the recipes of a subject.

    For a subject whose engine has no model in torch: its vectors are those of the model that transformers runs.

    Parameters
    ----------
    subject : LoadedSubject
        The subject; no model is needed.
    vectors : mapping of (str, int) to ConceptVector
        The vectors, by concept and layer.
    kind : VectorMethod
        Method and scale of the vectors.
    """
    for (concept, layer), vector in vectors.items():
        recipe = recipe_of(subject.revision, concept, layer, kind)
        _save_vector(subject, replace(vector, recipe=recipe, hash=canonical_hash(recipe)), kind)


def check_layers(subject: Any, layers: Sequence[int]) -> None:
    """Raise `InputError` for a layer that the subject does not have.

    Parameters
    ----------
    subject : LoadedSubject or SubjectInfo
        Anything with a name and a number of layers.
    layers : sequence of int
        Indices of the blocks, from 0.
    """
    for layer in layers:
        if not 0 <= layer < subject.layers:
            raise InputError(
                f"layer {layer}: subject '{subject.name}' has layers 0 to {subject.layers - 1}: "
                "fix 'layers' in study.toml"
            )


def random_direction(seed: int, width: int, norm: float) -> Tensor:
    """A direction drawn uniformly from a trial's seed, float32, shape (width,).

    Parameters
    ----------
    seed : int
        Seed of the trial.
    width : int
        Width of the residual stream.
    norm : float
        Euclidean length of the result.
    """
    drawn = torch.from_numpy(direction_noise(seed, width))
    scaled: Tensor = drawn * (norm / drawn.norm())
    return scaled.float()


def pairwise_cosines(vectors: Mapping[tuple[str, int], ConceptVector]) -> dict[tuple[str, int], dict[str, float]]:
    """For each vector its cosine with the other concepts at its layer and with its concept at the other layers.

    Keys are `concept@layer`. If the vectors of two concepts point in the same direction, identification cannot be
    measured with them.
    """
    return {
        (concept, layer): {
            f"{other}@{there}": round(float(torch.cosine_similarity(vector.tensor, beside.tensor, dim=0)), 4)
            for (other, there), beside in vectors.items()
            if (other == concept) != (there == layer)
        }
        for (concept, layer), vector in vectors.items()
    }


def load_vector(subject: LoadedSubject, concept: str, layer: int, kind: VectorMethod = PLAIN) -> ConceptVector:
    """Read a vector from the cache folder and verify it.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    concept : str
        The concept.
    layer : int
        Index of the block, from 0.
    kind : VectorMethod
        Method and scale of the vector.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another subject or recipe or width, or holds values that are not finite.
    """
    path = _vector_path(subject, concept, layer, kind)
    try:
        with safe_open(path, framework="pt") as file:
            tensor, metadata = file.get_tensor("vector"), file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged_error(path, "can't be read") from error
    vector = _make_vector(recipe_of(subject.revision, concept, layer, kind), tensor, _vector_metadata(metadata))
    if metadata.get("recipe") != vector.hash:
        raise _damaged_error(
            path, f"is of another subject or recipe than '{concept}' at layer {layer} of '{subject.name}'"
        )
    if tuple(tensor.shape) != (subject.width,):
        raise _damaged_error(
            path, f"has shape {tuple(tensor.shape)}, subject '{subject.name}' has width {subject.width}"
        )
    if metadata.get("sha256") != vector.sha256:
        raise _damaged_error(path, "is not as it was written")
    _check_finite(vector, subject)
    return vector


def _make_vectors(subject: LoadedSubject, pairs: Sequence[tuple[str, int]], kind: VectorMethod) -> list[ConceptVector]:
    concepts, layers = sorted({concept for concept, _ in pairs}), sorted({layer for _, layer in pairs})
    tensors, lengths = concept_directions(kind, concepts, lambda turns: _last_token_activations(subject, turns, layers))
    made = []
    for concept, layer in pairs:
        tensor = tensors[layer][concepts.index(concept)]
        vector = _make_vector(recipe_of(subject.revision, concept, layer, kind), tensor, {})
        _check_finite(vector, subject)
        made.append(vector)
    raised = _steering_effects(subject, made, lengths)
    for vector, rise in zip(made, raised, strict=True):
        vector.about.update(dict(zip(ABOUT, (lengths[vector.layer], rise), strict=True)))
    return made


@torch.no_grad()
def _last_token_activations(subject: LoadedSubject, turns: Sequence[str], layers: Sequence[int]) -> dict[int, Tensor]:
    """Per layer the block's output at the last token of each user turn's prompt, float32 (turns, width), on the CPU."""
    prompts = [_asked_tokens(subject, turn) for turn in turns]
    found = {layer: torch.empty(len(turns), subject.width) for layer in layers}
    for length in sorted({len(prompt) for prompt in prompts}):  # equal lengths only: nothing is padded
        alike = [index for index, prompt in enumerate(prompts) if len(prompt) == length]
        for begin in range(0, len(alike), BATCH):
            part = alike[begin : begin + BATCH]
            ids = torch.tensor([prompts[index] for index in part], device=subject.model_device)
            for layer, output in _block_outputs(subject.model, ids, layers).items():
                found[layer][part] = output[:, -1].float().cpu()
    return found


def _asked_tokens(subject: LoadedSubject, turn: str) -> list[int]:
    """Token ids of one user turn; of the bare turn and an empty line where the model has no chat template."""
    asked = (ProtocolMessage("user", turn),)
    return encode_text(subject.tokenizer, render_messages(subject.tokenizer, asked, plain=PlainFormat()))


def _block_outputs(model: Any, ids: Tensor, layers: Sequence[int]) -> dict[int, Tensor]:
    """Outputs of blocks, recorded by hooks: the last element of `output_hidden_states` is normalised and not usable."""
    blocks, caught = decoder_blocks(model), {}

    def catcher(layer: int) -> Any:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            caught[layer] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [blocks[layer].register_forward_hook(catcher(layer)) for layer in layers]
    try:
        model_parts(model).last_logits(ids)
    finally:
        for handle in handles:
            handle.remove()
    return caught


@torch.no_grad()
def _steering_effects(
    subject: LoadedSubject, vectors: Sequence[ConceptVector], lengths: Mapping[int, float]
) -> list[float]:
    """Increase of log P(the response to a neutral prompt begins with the concept) when each vector is added."""
    prompt = _asked_tokens(subject, NEUTRAL)
    rises = []
    for begin in range(0, len(vectors), BATCH):
        part = vectors[begin : begin + BATCH]
        dosed = [
            VectorAddition(v.layer, v.tensor * (lengths[v.layer] / max(v.norm, 1e-12)), len(prompt) - 1) for v in part
        ]
        ids = torch.tensor([prompt], device=subject.model_device).expand(len(part) + 1, -1)
        with injection_hooks(subject.model, [None, *dosed]):
            logits = model_parts(subject.model).last_logits(ids)
        shares = logits.float().log_softmax(dim=-1)
        for row, vector in enumerate(part, start=1):
            words = _first_tokens(subject, vector.concept)
            rises.append(round(float(shares[row, words].logsumexp(0) - shares[0, words].logsumexp(0)), 4))
    return rises


def _first_tokens(subject: LoadedSubject, concept: str) -> list[int]:
    """First tokens of the concept's name, with and without a capital and a space."""
    spellings = (concept, concept.capitalize(), f" {concept}", f" {concept.capitalize()}")
    return sorted({encode_text(subject.tokenizer, spelling)[0] for spelling in spellings})


def _make_vector(recipe: dict[str, JsonValue], tensor: Tensor, about: dict[str, float]) -> ConceptVector:
    values = tensor.detach().float().cpu().contiguous()
    concept, layer = recipe["concept"], recipe["layer"]
    assert isinstance(concept, str)
    assert isinstance(layer, int)
    return ConceptVector(
        hash=canonical_hash(recipe),
        concept=concept,
        layer=layer,
        tensor=values,
        norm=float(values.norm()),
        sha256=hashlib.sha256(values.numpy().tobytes()).hexdigest(),
        recipe=recipe,
        about=about,
    )


def _check_finite(vector: ConceptVector, subject: LoadedSubject) -> None:
    if not bool(torch.isfinite(vector.tensor).all()):
        raise InputError(
            f"vector of '{vector.concept}' at layer {vector.layer} of '{subject.name}': holds values that are not "
            "finite: load the subject with dtype float32 or bfloat16"
        )


def _vector_path(subject: LoadedSubject, concept: str, layer: int, kind: VectorMethod) -> Path:
    """A subject that is held under a revision of the first edition shares no vector with others of that revision."""
    name = recipe_hash(subject.revision, concept, layer, kind)
    name = canonical_hash([name, subject.files]) if subject.files else name
    return cache_folder() / "vectors" / f"{name}.safetensors"


def _is_whole(path: Path) -> bool:
    """Whether a vector exists with all measured properties; older files lack them and are made again."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        return True  # damaged: reading it will report that
    return "sha256" not in metadata or set(ABOUT) <= set(metadata)


def _vector_metadata(metadata: Mapping[str, str]) -> dict[str, float]:
    return {name: float(metadata[name]) for name in ABOUT if name in metadata}


def _save_vector(subject: LoadedSubject, vector: ConceptVector, kind: VectorMethod) -> None:
    metadata = {
        "recipe": vector.hash,
        "recipe_content": json.dumps(vector.recipe),
        "subject": subject.name,
        "revision": subject.revision,
        "concept": vector.concept,
        "layer": str(vector.layer),
        "norm": str(vector.norm),
        "sha256": vector.sha256,
        **{name: str(value) for name, value in vector.about.items()},
    }
    target = _vector_path(subject, vector.concept, vector.layer, kind)
    with whole_file(target) as path, writing_to(target.parent):
        save_file({"vector": vector.tensor}, path, metadata=metadata)


def _damaged_error(path: Path, what: str) -> InputError:
    return InputError(f"vector file {path}: {what}: delete it and run again, it will be made anew")
