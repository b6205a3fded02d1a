"""What a server's error says, whatever its form: the usual error object, one in a list, in a 200 response, or text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from gnomon.judging.rubrics.transcript import clean_transcript

_REASON_LIMIT = 300
_TEXT_LIMIT = 4000
_DECLINED_CODES = {
    "content_filter",
    "content_filtered",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "sensitive_words_detected",
    "data_inspection_failed",
    "datainspectionfailed",
    "prohibited_content",
}
_DECLINED = re.compile(
    r"\bflagged\b|moderation|violat\w*[^.]{0,60}(polic|guideline|terms|responsible ai)|usage guideline|"
    r"safety[ _-]?check|content exists risk|high risk|responsible ai|"
    "\N{CJK UNIFIED IDEOGRAPH-654F}\N{CJK UNIFIED IDEOGRAPH-611F}|"  # sensitive
    r"content (management |filter(ing)? |usage |safety )?polic|usage polic|acceptable use|"
    r"content[ _-]filter|safety (system|filter|setting|polic|reason|guard)|for safety|unsafe content|harmful content|"
    r"(inappropriate|prohibited|sensitive|disallowed|objectionable) (content|word|material)|"
    r"(blocked|rejected|declined|filtered) (by|due to|because of) .{0,30}(safety|content|polic|guardrail)|"
    r"guardrail|content restriction|restricted content|\b(unsafe|harmful|toxic(ity)?|nsfw)\b"
)
_ACCOUNT = re.compile(
    r"\b(your|this|the) (account|organi[sz]ation|api[ -]?key|key|project|team|workspace|subscription|ip|region|"
    r"country)\b"
)
_TOO_LONG_CODES = {
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "prompt_too_long",
    "input_too_long",
    "string_above_max_length",
}
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|"
    r"(prompt|input|request|message|conversation|sequence)s?( text| token count| tokens| length)?[^.]{0,40}"
    r"(too long|exceeds?|longer than|larger than)[^.]{0,60}(token|context|length|limit|maximum|$)|"
    r"(prompt|input|request|message)s?( is| are|:)? too (long|large)|too many (input |prompt )?tokens|"
    r"inputs?`? tokens? \+|tokens?\b[^.]{0,40} must (be <=|have less than)|must have less than \d+ tokens|"
    r"reduce the length|max(imum)?[ _](input|prompt|model|seq(uence)?)[ _](len|length|tokens)|"
    r"maximum (number of|allowed)( input| prompt)? tokens|please shorten|payload too large|request entity too large|"
    r"context (overflow|exceeded|is full)|range of input length|"
    r"\btoken (limit|count)s?\b[^.]{0,60}(exceed|only supports|greater than|larger than|at most)"
)
_RATE = re.compile(r"\bper (second|minute|hour|day)\b|\b[tr]p[mds]\b|rate[ _-]?limit")
_REPLY_LIMIT = re.compile(
    r"(completion|output) tokens|max_(completion_)?tokens.{0,40}(at most|less than or equal|must be)"
)
_UNFIT_CODES = {"json_validate_failed", "tool_use_failed"}
_NO_CREDIT_CODES = {"insufficient_quota", "insufficient_balance", "insufficient_credits", "billing_hard_limit_reached"}
_NO_CREDIT = re.compile(
    r"insufficient (balance|credit|fund|quota)|(no|out of|enough|run out of|any) (more )?credits?\b|"
    r"credit balance|payment required|billing"
)


@dataclass(frozen=True, slots=True)
class ServerComplaint:
    """An error as a server reported it.

    Attributes
    ----------
    status : int or None
        HTTP status; that of the error object where the response itself was a success.
    reason : str
        First line of the message, without control characters, at most 300 characters.
    text : str
        The whole error in lower case, for recognising what it is about.
    codes : frozenset of str
        Its codes, types and inner codes, in lower case.
    has_moderation : bool
        Whether it carries the findings of a moderation service.
    failed_reply : str, optional
        What the model wrote, where that is the error: it did not keep to the form that was asked for.
    """

    status: int | None
    reason: str
    text: str
    codes: frozenset[str] = frozenset()
    has_moderation: bool = False
    failed_reply: str | None = None

    @property
    def said(self) -> str:
        """Status and reason, for a message."""
        return f"{self.status}: {self.reason}" if self.status is not None else self.reason

    @property
    def declines_content(self) -> bool:
        """Whether the request was declined because of what its text says: no other request is concerned.

        An error about the account or the key is none, whatever policy it names.
        """
        if self.status in (401, 402, 404, 429):
            return False
        if self.has_moderation or self.codes & _DECLINED_CODES:
            return True
        if self.status is not None and self.status >= 500:
            return False
        return bool(_DECLINED.search(self.text)) and not _ACCOUNT.search(self.text)

    @property
    def is_too_long(self) -> bool:
        """Whether prompt and reply do not fit into the model's context."""
        if self.status in (401, 402, 403, 404, 429) or _RATE.search(self.text):
            return False
        if self.codes & _TOO_LONG_CODES:
            return True
        limits_reply = _REPLY_LIMIT.search(self.text) and "context" not in self.text
        return bool(self.status == 413 or _TOO_LONG.search(self.text)) and not limits_reply

    @property
    def is_out_of_credit(self) -> bool:
        """Whether the account has nothing left to pay with."""
        if self.status == 402 or self.codes & _NO_CREDIT_CODES:
            return True
        return self.status in (403, None) and bool(_NO_CREDIT.search(self.text))

    def is_about(self, *words: str) -> bool:
        """Whether the error names one of some words."""
        return any(word in self.text for word in words)


def first_line(text: object) -> str:
    """The first line of an error's text, without control characters, at most 300 characters."""
    lines = clean_transcript(str(text)).strip().splitlines() or [type(text).__name__]
    return lines[0][:_REASON_LIMIT]


def read_complaint(status: int | None, body: object, otherwise: object = "no reason given") -> ServerComplaint:
    """The error that a response's body reports.

    Parameters
    ----------
    status : int, optional
        HTTP status of the response; None takes the code in the error object.
    body : object
        The body as parsed from JSON (an error object, or one that holds it under `error`), or its text.
    otherwise : object
        What to say if the body holds no message.
    """
    error = _error_object(body)
    codes = frozenset(
        str(value).lower()
        for place in (error, _mapping(error.get("innererror")), _mapping(error.get("metadata")))
        for key in ("code", "type", "status", "param", "error_type")
        if isinstance(value := place.get(key), str | int) and not isinstance(value, bool)
    )
    metadata = _mapping(error.get("metadata"))
    message = next(
        (text for key in ("message", "detail", "error", "msg", "error_message") if (text := _text(error.get(key)))), ""
    )
    message = message or (body if isinstance(body, str) else "")
    upstream = _text(metadata.get("raw"))
    return ServerComplaint(
        status if status is not None else reported_status(error, "code", "status", "status_code"),
        first_line(message if message.strip() else otherwise),
        " ".join([message, upstream, *sorted(codes)])[:_TEXT_LIMIT].lower(),
        codes,
        bool(metadata.get("reasons") or metadata.get("flagged_input") or metadata.get("flagged")),
        str(error.get("failed_generation") or "") if codes & _UNFIT_CODES else None,
    )


def is_filtered(body: Mapping[str, JsonValue]) -> bool:
    """Whether a response without a reply says that the filter of its server has withheld it."""
    if any(_mapping(body.get(key)).get("blockReason") for key in ("promptFeedback", "prompt_feedback")):
        return True
    found = body.get("prompt_filter_results") or body.get("prompt_annotations")
    results = [_mapping(entry).get("content_filter_results") for entry in found] if isinstance(found, list) else []
    return any(_mapping(kind).get("filtered") is True for result in results for kind in _mapping(result).values())


def _error_object(body: object) -> Mapping[str, JsonValue]:
    """The innermost error object of a body: providers wrap it in `error`, in a list, or in both."""
    for _ in range(4):
        if isinstance(body, list) and body:
            body = body[0]
        elif isinstance(body, Mapping) and isinstance(body.get("error"), Mapping | list) and body["error"]:
            body = body["error"]
        else:
            break
    return _mapping(body)


def _mapping(value: object) -> Mapping[str, JsonValue]:
    return cast("Mapping[str, JsonValue]", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    """A message as text; of a list of complaints, place and message of each. A request that they echo is left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return " ".join(str(value[key]) for key in ("loc", "msg", "message") if key in value)
    return "; ".join(filter(None, map(_text, value))) if isinstance(value, list) else ""


def reported_status(told: Mapping[str, JsonValue], *keys: str) -> int | None:
    """The HTTP status of a failure in an object, as a number or as text; None if there is none.

    Parameters
    ----------
    told : mapping of str to JSON value
        An error, or a response.
    *keys : str
        Where it may stand.
    """
    for key in keys:
        try:
            number = int(str(told.get(key)))
        except ValueError:
            continue
        if 400 <= number < 600:
            return number
    return None
