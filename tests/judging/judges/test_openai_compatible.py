"""A judge behind a server gives one verdict a trial, names every other ending, and stops loudly when it can't go on."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from judging_server import FACTS, Answer, failure, ignoring, obeying

from gnomon.data.errors import JudgeError, UserError
from gnomon.data.records import Facts, Trial, Verdict, VerdictState
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge

CONCEPTS = ("ocean", "fear", "silence")
KEY = "sk-very-secret-0123456789"


class Waits:
    """Stands in for sleeping: remembers how long it was asked to."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0)


def judge_all(
    config: JudgeConfig, trials: list[Trial], waits: Waits | None = None
) -> tuple[OpenAICompatibleJudge, list[Verdict]]:
    judge = OpenAICompatibleJudge(config, CONCEPTS, sleep=waits or Waits())
    return judge, list(judge.judge_trials(trials))


def judge_until_it_stops(config: JudgeConfig, trials: list[Trial]) -> tuple[OpenAICompatibleJudge, list[Verdict], str]:
    """The verdicts up to the error that ends the run, and its message."""
    judge = OpenAICompatibleJudge(config, CONCEPTS, sleep=Waits())
    seen: list[Verdict] = []
    try:
        seen.extend(judge.judge_trials(trials))
    except JudgeError as error:
        return judge, seen, str(error)
    raise AssertionError("the judge did not stop")


@pytest.fixture
def trials(make_trial: Callable[..., Trial]) -> list[Trial]:
    return [make_trial(replicate=number, answer=f"Answer {number}.") for number in range(6)]


def after_probe(*answers: Answer, then: Answer | None = None) -> Callable[[dict[str, Any]], Answer]:
    """Ignore the probe's schema, then give the answers in turn, then the last thing for ever."""
    waiting = list(answers)

    def script(request: dict[str, Any]) -> Answer:
        if len(request["messages"]) == 1:
            return Answer("ready")
        return waiting.pop(0) if waiting else then or Answer()

    return script


def test_every_trial_gets_one_verdict_with_facts_tokens_and_time(server, config, trials):
    judge, verdicts = judge_all(config(), trials)
    assert sorted(verdict.trial for verdict in verdicts) == sorted(trial.id for trial in trials)
    assert {verdict.judge for verdict in verdicts} == {judge.version.version}
    assert {verdict.facts for verdict in verdicts} == {Facts(False, "none", True, False)}
    assert {(verdict.input_tokens, verdict.output_tokens) for verdict in verdicts} == {(11, 7)}
    assert all(verdict.seconds > 0 and json.loads(verdict.raw) == FACTS for verdict in verdicts)


def test_no_trial_means_no_call(server, config):
    assert judge_all(config(), [])[1] == []
    assert server.requests == []


def test_probe_shows_a_server_that_enforces_schemas(server, config, trials):
    server.script = obeying
    judge, verdicts = judge_all(config(), trials)
    assert judge.enforces_schema is True
    assert {verdict.state for verdict in verdicts} == {VerdictState.OK}
    schema = server.judged[0]["response_format"]["json_schema"]["schema"]
    assert sorted(schema["properties"]["concept"]["enum"]) == sorted([*CONCEPTS, "none", "other"])


def test_probe_shows_a_server_that_ignores_them_and_asks_it_in_text(server, config, trials):
    judge, verdicts = judge_all(config(), trials)
    assert judge.enforces_schema is False
    assert len(verdicts) == 6
    assert all("response_format" not in request for request in server.judged)


def test_a_server_that_rejects_schemas_is_asked_in_text(server, config, trials):
    def script(request):
        return failure(400, "response_format is not supported") if "response_format" in request else ignoring(request)

    server.script = script
    judge, verdicts = judge_all(config(), trials)
    assert judge.enforces_schema is False
    assert {verdict.state for verdict in verdicts} == {VerdictState.OK}


def test_a_server_that_wants_the_newer_length_key_gets_it(server, config, trials):
    def script(request):
        return failure(400, "use 'max_completion_tokens' instead") if "max_tokens" in request else obeying(request)

    server.script = script
    judge, verdicts = judge_all(config(max_tokens=99), trials)
    assert judge.enforces_schema is True
    assert len(verdicts) == 6
    assert {request["max_completion_tokens"] for request in server.judged} == {99}


def test_sampling_goes_out_as_configured(server, config, trials):
    judge_all(config(temperature=0.5, max_tokens=64, model="big"), trials[:1])
    request = server.judged[0]
    assert (request["temperature"], request["max_tokens"], request["model"]) == (0.5, 64, "big")
    judge_all(config(temperature="server"), trials[:1])
    assert "temperature" not in server.judged[1]


def test_arm_and_concept_of_a_trial_change_nothing_that_is_sent(server, config, make_trial):
    same = {"answer": "I notice nothing.", "replicate": 0}
    shown = []
    for more in ({"arm": "injection", "concept": "ocean"}, {"arm": "injection", "concept": "fear"}, {"arm": "control"}):
        trial = make_trial(**same, **more)
        judge_all(config(), [trial])
        messages = json.dumps(server.judged[-1]["messages"])
        assert trial.condition.arm not in messages.replace("injected", "")
        shown.append(sorted(messages.replace(",", " ").split()))
    lengths = {len(words) for words in shown}
    assert len(lengths) == 1


def test_429_is_waited_out_as_long_as_the_server_says(server, config, trials):
    server.script = after_probe(failure(429, "slow", headers={"Retry-After": "7"}))
    waits = Waits()
    _, verdicts = judge_all(config(concurrency=1), trials, waits)
    assert {verdict.state for verdict in verdicts} == {VerdictState.OK}
    assert waits.asked[0] == 7.0
    assert len(server.judged) == 7


def test_a_429_holds_back_every_caller(server, config, trials):
    server.script = after_probe(failure(429, "slow", headers={"Retry-After": "30"}))
    waits = Waits()
    judge_all(config(concurrency=3), trials, waits)
    assert sum(29 < seconds <= 30 for seconds in waits.asked) > 1


def test_a_wait_too_long_stops_the_judge_and_says_so(server, config, trials):
    server.script = after_probe(then=failure(429, "slow", headers={"Retry-After": "5000"}))
    with pytest.raises(JudgeError, match=r"judge 'llm': .*asks to wait 5000 s: run the same command again after that"):
        judge_all(config(), trials)


def test_faults_that_pass_are_not_seen(server, config, trials):
    faults = (failure(500), failure(503), Answer(hang_up=True), Answer(raw=b"<html>busy</html>", kind="text/html"))
    for fault in faults:
        server.script = after_probe(fault)
        waits = Waits()
        _, verdicts = judge_all(config(concurrency=1), trials, waits)
        assert [verdict.state for verdict in verdicts] == [VerdictState.OK] * 6
        assert len(waits.asked) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (failure(500, "boom"), "the server failed \\(500: boom"),
        (Answer(hang_up=True), "no connection"),
        (Answer(raw=b"<html>hi</html>", kind="text/html"), "not what this protocol returns"),
        (Answer(raw=b'{"choices": [', kind="application/json"), "not what this protocol returns"),
        (Answer(raw=b'{"choices": []}'), "not what this protocol returns"),
        (failure(400, "bad request"), "rejects the request \\(400: bad request"),
    ],
)
def test_faults_that_stay_open_the_circuit(server, config, trials, fault, said):
    server.script = after_probe(Answer(), then=fault)
    _, seen, message = judge_until_it_stops(config(concurrency=1, stop_after=3), trials)
    assert [verdict.state for verdict in seen] == [VerdictState.OK] + [VerdictState.ERROR] * 3
    assert re.match(f"judge 'llm': stopped after 3 failed call.*{said}", message)
    assert "\n" not in message


def test_a_good_answer_closes_the_circuit_again(server, config, trials):
    bad = failure(400, "bad")
    server.script = after_probe(bad, bad, Answer(), bad, bad, Answer())
    _, verdicts = judge_all(config(concurrency=1, stop_after=3), trials)
    assert [verdict.state.value for verdict in verdicts] == ["error", "error", "ok", "error", "error", "ok"]


@pytest.mark.parametrize(
    ("answer", "state", "raw"),
    [
        (Answer("It claims nothing."), VerdictState.UNPARSABLE, "It claims nothing."),
        (Answer('{"claims": tr', finish="length"), VerdictState.TRUNCATED, '{"claims": tr'),
        (Answer(refusal="I will not."), VerdictState.REFUSED, "I will not."),
        (Answer("", finish="content_filter"), VerdictState.REFUSED, ""),
        (failure(400, "filtered", code="content_filter"), VerdictState.REFUSED, "filtered"),
        (Answer("I'm sorry, but I can't."), VerdictState.REFUSED, "I'm sorry, but I can't."),
        (Answer(json.dumps(FACTS) + "\n", finish="length"), VerdictState.OK, json.dumps(FACTS) + "\n"),
        (Answer(json.dumps(FACTS) + " wait", finish="length"), VerdictState.TRUNCATED, json.dumps(FACTS) + " wait"),
        (Answer("nul \x00 here"), VerdictState.UNPARSABLE, "nul  here"),
    ],
)
def test_every_ending_has_its_state_and_keeps_its_text(server, config, trials, answer, state, raw):
    server.script = after_probe(then=answer)
    _, verdicts = judge_all(config(), trials)
    assert [(verdict.state, verdict.raw) for verdict in verdicts] == [(state, raw)] * 6
    assert all((verdict.facts is None) == (state is not VerdictState.OK) for verdict in verdicts)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (failure(401, "bad key"), "the server refuses the key .401: bad key.: check the key in GNOMON_TEST_KEY"),
        (failure(404, "no model m"), "not found .404: no model m.: check model and base_url"),
        (failure(429, "spent", code="insufficient_quota"), "no credit left"),
    ],
)
def test_what_no_call_can_survive_stops_at_once(server, config, trials, monkeypatch, fault, said):
    monkeypatch.setenv("GNOMON_TEST_KEY", KEY)
    for script in (lambda _: fault, after_probe(then=fault)):
        server.script = script
        server.requests.clear()
        with pytest.raises(JudgeError, match=said) as caught:
            judge_all(config(api_key_env="GNOMON_TEST_KEY", concurrency=1), trials)
        assert "\n" not in str(caught.value)
        assert len(server.requests) <= 2


def test_a_dead_endpoint_gives_one_clear_line(trials):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = JudgeConfig(name="llm", kind="openai", base_url=f"http://127.0.0.1:{port}/v1", model="m")
    with pytest.raises(JudgeError) as caught:
        judge_all(config, trials)
    message = str(caught.value)
    assert message.startswith(f"judge 'llm': http://127.0.0.1:{port}/v1 can't be asked: no connection (")
    assert message.endswith("start the server or fix base_url in study.toml")
    assert "\n" not in message


def test_a_server_that_never_ends_its_answer_runs_into_the_timeout(config, trials):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        slow = config(base_url=address, timeout=0.05)
        with pytest.raises(JudgeError, match=r"can't be asked: no answer within 0.05 s: start the server"):
            judge_all(slow, trials)


def test_a_missing_key_is_named_before_any_call(server, config, trials, monkeypatch):
    monkeypatch.delenv("GNOMON_TEST_KEY", raising=False)
    with pytest.raises(UserError, match="judge 'llm': environment variable GNOMON_TEST_KEY is not set"):
        judge_all(config(api_key_env="GNOMON_TEST_KEY"), trials)
    monkeypatch.setenv("GNOMON_TEST_KEY", "sk-café")
    with pytest.raises(UserError, match="characters that no key has") as caught:
        judge_all(config(api_key_env="GNOMON_TEST_KEY"), trials)
    assert "café" not in str(caught.value)
    assert server.requests == []


def test_the_key_reaches_the_server_and_nothing_else(server, config, trials, monkeypatch, caplog, capsys):
    monkeypatch.setenv("GNOMON_TEST_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    server.script = after_probe(Answer(f"echo {KEY}"), failure(400, f"bad {KEY}"), then=failure(500, f"Bearer {KEY}"))
    keyed = config(api_key_env="GNOMON_TEST_KEY", concurrency=1, stop_after=3)
    judge, seen, message = judge_until_it_stops(keyed, trials)
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    shown = [message, repr(seen), repr(judge.version), repr(judge.config), caplog.text, *capsys.readouterr()]
    assert len(seen) == 4
    assert "***" in shown[0]
    assert not [text for text in shown if KEY in text]


def test_calls_in_flight_never_exceed_the_limit_and_reach_it(server, config, make_trial):
    many = [make_trial(replicate=number) for number in range(24)]
    together = threading.Barrier(4)

    def script(request):
        return ignoring(request)

    server.script = script
    now, most = 0, 0
    guard = threading.Lock()
    original = Answer.body

    def body(self):
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        if len(server.judged) and not together.broken:
            together.wait(timeout=10)
        with guard:
            now -= 1
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answer, "body", body)
        _, verdicts = judge_all(config(concurrency=4), many)
    assert len(verdicts) == 24
    assert most == 4


def test_closing_the_iterator_gives_up_the_calls_in_flight(server, config, trials):
    judge = OpenAICompatibleJudge(config(concurrency=1), CONCEPTS, sleep=Waits())
    verdicts = judge.judge_trials(trials)
    next(verdicts)
    verdicts.close()
    assert len(server.judged) <= 2


def test_version_follows_model_sampling_concepts_and_name_but_not_the_address(config):
    def version(concepts=CONCEPTS, **more):
        return OpenAICompatibleJudge(config(**more), concepts).version.version

    base = version()
    assert base == version(base_url="http://elsewhere:1/v1", concurrency=1, timeout=9, stop_after=1)
    assert base == version(concepts=tuple(reversed(CONCEPTS)))
    changed = [version(model="n"), version(temperature=1.0), version(max_tokens=50), version(name="b"), version(("a",))]
    assert len({base, *changed}) == 6
