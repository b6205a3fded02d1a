"""The engine whose decoding steps read nothing back while they run: `TorchEngine` with another batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.injection import Injection
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.fast_engine.fast_batch import FastBatch
from gnomon.generation.fast_engine.fast_proof import prove_fast_steps
from gnomon.generation.fast_engine.step_shapes import StepOptions
from gnomon.generation.subjects.device_memory import fitting_rows
from gnomon.generation.subjects.loading import LoadedSubject

LOGITS = 6
"""Copies of a row's logits in float32 that a step holds at once, and as many numbers for each candidate."""


class FastEngine(TorchEngine):
    """Answers requests of one subject with steps that a GPU can replay as graphs.

    Responses, readings and touched positions are those of `TorchEngine`. Requests that sample nothing, and rows that
    are run alone to settle a tie, are computed as there.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    options : StepOptions, optional
        How steps run; by default what suits the subject's device.

    Raises
    ------
    InputError
        If the subject's steps can't run so.
    """

    def __init__(self, subject: LoadedSubject, rows: int | None = None, options: StepOptions | None = None) -> None:
        super().__init__(subject, rows)
        proven = prove_fast_steps(subject)
        self._options = options or proven

    def max_rows(self, requests: Sequence[TrialRequest]) -> int:
        """Number of rows that fit in memory beside the logits of all of them."""
        if not requests:
            return 1
        vocabulary = self.subject.model.get_output_embeddings().weight.shape[0]
        return fitting_rows(self.subject.model_device, self.row_bytes(requests) + 4 * LOGITS * vocabulary, 0)

    @contextmanager
    def _open_batch(self, injection: Injection, rows: int, columns: int) -> Iterator[FastBatch]:
        batch = FastBatch(self.subject, injection, self._prompts, rows, columns, self._options)
        try:
            yield batch
        finally:
            batch.close()
