"""Loads subjects and their variants: an adapter merged, a direction ablated from the residual stream, a preface.

Nothing of an adapter is executed: two files are read, and a low-rank product is added to each weight that they name.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.json_documents import read_json_file
from gnomon.data.records import canonical_hash
from gnomon.generation.engine.base import EngineKind
from gnomon.generation.engine.injection import decoder_blocks
from gnomon.generation.model_folders import sha256_of
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.vectors.vector_files import read_vector_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX, A, B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
PLAIN = {"use_dora": False, "bias": "none", "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {}}
"""Settings of adapters that are a low-rank product for each weight and nothing else."""
DIRECTION = "direction"
"""Name of the tensor of a direction that is ablated."""


def load_variant(
    kind: EngineKind,
    name: str,
    model: str,
    *,
    adapter: str | None = None,
    ablate: str | None = None,
    preface: str | None = None,
    **options: Any,
) -> Any:
    """A subject as an engine loads it, with an adapter, an ablated direction and a preface where they are named.

    Parameters
    ----------
    kind : EngineKind
        The engine.
    name : str
        Name of the subject in the study.
    model : str
        Its model; that of a variant is the base model.
    adapter : str, optional
        Folder of a PEFT adapter (`merge_adapter`).
    ablate : str, optional
        File of a direction (`read_direction`).
    preface : str, optional
        What the first message of each of its prompts begins with.
    **options : object
        Further arguments of the engine's loader.

    Returns
    -------
    EngineSubject
        The revision of a variant is a hash of the base model's and of what was changed.

    Raises
    ------
    InputError
        The engine has no model in torch, or adapter or direction do not fit it.
    """
    subject = kind.load_engine_subject(name, model, **options)
    if adapter is None and ablate is None and preface is None:
        return subject
    if not isinstance(subject, LoadedSubject) and (adapter is not None or ablate is not None):
        raise InputError(f"subject '{name}': engine '{kind.name}' has no model in torch to change")
    changed = {"base": subject.revision}
    if adapter is not None:
        changed["adapter"] = merge_adapter(name, subject.model, Path(adapter))
    if ablate is not None:
        direction, changed["ablated"] = read_direction(name, Path(ablate), subject.width)
        ablate_direction(subject.model, decoder_blocks(subject.model), direction)
    if preface is not None:
        changed["preface"] = preface
    revision = canonical_hash(changed)
    return replace(subject, revision=revision, files="", first_revision="", preface=preface or "")


@torch.no_grad()
def merge_adapter(name: str, model: Any, folder: Path) -> str:
    """Add an adapter's low-rank products to a model's weights, in place; returns the hash of its files.

    W becomes W + (alpha / r) B A, or with alpha over the square root of r where the adapter says so (LoRA, arXiv
    2106.09685; rank-stabilised, arXiv 2312.03732).

    Parameters
    ----------
    name : str
        Name of the subject, for messages.
    model : PreTrainedModel
        The base model.
    folder : Path
        Folder of a PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`.

    Raises
    ------
    InputError
        A file is missing or broken, the adapter is of another kind, or does not fit the model.
    """
    where = f"subject '{name}': adapter '{folder.name}'"
    try:
        config = read_json_file(folder / CONFIG)
        tensors = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise InputError(f"{where}: {CONFIG} or {WEIGHTS} is missing: name the folder of a PEFT adapter") from error
    except (OSError, SafetensorError) as error:
        raise InputError(f"{where}: can't be read: {str(error).splitlines()[0]}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InputError(f"{where}: is no LoRA adapter, and no other kind is known: merge it into its base model")
    for key, plain in PLAIN.items():
        if config.get(key, plain) not in (plain, None, [], {}):
            raise InputError(f"{where}: has '{key}', which is not known: merge it into its base model")
    for key in sorted(tensors):
        if key.endswith(A) and key.replace(A, B) in tensors:
            module = key.removeprefix(PREFIX).removesuffix(A)
            _add_product(where, model, module, tensors[key], tensors[key.replace(A, B)], config)
        elif not (key.endswith(B) and key.replace(B, A) in tensors):
            raise InputError(f"{where}: tensor '{key}' is not known: merge it into its base model")
    return canonical_hash([sha256_of(folder / CONFIG), sha256_of(folder / WEIGHTS)])


def _add_product(where: str, model: Any, module: str, down: Tensor, up: Tensor, config: dict[str, Any]) -> None:
    try:
        weight = model.get_submodule(module).weight
    except AttributeError as error:
        raise InputError(f"{where}: the model has no '{module}': name the model that it was made for") from error
    rank = down.shape[0]
    alpha = float(config.get("lora_alpha", rank))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    product = scale * (up.float() @ down.float())
    product = product.T if config.get("fan_in_fan_out") else product
    if product.shape != weight.shape or not bool(torch.isfinite(product).all()):
        raise InputError(
            f"{where}: '{module}' has weights of shape {tuple(product.shape)}, the model {tuple(weight.shape)}, or "
            "values that are not finite: name the model that it was made for"
        )
    weight.add_(product.to(weight))


def ablate_direction(model: Any, blocks: Any, direction: Tensor) -> None:
    """Take a direction out of the residual stream for good: after the embedding and after each block.

    A hook replaces h by h - (h . d) d, d of norm 1. It runs after what steers a block, so that the part of a steering
    vector along d is taken out too. Within a block, between attention and MLP, nothing is taken out.

    Parameters
    ----------
    model : PreTrainedModel
        The model.
    blocks : ModuleList
        Its decoder blocks.
    direction : Tensor
        Shape (width,), of any norm but 0.
    """
    unit = direction.float() / direction.float().norm()

    def project(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        along = unit.to(hidden)
        left = hidden - (hidden @ along)[..., None] * along
        return (left, *output[1:]) if isinstance(output, tuple) else left

    for module in (model.get_input_embeddings(), *blocks):
        module.register_forward_hook(project)


def read_direction(name: str, path: Path, width: int) -> tuple[Tensor, str]:
    """A direction to ablate, and its hash.

    Parameters
    ----------
    name : str
        Name of the subject, for messages.
    path : Path
        A .safetensors file with a tensor `direction`, or an .npy file of shape (1, width).
    width : int
        Width of the model.

    Raises
    ------
    InputError
        The file cannot be read, or its direction does not fit the model.
    """
    source = read_vector_file(path, [DIRECTION])
    direction = torch.from_numpy(source.direction(DIRECTION, 0).copy())
    if direction.shape != (width,) or not float(direction.norm()):
        raise InputError(
            f"subject '{name}': the direction in '{path.name}' has shape {tuple(direction.shape)} or is zero: give "
            f"one of {width} values"
        )
    return direction, source.direction_hash(DIRECTION, 0)
