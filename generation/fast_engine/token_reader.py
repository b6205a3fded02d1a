"""Copies what steps have drawn to the host, one step late where steps run ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class TokenReader:
    """Copies small tensors from the device without waiting for them.

    Parameters
    ----------
    device : torch.device
        Where the model runs.
    rows : int
        Largest number of rows.
    """

    def __init__(self, device: torch.device, rows: int) -> None:
        self._has_events, self._rows = device.type == "cuda", rows
        self._free: list[Tensor] = []

    def start_copy(self, result: Tensor) -> LateCopy:
        """Start to copy a result, which may be overwritten by what runs afterwards.

        Parameters
        ----------
        result : Tensor of int64, shape (2, rows)
            Tokens and flags.
        """
        if not self._has_events:
            return LateCopy(result.clone())
        buffer = self._free.pop() if self._free else torch.zeros(2, self._rows, dtype=torch.long).pin_memory()
        values = buffer[:, : result.shape[1]]
        values.copy_(result, non_blocking=True)
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return LateCopy(values, event, lambda: self._free.append(buffer))


class LateCopy:
    """A copy on its way to the host.

    Parameters
    ----------
    values : Tensor of int64, shape (2, rows)
        Where it arrives.
    event : torch.cuda.Event, optional
        Says that it has arrived; by default it has.
    release : callable, optional
        Called when the values have been read.
    """

    def __init__(self, values: Tensor, event: Any = None, release: Callable[[], None] = lambda: None) -> None:
        self._values, self._event, self._release = values, event, release

    def read_values(self) -> list[list[int]]:
        """Wait for the copy; tokens and flags. Called once."""
        if self._event is not None:
            self._event.synchronize()
        found: list[list[int]] = self._values.tolist()
        self._release()
        return found
