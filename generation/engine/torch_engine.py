"""Answers requests of one subject by continuous batching; knows nothing of studies or stores."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from gnomon.data.errors import GnomonError
from gnomon.generation.engine.base import EngineAnswer, EngineTimings, TrialRequest
from gnomon.generation.engine.batch import BatchRow, ContinuousBatch
from gnomon.generation.engine.forward import ROWS
from gnomon.generation.engine.injection import Injection, injection_hooks
from gnomon.generation.engine.prefill import PromptReader
from gnomon.generation.engine.prompt_cache import PromptCache
from gnomon.generation.engine.steering_probe import find_model_form
from gnomon.generation.subjects.device_memory import (
    fitting_rows,
    format_bytes,
    free_bytes,
    is_lack_of_memory,
    release_memory,
)
from gnomon.generation.subjects.loading import LoadedSubject

REFILL = 8
READ_TOGETHER = 4096
"""Requests that sample nothing are sorted by prompt and layer among so many that follow each other."""


class DecodingBatch(Protocol):
    """Rows in progress, as an engine drives them."""

    settled: int

    @property
    def rows(self) -> Sequence[BatchRow]:
        """The rows in progress."""

    @property
    def free_rows(self) -> int:
        """Number of slots without a row."""

    def prepare_prompts(self, rows: Sequence[BatchRow]) -> None:
        """Compute the shared caches of the prompts of new rows that are not computed yet."""

    def add_rows(self, rows: Sequence[BatchRow]) -> None:
        """Run the prompts of new rows and choose each row's first token."""

    def decode_step(self) -> None:
        """Take each row a token further."""

    def remove_finished(self) -> list[tuple[int, EngineAnswer]]:
        """Remove finished rows and return their answers with their indices."""


class TorchEngine:
    """Answers requests of one subject with a transformers model.

    Rows that differ in prompt, layer, strength, span and seed run in one batch. A finished row leaves, and a waiting
    request takes its slot. Prompts are computed once and their caches kept for later requests.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    rows : int, optional
        Rows that run together; by default as many as fit in memory. Halved if memory runs out nevertheless.
    """

    def __init__(self, subject: LoadedSubject, rows: int | None = None) -> None:
        find_model_form(subject)
        self.subject = subject
        self.rows = rows
        self.spent = EngineTimings()
        self._prompts = PromptCache(subject)

    def prepare(self, vectors: Mapping[Any, Any]) -> None:
        """Nothing to prepare: each request carries its own vector."""

    def generate_all(self, requests: Sequence[TrialRequest]) -> list[EngineAnswer]:
        """Answer all requests, in their order."""
        found = dict(self.generate_stream(requests))
        return [found[index] for index in range(len(requests))]

    def generate_stream(self, requests: Sequence[TrialRequest]) -> Generator[tuple[int, EngineAnswer], None, None]:
        """Answer all requests; yield each answer with the index of its request as soon as it is finished.

        `requests` may create its elements on access: those that wait are not kept. A row whose logits are not finite
        ends with finish `error` and a reason; the others continue. If memory runs out, the rows in progress start again
        in a batch of half the size.

        Raises
        ------
        GnomonError
            If there is not enough memory for one row.
        """
        left = dict.fromkeys(range(len(requests)))
        if left and not self.rows:
            self.rows = self.max_rows(requests)
        while left:
            rows = min(self.rows or 1, len(left))
            try:
                for index, answer in self._run_pass(requests, list(left), rows):
                    del left[index]
                    yield index, answer
            except (RuntimeError, MemoryError) as error:
                if not is_lack_of_memory(error):
                    raise
                self.rows = self._reduce_rows(rows, requests)

    def max_rows(self, requests: Sequence[TrialRequest]) -> int:
        """Number of rows that fit in memory, computed from the size of one position of the cache."""
        if not requests:
            return 1
        logits = 2 * ROWS * 4 * self.subject.model.get_output_embeddings().weight.shape[0]
        return fitting_rows(self.subject.model_device, self.row_bytes(requests), logits)

    def row_bytes(self, requests: Sequence[TrialRequest]) -> int:
        """Size of a row's cache in bytes, for the longest of the requests."""
        return self._prompts.row_bytes(max(request.cache_columns for request in requests))

    def _run_pass(
        self, requests: Sequence[TrialRequest], left: list[int], rows: int
    ) -> Iterator[tuple[int, EngineAnswer]]:
        """Answer what is left in one batch of up to `rows` rows; a request is read when its turn comes."""
        reading: list[int] = []
        waiting: deque[int] = deque()
        columns = 0
        for index in left:
            request = requests[index]
            columns = max(columns, request.cache_columns)
            (waiting if request.max_tokens else reading).append(index)
        with injection_hooks(self.subject.model, [None] * (rows + 1)) as injection:
            yield from self._read_prompts(injection, requests, reading, rows)
            with self._open_batch(injection, rows, columns) as batch:
                while waiting or batch.rows:
                    if waiting and (batch.free_rows >= max(1, rows // REFILL) or batch.free_rows >= len(waiting)):
                        chosen = [waiting.popleft() for _ in range(min(batch.free_rows, len(waiting)))]
                        self._admit_rows(batch, [BatchRow(index, requests[index]) for index in chosen])
                    else:
                        self._timed_step(batch)
                    yield from batch.remove_finished()

    @contextmanager
    def _open_batch(self, injection: Injection, rows: int, columns: int) -> Iterator[DecodingBatch]:
        """An empty batch of up to `rows` rows of `columns` positions."""
        yield ContinuousBatch(self.subject, injection, self._prompts, rows, columns)

    def _read_prompts(
        self, injection: Injection, requests: Sequence[TrialRequest], reading: Sequence[int], rows: int
    ) -> Iterator[tuple[int, EngineAnswer]]:
        """Answer the requests that sample nothing."""
        reader = PromptReader(injection, self._prompts, rows, self.subject.layers)
        for begin in range(0, len(reading), READ_TOGETHER):
            answers = reader.answer_requests(
                [(index, requests[index]) for index in reading[begin : begin + READ_TOGETHER]]
            )
            while True:
                started = time.perf_counter()
                answer = next(answers, None)
                self.spent.admit_seconds += time.perf_counter() - started
                if answer is None:
                    break
                self.spent.admitted += 1
                yield answer

    def _admit_rows(self, batch: DecodingBatch, rows: list[BatchRow]) -> None:
        batch.prepare_prompts(rows)
        started, settled = time.perf_counter(), batch.settled
        batch.add_rows(rows)
        self.spent.admitted += len(rows)
        self.spent.admit_seconds += time.perf_counter() - started
        self.spent.settled += batch.settled - settled

    def _timed_step(self, batch: DecodingBatch) -> None:
        started, settled = time.perf_counter(), batch.settled
        self.spent.steps += 1
        self.spent.row_steps += len(batch.rows)
        batch.decode_step()
        self.spent.step_seconds += time.perf_counter() - started
        self.spent.settled += batch.settled - settled

    def _reduce_rows(self, rows: int, requests: Sequence[TrialRequest]) -> int:
        """Half the rows; raises `GnomonError` if not even one row fits."""
        release_memory(self.subject.model_device)
        if rows > 1:
            return rows // 2
        needed, free = self.row_bytes(requests), free_bytes(self.subject.model_device)
        raise GnomonError(
            f"subject '{self.subject.name}': no memory for one row: its cache needs {format_bytes(needed)}, "
            f"{format_bytes(free)} are free: choose a shorter prompt or max_tokens, dtype 'bfloat16', "
            f"or a larger device"
        )
