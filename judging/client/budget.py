"""Tokens and money that a judge's calls use, and the budget that no call may exceed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from gnomon.judging.config import JudgeConfig
from gnomon.judging.judge_spending import OtherRuns, TokenCounts
from gnomon.judging.run_state import InMemoryAccount, RunAccount

MILLION = 1_000_000
TEMPLATE = 200
MARGIN = 1.1
LONG = 1000
LEAST_CONTEXT = 64
"""Prompt tokens below which a server's report is no count: no server has so short a context."""
WORD_SHARE, BYTE_SHARE = 0.9, 0.8


class BudgetSpentError(Exception):
    """The next call could cost more than is left of the budget."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """What is left of the tokens that this run set aside; may fall below 0 if a server bills more than was allowed."""

    input: int = 0
    output: int = 0


class BudgetLedger:
    """Tokens and cost of one judge: of other runs, of this run, and set aside for calls in flight.

    A call is allowed only if its largest possible cost is left: its prompt at the highest ratio of tokens to bytes seen
    so far (one token per byte before the first response), and the longest reply allowed, or seen where a server counts
    its reasoning beside that limit. The budget therefore holds whatever the server answers, as long as it bills what it
    reports. If a server reports no usage, this upper bound is recorded.

    Where a price is known, tokens are set aside in the account before the calls that may use them, some calls ahead,
    so that simultaneous runs share one budget and a run that is killed leaves what it may have spent.

    Parameters
    ----------
    config : JudgeConfig
        Price, budget and longest reply.
    account : RunAccount, optional
        Where tokens are recorded and set aside; by default in memory.
    ahead : int
        Calls for which tokens are set aside ahead of time.
    """

    def __init__(self, config: JudgeConfig, account: RunAccount | None = None, *, ahead: int = 0) -> None:
        self._config = config
        self._account: RunAccount = account or InMemoryAccount()
        self._ahead = ahead
        self._replies: dict[int, list[int]] = defaultdict(list)
        self._flying = _Pool()
        self._free = _Pool()
        self._in_flight = 0
        self._longest_reply = config.max_tokens
        self._ratio: float | None = None
        self._waiting: list[_Pool] = []
        self._settled: asyncio.Future[None] | None = None
        self._reserving: asyncio.Future[None] | None = None
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0

    @property
    def has_price(self) -> bool:
        """Whether a price is known."""
        return self._config.price is not None

    @property
    def run(self) -> str:
        """Id of the run, by which a later run finds what this one has set aside."""
        return self._account.id

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

    def highest_cost(self, sent: float, received: float) -> float:
        """Cost of calls of which nothing is cached, or all of it, whichever costs more.

        Parameters
        ----------
        sent : float
            Input tokens.
        received : float
            Output tokens.
        """
        return max(self.cost_of(sent, received), self.cost_of(sent, received, sent))

    @property
    def total_cost(self) -> float:
        """Cost of all calls of the judge's other runs, as last read, and of this run so far."""
        others = self._account.others.used
        return self.cost_of(
            others.input + self.input_tokens,
            others.output + self.output_tokens,
            min(others.cached, others.input) + self.cached_tokens,
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
        need = self._need_of(size)
        if not self._take_tokens(need):
            self._add_free(self._reserve_tokens([need], *self._begin_reserving()))
            if not self._take_tokens(need):
                raise BudgetSpentError(self._budget_message(need))
        return need.input

    async def reserve_budget(self, size: int) -> int:
        """As `reserve_now`, but wait while calls in flight may still release unused budget.

        One transaction sets aside the tokens of all calls that wait for it.
        """
        while not self._take_tokens(need := self._need_of(size)):
            if self._reserving is not None:
                self._waiting.append(need)
                await asyncio.shield(self._reserving)
            elif not await self._reserve_with_others(need):
                if not self._in_flight:  # nothing to wait for; a count, because sums of money have rounding errors
                    raise BudgetSpentError(self._budget_message(need))
                if self._settled is None:
                    self._settled = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._settled)
        return need.input

    def record_usage(self, allowed: int, sent: int, received: int, *, cached: int = 0) -> None:
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
        """
        if self._settled is not None:
            self._settled.set_result(None)
            self._settled = None
        if allowed:
            replies = self._replies[allowed]
            reply = replies.pop()
            if not replies:
                del self._replies[allowed]
            self._flying = _Pool(self._flying.input - allowed, self._flying.output - reply)
            self._add_free(_Pool(allowed - sent, reply - received))
            self._in_flight -= 1
        self.calls += 1
        self.input_tokens += sent
        self.output_tokens += received
        self.cached_tokens += cached
        self._longest_reply = max(self._longest_reply, received)

    def reserved_for(self, allowed: Sequence[int]) -> TokenCounts:
        """Tokens set aside for calls that are in flight.

        Parameters
        ----------
        allowed : sequence of int
            Prompt tokens of each, as `reserve_now` returned them.
        """
        replies = {sent: list(reversed(bounds)) for sent, bounds in self._replies.items()}
        return TokenCounts(sum(allowed), sum(replies[sent].pop(0) for sent in allowed))

    def release_reserved(self, run: str, reserved: TokenCounts) -> None:
        """Count the usage that was recorded in place of what an earlier run had set aside for it.

        Parameters
        ----------
        run : str
            Id of that run.
        reserved : TokenCounts
            Tokens that it had set aside.
        """
        self._account.release_tokens(run, reserved, self._used)

    def end_run(self) -> None:
        """Record what was used. Only what is set aside for open batches stays so."""
        self._account.end_run(self._used, TokenCounts(self._flying.input, self._flying.output))

    @property
    def _used(self) -> TokenCounts:
        return TokenCounts(self.input_tokens, self.output_tokens, self.cached_tokens)

    def _need_of(self, size: int) -> _Pool:
        return _Pool(self.max_prompt_tokens(size), self._longest_reply)

    def _add_free(self, more: _Pool) -> None:
        self._free = _Pool(self._free.input + more.input, self._free.output + more.output)

    def _take_tokens(self, need: _Pool) -> bool:
        """Take the tokens of one call out of what is set aside, if that suffices; without a price, always."""
        if self.has_price:
            left = _Pool(self._free.input - need.input, self._free.output - need.output)
            if left.input < 0 or left.output < 0:
                return False
            self._free = left
        self._flying = _Pool(self._flying.input + need.input, self._flying.output + need.output)
        self._replies[need.input].append(need.output)
        self._in_flight += 1
        return True

    async def _reserve_with_others(self, need: _Pool) -> bool:
        """Set aside tokens for this call and for those that waited meanwhile; whether it was enough for any."""
        self._reserving = asyncio.get_running_loop().create_future()
        needs, self._waiting = [need, *self._waiting], []
        try:
            granted = await asyncio.to_thread(self._reserve_tokens, needs, *self._begin_reserving())
            self._add_free(granted)
        finally:
            done, self._reserving = self._reserving, None
            done.set_result(None)
        return granted != _Pool()

    def _begin_reserving(self) -> tuple[TokenCounts, _Pool]:
        """What was used and is in flight. The rest of what was set aside is given up, to be set aside anew."""
        self._free = _Pool()
        return self._used, self._flying

    def _reserve_tokens(self, needs: Sequence[_Pool], used: TokenCounts, flying: _Pool) -> _Pool:
        """Set aside in the account what the calls in flight may use, and of `needs` as much as the budget allows."""
        granted = _Pool()

        def reserve(others: OtherRuns) -> TokenCounts:
            nonlocal granted
            granted = self._affordable(others, needs, used, flying)
            return TokenCounts(flying.input + granted.input, flying.output + granted.output)

        self._account.reserve_tokens(used, reserve)
        return granted

    def _affordable(self, others: OtherRuns, needs: Sequence[_Pool], used: TokenCounts, flying: _Pool) -> _Pool:
        """Tokens of the first of `needs`, and of further calls like the first, as far as the budget allows."""
        budget, sums = self._config.budget, _Pool()
        spent = self._cost_of_counts(others.used) + self._cost_of_counts(used)
        spent += self.highest_cost(others.reserved.input + flying.input, others.reserved.output + flying.output)
        for need in (*needs, *[needs[0]] * self._ahead):
            more = _Pool(sums.input + need.input, sums.output + need.output)
            if budget is not None and spent + self.highest_cost(more.input, more.output) > budget:
                break
            sums = more
        return sums

    def _cost_of_counts(self, counts: TokenCounts) -> float:
        return self.cost_of(counts.input, counts.output, min(counts.cached, counts.input))

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
            **self._unended_summary(),
        }

    def _unended_summary(self) -> dict[str, JsonValue]:
        """What other runs that have not ended have set aside; empty if there are none."""
        others = self._account.others
        if not others.unended or not self.has_price:
            return {}
        held = self.highest_cost(others.reserved.input, others.reserved.output)
        return {"set_aside": round(held, 6), "set_aside_by": unended_runs(others)}

    def _budget_message(self, need: _Pool) -> str:
        currency = self._config.price.currency if self._config.price else ""
        others = self._account.others
        held = self.highest_cost(others.reserved.input, others.reserved.output)
        message = (
            f"the budget of {self._config.budget:g} {currency} allows no further call: {self.total_cost:.4f} spent, "
            f"and the next may cost {self.highest_cost(need.input, need.output):.4f}"
        )
        if others.unended:
            return (
                f"{message}; {held:.4f} is set aside by {unended_runs(others)}: wait for those that are running, free "
                "what killed ones left with 'gnomon judge DIR --release', or raise 'budget' in study.toml"
            )
        if held:
            message += f"; {held:.4f} is set aside for open batches"
        return f"{message}: raise 'budget' in study.toml and run the same command again"


def unended_runs(others: OtherRuns) -> str:
    """How many runs have tokens set aside and have not ended, and since when."""
    runs = "1 run that has" if others.unended == 1 else f"{others.unended} runs that have"
    return f"{runs} not ended (since {str(others.since)[:16].replace('T', ' ')} UTC)"


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
