"""Key/value caches: prompts computed once, cut at any position, repeated for rows, joined with left padding.

Every layer keeps all positions, also where the model attends to a sliding window only: the model's own mask sees to
the window, and a cache that never forgets can be cut and joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

Pair = tuple[Tensor, Tensor]
Pairs = list[Pair]


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer in a block with room for later positions, so that a step copies one column only.

    `keys` and `values` (rows, heads, positions so far, width) are views of the block.
    """

    def __init__(self, block: Pair, used: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.block = block
        self.dtype, self.device, self.is_initialized = block[0].dtype, block[0].device, True
        self._show(used)

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> Pair:
        """Write the new positions behind those so far; returns all of them."""
        used = self.get_seq_length()
        for block, new in zip(self.block, (key_states, value_states), strict=True):
            block[:, :, used : used + new.shape[2]] = new
        return self._show(used + key_states.shape[2])

    def keep(self, rows: Tensor, drop: int) -> None:
        """Only `rows` stay, without their first `drop` positions."""
        used = self.get_seq_length()
        old, self.block = self.block, (_block(self.block[0], rows, drop), _block(self.block[1], rows, drop))
        for block, part in zip(self.block, old, strict=True):
            block[:, :, : used - drop] = part[rows, :, drop:used]
        self._show(used - drop)

    def _show(self, used: int) -> Pair:
        keys, values = (block[:, :, :used] for block in self.block)
        self.keys, self.values = keys, values
        return keys, values


def _block(like: Tensor, rows: Tensor, drop: int) -> Tensor:
    return like.new_empty(len(rows), like.shape[1], like.shape[2] - drop, like.shape[3])


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


def first(pairs: Pairs, positions: int, rows: int) -> Pairs:
    """The first positions of a one-row cache, for each of `rows` rows."""
    return [
        (keys[:, :, :positions].expand(rows, -1, -1, -1), values[:, :, :positions].expand(rows, -1, -1, -1))
        for keys, values in pairs
    ]


def join(groups: Sequence[Pairs], room: int) -> Cache:
    """All groups' rows in one cache with `room` for later positions.

    Shorter groups are padded on the left with zeros, which the attention mask must hide.
    """
    longest = max(group[0][0].shape[2] for group in groups)
    layers = []
    for layer in range(len(groups[0])):
        keys = _aligned([group[layer][0] for group in groups], longest, room)
        values = _aligned([group[layer][1] for group in groups], longest, room)
        layers.append(RoomyLayer((keys, values), longest))
    return Cache(layers=list(layers))


def _aligned(parts: Sequence[Tensor], longest: int, room: int) -> Tensor:
    rows = sum(part.shape[0] for part in parts)
    block = parts[0].new_zeros(rows, parts[0].shape[1], longest + room, parts[0].shape[3])
    begin = 0
    for part in parts:
        block[begin : begin + part.shape[0], :, longest - part.shape[2] : longest] = part
        begin += part.shape[0]
    return block


def keep_rows(cache: Cache, rows: Tensor, drop: int) -> None:
    """Only `rows` stay in a joined cache, without their first `drop` positions (padding of all of them)."""
    layers: list[Any] = cache.layers
    for layer in layers:
        layer.keep(rows, drop)
