"""Classifies failed calls to a judge's server: retry, rate limited, rejected (skip the trial), fatal (stop the run)."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
    OpenAIError,
    PermissionDeniedError,
    RateLimitError,
)

from gnomon.judging.config import JudgeConfig
from gnomon.judging.rubrics.transcript import clean_transcript

RETRY = "again"
RATE_LIMITED = "wait"
REJECTED = "rejected"
FATAL = "fatal"

LONGEST_WAIT = 900.0
_REASON_LIMIT = 300
_PASSING = {408, 409, 425}


class CallFailedError(Exception):
    """One call failed.

    Parameters
    ----------
    kind : str
        `RETRY`, `RATE_LIMITED` (HTTP 429), `REJECTED` (this request will never succeed) or `FATAL` (no request will).
    reason : str
        One line for the user.
    wait : float, optional
        Seconds that the server asked to wait; None if it named no time.
    billed : bool
        Whether the server may have charged for the call: it timed out, or its response could not be read.
    """

    def __init__(self, kind: str, reason: str, wait: float | None = None, *, billed: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.wait = wait
        self.billed = billed


def first_line(text: object) -> str:
    """The first line of an error's text, without control characters, at most 300 characters."""
    lines = clean_transcript(str(text)).strip().splitlines() or [type(text).__name__]
    return lines[0][:_REASON_LIMIT]


def retry_after(headers: Mapping[str, str], wall_clock: float | None = None) -> float | None:
    """Seconds that a server asks to wait (`retry-after-ms`, or `retry-after` as seconds or a date), or None.

    Parameters
    ----------
    headers : mapping of str to str
        HTTP headers of the response, with case-insensitive or lower-case names.
    wall_clock : float, optional
        Current time in seconds since the epoch; defaults to `time.time()`.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return seconds if seconds >= 0 else None
    parsed = email.utils.parsedate_tz(headers.get("retry-after", ""))
    if parsed is None:
        return None
    return max(0.0, email.utils.mktime_tz(parsed) - (time.time() if wall_clock is None else wall_clock))


def content_filter(error: Exception) -> str | None:
    """The server's message if it declined the request because of its content, else None."""
    if isinstance(error, APIStatusError) and error.code == "content_filter":
        return first_line(_error_message(error))
    return None


def from_sdk_error(error: OpenAIError | TimeoutError, config: JudgeConfig) -> CallFailedError:
    """Classify an error of the SDK. The reason may still contain the API key: redact it before it is shown.

    Parameters
    ----------
    error : OpenAIError or TimeoutError
        What the SDK raised.
    config : JudgeConfig
        The judge's config; its time-out and key variable appear in the reason.
    """
    if isinstance(error, (APITimeoutError, TimeoutError)):
        return CallFailedError(RETRY, f"no answer within {config.timeout:g} s", billed=True)
    if isinstance(error, APIConnectionError):
        return CallFailedError(RETRY, f"no connection ({first_line(error.__cause__ or error)})")
    if isinstance(error, APIStatusError):
        return _by_status(error, config)
    return CallFailedError(REJECTED, first_line(error))


def from_batch_line(code: object, error: Mapping[str, object], config: JudgeConfig) -> CallFailedError:
    """Classify the failure that one line of a batch's results reports.

    Parameters
    ----------
    code : object
        HTTP status code of that call; any other value counts as a failure worth a retry.
    error : mapping of str to object
        The error object of that line; `message` and `code` are read.
    config : JudgeConfig
        The judge's config; its name appears in the reason.
    """
    said = f"{code}: {first_line(error.get('message') or 'no reason given')}"
    if code in (401, 403, 404) or error.get("code") == "insufficient_quota":
        return CallFailedError(
            FATAL, f"the server refuses the call ({said}): check key, model and account of {config.name}"
        )
    if isinstance(code, int) and 400 <= code < 500 and code not in (*_PASSING, 429):
        return CallFailedError(REJECTED, f"the server rejects the request ({said})")
    return CallFailedError(RETRY, f"the server failed ({said})")


def _by_status(error: APIStatusError, config: JudgeConfig) -> CallFailedError:
    said = f"{error.status_code}: {first_line(_error_message(error))}"
    if isinstance(error, (AuthenticationError, PermissionDeniedError)):
        where = f"the key in {config.api_key_env}" if config.api_key_env else "api_key_env in study.toml (none is set)"
        return CallFailedError(FATAL, f"the server refuses the key ({said}): check {where}")
    if isinstance(error, NotFoundError):
        return CallFailedError(FATAL, f"not found ({said}): check model and base_url in study.toml")
    if isinstance(error, RateLimitError):
        return _rate_limit_failure(error, said)
    if error.status_code >= 500 or error.status_code in _PASSING:
        return CallFailedError(RETRY, f"the server failed ({said})", _bounded_wait(retry_after(error.response.headers)))
    return CallFailedError(REJECTED, f"the server rejects the request ({said})")


def _rate_limit_failure(error: RateLimitError, said: str) -> CallFailedError:
    if error.code == "insufficient_quota":
        return CallFailedError(
            FATAL, f"the account has no credit left ({said}): add credit and run the same command again"
        )
    wait = retry_after(error.response.headers)
    if wait is not None and wait > LONGEST_WAIT:
        return CallFailedError(FATAL, f"the server asks to wait {wait:.0f} s: run the same command again after that")
    return CallFailedError(RATE_LIMITED, f"the server is limiting calls ({said})", wait)


def _bounded_wait(wait: float | None) -> float | None:
    return wait if wait is None else min(wait, LONGEST_WAIT)


def _error_message(error: APIStatusError) -> str:
    """The server's own message if it sent the usual error object, else the SDK's."""
    body = error.body
    if isinstance(body, dict):
        for key in ("message", "detail", "error"):
            if isinstance(body.get(key), str):
                return str(body[key])
    return error.message
