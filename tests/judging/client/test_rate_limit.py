"""A judge asks as fast as its server bears, within a minute's allowance and within its money."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from judging_server import FACTS, Answer, failure
from own_loop import run_async
from pydantic import ValidationError

from gnomon.data.records import VerdictState
from gnomon.data.storage import tables
from gnomon.judging.client.budget import BudgetLedger, BudgetSpentError
from gnomon.judging.client.rate_limit import REST, AdaptiveConcurrency, RateLimiter, TokenBucket
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel

CONCEPTS = ("ocean", "fear")
PRICE = {"input": 1000.0, "output": 2000.0}


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def played(adaptive: AdaptiveConcurrency, clock: Clock, calls: int, bears: float, share: float = 0.0) -> list[float]:
    """Limits over time at a server that bears so many calls at once, and refuses a share of the others at random."""
    chance, limits = random.Random(1), []
    for _ in range(calls):
        clock.now += 1.0 / min(adaptive.limit, bears)
        over = chance.random() < max(0.0, 1 - bears / adaptive.limit) or chance.random() < share
        adaptive.record_result(limited=over)
        limits.append(adaptive.limit)
    return limits


def test_concurrency_falls_to_what_the_server_bears_and_rises_again():
    clock = Clock()
    adaptive = AdaptiveConcurrency(64, clock)
    limits = played(adaptive, clock, 3000, bears=10)
    assert 5 <= sum(limits[-1000:]) / 1000 <= 20
    assert played(adaptive, clock, 3000, bears=1000)[-1] == 64


def test_refusals_that_fewer_calls_do_not_help_leave_the_concurrency_as_it_was():
    """Others use the quota: going slower would only go slower."""
    clock = Clock()
    limits = played(AdaptiveConcurrency(64, clock), clock, 20_000, bears=1000, share=0.3)
    assert sum(limits) / len(limits) > 50
    assert REST > 1


def test_without_refusals_nothing_is_held_back():
    clock = Clock()
    assert set(played(AdaptiveConcurrency(8, clock), clock, 500, bears=1000)) == {8.0}


def test_requests_a_minute_are_kept_to_in_any_minute():
    clock = Clock()
    bucket = TokenBucket(60, clock)
    times = []
    for _ in range(200):
        clock.now += bucket.seconds_to_wait(1)
        times.append(clock.now)
    assert times[-1] == pytest.approx(199 - 0, abs=2)
    assert max(sum(start <= time < start + 60 for time in times) for start in times) <= 61


def test_more_tokens_than_a_minute_allows_wait_a_minute_and_no_longer():
    clock = Clock()
    bucket = TokenBucket(600, clock)
    assert bucket.seconds_to_wait(10_000) <= 60
    assert TokenBucket(None, clock).seconds_to_wait(1e9) == 0


def test_tokens_that_were_not_used_are_there_for_the_next_call():
    clock = Clock()
    bucket = TokenBucket(600, clock)
    bucket.seconds_to_wait(500)
    waits = bucket._left
    bucket.return_units(400)
    assert bucket._left == waits + 400


def test_the_gate_keeps_to_its_number_and_lets_everybody_in():
    config = JudgeConfig(name="a", kind="openai", base_url="http://x", model="m", concurrency=3)
    clock = Clock()
    inside, most, through = 0, 0, 0

    async def caller(throttle: RateLimiter) -> None:
        nonlocal inside, most, through
        await throttle.acquire_slot(1)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        throttle.release_slot(limited=False)
        through += 1

    async def crowd() -> None:
        throttle = RateLimiter(config, clock.sleep, clock)
        await asyncio.gather(*(caller(throttle) for _ in range(50)))

    run_async(crowd())
    assert (most, through) == (3, 50)


def test_a_minutes_allowance_slows_real_calls(server, config, make_trial):
    trials = [make_trial(replicate=number) for number in range(12)]
    clock = Clock()
    judge = OpenAICompatibleJudge(
        config(requests_per_minute=60, concurrency=4), CONCEPTS, sleep=clock.sleep, clock=clock
    )
    assert len(list(judge.judge_trials(trials))) == 12
    assert clock.now >= 11
    assert judge.usage_summary()["waited"] >= 11


# -- money -----------------------------------------------------------------------------------------------


def priced(**more: object) -> JudgeConfig:
    base = {
        "name": "dear",
        "kind": "openai",
        "base_url": "http://x/v1",
        "model": "m",
        "price": PRICE,
        "max_tokens": 100,
    }
    return JudgeConfig.model_validate({**base, **more})


def test_a_budget_without_a_price_is_refused_by_name():
    with pytest.raises(ValidationError, match=r"judge 'dear' has a budget and no price: add price"):
        priced(price=None, budget=1)


def test_no_call_is_let_through_that_could_break_the_budget():
    ledger = BudgetLedger(priced(budget=10.0))
    calls = 0
    while (allowed := allowed_or_none(ledger, 2000)) is not None:
        ledger.record_usage(allowed, 800, 100)
        ledger.update_token_ratio(2000, 800)
        calls += 1
        assert ledger.total_cost <= 10.0
    assert calls > 1
    assert ledger.total_cost > 8.5


def allowed_or_none(ledger: BudgetLedger, size: int) -> int | None:
    try:
        return ledger.reserve_now(size)
    except BudgetSpentError:
        return None


def test_a_short_prompt_says_nothing_of_how_many_tokens_a_long_one_has():
    ledger = BudgetLedger(priced())
    ledger.update_token_ratio(60, 11)
    assert ledger.max_prompt_tokens(5000) >= 5000
    ledger.update_token_ratio(5000, 1250)
    assert 1250 <= ledger.max_prompt_tokens(5000) < 2000


def test_calls_in_flight_count_as_spent_until_they_end():
    ledger = BudgetLedger(priced(budget=0.9))
    first, second = ledger.reserve_now(100), allowed_or_none(ledger, 100)
    assert second is None
    ledger.record_usage(first, 0, 0)
    assert allowed_or_none(ledger, 100) is not None


def test_a_judge_stops_at_its_budget_and_never_above_it_over_all_its_runs(store, server, config, make_trial):
    for number in range(40):
        make_trial(replicate=number)
    server.script = lambda request: Answer("ready" if len(request["messages"]) == 1 else json.dumps(FACTS), tokens=1000)
    budget = 10.0
    dear = config(price=PRICE, budget=budget, concurrency=4, max_tokens=20)
    totals = []
    for _ in range(3):
        judge = OpenAICompatibleJudge(dear, CONCEPTS)
        (report,) = run_panel(store, [judge])
        frame = store.read_frame(tables.verdicts)
        totals.append((frame["input_tokens"].sum() * 1000 + frame["output_tokens"].sum() * 2000) / 1e6)
        assert "judge 'llm': the budget of" in report.error
        assert report.usage["cost"] is not None
    assert 7 < totals[0] <= budget
    assert totals[-1] <= budget


def test_a_server_that_tells_no_usage_is_booked_at_the_most(store, server, config, make_trial):
    make_trial()
    told = json.dumps({"choices": [{"message": {"content": json.dumps(FACTS)}, "finish_reason": "stop"}]}).encode()
    server.script = lambda _: Answer(raw=told)
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(price=PRICE, budget=100), CONCEPTS)])
    (row,) = store.read_frame(tables.verdicts).to_dict("records")
    assert report.by_state == {"ok": 1}
    assert row["input_tokens"] > 1000
    assert row["output_tokens"] == 800


def test_the_ledger_adds_up_what_was_stored_and_a_free_judge_costs_none(store, server, config, make_trial):
    for number in range(9):
        make_trial(replicate=number)
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(), CONCEPTS)])
    assert report.usage["calls"] == 10
    assert (report.usage["input_tokens"], report.usage["output_tokens"]) == (110, 70)
    assert report.usage["cost"] is None
    (event,) = store.event_details("judge_run")
    assert event["usage"] == dict(report.usage)


def test_failed_calls_leave_their_reason_in_the_store(store, server, config, make_trial):
    trial = make_trial()
    server.script = lambda request: Answer("ready") if len(request["messages"]) == 1 else failure(400, "no such thing")
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(), CONCEPTS)])
    (event,) = store.event_details("judge_failed")
    assert event["calls"][0]["trial"] == trial.id
    assert "no such thing" in event["calls"][0]["reason"]
    assert report.by_state == {VerdictState.ERROR.value: 1}
    assert report.not_ok == 1.0
