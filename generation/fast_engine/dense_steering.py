"""Adds vectors by dense buffers: one operation for all slots at each block, and marks of where the stream changed.

A buffer holds, for each addition that a slot may have at a block, the vector, the first position and the one after the
last. What is added in a pass follows from the positions with which the model itself is called, by arithmetic on the
device alone, so a graph of the pass can be replayed for other rows. A position of a slot is marked where the block's
output was another after the addition than before it; a vector of zeros, which changes nothing, is marked where it is
due. Marks are counted, and at a row's end they must be those that were due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.data.errors import InputError
from gnomon.generation.engine.injection import LAST, VectorAddition, decoder_blocks
from gnomon.generation.engine.prefill import misplaced_steering

STARTS, ENDS, ZERO = range(3)
Marks = NDArray[np.int32]


class _Pass:
    """One call of the model: positions of its rows and columns, where their marks lie, and what is due."""

    def __init__(self, positions: Tensor, slots: Tensor | slice, cells: Tensor, numbers: Tensor) -> None:
        self.slots, self.cells = slots, cells
        starts, ends, zero = numbers[:, :, slots, None].unbind()
        self.due = (positions >= starts) & (positions < ends)
        self.zero_due = self.due & (zero > 0)
        self.changed = torch.zeros_like(self.due)


class DenseSteering:
    """The steering of all slots of a batch.

    Parameters
    ----------
    model : PreTrainedModel
        The subject's model.
    slots : int
        Number of slots.
    columns : int
        Number of positions of a row.
    """

    def __init__(self, model: Any, slots: int, columns: int) -> None:
        self._blocks, self._device = decoder_blocks(model), model.device
        self._slots, self._columns = slots, columns
        self._places: list[tuple[int, int]] = []
        self._handles: dict[int, Any] = {}
        self._pass: _Pass | None = None
        self.numbers = torch.zeros(3, 0, slots, dtype=torch.long, device=self._device)
        self.vectors = torch.zeros(0, slots, model.config.get_text_config().hidden_size, dtype=model.dtype).to(
            self._device
        )
        self.marks = torch.zeros(0, slots, columns, dtype=torch.int32, device=self._device)
        self._first_cells = torch.arange(slots, device=self._device)[:, None] * columns

    # -- rows ----------------------------------------------------------------------------------------------

    def make_room(self, additions: Sequence[Sequence[VectorAddition]]) -> bool:
        """Make buffers for all that rows need; returns whether there are new ones.

        Parameters
        ----------
        additions : sequence of sequence of VectorAddition
            What is added to each row.

        Raises
        ------
        InputError
            If the model does not have a layer.
        """
        wanted = {place for row in additions for place in _places_of(row)} - set(self._places)
        for layer, _ in sorted(wanted):
            if not 0 <= layer < len(self._blocks):
                raise InputError(f"layer {layer}: the model has layers 0 to {len(self._blocks) - 1}")
            if layer not in self._handles:
                hook = _make_adder(self, layer)
                self._handles[layer] = self._blocks[layer].register_forward_hook(hook, prepend=True)
        more = len(wanted)
        self._places += sorted(wanted)
        numbers = self.numbers.new_zeros(3, more, self._slots)
        numbers[STARTS] = LAST
        self.numbers = torch.cat([self.numbers, numbers], dim=1)
        self.vectors = torch.cat([self.vectors, self.vectors.new_zeros(more, *self.vectors.shape[1:])])
        self.marks = torch.cat([self.marks, self.marks.new_zeros(more, *self.marks.shape[1:])])
        return more > 0

    def add_rows(self, slots: Tensor, additions: Sequence[Sequence[VectorAddition]]) -> None:
        """Put new rows in slots, to which nothing has been added yet; `make_room` has been called.

        Parameters
        ----------
        slots : Tensor of int64, shape (rows,)
            Their slots.
        additions : sequence of sequence of VectorAddition
            What is added to each row.
        """
        self._clear(slots)
        flat = [(place, row, each) for row, given in enumerate(additions) for place, each in _placed(given)]
        if not flat:
            return
        where = torch.tensor([(self._places.index(place), row) for place, row, _ in flat], device=self._device)
        places, here = where[:, 0], slots[where[:, 1]]
        vectors = torch.stack([each.delta for _, _, each in flat]).to(self.vectors)
        limits = [(each.start, LAST if each.end is None else each.end) for _, _, each in flat]
        self.vectors[places, here] = vectors
        self.numbers[:ZERO, places, here] = torch.tensor(limits, device=self._device).T
        self.numbers[ZERO, places, here] = (vectors == 0).all(dim=1).long()

    def release(self, slots: Tensor) -> None:
        """Nothing is added to some slots any more."""
        self.numbers[STARTS][:, slots] = LAST

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Move rows with their steering and marks to other slots.

        Parameters
        ----------
        sources : Tensor of int64, shape (rows,)
            Their slots.
        targets : Tensor of int64, shape (rows,)
            Their new slots, which hold no row.
        """
        for part in (self.vectors, self.marks):
            part[:, targets] = part[:, sources]
        self.numbers[:, :, targets] = self.numbers[:, :, sources]
        self.release(sources)

    def take_marks(self, slots: Tensor) -> Tensor:
        """Marks of some slots, shape (buffers, rows, columns), on the device."""
        return self.marks[:, slots]

    def check_marks(
        self, marks: Marks, additions: Sequence[VectorAddition], read: int, computed: Counter[int]
    ) -> tuple[tuple[range, ...], str | None]:
        """Where a row was steered, and what is wrong with that if anything is.

        Parameters
        ----------
        marks : array of int32, shape (buffers, columns)
            The row's marks.
        additions : sequence of VectorAddition
            What was to be added to it.
        read : int
            Number of positions that its response stands on.
        computed : Counter of int
            How many times each position was computed; a step that began before the last token was known may lie behind
            `read`.

        Returns
        -------
        (tuple of range, str or None)
            Positions below `read` that were touched by each addition, and an error.
        """
        times = np.zeros(self._columns, dtype=np.int32)
        for position, count in computed.items():
            times[position] = count
        expected = np.zeros_like(marks)
        touched, due = [], []
        for place, addition in _placed(additions):
            number = self._places.index(place)
            here = addition.due_positions(self._columns)
            expected[number, here.start : here.stop] = times[here.start : here.stop]
            made = np.flatnonzero(marks[number, :read])
            touched.append(range(int(made[0]), int(made[-1]) + 1) if len(made) else range(0))
            due.append(addition.due_positions(read))
        if np.array_equal(marks, expected):
            return tuple(touched), None
        number, position = (int(each[0]) for each in np.nonzero(marks != expected))
        return tuple(touched), misplaced_steering(touched, due) or (
            f"a vector was added {marks[number, position]} times at position {position} after block "
            f"{self._places[number][0]}, {expected[number, position]} were due there"
        )

    def _clear(self, slots: Tensor) -> None:
        self.release(slots)
        self.marks[:, slots] = 0

    # -- a pass --------------------------------------------------------------------------------------------

    @contextmanager
    def running(self, positions: Tensor, slots: Tensor | slice) -> Iterator[None]:
        """Context in which the model runs rows, each steered as its slot says; outside of it the model runs as it is.

        Parameters
        ----------
        positions : Tensor of int64, shape (rows, columns)
            Their positions, those with which the model is called.
        slots : Tensor of int64 or slice
            Their slots.
        """
        now = self._pass = _Pass(positions, slots, self._first_cells[slots] + positions, self.numbers)
        try:
            yield
        finally:
            self._pass = None
        if self._places:
            flat = self.marks.view(len(self._places), -1)
            cells = now.cells.reshape(1, -1).expand(len(self._places), -1)
            flat.scatter_add_(1, cells, now.changed.flatten(1).int())

    def add_vectors(self, layer: int, output: Any) -> Any:
        """The output of a block with the vectors that are due after it.

        Parameters
        ----------
        layer : int
            Index of the block.
        output : Tensor or tuple
            Its output, hidden states of shape (rows, columns, width), alone or as the first element of a tuple.

        Returns
        -------
        Tensor or tuple
            As `output`, with a new tensor.
        """
        now = self._pass
        if now is None:
            return output
        hidden = output[0] if isinstance(output, tuple) else output
        for number, (block, _) in enumerate(self._places):
            if block == layer:
                vectors = self.vectors[number, now.slots, None]
                after = hidden + torch.where(now.due[number, :, :, None], vectors, 0.0)
                changed = now.changed[number]
                torch.any(after != hidden, dim=2, out=changed)
                changed |= now.zero_due[number]
                hidden = after
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def remove_hooks(self) -> None:
        """Remove all hooks."""
        while self._handles:
            self._handles.popitem()[1].remove()


def _placed(additions: Sequence[VectorAddition]) -> Iterator[tuple[tuple[int, int], VectorAddition]]:
    """Each addition of a row with its block and its number among those of the row at this block."""
    seen: Counter[int] = Counter()
    for addition in additions:
        yield (addition.layer, seen[addition.layer]), addition
        seen[addition.layer] += 1


def _places_of(additions: Sequence[VectorAddition]) -> Iterator[tuple[int, int]]:
    return (place for place, _ in _placed(additions))


def _make_adder(steering: DenseSteering, layer: int) -> Any:
    def hook(_module: Any, _args: Any, output: Any) -> Any:
        return steering.add_vectors(layer, output)

    return hook
