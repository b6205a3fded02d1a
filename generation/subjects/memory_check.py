"""Checks whether a subject fits on its device: memory needed and free, before loading and if loading fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from gnomon.data.errors import GnomonError, InputError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.generation.subjects.device_memory import format_bytes, free_bytes, is_lack_of_memory
from gnomon.generation.subjects.gguf_header import gguf_values
from gnomon.generation.subjects.model_documents import is_quantised, tensor_sizes, weight_files

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
CAST = {"F64", "F32", "F16", "BF16"}
"""Formats of tensors that are loaded in the subject's `dtype`, also in a quantised folder."""
FOUR_BITS = 0.6
"""Bytes of a value that is quantised to four bits in groups, with their scales and what is left in 16 bits."""
FILLED = 0.9
"""Share of a GPU that weights may fill, where a number of GPUs is advised."""


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


def default_dtype(device: Any) -> str:
    """Number format of a subject for which none is given: bfloat16 on a GPU that computes in it, else float32.

    Parameters
    ----------
    device : torch.device
        Where it is loaded.
    """
    import torch

    if device.type != "cuda" or not torch.cuda.is_bf16_supported(including_emulation=False):
        return "float32"
    return "bfloat16"


@contextmanager
def enough_memory(name: str, model: str, dtype: str, device: Any, spread: bool) -> Iterator[None]:
    """Context manager around loading; rejects a subject whose weights need more memory than the device has free.

    Parameters
    ----------
    name : str
        Name of the subject, for the error message.
    model : str
        Folder of the weights, or a GGUF file; anything else is not checked in advance.
    dtype : {"float32", "bfloat16", "float16"}
        Number format of the loaded weights.
    device : torch.device
        Where the subject is loaded.
    spread : bool
        Whether the subject is distributed over all GPUs and the machine; their free memory counts together.

    Raises
    ------
    GnomonError
        If the weights do not fit, or memory runs out during loading; with needed and free memory.
    """
    folder = Path(model).expanduser()
    needed = weight_bytes(folder, dtype)
    if needed and needed > (free := _free_places(device, spread)):
        raise _too_large(name, device, _Need(folder, dtype, needed, spread), free)
    unpacked = 0 if folder.is_dir() else WIDTHS["float32"] * (needed // WIDTHS[dtype])  # that of a GGUF file
    if unpacked > (free := free_bytes("cpu")):
        raise GnomonError(
            f"subject '{name}': a GGUF file is unpacked to float32 in this machine's memory, which needs "
            f"{format_bytes(unpacked)}, {format_bytes(free)} are free: choose a folder of safetensors or a smaller "
            "subject"
        )
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
        need = _Need(folder, dtype, needed, spread)
        raise _too_large(name, device, need, _free_places(device, spread)) from error


@dataclass(frozen=True, slots=True)
class _Need:
    """A folder of weights, how it was to be loaded, and the bytes that it needs so; 0 if unknown."""

    folder: Path
    dtype: str
    bytes: int
    spread: bool


def _gpus() -> list[Any]:
    import torch

    return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]


def _free_places(device: Any, spread: bool) -> int:
    """Free memory of a device, or of all GPUs and the machine together, in bytes."""
    return sum(free_bytes(each) for each in [*_gpus(), "cpu"]) if spread else free_bytes(device)


def _too_large(name: str, device: Any, need: _Need, free: int) -> GnomonError:
    """That a subject does not fit, how much it needs, and what would fit in what is free."""
    place = "all GPUs and this machine together" if need.spread else str(device)
    needed = format_bytes(need.bytes) if need.bytes else "more"
    *first, last = [*_fitting_ways(device, need, free), "a smaller subject"]
    ways = f"{', '.join(first)} or {last}" if first else last
    return GnomonError(
        f"subject '{name}': needs {needed} of memory for its weights, {format_bytes(free)} are free on {place}: "
        f"choose {ways}"
    )


def _fitting_ways(device: Any, need: _Need, free: int) -> list[str]:
    """Ways to load a subject that would fit: a narrower dtype, a quantised copy, several GPUs."""
    ways = []
    quantised, narrow = _is_quantised(need.folder), weight_bytes(need.folder, "bfloat16")
    if need.dtype == "float32" and (not need.bytes or narrow < min(need.bytes, free)):
        ways.append('dtype = "bfloat16"' + (f" ({format_bytes(narrow)})" if narrow else ""))
    four = FOUR_BITS * narrow / WIDTHS["bfloat16"]
    if need.bytes and not quantised and four < free:
        ways.append(f"a copy quantised to 4 bits (about {format_bytes(four)})")
    if need.spread:
        return ways
    if not need.bytes or need.bytes <= _free_places(device, spread=True):
        ways.append('device = "auto" (all GPUs and this machine)')
    elif getattr(device, "type", "cpu") == "cuda":
        number = ceil(min(need.bytes, narrow or need.bytes) / (FILLED * free)) if free else 0
        if number > 1:
            ways.append(f'{number} GPUs like this one with dtype = "bfloat16" and device = "auto"')
    return ways


def _is_quantised(folder: Path) -> bool:
    try:
        return is_quantised(folder)
    except DocumentError:
        return False


def weight_bytes(folder: Path, dtype: str) -> int:
    """Size of a model's weights once loaded, in bytes, from the headers of its files; 0 if unknown.

    Numbers in a floating format of 16 bits or more are loaded in `dtype`. What is quantised (FP8; int4 packed in int32,
    as GPTQ, AWQ and compressed-tensors do, or in bytes, as bitsandbytes does) keeps the bytes that it has in the file.
    All of a GGUF file is unpacked.

    Parameters
    ----------
    folder : Path
        Folder of the weights, or a GGUF file.
    dtype : {"float32", "bfloat16", "float16"}
        Number format of the loaded weights.
    """
    if not folder.is_dir():
        return WIDTHS[dtype] * gguf_values(folder)
    try:
        quantised = is_quantised(folder)
        sizes = [size for path in weight_files(folder) for size in tensor_sizes(path)]
    except DocumentError:  # the loader says what is wrong
        return 0
    return sum(
        WIDTHS[dtype] * size.values
        if size.format in CAST or (size.format.startswith("F") and not quantised)
        else size.bytes
        for size in sizes
    )
