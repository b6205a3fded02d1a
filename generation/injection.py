"""Adds vectors to chosen rows and positions of a decoder's residual stream, and always takes its hooks away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from data.errors import BadInput


@dataclass(frozen=True)
class Addition:
    """What is added to one row: `delta` (width,) to the output of block `layer`, at every position from `start` on."""

    layer: int
    delta: Tensor
    start: int


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The list of transformer blocks of any decoder-only language model.

    It is the one module list with as many members as the text model has layers, outside any vision or audio part.
    """
    count = model.config.get_text_config().num_hidden_layers  # type: ignore[union-attr, operator]
    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and not {"vision", "audio"} & set(_parts(name))
    ]
    if len(found) != 1:
        raise BadInput(
            f"model {type(model).__name__}: {len(found)} lists of {count} blocks found, one expected: "
            "this architecture can't be steered"
        )
    return found[0]


def _parts(name: str) -> list[str]:
    return name.replace("_", ".").split(".")


class Injection:
    """The additions of a batch while they are in force.

    Positions are counted in each row's own tokens, so that left padding, a key/value cache and rows that leave the
    batch change nothing. They are read from the `position_ids` and `attention_mask` that the model is called with.
    """

    def __init__(self, additions: Sequence[Addition | None]) -> None:
        self._additions = list(additions)
        self._rows = list(range(len(additions)))
        self._touched: list[tuple[list[int], Tensor, Tensor]] = []
        self._positions: Tensor | None = None
        self._real: Tensor | None = None
        self._by_layer: dict[int, tuple[list[int], Tensor, Tensor]] = {}

    @property
    def layers(self) -> list[int]:
        """Layers at which anything is added."""
        return sorted({addition.layer for addition in self._additions if addition is not None})

    def select(self, rows: Sequence[int]) -> None:
        """Say which of the additions the rows of the next forward passes belong to, in their order."""
        self._rows = list(rows)
        self._by_layer = {}

    def touched(self, row: int) -> list[int]:
        """Positions of a row to which its vector was added so far, in order; empty where nothing fired."""
        places: list[int] = []
        for rows, positions, mask in self._touched:
            if row in rows:
                place = rows.index(row)
                places += positions[place][mask[place]].tolist()
        return places

    def observe(self, _module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        """Before the model runs: note which position each column of each row is."""
        if kwargs.get("position_ids") is None or kwargs.get("attention_mask") is None:
            raise ValueError("a steered model must be called with position_ids and attention_mask")
        if len(kwargs["position_ids"]) != len(self._rows):
            raise ValueError(f"{len(kwargs['position_ids'])} rows run, {len(self._rows)} selected for injection")
        self._positions = kwargs["position_ids"]
        self._real = kwargs["attention_mask"][:, -self._positions.shape[1] :].bool()

    def add(self, layer: int, output: Any) -> Any:
        """After block `layer` has run: its output with the vectors added in the rows and places that are due."""
        hidden = output[0] if isinstance(output, tuple) else output
        places, deltas, starts = self._at(layer, hidden)
        if not places or self._positions is None or self._real is None:
            return output
        positions = self._positions[places]
        mask = (positions >= starts[:, None]) & self._real[places]
        hidden = hidden.clone()
        hidden[places] += mask[:, :, None].to(hidden.dtype) * deltas[:, None, :]
        self._touched.append(([self._rows[place] for place in places], positions, mask))
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _at(self, layer: int, hidden: Tensor) -> tuple[list[int], Tensor, Tensor]:
        """Rows of the batch that are steered at a layer, with their vectors and first positions."""
        if layer not in self._by_layer:
            chosen = [(place, self._additions[row]) for place, row in enumerate(self._rows)]
            here = [(place, addition) for place, addition in chosen if addition is not None and addition.layer == layer]
            deltas = torch.stack([a.delta for _, a in here]) if here else torch.empty(0)
            starts = torch.tensor([a.start for _, a in here], device=hidden.device)
            self._by_layer[layer] = ([place for place, _ in here], deltas.to(hidden), starts)
        return self._by_layer[layer]


@contextmanager
def inject(model: Any, additions: Sequence[Addition | None]) -> Iterator[Injection]:
    """Steer the model inside the block: row i gets `additions[i]` (None: nothing).

    The model must be called with `position_ids` and `attention_mask`. The hooks are gone when the block ends, however
    it ends.

    Raises
    ------
    BadInput
        A layer that the model does not have.
    """
    injection = Injection(additions)
    blocks = decoder_blocks(model)
    handles = []
    try:
        if injection.layers:
            handles.append(model.register_forward_pre_hook(injection.observe, with_kwargs=True))
        for layer in injection.layers:
            if not 0 <= layer < len(blocks):
                raise BadInput(f"layer {layer}: the model has layers 0 to {len(blocks) - 1}")
            # first of all hooks, so that whoever records hidden states sees what the next block sees
            handles.append(blocks[layer].register_forward_hook(_adder(injection, layer), prepend=True))
        yield injection
    finally:
        for handle in handles:
            handle.remove()


def _adder(injection: Injection, layer: int) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return injection.add(layer, output)

    return hook
