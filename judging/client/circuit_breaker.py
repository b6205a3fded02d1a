"""Stops a judge with an error when its calls fail one after another."""

from __future__ import annotations

from gnomon.data.errors import JudgeError
from gnomon.judging.client.call_errors import FATAL, CallFailedError
from gnomon.judging.config import JudgeConfig


class CircuitBreaker:
    """Counts consecutive failures over all calls of a judge and raises at the limit (`stop_after`)."""

    def __init__(self, config: JudgeConfig) -> None:
        self._config = config
        self._failures = 0

    def record_result(self, failure: CallFailedError | None) -> None:
        """Record one call.

        Parameters
        ----------
        failure : CallFailedError, optional
            Why the call failed; None for a success, which resets the count.

        Raises
        ------
        JudgeError
            If the failure is fatal, or the number of consecutive failures reaches `stop_after`.
        """
        self._failures = 0 if failure is None else self._failures + 1
        if failure is None or (failure.kind != FATAL and self._failures < self._config.stop_after):
            return
        raise JudgeError(
            f"judge '{self._config.name}': stopped after {self._failures} failed call(s) in a row: "
            f"{failure.reason}{advice_unless_fatal(failure, ': fix the server and run the command again')}"
        )


def advice_unless_fatal(failure: CallFailedError, advice: str) -> str:
    """The advice to append to a message, or the empty string if the failure carries its own.

    Parameters
    ----------
    failure : CallFailedError
        The failure that the message reports.
    advice : str
        Text to append.
    """
    return "" if failure.has_advice else advice
