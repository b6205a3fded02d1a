"""One response as a verdict or its ending: read without a server, since only the form of the response matters here."""

from __future__ import annotations

import json

import pytest
from judging_quirks import CLAIM, DENIAL, enforced, plain, reply, schema_of
from judging_server import failure

from gnomon.data.errors import JudgeError
from gnomon.data.records import Facts, VerdictState
from gnomon.judging.client.call_errors import (
    DENIED,
    REJECTED,
    RETRY,
    CallFailedError,
    classify_complaint,
)
from gnomon.judging.client.completion import completion_without_reply, read_response
from gnomon.judging.client.endpoint import Endpoint
from gnomon.judging.client.error_body import read_complaint
from gnomon.judging.client.request_form import JSON_OBJECT, SCHEMA, TEXT, RequestForm
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.protocols import JudgeCase

CONFIG = JudgeConfig(name="llm", kind="openai", base_url="http://nowhere/v1", model="m")
PRICED = CONFIG.model_copy(update={"price": {"input": 1.0, "output": 10.0}})
JUDGE = OpenAICompatibleJudge(CONFIG, ("fear", "ocean", "silence"))
C, D = json.dumps(CLAIM), json.dumps(DENIAL)
OK, UNPARSABLE, TRUNCATED, REFUSED, TOO_LONG = (
    VerdictState.OK,
    VerdictState.UNPARSABLE,
    VerdictState.TRUNCATED,
    VerdictState.REFUSED,
    VerdictState.TOO_LONG,
)


@pytest.fixture
def state_of(make_trial):
    """The verdict's state that a body with status 200 leads to; a claim is checked to be one."""

    def read(body: bytes) -> VerdictState:
        verdict = JUDGE.make_verdict(JudgeCase(make_trial()), read_response(body, CONFIG))
        assert verdict.facts in (None, Facts(True, "ocean", True, False))
        return verdict.state

    return read


def body(content: object, finish: object = "stop", **more: object) -> bytes:
    return reply(content, finish, **more).body()


def choice(content: object, index: int = 0) -> dict[str, object]:
    return {"index": index, "message": {"content": content}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("text", "finish", "state"),
    [
        (
            '{"claims": false, "concept": "ocean", "coherent": true, "refused": false, "claims": true}',
            "stop",
            UNPARSABLE,
        ),
        (C.replace('"refused": false', '"refused": false, "refused": false'), "stop", OK),
        (f"<think>perhaps {D} hmm, let me", "length", TRUNCATED),
        (f"<think>perhaps {D} hmm, no", "stop", UNPARSABLE),
        (f"<think>it does, so {C}", "stop", OK),
        (f"[THINK]perhaps {D}, {{or not}}", "stop", UNPARSABLE),
        (f"<|channel|>analysis<|message|>perhaps {D}<|end|>", "stop", UNPARSABLE),
        (f"<|channel|>analysis<|message|>perhaps {D}", "stop", UNPARSABLE),
        (f"<|channel|>analysis<|message|>{D}<|end|><|start|>assistant<|channel|>final<|message|>{C}", "stop", OK),
        (f"<|channel|>commentary<|message|>{D}<|end|>{C}", "stop", OK),
        (f'<seed:think budget="9">{D}</seed:think>{C}', "stop", OK),
        (f"<|begin_of_thought|>{D}<|end_of_thought|>{C}", "stop", OK),
        (f"<scratchpad>{D} hm", "stop", UNPARSABLE),
        (f"perhaps {D} but wait, let me think again", "length", TRUNCATED),
        (f"perhaps {D} but {{wait}}", "length", TRUNCATED),
        (f"{C}\n\n \n", "length", OK),
        (f"```json\n{C}\n```", "length", OK),
        (C.replace('"q"', '"a\nb"', 1), "stop", OK),
        (C[:40], "MAX_TOKENS", TRUNCATED),
        (C[:40], "model_length", TRUNCATED),
        ("", "SAFETY", REFUSED),
        ("", "refusal", REFUSED),
        (C[:40], "sensitive", REFUSED),
    ],
)
def test_a_draft_a_cut_or_a_doubled_key_is_no_verdict(state_of, text, finish, state):
    assert state_of(body(text, finish)) is state


@pytest.mark.parametrize(
    "content",
    [
        body([{"type": "summary_text", "text": D}, {"type": "text", "text": C}]),
        body([{"type": "commentary", "text": D}, {"type": "output_text", "text": C}]),
        body(None, choices=[choice(None), choice(C, 1)]),
        body(None, choices=[choice(D, 1), choice(C, 0)]),
        body(C + " \ud83d"),
        body(C).replace(b'"object"', b'"a\x01b": 1, "object"'),
        b"\xef\xbb\xbf" + body(C),
        body(C).replace(b'"assistant"', b'"\xe9"'),
        body(C, error={"code": 0, "message": ""}),
    ],
)
def test_the_answer_is_found_in_the_body(state_of, content):
    assert state_of(content) is OK


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ({"object": "error", "message": "This model's maximum context length is 2048", "code": 40303}, TOO_LONG),
        ({"detail": "content policy violation"}, REFUSED),
        ({"code": 1301, "msg": "sensitive content"}, REFUSED),
        ({"errors": [{"message": "context length exceeded"}]}, TOO_LONG),
        ({"choices": [], "promptFeedback": {"blockReason": "SAFETY"}}, REFUSED),
        (
            {"choices": [], "prompt_filter_results": [{"content_filter_results": {"violence": {"filtered": True}}}]},
            REFUSED,
        ),
        ({"choices": [choice("")], "error": {"code": "content_filter", "message": "no"}}, REFUSED),
        ({"error": {"code": "json_validate_failed", "message": "no", "failed_generation": "I think"}}, UNPARSABLE),
        ({"error": {"code": "json_validate_failed", "message": "max completion tokens reached"}}, TRUNCATED),
    ],
)
def test_an_error_with_status_200_ends_its_transcript(state_of, content, state):
    assert state_of(json.dumps(content).encode()) is state


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"choices": [choice("")], "error": {"code": 429, "message": "slow down"}}).encode(),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"<html>login</html>",
        b"",
        b"null",
        b'data: {"choices": [{"index": 0, "delta": {"content": "{"}}]}\n\n',
    ],
)
def test_a_body_that_holds_no_answer_is_a_failure_and_no_crash(content):
    with pytest.raises(CallFailedError):
        read_response(content, CONFIG)


def test_a_reply_in_pieces_is_one(state_of):
    said = C.replace('"q"', '"a\N{LINE SEPARATOR}b"', 1)
    pieces = [{"content": said[:9], "role": "assistant"}, {"content": said[9:]}, {"content": None}]
    events = [{"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    events += [{"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 60}}]
    content = (
        ": keep-alive\n\n"
        + "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events)
        + "data: [DONE]\n\n"
    )
    assert state_of(content.encode()) is OK
    completion = read_response(content.encode(), CONFIG)
    assert (completion.text, completion.input_tokens, completion.output_tokens) == (said, 1000, 60)


@pytest.mark.parametrize(
    ("usage", "sent", "received", "cached"),
    [
        ({"input_tokens": 1000, "output_tokens": 60}, 1000, 60, 0),
        ({"input_tokens": 1000, "output_tokens": 60, "prompt_tokens": None}, 1000, 60, 0),
        ({"prompt_tokens": 1000, "completion_tokens": 60, "reasoning_tokens": 900}, 1000, 960, 0),
        ({"input_tokens": 1000, "output_tokens": 60, "output_tokens_details": {"reasoning_tokens": 40}}, 1000, 60, 0),
        ({"input_tokens": 1000, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 800}}, 1000, 6, 800),
        ({"prompt_tokens": "1000.0", "completion_tokens": 60.0}, 1000, 60, 0),
        ({"prompt_tokens": 10**30, "completion_tokens": "1e300", "total_tokens": float("inf")}, 0, 0, 0),
        ({"prompt_tokens": -5, "completion_tokens": None}, 0, 0, 0),
    ],
)
def test_tokens_are_counted_under_any_name_and_only_as_numbers(usage, sent, received, cached):
    content = json.dumps({"choices": [choice(C)], "usage": usage}).encode()
    completion = read_response(content, CONFIG)
    assert (completion.input_tokens, completion.output_tokens, completion.cached_tokens) == (sent, received, cached)


def test_a_reply_whose_tokens_are_not_reported_costs_its_upper_bound():
    completion = read_response(body(C, usage={"completion_tokens": None, "total_tokens": None}), PRICED)
    assert Endpoint(PRICED, None).with_token_counts(completion, 5000, 4000).output_tokens == PRICED.max_tokens


@pytest.mark.parametrize(
    ("status", "message", "state"),
    [
        (403, "The request was blocked by the guardrail 'x'", REFUSED),
        (403, "Sorry, the model cannot answer this question due to our content restrictions.", REFUSED),
        (400, "Range of input length should be [1, 30720]", TOO_LONG),
        (400, "The input token count is 40000 but model only supports up to 32768.", TOO_LONG),
        (400, "Token limit exceeded: 9000 > 8192", TOO_LONG),
        (413, "Request too large on tokens per minute (TPM): Limit 6000, Requested 8000", REJECTED),
        (403, "Generative Language API has not been used in project 1 before", DENIED),
        (500, "content_filter service is down", RETRY),
    ],
)
def test_an_error_ends_its_transcript_only_where_it_is_about_it(state_of, status, message, state):
    failed = classify_complaint(read_complaint(status, {"error": {"message": message}}), CONFIG)
    if isinstance(state, VerdictState):
        finish = completion_without_reply(failed).finish
        assert state_of(body("", finish)) is state
    else:
        assert failed.kind == state


MESSAGES = [{"role": "system", "content": "rubric"}, {"role": "user", "content": "text"}]


@pytest.mark.parametrize(
    ("status", "said", "change"),
    [
        (
            422,
            {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be greater than 0"}]},
            "has_temperature",
        ),
        (400, "`temperature` may only be set to 1 when thinking is enabled", "has_temperature"),
        (400, "Unsupported parameter: max_tokens", "length_key"),
        (400, "Only user, assistant and tool roles are supported, got system.", "folds_system"),
        (400, "First message must be from the user", "folds_system"),
        (422, {"detail": [{"loc": ["messages", 0, "role"], "msg": "Input should be 'user'"}]}, "folds_system"),
        (400, "Invalid schema for response_format 'facts'", "reply_format"),
        (400, "This model only supports streaming: set stream to true", "streams"),
        (400, "upstream failed: invalid", None),
        (400, "Streaming is not supported", None),
        (403, "response_format", None),
    ],
)
def test_a_request_leaves_out_what_its_server_names(status, said, change):
    form = RequestForm()
    complaint = read_complaint(status, said if isinstance(said, dict) else {"error": {"message": said}})
    adapted = form.adapted(complaint, MESSAGES, has_schema=True)
    changed = (
        [] if adapted is None else [name for name in form.__slots__ if getattr(form, name) != getattr(adapted, name)]
    )
    assert changed == ([] if change is None else [change])


def test_a_reply_format_is_widened_one_step_at_a_time():
    complaint = read_complaint(400, {"error": {"message": "response_format is not supported"}})
    wider = RequestForm().adapted(complaint, MESSAGES, has_schema=True)
    assert wider is not None
    assert wider.reply_format == JSON_OBJECT
    assert wider.request_body(CONFIG, MESSAGES, {"properties": {}}, 0)["response_format"] == {"type": "json_object"}
    widest = wider.adapted(complaint, MESSAGES, has_schema=True)
    assert widest is not None
    assert widest.reply_format == TEXT
    assert "response_format" not in widest.request_body(CONFIG, MESSAGES, {"properties": {}}, 0)
    assert widest.adapted(complaint, MESSAGES, has_schema=True) is None


# -- what only a run shows ---------------------------------------------------------------------------------


async def at_once(_seconds: float) -> None:
    """No pause between tries."""


def test_a_server_without_schemas_is_asked_for_any_object(server, config, make_trial):
    def script(request):
        form = request.get("response_format", {}).get("type")
        if form == SCHEMA:
            return failure(400, "response_format json_schema is not supported")
        return reply('{"ready": true}' if form == JSON_OBJECT and len(request["messages"]) == 1 else plain(request))

    server.script = script
    judge = OpenAICompatibleJudge(config(), ("fear", "ocean"), sleep=at_once)
    (verdict,) = judge.judge_trials([make_trial()])
    assert verdict.facts == Facts(True, "ocean", True, False)
    assert judge.usage_summary()["adapted"] == ["a JSON object is asked for, without its schema"]
    assert judge.enforces_schema is False
    assert server.requests[-1]["response_format"] == {"type": "json_object"}


def test_a_schema_that_is_refused_only_in_earnest_is_left_out(server, config, make_trial):
    server.script = lambda request: (
        failure(400, "Invalid schema for response_format 'facts'") if "claims" in schema_of(request)
        else reply(enforced(request))
    )  # fmt: skip
    (verdict,) = OpenAICompatibleJudge(config(), ("fear", "ocean"), sleep=at_once).judge_trials([make_trial()])
    assert verdict.state is OK


def test_a_server_that_declines_the_rubric_stops_the_judge(server, config, make_trial):
    """Otherwise every transcript would be stored as refused, and never asked again."""
    server.script = lambda _: failure(400, "filtered", code="content_filter")
    judge = OpenAICompatibleJudge(config(), ("fear", "ocean"), sleep=at_once)
    with pytest.raises(JudgeError, match=r"the server declines the rubric itself \(filtered\): every transcript"):
        list(judge.judge_trials([make_trial()]))
