"""Free memory of the subject's device, the number of rows that fit, and whether an error means that memory ran out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

MOST = {"cpu": 128, "cuda": 256}
SHARE = 0.6
LACKING = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


def free_bytes(device: Any) -> int:
    """Free memory of a torch device, in bytes."""
    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def fitting_rows(device: Any, row_bytes: int, fixed: int) -> int:
    """Number of rows to run together: as many as fit in a share of the free memory, up to a limit per device.

    Parameters
    ----------
    device : str or torch.device
        Where the rows run.
    row_bytes : int
        Memory of one row, in bytes.
    fixed : int
        Memory that is needed whatever the number of rows, in bytes.
    """
    most = MOST.get(torch.device(device).type, MOST["cpu"])
    return max(1, min(most, (int(SHARE * free_bytes(device)) - fixed) // max(row_bytes, 1)))


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch reports it differently on each device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in LACKING)


def release_memory(device: Any) -> None:
    """Release the memory that torch keeps cached after a failed attempt."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()


def format_bytes(size: float) -> str:
    """A size in bytes as text in gigabytes, such as 13.5 GB."""
    return f"{size / 1e9:.1f} GB"
