"""Key/value caches: the batch's, in which a row's position is its column, and those of prompts, made once and shared.

Every layer keeps all positions, also where the model attends to a sliding window only: the mask sees to the window, and
a cache that never forgets can be cut at any position.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

Pair = tuple[Tensor, Tensor]
Pairs = list[Pair]


class _SlotLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer: two blocks (slots, heads, columns, width), made when the first values come."""

    def __init__(self, cache: SlotCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cache = cache
        self.is_initialized = True
        self.blocks: Pair | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> Pair:
        """Write what is new where the cache says; returns all that the rows under way may attend to."""
        keys, values = self.allocated_blocks(key_states, value_states)
        return self.cache.write_states(keys, key_states), self.cache.write_states(values, value_states)

    def allocated_blocks(self, keys: Tensor, values: Tensor) -> Pair:
        """The blocks; zeros at first, since a masked column must still be finite."""
        if self.blocks is None:
            shapes = [(self.cache.slots, like.shape[1], self.cache.columns, like.shape[3]) for like in (keys, values)]
            self.blocks = (keys.new_zeros(shapes[0]), values.new_zeros(shapes[1]))
        return self.blocks

    def get_seq_length(self) -> int:
        """Positions before those that run now."""
        return self.cache.before


class SlotCache(Cache):
    """Keys and values of the rows of a batch; row i of the batch lives in slot i and its position p in column p.

    So nothing is padded, a row that leaves is replaced without touching its neighbours, and no more memory is taken
    than the rows' own positions. `prefill` and `decode` say what the model's next call writes.
    """

    def __init__(self, layers: int, slots: int, columns: int) -> None:
        self.slots, self.columns = slots, columns
        self.before = 0
        self._rows: Tensor | None = None
        self._places: Tensor | None = None
        super().__init__(layers=[_SlotLayer(self) for _ in range(layers)])

    def prefill_slots(self, slots: Tensor, begin: int, end: int, shared: Pairs | None) -> None:
        """Positions `begin` to `end` of the rows in `slots` come next; those before are copied from `shared`."""
        self.before, self._rows, self._places = begin, slots, None
        self._end = end
        if begin and shared is not None:
            for layer, pair in zip(self._slot_layers(), shared, strict=True):
                for block, part in zip(layer.allocated_blocks(*pair), pair, strict=True):
                    block[slots, :, :begin] = part[:, :, :begin]

    def decode_slots(self, positions: Tensor, width: int) -> None:
        """One token of each of the first rows comes next, at `positions` (rows,), all of them below `width`."""
        self.before, self._rows, self._places = width - 1, None, positions
        self._index = torch.arange(len(positions), device=positions.device)

    def write_states(self, block: Tensor, new: Tensor) -> Tensor:
        """Put new states (rows, heads, tokens, width) in a block; returns what their rows may attend to."""
        if self._places is not None:
            block[self._index, :, self._places] = new[:, :, 0]
            return block[: len(self._places), :, : self.before + 1]
        block[self._rows, :, self.before : self._end] = new
        return block[self._rows, :, : self._end]

    def move_slot(self, source: int, target: int, columns: int) -> None:
        """Give the row in slot `source` the slot `target`; it has filled `columns`."""
        for layer in self._slot_layers():
            for block in layer.blocks or ():
                block[target, :, :columns] = block[source, :, :columns]

    def clear_slot(self, slot: int) -> None:
        """Zero a slot whose values are not finite: masked or not, they would spoil the row that comes after."""
        for layer in self._slot_layers():
            for block in layer.blocks or ():
                block[slot] = 0.0

    def _slot_layers(self) -> list[_SlotLayer]:
        layers: list[Any] = self.layers
        return layers


def cache_of(pairs: Pairs) -> DynamicCache:
    """A cache that holds the given keys and values, (rows, heads, positions, width) of each layer."""
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(pairs):
        cache.update(keys, values, layer)
    return cache


def pairs_of(cache: Cache) -> Pairs:
    """Keys and values of each layer."""
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def first_positions(pairs: Pairs, positions: int) -> Pairs:
    """The first positions of a cache."""
    return [(keys[:, :, :positions], values[:, :, :positions]) for keys, values in pairs]
