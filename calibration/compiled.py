"""How a function over arrays is compiled: once, kept on disk, without Python's lock, dividing as NumPy does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba  # type: ignore[import-untyped]

Function = TypeVar("Function", bound=Callable[..., object])
compiled = cast(Callable[[Function], Function], numba.njit(cache=True, nogil=True, error_model="numpy"))
