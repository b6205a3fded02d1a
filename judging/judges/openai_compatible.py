"""A judge behind an OpenAI-compatible server: concurrent calls, verdicts as they arrive, a circuit breaker."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence

from pydantic import JsonValue

from gnomon.data.errors import JudgeError, UserError
from gnomon.data.foreign_documents.permissions import (
    KEY_HOSTS,
    is_allowed_server,
    permission_hint,
    server_entry,
)
from gnomon.data.records import Facts, JudgeVersion, Trial, Verdict, VerdictState
from gnomon.judging.client.async_bridge import AsyncProducer
from gnomon.judging.client.batch_api import SIZE, BatchApiClient
from gnomon.judging.client.budget import BudgetLedger, BudgetSpentError, prompt_size
from gnomon.judging.client.call_errors import CallFailedError
from gnomon.judging.client.circuit_breaker import CircuitBreaker, advice_unless_fatal
from gnomon.judging.client.completion import CONTENT_FILTER, NO_ROOM, TRUNCATED, Completion
from gnomon.judging.client.endpoint import Endpoint, SchemaSupport
from gnomon.judging.client.rate_limit import Clock, Sleep
from gnomon.judging.config import JudgeConfig
from gnomon.judging.credentials import SecretScrubber
from gnomon.judging.judges.few_shot import draw_balanced_examples, draw_examples, examples_from_stored, stored_examples
from gnomon.judging.kinds import JudgeMaterials, LabelledResponse
from gnomon.judging.protocols import JudgeCase, make_judge_version
from gnomon.judging.rubrics.blind import NO_CONTEXT, JudgePrompt, LabelledExample, PromptContext
from gnomon.judging.rubrics.catalogue import EDITIONS, rubric_named
from gnomon.judging.rubrics.reply_parser import is_ended_by_object, visible_answer
from gnomon.judging.rubrics.transcript import shorten_text
from gnomon.judging.run_state import InMemoryRunState, RunState

RAW_LIMIT = 20_000
FIRST_MAX_TOKENS = 400
"""Longest reply of a judge with the first edition of a rubric where its table says nothing."""

Give = Callable[[Verdict], Awaitable[None]]


class OpenAICompatibleJudge:
    """An LLM that answers a rubric's questions, called through the `openai` SDK.

    Parameters
    ----------
    config : JudgeConfig
        Address, model, name of the key's environment variable, sampling parameters, limits and budget.
    concepts : sequence of str
        The study's closed list.
    examples : sequence of LabelledExample
        Few-shot examples, drawn from the train split.
    context : PromptContext
        What the study's subjects were asked, and what its concepts cover.
    sleep, clock : callable
        Coroutine function that waits for a number of seconds; function that returns the time in seconds.
    """

    def __init__(
        self,
        config: JudgeConfig,
        concepts: Sequence[str],
        *,
        examples: Sequence[LabelledExample] = (),
        context: PromptContext = NO_CONTEXT,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self.rubric = rubric_named(config.rubric, config.edition or EDITIONS[0])
        if self.rubric.edition == 1 and "max_tokens" not in config.model_fields_set:
            config = config.model_copy(update={"max_tokens": FIRST_MAX_TOKENS})
        self.config = config
        self.concepts = tuple(concepts)
        self.examples = tuple(examples)
        self.context = context
        self.samples = config.samples
        self._sleep = sleep
        self._clock = clock
        self._support: SchemaSupport | None = None
        self._changes: list[str] = []
        self._ledger = BudgetLedger(config)
        self._scrubber = SecretScrubber()
        self._lowest = config.concurrency
        self._waited = 0.0
        self._scored: Counter[bool] = Counter()
        self._version = self._make_version()

    @property
    def version(self) -> JudgeVersion:
        """Version with a hash of model, rubric, few-shot examples, closed list and sampling parameters.

        The address of the server is not part of it.
        """
        return self._version

    @property
    def enforces_schema(self) -> bool | None:
        """Whether the server enforced a schema in the probe of the latest run.

        None before the first run, and where the probe's replies were empty.
        """
        known = {SchemaSupport.ENFORCED: True, SchemaSupport.SHOWN: False, SchemaSupport.IGNORED: False}
        return None if self._support is None else known.get(self._support)

    def usage_summary(self) -> dict[str, JsonValue]:
        """Calls, tokens and cost of the latest run, lowest concurrency that the server forced, and seconds waited.

        `schema` says what the server does with a JSON schema, `adapted` what was not sent as the study file says, and
        what the server did not give of what was asked for. `scored` counts verdicts with scores, where they are asked
        for.
        """
        summary: dict[str, JsonValue] = {
            **self._ledger.usage_summary(),
            "lowest_concurrency": self._lowest,
            "waited": round(self._waited, 1),
            "schema": None if self._support is None else str(self._support),
            "adapted": [*self._changes, *self._missing_scores()],
        }
        return {**summary, "scored": self._scored[True]} if self.config.logprobs else summary

    def _missing_scores(self) -> list[str]:
        """What is said of verdicts without scores, where the server did not refuse them in words."""
        without, total = self._scored[False], self._scored.total()
        if not self.config.logprobs or not without or any("log-probabilities" in change for change in self._changes):
            return []
        if without == total:
            return ["it gives no log-probabilities of its answers, so verdicts have no scores"]
        return [f"{without} of {total} verdicts have no scores"]

    def make_prompt(self, case: JudgeCase) -> JudgePrompt:
        """The prompt that is sent for one case."""
        return self.rubric.make_prompt(case.trial, self.concepts, case.prompt_seed, self.examples, self.context)

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """Yield verdicts in the order in which they arrive. Closing the generator cancels the calls in flight."""
        if trials:
            flow = self.open_stream([JudgeCase(trial) for trial in trials], InMemoryRunState())
            try:
                for batch in flow.iterate_batches():
                    yield from batch
            finally:
                flow.close()

    def open_stream(self, cases: Iterable[JudgeCase], memory: RunState) -> AsyncProducer[Verdict]:
        """Start calling the server; each call keeps its slot until its verdict is acknowledged.

        The stream raises `JudgeError` if the server cannot be called at all, after `stop_after` consecutive failures,
        or if the budget allows no further call.

        Parameters
        ----------
        cases : iterable of JudgeCase
            Cases to judge; read only as far as there are free slots.
        memory : RunState
            State of earlier runs: tokens used and batches in progress.

        Raises
        ------
        UserError
            If the key's environment variable is not set or holds characters that no key has.
        """
        key = self._api_key()
        headers = {header: self._secret_in(variable) for header, variable in self.config.headers_env.items()}
        self._scrubber = SecretScrubber([key, *headers.values()])
        ahead = self.config.batch_size or SIZE if self.config.transport == "batch" else self.config.concurrency // 4
        self._scored = Counter()
        self._ledger = BudgetLedger(self.config, memory.open_account(), ahead=ahead)
        return AsyncProducer[Verdict](
            lambda give: self._run_requests(iter(cases), (key, headers), memory, give), self.config.concurrency
        )

    def make_verdict(self, case: JudgeCase, completion: Completion) -> Verdict:
        """The verdict that a completion gives on a case.

        Parameters
        ----------
        case : JudgeCase
            The trial and the index of the sample.
        completion : Completion
            What the server returned for it.
        """
        state, facts, quote = self._read_completion(completion, case.trial)
        text = (facts is None and completion.refusal) or completion.text
        scrub = self._scrubber.scrub_text
        scores = self._scores_of(completion, facts) if self.config.logprobs else None
        return Verdict(
            case.trial.id,
            self.version.version,
            facts,
            state,
            case.sample,
            quote=scrub(quote),
            raw=shorten_text(scrub(text), RAW_LIMIT),
            seconds=completion.seconds,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            scores=scores,
        )

    def _scores_of(self, completion: Completion, facts: Facts | None) -> dict[str, float] | None:
        """Probabilities of the answers; None, and counted, where the server gave none."""
        if facts is None:
            self._scored[False] += bool(completion.text) and not completion.tokens
            return None
        found = self.rubric.reply_scores(completion.tokens, facts, self.concepts) if completion.tokens else {}
        self._scored[bool(found)] += 1
        return found or None

    def failed_verdict(self, case: JudgeCase, failure: CallFailedError) -> Verdict:
        """A verdict with state `error`, which holds the reason of the failure.

        Parameters
        ----------
        case : JudgeCase
            The trial and the index of the sample.
        failure : CallFailedError
            Why the call failed.
        """
        version = self.version.version
        return Verdict(case.trial.id, version, None, VerdictState.ERROR, case.sample, raw=failure.reason)

    def _make_version(self) -> JudgeVersion:
        sampling = {"temperature": self.config.temperature, "max_tokens": self.config.max_tokens}
        rubric = {"name": self.rubric.name, "hash": self.rubric.rubric_hash}
        described: dict[str, object] = {
            "model": self.config.model,
            "rubric": rubric,
            "concepts": sorted(self.concepts),
        }
        described |= sampling
        if self.config.logprobs:
            described["logprobs"] = True
        if self.config.extra:
            described["extra"] = self.config.extra
        if self.rubric.edition > 1:
            described["edition"] = self.rubric.edition
            names = set(self.concepts) & self.context.described.keys()
            if covered := {name: self.context.described[name] for name in sorted(names)}:
                described["described"] = covered
        if self.examples:
            described["examples"] = stored_examples(self.examples, has_questions=self.rubric.edition > 1)
        return make_judge_version(self.config.name, self.config.kind, described)

    def _api_key(self) -> str | None:
        name = self.config.api_key_env
        return None if name is None else self._secret_in(name)

    def _secret_in(self, name: str) -> str:
        """The value of an environment variable that is sent in a header."""
        address = self.config.base_url or ""
        if not is_allowed_server(name, address):
            hint = permission_hint(KEY_HOSTS, server_entry(name, address))
            raise UserError(
                f"judge '{self.config.name}': {name} is not sent to {server_entry(name, address).partition('@')[2]}, "
                f"which you have not allowed: if that server may have it, {hint}"
            )
        key = os.environ.get(name, "").strip()
        if not key:
            raise UserError(f"judge '{self.config.name}': environment variable {name} is not set: export {name}=...")
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"judge '{self.config.name}': {name} holds characters that no key has: set it again")
        return key

    async def _run_requests(
        self, waiting: Iterator[JudgeCase], secrets: tuple[str | None, dict[str, str]], memory: RunState, give: Give
    ) -> None:
        """Probe, then let `concurrency` workers take cases from one iterator and emit verdicts."""
        ledger, sleep, clock = self._ledger, self._sleep, self._clock
        key, headers = secrets
        async with Endpoint(self.config, key, headers=headers, ledger=ledger, sleep=sleep, clock=clock) as endpoint:
            try:
                await self._probe_server(endpoint)
                if self.config.transport == "batch":
                    await BatchApiClient(self, endpoint, memory, sleep).run_batches(waiting, give)
                else:
                    await self._call_by_call(endpoint, waiting, give)
            except* BudgetSpentError as spent:
                raise JudgeError(f"judge '{self.config.name}': {spent.exceptions[0]}") from None
            finally:
                self._lowest, self._waited = endpoint.throttle.adaptive.lowest, endpoint.throttle.waited
                self._changes = endpoint.form.described_changes(self.config)
                ledger.end_run()

    async def _call_by_call(self, endpoint: Endpoint, waiting: Iterator[JudgeCase], give: Give) -> None:
        circuit = CircuitBreaker(self.config)
        async with asyncio.TaskGroup() as group:
            for _ in range(self.config.concurrency):
                group.create_task(self._run_worker(endpoint, waiting, circuit, give))

    async def _probe_server(self, endpoint: Endpoint) -> None:
        try:
            self._support = await endpoint.probe_server(
                self.rubric.opening_text(self.concepts, self.examples, self.context)
            )
        except CallFailedError as failure:
            raise JudgeError(
                f"judge '{self.config.name}': {self.config.base_url} can't be asked: {failure.reason}"
                f"{advice_unless_fatal(failure, ': start the server or fix base_url in study.toml')}"
            ) from None

    async def _run_worker(
        self, endpoint: Endpoint, waiting: Iterator[JudgeCase], circuit: CircuitBreaker, give: Give
    ) -> None:
        for case in waiting:
            failure = None
            try:
                verdict = await self._ask_case(endpoint, case)
            except CallFailedError as failed:
                verdict, failure = self.failed_verdict(case, failed), failed
            await give(verdict)
            circuit.record_result(failure)

    async def _ask_case(self, endpoint: Endpoint, case: JudgeCase) -> Verdict:
        prompt = self.make_prompt(case)
        schema = prompt.schema if endpoint.sends_schema else None
        return self.make_verdict(case, await endpoint.ask_model(prompt.messages, schema, seed=case.prompt_seed))

    def _read_completion(self, completion: Completion, trial: Trial) -> tuple[VerdictState, Facts | None, str]:
        """State, facts and quotation of a completion.

        A reply that the server truncated or declined gets that state unless it contains a complete object of facts. If
        it is truncated, the object must be the last thing that it says: a later one may have been about to revise it.
        """
        if completion.finish == NO_ROOM:
            return VerdictState.TOO_LONG, None, ""
        if completion.finish == TRUNCATED and not is_ended_by_object(visible_answer(completion.text)):
            return VerdictState.TRUNCATED, None, ""
        state, facts, quote = self.rubric.interpret_reply(completion.text, self.concepts, trial)
        if facts is not None:
            return state, facts, quote
        if completion.refusal is not None or completion.finish == CONTENT_FILTER:
            return VerdictState.REFUSED, None, ""
        return (VerdictState.TRUNCATED if completion.finish == TRUNCATED else state), None, ""


def build_openai_judge(config: JudgeConfig, materials: JudgeMaterials) -> OpenAICompatibleJudge:
    """The judge of kind `openai` that a config describes.

    Parameters
    ----------
    config : JudgeConfig
        Address, model and limits.
    materials : JudgeMaterials
        The closed list, the labelled responses that few-shot examples are drawn from, and the study's judge versions.

    Raises
    ------
    NotEnoughDataError
        If fewer labelled responses than the number of few-shot examples are usable.
    """
    editions = EDITIONS if config.edition is None else (config.edition,)
    for edition in editions:
        for judge in _stored_candidates(config, materials, edition):
            if any(judge.version.version == stored.version for stored in materials.study.stored):
                return judge
    return _build_edition(config, materials, editions[0], _draw_for(config, materials, editions[0]))


def _stored_candidates(config: JudgeConfig, materials: JudgeMaterials, edition: int) -> Iterator[OpenAICompatibleJudge]:
    """The judges that a config may have meant in an earlier run, by the examples that they were shown, newest first."""
    if not config.examples:
        yield _build_edition(config, materials, edition, ())
        return
    for stored in reversed(materials.study.stored):
        if stored.name == config.name and stored.kind == config.kind:
            examples = examples_from_stored(stored.config.get("examples"))
            if len(examples) == config.examples:
                yield _build_edition(config, materials, edition, examples)


def _draw_for(config: JudgeConfig, materials: JudgeMaterials, edition: int) -> tuple[LabelledExample, ...]:
    if not config.examples:
        return ()
    if edition == 1:
        return draw_examples(materials.training, materials.concepts, config.examples)
    pool = [LabelledResponse(answer, facts) for answer, facts in materials.training]
    return draw_balanced_examples(materials.study.labels, pool, materials.concepts, config.examples)


def _build_edition(
    config: JudgeConfig, materials: JudgeMaterials, edition: int, examples: Sequence[LabelledExample]
) -> OpenAICompatibleJudge:
    context = PromptContext(materials.study.questions, materials.study.described)
    settled = config.model_copy(update={"edition": edition})
    return OpenAICompatibleJudge(settled, materials.concepts, examples=examples, context=context)


def prompt_characters(judge: OpenAICompatibleJudge, case: JudgeCase) -> int:
    """Characters of the prompt for a case.

    Parameters
    ----------
    judge : OpenAICompatibleJudge
        The judge.
    case : JudgeCase
        The case.
    """
    return prompt_size(judge.make_prompt(case).messages)
