"""Answers requests of one subject by vLLM; no answer is given without proof of where it was steered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from gnomon.data.readings import OptionReading
from gnomon.generation.engine.base import EngineAnswer, EngineTimings, TrialRequest
from gnomon.generation.engine.prefill import log_sum, misplaced_steering
from gnomon.generation.vllm_engine.vllm_subject import VllmSubject
from gnomon.generation.vllm_engine.worker_messages import (
    ANSWERS,
    DROP,
    DROPPED,
    REQUESTS,
    VECTORS,
    AdditionMessage,
    AnswerMessage,
    PlaceMessage,
    RequestMessage,
)
from gnomon.generation.vllm_engine.worker_process import VllmProcess

ROWS = 256
BUCKET = 256
"""Positions of the longest row are rounded up to a multiple of this, so that few designs need another process."""
HELD_BYTES = 2**28
"""Memory of the vectors that vLLM's process holds, beyond those of requests in progress."""


class VllmEngine:
    """Answers requests of one subject with vLLM in a process of its own.

    Rows that differ in prompt, layer, strength, span and seed run in one batch. Each answer comes with the positions at
    which each of its vectors was added; where they are not those that were due, the answer is an error. The subject's
    process starts with the first request.

    Parameters
    ----------
    subject : VllmSubject
        The subject.
    rows : int, optional
        Rows that run together; by default 256. vLLM itself lets rows wait where memory is short.
    """

    def __init__(self, subject: VllmSubject, rows: int | None = None) -> None:
        self.subject = subject
        self.rows = rows
        self.spent = EngineTimings()

    def prepare(self, vectors: Mapping[Any, Any]) -> None:
        """Nothing to prepare: a vector is sent with the first request that needs it."""

    def max_rows(self, requests: Sequence[TrialRequest]) -> int:
        """Number of rows that run together where nobody has decided."""
        return ROWS

    def generate_all(self, requests: Sequence[TrialRequest]) -> list[EngineAnswer]:
        """Answer all requests, in their order."""
        found = dict(self.generate_stream(requests))
        return [found[index] for index in range(len(requests))]

    def generate_stream(self, requests: Sequence[TrialRequest]) -> Iterator[tuple[int, EngineAnswer]]:
        """Answer all requests; yield each answer with the index of its request as soon as it is finished.

        `requests` may create its elements on access: twice as many as rows are in progress at a time.

        Raises
        ------
        GnomonError
            If vLLM cannot run the model, or its process ends.
        """
        if not requests:
            return
        self.rows = self.rows or self.max_rows(requests)
        process = self.subject.started_process(self.rows, self._columns(requests))
        sender = _RequestSender(process, self.subject.ends)
        waiting = iter(range(len(requests)))
        try:
            while True:
                room = 2 * self.rows - len(sender.running)
                sender.send([(index, requests[index]) for index in islice(waiting, room)])
                if not sender.running:
                    return
                yield from self._received_answers(process, sender)
        finally:
            if sender.running and process.is_running:
                process.send(DROP, None)
                process.receive(DROPPED)

    def _received_answers(self, process: VllmProcess, sender: _RequestSender) -> Iterator[tuple[int, EngineAnswer]]:
        content = process.receive(ANSWERS).content
        for name, value in content["times"].items():
            setattr(self.spent, name, getattr(self.spent, name) + value)
        for document in content["answers"]:
            message = AnswerMessage.from_document(document)
            request = sender.running.pop(message.number)
            yield message.number, self._checked_answer(request, message)

    def _columns(self, requests: Sequence[TrialRequest]) -> int:
        """Positions of the longest row, with the token that is chosen last and never read back."""
        needed = max(requests[index].cache_columns for index in range(len(requests))) + 1
        rounded = -(-needed // BUCKET) * BUCKET
        return max(needed, min(rounded, self.subject.positions or rounded))

    def _checked_answer(self, request: TrialRequest, message: AnswerMessage) -> EngineAnswer:
        """An answer, or an error where its steering or its readings are not what was asked for."""
        computed = len(request.prompt)
        if request.max_tokens:
            computed += len(message.tokens) + message.ended - 1
        text, finish = self._response_text(request, message)
        error = message.error
        if error is None and message.read != computed:
            error = f"{message.read} positions were computed, {computed} should have been"
        split = [runs for runs in message.touched if len(runs) > 1]
        if error is None and split:
            error = f"a vector was added at positions that are not consecutive: {split[0]}"
        touched = tuple(range(runs[0][0], runs[-1][1]) if runs else range(0) for runs in message.touched)
        due = tuple(addition.due_positions(computed) for addition in request.additions)
        error = error or misplaced_steering(touched, due)
        readings = {} if error else self._option_readings(request, message)
        if error is None and len(readings) < len(request.readings):
            error = "not all readings were taken"
        return EngineAnswer(text, message.tokens, "error" if error else finish, error, touched, readings)

    def _response_text(self, request: TrialRequest, message: AnswerMessage) -> tuple[str, str]:
        """The response up to its first stop text, and how it ended."""
        text = str(self.subject.tokenizer.decode(message.tokens, skip_special_tokens=True))
        places = [text.find(words) for words in request.stop if words in text]
        return (text[: min(places)], "stop") if places else (text, message.finish)

    @staticmethod
    def _option_readings(request: TrialRequest, message: AnswerMessage) -> dict[str, OptionReading]:
        found = {}
        for reading in request.readings:
            if reading.place in message.readings:
                values, entropy = message.readings[reading.place]
                shares = dict(zip(_read_tokens(reading.options), values, strict=True))
                options = {name: log_sum([shares[token] for token in ids]) for name, ids in reading.options.items()}
                found[reading.place] = OptionReading(options, entropy)
        return found


class _RequestSender:
    """Sends requests to vLLM's process, and each vector once as long as it is held there."""

    def __init__(self, process: VllmProcess, ends: tuple[int, ...]) -> None:
        self.running: dict[int, TrialRequest] = {}
        self._process, self._ends = process, ends
        self._held = process.held_vectors
        self._names: dict[int, tuple[str, ...]] = {}

    def send(self, requests: Sequence[tuple[int, TrialRequest]]) -> None:
        """Send requests, with the vectors that are not held yet."""
        if not requests:
            return
        messages: list[dict[str, object]] = []
        new: dict[str, bytes] = {}
        for number, request in requests:
            deltas = [addition.delta.detach().float().cpu().contiguous().numpy() for addition in request.additions]
            names = tuple(hashlib.sha256(delta.tobytes()).hexdigest()[:32] for delta in deltas)
            new |= {name: delta.tobytes() for name, delta in zip(names, deltas, strict=True) if name not in self._held}
            self.running[number], self._names[number] = request, names
            messages.append(asdict(self._message(number, request, names)))
        if new:
            self._held |= {name: len(value) for name, value in new.items()}
            content = {"names": list(new), "forget": self._forgotten()}
            self._process.send(VECTORS, content, [b"".join(new.values())])
        self._process.send(REQUESTS, messages)

    def _message(self, number: int, request: TrialRequest, names: Sequence[str]) -> RequestMessage:
        return RequestMessage(
            number,
            request.prompt,
            request.seed,
            request.temperature,
            request.max_tokens,
            request.stop,
            self._ends,
            tuple(
                AdditionMessage(addition.layer, name, addition.start, addition.end)
                for addition, name in zip(request.additions, names, strict=True)
            ),
            tuple(
                PlaceMessage(reading.place, request.reading_position(reading), _read_tokens(reading.options))
                for reading in request.readings
            ),
        )

    def _forgotten(self) -> list[str]:
        """The oldest vectors, where those that are held take too much memory and no request in progress needs them."""
        self._names = {number: names for number, names in self._names.items() if number in self.running}
        needed = {name for names in self._names.values() for name in names}
        gone, size = [], sum(self._held.values())
        for name in list(self._held):
            if size <= HELD_BYTES:
                break
            if name not in needed:
                gone.append(name)
                size -= self._held.pop(name)
        return gone


def _read_tokens(options: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """All tokens of some options, in order."""
    return tuple(sorted({token for ids in options.values() for token in ids}))
