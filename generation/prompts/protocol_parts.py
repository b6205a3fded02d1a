"""Parts that a protocol may have: named spans, further steered spans, what is read, formats; and their TOML form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from pydantic import JsonValue

from gnomon.data.errors import InputError
from gnomon.data.records import Span, check_field

SpanPart = Literal["first", "middle", "last"]
TemplateValue = bool | int | float | str
FieldValue = int | float | str
OWN_CONCEPT, OWN_SPAN = "{concept}", "{span}"
"""Expected options that stand for the concept and for the span of the trial itself."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED = frozenset(
    {"messages", "tools", "documents", "chat_template", "tokenize", "add_generation_prompt", "continue_final_message"}
)


@dataclass(frozen=True)
class NamedSpan:
    """Positions that a protocol names: those of a text, or of a whole message, in the prompt that the subject reads.

    Attributes
    ----------
    name : str
        Name of the span.
    text : str or None
        Text that stands once in the prompt; the span is from its first to its last token.
    to : str or None
        Text, likewise, up to whose last token the span goes instead.
    part : {"first", "middle", "last"} or None
        One token of the span in place of all.
    turn : int or None
        Message, counted from 0, whose whole content is the span; in place of a text.
    answer : bool
        Whether the answer belongs to it too, from the prompt's last token on as in span `generation`.
    """

    name: str
    text: str | None = None
    to: str | None = None
    part: SpanPart | None = None
    turn: int | None = None
    answer: bool = False

    def hashed_content(self) -> dict[str, JsonValue]:
        """What is said about it, without what is not."""
        return {
            key: value
            for key, value in asdict(self).items()
            if key != "name" and value is not None and value is not False
        }


@dataclass(frozen=True)
class AlsoSteered:
    """A further span at which the same vector is added, at a share of the strength; where spans meet, both count."""

    span: Span
    share: float = 1.0


@dataclass(frozen=True)
class ProtocolMeasure:
    """What is read from the subject's logits where its answer begins, and at further places if any are named.

    Attributes
    ----------
    name : str
        Measure of the trials.
    options : tuple of (str, tuple of str)
        Name of each option and the texts that stand for it; of each text the first token counts, with and without a
        space before it.
    expected : str or None
        Name of the right option; `{concept}` or `{span}` for that of the trial's own concept or span.
    places : tuple of Span
        Spans of the protocol after whose last token in the prompt the options are read too.
    """

    name: str
    options: tuple[tuple[str, tuple[str, ...]], ...]
    expected: str | None = None
    places: tuple[Span, ...] = ()

    def hashed_content(self) -> dict[str, JsonValue]:
        """What is said about it, without what is not."""
        options: dict[str, JsonValue] = {key: list(said) for key, said in self.options}
        further: dict[str, JsonValue] = {"expected": self.expected, "places": [str(place) for place in self.places]}
        return {"name": self.name, "options": options, **{key: value for key, value in further.items() if value}}


@dataclass(frozen=True)
class PlainFormat:
    """How messages are written as plain text, for a model without a chat template; `{content}` is a message's own.

    Attributes
    ----------
    user, assistant, system : str
        A message of that role.
    answer : str
        What stands before the subject's answer.
    """

    user: str = "{content}\n\n"
    assistant: str = "{content}\n\n"
    system: str = "{content}\n\n"
    answer: str = ""


def parse_texts(value: object, what: str, where: str) -> tuple[str, ...]:
    """A list of texts, none of them empty.

    Parameters
    ----------
    value : object
        As a TOML file gives it.
    what : str
        What it is, for a message.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise InputError(f"protocol {where}: {what} must be a list of texts, none of them empty")
    return tuple(value)


def parse_spans(value: object, where: str) -> dict[str, NamedSpan]:
    """The named spans of a protocol.

    Parameters
    ----------
    value : object
        Table `spans`.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If one is not described by a text or a turn, or has a name that cannot be one.
    """
    return {name: _parse_span(name, said, where) for name, said in _as_table(value, "'spans'", where).items()}


def _parse_span(name: str, value: object, where: str) -> NamedSpan:
    what = f"[spans.{name}]"
    if not _NAME.fullmatch(name) or name in list(Span):
        raise InputError(
            f"protocol {where}: {what}: choose a name of at most 32 letters a-z, digits and underscores other than "
            f"{', '.join(Span)}"
        )
    said = _as_table(value, what, where, [each.name for each in fields(NamedSpan) if each.name != "name"])
    kinds = {"text": str, "to": str, "part": str, "turn": int, "answer": bool}
    for key, content in said.items():
        if type(content) is not kinds[key] or content == "":
            raise InputError(f"protocol {where}: {what}: '{key}' must be a {kinds[key].__name__} that is not empty")
    if ("text" in said) == ("turn" in said) or ("to" in said and "text" not in said):
        raise InputError(f"protocol {where}: {what}: give 'text', from which 'to' may lead on, or 'turn'")
    if said.get("part", "first") not in get_args(SpanPart):
        raise InputError(f"protocol {where}: {what}: 'part' is one of {', '.join(get_args(SpanPart))}")
    return NamedSpan(name, **said)


def parse_span_name(value: object, spans: Mapping[str, NamedSpan], where: str) -> Span:
    """A span by its name.

    Parameters
    ----------
    value : object
        The name.
    spans : mapping of str to NamedSpan
        The protocol's own spans.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If no span is called so.
    """
    known = (*Span, *spans)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"protocol {where}: span '{value}' is not known: choose from {', '.join(known)}")
    return Span(value)


def parse_also(value: object, spans: Mapping[str, NamedSpan], where: str) -> tuple[AlsoSteered, ...]:
    """The further spans at which the vector is added.

    Parameters
    ----------
    value : object
        Array of tables `also`.
    spans : mapping of str to NamedSpan
        The protocol's own spans.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If a span is not known or a share is no finite number.
    """
    if not isinstance(value, list):
        raise InputError(f"protocol {where}: 'also' must be written as [[also]]")
    found = []
    for item in value:
        said = _as_table(item, "[[also]]", where, ("span", "share"))
        share = said.get("share", 1.0)
        if isinstance(share, bool) or not isinstance(share, int | float) or not math.isfinite(share):
            raise InputError(f"protocol {where}: [[also]]: 'share' must be a finite number, such as 0.5")
        found.append(AlsoSteered(parse_span_name(said.get("span"), spans, where), float(share)))
    return tuple(found)


def parse_measure(value: object, where: str, spans: Mapping[str, NamedSpan] | None = None) -> ProtocolMeasure:
    """What is read from the logits.

    Parameters
    ----------
    value : object
        Table `measure`.
    where : str
        The protocol.
    spans : mapping of str to NamedSpan, optional
        The protocol's own spans.

    Raises
    ------
    InputError
        If it has no name or fewer than two options, expects what is no option, or names a place that is no span.
    """
    said = _as_table(value, "[measure]", where, [each.name for each in fields(ProtocolMeasure)])
    name, expected = said.get("name"), said.get("expected")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"protocol {where}: [measure]: 'name' must be at most 32 letters a-z, digits and underscores")
    options = _as_table(said.get("options", {}), "[measure]: 'options'", where)
    if len(options) < 2:
        raise InputError(f"protocol {where}: [measure]: 'options' needs two or more, each with its texts")
    texts = {key: parse_texts(given, f"[measure]: option '{key}'", where) for key, given in options.items()}
    if empty := [key for key, given in texts.items() if not any(text.strip() for text in given)]:
        raise InputError(f"protocol {where}: [measure]: option '{empty[0]}' has no text: name at least one")
    if expected is not None and expected not in (*options, OWN_CONCEPT, OWN_SPAN):
        raise InputError(
            f"protocol {where}: [measure]: expected '{expected}' is no option: choose from {', '.join(options)}, "
            f"{OWN_CONCEPT}, {OWN_SPAN}"
        )
    places = parse_texts(said.get("places", []), "[measure]: 'places'", where)
    if unknown := [place for place in places if place not in (spans or {})]:
        raise InputError(
            f"protocol {where}: [measure]: place '{unknown[0]}' is none of its own spans: choose from "
            f"{', '.join(spans or {}) or 'those that [spans] names'}"
        )
    return ProtocolMeasure(name, tuple(texts.items()), expected, tuple(map(Span, dict.fromkeys(places))))


def parse_template(value: object, where: str) -> tuple[tuple[str, TemplateValue], ...]:
    """Arguments of the chat template, by name.

    Parameters
    ----------
    value : object
        Table `template`.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If one is no single value, or is what the protocol itself says.
    """
    said = _as_table(value, "[template]", where)
    for key, content in said.items():
        if key in _RESERVED or not isinstance(content, TemplateValue):
            raise InputError(
                f"protocol {where}: [template]: '{key}' can't be given here: write a true, false, number or text that "
                "the model's chat template knows, such as enable_thinking = false"
            )
    return tuple(sorted(said.items()))


def parse_fields(value: object, where: str) -> tuple[tuple[str, FieldValue], ...]:
    """What is said of a protocol's trials by name, such as their language, sorted by name.

    Parameters
    ----------
    value : object
        Table `fields`.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If a name is taken, or a value is no text or number.
    """
    said = _as_table(value, "[fields]", where)
    try:
        return tuple(sorted((name, check_field(name, content)) for name, content in said.items()))
    except ValueError as error:
        raise InputError(f"protocol {where}: [fields]: {error}") from None


def parse_plain(value: object, where: str) -> PlainFormat:
    """The format of plain text.

    Parameters
    ----------
    value : object
        Table `plain`.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If the format of a role does not hold `{content}` once.
    """
    said = _as_table(value, "[plain]", where, [each.name for each in fields(PlainFormat)])
    for role, text in said.items():
        wanted = 0 if role == "answer" else 1
        if not isinstance(text, str) or text.count("{content}") != wanted:
            raise InputError(
                f"protocol {where}: [plain]: '{role}' must be a text with {{content}} in it {wanted} times"
            )
    return PlainFormat(**said)


def parse_thinking(value: object, where: str) -> tuple[str, str]:
    """The two texts between which a subject thinks.

    Parameters
    ----------
    value : object
        Key `thinking`.
    where : str
        The protocol.

    Raises
    ------
    InputError
        If there are not two different texts.
    """
    texts = parse_texts(value, "'thinking'", where)
    if len(texts) != 2 or texts[0] == texts[1]:
        raise InputError(f'protocol {where}: \'thinking\' must be two texts, such as ["<think>", "</think>"]')
    return texts[0], texts[1]


def _as_table(value: object, what: str, where: str, keys: Any = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"protocol {where}: {what} must be a table")
    if keys is not None and (unknown := [key for key in value if key not in keys]):
        raise InputError(f"protocol {where}: {what}: key '{unknown[0]}' is not known: keys are {', '.join(keys)}")
    return value
