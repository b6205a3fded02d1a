"""Estimates calls, tokens, cost and time of a judging run before it starts. Makes no call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict, cast

from sqlalchemy import func, select

from gnomon.data.foreign_documents.permissions import is_allowed_server
from gnomon.data.storage.pending_verdicts import Conditions, count_missing, pending_trials
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges, verdicts
from gnomon.judging.client.budget import MILLION
from gnomon.judging.config import JudgeConfig
from gnomon.judging.kinds import JUDGE_KINDS
from gnomon.judging.protocols import Judge, JudgeCase

LOOKED_AT = 200
CHARACTERS = 4.0
REPLY = 120
SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Expected calls, tokens, cost and seconds of one judge.

    `output_tokens_at_most` and `cost_at_most` assume that every reply has the longest length. `cost` is None without a
    price, `seconds` is None if nothing is known of the judge's speed. `basis` says what the estimate is based on.
    Transcripts go to `server` with the values of the environment variables `variables`; those in `refused` may not.
    """

    judge: str
    version: str
    calls: int
    input_tokens: int
    output_tokens: int
    output_tokens_at_most: int
    cost: float | None
    cost_at_most: float | None
    currency: str | None
    budget: float | None
    seconds: float | None
    basis: str
    server: str | None = None
    variables: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _PastUsage:
    """Number and means of the stored verdicts of judges with one name."""

    number: int
    sent: float
    received: float
    seconds: float


def estimate_cost(
    store: Store, judge: Judge, config: JudgeConfig, limit: int | None = None, only: Conditions = ()
) -> CostEstimate:
    """Expected calls, tokens, cost and time of `run_panel` with this judge.

    Tokens and time per call are means over the judge's stored verdicts; without any, four characters count as one
    token.

    Parameters
    ----------
    store : Store
        The study's store.
    judge : Judge
        The judge, built from `config`.
    config : JudgeConfig
        Its config; price, budget, concurrency and rate limits are read.
    limit : int, optional
        As in `run_panel`: largest number of trials; None for all.
    only : sequence of sqlalchemy.ColumnElement
        As in `run_panel`: further conditions on the trials.
    """
    kind, samples = JUDGE_KINDS.find(config.kind), config.samples
    version = judge.version.version
    calls = count_missing(store, version, samples=samples, limit=limit, only=only)
    past = _past_usage(store, config.name)
    if not kind.asks_server:
        return _local_estimate(store, config, version, calls)
    wanted = pending_trials(store, version, samples=samples, limit=limit, only=only)
    lengths = (kind.prompt_characters(judge, JudgeCase(*case)) for case in islice(wanted, LOOKED_AT))
    sizes = [length for length in lengths if length is not None]
    each = sum(sizes) / len(sizes) / CHARACTERS if sizes else 0.0
    reply, seconds, basis = float(min(REPLY, config.max_tokens)), SECONDS, "no verdict of it yet: 4 characters a token"
    if past.sent:
        each, reply, seconds = past.sent, past.received, past.seconds
        basis = f"the mean of {past.number} stored verdicts"
    sent, received, most = round(calls * each), round(calls * reply), calls * config.max_tokens
    return CostEstimate(
        judge=config.name,
        version=version,
        calls=calls,
        input_tokens=sent,
        output_tokens=received,
        output_tokens_at_most=most,
        cost=_expected_cost(config, sent, received),
        cost_at_most=_expected_cost(config, sent, most),
        currency=config.price.currency if config.price else None,
        budget=config.budget,
        seconds=_expected_seconds(config, calls, sent + received, seconds),
        basis=basis,
        server=config.base_url,
        variables=tuple(config.secret_variables),
        refused=tuple(name for name in config.secret_variables if not is_allowed_server(name, config.base_url or "")),
    )


class _RunSpeed(TypedDict):
    """What a logged run of a judge says of its speed."""

    seconds: float
    new: int


def _local_estimate(store: Store, config: JudgeConfig, version: str, calls: int) -> CostEstimate:
    """Estimate for a judge without a server, which costs time only: seconds per verdict as in its latest run."""
    runs = [run for run in store.event_details("judge_run") if run["judge"] == config.name and run["new"]]
    last = cast(_RunSpeed, runs[-1]) if runs else None
    seconds = last["seconds"] / last["new"] * calls if last else None
    basis = "its latest run" if runs else "it has not run yet"
    return CostEstimate(config.name, version, calls, 0, 0, 0, 0.0, 0.0, None, None, seconds, basis)


def _expected_cost(config: JudgeConfig, sent: int, received: int) -> float | None:
    price = config.price
    return None if price is None else round((sent * price.input + received * price.output) / MILLION, 6)


def _expected_seconds(config: JudgeConfig, calls: int, tokens: int, seconds: float) -> float | None:
    """Seconds by concurrency and by the rate limits per minute, whichever is longest; None for a batch."""
    if config.transport == "batch":
        return None
    least: Sequence[float] = [calls * seconds / config.concurrency]
    if config.requests_per_minute:
        least = [*least, 60 * calls / config.requests_per_minute]
    if config.tokens_per_minute:
        least = [*least, 60 * tokens / config.tokens_per_minute]
    return max(least)


def _past_usage(store: Store, name: str) -> _PastUsage:
    column = verdicts.c
    means = [func.count(), func.avg(column.input_tokens), func.avg(column.output_tokens), func.avg(column.seconds)]
    query = select(*means).join(judges, judges.c.version == column.judge).where(judges.c.name == name)
    with store.read_transaction() as connection:
        number, sent, received, seconds = connection.execute(query).one()
    return _PastUsage(int(number), float(sent or 0), float(received or 0), float(seconds or 0))
