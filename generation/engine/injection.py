"""Adds vectors to chosen rows and positions of a decoder's residual stream, and always removes its hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.data.errors import GnomonError, InputError
from gnomon.generation.engine.forward import model_parts

LAST = torch.iinfo(torch.int64).max
"""Later than every position."""
NEVER = torch.iinfo(torch.int32).max
"""After every block: where a row branches off to which nothing is added."""


class InjectionError(GnomonError):
    """A vector was not added where it should have been."""


@dataclass(frozen=True)
class VectorAddition:
    """One addition to a row: `delta` to the output of a block, at consecutive positions of prompt and answer.

    Attributes
    ----------
    layer : int
        Block, counted from 0.
    delta : Tensor, shape (width,)
        What is added at each of the positions.
    start : int
        First position.
    end : int or None
        Position after the last; None for all from `start` on, those of the answer that are read back included.

    Raises
    ------
    InputError
        If there is no position between start and end.
    """

    layer: int
    delta: Tensor
    start: int
    end: int | None = None

    def __post_init__(self) -> None:
        """Check the positions."""
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise InputError(
                f"vector added at positions {self.start} to {self.end}: begin at 0 or later and end after the beginning"
            )

    def due_positions(self, read: int) -> range:
        """Positions at which it is due in a row of which the first `read` positions have been computed."""
        end = read if self.end is None else min(self.end, read)
        return range(self.start, end) if self.start < end else range(0)


RowAdditions = VectorAddition | Sequence[VectorAddition] | None
"""What is added to one row: nothing, one addition, or several. Where several meet, they add up."""


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The list of transformer blocks of a decoder-only language model.

    It is the only module list whose length is the number of layers of the text model, outside what sees or hears.

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
        and not {"vision", "visual", "audio"} & set(_decoder_parts(name))
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
        self._model, self._blocks, self._parts = model, decoder_blocks(model), model_parts(model)
        self._additions: list[tuple[VectorAddition, ...]] = [()] * slots
        self._rows = list(range(slots))
        self._run: Tensor | None = None
        self._real: Tensor | None = None
        self._copies: dict[torch.device, tuple[Tensor, Tensor | None]] = {}
        self._by_layer: dict[int, list[_DueAdditions]] = {}
        self._handles: dict[int, Any] = {}
        self._is_paused = False
        self._branch_layers: list[int] | None = None
        self._untouched = torch.tensor([LAST, -1, 0], device=model.device)
        self._touched = self._untouched.repeat(slots, 1, 1)

    def set_row(self, slot: int, additions: RowAdditions) -> None:
        """Put a new row in a slot, to which nothing has been added yet.

        Parameters
        ----------
        slot : int
            Index of the slot.
        additions : VectorAddition or sequence of VectorAddition or None
            What is added to the row from now on.

        Raises
        ------
        InputError
            If the model does not have a layer.
        """
        several = _addition_tuple(additions)
        for addition in several:
            self._register_hook(addition.layer)
        if (lacking := len(several) - self._touched.shape[1]) > 0:
            more = self._untouched.repeat(len(self._touched), lacking, 1)
            self._touched = torch.cat([self._touched, more], dim=1)
        self._additions[slot] = several
        self._touched[slot] = self._untouched
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

    def touched_positions(self, slot: int) -> tuple[range, ...]:
        """Positions of a row at which each of its additions was made so far; an empty range if the hook did not fire.

        Raises
        ------
        InjectionError
            If those of an addition are not consecutive positions, each steered once.
        """
        found = []
        for first, last, times in self._touched[slot, : len(self._additions[slot])].tolist():
            if times != max(last - first + 1, 0):
                raise InjectionError(f"a vector was added {times} times between positions {first} and {last} of a row")
            found.append(range(first, last + 1) if times else range(0))
        return tuple(found)

    @contextmanager
    def branch_rows(self, slots: Sequence[int]) -> Iterator[None]:
        """Context in which the model runs one row, from which each of `slots` branches off at its first addition.

        The slots must be in the order of their first blocks, those to which nothing is added last: these remain one
        row, the last one. The rows of the output are those of the slots, in their order.

        Raises
        ------
        ValueError
            If the slots are in another order.
        """
        first = [min((addition.layer for addition in self._additions[slot]), default=NEVER) for slot in slots]
        if first != sorted(first):
            raise ValueError("rows that branch must be in the order of their first blocks")
        self.select_rows(slots)
        self._branch_layers = first
        try:
            yield
        finally:
            self._branch_layers = None

    @contextmanager
    def pause_steering(self) -> Iterator[None]:
        """Context in which the model runs as it is, in any number of rows."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def remove_hooks(self) -> None:
        """Remove all hooks."""
        while self._handles:
            self._handles.popitem()[1].remove()

    def _register_hook(self, layer: int) -> None:
        if not 0 <= layer < len(self._blocks):
            raise InputError(f"layer {layer}: the model has layers 0 to {len(self._blocks) - 1}")
        if not self._handles:
            self._handles[-1] = self._parts.body.register_forward_pre_hook(self._observe_layer, with_kwargs=True)
        if layer not in self._handles:
            # before all other hooks, so that hooks that record hidden states see what the next block sees
            self._handles[layer] = self._blocks[layer].register_forward_hook(_make_adder(self, layer), prepend=True)

    def _observe_layer(self, _module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        """Before the model runs: record the position of each column of each row."""
        self._run, self._real, self._copies = None, None, {}
        if self._is_paused:
            return
        positions, mask = kwargs.get("position_ids"), kwargs.get("attention_mask")
        if self._parts.running is not None:
            positions, mask = self._parts.running, None
        if positions is None:
            raise ValueError("a steered model must be called with position_ids")
        if positions.dim() == 3:  # one layer of positions for text, further ones for pictures
            positions = positions[0]
        if self._branch_layers is not None:
            positions = positions.expand(len(self._rows), -1)
        elif len(positions) != len(self._rows):
            raise ValueError(f"{len(positions)} rows run, {len(self._rows)} selected for injection")
        self._run = positions
        if isinstance(mask, Tensor) and mask.dim() == 2:
            self._real = mask[:, -positions.shape[1] :].bool().expand(len(positions), -1)

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
        if self._run is None:
            return output
        hidden = output[0] if isinstance(output, tuple) else output
        rounds = self._at_layer(layer, hidden)
        if not rounds:
            return output
        hidden = self._with_branches(layer, hidden)
        run, real = self._positions_on(hidden.device, self._run)
        for here in rounds:
            positions = run[here.places]
            due = (positions >= here.starts[:, None]) & (positions < here.ends[:, None])
            if real is not None:
                due &= real[here.places]
            hidden[here.places] += torch.where(due[:, :, None], here.deltas[:, None, :], 0.0)
            self._record_positions(here, positions, due)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _positions_on(self, device: torch.device, run: Tensor) -> tuple[Tensor, Tensor | None]:
        """Positions, and which of them are not padding, where a block is: copied once a call of the model."""
        if device not in self._copies:
            self._copies[device] = (run.to(device), None if self._real is None else self._real.to(device))
        return self._copies[device]

    def _with_branches(self, layer: int, hidden: Tensor) -> Tensor:
        """A copy of the hidden states with a row for each that branches off here; the last row is the one that has not.

        When every row has branched off, the last one has become one of them.
        """
        if self._branch_layers is None:
            return hidden.clone()
        steered = sum(first <= layer for first in self._branch_layers)
        rows = min(steered + 1, len(self._branch_layers))
        return torch.cat([hidden, hidden[-1:].expand(rows - len(hidden), -1, -1)])

    def _record_positions(self, here: _DueAdditions, positions: Tensor, due: Tensor) -> None:
        """Extend the range of touched positions of each addition by those that were steered now."""
        slots, numbers, positions, due = (
            part.to(self._touched.device) for part in (here.slots, here.numbers, positions, due)
        )
        first, last, times = self._touched[slots, numbers].unbind(dim=1)
        unset = self._untouched
        first = torch.minimum(first, torch.where(due, positions, unset[0]).amin(dim=1))
        last = torch.maximum(last, torch.where(due, positions, unset[1]).amax(dim=1))
        self._touched[slots, numbers] = torch.stack([first, last, times + due.sum(dim=1)], dim=1)

    def _at_layer(self, layer: int, hidden: Tensor) -> list[_DueAdditions]:
        """What is added at a layer to the rows in progress, in rounds in each of which a row occurs once at most.

        An assignment by index keeps one of several values of the same row; rounds make them add up, and always in the
        row's own order, so that a row gets the same sum in any batch.
        """
        if layer not in self._by_layer:
            rounds: list[list[_RowAddition]] = []
            for place, slot in enumerate(self._rows):
                here = [(number, each) for number, each in enumerate(self._additions[slot]) if each.layer == layer]
                for turn, (number, addition) in enumerate(here):
                    if turn == len(rounds):
                        rounds.append([])
                    rounds[turn].append(_RowAddition(place, slot, number, addition))
            self._by_layer[layer] = [_due_additions(due, hidden) for due in rounds]
        return self._by_layer[layer]


@dataclass(frozen=True)
class _RowAddition:
    """An addition with the index of its row in the batch, the row's slot, and its own number in the row."""

    place: int
    slot: int
    number: int
    addition: VectorAddition


@dataclass(frozen=True)
class _DueAdditions:
    """Additions at one layer, one a row: index of the row in the batch, slot, number, vector, and positions."""

    places: Tensor
    slots: Tensor
    numbers: Tensor
    starts: Tensor
    ends: Tensor
    deltas: Tensor


def _due_additions(due: Sequence[_RowAddition], hidden: Tensor) -> _DueAdditions:
    numbers = [
        (each.place, each.slot, each.number, each.addition.start, LAST if (end := each.addition.end) is None else end)
        for each in due
    ]
    places, slots, order, starts, ends = torch.tensor(numbers, device=hidden.device).unbind(dim=1)
    deltas = torch.stack([each.addition.delta for each in due]).to(hidden)
    return _DueAdditions(places, slots, order, starts, ends, deltas)


def _addition_tuple(additions: RowAdditions) -> tuple[VectorAddition, ...]:
    if additions is None:
        return ()
    return (additions,) if isinstance(additions, VectorAddition) else tuple(additions)


@contextmanager
def injection_hooks(model: Any, additions: Sequence[RowAdditions]) -> Iterator[Injection]:
    """Context manager that steers a model; its hooks are removed when the block ends, also on an error.

    The model must be called with `position_ids`.

    Parameters
    ----------
    model : PreTrainedModel
        The subject's model.
    additions : sequence of (VectorAddition or sequence of VectorAddition or None)
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
        for slot, row in enumerate(additions):
            injection.set_row(slot, row)
        yield injection
    finally:
        injection.remove_hooks()


def _make_adder(injection: Injection, layer: int) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return injection.add_vectors(layer, output)

    return hook
