"""Continuous batch: admits new rows, decodes one token per row per step, removes finished rows. Knows no study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gnomon.data.readings import OptionReading
from gnomon.generation.engine.base import EngineAnswer, TrialRequest
from gnomon.generation.engine.forward import LastHidden
from gnomon.generation.engine.injection import Injection
from gnomon.generation.engine.prefill import read_options, steered_as_due, steering_text
from gnomon.generation.engine.prompt_cache import PromptCache
from gnomon.generation.engine.row_memory import row_memory
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
    readings: dict[str, OptionReading] = field(default_factory=dict)
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
        self._memory = row_memory(subject, injection, clean, slots, columns)
        self._responses = ResponseWriter(subject)
        self._near = nearness(subject)
        self._alone = LoneRow(injection, clean, slots, self._near)

    @property
    def free_rows(self) -> int:
        """Number of slots without a row."""
        return self.slots - len(self.rows)

    # -- admission -----------------------------------------------------------------------------------------

    def prepare_prompts(self, rows: Sequence[BatchRow]) -> None:
        """Compute the shared caches of the prompts of new rows that are not computed yet."""
        begun = {(row.request.prompt, self._clean.first_computed(row.request)) for row in rows}
        with self._injection.pause_steering():
            for prompt, begin in sorted(begun):
                self._clean.beginning(prompt, begin)

    def add_rows(self, rows: Sequence[BatchRow]) -> None:
        """Run the prompts of new rows, each from the first position of its own, and choose each row's first token."""
        groups: dict[tuple[tuple[int, ...], int], list[BatchRow]] = {}
        for row in rows:
            groups.setdefault((row.request.prompt, self._clean.first_computed(row.request)), []).append(row)
        for (prompt, begin), members in groups.items():
            together = max(1, TOKENS_TOGETHER // (len(prompt) - begin))
            for start in range(0, len(members), together):
                self._prefill_rows(members[start : start + together], prompt, begin)

    def _prefill_rows(self, rows: Sequence[BatchRow], prompt: tuple[int, ...], begin: int) -> None:
        slots = list(range(len(self.rows), len(self.rows) + len(rows)))
        for slot, row in zip(slots, rows, strict=True):
            self._injection.set_row(slot, row.request.additions)
            row.read = len(prompt)
        hidden = self._memory.prefill(slots, prompt, begin)
        self.rows += rows
        for row, (readings, error) in zip(rows, read_options(hidden, begin, [r.request for r in rows]), strict=True):
            row.readings, row.error = readings, error
        self._choose_tokens(rows, hidden.at_column(-1))

    # -- decoding ------------------------------------------------------------------------------------------

    def decode_step(self) -> None:
        """Read each row's last token back and choose its next one."""
        rows = self.rows
        hidden = self._memory.decode([row.tokens[-1] for row in rows], [row.read for row in rows])
        for row in rows:
            row.read += 1
        self._choose_tokens(rows, hidden)

    def _choose_tokens(self, rows: Sequence[BatchRow], hidden: LastHidden) -> None:
        drawn = [
            choice
            for part in hidden.head_slices()
            for choice in tokens_drawn(rows[part], hidden.next_logits(part), self._near)
        ]
        for row, (token, tie, fine) in zip(rows, drawn, strict=True):
            if not fine or row.error:
                row.finish, row.error = "error", row.error or not_finite(row)
            else:
                self._responses.append_token(row, self._break_tie(row) if tie else token)

    def _break_tie(self, row: BatchRow) -> int:
        """Choose again, alone."""
        self.settled += 1
        return self._alone.choose_token(row)

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
            self._memory.remove_row(slot, row.error is not None)
            last = self.rows.pop()
            if last is not row:
                self.rows[slot] = last
                self._memory.move_row(len(self.rows), slot, last.read)
                self._injection.move_row(len(self.rows), slot)
        return done[::-1]

    def _make_answer(self, row: BatchRow, slot: int) -> EngineAnswer:
        touched, wrong = steered_as_due(self._injection, slot, row.request, row.read)
        if wrong:
            row.finish, row.error = "error", wrong
        return self._responses.answer(row, touched)


class ResponseWriter:
    """Appends tokens to rows, ends them, and makes their answers.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    """

    def __init__(self, subject: LoadedSubject) -> None:
        self._tokenizer, self._stops = subject.tokenizer, stop_tokens(subject)

    def append_token(self, row: BatchRow, token: int) -> None:
        """Add a token to a row's response and set `finish` if it ends here.

        Parameters
        ----------
        row : BatchRow
            The row.
        token : int
            Its next token.
        """
        if token in self._stops:
            row.finish = "stop"
            return
        row.tokens.append(token)
        if row.request.stop and (cut := self._reached_stop(row)) is not None:
            row.finish, row.text = "stop", cut
        elif len(row.tokens) == row.request.max_tokens:
            row.finish = "length"

    def answer(self, row: BatchRow, touched: tuple[range, ...]) -> EngineAnswer:
        """The answer of a row that has ended.

        Parameters
        ----------
        row : BatchRow
            The row.
        touched : tuple of range
            Positions at which each of its additions was made.
        """
        text = self._decoded_text(row) if row.text is None else row.text
        return EngineAnswer(text, tuple(row.tokens), row.finish or "error", row.error, touched, row.readings)

    def _reached_stop(self, row: BatchRow) -> str | None:
        text = self._decoded_text(row)
        places = [text.find(words) for words in row.request.stop if words in text]
        return text[: min(places)] if places else None

    def _decoded_text(self, row: BatchRow) -> str:
        return str(self._tokenizer.decode(row.tokens, skip_special_tokens=True))


class LoneRow:
    """Chooses a row's next token from logits that depend on this row only.

    The last bits of a matrix product depend on the number of its rows. If two tokens are so close that those bits could
    decide, the row's own tokens are computed again, alone and always in the same shapes, so that the row gives the same
    response in every batch.

    Parameters
    ----------
    injection : Injection
        The installed hooks.
    clean : PromptCache
        Caches of unsteered prompts.
    slot : int
        A slot of the injection that no other row takes.
    near : float
        As for `choose_tokens`.
    """

    def __init__(self, injection: Injection, clean: PromptCache, slot: int, near: float) -> None:
        self._injection, self._clean, self._slot, self._near = injection, clean, slot, near

    def choose_token(self, row: BatchRow) -> int:
        """The token that follows those of a row."""
        request = row.request
        begin, columns = self._clean.first_computed(request), len(request.prompt) + len(row.tokens)
        with self._injection.pause_steering():
            cache = self._clean.begun_cache(request.prompt, begin, 1, columns)
        self._injection.set_row(self._slot, request.additions)
        self._injection.select_rows([self._slot])
        hidden = self._clean.run_prompt((*request.prompt[begin:], *row.tokens), begin, 1, cache)
        return tokens_drawn([row], hidden.at_column(-1).next_logits(slice(0, 1)), self._near)[0][0]


def tokens_drawn(rows: Sequence[BatchRow], logits: Tensor, near: float) -> list[tuple[int, bool, bool]]:
    """Each row's next token, whether the choice was close, and whether all of its logits are finite.

    Parameters
    ----------
    rows : sequence of BatchRow
        The rows.
    logits : Tensor, shape (rows, vocabulary)
        Their logits.
    near : float
        As for `choose_tokens`.
    """
    requests = [row.request for row in rows]
    temperatures = torch.tensor([r.temperature for r in requests], dtype=torch.float64, device=logits.device)
    seeds = torch.tensor([request.seed for request in requests], device=logits.device)
    steps = torch.tensor([len(row.tokens) for row in rows], device=logits.device)
    drawn = choose_tokens(logits, temperatures, seeds, steps, near)
    return list(zip(drawn.tokens.tolist(), drawn.close.tolist(), drawn.finite.tolist(), strict=True))


def nearness(subject: LoadedSubject) -> float:
    """Difference of logits that counts as close, as a share of the largest: 0 in formats whose rounding is coarser."""
    return NEAR if subject.model.dtype in (torch.float32, torch.float64) else 0.0


def stop_tokens(subject: LoadedSubject) -> frozenset[int]:
    """Token ids that end a response: those of the model's generation config and the tokenizer's own."""
    return end_tokens(subject.model.generation_config, subject.tokenizer)


def end_tokens(generation_config: Any, tokenizer: Any) -> frozenset[int]:
    """Token ids that end a response, as a model's generation config and its tokenizer name them.

    Parameters
    ----------
    generation_config : GenerationConfig
        The model's generation config, of transformers.
    tokenizer : PreTrainedTokenizer
        The tokenizer.
    """
    stops = generation_config.eos_token_id
    ids = set(stops if isinstance(stops, list) else [stops]) | {tokenizer.eos_token_id}
    return frozenset(id_ for id_ in ids if id_ is not None)


def not_finite(row: BatchRow) -> str:
    """Why a row ends whose logits are not finite."""
    return f"logits of answer token {len(row.tokens) + 1} are not finite ({steering_text(row.request)})"
