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
