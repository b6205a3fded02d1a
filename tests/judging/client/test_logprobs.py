"""A judge over HTTP keeps the probabilities of its answers, whatever form a server gives them in, or does without."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from judging_quirks import is_probe
from judging_server import Answer, failure
from judging_tokens import CLAIM_REPLY, chat_logprobs, list_logprobs
from sqlalchemy import select

from gnomon.data.records import SCORE, Trial
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import verdicts
from gnomon.judging.client.completion import read_response
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel
from gnomon.render.verdicts import judging_line

CONCEPTS = ("ocean", "fear")
SHARES = {
    '"claims": ': {"true": 0.6, "false": 0.2, "null": 0.1},
    '"concept": "': {"ocean": 0.7, "fear": 0.2, "none": 0.05},
    '"coherent": ': {"true": 0.95, "false": 0.05},
    '"refused": ': {"false": 0.98, "true": 0.02},
}
EXPECTED = {"claims": 0.75, "coherent": 0.95, "refused": 0.02, "names ocean": 0.7 / 0.95}
Form = Callable[..., dict[str, Any]]


@pytest.fixture
def trials(make_trial: Callable[..., Trial]) -> list[Trial]:
    return [make_trial(replicate=number, answer=f"Answer {number}.") for number in range(4)]


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def judged(config: JudgeConfig) -> OpenAICompatibleJudge:
    return OpenAICompatibleJudge(config, CONCEPTS, sleep=at_once)


def completion(text: str, logprobs: object) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 60, "total_tokens": 1060}
    return Answer(raw=json.dumps({"choices": [{**choice, "logprobs": logprobs}], "usage": usage}).encode())


def giving(form: Form) -> Callable[[dict[str, Any]], Answer]:
    """A server that gives log-probabilities in a form where it is asked for them."""

    def script(request: dict[str, Any]) -> Answer:
        text, shares = ("ready", {}) if is_probe(request) else (CLAIM_REPLY, SHARES)
        return completion(text, form(text, shares) if request.get("logprobs") else None)

    return script


def stored_scores(store: Store) -> list[Any]:
    with store.engine.connect() as connection:
        return list(connection.scalars(select(verdicts.c.scores)))


def assert_expected(scores: Any) -> None:
    assert {name: scores[name] for name in EXPECTED} == pytest.approx(EXPECTED, rel=0.01)


@pytest.mark.parametrize(
    "form",
    [chat_logprobs, lambda text, shares: chat_logprobs(text, shares, has_bytes=False), list_logprobs],
    ids=["with bytes", "without bytes", "lists side by side"],
)
def test_scores_are_stored_with_the_verdict(store: Store, trials, server, config, form: Form) -> None:
    server.script = giving(form)
    (report,) = run_panel(store, [judged(config(logprobs=True))])
    assert report.by_state == {"ok": 4}
    assert report.usage["scored"] == 4
    assert {(request["logprobs"], request["top_logprobs"]) for request in server.judged} == {(True, 20)}
    for scores in stored_scores(store):
        assert_expected(scores)


def test_a_judge_that_does_not_ask_sends_what_it_always_sent(store: Store, trials, server, config) -> None:
    server.script = giving(chat_logprobs)
    (report,) = run_panel(store, [judged(config())])
    assert not any("logprobs" in key for request in server.requests for key in request)
    assert "scored" not in report.usage
    assert set(stored_scores(store)) == {None}


def test_its_version_is_another_one_only_where_it_asks(config) -> None:
    """The version of a judge without the setting is that of every study before it."""
    before = judged(config()).version
    assert "logprobs" not in before.config
    assert judged(config(logprobs=False)).version == before
    assert judged(config(logprobs=True)).version.version != before.version


def test_replies_of_the_batch_api_hold_them_too(store: Store, trials, server, config) -> None:
    server.script = giving(chat_logprobs)
    (report,) = run_panel(store, [judged(config(logprobs=True, transport="batch", poll=1))])
    assert (report.error, report.usage["scored"]) == (None, 4)
    for scores in stored_scores(store):
        assert_expected(scores)


def test_pieces_of_a_stream_are_joined(config) -> None:
    events = []
    told = chat_logprobs(CLAIM_REPLY, SHARES)["content"]
    for entry in told:
        piece = {"index": 0, "delta": {"content": entry["token"]}, "logprobs": {"content": [entry]}}
        events.append(f"data: {json.dumps({'choices': [piece]})}\n\n")
    events.append(f"data: {json.dumps({'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n")
    found = read_response("".join(events).encode(), config(logprobs=True))
    assert [token.text.decode() for token in found.tokens] == [entry["token"] for entry in told]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model does not support the 'logprobs' parameter."),
        (403, "You are not allowed to request logprobs from this model"),
        (422, "Extra inputs are not permitted: body.logprobs"),
        (500, "logprobs is not supported with streaming"),
        (400, "Provider returned error"),
    ],
)
def test_a_server_that_refuses_them_is_told_in_one_line_and_verdicts_count(
    store: Store, trials, server, config, status: int, message: str
) -> None:
    def script(request: dict[str, Any]) -> Answer:
        if "logprobs" in request:
            return failure(status, message)
        return Answer("ready") if is_probe(request) else Answer(CLAIM_REPLY)

    server.script = script
    (report,) = run_panel(store, [judged(config(logprobs=True))])
    assert (report.error, report.by_state, report.usage["scored"]) == (None, {"ok": 4}, 0)
    assert report.usage["adapted"] == ["log-probabilities are refused, so verdicts have no scores"]
    assert set(stored_scores(store)) == {None}
    assert len(server.judged) == 4


def test_a_server_that_gives_few_of_them_is_asked_for_few(store: Store, trials, server, config) -> None:
    """As vLLM and Fireworks say it, whose limit is lower."""
    good = giving(chat_logprobs)

    def script(request: dict[str, Any]) -> Answer:
        if request.get("top_logprobs", 0) > 5:
            return failure(400, "Requested sample logprobs of 20, which is greater than max allowed: 5")
        return good(request)

    server.script = script
    (report,) = run_panel(store, [judged(config(logprobs=True))])
    assert report.usage["scored"] == 4
    assert {request["top_logprobs"] for request in server.judged} == {5}


def test_a_server_that_leaves_them_out_is_told_in_one_line(store: Store, trials, server, config) -> None:
    server.script = lambda request: Answer("ready") if is_probe(request) else Answer(CLAIM_REPLY)
    (report,) = run_panel(store, [judged(config(logprobs=True))])
    assert report.by_state == {"ok": 4}
    line = "it gives no log-probabilities of its answers, so verdicts have no scores"
    assert report.usage["adapted"] == [line]
    assert judging_line(report).count(line) == 1


def test_some_without_scores_are_counted(store: Store, trials, server, config) -> None:
    good, seen = giving(chat_logprobs), []

    def script(request: dict[str, Any]) -> Answer:
        seen.append(is_probe(request))
        return completion(CLAIM_REPLY, None) if seen.count(False) == 1 and not seen[-1] else good(request)

    server.script = script
    (report,) = run_panel(store, [judged(config(logprobs=True, concurrency=1))])
    assert report.usage["adapted"] == ["1 of 4 verdicts have no scores"]
    assert stored_scores(store).count(None) == 1


@pytest.mark.parametrize("value", [3.5, "NaN"])
def test_what_is_no_log_probability_gives_no_score(config, value: object) -> None:
    told = chat_logprobs(CLAIM_REPLY, SHARES)
    told["content"][4]["logprob"] = float(value)
    body = completion(CLAIM_REPLY, told).body()
    assert read_response(body, config(logprobs=True)).tokens == ()


def test_a_sampled_token_beyond_the_list_does_not_bound_what_is_not_listed(config) -> None:
    """Servers add the sampled token to the most probable ones: only these bound the answer that is missing."""
    told = chat_logprobs(CLAIM_REPLY, {})
    (place,) = [number for number, entry in enumerate(told["content"]) if entry["token"] == "true"][:1]
    top = [{"token": word, "logprob": math.log(share)} for word, share in {"null": 0.8, '"': 0.1}.items()]
    told["content"][place] |= {"logprob": math.log(0.001), "top_logprobs": top}
    token = read_response(completion(CLAIM_REPLY, told).body(), config(logprobs=True)).tokens[place]
    assert token.most_unlisted == pytest.approx(1 - 0.901)
    assert token.own == pytest.approx(0.001)


def test_a_token_that_could_not_be_drawn_has_no_probability(config) -> None:
    """With a grammar, servers list tokens that it forbids with -9999: the other answer is then known to be out."""
    told = chat_logprobs(CLAIM_REPLY, {'"claims": ': {"true": 1.0, "{": 0.0}})
    place = next(number for number, entry in enumerate(told["content"]) if entry["token"] == "true")
    token = read_response(completion(CLAIM_REPLY, told).body(), config(logprobs=True)).tokens[place]
    assert token.most_unlisted == 0
    verdict_scores = judged(config(logprobs=True)).rubric.reply_scores
    found = read_response(completion(CLAIM_REPLY, told).body(), config(logprobs=True))
    facts = judged(config()).rubric.interpret_reply(CLAIM_REPLY, CONCEPTS, None)[1]
    assert verdict_scores(found.tokens, facts, CONCEPTS)["claims"] == 1.0


def test_the_informed_rubric_keeps_the_probability_of_a_pass(store: Store, trials, server, config) -> None:
    text = json.dumps({"quote": "q", "concept": "ocean", "coherent": True, "refused": False, "passed": True})

    def script(request: dict[str, Any]) -> Answer:
        if is_probe(request):
            return Answer("ready")
        return completion(text, chat_logprobs(text, {'"passed": ': {"true": 0.7, "false": 0.3}}))

    server.script = script
    run_panel(store, [judged(config(logprobs=True, rubric="informed"))])
    found = stored_scores(store)
    assert [scores[SCORE] for scores in found] == pytest.approx([0.7] * 4)
    assert set(found[0]) == {SCORE, "coherent", "refused"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"extra": {"top_logprobs": 3}}, "extra.top_logprobs: logprobs = true sets it"),
        ({"kind": "lexicon", "base_url": None, "model": None}, "takes no logprobs"),
    ],
)
def test_settings_that_contradict_are_refused(config, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config(logprobs=True, **more)


def test_long_replies_are_asked_for_few(store: Store, trials, server, config) -> None:
    server.script = giving(chat_logprobs)
    run_panel(store, [judged(config(logprobs=True, max_tokens=4000))])
    assert {request["top_logprobs"] for request in server.judged} == {5}
