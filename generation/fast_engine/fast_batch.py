"""Continuous batch whose steps are decided on the device: rows stay in their slots, and the host reads a step behind.

A slot whose row has left is computed with the others and ignored until a new row takes it. If rows run ahead, a row
whose token turns out otherwise (a tie that is settled, a draw for which there was no room) goes on from the right token
at its position, and what was computed behind it is computed again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from gnomon.generation.caches.kv_cache import pairs_of
from gnomon.generation.engine.base import EngineAnswer
from gnomon.generation.engine.batch import (
    TOKENS_TOGETHER,
    BatchRow,
    LoneRow,
    ResponseWriter,
    nearness,
    not_finite,
)
from gnomon.generation.engine.injection import Injection
from gnomon.generation.engine.prefill import read_options
from gnomon.generation.engine.prompt_cache import PromptCache, filled_cache
from gnomon.generation.fast_engine.decode_step import CLOSE, DAMAGED, UNRESOLVED, DecodeStep
from gnomon.generation.fast_engine.dense_steering import DenseSteering
from gnomon.generation.fast_engine.slot_table import SlotTable
from gnomon.generation.fast_engine.step_shapes import StepOptions
from gnomon.generation.fast_engine.token_reader import LateCopy, TokenReader
from gnomon.generation.subjects.loading import LoadedSubject


@dataclass(eq=False)
class RunningRow:
    """A row in a slot.

    `started` is the number of positions whose computation has begun; `version` changes when what has been drawn ahead
    for the row no longer counts; `again` counts positions that were computed more than once.
    """

    row: BatchRow
    slot: int
    started: int
    version: int = 0
    again: Counter[int] = field(default_factory=Counter)

    def computed(self, begin: int) -> Counter[int]:
        """How many times each position was computed, from the first of its own on."""
        return Counter(range(begin, self.started)) + self.again


@dataclass(frozen=True)
class _StartedStep:
    """A step whose tokens have not been read: the rows that took part, each with its version then."""

    copy: LateCopy
    rows: tuple[tuple[RunningRow, int, int], ...]


class FastBatch:
    """Rows in progress in the slots of one cache, each with its own condition.

    The attributes and methods that `TorchEngine` uses are those of `ContinuousBatch`.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    injection : Injection
        The installed hooks of slot 0, for rows that run alone.
    clean : PromptCache
        Caches of unsteered prompts.
    slots : int
        Largest number of rows.
    columns : int
        Largest number of positions per row.
    options : StepOptions
        How steps run.
    """

    def __init__(
        self,
        subject: LoadedSubject,
        injection: Injection,
        clean: PromptCache,
        slots: int,
        columns: int,
        options: StepOptions,
    ) -> None:
        device, near = subject.model_device, nearness(subject)
        self.near = near
        self.slots, self.settled = slots, 0
        self._columns = columns + 1  # a step that began before a row's last token was known lies behind its last
        self._injection, self._clean, self._options, self._device = injection, clean, options, device
        self._table = SlotTable(slots, device)
        self.steering = DenseSteering(subject.model, slots, self._columns)
        self.steps = DecodeStep(subject.model, self._table, self.steering, slots, self._columns, near, options)
        self._responses = ResponseWriter(subject)
        self._alone = LoneRow(injection, clean, 0, near)
        self._reader = TokenReader(device, slots)
        self._running: dict[int, RunningRow] = {}
        self._started: deque[_StartedStep] = deque()

    @property
    def rows(self) -> list[BatchRow]:
        """The rows in progress."""
        return [each.row for each in self._running.values()]

    @property
    def free_rows(self) -> int:
        """Number of slots without a row."""
        return self.slots - len(self._running)

    def close(self) -> None:
        """Remove the hooks."""
        self.steering.remove_hooks()

    # -- admission -----------------------------------------------------------------------------------------

    def prepare_prompts(self, rows: Sequence[BatchRow]) -> None:
        """Compute the shared caches of the prompts of new rows that are not computed yet."""
        begun = {(row.request.prompt, row.request.first_computed) for row in rows}
        with self._injection.pause_steering():
            for prompt, begin in sorted(begun):
                self._clean.beginning(prompt, begin)

    @torch.no_grad()
    def add_rows(self, rows: Sequence[BatchRow]) -> None:
        """Run the prompts of new rows, each from the first position of its own, and choose each row's first token."""
        if self.steering.make_room([row.request.additions for row in rows]):
            self.steps.forget_graphs()
        groups: dict[tuple[tuple[int, ...], int], list[BatchRow]] = {}
        for row in rows:
            groups.setdefault((row.request.prompt, row.request.first_computed), []).append(row)
        free = iter([slot for slot in range(self.slots) if slot not in self._running])
        for (prompt, begin), members in groups.items():
            together = max(1, TOKENS_TOGETHER // (len(prompt) - begin))
            for start in range(0, len(members), together):
                part = members[start : start + together]
                self._prefill([RunningRow(row, next(free), len(prompt)) for row in part], prompt, begin)

    def _prefill(self, new: Sequence[RunningRow], prompt: tuple[int, ...], begin: int) -> None:
        requests = [each.row.request for each in new]
        slots = torch.tensor([each.slot for each in new], device=self._device)
        self._table.add_rows(slots, requests)
        self.steering.add_rows(slots, [request.additions for request in requests])
        positions = torch.arange(begin, len(prompt), device=self._device).expand(len(new), -1)
        with self._injection.pause_steering():
            cache = self._clean.begun_cache(prompt, begin, len(new), len(prompt))
            with self.steering.running(positions, slots):
                hidden = self._clean.run_prompt(prompt[begin:], begin, len(new), cache)
        self.steps.fill_slots(slots, pairs_of(filled_cache(hidden)))
        for each, (readings, error) in zip(new, read_options(hidden, begin, requests), strict=True):
            each.row.readings, each.row.error, each.row.read = readings, error, len(prompt)
            self._running[each.slot] = each
        last = hidden.at_column(-1)
        tokens, flags = self.steps.draw(last.next_logits(slice(0, len(new))), slots)
        self._table.first_tokens(slots, tokens)
        copy = self._reader.start_copy(torch.stack([tokens, flags]))
        self._take_tokens(_StartedStep(copy, tuple((each, place, 0) for place, each in enumerate(new))))

    # -- decoding ------------------------------------------------------------------------------------------

    def decode_step(self) -> None:
        """Start a step if a row needs a token beyond those on their way; read tokens until few enough are.

        Raises
        ------
        RuntimeError
            If rows wait for tokens that no step draws, which would be a fault of this class.
        """
        started = any(each.started - len(each.row.request.prompt) + 1 < _most(each) for each in self._running.values())
        if started:
            self._start_step()
        elif not self._started:
            raise RuntimeError("rows of the fast engine wait for tokens that no step draws")
        while len(self._started) > (self._options.ahead if started else 0):
            self._take_tokens(self._started.popleft())

    def _start_step(self) -> None:
        rows = self._options.rows(max(self._running) + 1, self.slots)
        longest = max(each.started for each in self._running.values())
        width = self._options.width(longest + 1, self._columns)
        with self._injection.pause_steering():
            copy = self._reader.start_copy(self.steps.run(rows, width))
        here = tuple((each, slot, each.version) for slot, each in self._running.items())
        self._started.append(_StartedStep(copy, here))
        for each, _, _ in here:
            each.started += 1

    def _take_tokens(self, step: _StartedStep) -> None:
        """Read what a step has drawn. Rows that have ended meanwhile, or gone on from another token, are left out."""
        tokens, flags = step.copy.read_values()
        for each, place, version in step.rows:
            row = each.row
            if row.finish is not None or each.version != version:
                continue
            row.read = len(row.request.prompt) + len(row.tokens)
            if flags[place] & DAMAGED or row.error:
                row.finish, row.error = "error", row.error or not_finite(row)
            elif flags[place] & (CLOSE | UNRESOLVED):
                self._choose_alone(each, tokens[place], flags[place])
            else:
                self._responses.append_token(row, tokens[place])

    def _choose_alone(self, each: RunningRow, drawn: int, flags: int) -> None:
        """Choose a row's token again, alone; the row goes on from it if it is another one."""
        if flags & CLOSE:
            self.settled += 1
        if flags & UNRESOLVED:
            self.steps.widen_room()
        row = each.row
        token = self._alone.choose_token(row)
        self._responses.append_token(row, token)
        if token != drawn and row.finish is None:
            self._table.rewind(each.slot, token, row.read, len(row.tokens))
            each.version += 1
            each.again.update(range(row.read, each.started))
            each.started = row.read

    # -- removal -------------------------------------------------------------------------------------------

    def remove_finished(self) -> list[tuple[int, EngineAnswer]]:
        """Remove finished rows and return their answers with their indices.

        If fewer rows can run then, the last ones move into free slots.
        """
        done = [each for each in self._running.values() if each.row.finish is not None]
        if not done:
            return []
        slots = torch.tensor([each.slot for each in done], device=self._device)
        marks = self.steering.take_marks(slots).cpu().numpy()
        answers = []
        for place, each in enumerate(done):
            row = each.row
            computed = each.computed(row.request.first_computed)
            touched, wrong = self.steering.check_marks(marks[:, place], row.request.additions, row.read, computed)
            if wrong:
                row.finish, row.error = "error", row.error or wrong
            answers.append((row.index, self._responses.answer(row, touched)))
            del self._running[each.slot]
        self.steps.release_slots(slots)
        if damaged := [each.slot for each in done if each.row.error is not None]:
            self.steps.clear_slots(torch.tensor(damaged, device=self._device))
        self._close_gaps()
        return answers

    def _close_gaps(self) -> None:
        """Move rows into free slots if fewer rows then run in a step."""
        count = len(self._running)
        if not count:
            return
        if self._options.rows(count, self.slots) >= self._options.rows(max(self._running) + 1, self.slots):
            return
        sources = sorted(slot for slot in self._running if slot >= count)
        targets = [slot for slot in range(count) if slot not in self._running]
        longest = max(each.started for each in self._running.values())
        both = torch.tensor([sources, targets], device=self._device)
        self.steps.move_slots(both[0], both[1], min(longest, self._columns))
        for source, target in zip(sources, targets, strict=True):
            each = self._running.pop(source)
            each.slot = target
            self._running[target] = each


def _most(each: RunningRow) -> int:
    """Tokens that a row may have."""
    return each.row.request.max_tokens
