"""Tokens and money that a judge's calls use, and the budget that no call may exceed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from gnomon.judging.config import JudgeConfig

MILLION = 1_000_000
TEMPLATE = 200
MARGIN = 1.1
LONG = 1000


class BudgetSpentError(Exception):
    """The next call could cost more than is left of the budget."""


class BudgetLedger:
    """Tokens and cost of one judge: of earlier runs, of this run, and reserved for calls in flight.

    A call is allowed only if its largest possible cost is left: its prompt at the highest ratio of tokens to bytes seen
    so far (one token per byte before the first response), and the longest reply allowed. The budget therefore holds
    whatever the server answers, as long as it bills what it reports. If a server reports no usage, this upper bound is
    recorded.

    Parameters
    ----------
    config : JudgeConfig
        Price, budget and longest reply.
    before : tuple of int
        Tokens sent and received in earlier runs.
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
        """Cost of a number of tokens, in the currency of the price; 0 if no price is configured.

        Parameters
        ----------
        sent : float
            Input tokens.
        received : float
            Output tokens.
        """
        price = self._config.price
        return 0.0 if price is None else (sent * price.input + received * price.output) / MILLION

    @property
    def total_cost(self) -> float:
        """Cost of all stored verdicts of the judge before this run, and of this run so far."""
        return self.cost_of(self._before[0] + self.input_tokens, self._before[1] + self.output_tokens)

    def reserve_now(self, size: int) -> int:
        """Reserve budget for one call.

        Parameters
        ----------
        size : int
            Size of the prompt, in bytes.

        Returns
        -------
        int
            The largest number of prompt tokens that the call may send.

        Raises
        ------
        BudgetSpentError
            If the largest possible cost of the call exceeds what is left of the budget.
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
        """As `reserve_now`, but wait while calls in flight may still release unused budget."""
        while True:
            try:
                return self.reserve_now(size)
            except BudgetSpentError:
                if not self._flying:  # nothing to wait for; a count, because sums of money have rounding errors
                    raise
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)

    def record_usage(self, allowed: int, sent: int, received: int, *, kept: bool = True) -> None:
        """Record the end of a call and release what it did not use.

        Parameters
        ----------
        allowed : int
            Prompt tokens that `reserve_now` allowed for the call; 0 if another run reserved them.
        sent : int
            Input tokens used.
        received : int
            Output tokens used.
        kept : bool
            Whether the call led to a verdict. Tokens of other calls are also counted in `wasted`.
        """
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
        """Update the highest ratio of tokens to bytes seen. Short prompts (the schema probe) are ignored.

        Parameters
        ----------
        size : int
            Size of the prompt, in bytes.
        sent : int
            Input tokens that the server reported for it.
        """
        if size > LONG:
            self._ratio = max(self._ratio or 0.0, sent / size)

    def max_prompt_tokens(self, size: int) -> int:
        """Upper bound on the number of tokens of a prompt of `size` bytes."""
        ratio = 1.0 if self._ratio is None else min(1.0, MARGIN * self._ratio)
        return int(ratio * size) + TEMPLATE

    def usage_summary(self) -> dict[str, JsonValue]:
        """Calls, tokens and cost of this run; the cost is None if no price is configured."""
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
    """Size of the contents of chat messages, in bytes (UTF-8)."""
    return sum(len(message["content"].encode()) for message in messages)
