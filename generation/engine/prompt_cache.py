"""Caches of unsteered prompts: what every row of a prompt shares up to the first position that it computes itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache

from gnomon.generation.engine.forward import HiddenStates, hidden_states
from gnomon.generation.engine.kv_cache import Pairs, pairs_of
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


def _pairs_size(pairs: Pairs) -> int:
    return sum(part.numel() * part.element_size() for pair in pairs for part in pair)
