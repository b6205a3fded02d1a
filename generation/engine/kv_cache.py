"""Key-value caches: that of a batch, in which a row's position is its column, and shared ones of prompts.

Every layer keeps all positions, also if the model attends only to a sliding window: the mask applies the window, and a
cache that keeps everything can be cut at any position.
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
    """Keys and values of one layer: two blocks (slots, heads, columns, width), allocated at the first update."""

    def __init__(self, cache: SlotCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cache = cache
        self.is_initialized = True
        self.blocks: Pair | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> Pair:
        """Write new states where the cache says; returns all states that the current rows may attend to."""
        keys, values = self.allocated_blocks(key_states, value_states)
        return self.cache.write_states(keys, key_states), self.cache.write_states(values, value_states)

    def allocated_blocks(self, keys: Tensor, values: Tensor) -> Pair:
        """The blocks. They start as zeros, because a masked column must still be finite.

        Parameters
        ----------
        keys : Tensor, shape (rows, heads, tokens, width)
            Keys; their shape and type are those of the block.
        values : Tensor, shape (rows, heads, tokens, width)
            Values, likewise.
        """
        if self.blocks is None:
            shapes = [(self.cache.slots, like.shape[1], self.cache.columns, like.shape[3]) for like in (keys, values)]
            self.blocks = (keys.new_zeros(shapes[0]), values.new_zeros(shapes[1]))
        return self.blocks

    def get_seq_length(self) -> int:
        """Number of positions before those that run now."""
        return self.cache.before


class SlotCache(Cache):
    """Keys and values of the rows of a batch; row i of the batch is in slot i and its position p in column p.

    Nothing is padded, a row that leaves is replaced without touching the others, and no more memory is used than the
    rows' own positions need. `prefill_slots` and `decode_slots` say what the model's next call writes.

    Parameters
    ----------
    layers : int
        Number of layers.
    slots : int
        Number of rows.
    columns : int
        Number of positions per row.
    """

    def __init__(self, layers: int, slots: int, columns: int) -> None:
        self.slots, self.columns = slots, columns
        self.before = 0
        self._rows: Tensor | None = None
        self._places: Tensor | None = None
        super().__init__(layers=[_SlotLayer(self) for _ in range(layers)])

    def prefill_slots(self, slots: Tensor, begin: int, end: int, shared: Pairs | None) -> None:
        """Prepare the next call of the model to write a range of positions of some rows.

        Parameters
        ----------
        slots : Tensor of int64, shape (rows,)
            Slots of the rows.
        begin, end : int
            First position, and the one after the last.
        shared : list of (Tensor, Tensor), optional
            Keys and values of each layer, from which the positions before `begin` are copied.
        """
        self.before, self._rows, self._places = begin, slots, None
        self._end = end
        if begin and shared is not None:
            for layer, pair in zip(self._slot_layers(), shared, strict=True):
                for block, part in zip(layer.allocated_blocks(*pair), pair, strict=True):
                    block[slots, :, :begin] = part[:, :, :begin]

    def decode_slots(self, positions: Tensor, width: int) -> None:
        """Prepare the next call of the model to write one token of each of the first rows.

        Parameters
        ----------
        positions : Tensor of int64, shape (rows,)
            Position of each row's token.
        width : int
            Number of columns that may be attended to, greater than every position.
        """
        self.before, self._rows, self._places = width - 1, None, positions
        self._index = torch.arange(len(positions), device=positions.device)

    def write_states(self, block: Tensor, new: Tensor) -> Tensor:
        """Write new states into a block, as the last `prefill_slots` or `decode_slots` said.

        Parameters
        ----------
        block : Tensor, shape (slots, heads, columns, width)
            Keys or values of one layer.
        new : Tensor, shape (rows, heads, tokens, width)
            Their new states.

        Returns
        -------
        Tensor, shape (rows, heads, positions, width)
            States that the rows may attend to.
        """
        if self._places is not None:
            block[self._index, :, self._places] = new[:, :, 0]
            return block[: len(self._places), :, : self.before + 1]
        block[self._rows, :, self.before : self._end] = new
        return block[self._rows, :, : self._end]

    def move_slot(self, source: int, target: int, columns: int) -> None:
        """Move a row to another slot.

        Parameters
        ----------
        source : int
            Slot of the row.
        target : int
            Its new slot; what was there is overwritten.
        columns : int
            Number of columns that the row has filled.
        """
        for layer in self._slot_layers():
            for block in layer.blocks or ():
                block[target, :, :columns] = block[source, :, :columns]

    def clear_slot(self, slot: int) -> None:
        """Set a slot to zero whose values are not finite: even masked they would affect the next row in the slot."""
        for layer in self._slot_layers():
            for block in layer.blocks or ():
                block[slot] = 0.0

    def _slot_layers(self) -> list[_SlotLayer]:
        layers: list[Any] = self.layers
        return layers


class _PrefixLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer before a position, the same for every row; what a call adds is not kept."""

    def __init__(self, pair: Pair | None, positions: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_initialized = True
        self._pair, self._positions = pair, positions

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> Pair:
        """The shared states and behind them the new ones, in as many rows as these have."""
        if self._pair is None:
            return key_states, value_states
        keys, values = (
            torch.cat([before[:, :, : self._positions].expand(len(new), -1, -1, -1), new], dim=2)
            for before, new in zip(self._pair, (key_states, value_states), strict=True)
        )
        return keys, values

    def get_seq_length(self) -> int:
        """Number of shared positions."""
        return self._positions


class BeginningCache(Cache):
    """Shared keys and values of a prompt's beginning, for one call of the model in any number of rows.

    Parameters
    ----------
    pairs : list of (Tensor, Tensor)
        Keys and values of each layer, shape (1, heads, positions, width); empty if nothing is shared.
    positions : int
        Number of positions that are shared.
    layers : int
        Number of layers.
    """

    def __init__(self, pairs: Pairs, positions: int, layers: int) -> None:
        shared: list[Pair | None] = [*pairs] if pairs else [None] * layers
        super().__init__(layers=[_PrefixLayer(pair, positions) for pair in shared])


def cache_of(pairs: Pairs) -> DynamicCache:
    """A cache that holds the given keys and values, shape (rows, heads, positions, width) per layer."""
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(pairs):
        cache.update(keys, values, layer)
    return cache


def pairs_of(cache: Cache) -> Pairs:
    """Keys and values of each layer of a cache."""
    layers: list[Any] = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def first_positions(pairs: Pairs, positions: int) -> Pairs:
    """Keys and values of the first positions of a cache.

    Parameters
    ----------
    pairs : list of (Tensor, Tensor)
        Keys and values of each layer, shape (rows, heads, positions, width).
    positions : int
        Number of positions to keep.
    """
    return [(keys[:, :, :positions], values[:, :, :positions]) for keys, values in pairs]
