"""Two pretended accelerators on a CPU: tensors that say where they lie, and operations that refuse to mix them.

A tensor on `lazy:0` or `lazy:1` holds its values in a CPU tensor. As CUDA does, an operation raises if its tensors lie
on two devices, an index must lie on the CPU or where the indexed tensor is, and only `to` and `copy_` move values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CPU = torch.device("cpu")
ATEN = torch.ops.aten
INDEXING = {ATEN.index.Tensor, ATEN.index_put_.default, ATEN.index_put.default, ATEN._index_put_impl_.default}
MOVING = {ATEN.copy_.default, ATEN._to_copy.default}


class Pretended(Tensor):
    """A tensor that says that it lies on a device; `values` has its values."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor, device: torch.device) -> Pretended:
        found: Pretended = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=device,
            requires_grad=False,
        )
        found.values = values
        return found

    def tolist(self) -> Any:
        return self.values.tolist()

    def __repr__(self) -> str:
        return f"Pretended({self.values}, {self.device})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    checked = args
    if func in INDEXING:  # indices may lie on the CPU
        checked = (args[0], [each for each in args[1] if isinstance(each, Pretended)], *args[2:])
    places = [each.device for each in tree_leaves((checked, kwargs)) if isinstance(each, Tensor) and each.dim()]
    scalars = [each.device for each in tree_leaves((args, kwargs)) if isinstance(each, Pretended)]
    if len(set(places)) > 1 and func not in MOVING:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found {sorted(map(str, set(places)))} in {func}"
        )
    asked = kwargs.get("device")
    target = torch.device(asked) if asked is not None else next((d for d in (*places, *scalars) if d != CPU), CPU)
    if func is ATEN.copy_.default:
        target = args[0].device
    plain = {**kwargs, "device": CPU} if asked is not None else kwargs
    found = func(*tree_map(_values, args), **tree_map(_values, plain))
    if func._schema.name.endswith("_") and isinstance(args[0], Pretended):
        return args[0]
    return tree_map(lambda each: on(each, target) if isinstance(each, Tensor) else each, found)


def _values(each: Any) -> Any:
    return each.values if isinstance(each, Pretended) else each


def on(values: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device."""
    if isinstance(values, Pretended) or device == CPU:
        return values
    return Pretended(values, device)


@contextmanager
def pretended_devices() -> Iterator[tuple[torch.device, torch.device]]:
    """Context with two devices."""
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with _Mode():
            yield torch.device("lazy:0"), torch.device("lazy:1")
    finally:
        torch._C._set_only_lift_cpu_tensors(before)


def spread(model: Any, blocks: nn.ModuleList, devices: tuple[torch.device, torch.device]) -> None:
    """Put half of a model's blocks on each device, what is before them on the first and behind them on the second.

    As accelerate does, each module moves its inputs to where it lies, all but the cache, and the model its output to
    where its input was.
    """
    first, second = devices
    half = len(blocks) // 2
    place = {id(part): second for block in blocks[half:] for part in block.modules()}
    names = dict(model.named_modules())
    behind = [module for name, module in names.items() if name.split(".")[-1] in ("norm", "norm_f", "ln_f", "lm_head")]
    place |= {
        id(part): second
        for module in behind
        if not any(module is each for block in blocks for each in block.modules())
        for part in module.modules()
    }
    for module in model.modules():
        device = place.get(id(module), first)
        for name, part in module._parameters.items():
            if part is not None:
                module._parameters[name] = nn.Parameter(on(part.detach(), device), requires_grad=False)
        for name, part in module._buffers.items():
            if part is not None:
                module._buffers[name] = on(part.detach(), device)
    for module in (*blocks, *(each for each in behind if id(each) in place)):
        module.register_forward_pre_hook(_mover(place.get(id(module), first)), with_kwargs=True)
    model.register_forward_hook(lambda _module, _args, output: _moved(output, first))


def _mover(device: torch.device) -> Any:
    def move(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        kept = {name: value for name, value in kwargs.items() if name == "past_key_values"}
        return _moved(args, device), {**_moved({k: v for k, v in kwargs.items() if k not in kept}, device), **kept}

    return move


def _moved(held: Any, device: torch.device) -> Any:
    return tree_map(lambda each: each.to(device) if isinstance(each, Tensor) else each, held)
