"""A reply that a server sends piece by piece, as the one completion that it amounts to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

_TEXTS = ("content", "refusal")


def completion_of_events(content: bytes) -> dict[str, JsonValue] | None:
    """The chat completion whose pieces a stream of server-sent events holds; None if the content is no such stream.

    A stream without a finish reason was cut off: it has the finish reason `error`.
    """
    if not content.lstrip().startswith((b"data:", b"event:", b":")):
        return None
    usage: JsonValue = None
    error: JsonValue = None
    finish: JsonValue = "error"
    message: dict[str, JsonValue] = {}
    for event in _events(content):
        usage, error = event.get("usage") or usage, event.get("error") or error
        for choice in _first_choices(event):
            finish = choice.get("finish_reason") or finish
            piece = choice.get("delta") or choice.get("message")
            for name in _TEXTS:
                message[name] = _joined(message.get(name), piece.get(name) if isinstance(piece, Mapping) else None)
    choice_of_all: dict[str, JsonValue] = {"index": 0, "message": message, "finish_reason": finish}
    return {"choices": [choice_of_all], "usage": usage, "error": error}


def _events(content: bytes) -> Iterator[Mapping[str, JsonValue]]:
    for line in content.decode("utf-8-sig", errors="replace").splitlines():
        field, _, value = line.partition(":")
        try:
            event = json.loads(value) if field.strip() == "data" else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, Mapping):
            yield event


def _first_choices(event: Mapping[str, JsonValue]) -> Iterator[Mapping[str, JsonValue]]:
    """The pieces of the first choice; others are further replies to the same prompt."""
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):
            yield choice


def _joined(before: JsonValue, piece: JsonValue) -> JsonValue:
    """Text after text, and parts after parts."""
    if piece is None or before is None:
        return before if piece is None else piece
    if isinstance(before, str) and isinstance(piece, str):
        return before + piece
    return [*(before if isinstance(before, list) else [before]), *(piece if isinstance(piece, list) else [piece])]
