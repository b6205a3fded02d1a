"""Client of one OpenAI-compatible server: calls under one retry policy, and a probe for JSON-schema support."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

import httpx2  # the SDK's own HTTP library: its response type
from openai import AsyncOpenAI, OpenAIError
from pydantic import BaseModel, Field, ValidationError

from gnomon.data.records import canonical_hash
from gnomon.judging.client.budget import BudgetLedger, prompt_size
from gnomon.judging.client.call_errors import (
    FATAL,
    RATE_LIMITED,
    REJECTED,
    RETRY,
    CallFailedError,
    content_filter,
    from_sdk_error,
)
from gnomon.judging.client.connection_pool import http_client
from gnomon.judging.client.rate_limit import Clock, RateLimiter, Sleep
from gnomon.judging.config import JudgeConfig

TRIES = 4
PROBE_TRIES = 3
PATIENCE = 20
NO_KEY = "none"

Messages = Sequence[Mapping[str, str]]
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Completion:
    """A server's response: text, finish reason, its own refusal if any, tokens, and seconds of the successful call."""

    text: str
    finish: str
    refusal: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


class _WireMessage(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _WireChoice(BaseModel):
    message: _WireMessage
    finish_reason: str | None = None


class _WireUsage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _WireCompletion(BaseModel):
    choices: list[_WireChoice] = Field(min_length=1)
    usage: _WireUsage | None = None


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
        ledger: BudgetLedger | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self.config = config
        self.sends_schema = False
        self.ledger = ledger or BudgetLedger(config)
        self.throttle = RateLimiter(config, sleep, clock)
        self._length_key = "max_tokens"
        self._key = key
        self._sleep = sleep
        self._clock = clock
        self.client = AsyncOpenAI(
            base_url=config.base_url,
            api_key=key or NO_KEY,
            max_retries=0,
            timeout=config.timeout,
            http_client=http_client(config.concurrency),
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
        """The text with this endpoint's API key replaced by asterisks."""
        return text.replace(self._key, "***") if self._key else text

    async def ask_model(
        self, messages: Messages, schema: Mapping[str, object] | None, *, seed: int = 0, tries: int = TRIES
    ) -> Completion:
        """Send one chat request, with retries and within the budget.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages with the keys `role` and `content`.
        schema : mapping, optional
            JSON schema of the reply; None asks for plain text.
        seed : int
            Seed of the jitter between retries.
        tries : int
            Attempts in all after transient failures; rate-limited attempts have a limit of their own (`PATIENCE`).

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
        return await self.with_retries(lambda: self._metered_call(messages, schema, size), seed=seed, tries=tries)

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
            After the last attempt, or at once for kinds `REJECTED` and `FATAL`. Errors of the SDK are converted to it.
        """
        faults = waits = 0
        while True:
            try:
                return await once()
            except (CallFailedError, OpenAIError) as error:
                failure = error if isinstance(error, CallFailedError) else self.classify_failure(error)
                faults += failure.kind == RETRY
                waits += failure.kind == RATE_LIMITED
                if failure.kind in (REJECTED, FATAL) or faults >= tries or waits >= PATIENCE:
                    raise failure from None
                await self._back_off(failure, faults + waits, seed)

    async def probe_schema(self) -> bool:
        """Whether the server enforces a JSON schema on its responses.

        The server is asked for a plain word under a schema that allows only one unguessable string. A server that
        returns that string enforces schemas. One that returns anything else, or rejects the schema, does not, and later
        requests are sent without a schema.

        Raises
        ------
        CallFailedError
            If the server gives no response at all.
        """
        token = canonical_hash(["probe", self.config.name, self.config.model], 12)
        schema = {
            "type": "object",
            "properties": {"token": {"type": "string", "enum": [token]}},
            "required": ["token"],
            "additionalProperties": False,
        }
        messages = [{"role": "user", "content": "Reply with the single word: ready. Write no JSON."}]
        try:
            answer = await self._ask_adapting(messages, schema)
        except CallFailedError as failure:
            if failure.kind in (FATAL, RATE_LIMITED):
                raise
            answer = await self._ask_adapting(messages, None)
        self.sends_schema = token in answer.text
        return self.sends_schema

    def request_body(self, messages: Messages, schema: Mapping[str, object] | None) -> dict[str, object]:
        """The JSON body of one chat request.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages with the keys `role` and `content`.
        schema : mapping, optional
            JSON schema of the reply; None asks for plain text.
        """
        body: dict[str, object] = {"model": self.config.model, "messages": list(messages)}
        body[self._length_key] = self.config.max_tokens
        if self.config.temperature != "server":
            body["temperature"] = self.config.temperature
        if schema is not None:
            form = {"name": "facts", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def read_completion(self, content: bytes, seconds: float = 0.0) -> Completion:
        """Parse the body of a response.

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
            wire = _WireCompletion.model_validate_json(content)
        except ValidationError:
            raise CallFailedError(
                RETRY, "the answer is not what this protocol returns (no JSON with choices)", billed=True
            ) from None
        choice, usage = wire.choices[0], wire.usage or _WireUsage()
        return Completion(
            self.redact_key(choice.message.content or ""),
            choice.finish_reason or "",
            None if choice.message.refusal is None else self.redact_key(choice.message.refusal),
            usage.prompt_tokens or 0,
            usage.completion_tokens or 0,
            seconds,
        )

    def classify_failure(self, error: OpenAIError | TimeoutError) -> CallFailedError:
        """Classify an error of the SDK, with the API key redacted."""
        failed = from_sdk_error(error, self.config)
        return CallFailedError(failed.kind, self.redact_key(failed.reason), failed.wait, billed=failed.billed)

    async def _ask_adapting(self, messages: Messages, schema: Mapping[str, object] | None) -> Completion:
        """As `ask_model`; if the server requires the newer name of the length limit, use that name from now on."""
        try:
            return await self.ask_model(messages, schema, tries=PROBE_TRIES)
        except CallFailedError as failure:
            if failure.kind != REJECTED or "max_completion_tokens" not in failure.reason:
                raise
            self._length_key = "max_completion_tokens"
            return await self.ask_model(messages, schema, tries=PROBE_TRIES)

    async def _metered_call(self, messages: Messages, schema: Mapping[str, object] | None, size: int) -> Completion:
        """One call, rate-limited and within the budget; its usage is recorded whether or not it succeeds."""
        most = self.ledger.max_prompt_tokens(size) + self.config.max_tokens
        await self.throttle.acquire_slot(most)
        limited, used = False, 0
        try:
            allowed = await self.ledger.reserve_budget(size)
            sent = received = 0
            kept = False
            try:
                completion = self.with_token_counts(await self._call_once(messages, schema), allowed, size)
                sent, received, kept = completion.input_tokens, completion.output_tokens, True
                return completion
            except CallFailedError as failure:
                limited = failure.kind == RATE_LIMITED
                if failure.billed:
                    sent, received = allowed, self.config.max_tokens
                raise
            finally:
                self.ledger.record_usage(allowed, sent, received, kept=kept)
                used = sent + received
        finally:
            self.throttle.release_slot(limited=limited, unused=most - used)

    def with_token_counts(self, completion: Completion, allowed: int, size: int) -> Completion:
        """The completion with the tokens to record: as reported, or their upper bound if a price is known.

        Parameters
        ----------
        completion : Completion
            The response as read.
        allowed : int
            Prompt tokens that were reserved for the call, the upper bound of its input.
        size : int
            Size of the prompt, in bytes.
        """
        if completion.input_tokens:
            self.ledger.update_token_ratio(size, completion.input_tokens)
            return completion
        if not self.ledger.has_price:
            return completion
        return replace(completion, input_tokens=allowed, output_tokens=self.config.max_tokens)

    async def _call_once(self, messages: Messages, schema: Mapping[str, object] | None) -> Completion:
        begun = self._clock()
        try:
            async with asyncio.timeout(self.config.timeout):
                # the low-level call: the same request without the SDK's type transformation of every message
                reply = await self.client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=self.request_body(messages, schema)
                )
        except (OpenAIError, TimeoutError) as error:
            if (refusal := content_filter(error)) is not None:
                return Completion("", "content_filter", self.redact_key(refusal), seconds=self._clock() - begun)
            raise self.classify_failure(error) from None
        return self.read_completion(reply.content, self._clock() - begun)

    async def _back_off(self, failure: CallFailedError, turn: int, seed: int) -> None:
        """Wait as long as the server asked, else exponentially longer with jitter."""
        jitter = random.Random(canonical_hash([seed, turn])).uniform(0.5, 1.0)
        delay = failure.wait if failure.wait is not None else min(8.0, 0.25 * 2**turn) * jitter
        if failure.kind == RATE_LIMITED and failure.wait is not None:
            self.throttle.hold_calls(delay)
        await self._sleep(delay)
