"""Caches of unsteered prompts, and of what prompts have in common up to the first position that a row computes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache

from gnomon.generation.engine.forward import HiddenStates, hidden_states
from gnomon.generation.engine.kv_cache import Pairs, cache_of, first_positions, pairs_of
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
        self._kept: dict[tuple[int, ...], Pairs] = {}
        self._bytes = 0
        self._begun: tuple[int, ...] = ()
        self._beginning: Pairs = []

    def cached_prompt(self, prompt: tuple[int, ...]) -> Pairs:
        """The cache of a prompt without its last token, which every row computes itself."""
        found = self._kept.pop(prompt, None)
        if found is None:
            cache = DynamicCache()
            self.run_prompt(prompt[:-1], 0, 1, cache)
            found = pairs_of(cache)
            self._bytes += _pairs_size(found)
        self._kept[prompt] = found
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= _pairs_size(self._kept.pop(next(iter(self._kept))))
        return found

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

    def run_prompt(self, tokens: Sequence[int], begin: int, rows: int, cache: Cache) -> HiddenStates:
        """Run the same tokens in each row, at consecutive positions.

        Parameters
        ----------
        tokens : sequence of int
            Token ids.
        begin : int
            Position of the first token.
        rows : int
            Number of rows.
        cache : Cache
            Cache with the positions before `begin`; the tokens are added to it.

        Returns
        -------
        HiddenStates
            Hidden states of each row's positions from `begin` on.
        """
        device = self._subject.model_device
        ids = torch.tensor(tokens, device=device).expand(rows, -1)
        positions = torch.arange(begin, begin + len(tokens), device=device).expand(rows, -1)
        mask = torch.ones(rows, begin + len(tokens), dtype=torch.long, device=device)
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


def _pairs_size(pairs: Pairs) -> int:
    return sum(part.numel() * part.element_size() for pair in pairs for part in pair)
