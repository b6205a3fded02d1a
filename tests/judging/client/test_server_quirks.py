"""Servers behave in many ways; each transcript gets its verdict or the right ending, and the right advice is given."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from judging_quirks import (
    ADAPTED,
    BUSY,
    DENIED,
    MODERATED,
    NO_CREDIT,
    NO_SYSTEM,
    READABLE,
    TOO_LONG,
    always,
    at_turn,
    enforced,
    good,
    is_probe,
    last,
    plain,
    reply,
    schema_of,
)
from judging_server import Answer, failure

from gnomon.data.errors import JudgeError, UserError
from gnomon.data.records import Facts, VerdictState
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel

CONCEPTS = ("fear", "ocean", "silence")
CLAIM = Facts(True, "ocean", True, False)
NUMBER = 4


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def trials(make_trial):
    return [make_trial(replicate=number, answer=f"A faint sense of the sea, {number}.") for number in range(NUMBER)]


def judged(config, trials):
    """The judge and its verdicts; the calls come one after another."""
    judge = OpenAICompatibleJudge(config, CONCEPTS, sleep=at_once)
    return judge, list(judge.judge_trials(trials))


def stopped(config, trials):
    """Verdicts up to the error that stops the judge, and its message."""
    judge = OpenAICompatibleJudge(config, CONCEPTS, sleep=at_once)
    seen = []
    with pytest.raises(JudgeError) as caught:
        seen.extend(judge.judge_trials(trials))
    assert "\n" not in str(caught.value)
    return seen, str(caught.value)


def states(verdicts) -> dict[str, int]:
    return dict(Counter(verdict.state.value for verdict in verdicts))


@pytest.mark.parametrize("quirk", MODERATED)
def test_a_flagged_transcript_is_refused_and_the_others_are_judged(server, config, trials, quirk):
    server.script = at_turn({3}, lambda _: MODERATED[quirk])
    _, verdicts = judged(config(concurrency=1), trials)
    assert states(verdicts) == {"ok": NUMBER - 1, "refused": 1}
    assert verdicts[2].state is VerdictState.REFUSED


def test_a_flagged_transcript_is_not_asked_about_again(store, server, config, make_trial):
    for number in range(3):
        make_trial(replicate=number)
    server.script = at_turn({2}, lambda _: MODERATED["openrouter"])
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(concurrency=1), CONCEPTS)])
    assert (report.by_state, report.error) == ({"ok": 2, "refused": 1}, None)
    (again,) = run_panel(store, [OpenAICompatibleJudge(config(), CONCEPTS)])
    assert again.asked == 0


@pytest.mark.parametrize("quirk", TOO_LONG)
def test_a_transcript_that_does_not_fit_has_a_state_of_its_own(store, server, config, make_trial, quirk):
    for number in range(3):
        make_trial(replicate=number)
    server.script = at_turn({2}, lambda _: TOO_LONG[quirk])
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(concurrency=1), CONCEPTS)])
    assert (report.by_state, report.error, report.new) == ({"ok": 2, "too_long": 1}, None, 3)


@pytest.mark.parametrize("quirk", TOO_LONG)
def test_a_context_too_short_for_the_rubric_stops_the_judge(server, config, trials, quirk):
    server.script = lambda _: TOO_LONG[quirk]
    seen, message = stopped(config(), trials)
    assert seen == []
    assert "the rubric alone is too long for the model" in message
    assert message.endswith("give it a longer context, or lower 'examples' in study.toml")


def test_a_limit_on_replies_is_no_transcript_that_is_too_long(server, config, trials):
    server.script = always(lambda _: failure(400, "max_tokens: 400 > 300, the maximum number of output tokens"))
    seen, _ = stopped(config(concurrency=1, stop_after=2), trials)
    assert states(seen) == {"error": 2}


@pytest.mark.parametrize("quirk", DENIED)
def test_denied_access_stops_the_judge_and_says_what_to_check(server, config, trials, quirk):
    server.script = lambda _: DENIED[quirk]
    seen, message = stopped(config(), trials)
    assert seen == []
    assert "the server denies access (403: " in message
    assert "check api_key_env in study.toml (none is set), and that its account may use model 'm'" in message
    server.script = always(lambda _: DENIED[quirk])
    seen, message = stopped(config(concurrency=1, stop_after=2), trials)
    assert states(seen) == {"error": 2}
    assert message.endswith("may use model 'm' from here")


def test_one_denied_call_among_good_ones_stops_nothing(server, config, trials):
    server.script = at_turn({2}, lambda _: DENIED["openai"])
    assert states(judged(config(concurrency=1), trials)[1]) == {"ok": NUMBER - 1, "error": 1}


@pytest.mark.parametrize("quirk", NO_CREDIT)
def test_an_account_without_credit_stops_at_once(server, config, trials, quirk):
    server.script = at_turn({2}, lambda _: NO_CREDIT[quirk])
    seen, message = stopped(config(concurrency=1), trials)
    assert states(seen) == {"ok": 1, "error": 1}
    assert "no credit left" in message
    assert message.endswith("add credit and run the same command again")


@pytest.mark.parametrize("quirk", BUSY)
def test_a_fault_that_passes_is_tried_again_whatever_its_form(server, config, trials, quirk):
    server.script = at_turn({2}, lambda _: BUSY[quirk])
    assert states(judged(config(concurrency=1), trials)[1]) == {"ok": NUMBER}
    assert len(server.judged) == NUMBER + 1


@pytest.mark.parametrize("quirk", READABLE)
def test_a_verdict_is_read_in_whatever_form_it_comes(server, config, trials, quirk):
    server.script = always(READABLE[quirk])
    _, verdicts = judged(config(), trials[:2])
    assert {verdict.facts for verdict in verdicts} == {CLAIM}


def test_a_refusal_in_parts_or_in_its_field_is_one(server, config, trials):
    for answer in (
        reply(None, message={"refusal": "I can't assist."}),
        reply([{"type": "refusal", "refusal": "I can't assist."}]),
    ):
        server.script = always(lambda _, answer=answer: answer)
        _, verdicts = judged(config(), trials[:1])
        assert (verdicts[0].state, verdicts[0].raw) == (VerdictState.REFUSED, "I can't assist.")


@pytest.mark.parametrize("refusal", ["", " ", None, False])
def test_an_empty_refusal_beside_words_is_no_refusal(server, config, trials, refusal):
    server.script = always(lambda _: reply("no idea", message={"refusal": refusal}))
    _, verdicts = judged(config(), trials[:1])
    assert (verdicts[0].state, verdicts[0].raw) == (VerdictState.UNPARSABLE, "no idea")


@pytest.mark.parametrize("quirk", ADAPTED)
def test_what_a_server_does_not_take_is_left_out_and_recorded(server, config, trials, quirk):
    server.script, key, change = ADAPTED[quirk]
    judge, verdicts = judged(config(), trials)
    assert states(verdicts) == {"ok": NUMBER}
    assert judge.enforces_schema is True
    assert all(key not in request for request in server.judged)
    assert judge.usage_summary()["adapted"] == ([] if change is None else [change])


@pytest.mark.parametrize("quirk", NO_SYSTEM)
def test_without_a_system_role_its_text_stands_in_the_users_message(server, config, trials, quirk):
    def script(request):
        return NO_SYSTEM[quirk] if request["messages"][0]["role"] == "system" else good(request)

    server.script = script
    judge, verdicts = judged(config(), trials)
    assert states(verdicts) == {"ok": NUMBER}
    (said,) = judge.usage_summary()["adapted"]
    assert said == "the system text stands in the user's message"
    (shown,) = server.requests[-1]["messages"]
    assert shown["role"] == "user"
    assert "You read one answer that a language model gave" in shown["content"]
    assert "A faint sense of the sea" in shown["content"]


def test_all_quirks_of_a_form_at_once_are_met(server, config, trials):
    def script(request):
        for key, (quirk, _, _) in ADAPTED.items():
            if (answer := quirk(request)).status != 200:
                return answer
            assert key
        return NO_SYSTEM["template"] if request["messages"][0]["role"] == "system" else good(request)

    server.script = script
    judge, verdicts = judged(config(concurrency=4), trials)
    assert states(verdicts) == {"ok": NUMBER}
    assert len(judge.usage_summary()["adapted"]) == 3


# -- what the server does with a schema --------------------------------------------------------------------


def shown_only(request):
    """The model is shown the schema, and follows the prompt where that says otherwise."""
    if "token" in schema_of(request) and "word: ready" not in last(request):
        return reply(last(request)[last(request).index("{") :])
    if is_probe(request):
        return good(request)
    return reply(json.dumps({"claims": "Yes", "concept": "the sea"}))


def rejects(request):
    """It takes no form of a reply at all; one that takes any JSON object is in test_reply_forms.py."""
    unavailable = failure(400, "This response_format type is unavailable now")
    return unavailable if "response_format" in request else reply(plain(request))


def silent(request):
    return reply("") if is_probe(request) else good(request)


@pytest.mark.parametrize(
    ("script", "enforces", "said", "sent"),
    [
        (good, True, "enforced", True),
        (shown_only, False, "shown only", True),
        (lambda request: reply(plain(request)), False, "ignored", False),
        (rejects, False, "ignored", False),
        (silent, None, "unknown", True),
    ],
)
def test_the_probe_tells_enforced_from_shown_and_from_unknown(server, config, trials, script, enforces, said, sent):
    server.script = script
    judge, _ = judged(config(), trials[:2])
    assert (judge.enforces_schema, judge.usage_summary()["schema"]) == (enforces, said)
    assert all(("response_format" in request) == sent for request in server.judged)


def test_a_reasoning_model_without_room_is_told_to_the_user(server, config, trials):
    for content in ("", "<think>I am asked for a word"):
        server.script = lambda _, content=content: reply(content, "length")
        seen, message = stopped(config(max_tokens=400), trials)
        assert seen == []
        assert "empty at 400 tokens, all of them used up by its reasoning: raise 'max_tokens' in study.toml" in message


def test_a_server_that_rejects_bounds_is_sent_the_schema_without_them(server, config, trials):
    def script(request):
        bounded = "maxLength" in json.dumps(schema_of(request))
        return failure(400, "Invalid schema: 'maxLength' is not permitted") if bounded else good(request)

    server.script = script
    judge, verdicts = judged(config(), trials)
    assert judge.enforces_schema is True
    assert states(verdicts) == {"ok": NUMBER}


# -- tokens ------------------------------------------------------------------------------------------------

PRICE = {"input": 1.0, "output": 10.0}


@pytest.mark.parametrize(
    "usage",
    [
        {"total_tokens": 1960},
        {"completion_tokens_details": {"reasoning_tokens": 900}},
        {"completion_tokens": 960, "total_tokens": 1960, "completion_tokens_details": {"reasoning_tokens": 900}},
    ],
)
def test_reasoning_is_counted_wherever_a_server_reports_it(server, config, trials, usage):
    server.script = lambda request: reply(enforced(request), usage=usage)
    judge, verdicts = judged(config(price=PRICE), trials)
    assert {verdict.output_tokens for verdict in verdicts} == {960}
    summary = judge.usage_summary()
    assert summary["output_tokens"] == 960 * summary["calls"]
    assert summary["cost"] == pytest.approx((1000 + 9600) * summary["calls"] / 1e6)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens_details": {"cached_tokens": 800}},
        {"prompt_cache_hit_tokens": 800},
        {"prompt_tokens": 200, "total_tokens": 260, "cache_read_input_tokens": 800},
    ],
)
def test_cached_tokens_have_their_price(server, config, trials, usage):
    server.script = lambda request: reply(enforced(request), usage=usage)
    judge, verdicts = judged(config(price={**PRICE, "cached": 0.1}), trials)
    summary = judge.usage_summary()
    assert {verdict.input_tokens for verdict in verdicts} == {1000}
    assert summary["cached_input_tokens"] == 800 * summary["calls"]
    assert summary["cost"] == pytest.approx((200 + 80 + 600) * summary["calls"] / 1e6)
    plainly, _ = judged(config(price=PRICE), trials)
    assert plainly.usage_summary()["cost"] == pytest.approx((1000 + 600) * summary["calls"] / 1e6)


def test_cached_tokens_of_earlier_runs_count_as_such_against_the_budget(store, server, config, make_trial):
    make_trial()
    dear = config(price={**PRICE, "cached": 0.0}, budget=1.0)
    server.script = lambda request: reply(enforced(request), usage={"prompt_tokens_details": {"cached_tokens": 800}})
    run_panel(store, [OpenAICompatibleJudge(dear, CONCEPTS)])
    make_trial(replicate=1)
    judge = OpenAICompatibleJudge(dear, CONCEPTS)
    run_panel(store, [judge])
    assert judge._ledger.total_cost == pytest.approx(800e-6 * 0 + (200 + 600) * 6 / 1e6)


def test_a_filtered_prompt_books_no_reply(server, config, trials):
    server.script = always(lambda _: MODERATED["azure"])
    _, verdicts = judged(config(price=PRICE), trials)
    assert states(verdicts) == {"refused": NUMBER}
    assert {verdict.output_tokens for verdict in verdicts} == {0}
    assert all(verdict.input_tokens > 500 for verdict in verdicts)


def test_a_budget_holds_where_reasoning_is_counted_beside_the_limit_of_a_reply(store, server, config, make_trial):
    for number in range(30):
        make_trial(replicate=number)
    server.script = lambda request: reply(enforced(request), usage={"total_tokens": 3000})
    judge = OpenAICompatibleJudge(config(price=PRICE, budget=0.2, concurrency=4, max_tokens=100), CONCEPTS)
    (report,) = run_panel(store, [judge])
    assert "the budget of 0.2 USD allows no further call" in (report.error or "")
    assert judge._ledger.total_cost <= 0.2


# -- prompts that a server cuts ----------------------------------------------------------------------------


def tokens_of(request) -> int:
    return sum(len(message["content"]) for message in request["messages"]) // 4


def with_context(context):
    """A server that reads the last `context` tokens of a prompt, and says so."""

    def script(request):
        sent = min(context, tokens_of(request))
        return reply(enforced(request), usage={"prompt_tokens": sent, "total_tokens": sent + 60})

    return script


@pytest.mark.parametrize("context", [128, 512])
def test_a_rubric_that_a_server_cuts_stops_the_judge(server, config, trials, context):
    server.script = with_context(context)
    seen, message = stopped(config(), trials)
    assert seen == []
    assert f"the server cut the prompt: it read {context} of at least " in message
    assert "OLLAMA_CONTEXT_LENGTH" in message


def test_a_long_transcript_that_a_server_cuts_has_no_verdict(server, config, make_trial):
    short = make_trial(answer="I notice the sea.")
    long = make_trial(answer="I notice the sea in my mind again. " * 170, replicate=1)
    server.script = with_context(1400)
    _, verdicts = judged(config(concurrency=1), [short, long])
    assert [verdict.state for verdict in verdicts] == [VerdictState.OK, VerdictState.ERROR]
    assert "the server cut the prompt: it read 1400 of at least" in verdicts[1].raw
    server.script = with_context(8000)
    assert states(judged(config(), [short, long])[1]) == {"ok": 2}


@pytest.mark.parametrize("answer", ["!" * 6000, "the " * 1500, "\N{CJK UNIFIED IDEOGRAPH-6D77}" * 6000, " " * 6000])
def test_a_transcript_of_few_tokens_is_not_taken_for_a_cut_one(server, config, make_trial, answer):
    """Runs of one character are a few tokens; a word is one at least."""

    def script(request):
        runs = sum(len(message["content"].replace("!!!!!!!!", "!").split()) for message in request["messages"])
        return reply(enforced(request), usage={"prompt_tokens": int(1.3 * runs), "total_tokens": int(1.3 * runs) + 60})

    server.script = script
    _, (verdict,) = judged(config(), [make_trial(answer=answer)])
    assert verdict.state is VerdictState.OK


# -- what is sent ------------------------------------------------------------------------------------------


def test_the_seed_of_the_trial_is_sent_and_the_same_again(server, config, trials):
    judged(config(concurrency=1), trials)
    first = [request["seed"] for request in server.judged]
    assert len(set(first)) == NUMBER
    assert all(0 <= seed < 2**31 for seed in first)
    server.requests.clear()
    judged(config(concurrency=1), trials)
    assert [request["seed"] for request in server.judged] == first


def test_a_header_of_its_own_and_a_query_reach_the_server_and_no_text(server, config, trials, monkeypatch):
    monkeypatch.setenv("GNOMON_TEST_KEY", "sesame-0123456789")
    server.script = always(lambda _: failure(400, "bad sesame-0123456789"))
    azure = config(headers_env={"api-key": "GNOMON_TEST_KEY"}, query={"api-version": "2024-10-21"}, stop_after=99)
    assert OpenAICompatibleJudge(azure, CONCEPTS).version == OpenAICompatibleJudge(config(), CONCEPTS).version
    judge, verdicts = judged(azure, trials)
    assert {headers["api-key"] for headers in server.headers} == {"sesame-0123456789"}
    assert all("authorization" not in headers for headers in server.headers)
    assert all(path.endswith("/chat/completions?api-version=2024-10-21") for path in server.paths)
    assert {verdict.raw for verdict in verdicts} == {"the server rejects the request (400: bad ***)"}
    assert "sesame" not in repr(judge.version)
    monkeypatch.delenv("GNOMON_TEST_KEY")
    with pytest.raises(UserError, match="environment variable GNOMON_TEST_KEY is not set"):
        judged(azure, trials)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"query": {"api_key": "x"}}, "query.api_key: looks like a secret"),
        ({"query": {"sig": "x"}}, "query.sig: looks like a secret"),
        ({"headers_env": {"api-key": "not a name"}}, "should match pattern"),
        ({"headers_env": {"a b": "X"}}, "should match pattern"),
        ({"base_url": "http://x/v1?api-version=1"}, r"anything else into query = \{ ... \}"),
    ],
)
def test_secrets_and_broken_names_are_refused(config, more, said):
    with pytest.raises(ValueError, match=said):
        config(**more)


def test_extra_keys_are_sent_and_are_part_of_the_version(server, config, trials):
    extra = {"top_p": 0.9, "chat_template_kwargs": {"enable_thinking": False}}
    judge, _ = judged(config(extra=extra), trials[:1])
    assert all(request["top_p"] == 0.9 for request in server.requests)
    assert server.judged[0]["chat_template_kwargs"] == {"enable_thinking": False}
    versions = {
        OpenAICompatibleJudge(config(extra=more), CONCEPTS).version.version for more in ({}, extra, {"top_p": 0.8})
    }
    assert len(versions) == 3
    assert judge.version.config["extra"] == extra


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"temperature": 1}, "extra.temperature: Gnomon sets temperature itself: leave it out, or set temperature"),
        ({"stream": True}, "extra.stream: Gnomon sets stream itself"),
        ({"api_key": "x"}, "extra.api_key: looks like a secret"),
    ],
)
def test_extra_keys_that_are_set_elsewhere_are_refused(extra, said):
    with pytest.raises(ValueError, match=said):
        JudgeConfig(name="a", kind="openai", base_url="http://x/v1", model="m", extra=extra)


@pytest.mark.parametrize("quirk", ["azure", "openai reasoning"])
def test_a_flagged_line_of_a_batch_is_refused(store, server, config, make_trial, quirk):
    for number in range(4):
        make_trial(replicate=number)
    server.script = at_turn({2}, lambda _: MODERATED[quirk])
    batch = config(transport="batch", poll=1)
    (report,) = run_panel(store, [OpenAICompatibleJudge(batch, CONCEPTS, sleep=at_once)])
    assert (report.by_state, report.error) == ({"ok": 3, "refused": 1}, None)


def test_an_echo_of_the_transcript_in_an_error_decides_nothing(server, config, trials):
    echo = {"detail": [{"loc": ["body"], "msg": "malformed", "input": "flagged by moderation, context length"}]}
    server.script = at_turn({1}, lambda _: Answer(status=422, raw=json.dumps(echo).encode()))
    assert states(judged(config(concurrency=1), trials)[1]) == {"ok": NUMBER - 1, "error": 1}
