"""Checks whether a subject fits on its device: memory needed and free, before loading and if loading fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gnomon.data.errors import GnomonError, InputError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.generation.subjects.device_memory import format_bytes, free_bytes, is_lack_of_memory
from gnomon.generation.subjects.model_documents import tensor_sizes

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}


def torch_device(name: str, device: str | None) -> Any:
    """The named torch device, or by default a GPU if there is one.

    Parameters
    ----------
    name : str
        Name of the subject, for the error message.
    device : str, optional
        A torch device, such as `cuda:1`.

    Raises
    ------
    InputError
        If the device does not exist on this machine.
    """
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
    """Context manager around loading; rejects a subject whose weights need more memory than the device has free.

    Parameters
    ----------
    name : str
        Name of the subject, for the error message.
    model : str
        Folder of the weights; anything else is not checked in advance.
    dtype : {"float32", "bfloat16", "float16"}
        Number format of the loaded weights.
    device : torch.device
        Where the subject is loaded.
    spread : bool
        Whether the subject is distributed over several devices; it is then not checked in advance.

    Raises
    ------
    GnomonError
        If the weights do not fit, or memory runs out during loading; with needed and free memory.
    """
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
    """Size of a folder's weights once loaded, in bytes, from the headers of its safetensors; 0 if unknown.

    Parameters
    ----------
    folder : Path
        Folder of the weights.
    dtype : {"float32", "bfloat16", "float16"}
        Number format of the loaded weights.
    """
    if not folder.is_dir():
        return 0
    try:
        numbers = [size.values for path in folder.glob("*.safetensors") for size in tensor_sizes(path)]
    except DocumentError:  # the loader says what is wrong
        return 0
    return WIDTHS[dtype] * sum(numbers)
