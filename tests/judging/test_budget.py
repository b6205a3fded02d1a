"""One budget for all runs of a judge: simultaneous ones, killed ones, and those at a server whose usage is no usage."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from database import together
from judging_server import Answer

from gnomon.data.errors import JudgeError
from gnomon.data.records import JudgeVersion, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.judging.client.completion import MOST_TOKENS, read_response
from gnomon.judging.judge_spending import JudgeRunRow, TokenCounts, release_reservations
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.protocols import JudgeCase
from gnomon.judging.run_state import InMemoryRunState, StoredRunState
from gnomon.judging.runs.panel import run_panel
from gnomon.judging.runs.prompt_injection import collect_verdicts

CONCEPTS = ("ocean", "fear")
PRICE = {"input": 1.0, "output": 1.0}
BUDGET = 0.05
TARGET = Path(__file__).with_name("budget_target.py")
ROOT = TARGET.parents[2]


class Till:
    """What a server charges: as many tokens a call as its prompts have, whatever it reports."""

    def __init__(self, server) -> None:
        self.server = server
        self.calls = 0
        self.paid = 0.0
        self.reached = threading.Event()
        self.stop_at = 0
        server.script = self.answer

    def answer(self, request: dict) -> Answer:
        tokens = sum(len(message["content"]) for message in request["messages"]) // 4
        self.paid += (tokens + 100) / 1e6
        self.calls += 1
        if self.stop_at and self.calls >= self.stop_at:
            self.reached.set()
        usage = {"prompt_tokens": tokens, "completion_tokens": 100, "total_tokens": tokens + 100}
        return Answer(raw=reply(usage))


def reply(usage: object, text: str | None = None) -> bytes:
    facts = {"claims": False, "concept": "none", "coherent": True, "refused": False, "claims_quote": "nothing"}
    message = {"role": "assistant", "content": json.dumps(facts) if text is None else text}
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()


@pytest.fixture
def trials(make_trial):
    return [make_trial(replicate=number) for number in range(120)]


@pytest.fixture
def dear(config):
    return config(price=PRICE, budget=BUDGET, concurrency=8)


def judged(store, config):
    (report,) = run_panel(store, [OpenAICompatibleJudge(config, CONCEPTS)])
    return report


def started(store, server):
    line = [sys.executable, str(TARGET), str(store.engine.url), server.url, str(BUDGET)]
    return subprocess.Popen(line, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_simultaneous_runs_share_one_budget(store, store_url, server, dear, trials, at_once):
    till = Till(server)
    stores = [Store.open(store_url) for _ in range(at_once)]
    together(*(lambda each=each: judged(each, dear) for each in stores))
    for each in stores:
        each.close()
    assert till.paid <= BUDGET
    assert till.paid > BUDGET / 2
    assert store.count_rows(tables.verdicts) > 0.7 * len(server.judged)  # few trials are paid for twice
    report = judged(store, dear)
    assert "allows no further call" in (report.error or "")
    assert till.paid <= BUDGET
    rows = store.read_frame(tables.judge_runs)
    assert rows["reserved_input"].sum() == 0
    assert (rows["input_tokens"] + rows["output_tokens"]).sum() / 1e6 == pytest.approx(till.paid)


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_killed_run_counts_as_spent_at_its_bound_until_it_is_released(store, server, dear, trials, kills):
    till = Till(server)
    for _ in range(kills):
        till.stop_at = till.calls + 4
        till.reached.clear()
        with started(store, server) as process:
            while process.poll() is None and not till.reached.wait(0.05):
                pass
            process.kill()
    paid = till.paid
    assert paid <= BUDGET
    report = judged(store, dear)
    assert "not ended (since 2" in report.usage["set_aside_by"]
    assert till.paid <= BUDGET
    before = release_reservations(store, "llm")
    assert before.unended >= 1
    assert before.reserved.input > 0
    assert release_reservations(store, "llm").reserved == TokenCounts()
    assert "set_aside" not in judged(store, dear).usage


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [2, 4])
def test_commands_at_once_stay_within_the_budget(store, server, trials, at_once):
    till = Till(server)
    runs = [started(store, server) for _ in range(at_once)]
    assert all("allows no further call" in run.communicate(timeout=120)[0] for run in runs)
    assert BUDGET / 2 < till.paid <= BUDGET


def test_a_run_whose_reservation_is_released_stops(store, server, dear, trials):
    till = Till(server)
    answer = till.answer

    def release_once(request):
        if till.calls == 3:
            other = Store.open(str(store.engine.url))
            release_reservations(other, "llm")
            other.close()
        return answer(request)

    server.script = release_once
    report = judged(store, dear)
    assert "another command released what this run had set aside" in report.error
    (row,) = store.read_frame(tables.judge_runs).query("version != ''").to_dict("records")
    assert (row["input_tokens"] + row["output_tokens"]) / 1e6 >= till.paid


def test_a_call_that_is_interrupted_counts_at_its_bound(store, server, dear, trials):
    """A reply that nobody waits for may be billed all the same."""
    begun, released = threading.Event(), threading.Event()

    def script(request):
        if len(request["messages"]) > 1:
            begun.set()
            released.wait(10)
        return Answer(raw=reply({"prompt_tokens": 900, "completion_tokens": 100}))

    server.script = script

    run = OpenAICompatibleJudge(dear.model_copy(update={"concurrency": 1}), CONCEPTS)
    stream = run.open_stream([JudgeCase(trials[0])], StoredRunState(store, "llm", run.version.version))
    assert begun.wait(10)
    stream.close()
    released.set()
    used = store.read_frame(tables.judge_runs)["output_tokens"].max()
    assert used == 100 + run.config.max_tokens


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1000, "completion_tokens": 100},
        {"prompt_tokens": 900, "completion_tokens": -100},
        {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": -1},
        {"prompt_tokens": 2**63, "completion_tokens": 100},
        {"prompt_tokens": 900, "completion_tokens": 2**53 + 1},
        {"prompt_tokens": 900, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": -5}},
        {"prompt_tokens": "-1e3", "completion_tokens": 100},
        {"prompt_tokens": float("inf"), "completion_tokens": 100},
        {"prompt_tokens": float("nan"), "completion_tokens": 100},
        {"prompt_tokens": 1, "completion_tokens": 1},
        {"prompt_tokens": 900, "completion_tokens": 0},
        None,
        [],
    ],
    ids=str,
)
def test_a_usage_that_no_call_can_have_is_booked_at_the_most(server, dear, trials, usage):
    """Whatever a server reports, a run ends, and books no less than the longest reply for each call."""
    server.script = lambda _: Answer(raw=reply(usage))
    judge = OpenAICompatibleJudge(dear, CONCEPTS)
    verdicts = []
    with pytest.raises(JudgeError, match="allows no further call"):
        verdicts.extend(collect_verdicts(judge, [JudgeCase(trial) for trial in trials], InMemoryRunState()))
    assert judge.usage_summary()["output_tokens"] == judge.config.max_tokens * judge.usage_summary()["calls"]
    assert judge.usage_summary()["cost"] <= BUDGET


def test_times_in_a_usage_are_no_counts(config):
    usage = {"prompt_tokens": 900, "completion_tokens": 100, "queue_time": -0.01, "total_time": 1e300}
    completion = read_response(reply(usage), config())
    assert (completion.input_tokens, completion.output_tokens) == (900, 100)
    assert read_response(reply({"prompt_tokens": MOST_TOKENS, "completion_tokens": 1}), config()).input_tokens


def test_what_earlier_versions_recorded_counts(store, make_trial):
    """Before the table of runs: tokens of verdicts, and events of calls without one, of all versions of a judge."""
    trial = make_trial()
    for version in ("v1", "v2"):
        store.add_judge(JudgeVersion(version, "llm", "openai", {}))
        store.add_verdicts([Verdict(trial.id, version, None, "unparsable", input_tokens=100, output_tokens=10)])
        store.log_event("judge_wasted", {"version": version, "input_tokens": 5, "output_tokens": 1})
        store.log_event("judge_cached", {"version": version, "input_tokens": 40})
    store.log_event("judge_wasted", {"version": "of another judge", "input_tokens": 10**6, "output_tokens": 0})
    run = JudgeRunRow(store, "llm", "v2")
    assert run.others.used == TokenCounts(210, 22, 80)
    run.end_run(TokenCounts(1, 1), TokenCounts())
    assert JudgeRunRow(store, "llm", "v2").others.used == TokenCounts(211, 23, 80)
    assert JudgeRunRow(store, "another", "v").others.used == TokenCounts()
