"""Tokens and money that a judge's calls use, and the budget that no call may exceed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from gnomon.judging.config import JudgeConfig

MILLION = 1_000_000
TEMPLATE = 200
MARGIN = 1.1
LONG = 1000
LEAST_CONTEXT = 64
"""Prompt tokens below which a server's report is no count: no server has so short a context."""
WORD_SHARE, BYTE_SHARE = 0.9, 0.8


class BudgetSpentError(Exception):
    """The next call could cost more than is left of the budget."""


class BudgetLedger:
    """Tokens and cost of one judge: of earlier runs, of this run, and reserved for calls in flight.

    A call is allowed only if its largest possible cost is left: its prompt at the highest ratio of tokens to bytes seen
    so far (one token per byte before the first response), and the longest reply allowed, or seen where a server counts
    its reasoning beside that limit. The budget therefore holds whatever the server answers, as long as it bills what it
    reports. If a server reports no usage, this upper bound is recorded.

    Parameters
    ----------
    config : JudgeConfig
        Price, budget and longest reply.
    before : tuple of int
        Tokens sent and received in earlier runs.
    cached_before : int
        Those of the tokens sent that the server had read before.
    """

    def __init__(self, config: JudgeConfig, before: tuple[int, int] = (0, 0), cached_before: int = 0) -> None:
        self._config = config
        self._before = before
        self._cached_before = min(cached_before, before[0])
        self._reserved: dict[int, list[float]] = defaultdict(list)
        self._longest_reply = config.max_tokens
        self._flying = 0
        self._ratio: float | None = None
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.wasted = (0, 0)
        self._settled: asyncio.Future[None] | None = None

    @property
    def has_price(self) -> bool:
        """Whether a price is known."""
        return self._config.price is not None

    def cost_of(self, sent: float, received: float, cached: float = 0.0) -> float:
        """Cost of a number of tokens, in the currency of the price; 0 if no price is configured.

        Parameters
        ----------
        sent : float
            Input tokens.
        received : float
            Output tokens.
        cached : float
            Those of the input tokens that the server had read before.
        """
        price = self._config.price
        if price is None:
            return 0.0
        read = price.input if price.cached is None else price.cached
        return ((sent - cached) * price.input + cached * read + received * price.output) / MILLION

    @property
    def total_cost(self) -> float:
        """Cost of all stored verdicts of the judge before this run, and of this run so far."""
        sent, received = self._before
        return self.cost_of(
            sent + self.input_tokens, received + self.output_tokens, self._cached_before + self.cached_tokens
        )

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
        most = self._highest_cost(sent, self._longest_reply)
        budget = self._config.budget
        reserved = sum(amount for amounts in self._reserved.values() for amount in amounts)
        if budget is not None and self.total_cost + reserved + most > budget:
            raise BudgetSpentError(self._budget_message(most, budget))
        self._reserved[sent].append(most)
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

    def record_usage(self, allowed: int, sent: int, received: int, *, cached: int = 0, kept: bool = True) -> None:
        """Record the end of a call and release what it did not use.

        Parameters
        ----------
        allowed : int
            Prompt tokens that `reserve_now` allowed for the call; 0 if another run reserved them.
        sent : int
            Input tokens used.
        received : int
            Output tokens used.
        cached : int
            Input tokens that the server had read before.
        kept : bool
            Whether the call led to a verdict. Tokens of other calls are also counted in `wasted`.
        """
        if self._settled is not None:
            self._settled.set_result(None)
            self._settled = None
        if not kept:
            self.wasted = (self.wasted[0] + sent, self.wasted[1] + received)
        if allowed:
            amounts = self._reserved[allowed]
            amounts.pop()
            if not amounts:
                del self._reserved[allowed]
            self._flying -= 1
        self.calls += 1
        self.input_tokens += sent
        self.output_tokens += received
        self.cached_tokens += cached
        self._longest_reply = max(self._longest_reply, received)

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
            "cached_input_tokens": self.cached_tokens,
            "cost": round(self.cost_of(self.input_tokens, self.output_tokens, self.cached_tokens), 6)
            if price
            else None,
            "currency": price.currency if price else None,
        }

    def _highest_cost(self, sent: float, received: float) -> float:
        """Cost of a call of which nothing is cached, or all of it, whichever costs more."""
        return max(self.cost_of(sent, received), self.cost_of(sent, received, sent))

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


class PromptGauge:
    """The fewest tokens that a prompt can have, by which a server that cuts prompts is noticed.

    Every word is at least one token. What stands before the transcript has at least about as many tokens for its bytes
    as the schema probe, which holds the same text.
    """

    def __init__(self) -> None:
        self._rate = 0.0

    def record_reference(self, messages: Sequence[Mapping[str, str]], sent: int) -> None:
        """Take the tokens of the probe as the measure of what follows.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages of the probe.
        sent : int
            Input tokens that the server reported for it.
        """
        size = prompt_size(messages)
        if size > LONG and sent >= LEAST_CONTEXT:
            self._rate = sent / size

    def fewest_tokens(self, messages: Sequence[Mapping[str, str]]) -> int:
        """A lower bound on the tokens of a prompt."""
        words = sum(len(message["content"].split()) for message in messages)
        return int(max(WORD_SHARE * words, BYTE_SHARE * self._rate * prompt_size(messages[:-1])))

    def is_cut(self, messages: Sequence[Mapping[str, str]], sent: int) -> bool:
        """Whether a server cannot have read a whole prompt, given the tokens that it reports.

        Parameters
        ----------
        messages : sequence of mapping
            Chat messages of the prompt.
        sent : int
            Input tokens that the server reported; a number that is too low for any context says nothing.
        """
        return LEAST_CONTEXT <= sent < self.fewest_tokens(messages)
