"""Stops a judge loudly when its calls fail one after another."""

from __future__ import annotations

from gnomon.data.errors import JudgeError
from gnomon.judging.client.call_errors import FATAL, CallFailedError
from gnomon.judging.config import JudgeConfig


class CircuitBreaker:
    """Counts failures in a row over all calls of a judge and opens at the limit."""

    def __init__(self, config: JudgeConfig) -> None:
        self._config = config
        self._failures = 0

    def record_result(self, failure: CallFailedError | None) -> None:
        """Raise `JudgeError` on a fatal failure, or on the last of too many."""
        self._failures = 0 if failure is None else self._failures + 1
        if failure is None or (failure.kind != FATAL and self._failures < self._config.stop_after):
            return
        raise JudgeError(
            f"judge '{self._config.name}': stopped after {self._failures} failed call(s) in a row: "
            f"{failure.reason}{advice_unless_fatal(failure, ': fix the server and run the command again')}"
        )


def advice_unless_fatal(failure: CallFailedError, advice: str) -> str:
    """Advice to add, unless the failure carries its own."""
    return "" if failure.kind == FATAL else advice
