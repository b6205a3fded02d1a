"""Client-side rate limiting: adaptive concurrency, requests per minute, tokens per minute."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from gnomon.judging.config import JudgeConfig

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]

EPOCH = 100
SHRINK = 0.7
GROW = 1.1
TOLERATED = 0.02
HELPED = 0.5
COSTLY = 0.85
REST = 10


class TokenBucket:
    """Token bucket: units flow back evenly at `per_minute`; at most one minute's worth may be used at once.

    Parameters
    ----------
    per_minute : float, optional
        Units allowed per minute; None for no limit.
    clock : callable
        Returns the time in seconds, from any origin.
    """

    def __init__(self, per_minute: float | None, clock: Clock) -> None:
        self._rate = None if per_minute is None else per_minute / 60
        self._most = per_minute or 0.0
        self._left = self._most / 60  # one second's worth: a run must not start with a whole minute's calls at once
        self._clock = clock
        self._seen = clock()

    def seconds_to_wait(self, units: float) -> float:
        """Take `units` and return the seconds to wait for them.

        More than a minute's worth counts as one minute's worth.
        """
        if self._rate is None:
            return 0.0
        moment = self._clock()
        self._left = min(self._most, self._left + (moment - self._seen) * self._rate)
        self._seen = moment
        self._left -= min(units, self._most)
        return max(0.0, -self._left / self._rate)

    def return_units(self, units: float) -> None:
        """Return units that were taken and not used; a negative number takes units that were used and not taken."""
        if self._rate is not None:
            self._left = min(self._most, self._left + units)


class AdaptiveConcurrency:
    """Number of simultaneous calls that a server accepts, between 1 and `most`, by hill climbing over epochs of calls.

    An epoch in which more than a share `TOLERATED` of the calls were rate limited lowers the limit. If that neither
    halved the share of limited calls nor kept the rate of successful ones, the limiting is not caused by our calls
    (others share the quota): the limit returns to the value with the highest rate during the descent and stays there
    for `REST` epochs. An epoch without limited calls raises it.

    Parameters
    ----------
    most : int
        Upper bound, and starting value.
    clock : callable
        Returns the time in seconds, from any origin.
    """

    def __init__(self, most: int, clock: Clock) -> None:
        self.limit = float(most)
        self.lowest = most
        self._most = most
        self._clock = clock
        self._best: tuple[float, float, float] | None = None
        self._rest = 0
        self._start_epoch()

    def record_result(self, *, limited: bool) -> None:
        """Record the end of one call; `limited`: the server rejected it because of too many calls (HTTP 429)."""
        self._limited += limited
        self._ended += 1
        if self._ended >= max(EPOCH, 4 * self.limit):
            self._finish_epoch()
            self._start_epoch()

    def _start_epoch(self) -> None:
        self._ended = self._limited = 0
        self._since = self._clock()

    def _finish_epoch(self) -> None:
        refused = self._limited / self._ended
        speed = (self._ended - self._limited) / max(self._clock() - self._since, 1e-9)
        best, self._best = self._best, None
        self._rest -= self._rest > 0
        if refused <= TOLERATED:
            self.limit = min(self._most, max(self.limit + 1, self.limit * GROW))
        elif best is not None and refused > HELPED * best[1] and speed < COSTLY * best[2]:
            self.limit, self._rest = best[0], REST
        elif not self._rest:
            here = (self.limit, refused, speed)
            self._best = here if best is None or speed > best[2] else best
            self.limit = max(1.0, self.limit * SHRINK)
        self.lowest = min(self.lowest, int(self.limit))


class RateLimiter:
    """Admits the calls of one judge: limits concurrency, requests per minute and tokens per minute.

    Parameters
    ----------
    config : JudgeConfig
        Highest concurrency, requests and tokens per minute.
    sleep : callable
        Coroutine function that waits for a number of seconds.
    clock : callable
        Returns the time in seconds, from any origin.
    """

    def __init__(self, config: JudgeConfig, sleep: Sleep, clock: Clock) -> None:
        self.adaptive = AdaptiveConcurrency(config.concurrency, clock)
        self.waited = 0.0
        self._sleep = sleep
        self._clock = clock
        self._requests = TokenBucket(config.requests_per_minute, clock)
        self._tokens = TokenBucket(config.tokens_per_minute, clock)
        self._closed_until = 0.0
        self._inside = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def acquire_slot(self, tokens: int) -> None:
        """Wait for a free slot, for the end of a pause that the server asked for, and for `tokens` of the allowance."""
        while self._inside >= int(self.adaptive.limit):
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(place)
            try:
                await place
            except asyncio.CancelledError:
                self._wake_waiting()
                raise
        self._inside += 1
        try:
            await self._sleep_for(max(self._requests.seconds_to_wait(1), self._tokens.seconds_to_wait(tokens)))
            waited_for = 0.0
            while self._closed_until > waited_for and (left := self._closed_until - self._clock()) > 0:
                waited_for = self._closed_until  # another response may extend it while we wait
                await self._sleep_for(left)
        except BaseException:
            self._free_slot()
            raise

    def release_slot(self, *, limited: bool, unused: int = 0) -> None:
        """Release the slot of a call that has ended.

        Parameters
        ----------
        limited : bool
            Whether the server rejected the call because of too many calls (HTTP 429).
        unused : int
            Tokens that were taken from the minute's allowance and not used; negative if more were used.
        """
        self._tokens.return_units(unused)
        self.adaptive.record_result(limited=limited)
        self._free_slot()

    def hold_calls(self, seconds: float) -> None:
        """Admit no call for `seconds`, because the server asked for it."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    def _free_slot(self) -> None:
        self._inside -= 1
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        free = int(self.adaptive.limit) - self._inside
        while free > 0 and self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1

    async def _sleep_for(self, seconds: float) -> None:
        if seconds > 0:
            self.waited += seconds
            await self._sleep(seconds)
