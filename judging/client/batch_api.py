"""Client of the Batch API: submits files of requests and records them, so that a killed run can collect its results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from openai.types import Batch

from gnomon.data.errors import JudgeError
from gnomon.data.foreign_documents.bounds import REPLY_VALUES, DocumentError
from gnomon.data.foreign_documents.json_documents import check_structure
from gnomon.data.records import JudgeVersion, Trial, Verdict, canonical_hash, utc_timestamp
from gnomon.judging.client.budget import BudgetSpentError, prompt_size
from gnomon.judging.client.call_errors import RETRY, CallFailedError, classify_complaint
from gnomon.judging.client.circuit_breaker import CircuitBreaker
from gnomon.judging.client.completion import Completion, completion_without_reply
from gnomon.judging.client.endpoint import Endpoint
from gnomon.judging.client.error_body import read_complaint, reported_status
from gnomon.judging.client.rate_limit import Sleep
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judge_spending import TokenCounts
from gnomon.judging.protocols import JudgeCase
from gnomon.judging.rubrics.blind import JudgePrompt
from gnomon.judging.run_state import RunState

SIZE = 2000
BEGUN, CREATED, DONE = "batch_begun", "batch_created", "batch_done"
ENDED = ("completed", "failed", "expired", "cancelled")

Give = Callable[[Verdict], Awaitable[None]]
Got = TypeVar("Got")


@runtime_checkable
class PromptingJudge(Protocol):
    """The side of a judge that makes prompts and reads completions."""

    config: JudgeConfig

    @property
    def version(self) -> JudgeVersion:
        """The judge version."""

    def make_prompt(self, case: JudgeCase) -> JudgePrompt:
        """The prompt that is sent for one case."""

    def make_verdict(self, case: JudgeCase, completion: Completion) -> Verdict:
        """The verdict that a completion gives on a case.

        Parameters
        ----------
        case : JudgeCase
            The trial and the index of the sample.
        completion : Completion
            What the server returned for it.
        """

    def failed_verdict(self, case: JudgeCase, failure: CallFailedError) -> Verdict:
        """A verdict with state `error`, which holds the reason of the failure.

        Parameters
        ----------
        case : JudgeCase
            The trial and the index of the sample.
        failure : CallFailedError
            Why the call failed.
        """


class BatchApiClient:
    """Submits batches one after another and collects them, those of an interrupted run first.

    Before a batch is submitted, its key and its cases are stored, and the batch carries the key in its metadata. A run
    that is killed at any moment therefore finds its batch again, by its id or by its key, and pays for nothing twice.

    Parameters
    ----------
    judge : PromptingJudge
        Makes the prompts and reads the completions.
    endpoint : Endpoint
        The open connection to the judge's server.
    memory : RunState
        Where submitted batches are recorded.
    sleep : callable
        Coroutine function that waits for a number of seconds.
    """

    def __init__(self, judge: PromptingJudge, endpoint: Endpoint, memory: RunState, sleep: Sleep) -> None:
        self._judge = judge
        self._endpoint = endpoint
        self._memory = memory
        self._sleep = sleep
        self._circuit = CircuitBreaker(judge.config)
        self._allowed: dict[str, int] = {}
        self._left: JudgeCase | None = None

    async def run_batches(self, waiting: Iterator[JudgeCase], give: Give) -> None:
        """Collect the batches of an interrupted run, then submit and collect new ones until no case is left.

        Parameters
        ----------
        waiting : iterator of JudgeCase
            Cases to judge; read one batch ahead at most.
        give : callable
            Coroutine function that takes each verdict; it returns when the verdict is stored.

        Raises
        ------
        JudgeError
            If the server fails a whole batch, or too many of its calls in a row fail.
        BudgetSpentError
            If the budget allows no further case.
        """
        await self._collect_open(give)
        while cases := self._next_cases(waiting):
            key = canonical_hash([self._judge.version.version, utc_timestamp(), [_case_id(case) for case in cases]])
            lines = [self._request_line(case) for case in cases]
            self._memory.record_event(BEGUN, {"key": key, "cases": [_case_id(case) for case in cases], **self._held()})
            batch = await self._submit_batch(key, lines)
            await self._collect_results(key, batch, cases, give)

    def _next_cases(self, waiting: Iterator[JudgeCase]) -> list[JudgeCase]:
        """The next cases, as many as the batch size and the budget allow.

        Raises
        ------
        BudgetSpentError
            If the budget allows none.
        """
        cases: list[JudgeCase] = []
        most = self._judge.config.batch_size or SIZE
        while len(cases) < most and (case := self._left or next(waiting, None)) is not None:
            self._left = case
            try:
                allowed = self._endpoint.ledger.reserve_now(prompt_size(self._judge.make_prompt(case).messages))
            except BudgetSpentError:
                if not cases:
                    raise
                break
            self._allowed[_case_id(case)] = allowed
            cases.append(case)
            self._left = None
        return cases

    def _held(self) -> dict[str, str | int]:
        """What is set aside for the batch, so that the run that collects it can release it."""
        reserved = self._endpoint.ledger.reserved_for(list(self._allowed.values()))
        run = self._endpoint.ledger.run
        return {"run": run, "reserved_input": reserved.input, "reserved_output": reserved.output}

    def _release_held(self, note: dict[str, Any]) -> None:
        """Release what another run set aside for a batch, now that its usage is recorded here."""
        if note.get("run"):
            reserved = TokenCounts(note["reserved_input"], note["reserved_output"])
            self._endpoint.ledger.release_reserved(note["run"], reserved)

    def _request_line(self, case: JudgeCase) -> str:
        prompt = self._judge.make_prompt(case)
        schema = prompt.schema if self._endpoint.sends_schema else None
        body = self._endpoint.request_body(prompt.messages, schema, case.prompt_seed)
        return json.dumps({"custom_id": _case_id(case), "method": "POST", "url": "/v1/chat/completions", "body": body})

    async def _submit_batch(self, key: str, lines: Sequence[str]) -> Batch:
        client = self._endpoint.client
        content = ("gnomon.jsonl", "\n".join(lines).encode() + b"\n")
        file = await self._call_server(lambda: client.files.create(file=content, purpose="batch"))

        async def create() -> Batch:
            """A call that timed out may still have created the batch: look for it before creating it again."""
            return await self._find_batch(key) or await client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"gnomon": key},
            )

        batch = await self._call_server(create)
        self._memory.record_event(CREATED, {"key": key, "id": self._endpoint.redact_key(batch.id)})
        return batch

    async def _find_batch(self, key: str) -> Batch | None:
        async for batch in self._endpoint.client.batches.list(limit=100):
            if (batch.metadata or {}).get("gnomon") == key:
                return batch
        return None

    async def _collect_open(self, give: Give) -> None:
        done = {note["key"] for note in self._memory.recorded_events(DONE)}
        ids = {note["key"]: note["id"] for note in self._memory.recorded_events(CREATED)}
        for note in self._memory.recorded_events(BEGUN):
            key = note["key"]
            if key in done:
                continue
            batch = await self._find_existing(key, ids.get(key))
            if batch is None:
                self._memory.record_event(DONE, {"key": key, "status": "never ordered"})
            else:
                cases = _cases_by_id(
                    note["cases"], self._memory.find_trials([_case_from_id(name)[0] for name in note["cases"]])
                )
                await self._collect_results(key, batch, cases, give)
            self._release_held(note)

    async def _find_existing(self, key: str, id_: str | None) -> Batch | None:
        if id_ is not None:
            return await self._retrieve_batch(id_)
        return await self._call_server(lambda: self._find_batch(key))

    async def _collect_results(self, key: str, batch: Batch, cases: Sequence[JudgeCase], give: Give) -> None:
        """Wait for the end of a batch and give a verdict on each of its cases."""
        while batch.status not in ENDED:
            await self._sleep(self._judge.config.poll)
            batch = await self._retrieve_batch(batch.id)
        told = await self._result_lines(batch)
        verdicts = [self._line_verdict(case, told.get(_case_id(case)), batch.status) for case in cases]
        await asyncio.gather(*(give(verdict) for verdict, _ in verdicts))
        self._memory.record_event(DONE, {"key": key, "status": batch.status})
        if batch.status == "failed":
            raise JudgeError(
                f"judge '{self._judge.config.name}': the server failed batch {batch.id}: {self._failure_reason(batch)}"
            )
        for _, failure in verdicts:
            self._circuit.record_result(failure)

    async def _retrieve_batch(self, id_: str) -> Batch:
        return await self._call_server(lambda: self._endpoint.client.batches.retrieve(id_))

    def _failure_reason(self, batch: Batch) -> str:
        errors = (batch.errors.data if batch.errors else None) or []
        said = "; ".join(str(error.message) for error in errors) or "the server gives no reason"
        return " ".join(self._endpoint.redact_key(said).split())

    async def _result_lines(self, batch: Batch) -> dict[str, dict[str, Any]]:
        """Lines of the output file and of the error file, by case id."""
        told: dict[str, dict[str, Any]] = {}
        for file in (batch.output_file_id, batch.error_file_id):
            for line in [] if file is None else (await self._file_content(file)).split("\n"):
                row = _json_object(line)
                if isinstance(row.get("custom_id"), str):
                    told.setdefault(row["custom_id"], row)
        return told

    async def _file_content(self, file: str) -> str:
        content = await self._call_server(lambda: self._endpoint.client.files.content(file))
        return content.content.decode("utf-8-sig", errors="replace")

    def _line_verdict(
        self, case: JudgeCase, row: dict[str, Any] | None, status: str
    ) -> tuple[Verdict, CallFailedError | None]:
        messages = self._judge.make_prompt(case).messages
        size = prompt_size(messages)
        ledger = self._endpoint.ledger
        allowed = self._allowed.pop(_case_id(case), 0)  # 0: another run reserved its cost
        try:
            completion = self._endpoint.with_token_counts(
                self._line_completion(row, status), allowed or ledger.max_prompt_tokens(size), size
            )
        except CallFailedError as failure:
            most = (allowed or ledger.max_prompt_tokens(size), self._judge.config.max_tokens)
            ledger.record_usage(allowed, *(most if failure.billed else (0, 0)))
            return self._judge.failed_verdict(case, failure), failure
        sent, received, cached = completion.input_tokens, completion.output_tokens, completion.cached_tokens
        try:
            self._endpoint.check_prompt_was_read(messages, completion)
        except CallFailedError as failure:
            ledger.record_usage(allowed, sent, received, cached=cached)
            return self._judge.failed_verdict(case, failure), failure
        ledger.record_usage(allowed, sent, received, cached=cached)
        return self._judge.make_verdict(case, completion), None

    def _line_completion(self, row: dict[str, Any] | None, status: str) -> Completion:
        if row is None:
            raise CallFailedError(RETRY, f"the batch ended ({status}) without an answer")
        told = row.get("response")
        response = told if isinstance(told, dict) else {}
        body = response.get("body")
        body = _json_object(body) if isinstance(body, str) else body
        has_reply = isinstance(body, dict) and bool(body.get("choices")) and not row.get("error")
        code = reported_status(response, "status_code") or (200 if has_reply else None)
        if code != 200:
            complaint = read_complaint(code, row.get("error") or body or {})
            failed = classify_complaint(complaint, self._judge.config)
            return completion_without_reply(
                CallFailedError(failed.kind, self._endpoint.redact_key(failed.reason), complaint=complaint)
            )
        return self._endpoint.read_completion(json.dumps(body).encode())

    async def _call_server(self, once: Callable[[], Awaitable[Got]]) -> Got:
        try:
            return await self._endpoint.with_retries(once)
        except CallFailedError as failure:
            raise JudgeError(
                f"judge '{self._judge.config.name}': the server's Batch API: {failure.reason}: what was ordered is "
                'remembered: run the same command again, or set transport = "chat"'
            ) from None


def _case_id(case: JudgeCase) -> str:
    return f"{case.trial.id}-{case.sample}"


def _case_from_id(name: str) -> tuple[str, int]:
    trial, _, sample = name.rpartition("-")
    return trial, int(sample)


def _cases_by_id(names: Sequence[str], trials: Sequence[Trial]) -> list[JudgeCase]:
    known = {trial.id: trial for trial in trials}
    return [JudgeCase(known[trial], sample) for trial, sample in map(_case_from_id, names) if trial in known]


def _json_object(line: str) -> dict[str, Any]:
    try:
        check_structure(line, values=REPLY_VALUES)
        row = json.loads(line)
    except (ValueError, RecursionError, DocumentError):
        return {}
    return row if isinstance(row, dict) else {}
