"""Numba decorator: nogil, NumPy error model, on-disk cache keyed by the hash of all compiled sources.

numba itself checks only the file of the decorated function, and would keep using old code of functions that it calls
from other files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba  # type: ignore[import-untyped]
import platformdirs

Function = TypeVar("Function", bound=Callable[..., object])
ROOMS = ("calibration", "stats")


def sources_digest(root: Path) -> str:
    """Hash of all modules under `root` that contain compiled functions."""
    texts = [path.read_bytes() for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    return hashlib.sha256(b"\0".join(text for text in texts if b"@compiled" in text)).hexdigest()[:16]


_CACHE = Path(os.environ.get("GNOMON_CACHE") or platformdirs.user_cache_dir("gnomon")).expanduser()
numba.config.CACHE_DIR = str(_CACHE / "compiled" / sources_digest(Path(__file__).parents[2]))
compiled = cast(Callable[[Function], Function], numba.njit(cache=True, nogil=True, error_model="numpy"))
