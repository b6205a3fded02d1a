"""Caches of unsteered prompts, and of what prompts have in common up to the first position that a row computes.

Keys and values by position can be cut at any of them, so one cache of a prompt serves all rows. Where a model keeps
states too, or something of its own, there is one cache for each beginning of a prompt that rows need.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache

from gnomon.data.errors import InputError
from gnomon.generation.caches.kv_cache import Pairs, cache_of, first_positions, pairs_of
from gnomon.generation.caches.slot_layers import LayerKind, SlotCache, layer_kinds
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.forward import POSITIONS, SLOTS, UNMASKED, HiddenStates, hidden_states, model_parts
from gnomon.generation.subjects.loading import LoadedSubject

KEPT_BYTES = 2**30
"""Size of the caches that are kept; a battery puts thousands of prompts."""


class PromptCache:
    """Caches of unsteered prompts, each computed alone, and shared by all rows that may use it.

    The least recently used ones are dropped if all together are larger than `KEPT_BYTES`.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    """

    def __init__(self, subject: LoadedSubject) -> None:
        self._subject = subject
        self.form = model_parts(subject.model).form
        self._kept: dict[tuple[int, ...], Pairs | Cache] = {}
        self._bytes = 0
        self._begun: tuple[int, ...] = ()
        self._beginning: Pairs = []

    @property
    def kinds(self) -> int | tuple[LayerKind, ...]:
        """What the layers of a batch's cache keep."""
        found = layer_kinds(self._subject.model) if self.form.cache == SLOTS else None
        return self._subject.layers if found is None else found

    def first_computed(self, request: TrialRequest) -> int:
        """First position that a row computes itself: of a model that cannot go on from an earlier one, the first."""
        return request.first_computed if self.form.continues else 0

    def beginning(self, prompt: tuple[int, ...], begin: int) -> Pairs | Cache | None:
        """What is kept of the positions of a prompt before `begin`, for one row; None for none.

        Keys and values may be of more positions than asked for.

        Parameters
        ----------
        prompt : tuple of int
            Token ids.
        begin : int
            First position that is not kept.
        """
        if not begin:
            return None
        tokens = prompt[:-1] if self.form.cache == POSITIONS else prompt[:begin]
        found = self._kept.pop(tokens, None)
        if found is None:
            found = self._compute(tokens)
            self._bytes += _kept_size(found)
        self._kept[tokens] = found
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= _kept_size(self._kept.pop(next(iter(self._kept))))
        return found

    def _compute(self, tokens: tuple[int, ...]) -> Pairs | Cache:
        cache = filled_cache(self.run_prompt(tokens, 0, 1, self.empty_cache(1, len(tokens))))
        return pairs_of(cache) if self.form.cache == POSITIONS else cache

    def empty_cache(self, rows: int, columns: int) -> Cache | None:
        """An empty cache for rows that compute the same number of positions, from 0 on; None if the model makes it.

        Parameters
        ----------
        rows : int
            Number of rows.
        columns : int
            Number of positions.
        """
        if self.form.cache == SLOTS:
            cache = SlotCache(self.kinds, rows, columns)
            cache.prefill_slots(0, rows, 0, columns)
            return cache
        return DynamicCache() if self.form.cache == POSITIONS else None

    def begun_cache(self, prompt: tuple[int, ...], begin: int, rows: int, columns: int) -> Cache | None:
        """A cache of rows that have computed the positions of a prompt before `begin`, to be filled up to `columns`.

        Parameters
        ----------
        prompt : tuple of int
            Token ids.
        begin : int
            First position that the rows compute.
        rows : int
            Number of rows.
        columns : int
            Position after the last that the next call of the model computes.
        """
        shared = self.beginning(prompt, begin)
        if shared is None:
            return self.empty_cache(rows, columns)
        if isinstance(shared, SlotCache):
            cache = SlotCache(self.kinds, rows, columns)
            cache.prefill_slots(0, rows, begin, columns, shared)
            return cache
        if isinstance(shared, Cache):
            own = copy.deepcopy(shared)
            keep_rows(own, torch.zeros(rows, dtype=torch.long, device=self._subject.model_device))
            return own
        pairs = first_positions(shared, begin)
        return cache_of([(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in pairs])

    def row_bytes(self, columns: int) -> int:
        """Size of what a row keeps, in bytes, for a number of positions; the model runs a token to find it out.

        Parameters
        ----------
        columns : int
            Number of positions.
        """
        cache = filled_cache(self.run_prompt([0], 0, 1, self.empty_cache(1, 1)))
        return cache.row_bytes(columns) if isinstance(cache, SlotCache) else columns * cache_size(cache)

    def cached_beginning(self, tokens: tuple[int, ...]) -> Pairs:
        """The cache of a prompt's first tokens, which goes on from what they share with those asked for before.

        So it is computed in parts, whose sums may differ in their last bits: for readings, not for rows that are
        decoded, whose tokens must be the same in every order.
        """
        shared = shared_length(self._begun, tokens)
        if shared < len(tokens):
            cache = cache_of(first_positions(self._beginning, shared)) if shared else DynamicCache()
            self.run_prompt(tokens[shared:], shared, 1, cache)
            self._begun, self._beginning = tokens, pairs_of(cache)
        return self._beginning

    def shared_positions(self, tokens: tuple[int, ...]) -> int:
        """How many of a prompt's first tokens `cached_beginning` holds already."""
        return shared_length(self._begun, tokens)

    def run_prompt(self, tokens: Sequence[int], begin: int, rows: int, cache: Cache | None) -> HiddenStates:
        """Run the same tokens in each row, at consecutive positions.

        Parameters
        ----------
        tokens : sequence of int
            Token ids.
        begin : int
            Position of the first token.
        rows : int
            Number of rows.
        cache : Cache, optional
            Cache with the positions before `begin`; the tokens are added to it. None where the model makes its own.

        Returns
        -------
        HiddenStates
            Hidden states of each row's positions from `begin` on.
        """
        device = self._subject.model_device
        ids = torch.tensor(tokens, device=device).expand(rows, -1)
        positions = torch.arange(begin, begin + len(tokens), device=device).expand(rows, -1)
        ones = torch.ones(rows, begin + len(tokens), dtype=torch.long, device=device)
        mask = None if self.form.masks == UNMASKED else ones
        return hidden_states(self._subject.model, ids, positions, mask, cache)


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts begin with that are the same.

    Parameters
    ----------
    one, other : sequence of int
        Token ids.
    """
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def filled_cache(hidden: HiddenStates) -> Cache:
    """The cache that a call of a model has filled.

    Raises
    ------
    InputError
        If the model gave none back.
    """
    if not isinstance(hidden.cache, Cache):
        raise InputError("it keeps what it knows of earlier positions in no cache that it gives back")
    return hidden.cache


def keep_rows(cache: Cache, rows: Tensor) -> None:
    """Keep some rows of a model's own cache, in a new order; a row may be kept several times.

    Parameters
    ----------
    cache : Cache
        The cache, which is changed.
    rows : Tensor of int64, shape (rows,)
        The rows that are kept.
    """
    selects_itself = type(cache).batch_select_indices is not Cache.batch_select_indices
    keep: Any = cache.batch_select_indices if selects_itself else cache.reorder_cache
    keep(rows)


def cache_size(cache: Cache) -> int:
    """Size of all tensors of a cache, in bytes."""
    found: dict[int, int] = {}
    for layer in cache.layers:
        for held in vars(layer).values():
            parts = held.values() if isinstance(held, dict) else held if isinstance(held, tuple) else (held,)
            found.update({id(part): part.numel() * part.element_size() for part in parts if isinstance(part, Tensor)})
    return sum(found.values())


def _kept_size(kept: Pairs | Cache) -> int:
    if isinstance(kept, Cache):
        return cache_size(kept)
    return sum(part.numel() * part.element_size() for pair in kept for part in pair)
