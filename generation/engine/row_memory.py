"""What the rows of a batch remember, and how their next positions are run: in slots, or each prompt's rows in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from gnomon.generation.caches.attention_masks import column_mask, decode_masks
from gnomon.generation.caches.slot_layers import SlotCache
from gnomon.generation.engine.forward import (
    COLUMNS,
    OWN,
    UNMASKED,
    HiddenStates,
    LastHidden,
    hidden_states,
    last_hidden,
)
from gnomon.generation.engine.injection import Injection
from gnomon.generation.engine.prompt_cache import PromptCache, filled_cache, keep_rows
from gnomon.generation.subjects.loading import LoadedSubject


class RowMemory(Protocol):
    """What the rows in slots 0, 1, ... remember of their earlier positions."""

    def prefill(self, slots: Sequence[int], prompt: tuple[int, ...], begin: int) -> HiddenStates:
        """Run the positions of a prompt from `begin` on for new rows in consecutive slots."""

    def decode(self, tokens: Sequence[int], places: Sequence[int]) -> LastHidden:
        """Run one token of each of the first rows, at its position."""

    def move_row(self, source: int, target: int, columns: int) -> None:
        """Move a row that has computed so many positions to another slot, whose row has left."""

    def remove_row(self, slot: int, is_damaged: bool) -> None:
        """A row leaves its slot; what it holds is not finite if it is damaged."""


def row_memory(
    subject: LoadedSubject, injection: Injection, prompts: PromptCache, slots: int, columns: int
) -> RowMemory:
    """The memory that a subject's model needs.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    injection : Injection
        The installed hooks.
    prompts : PromptCache
        Caches of unsteered prompts.
    slots : int
        Largest number of rows.
    columns : int
        Largest number of positions per row.
    """
    if prompts.form.cache == OWN:
        return StepMemory(subject, injection, prompts)
    return SlotMemory(subject, injection, prompts, slots, columns)


class SlotMemory:
    """All rows in the slots of one cache, in any mixture of prompts; the parameters are those of `row_memory`."""

    def __init__(
        self, subject: LoadedSubject, injection: Injection, prompts: PromptCache, slots: int, columns: int
    ) -> None:
        self._subject, self._injection, self._prompts = subject, injection, prompts
        self._cache = SlotCache(prompts.kinds, slots, columns)

    def prefill(self, slots: Sequence[int], prompt: tuple[int, ...], begin: int) -> HiddenStates:
        """Run the positions of a prompt from `begin` on for new rows in consecutive slots."""
        with self._injection.pause_steering():
            shared = self._prompts.beginning(prompt, begin)
        self._injection.select_rows(slots)
        self._cache.prefill_slots(slots[0], len(slots), begin, len(prompt), shared)
        return self._prompts.run_prompt(prompt[begin:], begin, len(slots), self._cache)

    def decode(self, tokens: Sequence[int], places: Sequence[int]) -> LastHidden:
        """Run one token of each of the first rows, at its position."""
        model, device, width = self._subject.model, self._subject.model_device, max(places) + 1
        positions, ids = torch.tensor(places, device=device), torch.tensor(tokens, device=device)
        self._injection.select_rows(range(len(places)))
        self._cache.decode_slots(positions, width)
        masks = step_masks(self._prompts.form.masks, model, positions, width)
        return last_hidden(model, ids[:, None], positions[:, None], masks, self._cache)

    def move_row(self, source: int, target: int, columns: int) -> None:
        """Move a row that has computed so many positions to another slot, whose row has left."""
        self._cache.move_slot(source, target, columns)

    def remove_row(self, slot: int, is_damaged: bool) -> None:
        """A row leaves its slot; what it holds is not finite if it is damaged."""
        if is_damaged:
            self._cache.clear_slot(slot)


def step_masks(form: str, model: Any, positions: Tensor, width: int) -> Any:
    """Masks of a step of decoding in the form that a model reads.

    Parameters
    ----------
    form : str
        `KINDS`, `COLUMNS` or `UNMASKED`.
    model : PreTrainedModel
        The subject's model.
    positions : Tensor of int64, shape (rows,)
        Position of each row's token.
    width : int
        Number of cache columns, greater than every position.
    """
    if form == UNMASKED:
        return None
    return column_mask(positions, width) if form == COLUMNS else decode_masks(model, positions, width)


@dataclass
class _Group:
    """Rows that joined together and go in step, in one cache of the model's own: their slots, in the cache's order."""

    slots: list[int]
    cache: Cache


class StepMemory:
    """Rows of the same prompt in step, in a cache of the model's own, for models whose cache has no slots here.

    The parameters are those of `row_memory`.
    """

    def __init__(self, subject: LoadedSubject, injection: Injection, prompts: PromptCache) -> None:
        self._subject, self._injection, self._prompts = subject, injection, prompts
        self._groups: list[_Group] = []

    def prefill(self, slots: Sequence[int], prompt: tuple[int, ...], begin: int) -> HiddenStates:
        """Run the positions of a prompt from `begin` on for new rows in consecutive slots."""
        with self._injection.pause_steering():
            cache = self._prompts.begun_cache(prompt, begin, len(slots), len(prompt))
        self._injection.select_rows(slots)
        hidden = self._prompts.run_prompt(prompt[begin:], begin, len(slots), cache)
        self._groups.append(_Group(list(slots), filled_cache(hidden)))
        return hidden

    def decode(self, tokens: Sequence[int], places: Sequence[int]) -> LastHidden:
        """Run one token of each of the first rows, at its position."""
        found: list[LastHidden] = []
        for group in self._groups:
            self._injection.select_rows(group.slots)
            found.append(self._step([tokens[slot] for slot in group.slots], places[group.slots[0]], group.cache))
        order = [slot for group in self._groups for slot in group.slots]
        back = torch.tensor([order.index(slot) for slot in range(len(order))], device=found[0].last.device)
        return LastHidden(found[0].parts, torch.cat([each.last for each in found])[back], found[0].kind)

    def _step(self, tokens: list[int], place: int, cache: Cache) -> LastHidden:
        device = self._subject.model_device
        ids = torch.tensor(tokens, device=device)[:, None]
        positions: Tensor = torch.full_like(ids, place)
        ones = torch.ones(len(tokens), place + 1, dtype=torch.long, device=device)
        mask = None if self._prompts.form.masks == UNMASKED else ones
        return hidden_states(self._subject.model, ids, positions, mask, cache).at_column(-1)

    def move_row(self, source: int, target: int, columns: int) -> None:
        """Move a row that has computed so many positions to another slot, whose row has left."""
        for group in self._groups:
            group.slots = [target if slot == source else slot for slot in group.slots]

    def remove_row(self, slot: int, is_damaged: bool) -> None:
        """A row leaves its slot; what it holds is not finite if it is damaged."""
        for group in self._groups:
            if slot in group.slots:
                kept = [place for place, each in enumerate(group.slots) if each != slot]
                group.slots = [group.slots[place] for place in kept]
                keep_rows(group.cache, torch.tensor(kept, dtype=torch.long, device=self._subject.model_device))
        self._groups = [group for group in self._groups if group.slots]
