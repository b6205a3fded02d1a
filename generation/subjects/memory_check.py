"""Whether a subject fits on its device: what its weights need and what is free, said before and after loading fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from gnomon.data.errors import GnomonError, InputError
from gnomon.generation.subjects.device_memory import format_bytes, free_bytes, is_lack_of_memory

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}


def torch_device(name: str, device: str | None) -> Any:
    """The torch device that is named, or by default a GPU where there is one; `InputError` where it is not there."""
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        has = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise InputError(
            f"subject '{name}': device '{device}' is not on this machine: choose from {', '.join(has)}, or auto"
        ) from error


@contextmanager
def enough_memory(name: str, model: str, dtype: str, device: Any, spread: bool) -> Iterator[None]:
    """Refuse, in one line with both figures, a subject whose weights need more memory than the device has free."""
    needed = weight_bytes(Path(model).expanduser(), dtype)
    if needed and not spread and needed > (free := free_bytes(device)):
        raise _too_large(name, device, format_bytes(needed), free)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
        raise _too_large(name, device, format_bytes(needed) if needed else "more", free_bytes(device)) from error


def _too_large(name: str, device: Any, needed: str, free: int) -> GnomonError:
    return GnomonError(
        f"subject '{name}': needs {needed} of memory for its weights, {format_bytes(free)} are free "
        f"on {device}: choose "
        'dtype = "bfloat16", device = "auto", or a smaller subject'
    )


def weight_bytes(folder: Path, dtype: str) -> int:
    """Bytes of a folder's weights once loaded in a number format, from the headers of its safetensors; 0 if unknown."""
    return WIDTHS[dtype] * sum(_weight_counts(path) for path in folder.glob("*.safetensors")) if folder.is_dir() else 0


def _weight_counts(path: Path) -> int:
    """Numbers in a safetensors file; its first eight bytes are the length of the header, which is JSON."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (OSError, ValueError):
        return 0
    return sum(prod(entry["shape"]) for key, entry in header.items() if key != "__metadata__")
