"""A server's response as a completion: its text, its refusal, its tokens, in the forms that servers give them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, ValidationError

from gnomon.judging.client.call_errors import DECLINED, RETRY, TOO_LONG, CallFailedError, classify_complaint
from gnomon.judging.client.error_body import read_complaint
from gnomon.judging.config import JudgeConfig
from gnomon.judging.rubrics.reply_parser import last_json_object

CONTENT_FILTER, NO_ROOM = "content_filter", "too_long"
"""Finish reasons of a call that ended with its transcript: the server declined it, or it does not fit."""
_THOUGHTS = ("think", "reason", "thought", "redacted", "analysis", "refusal")


@dataclass(frozen=True, slots=True)
class Completion:
    """A server's response: text, finish reason, its own refusal if any, tokens, and seconds of the successful call.

    `output_tokens` holds the tokens of its reasoning too; `cached_tokens` are those input tokens that the server had
    already read in an earlier call.
    """

    text: str
    finish: str
    refusal: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cached_tokens: int = 0


def _count(value: object) -> int:
    """A number of tokens; 0 for anything that is none."""
    try:
        return max(0, int(float(str(value))))
    except (ValueError, OverflowError):
        return 0


def _details(value: object) -> object:
    return value if isinstance(value, Mapping) else {}


_Count = Annotated[int, BeforeValidator(_count)]


class _WireDetails(BaseModel):
    cached_tokens: _Count = 0
    reasoning_tokens: _Count = 0


_Details = Annotated[_WireDetails, BeforeValidator(_details)]


class _WireUsage(BaseModel):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    total_tokens: _Count = 0
    prompt_cache_hit_tokens: _Count = 0
    cached_tokens: _Count = 0
    cache_read_input_tokens: _Count = 0
    prompt_tokens_details: _Details = _WireDetails()
    completion_tokens_details: _Details = _WireDetails()

    @property
    def output_tokens(self) -> int:
        """Tokens of reply and reasoning, also where a server leaves its reasoning out of `completion_tokens`."""
        beside = self.completion_tokens_details.reasoning_tokens
        told = self.completion_tokens + (beside if beside > self.completion_tokens else 0)
        return max(told, self.total_tokens - self.prompt_tokens if self.prompt_tokens else 0)

    @property
    def cached(self) -> int:
        """Input tokens that the server had read before, by whichever name it calls them."""
        names = (self.prompt_cache_hit_tokens, self.cached_tokens, self.cache_read_input_tokens)
        return max(self.prompt_tokens_details.cached_tokens, *names)

    @property
    def input_tokens(self) -> int:
        """All input tokens; a server whose cached tokens are more than its prompt counts them beside it."""
        return self.prompt_tokens + (self.cached if self.cached > self.prompt_tokens else 0)


class _WireMessage(BaseModel):
    content: JsonValue = None
    refusal: JsonValue = None


class _WireChoice(BaseModel):
    message: Annotated[_WireMessage, BeforeValidator(_details)] = _WireMessage()
    finish_reason: JsonValue = None
    error: JsonValue = None


class _WireCompletion(BaseModel):
    choices: list[_WireChoice] = Field(min_length=1)
    usage: Annotated[_WireUsage, BeforeValidator(_details)] = _WireUsage()


def read_response(content: bytes, config: JudgeConfig, seconds: float = 0.0) -> Completion:
    """Parse the body of a response with status 200.

    Parameters
    ----------
    content : bytes
        JSON body of the response.
    config : JudgeConfig
        The judge's config, for the reason of a failure.
    seconds : float
        Duration of the call.

    Raises
    ------
    CallFailedError
        If the body is not a chat completion, or an error that came as one.
    """
    try:
        wire = _WireCompletion.model_validate_json(content)
    except ValidationError:
        failure = _error_in_body(content, config)
        if failure is not None:
            return completion_without_reply(failure, seconds)
        raise CallFailedError(
            RETRY, "the answer is not what this protocol returns (no JSON with choices)", billed=True
        ) from None
    choice, usage = wire.choices[0], wire.usage
    text = _visible_text(choice.message.content)
    if (choice.error or choice.finish_reason == "error") and last_json_object(text) is None:
        complaint = read_complaint(None, choice.error or {"message": "the reply ends with an error"})
        failure = classify_complaint(complaint, config)
        if failure.kind in (DECLINED, TOO_LONG):
            return completion_without_reply(failure, seconds)
        failure.billed = bool(text)
        raise failure
    return Completion(
        text,
        str(choice.finish_reason or ""),
        _refusal(choice.message),
        usage.input_tokens,
        usage.output_tokens,
        seconds,
        usage.cached,
    )


def completion_without_reply(failure: CallFailedError, seconds: float = 0.0) -> Completion:
    """What a failure amounts to that ends its transcript and nothing else.

    Parameters
    ----------
    failure : CallFailedError
        The failure.
    seconds : float
        Duration of the call.

    Raises
    ------
    CallFailedError
        The failure itself, if it is of another kind.
    """
    if failure.kind not in (DECLINED, TOO_LONG):
        raise failure
    return Completion("", CONTENT_FILTER if failure.kind == DECLINED else NO_ROOM, failure.reason, seconds=seconds)


def _error_in_body(content: bytes, config: JudgeConfig) -> CallFailedError | None:
    """The error that a body without choices holds: some gateways send it with status 200."""
    try:
        body = json.loads(content)
    except ValueError:
        return None
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict) or not body.get("error"):
        return None
    error = body["error"] if isinstance(body["error"], dict | list) else {"message": str(body["error"])}
    return classify_complaint(read_complaint(None, error), config)


def _visible_text(content: JsonValue) -> str:
    """The text of a message; of one in parts, those parts that are no reasoning."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        is_part = "text" in content or "type" in content
        content = [dict(content) if is_part else json.dumps(content)]
    if not isinstance(content, list):
        return ""
    return "".join(_part_text(part) for part in content)


def _part_text(part: JsonValue) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("thought") or str(part.get("type")).startswith(_THOUGHTS):
        return ""
    text = part.get("text")
    if isinstance(text, Mapping):
        text = text.get("value")
    return text if isinstance(text, str) else ""


def _refusal(message: _WireMessage) -> str | None:
    """The server's own refusal; an empty one is none."""
    parts = message.content if isinstance(message.content, list) else []
    said = [part.get("refusal") for part in parts if isinstance(part, Mapping) and part.get("type") == "refusal"]
    for value in (message.refusal, *said):
        if value and (not isinstance(value, str) or value.strip()):
            return value if isinstance(value, str) else json.dumps(value)
    return None
