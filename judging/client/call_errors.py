"""Classifies failed calls to a judge's server: which are tried again, which end a transcript, which end the run."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

import httpx2  # the SDK's own HTTP library: its errors
from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

from gnomon.judging.client.error_body import ServerComplaint, first_line, read_complaint
from gnomon.judging.config import JudgeConfig

RETRY = "again"
RATE_LIMITED = "wait"
REJECTED = "rejected"
DENIED = "denied"
DECLINED = "declined"
TOO_LONG = "too long"
UNFIT = "unfit"
CUT = "cut"
FATAL = "fatal"

LONGEST_WAIT = 900.0
_PASSING = {408, 409, 425}
_LOST = {408, 502, 504, 520, 524}
"""Statuses of gateways that lost the reply: the model may have given one, and it may be billed."""
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
"""Faults of a connection before a request was sent."""


class CallFailedError(Exception):
    """One call failed.

    Parameters
    ----------
    kind : str
        `RETRY`, `RATE_LIMITED` (HTTP 429), `REJECTED` (this request will never succeed), `DENIED` (HTTP 403: none will,
        if it is the first), `DECLINED` (the server will not read this transcript), `TOO_LONG` (it does not fit),
        `UNFIT` (the server returns as an error that the model's reply is not in the form that was asked for),
        `CUT` (the server read only a part of it) or `FATAL` (no request will succeed).
    reason : str
        One line for the user.
    wait : float, optional
        Seconds that the server asked to wait; None if it named no time.
    billed : bool
        Whether the server may have charged for the call: it timed out, the connection broke, or its response could
        not be read.
    complaint : ServerComplaint, optional
        The error that the server sent; None if it sent none.
    """

    def __init__(
        self,
        kind: str,
        reason: str,
        wait: float | None = None,
        *,
        billed: bool = False,
        complaint: ServerComplaint | None = None,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.wait = wait
        self.billed = billed
        self.complaint = complaint

    @property
    def has_advice(self) -> bool:
        """Whether the reason says what to do."""
        return self.kind in (FATAL, DENIED, CUT)


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
    try:
        parsed = email.utils.parsedate_tz(headers.get("retry-after", ""))
        until = None if parsed is None else email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError):  # a date that no calendar has
        return None
    return None if until is None else max(0.0, until - (time.time() if wall_clock is None else wall_clock))


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
        is_sent = not isinstance(error.__cause__, _UNSENT)
        return CallFailedError(RETRY, f"no connection ({first_line(error.__cause__ or error)})", billed=is_sent)
    if isinstance(error, APIStatusError) and 300 <= error.status_code < 400:
        return _redirect_failure(error)
    if isinstance(error, APIStatusError):
        complaint = read_complaint(error.status_code, error.body, error.message)
        return classify_complaint(complaint, config, retry_after(error.response.headers))
    return CallFailedError(REJECTED, first_line(error))


def _redirect_failure(error: APIStatusError) -> CallFailedError:
    """A redirect, which is not followed: another server would get the prompts, and give the verdicts."""
    target = first_line(error.response.headers.get("location", "") or "an address that it does not name")
    return CallFailedError(
        FATAL,
        f"the server redirects ({error.status_code}) to {target}, and redirects are not followed: if it is the server "
        "that you mean, set base_url in study.toml to its address",
    )


def classify_complaint(complaint: ServerComplaint, config: JudgeConfig, wait: float | None = None) -> CallFailedError:
    """Classify an error that a server reported: as an HTTP status, in a 200 response, or in a line of a batch.

    Parameters
    ----------
    complaint : ServerComplaint
        The error; without a status it counts as a failure worth a retry.
    config : JudgeConfig
        The judge's config; its key variable appears in the reason.
    wait : float, optional
        Seconds that the server asks to wait.
    """
    kind, reason = _kind_and_reason(complaint, config)
    if kind == RATE_LIMITED and wait is not None and wait > LONGEST_WAIT:
        kind, reason = FATAL, f"the server asks to wait {wait:.0f} s: run the same command again after that"
    if kind == RETRY and wait is not None:
        wait = min(wait, LONGEST_WAIT)
    return CallFailedError(kind, reason, wait, billed=complaint.status in _LOST, complaint=complaint)


def _kind_and_reason(complaint: ServerComplaint, config: JudgeConfig) -> tuple[str, str]:
    said, status = complaint.said, complaint.status
    if complaint.failed_reply is not None:
        return UNFIT, complaint.reason
    if complaint.declines_content:
        return DECLINED, complaint.reason
    if complaint.is_out_of_credit:
        return FATAL, f"the account has no credit left ({said}): add credit and run the same command again"
    if complaint.is_too_long:
        return TOO_LONG, f"the prompt is too long for the model ({said})"
    where = f"the key in {config.api_key_env}" if config.api_key_env else "api_key_env in study.toml (none is set)"
    by_status = {
        401: (FATAL, f"the server refuses the key ({said}): check {where}"),
        403: (
            DENIED,
            f"the server denies access ({said}): check {where}, and that its account may use model "
            f"'{config.model}' from here",
        ),
        404: (FATAL, f"not found ({said}): check model and base_url in study.toml"),
        429: (RATE_LIMITED, f"the server is limiting calls ({said})"),
    }
    passes = status is None or status >= 500 or status in _PASSING
    other = (RETRY, f"the server failed ({said})") if passes else (REJECTED, f"the server rejects the request ({said})")
    return other if status is None else by_status.get(status, other)
