"""Counts what a piece of work would start on a GPU: kernels, and where the host waits for the device or sends lists."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

READS = ("tolist", "item", "__bool__", "__int__", "__float__", "__index__", "cpu", "numpy", "nonzero", "masked_select")
READING = ("aten.nonzero.default", "aten._local_scalar_dense.default", "aten.masked_select.default")
SENT = ("tensor", "as_tensor", "from_numpy")
VIEWS = (
    "alias",
    "as_strided",
    "detach",
    "expand",
    "lift_fresh",
    "permute",
    "_reshape_alias",
    "select.int",
    "slice.Tensor",
    "split",
    "squeeze",
    "t.default",
    "transpose",
    "unbind",
    "unsqueeze",
    "_unsafe_view",
    "view",
)
"""Operations of ATen that start no kernel."""


class _Calls(TorchFunctionMode):
    """Counts calls from Python that read values of a tensor, or make one from values of the host."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count a call and make it."""
        name = getattr(func, "__name__", "")
        if name in READS:
            self.reads[name] += 1
        elif name in SENT:
            self.sent[name] += 1
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations of ATen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation and run it."""
        name = str(func)
        self.made[name] += 1
        if name in READING:
            self.reads[name] += 1
        if "index" in name and len(args) > 1 and isinstance(args[1], list | tuple) and any(map(_is_mask, args[1])):
            self.reads["index by a mask"] += 1
        return func(*args, **(kwargs or {}))


class OperationCount:
    """Counts the operations of a block of code: `with OperationCount() as count: ...`.

    Attributes
    ----------
    operations : Counter of str
        Operations of ATen by name.
    """

    def __init__(self) -> None:
        self._calls, self._made = _Calls(), _Operations()
        self._modes: list[Any] = [self._made, self._calls]

    def __enter__(self) -> OperationCount:
        """Begin to count."""
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop counting."""
        for mode in reversed(self._modes):
            mode.__exit__(*error)

    @property
    def operations(self) -> Counter[str]:
        """Operations by name."""
        return self._made.made

    @property
    def kernels(self) -> int:
        """Number of operations that are no views: about the kernels that a GPU starts."""
        return sum(count for name, count in self.operations.items() if not _is_view(name))

    @property
    def host_reads(self) -> Counter[str]:
        """How often, and by what, the host reads values of the device, for which it waits."""
        inside = Counter({name: count for name, count in self._made.reads.items() if "mask" in name})
        hidden = self._made.reads - inside
        asked = self._calls.reads  # what Python asks for is an operation too, under another name
        return inside + (asked if sum(asked.values()) >= sum(hidden.values()) else hidden)

    @property
    def sent_lists(self) -> int:
        """How many lists of the host become tensors of the device."""
        return sum(self._calls.sent.values())


def _is_view(name: str) -> bool:
    operation = name.removeprefix("aten.")
    return operation.startswith(VIEWS)


def _is_mask(index: Any) -> bool:
    return isinstance(index, Tensor) and index.dtype == torch.bool
