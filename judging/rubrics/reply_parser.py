"""Reads a judge's reply: one JSON object of facts anywhere in its text, or the reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, create_model

from gnomon.data.facts import facts_from_answers
from gnomon.data.records import NONE, OTHER, Facts, VerdictState
from gnomon.judging.rubrics.fence import clean_text

QUOTE_LIMIT = 400

_THINKING = re.compile(
    r"<(?P<angle>/?)(?:\w+[:_])?(?:think|thinking|thoughts?|reason|reasoning|reflection|scratchpad|analysis)(?:\s[^<>]*)?>|"
    r"\[(?P<square>/?)THINK\]|<\|(?:begin|(?P<bar>end))_of_thought\|>|"
    "\N{WHITE LEFT-POINTING TRIANGLE}(?P<triangle>/?)think\N{WHITE RIGHT-POINTING TRIANGLE}",
    re.IGNORECASE,
)
_AFTER_OBJECT = re.compile(r"(\s|`|\]|<\|[\w|]*\|>|</\w+>)*")
_FINAL = "<|channel|>final<|message|>"
"""Where the answer begins in a reply that names its channels."""
_OTHER_CHANNEL = re.compile(
    r"<\|channel\|>(?:analysis|commentary)\b.*?(?:<\|(?:end|return|call)\|>|(?=<\|(?:start|channel)\|>)|\Z)", re.DOTALL
)
"""What such a reply thinks; without a final channel it has no answer."""
STARTS = 200
"""Opening braces without a valid object after which a text counts as having none; each one costs a parse attempt."""
_DECLINES = re.compile(
    r"^\W*(i(['’]m| am)? ?(sorry|afraid)|i (can ?not|can['’]t|won['’]t|am (not able|unable)|must decline))\b",
    re.IGNORECASE,
)


class Reply(BaseModel):
    """The facts as a judge's server sends them, each after its quotation. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    claims_quote: str = ""
    claims: bool
    concept_quote: str = ""
    concept: str
    coherent_quote: str = ""
    coherent: bool
    refused_quote: str = ""
    refused: bool

    @property
    def facts(self) -> Facts:
        """The facts alone."""
        return facts_from_answers(self.__dict__)

    @property
    def quote(self) -> str:
        """The quotation that decided: the refusal's if it refuses, else the claim's, else that of `coherent`."""
        refusal = self.refused_quote if self.refused else ""
        return refusal or self.claims_quote or self.coherent_quote


class PassReply(BaseModel):
    """The informed rubric's grade as a judge's server sends it. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    quote: str = ""
    concept: str
    coherent: bool
    refused: bool
    passed: bool

    @property
    def answer_fields(self) -> tuple[str, bool, bool, bool]:
        """All fields except the quotation."""
        return self.concept, self.coherent, self.refused, self.passed


AnyReply = TypeVar("AnyReply", Reply, PassReply)


@cache
def reply_form(further: tuple[str, ...]) -> type[Reply]:
    """The form of a reply that holds further flags too, each after its quotation."""
    if not further:
        return Reply
    fields: dict[str, Any] = {}
    for name in further:
        fields |= {f"{name}_quote": (str, ""), name: (bool, ...)}
    return create_model("FurtherReply", __base__=Reply, **fields)


@cache
def pass_reply_form(further: tuple[str, ...]) -> type[PassReply]:
    """The form of a pass-or-fail reply that holds further flags too."""
    if not further:
        return PassReply
    fields: dict[str, Any] = dict.fromkeys(further, (bool, ...))
    return create_model("FurtherPassReply", __base__=PassReply, **fields)


def read_reply(
    text: str, concepts: Sequence[str], further: tuple[str, ...] = ()
) -> tuple[VerdictState, Facts | None, str]:
    """State, facts and quotation of a reply to the blind rubric.

    The text may carry a code fence, reasoning or words around the object. Two valid objects that differ make it
    unparsable, because one of them may have been copied from the transcript; so does a key with two values. A reasoning
    that does not end counts only up to an object with which the text ends.

    Parameters
    ----------
    text : str
        The reply as the server sent it.
    concepts : sequence of str
        The study's closed list; an object with any other concept is not valid.
    further : tuple of str
        Names of the registered facts that were asked for beyond the first four.

    Returns
    -------
    tuple of (VerdictState, Facts or None, str)
        Facts are None and the quotation is empty unless the state is `ok`.
    """
    state, reply = parse_reply(text, concepts, reply_form(further), lambda reply: reply.facts)
    if reply is None:
        return state, None, ""
    return state, reply.facts, clip_quote(reply.quote)


def parse_reply(
    text: str, concepts: Sequence[str], form: type[AnyReply], means: Callable[[AnyReply], Hashable]
) -> tuple[VerdictState, AnyReply | None]:
    """The one valid object of type `form` in a text.

    Parameters
    ----------
    text : str
        The reply as the server sent it.
    concepts : sequence of str
        The study's closed list; an object with any other concept is not valid.
    form : type of Reply or PassReply
        The model that an object must satisfy.
    means : callable
        Maps a reply to a hashable value; replies with equal values count as the same.

    Returns
    -------
    tuple of (VerdictState, Reply or PassReply or None)
        State `ok` with the last valid object; `refused` or `unparsable` with None.
    """
    values = _json_objects(visible_answer(text))
    found = [reply for value in values if (reply := _validated_reply(value, concepts, form)) is not None]
    if not found:
        return (VerdictState.REFUSED if _DECLINES.search(text) else VerdictState.UNPARSABLE), None
    if len({means(reply) for reply in found}) > 1:
        return VerdictState.UNPARSABLE, None
    return VerdictState.OK, found[-1]


def clip_quote(text: str) -> str:
    """A quotation as it is stored: cleaned, at most 400 characters."""
    return clean_text(text)[:QUOTE_LIMIT]


def visible_answer(text: str) -> str:
    """The text without the model's reasoning, read once from left to right.

    A reply that is one JSON object is returned as it is, because tags in it are quotations. A closing tag without an
    opening one ends a reasoning that began in the prompt: what stands before it is left out.
    """
    if _is_one_object(text):
        return text
    if _FINAL not in text:
        text = _OTHER_CHANNEL.sub(" ", text)
    kept, begin, opened = [], max(0, text.rfind(_FINAL)), False
    for mark in _THINKING.finditer(text, begin):
        closes = bool(mark["angle"] or mark["square"] or mark["bar"] or mark["triangle"])
        if not opened and not closes:
            kept.append(text[begin : mark.start()])
            begin, opened = mark.start(), True
        elif closes:
            kept = kept if opened else []
            begin, opened = mark.end(), False
    rest = text[begin:]
    if opened and not is_ended_by_object(rest):
        rest = ""
    return " ".join([*kept, rest])


def is_only_reasoning(text: str) -> bool:
    """Whether a reply ends before its answer begins: it is empty, or a reasoning that is not closed."""
    return not visible_answer(text).strip()


def is_ended_by_object(text: str) -> bool:
    """Whether nothing follows the last JSON object of a text but the end of its fence: more words might revise it."""
    ends = [end for _, _, end in iterate_objects(text)]
    return bool(ends) and _AFTER_OBJECT.fullmatch(text, ends[-1]) is not None


def last_json_object(text: str) -> dict[str, JsonValue] | None:
    """The last outermost JSON object of a reply's answer, or None."""
    return next(iter([*_json_objects(visible_answer(text))][-1:]), None)


def _is_one_object(text: str) -> bool:
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return False
    try:
        return isinstance(json.loads(stripped), dict)
    except (ValueError, RecursionError):
        return False


def _json_objects(text: str) -> Iterator[dict[str, JsonValue]]:
    """Outermost JSON objects of a text, from left to right."""
    return (value for value, _, _ in iterate_objects(text))


def iterate_objects(text: str) -> Iterator[tuple[dict[str, JsonValue], int, int]]:
    """Outermost JSON objects of a text, from left to right, with the place where each begins and that after it."""
    place, left = text.find("{"), STARTS
    while place >= 0 and left:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            place, left = text.find("{", place + 1), left - 1
            continue
        if isinstance(value, dict):
            yield value, place, end
        place = text.find("{", end)


def value_places(text: str, begin: int) -> dict[str, tuple[int, int]]:
    """Where each value of a JSON object stands in a text, by its key: its first character, and the place after it.

    Parameters
    ----------
    text : str
        The text.
    begin : int
        Place of the object's opening brace; the object is complete (`iterate_objects`).
    """
    places: dict[str, tuple[int, int]] = {}
    place = _after_space(text, begin + 1)
    while text[place] != "}":
        key, place = _DECODER.raw_decode(text, place)
        start = _after_space(text, _after_space(text, place) + 1)  # beyond the colon
        _, end = _DECODER.raw_decode(text, start)
        places[str(key)] = (start, end)
        place = _after_space(text, end)
        if text[place] == ",":
            place = _after_space(text, place + 1)
    return places


def _after_space(text: str, place: int) -> int:
    while text[place] in " \t\n\r":
        place += 1
    return place


def _with_one_value_each(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """An object; a key that it gives two values has both, which no form of a reply allows."""
    values: dict[str, JsonValue] = {}
    for key, value in pairs:
        values[key] = [values[key], value] if key in values and values[key] != value else value
    return values


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_with_one_value_each)
"""Texts with line breaks in them, as language models write them, are read too."""


def _validated_reply(value: dict[str, JsonValue], concepts: Sequence[str], form: type[AnyReply]) -> AnyReply | None:
    """The object as a reply whose concept is on the closed list, or None."""
    try:
        reply = form.model_validate(value)
    except ValidationError:
        return None
    said = reply.concept.strip().casefold()
    concept = next((name for name in (*concepts, NONE, OTHER) if name.casefold() == said), None)
    return None if concept is None else reply.model_copy(update={"concept": concept})
