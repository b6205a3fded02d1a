"""Directions from a file of somebody else's: safetensors or .npy, never a pickle. Knows no subject."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from gnomon.data.errors import InputError

MOST_VALUES = 50_000_000
"""Most values that one tensor of a file may have where it is read whole."""
KINDS = (".safetensors", ".npy")


@dataclass(frozen=True)
class VectorSource:
    """Directions of concepts as a file gives them.

    Attributes
    ----------
    hashes : tuple of str
        SHA-256 of every direction's float32 values, sorted: what identifies the source.
    rows : mapping of str to ndarray
        By concept, or `concept@layer`: shape (width,), or (layers, width) with a direction for each layer.
    """

    hashes: tuple[str, ...]
    rows: Mapping[str, NDArray[np.float32]] = field(compare=False, repr=False)

    def direction(self, concept: str, layer: int) -> NDArray[np.float32]:
        """The direction of a concept at a layer, shape (width,).

        Parameters
        ----------
        concept : str
            The concept.
        layer : int
            Index of the block, from 0.

        Raises
        ------
        InputError
            The file has none.
        """
        found = self.rows.get(f"{concept}@{layer}", self.rows.get(concept))
        if found is None:
            raise InputError(f"vectors: the file has no direction of '{concept}' at layer {layer}: name it there")
        if found.ndim == 2:
            if layer >= len(found):
                raise InputError(f"vectors: the file has {len(found)} layers of '{concept}', and none is layer {layer}")
            return np.ascontiguousarray(found[layer])
        return found

    def direction_hash(self, concept: str, layer: int) -> str:
        """SHA-256 of the float32 values of a concept's direction at a layer.

        Parameters
        ----------
        concept : str
            The concept.
        layer : int
            Index of the block, from 0.
        """
        return _hash_of(self.direction(concept, layer))


def read_vector_file(
    path: Path, concepts: Sequence[str], rows: Mapping[str, int] | None = None, tensor: str = "W_dec"
) -> VectorSource:
    """Read the directions of concepts from a file.

    Parameters
    ----------
    path : Path
        A .safetensors or .npy file. Without `rows`, a safetensors file holds a tensor for each concept, called
        `concept` or `concept@layer`, of shape (width,) or (layers, width), and an .npy file one array of shape
        (concepts, width), in the order of `concepts`.
    concepts : sequence of str
        Concepts of the study.
    rows : mapping of str to int, optional
        Row of each concept in one matrix of shape (features, width), such as the decoder of a sparse autoencoder.
    tensor : str
        Name of that matrix in a safetensors file.

    Raises
    ------
    InputError
        The file is missing, of another kind, too large or broken, or lacks a concept, or holds values that are not
        finite.
    """
    if path.suffix not in KINDS:
        raise InputError(f"vectors: '{path.name}' is of no kind that is read: choose a .safetensors or .npy file")
    try:
        found = _read_rows(path, concepts, rows, tensor)
    except (OSError, SafetensorError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"vectors: '{path.name}' can't be read: {str(error).splitlines()[0]}") from error
    for name, values in found.items():
        if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
            raise InputError(
                f"vectors: '{name}' in '{path.name}' has shape {values.shape}, or values that are not finite: give one "
                "direction, or one for each layer"
            )
    return VectorSource(
        tuple(sorted({_hash_of(row) for values in found.values() for row in np.atleast_2d(values)})), found
    )


def _read_rows(
    path: Path, concepts: Sequence[str], rows: Mapping[str, int] | None, tensor: str
) -> dict[str, NDArray[np.float32]]:
    if rows is not None and (lacking := [concept for concept in concepts if concept not in rows]):
        raise InputError(f"vectors: 'rows' names no row for '{lacking[0]}': write it as {lacking[0]} = NUMBER")
    if path.suffix == ".npy":
        held = np.load(path, mmap_mode="r", allow_pickle=False)
        _check_matrix(path.name, held.shape, 2)
        if held.dtype.kind != "f":
            raise InputError(f"vectors: '{path.name}' holds {held.dtype} values: write floating-point numbers")
        if rows is None and len(held) != len(concepts):
            raise InputError(f"vectors: '{path.name}' has {len(held)} rows, the study {len(concepts)} concepts")
        places = rows if rows is not None else {concept: place for place, concept in enumerate(concepts)}
        return {
            concept: _as_float32(held[_checked_row(path.name, concept, places[concept], len(held))])
            for concept in concepts
        }
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        if rows is not None:
            if tensor not in names:
                raise InputError(f"vectors: '{path.name}' has no tensor '{tensor}': it has {', '.join(names[:5])}")
            part = file.get_slice(tensor)
            shape = part.get_shape()
            _check_matrix(path.name, shape, 2)
            places = {concept: _checked_row(path.name, concept, rows[concept], shape[0]) for concept in concepts}
            return {
                concept: _as_float32(part[place : place + 1][0].float().numpy()) for concept, place in places.items()
            }
        chosen = [name for name in names if name.partition("@")[0] in concepts]
        if lacking := [concept for concept in concepts if not any(n.partition("@")[0] == concept for n in chosen)]:
            raise InputError(f"vectors: '{path.name}' has no tensor '{lacking[0]}' or '{lacking[0]}@LAYER'")
        for name in chosen:
            if prod(file.get_slice(name).get_shape()) > MOST_VALUES:
                raise InputError(f"vectors: tensor '{name}' in '{path.name}' has over {MOST_VALUES:,} values")
        return {name: _as_float32(file.get_tensor(name).float().numpy()) for name in chosen}


def _check_matrix(name: str, shape: Sequence[int], dimensions: int) -> None:
    if len(shape) != dimensions:
        raise InputError(f"vectors: '{name}' has shape {tuple(shape)}: write a matrix with a direction in each row")


def _checked_row(name: str, concept: str, row: int, rows: int) -> int:
    if not 0 <= row < rows:
        raise InputError(f"vectors: row {row} of '{concept}' is not in '{name}': it has rows 0 to {rows - 1}")
    return row


def _as_float32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _hash_of(values: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()
