"""Numba decorator: nogil, NumPy error model, on-disk cache keyed by the hash of all compiled sources.

numba itself checks only the file of the decorated function, and would keep using old code of functions that it calls
from other files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

import platformdirs

from gnomon.data.errors import missing_packages_named

Function = TypeVar("Function", bound=Callable[..., object])
ROOMS = ("calibration", "stats")


def sources_digest(root: Path) -> str:
    """Hash of all modules under `root` that contain compiled functions."""
    texts = [path.read_bytes() for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    return hashlib.sha256(b"\0".join(text for text in texts if b"@compiled" in text)).hexdigest()[:16]


def _compiler() -> Callable[[Function], Function]:
    """The decorator; without numba, one whose functions say that it is missing when they are called."""
    try:
        import numba  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return _without_numba
    cache = Path(os.environ.get("GNOMON_CACHE") or platformdirs.user_cache_dir("gnomon")).expanduser()
    numba.config.CACHE_DIR = str(cache / "compiled" / sources_digest(Path(__file__).parents[2]))
    return cast(Callable[[Function], Function], numba.njit(cache=True, nogil=True, error_model="numpy"))


def _without_numba(function: Function) -> Function:
    @wraps(function)
    @missing_packages_named()
    def refuse(*_: object, **__: object) -> None:
        import_module("numba")

    return cast(Function, refuse)


compiled = _compiler()
