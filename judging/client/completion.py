"""A server's response as a completion: its text, its refusal, its tokens, in the forms that servers give them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, ValidationError

from gnomon.data.foreign_documents.bounds import REPLY_VALUES, DocumentError
from gnomon.data.foreign_documents.json_documents import check_structure
from gnomon.judging.client.call_errors import DECLINED, RETRY, TOO_LONG, UNFIT, CallFailedError, classify_complaint
from gnomon.judging.client.error_body import is_filtered, read_complaint
from gnomon.judging.config import JudgeConfig
from gnomon.judging.rubrics.answer_scores import ReplyToken
from gnomon.judging.rubrics.reply_parser import last_json_object

CONTENT_FILTER, NO_ROOM = "content_filter", "too_long"
"""Finish reasons of a call that ended with its transcript: the server declined it, or it does not fit."""
TRUNCATED = "length"
"""Finish reason of a reply that reached the limit of its length."""
_FINISHES = {
    **dict.fromkeys(("max_tokens", "max_output_tokens", "max_new_tokens", "model_length", "token_limit"), TRUNCATED),
    **dict.fromkeys(
        ("safety", "refusal", "sensitive", "prohibited_content", "recitation", "blocklist", "spii", "content_filtered",
         "guardrail_intervened", "guardrails", "moderation"),
        CONTENT_FILTER,
    ),
}  # fmt: skip
UNLISTED = -9999.0
"""Log-probability that stands for a token which is not among the most probable ones."""
MOST_LOGPROB = 1e-4
"""Beyond this a number is no log-probability: rounding does not reach it."""
MOST_TOKENS = 10**9
"""Tokens that a call can have. A report of more, or of fewer than 0, is no report."""
_ANSWER_PARTS = ("text", "output_text", "none", "")
"""Types of a part that holds the answer; all others are reasoning, refusals, or no text."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A server's response: text, finish reason, its own refusal if any, tokens, and seconds of the successful call.

    `output_tokens` holds the tokens of its reasoning too; `cached_tokens` are those input tokens that the server had
    already read in an earlier call. With `has_usage` false the server reported no usage that can be true, and the
    tokens are upper bounds. `tokens` is empty where the server gave no log-probabilities.
    """

    text: str
    finish: str
    refusal: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cached_tokens: int = 0
    has_usage: bool = True
    tokens: tuple[ReplyToken, ...] = ()


def _count(value: object) -> int:
    """A number of tokens; 0 for anything that is none."""
    try:
        number = int(float(str(value)))
    except (ValueError, OverflowError):
        return 0
    return number if 0 <= number <= MOST_TOKENS else 0


def _details(value: object) -> object:
    return value if isinstance(value, Mapping) else {}


def _usage(value: object) -> object:
    """A report of usage; one with a number that no call can have is none."""
    if not isinstance(value, Mapping):
        return {}
    groups = (value, *(part for part in value.values() if isinstance(part, Mapping)))
    counts = [_number(count) for group in groups for name, count in group.items() if "token" in str(name)]
    return value if all(0 <= count <= MOST_TOKENS for count in counts) else {}


def _number(value: object) -> float:
    """A number as a server may write it; 0 for anything that is none."""
    try:
        return 0.0 if isinstance(value, bool | Mapping | list) else float(str(value))
    except ValueError:
        return 0.0


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
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    reasoning_tokens: _Count = 0
    prompt_tokens_details: _Details = _WireDetails()
    completion_tokens_details: _Details = _WireDetails()
    input_tokens_details: _Details = _WireDetails()
    output_tokens_details: _Details = _WireDetails()

    @property
    def all_output(self) -> int:
        """Tokens of reply and reasoning, also where a server leaves its reasoning out of those of the reply."""
        reply = max(self.completion_tokens, self.output_tokens)
        details = (self.completion_tokens_details, self.output_tokens_details)
        beside = max(self.reasoning_tokens, *(found.reasoning_tokens for found in details))
        told = reply + (beside if beside > reply else 0)
        return max(told, self.total_tokens - self._prompt if self._prompt else 0)

    @property
    def cached(self) -> int:
        """Input tokens that the server had read before, by whichever name it calls them."""
        names = (self.prompt_cache_hit_tokens, self.cached_tokens, self.cache_read_input_tokens)
        details = (self.prompt_tokens_details, self.input_tokens_details)
        return max(*names, *(found.cached_tokens for found in details))

    @property
    def all_input(self) -> int:
        """All input tokens; a server whose cached tokens are more than its prompt counts them beside it."""
        return self._prompt + (self.cached if self.cached > self._prompt else 0)

    @property
    def _prompt(self) -> int:
        return max(self.prompt_tokens, self.input_tokens)


class _WireMessage(BaseModel):
    content: JsonValue = None
    refusal: JsonValue = None


class _WireChoice(BaseModel):
    index: _Count = 0
    message: Annotated[_WireMessage, BeforeValidator(_details)] = _WireMessage()
    finish_reason: JsonValue = None
    error: JsonValue = None
    logprobs: JsonValue = None

    @property
    def says_something(self) -> bool:
        """Whether it holds a text or a refusal."""
        return bool(_visible_text(self.message.content).strip() or _refusal(self.message))


class _WireCompletion(BaseModel):
    choices: list[_WireChoice] = Field(min_length=1)
    usage: Annotated[_WireUsage, BeforeValidator(_usage)] = _WireUsage()
    error: JsonValue = None

    @property
    def choice(self) -> _WireChoice:
        """The first choice by its index that says something; the first, if none does."""
        ordered = sorted(self.choices, key=lambda choice: choice.index)
        return next((choice for choice in ordered if choice.says_something), ordered[0])


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
        check_structure(content, values=REPLY_VALUES)
    except DocumentError as error:
        raise CallFailedError(RETRY, f"the answer {error.problem}", billed=True) from None
    wire = _parsed_body(content)
    if wire is None:
        failure = _error_in_body(_json_value(content), config)
        if failure is not None:
            return completion_without_reply(failure, seconds)
        raise CallFailedError(RETRY, "the answer is not what this protocol returns (no JSON with choices)", billed=True)
    choice, usage = wire.choice, wire.usage
    text = _visible_text(choice.message.content)
    fault = choice.error or (None if choice.says_something else wire.error)
    if (fault or choice.finish_reason == "error") and last_json_object(text) is None:
        complaint = read_complaint(None, fault or {"message": "the reply ends with an error"})
        failure = classify_complaint(complaint, config)
        if failure.kind in (DECLINED, TOO_LONG, UNFIT):
            return completion_without_reply(failure, seconds)
        failure.billed = bool(text)
        raise failure
    return Completion(
        text,
        _finish_reason(choice.finish_reason),
        _refusal(choice.message),
        usage.all_input,
        usage.all_output,
        seconds,
        usage.cached,
        tokens=_reply_tokens(choice.logprobs),
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
    if failure.kind == UNFIT and failure.complaint is not None:
        is_cut = failure.complaint.is_about("max completion tokens", "max_completion_tokens", "max_tokens")
        text = failure.complaint.failed_reply or ""
        return Completion(text, TRUNCATED if is_cut else "stop", seconds=seconds)
    if failure.kind not in (DECLINED, TOO_LONG):
        raise failure
    return Completion("", CONTENT_FILTER if failure.kind == DECLINED else NO_ROOM, failure.reason, seconds=seconds)


def _parsed_body(content: bytes) -> _WireCompletion | None:
    """A body as a completion, or None; broken characters have substitutes, and the pieces of a stream are joined."""
    try:
        return _WireCompletion.model_validate_json(content)
    except ValidationError:
        body = _completion_of_events(content) or _json_value(content)
    try:
        return _WireCompletion.model_validate_json(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    except (ValidationError, RecursionError):
        return None


def _completion_of_events(content: bytes) -> dict[str, JsonValue] | None:
    """The chat completion whose pieces a stream of server-sent events holds; None if the content is no such stream.

    A stream without a finish reason was cut off: it has the finish reason `error`.
    """
    if not content.lstrip().startswith((b"data:", b"event:", b":")):
        return None
    usage: JsonValue = None
    error: JsonValue = None
    finish: JsonValue = "error"
    message: dict[str, JsonValue] = {}
    tokens: list[JsonValue] = []
    for event in _events(content):
        usage, error = event.get("usage") or usage, event.get("error") or error
        for choice in _first_choices(event):
            finish = choice.get("finish_reason") or finish
            tokens += _token_entries(choice.get("logprobs"))
            piece = choice.get("delta") or choice.get("message")
            for name in ("content", "refusal"):
                message[name] = _joined(message.get(name), piece.get(name) if isinstance(piece, Mapping) else None)
    choice_of_all: dict[str, JsonValue] = {
        "index": 0,
        "message": message,
        "finish_reason": finish,
        "logprobs": {"content": tokens} if tokens else None,
    }
    return {"choices": [choice_of_all], "usage": usage, "error": error}


def _events(content: bytes) -> Iterator[Mapping[str, JsonValue]]:
    for line in re.split(r"\r\n|[\r\n]", content.decode("utf-8-sig", errors="replace")):
        field, _, value = line.partition(":")
        try:
            event = json.loads(value) if field.strip() == "data" else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, Mapping):
            yield event


def _first_choices(event: Mapping[str, JsonValue]) -> Iterator[Mapping[str, JsonValue]]:
    """The pieces of the first choice; others are further replies to the same prompt."""
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):
            yield choice


def _joined(before: JsonValue, piece: JsonValue) -> JsonValue:
    """Text after text, and parts after parts."""
    if piece is None or before is None:
        return before if piece is None else piece
    if isinstance(before, str) and isinstance(piece, str):
        return before + piece
    return [*(before if isinstance(before, list) else [before]), *(piece if isinstance(piece, list) else [piece])]


def _token_entries(told: JsonValue) -> list[JsonValue]:
    """The tokens of a reply as the chat protocol lists them; the older form, lists side by side, is turned into it."""
    if not isinstance(told, Mapping):
        return []
    if isinstance(content := told.get("content"), list):
        return content
    columns = [told.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    tokens, own, listed = (column if isinstance(column, list) else [] for column in columns)
    entries: list[JsonValue] = []
    for token, value, others in zip_longest(tokens, own[: len(tokens)], listed[: len(tokens)]):
        pairs = others.items() if isinstance(others, Mapping) else ()
        top: list[JsonValue] = [{"token": other, "logprob": its} for other, its in pairs]
        entries.append({"token": token, "logprob": value, "top_logprobs": top})
    return entries


def _reply_tokens(told: JsonValue) -> tuple[ReplyToken, ...]:
    """The tokens of a reply with their log-probabilities; none if one of them is not what it should be.

    A value of `UNLISTED` or less, which stands for a token that is not among the most probable ones, is left out.
    """
    found: list[ReplyToken] = []
    for entry in _token_entries(told):
        if not isinstance(entry, Mapping) or (text := _token_text(entry)) is None:
            return ()
        top = entry.get("top_logprobs")
        others = [other for other in top if isinstance(other, Mapping)] if isinstance(top, list) else []
        listed: dict[bytes, float] = {}
        for each in (*others, entry):
            word, value = _token_text(each), _logprob(each)
            if not value <= MOST_LOGPROB:  # logits, or not a number
                return ()
            if word is not None and value > UNLISTED:
                listed.setdefault(word, min(value, 0.0))
        shares = [math.exp(value) if (value := _logprob(other)) > UNLISTED else 0.0 for other in others]
        found.append(ReplyToken(text, listed, min(shares) if len(shares) > 1 else 1.0))
    return tuple(found)


def _logprob(entry: Mapping[str, JsonValue]) -> float:
    """A token's log-probability; `UNLISTED` where there is none, as of a token that cannot occur."""
    value = entry.get("logprob")
    return UNLISTED if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _token_text(entry: Mapping[str, JsonValue]) -> bytes | None:
    """The bytes of a token: as the server lists them, else of its text."""
    numbers, token = entry.get("bytes"), entry.get("token")
    if isinstance(numbers, list) and numbers:
        try:
            return bytes(number for number in numbers if isinstance(number, int))
        except ValueError:
            return None
    return token.encode("utf-8", errors="replace") if isinstance(token, str) else None


def _json_value(content: bytes) -> JsonValue:
    """The JSON value of a body; None if it holds none."""
    try:
        value: JsonValue = json.loads(content.decode("utf-8-sig", errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return value


def _error_in_body(body: JsonValue, config: JudgeConfig) -> CallFailedError | None:
    """The error that a body without choices holds: some gateways send it with status 200."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    if is_filtered(body):
        return CallFailedError(DECLINED, "the server's filter withholds the reply")
    error = next((body[key] for key in ("error", "errors") if body.get(key)), None)
    if error is None and not any(body.get(key) for key in ("message", "detail", "msg", "error_message")):
        return None
    said = error if isinstance(error, dict | list) else {"message": str(error)} if error else body
    return classify_complaint(read_complaint(None, said), config)


def _finish_reason(value: JsonValue) -> str:
    """Why a reply ends, in the protocol's words where a provider has its own."""
    said = str(value or "")
    return _FINISHES.get(said.lower(), said)


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
    if not isinstance(part, Mapping) or part.get("thought") or str(part.get("type")).lower() not in _ANSWER_PARTS:
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
