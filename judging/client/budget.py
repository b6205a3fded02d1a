"""What a judge's calls use, in tokens and money, and the budget that no call may break."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gnomon.judging.config import JudgeConfig

MILLION = 1_000_000
TEMPLATE = 200
MARGIN = 1.1
LONG = 1000


class BudgetSpentError(Exception):
    """The next call could cost more than is left."""


class BudgetLedger:
    """Tokens and cost of one judge: of earlier runs, of this one, and set aside for calls in flight.

    A call is let through only if the most that it could cost is left: its prompt at the most tokens a character that
    were seen so far (one token a byte before the first answer), and the longest reply allowed. So the budget holds
    whatever the server answers, as long as it bills what it reports. A server that reports no usage is booked by the
    same upper bound.
    """

    def __init__(self, config: JudgeConfig, before: tuple[int, int] = (0, 0)) -> None:
        self._config = config
        self._before = before
        self._set_aside = 0.0
        self._flying = 0
        self._ratio: float | None = None
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.wasted = (0, 0)
        self._settled: asyncio.Future[None] | None = None

    @property
    def has_price(self) -> bool:
        """Whether a price is known."""
        return self._config.price is not None

    def cost_of(self, sent: float, received: float) -> float:
        """Money for so many tokens; 0 without a price."""
        price = self._config.price
        return 0.0 if price is None else (sent * price.input + received * price.output) / MILLION

    @property
    def total_cost(self) -> float:
        """Money for all stored verdicts of the judge before this run, and for this run so far."""
        return self.cost_of(self._before[0] + self.input_tokens, self._before[1] + self.output_tokens)

    def reserve_now(self, size: int) -> int:
        """Set aside what a call with a prompt of `size` bytes may cost; returns the most tokens it may send.

        Raises
        ------
        BudgetSpentError
            where the budget doesn't allow it.
        """
        sent = self.max_prompt_tokens(size)
        most = self.cost_of(sent, self._config.max_tokens)
        budget = self._config.budget
        if budget is not None and self.total_cost + self._set_aside + most > budget:
            raise BudgetSpentError(self._budget_message(most, budget))
        self._set_aside += most
        self._flying += 1
        return sent

    async def reserve_budget(self, size: int) -> int:
        """As `allow`, but wait for calls in flight to end as long as what they don't use may make room."""
        while True:
            try:
                return self.reserve_now(size)
            except BudgetSpentError:
                if not self._flying:  # nothing that could make room: a count, for sums of money round
                    raise
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)

    def record_usage(self, allowed: int, sent: int, received: int, *, kept: bool = True) -> None:
        """A call that was allowed so many tokens has ended, having used these; `kept`: for a verdict."""
        if self._settled is not None:
            self._settled.set_result(None)
            self._settled = None
        if not kept:
            self.wasted = (self.wasted[0] + sent, self.wasted[1] + received)
        if allowed:
            self._set_aside -= self.cost_of(allowed, self._config.max_tokens)
            self._flying -= 1
        self.calls += 1
        self.input_tokens += sent
        self.output_tokens += received

    def update_token_ratio(self, size: int, sent: int) -> None:
        """A server reported these tokens for a prompt of so many bytes. Short prompts (the probe) teach nothing."""
        if size > LONG:
            self._ratio = max(self._ratio or 0.0, sent / size)

    def max_prompt_tokens(self, size: int) -> int:
        """The most tokens that a prompt of so many bytes is taken to have."""
        ratio = 1.0 if self._ratio is None else min(1.0, MARGIN * self._ratio)
        return int(ratio * size) + TEMPLATE

    def usage_summary(self) -> dict[str, Any]:
        """Calls, tokens and cost of this run; cost is None without a price."""
        price = self._config.price
        return {
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": round(self.cost_of(self.input_tokens, self.output_tokens), 6) if price else None,
            "currency": price.currency if price else None,
        }

    def _budget_message(self, most: float, budget: float) -> str:
        currency = self._config.price.currency if self._config.price else ""
        return (
            f"the budget of {budget:g} {currency} allows no further call: {self.total_cost:.4f} "
            f"spent, and the next may "
            f"cost {most:.4f}: raise 'budget' in study.toml and run the same command again"
        )


def prompt_size(messages: Sequence[Mapping[str, str]]) -> int:
    """Bytes of what is sent as messages."""
    return sum(len(message["content"].encode()) for message in messages)
