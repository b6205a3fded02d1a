"""Checks a model's folder or GGUF file before any library reads it: names, sizes and structure of what others wrote."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeGuard

from gnomon.data.foreign_documents.bounds import ENTRIES, HEADER, MODEL_LAYERS, VALUES, DocumentError
from gnomon.data.foreign_documents.json_documents import check_structure, decode_json, read_json_file, read_text_file
from gnomon.generation.subjects.embedded import converted_folder

CONFIG = "config.json"
EMBEDDED = "embedded"
"""Name of the subject that comes with a package."""
WEIGHT_INDEX = "model.safetensors.index.json"
INDEXES = {WEIGHT_INDEX: ".safetensors", "pytorch_model.bin.index.json": ".bin"}
"""Files that say which file holds which weight, with the ending of the files that they may name."""
_LAYERS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
_IMPLEMENTATIONS = ("attn_implementation", "_attn_implementation", "experts_implementation")
"""Keys that may name a kernel of the Hugging Face hub, which is code, where the package `kernels` is installed."""
_LENGTH = struct.Struct("<Q")
_GGUF = struct.Struct("<4sIQQ")
_GGUF_VERSIONS = (2, 3)


def check_model_folder(folder: Path) -> None:
    """Check the documents of a model's folder.

    Raises
    ------
    DocumentError
        If a JSON file is broken or exceeds a bound, the configuration is none, an index names a file outside the folder
        or of another kind, or a header of weights is damaged.
    """
    for path in sorted(folder.iterdir()):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise DocumentError(path, "is no file: it is a pipe, socket or device: remove it")
    for path in sorted(folder.glob("*.json")):
        if path.name == CONFIG:
            _check_config(path)
        elif path.name in INDEXES:
            check_weight_index(path)
        else:
            check_structure(read_text_file(path), values=VALUES, place=path)
    for path in sorted(folder.glob("*.safetensors")):
        tensor_sizes(path)


def described_layers(model: str) -> int | None:
    """Number of layers that a model's configuration names; None where no file on this machine says it.

    Neither weights nor the hub are asked: a design with a layer that the model lacks is refused before it is loaded.

    Parameters
    ----------
    model : str
        `embedded`, a folder, or a hub name whose configuration is in the hub's cache; of a GGUF file none is read.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    folder = converted_folder() if model == EMBEDDED else Path(model).expanduser()
    found: object = folder / CONFIG
    try:
        if not folder.is_dir():
            found = None if model == EMBEDDED else try_to_load_from_cache(model, CONFIG)
        config = read_json_file(Path(found)) if isinstance(found, str | Path) else None
    except (DocumentError, HFValidationError, OSError):  # what is wrong is told when the model itself is loaded
        return None
    if not isinstance(config, Mapping):
        return None
    text = config.get("text_config")
    parts = (config, text) if isinstance(text, Mapping) else (config,)
    numbers = [part[name] for part in parts for name in _LAYERS if isinstance(part.get(name), int)]
    return int(numbers[-1]) if numbers else None


def _check_config(path: Path) -> None:
    config = read_json_file(path)
    if not isinstance(config, dict):
        raise DocumentError(path, "is no configuration of a model: it must be a JSON object")
    for part in (config, *(value for value in config.values() if isinstance(value, Mapping))):
        for name in _LAYERS:
            number = part.get(name, 1)
            if isinstance(number, int | float) and not isinstance(number, bool):
                MODEL_LAYERS.check(number, f"{path}: '{name}'")
        for name in _IMPLEMENTATIONS:
            if "/" in json.dumps(part.get(name)):
                raise DocumentError(path, f"'{name}' names code that a library would fetch and run: remove that key")


def check_weight_index(path: Path) -> None:
    """Check that an index of weights names nothing but files of its own kind beside it.

    Raises
    ------
    DocumentError
        If it is no index, or names a file in another folder or of another kind.
    """
    index = read_json_file(path)
    files = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(files, dict):
        raise DocumentError(path, "is no index of weights: it must hold 'weight_map'")
    ending = INDEXES[path.name]
    for name in dict.fromkeys(map(str, files.values())):
        if Path(name).name != name or "\\" in name or not name.endswith(ending):
            raise DocumentError(
                path, f"names the file '{name[:80]}': an index may name only {ending} files in its own folder"
            )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a folder that are loaded: those that its index names, or all where it has none.

    Raises
    ------
    DocumentError
        If the index is none.
    """
    if (index := folder / WEIGHT_INDEX).is_file():
        check_weight_index(index)
        content = read_json_file(index)
        files = content.get("weight_map") if isinstance(content, dict) else None
        named = set(map(str, files.values())) if isinstance(files, dict) else set()
        return sorted(folder / name for name in named if (folder / name).is_file())
    return sorted(folder.glob("*.safetensors"))


def is_quantised(folder: Path) -> bool:
    """Whether a folder's configuration says that its weights are quantised; they are then loaded as they lie there.

    Raises
    ------
    DocumentError
        If the configuration is broken.
    """
    config = read_json_file(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    parts = [config, *config.values()] if isinstance(config, dict) else []
    return any(isinstance(part, Mapping) and bool(part.get("quantization_config")) for part in parts)


@dataclass(frozen=True, slots=True)
class TensorSize:
    """Name of one tensor, number of values as its file counts them, their format there (`BF16`), and bytes."""

    name: str
    values: int
    format: str
    bytes: int


def tensor_sizes(path: Path) -> list[TensorSize]:
    """The tensors of a safetensors file, from its header: eight bytes with its length, then JSON.

    Raises
    ------
    DocumentError
        If the header is damaged, or larger than the file or than allowed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_LENGTH.size)
            length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else size
            HEADER.check(length, path) if length + _LENGTH.size <= size else None
            header = file.read(length) if length + _LENGTH.size <= size else b""
    except OSError as error:
        raise DocumentError(path, f"cannot be read ({error.strerror}): change its permissions") from None
    if not header:
        raise DocumentError(path, "is cut off or no safetensors file: copy it again")
    tensors = decode_json(header.decode("utf-8", "replace"), path)
    if not isinstance(tensors, dict):
        raise DocumentError(path, "is no safetensors file: its header is no JSON object")
    end = size - _LENGTH.size - length
    return [_tensor_size(path, name, entry, end) for name, entry in tensors.items() if name != "__metadata__"]


def _tensor_size(path: Path, name: str, entry: object, end: int) -> TensorSize:
    if isinstance(entry, dict):
        shape: object = entry.get("shape")
        offsets: object = entry.get("data_offsets")
        if _are_counts(shape) and _are_counts(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1] <= end:
            return TensorSize(name, prod(shape), str(entry.get("dtype")), offsets[1] - offsets[0])
    raise DocumentError(path, f"is damaged: tensor '{name[:80]}' lies outside the file or has no shape: copy it again")


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(part) is int and part >= 0 for part in value)


def check_gguf_header(path: Path) -> None:
    """Check the beginning of a GGUF file.

    Raises
    ------
    DocumentError
        If it is no GGUF file of a known version, or claims more entries than it can hold or than allowed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_GGUF.size)
    except OSError as error:
        raise DocumentError(path, f"cannot be read ({error.strerror}): change its permissions") from None
    if len(start) < _GGUF.size:
        raise DocumentError(path, "can't be read as a GGUF model: it is cut off: copy it again")
    magic, version, tensors, entries = _GGUF.unpack(start)
    if magic != b"GGUF" or version not in _GGUF_VERSIONS:
        raise DocumentError(path, "can't be read as a GGUF model: it is none of version 2 or 3: convert it again")
    if tensors + entries > size:
        raise DocumentError(path, "can't be read as a GGUF model: it is damaged or cut off: copy it again")
    ENTRIES.check(tensors + entries, path)
