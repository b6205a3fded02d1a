"""Reads a judge's reply: one JSON object of facts, in whatever text it stands, or the reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from data.records import NONE, OTHER, Facts, VerdictState
from judging.transcript import clean

QUOTE_LIMIT = 400

_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_DECLINES = re.compile(
    r"^\W*(i(['’]m| am)? ?(sorry|afraid)|i (can ?not|can['’]t|won['’]t|am (not able|unable)|must decline))\b",
    re.IGNORECASE,
)


class Reply(BaseModel):
    """The facts as a judge's server sends them. Unknown keys are ignored, missing ones are not."""

    model_config = ConfigDict(extra="ignore")

    claims: bool
    concept: str
    coherent: bool
    refused: bool
    quote: str = ""


def read_reply(text: str, concepts: Sequence[str]) -> tuple[VerdictState, Facts | None, str]:
    """State, facts and quotation that a judge's text amounts to.

    The text may carry a code fence, reasoning or words around the object. Two valid objects that differ make it
    unparsable: one of them may have been copied from the transcript.
    """
    found = [reply for value in _objects(_THINKING.sub(" ", text)) if (reply := _valid(value, concepts)) is not None]
    if not found:
        return (VerdictState.REFUSED if _DECLINES.search(text) else VerdictState.UNPARSABLE), None, ""
    facts = {Facts(reply.claims, reply.concept, reply.coherent, reply.refused) for reply in found}
    if len(facts) > 1:
        return VerdictState.UNPARSABLE, None, ""
    return VerdictState.OK, facts.pop(), clean(found[-1].quote)[:QUOTE_LIMIT]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Outermost JSON objects of a text, from left to right."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if isinstance(value, dict):
            yield value
        place = text.find("{", end)


def _valid(value: dict[str, Any], concepts: Sequence[str]) -> Reply | None:
    """The object as a reply whose concept is on the closed list, or None."""
    try:
        reply = Reply.model_validate(value)
    except ValidationError:
        return None
    names = {name.casefold(): name for name in (*concepts, NONE, OTHER)}
    concept = names.get(reply.concept.strip().casefold())
    return None if concept is None else reply.model_copy(update={"concept": concept})
