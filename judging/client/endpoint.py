"""One OpenAI-compatible server: one call with one retry policy, and the probe that shows what the server honours."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

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
    """What came back: text, why it ended, the server's own refusal if any, tokens, seconds of the call that counted."""

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
    """A connection to one judge's server, to be used as an async context manager.

    The SDK's own retries are off: the only retry policy is the one of `ask`. A 429 holds back every caller of this
    endpoint until the time that the server named, however far that is.
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
        """The text without this endpoint's key."""
        return text.replace(self._key, "***") if self._key else text

    async def ask_model(
        self, messages: Messages, schema: Mapping[str, Any] | None, *, seed: int = 0, tries: int = TRIES
    ) -> Completion:
        """One answer, tried again where that may help: `tries` times in all after faults, `PATIENCE` after a 429.

        Raises
        ------
        CallFailedError
            with the last reason; kind `fatal` where no further call of any trial can succeed.
        BudgetSpentError
            where the judge's budget allows no further call.
        """
        size = prompt_size(messages)
        return await self.with_retries(lambda: self._metered_call(messages, schema, size), seed=seed, tries=tries)

    async def with_retries(self, once: Callable[[], Awaitable[Got]], *, seed: int = 0, tries: int = TRIES) -> Got:
        """What `once` gives, by the one retry policy; errors of the SDK become `CallFailedError`."""
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
        """Whether the server holds an answer to a JSON schema; raises `CallFailedError` where it gives none.

        It is asked for a plain word under a schema that allows one unguessable string only. A server that answers
        with that string enforces schemas; one that answers anything else, or rejects the schema, doesn't, and is then
        asked in plain text.
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

    def request_body(self, messages: Messages, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """What is sent for one answer."""
        body: dict[str, Any] = {"model": self.config.model, "messages": list(messages)}
        body[self._length_key] = self.config.max_tokens
        if self.config.temperature != "server":
            body["temperature"] = self.config.temperature
        if schema is not None:
            form = {"name": "facts", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def read_completion(self, content: bytes, seconds: float = 0.0) -> Completion:
        """A server's answer, read; raises `CallFailedError` where it is not what the protocol returns."""
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
        """The failure that an error of the SDK amounts to, without the key."""
        failed = from_sdk_error(error, self.config)
        return CallFailedError(failed.kind, self.redact_key(failed.reason), failed.wait, billed=failed.billed)

    async def _ask_adapting(self, messages: Messages, schema: Mapping[str, Any] | None) -> Completion:
        """As `ask`, but a server that wants the newer name of the length limit gets it from now on."""
        try:
            return await self.ask_model(messages, schema, tries=PROBE_TRIES)
        except CallFailedError as failure:
            if failure.kind != REJECTED or "max_completion_tokens" not in failure.reason:
                raise
            self._length_key = "max_completion_tokens"
            return await self.ask_model(messages, schema, tries=PROBE_TRIES)

    async def _metered_call(self, messages: Messages, schema: Mapping[str, Any] | None, size: int) -> Completion:
        """One call, through the gate and within the budget; what it used is booked whatever comes of it."""
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
        """The completion with tokens to book: as reported, or where a price is known the most they can have been."""
        if completion.input_tokens:
            self.ledger.update_token_ratio(size, completion.input_tokens)
            return completion
        if not self.ledger.has_price:
            return completion
        return replace(completion, input_tokens=allowed, output_tokens=self.config.max_tokens)

    async def _call_once(self, messages: Messages, schema: Mapping[str, Any] | None) -> Completion:
        begun = self._clock()
        try:
            async with asyncio.timeout(self.config.timeout):
                # the low-level call: the same request without the SDK's walk through the types of every message
                reply = await self.client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=self.request_body(messages, schema)
                )
        except (OpenAIError, TimeoutError) as error:
            if (refusal := content_filter(error)) is not None:
                return Completion("", "content_filter", self.redact_key(refusal), seconds=self._clock() - begun)
            raise self.classify_failure(error) from None
        return self.read_completion(reply.content, self._clock() - begun)

    async def _back_off(self, failure: CallFailedError, turn: int, seed: int) -> None:
        """Wait as long as the server asked for, else exponentially longer with jitter."""
        jitter = random.Random(canonical_hash([seed, turn])).uniform(0.5, 1.0)
        delay = failure.wait if failure.wait is not None else min(8.0, 0.25 * 2**turn) * jitter
        if failure.kind == RATE_LIMITED and failure.wait is not None:
            self.throttle.hold_calls(delay)
        await self._sleep(delay)
