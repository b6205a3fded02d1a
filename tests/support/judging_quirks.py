"""Servers as they are: each quirk is a script for `judging_server.Server`, after what providers document or do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from judging_server import Answer, failure

CLAIM = {
    "claims_quote": "q",
    "claims": True,
    "concept_quote": "q",
    "concept": "ocean",
    "coherent_quote": "",
    "coherent": True,
    "refused_quote": "",
    "refused": False,
}
DENIAL = {**CLAIM, "claims": False, "concept": "none"}
Script = Callable[[dict[str, Any]], Answer]


def is_probe(request: dict[str, Any]) -> bool:
    return (len(request["messages"]) == 1 and "response_format" in request) or "word: ready" in last(request)


def last(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def schema_of(request: dict[str, Any]) -> dict[str, Any]:
    return request.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})


def enforced(request: dict[str, Any]) -> str:
    """The text of a server that holds replies to the schema."""
    if "token" in schema_of(request):
        return json.dumps({"token": schema_of(request)["token"]["enum"][0]})
    return plain(request)


def plain(request: dict[str, Any]) -> str:
    """The text of a server that knows no schema and does what the prompt says."""
    return "ready" if "word: ready" in last(request) else json.dumps(CLAIM)


def reply(
    content: object,
    finish: object = "stop",
    usage: dict[str, Any] | None = None,
    message: dict[str, Any] | None = None,
    **more: Any,
) -> Answer:
    """A chat completion with any content, usage and further keys."""
    counts = {"prompt_tokens": 1000, "completion_tokens": 60, "total_tokens": 1060, **(usage or {})}
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **(message or {})}}
    whole = {"id": "x", "object": "chat.completion", "choices": [{**choice, "finish_reason": finish}], "usage": counts}
    return Answer(raw=json.dumps({**whole, **more}).encode())


def good(request: dict[str, Any]) -> Answer:
    return reply(enforced(request))


def at_turn(turns: set[int], other: Callable[[dict[str, Any]], Answer], usual: Script = good) -> Script:
    """Some calls about transcripts, counted from 1, end otherwise."""
    seen = 0

    def script(request: dict[str, Any]) -> Answer:
        nonlocal seen
        if is_probe(request):
            return usual(request)
        seen += 1
        return other(request) if seen in turns else usual(request)

    return script


def always(content: Callable[[dict[str, Any]], Answer], usual: Script = good) -> Script:
    """Every call about a transcript ends otherwise."""
    return lambda request: usual(request) if is_probe(request) else content(request)


def without(test: Callable[[dict[str, Any]], bool], error: Answer) -> Script:
    """Requests of some form are rejected."""
    return lambda request: error if test(request) else good(request)


MODERATED = {
    "openrouter": failure(
        403,
        'Your chosen model requires moderation and your input was flagged for "violence"',
        code=403,
        metadata={"reasons": ["violence"], "flagged_input": "..."},
    ),
    "flagged, no metadata": failure(403, "Input was flagged by our moderation"),
    "azure": failure(
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        type=None,
        param="prompt",
        code="content_filter",
        innererror={"code": "ResponsibleAIPolicyViolation"},
    ),
    "azure, inner code only": failure(400, "no", innererror={"code": "ResponsibleAIPolicyViolation"}),
    "openai reasoning": failure(
        400,
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again",
        code="invalid_prompt",
    ),
    "alibaba": failure(400, "Input data may contain inappropriate content.", code="data_inspection_failed"),
    "xai": failure(403, "Content violates usage guidelines. Team: x, Failed check: SAFETY_CHECK_TYPE_BIO"),
    "deepseek": failure(400, "Content Exists Risk", code="invalid_request_error"),
    "anthropic": failure(400, "Output blocked by content filtering policy"),
    "moonshot": failure(400, "The request was rejected because it was considered high risk", type="content_filter"),
    "in a list": Answer(status=400, raw=b'[{"error": {"code": 400, "message": "blocked due to safety settings"}}]'),
    "openrouter, status 200": Answer(
        raw=json.dumps({"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["hate"]}}}).encode()
    ),
    "gemini, no message": reply(None, "content_filter"),
}
TOO_LONG = {
    "vllm": failure(400, "This model's maximum context length is 2048 tokens. However, you requested 2500 tokens"),
    "openai": failure(400, "Your input exceeds the context window of this model.", code="context_length_exceeded"),
    "llama.cpp": failure(400, "the request exceeds the available context size", type="exceed_context_size_error"),
    "anthropic": failure(400, "prompt is too long: 208310 tokens > 200000 maximum"),
    "vllm, reply": failure(
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 400. This model's maximum context length is 2048 "
        "tokens and your request has 1900 input tokens (400 > 2048 - 1900).",
    ),
    "tgi": failure(422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"),
    "gemini": failure(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    "lm studio": Answer(raw=b'{"error": "The number of tokens to keep is greater than the context length"}'),
    "too large": failure(413, "Request Entity Too Large"),
    "in a 200 response": Answer(
        raw=json.dumps({"error": {"code": 400, "message": "This endpoint's maximum context length is 8192"}}).encode()
    ),
}
DENIED = {
    "openai": failure(403, "Project does not have access to model 'm'", code="model_not_found"),
    "azure": failure(403, "Access denied due to Virtual Network/Firewall rules."),
    "account": failure(403, "Your account was flagged for a violation of our usage policies"),
    "country": failure(403, "Country, region, or territory not supported", code="unsupported_country_region_territory"),
    "no object": Answer(status=403, raw=b"<html>Forbidden</html>", kind="text/html"),
}
NO_CREDIT = {
    "deepseek": failure(402, "Insufficient Balance"),
    "openrouter": Answer(raw=json.dumps({"error": {"code": 402, "message": "Insufficient credits"}}).encode()),
    "openai": failure(429, "You exceeded your current quota", code="insufficient_quota"),
    "xai": failure(403, "Your newly created team doesn't have any credits yet"),
}
BUSY = {
    "openrouter, status 200": Answer(
        raw=json.dumps({"error": {"code": 429, "message": "Provider returned error: rate limited"}}).encode()
    ),
    "openrouter, in a choice": reply(
        None, "error", message=None, choices=[{"message": {"content": ""}, "error": {"code": 502, "message": "down"}}]
    ),
    "anthropic": Answer(status=529, raw=b'{"type": "error", "error": {"type": "overloaded_error"}}'),
    "openrouter, in the midst": reply(
        '{"claims_quote": "I', "error", choices=[{"message": {"content": '{"cla'}, "error": {"code": 502}}]
    ),
    "finish is error": reply("", "error"),
    "no code": Answer(raw=b'{"error": {"message": "upstream hiccup"}}'),
    "an error of text": Answer(raw=b'{"error": "upstream hiccup"}'),
}
READABLE = {
    "empty refusal": lambda r: reply(enforced(r), message={"refusal": ""}),
    "refusal beside a verdict": lambda r: reply(enforced(r), message={"refusal": "I would rather not."}),
    "refusal is false": lambda r: reply(enforced(r), message={"refusal": False}),
    "parts": lambda r: reply([{"type": "thinking", "thinking": [{"type": "text", "text": json.dumps(DENIAL)}]},
                              {"type": "text", "text": plain(r)}]),
    "parts with a value": lambda r: reply([{"type": "text", "text": {"value": plain(r)}}]),
    "one part": lambda r: reply({"type": "text", "text": plain(r)}),
    "parts with a thought": lambda r: reply([{"type": "text", "text": json.dumps(DENIAL), "thought": True},
                                             {"type": "output_text", "text": plain(r)}]),
    "an object": lambda r: reply(CLAIM),
    "parts of text": lambda r: reply([plain(r)[:5], plain(r)[5:]]),
    "thinking": lambda r: reply(f"<think>perhaps {json.dumps(DENIAL)}</think>{plain(r)}"),
    "thinking, opened in the prompt": lambda r: reply(f"perhaps {json.dumps(DENIAL)} no\n</think>\n\n{plain(r)}"),
    "thinking, other tag": lambda r: reply(f"<thinking>{json.dumps(DENIAL)}</thinking>{plain(r)}"),
    "thinking, in brackets": lambda r: reply(f"[THINK]{json.dumps(DENIAL)}[/THINK]{plain(r)}"),
    "channels": lambda r: reply(
        f"<|channel|>analysis<|message|>{json.dumps(DENIAL)}<|end|><|start|>assistant<|channel|>final<|message|>{plain(r)}"
    ),
    "reasoning beside": lambda r: reply(plain(r), message={"reasoning_content": json.dumps(DENIAL)}),
    "fenced": lambda r: reply(f"Here you are:\n```json\n{plain(r)}\n```"),
    "words for flags": lambda r: reply(plain(r).replace("true", '"true"').replace("false", "0")),
    "usage of another shape": lambda r: reply(plain(r), usage={"prompt_tokens": "many", "total_tokens": None}),
    "finish of another shape": lambda r: reply(plain(r), finish={"reason": "stop"}),
}  # fmt: skip
ADAPTED = {
    "newer length": (
        without(
            lambda r: "max_tokens" in r,
            failure(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        ),
        "max_tokens",
        None,
    ),
    "temperature": (
        without(
            lambda r: "temperature" in r,
            failure(400, "Unsupported value: 'temperature' does not support 0.0 with this model.", param="temperature"),
        ),
        "temperature",
        "temperature 0.0 is not sent",
    ),
    "seed": (
        without(
            lambda r: "seed" in r,
            Answer(status=422, raw=b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}'),
        ),
        "seed",
        "seed is not sent",
    ),
}
NO_SYSTEM = {
    "vllm, gemma": failure(400, "System role not supported"),
    "template": failure(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    "openai": failure(400, "Unsupported value: 'messages[0].role' does not support 'system' with this model."),
    "gemini": failure(400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
    "llama.cpp": failure(500, "Jinja Exception: System role not supported"),
}
