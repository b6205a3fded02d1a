"""A protocol: the messages put to a subject, the positions that may be steered, what is read, and sampling settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from gnomon.data.arms.measures import MeasureQuestion
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.foreign_documents.bounds import SMALL_TEXT
from gnomon.data.foreign_documents.json_documents import read_text_file
from gnomon.data.foreign_documents.toml_documents import decode_toml
from gnomon.data.records import DECLARED_FIELDS, REPORT, Span, canonical_hash
from gnomon.generation.prompts.protocol_parts import (
    AlsoSteered,
    FieldValue,
    NamedSpan,
    PlainFormat,
    ProtocolMeasure,
    TemplateValue,
    parse_also,
    parse_fields,
    parse_measure,
    parse_plain,
    parse_span_name,
    parse_spans,
    parse_template,
    parse_texts,
    parse_thinking,
)

ROLES = ("system", "user", "assistant")
WANTED = {"name": str, "messages": list, "marker": str, "span": str, "temperature": float | int, "max_tokens": int}
OPTIONAL = ("stop", "spans", "also", "measure", "template", "plain", "thinking", DECLARED_FIELDS)
"""Keys of a protocol file."""


@dataclass(frozen=True)
class ProtocolMessage:
    """One turn of the conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class Protocol:
    """The messages put to a subject, where it is steered, what is read, and how its response is sampled.

    `marker` is a text that occurs exactly once in the messages; span `from_marker` starts at its first token. It is
    empty if there is none. `span` is used if the study names none. If the last message is the assistant's, the
    subject's answer begins with it, and the response is what the subject adds. `temperature` 0 takes the most probable
    token. A response ends before the first text of `stop`, and after `max_tokens` tokens: with 0 nothing is sampled,
    and only `measure` is read. `question` is the measure's question that the last message puts, if it is not the
    protocol's own; its words are in the messages already, so it is not hashed.

    `spans` are further ones by name; `also` are spans at which the vector is added besides. `template` are arguments of
    the chat template, `plain` is the format for a model without one, `thinking` the two texts between which the
    subject thinks before it answers. `fields` are what else is said of its trials by name, such as their language.
    """

    name: str
    messages: tuple[ProtocolMessage, ...]
    marker: str
    span: Span
    temperature: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    question: MeasureQuestion | None = None
    spans: tuple[NamedSpan, ...] = ()
    also: tuple[AlsoSteered, ...] = ()
    measure: ProtocolMeasure | None = None
    template: tuple[tuple[str, TemplateValue], ...] = ()
    plain: PlainFormat | None = None
    thinking: tuple[str, str] | None = None
    fields: tuple[tuple[str, FieldValue], ...] = ()

    @property
    def is_answer_begun(self) -> bool:
        """Whether the last message is the beginning of the subject's answer."""
        return bool(self.messages) and self.messages[-1].role == "assistant"

    @cached_property
    def protocol_hash(self) -> str:
        """Identity of the protocol: changes with any character of it."""
        return canonical_hash(self.hashed_content())

    def hashed_content(self) -> dict[str, JsonValue]:
        """All that is put to a subject, as JSON-serialisable values.

        What a protocol does not have is left out, so that the hashes of protocols from before it was known stay the
        same.
        """
        plain: dict[str, JsonValue] = {
            "name": self.name,
            "messages": [asdict(message) for message in self.messages],
            "marker": self.marker,
            "span": str(self.span),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }
        further: dict[str, JsonValue] = {
            "stop": list(self.stop),
            "spans": {span.name: span.hashed_content() for span in self.spans},
            "also": [{"span": str(also.span), "share": also.share} for also in self.also],
            "measure": self.measure.hashed_content() if self.measure else None,
            "template": dict(self.template),
            "plain": asdict(self.plain) if self.plain else None,
            "thinking": list(self.thinking or ()),
            DECLARED_FIELDS: dict(self.fields),
        }
        return {**plain, **{key: value for key, value in further.items() if value}}

    def stored_content(self) -> dict[str, JsonValue]:
        """The protocol as the store keeps it: what is hashed, and the options of its question if it has any.

        With them an answer can be read from the database alone (`calibration.measure_counts`).
        """
        if self.question is None or not self.question.options:
            return self.hashed_content()
        return {**self.hashed_content(), "question": asdict(self.question)}


def shipped_protocols() -> list[str]:
    """Names of the protocols that come with Gnomon."""
    folder = resources.files("gnomon.generation.prompts") / "protocols"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Read a bundled protocol by name, or a protocol from a TOML file.

    Raises
    ------
    UnknownNameError
        If it is neither a bundled name nor a file.
    InputError
        If the file is not a protocol; the message names the key.
    """
    path = Path(name_or_path)
    if str(name_or_path) in shipped_protocols():
        text = (resources.files("gnomon.generation.prompts") / "protocols" / f"{name_or_path}.toml").read_text(
            encoding="utf-8"
        )
    elif path.suffix == ".toml" and path.is_file():
        text = read_text_file(path, SMALL_TEXT)
    else:
        raise UnknownNameError(
            f"protocol '{name_or_path}' is not known: choose from {', '.join(shipped_protocols())}, "
            f"or name a .toml file"
        )
    return _parse_protocol(text, str(name_or_path))


def _parse_protocol(text: str, where: str) -> Protocol:
    values = decode_toml(text, f"protocol {where}")
    for key in values.keys() - WANTED.keys() - set(OPTIONAL):
        raise InputError(
            f"protocol {where}: key '{key}' is not known: keys are {', '.join(WANTED)}, {', '.join(OPTIONAL)}"
        )
    spans = parse_spans(values.get("spans", {}), where)
    if values.get("span") != Span.FROM_MARKER:
        values.setdefault("marker", "")
    for key, kind in WANTED.items():
        if not isinstance(values.get(key), kind) or isinstance(values[key], bool):
            raise InputError(
                f"protocol {where}: '{key}' is missing or of the wrong kind: write it as in "
                f"{shipped_protocols()[0]}.toml"
            )
    protocol = Protocol(
        name=values["name"],
        messages=tuple(_parse_message(item, where) for item in values["messages"]),
        marker=values["marker"],
        span=parse_span_name(values["span"], spans, where),
        temperature=float(values["temperature"]),
        max_tokens=values["max_tokens"],
        stop=parse_texts(values.get("stop", []), "'stop'", where),
        spans=tuple(spans.values()),
        also=parse_also(values.get("also", []), spans, where),
        measure=parse_measure(values["measure"], where, spans) if "measure" in values else None,
        template=parse_template(values.get("template", {}), where),
        plain=parse_plain(values["plain"], where) if "plain" in values else None,
        thinking=parse_thinking(values["thinking"], where) if "thinking" in values else None,
        fields=parse_fields(values.get(DECLARED_FIELDS, {}), where),
    )
    _check_protocol(protocol, where)
    return protocol


def _parse_message(item: Any, where: str) -> ProtocolMessage:
    if not isinstance(item, dict) or set(item) != {"role", "content"} or item["role"] not in ROLES:
        raise InputError(f"protocol {where}: a message needs 'content' and a 'role' out of {', '.join(ROLES)}")
    return ProtocolMessage(item["role"], str(item["content"]).strip())


def _check_protocol(protocol: Protocol, where: str) -> None:
    if not protocol.messages or protocol.messages[-1].role == "system":
        raise InputError(
            f"protocol {where}: the last message must be the user's, so that the subject answers it, or the "
            "assistant's, which begins the answer"
        )
    found = sum(message.content.count(protocol.marker) for message in protocol.messages) if protocol.marker else 0
    if found != 1 and (protocol.marker or protocol.span == Span.FROM_MARKER):
        raise InputError(
            f"protocol {where}: marker '{protocol.marker}' stands {found} times in the messages: it must stand once"
        )
    if not 0 <= protocol.temperature < float("inf") or protocol.max_tokens < (protocol.measure is None):
        raise InputError(
            f"protocol {where}: temperature must be 0 or more and max_tokens 1 or more, or 0 where [measure] is read"
        )
    if protocol.max_tokens == 0 and protocol.measure and protocol.measure.name == REPORT:
        raise InputError(
            f"protocol {where}: measure '{REPORT}' is what judges read, and max_tokens 0 leaves no answer: choose "
            "another name in [measure]"
        )
