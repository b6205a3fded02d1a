"""Continuous batch: admits new rows, decodes one token per row per step, removes finished rows. Knows no study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache

from gnomon.generation.engine.attention_masks import decode_masks
from gnomon.generation.engine.base import EngineAnswer, TrialRequest
from gnomon.generation.engine.forward import LastHidden, last_hidden
from gnomon.generation.engine.injection import Injection, InjectionError
from gnomon.generation.engine.kv_cache import Pairs, SlotCache, cache_of, first_positions, pairs_of
from gnomon.generation.engine.sampling import choose_tokens
from gnomon.generation.subjects.loading import LoadedSubject

NEAR = 1e-5
TOKENS_TOGETHER = 4096


@dataclass
class BatchRow:
    """A request in progress: tokens generated, positions computed, and how it ended."""

    index: int
    request: TrialRequest
    tokens: list[int] = field(default_factory=list)
    read: int = 0
    text: str | None = None
    finish: str | None = None
    error: str | None = None


class ContinuousBatch:
    """Rows in progress in slots 0, 1, ... of one cache, each with its own condition; slot `slots` serves to break ties.

    `settled` counts tokens whose choice was so close that rounding could have changed it.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    injection : Injection
        The installed hooks, with `slots + 1` slots.
    clean : PromptCache
        Caches of unsteered prompts.
    slots : int
        Largest number of rows.
    columns : int
        Largest number of positions per row.
    """

    def __init__(
        self, subject: LoadedSubject, injection: Injection, clean: PromptCache, slots: int, columns: int
    ) -> None:
        self.rows: list[BatchRow] = []
        self.slots, self.settled = slots, 0
        self._subject, self._model, self._injection, self._clean = subject, subject.model, injection, clean
        self._cache = SlotCache(subject.layers, slots, columns)
        self._stops = stop_tokens(subject)
        self._near = NEAR if subject.model.dtype in (torch.float32, torch.float64) else 0.0

    @property
    def free_rows(self) -> int:
        """Number of slots without a row."""
        return self.slots - len(self.rows)

    # -- admission -----------------------------------------------------------------------------------------

    def add_rows(self, rows: Sequence[BatchRow]) -> None:
        """Run the prompts of new rows, each from its first steered position, and choose each row's first token."""
        groups: dict[tuple[tuple[int, ...], int], list[BatchRow]] = {}
        for row in rows:
            groups.setdefault((row.request.prompt, row.request.first_steered), []).append(row)
        for (prompt, begin), members in groups.items():
            together = max(1, TOKENS_TOGETHER // (len(prompt) - begin))
            for start in range(0, len(members), together):
                self._prefill_rows(members[start : start + together], prompt, begin)

    def _prefill_rows(self, rows: Sequence[BatchRow], prompt: tuple[int, ...], begin: int) -> None:
        slots = list(range(len(self.rows), len(self.rows) + len(rows)))
        for slot, row in zip(slots, rows, strict=True):
            self._injection.set_row(slot, row.request.addition)
            row.read = len(prompt)
        self._injection.select_rows(slots)
        self._cache.prefill_slots(
            self._row_tensor(slots), begin, len(prompt), self._clean.cached_prompt(prompt) if begin else None
        )
        hidden = self._clean.run_prompt(prompt[begin:], begin, len(rows), self._cache)
        self.rows += rows
        self._choose_tokens(rows, hidden)

    # -- decoding ------------------------------------------------------------------------------------------

    def decode_step(self) -> None:
        """Read each row's last token back and choose its next one."""
        rows = self.rows
        places = [row.read for row in rows]
        positions, width = self._row_tensor(places), max(places) + 1
        self._injection.select_rows(range(len(rows)))
        self._cache.decode_slots(positions, width)
        masks = decode_masks(self._model, positions, width)
        ids = self._row_tensor([row.tokens[-1] for row in rows])
        hidden = last_hidden(self._model, ids[:, None], positions[:, None], masks, self._cache)
        for row in rows:
            row.read += 1
        self._choose_tokens(rows, hidden)

    def _choose_tokens(self, rows: Sequence[BatchRow], hidden: LastHidden) -> None:
        drawn = [
            choice
            for part in hidden.head_slices()
            for choice in self._tokens_drawn(rows[part], hidden.next_logits(part))
        ]
        for row, (token, tie, fine) in zip(rows, drawn, strict=True):
            if not fine:
                row.finish, row.error = "error", _not_finite(row)
            else:
                self._append_token(row, self._break_tie(row) if tie else token)

    def _tokens_drawn(self, rows: Sequence[BatchRow], logits: Tensor) -> list[tuple[int, bool, bool]]:
        """Each row's next token, whether the choice was close, and whether all of its logits are finite."""
        requests = [row.request for row in rows]
        temperatures = torch.tensor([r.temperature for r in requests], dtype=torch.float64, device=logits.device)
        seeds = torch.tensor([request.seed for request in requests], device=logits.device)
        steps = torch.tensor([len(row.tokens) for row in rows], device=logits.device)
        drawn = choose_tokens(logits, temperatures, seeds, steps, self._near)
        return list(zip(drawn.tokens.tolist(), drawn.close.tolist(), drawn.finite.tolist(), strict=True))

    def _break_tie(self, row: BatchRow) -> int:
        """Choose again from logits that depend on this row only.

        The last bits of a matrix product depend on the number of its rows. If two tokens are so close that those bits
        could decide, the row's own tokens are computed again, alone and always in the same shapes, so that the row
        gives the same response in every batch.
        """
        self.settled += 1
        request = row.request
        self._injection.set_row(self.slots, request.addition)
        self._injection.select_rows([self.slots])
        cache = (
            cache_of(first_positions(self._clean.cached_prompt(request.prompt), request.first_steered))
            if request.first_steered
            else DynamicCache()
        )
        hidden = self._clean.run_prompt(
            (*request.prompt[request.first_steered :], *row.tokens), request.first_steered, 1, cache
        )
        return self._tokens_drawn([row], hidden.next_logits(slice(0, 1)))[0][0]

    def _append_token(self, row: BatchRow, token: int) -> None:
        """Add a token to a row's response and set `finish` if it ends here."""
        if token in self._stops:
            row.finish = "stop"
            return
        row.tokens.append(token)
        if row.request.stop and (cut := self._reached_stop(row)) is not None:
            row.finish, row.text = "stop", cut
        elif len(row.tokens) == row.request.max_tokens:
            row.finish = "length"

    def _reached_stop(self, row: BatchRow) -> str | None:
        text = self._decoded_text(row)
        places = [text.find(words) for words in row.request.stop if words in text]
        return text[: min(places)] if places else None

    # -- removal -------------------------------------------------------------------------------------------

    def remove_finished(self) -> list[tuple[int, EngineAnswer]]:
        """Remove finished rows and return their answers with their indices.

        The last rows move into their slots, so that no step computes an empty slot.
        """
        done = []
        for slot in reversed(range(len(self.rows))):
            row = self.rows[slot]
            if row.finish is None:
                continue
            done.append((row.index, self._make_answer(row, slot)))
            if row.error is not None:
                self._cache.clear_slot(slot)
            last = self.rows.pop()
            if last is not row:
                self.rows[slot] = last
                self._cache.move_slot(len(self.rows), slot, last.read)
                self._injection.move_row(len(self.rows), slot)
        return done[::-1]

    def _make_answer(self, row: BatchRow, slot: int) -> EngineAnswer:
        addition = row.request.addition
        due = range(0) if addition is None else range(addition.start, row.read)
        try:
            touched, wrong = self._injection.touched_positions(slot), None
        except InjectionError as error:
            touched, wrong = range(0), str(error)
        if wrong or touched != due:
            row.finish, row.error = "error", wrong or f"positions {touched} were steered, {due} should have been"
        text = self._decoded_text(row) if row.text is None else row.text
        return EngineAnswer(text, tuple(row.tokens), row.finish or "error", row.error, touched)

    def _decoded_text(self, row: BatchRow) -> str:
        return str(self._subject.tokenizer.decode(row.tokens, skip_special_tokens=True))

    def _row_tensor(self, numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, device=self._subject.model_device)


class PromptCache:
    """Caches of unsteered prompts, each computed once, alone, and shared by all rows that may use it."""

    def __init__(self, subject: LoadedSubject) -> None:
        self._subject = subject
        self._kept: dict[tuple[int, ...], Pairs] = {}

    def cached_prompt(self, prompt: tuple[int, ...]) -> Pairs:
        """The cache of a prompt without its last token, which every row computes itself."""
        if prompt not in self._kept:
            cache = DynamicCache()
            self.run_prompt(prompt[:-1], 0, 1, cache)
            self._kept[prompt] = pairs_of(cache)
        return self._kept[prompt]

    def run_prompt(self, tokens: Sequence[int], begin: int, rows: int, cache: Cache) -> LastHidden:
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
        LastHidden
            Hidden state of each row's last position.
        """
        device = self._subject.model_device
        ids = torch.tensor(tokens, device=device).expand(rows, -1)
        positions = torch.arange(begin, begin + len(tokens), device=device).expand(rows, -1)
        mask = torch.ones(rows, begin + len(tokens), dtype=torch.long, device=device)
        return last_hidden(self._subject.model, ids, positions, mask, cache)


def stop_tokens(subject: LoadedSubject) -> frozenset[int]:
    """Token ids that end a response: those of the model's generation config and the tokenizer's own."""
    stops = subject.model.generation_config.eos_token_id
    ids = set(stops if isinstance(stops, list) else [stops]) | {subject.tokenizer.eos_token_id}
    return frozenset(id_ for id_ in ids if id_ is not None)


def _not_finite(row: BatchRow) -> str:
    addition = row.request.addition
    where = "nothing was added" if addition is None else f"vector added at layer {addition.layer}"
    return f"logits of answer token {len(row.tokens) + 1} are not finite ({where})"
