"""Adds vectors to chosen rows and positions of a decoder's residual stream, and always removes its hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.data.errors import GnomonError, InputError


class InjectionError(GnomonError):
    """A vector was not added where it should have been."""


@dataclass(frozen=True)
class VectorAddition:
    """Steering of one row: `delta` (width,) is added to the output of block `layer` at every position from `start`."""

    layer: int
    delta: Tensor
    start: int


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The list of transformer blocks of a decoder-only language model.

    It is the only module list whose length is the number of layers of the text model, outside any vision or audio part.

    Raises
    ------
    InputError
        If there is not exactly one such list.
    """
    count = model.config.get_text_config().num_hidden_layers  # type: ignore[union-attr, operator]
    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module) == count
        and not {"vision", "audio"} & set(_decoder_parts(name))
    ]
    if len(found) != 1:
        raise InputError(
            f"model {type(model).__name__}: {len(found)} lists of {count} blocks found, one expected: "
            "this architecture can't be steered"
        )
    return found[0]


def _decoder_parts(name: str) -> list[str]:
    return name.replace("_", ".").split(".")


class Injection:
    """The steering of the rows of a batch, one slot per row.

    Positions are counted in each row's own tokens, so that padding, a key-value cache and rows that join or leave
    change nothing. They are read from the `position_ids` that the model is called with; a two-dimensional
    `attention_mask`, if there is one, says which of them are padding.

    Parameters
    ----------
    model : PreTrainedModel
        The subject's model.
    slots : int
        Number of slots.
    """

    def __init__(self, model: Any, slots: int) -> None:
        self._model, self._blocks = model, decoder_blocks(model)
        self._additions: list[VectorAddition | None] = [None] * slots
        self._rows = list(range(slots))
        self._run: Tensor | None = None
        self._real: Tensor | None = None
        self._by_layer: dict[int, _DueAddition | None] = {}
        self._handles: dict[int, Any] = {}
        unset = torch.iinfo(torch.int64).max
        self._touched = torch.tensor([[unset, -1, 0]] * slots).to(model.device)
        self._untouched = self._touched[:1].clone()

    def set_row(self, slot: int, addition: VectorAddition | None) -> None:
        """Put a new row in a slot, to which nothing has been added yet.

        Parameters
        ----------
        slot : int
            Index of the slot.
        addition : VectorAddition, optional
            What is added to the row from now on; None for nothing.

        Raises
        ------
        InputError
            If the model does not have the layer.
        """
        if addition is not None:
            self._register_hook(addition.layer)
        self._additions[slot] = addition
        self._touched[slot] = self._untouched[0]
        self._by_layer = {}

    def move_row(self, source: int, target: int) -> None:
        """Move a row with its steering from one slot to another.

        Parameters
        ----------
        source : int
            Slot of the row.
        target : int
            Its new slot; what was there is overwritten.
        """
        self._additions[target], self._touched[target] = self._additions[source], self._touched[source]
        self._by_layer = {}

    def select_rows(self, slots: Sequence[int]) -> None:
        """Set the slots of the rows of the next forward passes, in the order of the rows."""
        if self._rows != list(slots):
            self._rows = list(slots)
            self._by_layer = {}

    def touched_positions(self, slot: int) -> range:
        """Positions of a row to which its vector was added so far; empty if the hook did not fire.

        Raises
        ------
        InjectionError
            If they are not consecutive positions, each steered once.
        """
        first, last, times = self._touched[slot].tolist()
        if times != max(last - first + 1, 0):
            raise InjectionError(f"a vector was added {times} times between positions {first} and {last} of a row")
        return range(first, last + 1) if times else range(0)

    def remove_hooks(self) -> None:
        """Remove all hooks."""
        while self._handles:
            self._handles.popitem()[1].remove()

    def _register_hook(self, layer: int) -> None:
        if not 0 <= layer < len(self._blocks):
            raise InputError(f"layer {layer}: the model has layers 0 to {len(self._blocks) - 1}")
        if not self._handles:
            self._handles[-1] = self._model.base_model.register_forward_pre_hook(self._observe_layer, with_kwargs=True)
        if layer not in self._handles:
            # before all other hooks, so that hooks that record hidden states see what the next block sees
            self._handles[layer] = self._blocks[layer].register_forward_hook(_make_adder(self, layer), prepend=True)

    def _observe_layer(self, _module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        """Before the model runs: record the position of each column of each row."""
        positions, mask = kwargs.get("position_ids"), kwargs.get("attention_mask")
        if positions is None:
            raise ValueError("a steered model must be called with position_ids")
        if len(positions) != len(self._rows):
            raise ValueError(f"{len(positions)} rows run, {len(self._rows)} selected for injection")
        self._run, self._real = positions, None
        if isinstance(mask, Tensor) and mask.dim() == 2:
            self._real = mask[:, -positions.shape[1] :].bool()

    def add_vectors(self, layer: int, output: Any) -> Any:
        """The output of a block with the vectors added at the rows and positions that are to be steered.

        Parameters
        ----------
        layer : int
            Index of the block.
        output : Tensor or tuple
            Its output, hidden states of shape (rows, columns, width), alone or as the first element of a tuple.

        Returns
        -------
        Tensor or tuple
            As `output`; a new tensor if anything is added.
        """
        hidden = output[0] if isinstance(output, tuple) else output
        here = self._at_layer(layer, hidden)
        if here is None or self._run is None:
            return output
        positions = self._run.to(hidden.device)[here.places]
        due = positions >= here.starts[:, None]
        if self._real is not None:
            due &= self._real.to(hidden.device)[here.places]
        hidden = hidden.clone()
        hidden[here.places] += torch.where(due[:, :, None], here.deltas[:, None, :], 0.0)
        self._record_positions(here.slots, positions, due)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _record_positions(self, slots: Tensor, positions: Tensor, due: Tensor) -> None:
        """Extend each row's range of touched positions by those that were steered now."""
        slots, positions, due = (part.to(self._touched.device) for part in (slots, positions, due))
        first, last, times = self._touched[slots].unbind(dim=1)
        unset = self._untouched[0]
        first = torch.minimum(first, torch.where(due, positions, unset[0]).amin(dim=1))
        last = torch.maximum(last, torch.where(due, positions, unset[1]).amax(dim=1))
        self._touched[slots] = torch.stack([first, last, times + due.sum(dim=1)], dim=1)

    def _at_layer(self, layer: int, hidden: Tensor) -> _DueAddition | None:
        """Rows in progress that are steered at a layer, with their vectors and first positions."""
        if layer not in self._by_layer:
            chosen = [(place, slot, self._additions[slot]) for place, slot in enumerate(self._rows)]
            due = [(p, s, a) for p, s, a in chosen if a is not None and a.layer == layer]
            self._by_layer[layer] = _due_rows(due, hidden) if due else None
        return self._by_layer[layer]


@dataclass(frozen=True)
class _DueAddition:
    """Rows that are steered at one layer: index in the batch, slot, vector and first position."""

    places: Tensor
    slots: Tensor
    deltas: Tensor
    starts: Tensor


def _due_rows(due: Sequence[tuple[int, int, VectorAddition]], hidden: Tensor) -> _DueAddition:
    numbers = torch.tensor([(place, slot, addition.start) for place, slot, addition in due], device=hidden.device)
    places, slots, starts = numbers.unbind(dim=1)
    return _DueAddition(places, slots, torch.stack([addition.delta for _, _, addition in due]).to(hidden), starts)


@contextmanager
def injection_hooks(model: Any, additions: Sequence[VectorAddition | None]) -> Iterator[Injection]:
    """Context manager that steers a model; its hooks are removed when the block ends, also on an error.

    The model must be called with `position_ids`.

    Parameters
    ----------
    model : PreTrainedModel
        The subject's model.
    additions : sequence of VectorAddition or None
        What is added to each row; None for nothing.

    Yields
    ------
    Injection
        The steering, which can be changed inside the block.

    Raises
    ------
    InputError
        If the model does not have a layer.
    """
    injection = Injection(model, len(additions))
    try:
        for slot, addition in enumerate(additions):
            injection.set_row(slot, addition)
        yield injection
    finally:
        injection.remove_hooks()


def _make_adder(injection: Injection, layer: int) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return injection.add_vectors(layer, output)

    return hook
