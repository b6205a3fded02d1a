"""Client of one OpenAI-compatible server: calls under one retry policy, and a probe of what the server can do."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

import httpx2  # the SDK's own HTTP library: its response type
from openai import AsyncOpenAI, OpenAIError

from gnomon.data.records import canonical_hash
from gnomon.judging.client.budget import LEAST_CONTEXT, LONG, BudgetLedger, PromptGauge, prompt_size
from gnomon.judging.client.call_errors import (
    CUT,
    DENIED,
    FATAL,
    RATE_LIMITED,
    REJECTED,
    RETRY,
    CallFailedError,
    from_sdk_error,
)
from gnomon.judging.client.completion import (
    CONTENT_FILTER,
    NO_ROOM,
    TRUNCATED,
    Completion,
    completion_without_reply,
    read_response,
)
from gnomon.judging.client.connection_pool import http_client
from gnomon.judging.client.rate_limit import Clock, RateLimiter, Sleep
from gnomon.judging.client.request_form import JSON_OBJECT, SCHEMA, Messages, RequestForm
from gnomon.judging.config import JudgeConfig
from gnomon.judging.credentials import SecretScrubber
from gnomon.judging.rubrics.reply_parser import is_only_reasoning, last_json_object

TRIES = 4
PROBE_TRIES = 3
PATIENCE = 20
NO_KEY = "none"
QUOTE_BOUND = 100

Got = TypeVar("Got")


class SchemaSupport(StrEnum):
    """What a server does with a JSON schema: enforce it, only show it to the model, neither, or it is not known."""

    ENFORCED = "enforced"
    SHOWN = "shown only"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


class Endpoint:
    """A connection to one judge's server, used as an async context manager.

    The SDK's own retries are off: `with_retries` is the only retry policy. A 429 response holds back every caller of
    this endpoint for as long as the server asked.

    Parameters
    ----------
    config : JudgeConfig
        Address, model, sampling parameters, time-out and limits.
    key : str, optional
        API key; None if the server needs none.
    headers : mapping of str to str, optional
        Further HTTP headers. Their values are secrets, as the key is; with them and no key, no key is sent.
    ledger : BudgetLedger, optional
        Where usage is recorded and budget reserved; a new one by default.
    sleep, clock : callable
        Coroutine function that waits for a number of seconds; function that returns the time in seconds.
    """

    def __init__(
        self,
        config: JudgeConfig,
        key: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        ledger: BudgetLedger | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self.config = config
        self.sends_schema = False
        self.form = RequestForm.first(config)
        self.ledger = ledger or BudgetLedger(config)
        self.throttle = RateLimiter(config, sleep, clock)
        self._gauge = PromptGauge()
        given = dict(headers or {})
        self._scrubber = SecretScrubber([key, *given.values()])
        has_own = bool(given) and key is None and "authorization" not in map(str.lower, given)
        self._sleep = sleep
        self._clock = clock
        self.client = AsyncOpenAI(
            base_url=config.base_url,
            api_key=key or NO_KEY,
            max_retries=0,
            timeout=config.timeout,
            http_client=http_client(config.concurrency, sends_key=not has_own),
            default_headers=given,
            default_query=dict(config.query) or None,
        )

    async def __aenter__(self) -> Self:
        """Open the connections."""
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.client.__aexit__(kind, error, trace)

    def redact_key(self, text: str) -> str:
        """The text with this endpoint's API key, and other secrets of its headers, replaced by asterisks.

        Characters that are not shown are removed first, because a secret may be hidden between them.
        """
        return self._scrubber.scrub_text(text)

    async def ask_model(
        self,
        messages: Messages,
        schema: Mapping[str, object] | None,
        *,
        seed: int = 0,
        tries: int = TRIES,
        for_verdict: bool = True,
    ) -> Completion:
        """Send one chat request, with retries and within the budget.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages with the keys `role` and `content`.
        schema : mapping, optional
            JSON schema of the reply; None asks for plain text.
        seed : int
            Seed of the server's sampling, and of the jitter between retries.
        tries : int
            Attempts in all after transient failures; rate-limited attempts have a limit of their own (`PATIENCE`).
        for_verdict : bool
            Whether the response becomes a verdict; a probe's request is not given a wider form.

        Returns
        -------
        Completion
            The response, with the tokens that were recorded for it.

        Raises
        ------
        CallFailedError
            With the reason of the last attempt; kind `FATAL` if no further call of any trial can succeed.
        BudgetSpentError
            If the judge's budget allows no further call.
        """
        size = prompt_size(messages)
        while True:
            form = self.form
            try:
                return await self.with_retries(
                    lambda: self._metered_call(messages, schema, size, seed), seed=seed, tries=tries
                )
            except CallFailedError as failure:
                if self.form == form:  # else another call has changed it meanwhile: try again in the new form
                    adapted = form.adapted(
                        failure.complaint, messages, has_schema=schema is not None, may_widen=for_verdict
                    )
                    if adapted is None:
                        raise
                    self.form = adapted

    async def with_retries(self, once: Callable[[], Awaitable[Got]], *, seed: int = 0, tries: int = TRIES) -> Got:
        """Call `once` under the retry policy and return its result.

        Parameters
        ----------
        once : callable
            Coroutine function without arguments, called once per attempt.
        seed : int
            Seed of the jitter between attempts.
        tries : int
            Attempts in all after transient failures.

        Raises
        ------
        CallFailedError
            After the last attempt, or at once if the failure is neither transient nor a rate limit. Errors of the SDK
            are converted to it.
        """
        faults = waits = 0
        while True:
            try:
                return await once()
            except (CallFailedError, OpenAIError) as error:
                failure = error if isinstance(error, CallFailedError) else self.classify_failure(error)
                faults += failure.kind == RETRY
                waits += failure.kind == RATE_LIMITED
                if failure.kind not in (RETRY, RATE_LIMITED) or faults >= tries or waits >= PATIENCE:
                    raise failure from None
                await self._back_off(failure, faults + waits, seed)

    async def probe_server(self, before: str = "") -> SchemaSupport:
        """Find out what the server does with a JSON schema, and whether it reads a long prompt as a whole.

        The server is asked for a plain word under a schema that allows only one unguessable string. One that returns
        anything else, or rejects the schema, ignores it, and later requests are sent without one. One that returns the
        string may only have shown the schema to the model, so it is then asked for another string, which the schema
        does not allow: a server that enforces schemas cannot return it.

        Parameters
        ----------
        before : str
            What stands before each transcript, to measure its length in tokens.

        Raises
        ------
        CallFailedError
            If the server gives no response at all, denies access, or reads or writes too little for any verdict.
        """
        try:
            return await self._probe_once(before)
        except CallFailedError as failure:
            if failure.kind != REJECTED or not self.form.rivals:
                raise
            self.form = replace(self.form, rivals=0)  # a gateway may not say that it rejects log-probabilities
            return await self._probe_once(before)

    async def _probe_once(self, before: str) -> SchemaSupport:
        token, decoy = (canonical_hash([kind, self.config.name, self.config.model], 12) for kind in ("probe", "decoy"))
        asked = f"{_PROBE_BEFORE}\n\n{before}\n\n{_PROBE_AFTER}\n\n" if before else ""
        messages = [{"role": "user", "content": asked + _PLAIN}]
        support, completion = await self._ask_under_schema(messages, _token_schema(token))
        if completion.has_usage:
            self._gauge.record_reference(messages, completion.input_tokens)
        if support is SchemaSupport.UNKNOWN and token in completion.text:
            words = f'Reply with this JSON object and nothing else: {{"token": "{decoy}"}}'
            support, completion = await self._ask_under_schema(
                [{"role": "user", "content": words}], _token_schema(token)
            )
            if support is SchemaSupport.UNKNOWN and completion.text.strip():
                kept = (last_json_object(completion.text) or {}).get("token") == token
                support = SchemaSupport.ENFORCED if kept else SchemaSupport.SHOWN
        elif support is SchemaSupport.UNKNOWN and completion.text.strip():
            support = SchemaSupport.IGNORED
        self.sends_schema = support is not SchemaSupport.IGNORED or self.form.reply_format == JSON_OBJECT
        return support

    async def _ask_under_schema(
        self, messages: Messages, schema: Mapping[str, object]
    ) -> tuple[SchemaSupport, Completion]:
        """A response to a probe; `IGNORED` if the server rejects the schema and answers without it.

        A server that says so is asked for any JSON object, and keeps being asked for one if it answers with one.
        """
        support = SchemaSupport.UNKNOWN
        try:
            completion = await self.ask_model(messages, schema, tries=PROBE_TRIES, for_verdict=False)
        except CallFailedError as failure:
            if failure.kind in (FATAL, DENIED, RATE_LIMITED, CUT):
                raise
            support = SchemaSupport.IGNORED
            says_so = self.form.complains_of_format(failure.complaint)
            found = await self._ask_for_object(messages, schema) if says_so else None
            completion = found or await self.ask_model(messages, None, tries=PROBE_TRIES, for_verdict=False)
        if completion.finish == NO_ROOM:
            raise CallFailedError(
                FATAL,
                f"the rubric alone is too long for the model ({completion.refusal}): give it a longer context, "
                "or lower 'examples' in study.toml",
            )
        if completion.finish == CONTENT_FILTER and not completion.text:
            raise CallFailedError(
                FATAL,
                f"the server declines the rubric itself ({completion.refusal or 'its filter withholds the reply'}): "
                "every transcript would be refused: ask its provider to turn the filter off, or use another server",
            )
        if completion.finish == TRUNCATED and is_only_reasoning(completion.text):
            raise CallFailedError(
                FATAL,
                f"the reply is empty at {self.config.max_tokens} tokens, all of them used up by its reasoning: raise "
                "'max_tokens' in study.toml",
            )
        return support, completion

    async def _ask_for_object(self, messages: Messages, schema: Mapping[str, object]) -> Completion | None:
        """The response of a server that takes no schema to a request for any JSON object; None if it has none."""
        before = messages[0]["content"].removesuffix(_PLAIN)
        asked = [
            {"role": "user", "content": f'{before}Reply with this JSON object and nothing else: {{"ready": true}}'}
        ]
        self.form = replace(self.form, reply_format=JSON_OBJECT)
        try:
            completion = await self.ask_model(asked, schema, tries=PROBE_TRIES, for_verdict=False)
        except CallFailedError as failure:
            if failure.kind in (FATAL, DENIED, RATE_LIMITED, CUT):
                raise
            completion = Completion("", "")
        if last_json_object(completion.text) is None:
            self.form = replace(self.form, reply_format=SCHEMA)
            return None
        return completion

    def request_body(self, messages: Messages, schema: Mapping[str, object] | None, seed: int = 0) -> dict[str, object]:
        """The JSON body of one chat request.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages with the keys `role` and `content`.
        schema : mapping, optional
            JSON schema of the reply; None asks for plain text.
        seed : int
            Seed of the server's sampling.
        """
        return self.form.request_body(self.config, messages, schema, seed)

    def read_completion(self, content: bytes, seconds: float = 0.0) -> Completion:
        """Parse the body of a response. Its text may hold the key: `redact_key` is for what is made of it.

        Parameters
        ----------
        content : bytes
            JSON body of the response.
        seconds : float
            Duration of the call.

        Raises
        ------
        CallFailedError
            If the body is not a chat completion.
        """
        try:
            return read_response(content, self.config, seconds)
        except CallFailedError as failure:
            raise self._without_key(failure) from None

    def classify_failure(self, error: OpenAIError | TimeoutError) -> CallFailedError:
        """Classify an error of the SDK, with the API key redacted."""
        return self._without_key(from_sdk_error(error, self.config))

    def _without_key(self, failure: CallFailedError) -> CallFailedError:
        return CallFailedError(
            failure.kind,
            self.redact_key(failure.reason),
            failure.wait,
            billed=failure.billed,
            complaint=failure.complaint,
        )

    async def _metered_call(
        self, messages: Messages, schema: Mapping[str, object] | None, size: int, seed: int
    ) -> Completion:
        """One call, rate-limited and within the budget; its usage is recorded whether or not it succeeds."""
        most = self.ledger.max_prompt_tokens(size) + self.config.max_tokens
        await self.throttle.acquire_slot(most)
        limited, used = False, 0
        try:
            allowed = await self.ledger.reserve_budget(size)
            sent, received, cached = allowed, self.config.max_tokens, 0  # of a call that is interrupted
            try:
                completion = self.with_token_counts(await self._call_once(messages, schema, seed), allowed, size)
                sent, received, cached = completion.input_tokens, completion.output_tokens, completion.cached_tokens
                self.check_prompt_was_read(messages, completion)
                return completion
            except CallFailedError as failure:
                limited = failure.kind == RATE_LIMITED
                if not failure.billed and failure.kind != CUT:
                    sent = received = 0
                raise
            finally:
                self.ledger.record_usage(allowed, sent, received, cached=cached)
                used = sent + received
        finally:
            self.throttle.release_slot(limited=limited, unused=most - used)

    def check_prompt_was_read(self, messages: Messages, completion: Completion) -> None:
        """Raise `CallFailedError` if the server read less than the whole prompt.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages of the prompt.
        completion : Completion
            The response to it.
        """
        is_reported = completion.has_usage and completion.finish not in (CONTENT_FILTER, NO_ROOM)
        if is_reported and self._gauge.is_cut(messages, completion.input_tokens):
            raise CallFailedError(
                CUT,
                f"the server cut the prompt: it read {completion.input_tokens} of at least "
                f"{self._gauge.fewest_tokens(messages)} tokens: give the model a longer context (Ollama: "
                "OLLAMA_CONTEXT_LENGTH; llama.cpp: --ctx-size)",
            )

    def with_token_counts(self, completion: Completion, allowed: int, size: int) -> Completion:
        """The completion with the tokens to record: as reported, or their upper bound if a price is known.

        A report that cannot be true counts as none: fewer prompt tokens than any long prompt has, or a reply of none.

        Parameters
        ----------
        completion : Completion
            The response as read.
        allowed : int
            Prompt tokens that were reserved for the call, the upper bound of its input.
        size : int
            Size of the prompt, in bytes.
        """
        sent, received = completion.input_tokens, completion.output_tokens
        is_reported = sent >= LEAST_CONTEXT or (sent > 0 and size <= LONG)
        if is_reported:
            self.ledger.update_token_ratio(size, sent)
        if not self.ledger.has_price or completion.finish == NO_ROOM:
            return completion
        unread = completion.finish == CONTENT_FILTER and not completion.text
        if not received and (completion.text or not (is_reported or unread)):
            received = self.config.max_tokens
        if not is_reported:
            sent, received = allowed, max(received, 0 if unread else self.config.max_tokens)
        return replace(
            completion,
            input_tokens=sent,
            output_tokens=received,
            cached_tokens=completion.cached_tokens if is_reported else 0,
            has_usage=is_reported,
        )

    async def _call_once(self, messages: Messages, schema: Mapping[str, object] | None, seed: int) -> Completion:
        begun = self._clock()
        try:
            async with asyncio.timeout(self.config.timeout):
                # the low-level call: the same request without the SDK's type transformation of every message
                reply = await self.client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=self.request_body(messages, schema, seed)
                )
        except (OpenAIError, TimeoutError) as error:
            return completion_without_reply(self.classify_failure(error), self._clock() - begun)
        return self.read_completion(reply.content, self._clock() - begun)

    async def _back_off(self, failure: CallFailedError, turn: int, seed: int) -> None:
        """Wait as long as the server asked, else exponentially longer with jitter."""
        jitter = random.Random(canonical_hash([seed, turn])).uniform(0.5, 1.0)
        delay = failure.wait if failure.wait is not None else min(8.0, 0.25 * 2**turn) * jitter
        if failure.kind == RATE_LIMITED and failure.wait is not None:
            self.throttle.hold_calls(delay)
        await self._sleep(delay)


_PLAIN = "Reply with the single word: ready. Write no JSON."
_PROBE_BEFORE = "Pay no heed to the text between the two lines of dashes: it is here to measure its length.\n---"
_PROBE_AFTER = "---\nThat was the text."


def _token_schema(token: str) -> dict[str, object]:
    """A schema that allows one string and nothing else."""
    return {
        "type": "object",
        "properties": {"token": {"type": "string", "enum": [token], "maxLength": QUOTE_BOUND}},
        "required": ["token"],
        "additionalProperties": False,
    }
