"""A protocol: the messages put to a subject, the marker from which injection may start, and the sampling settings."""

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
from gnomon.data.records import Span, canonical_hash

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class ProtocolMessage:
    """One turn of the conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class Protocol:
    """The messages put to a subject and how its response is sampled.

    `marker` is a text that occurs exactly once in the messages; span `from_marker` starts at its first token. `span` is
    used if the study names none. `temperature` 0 takes the most probable token. A response ends before the first text
    of `stop`. `question` is the measure's question that the last message puts, if it is not the protocol's own; its
    words are in the messages already, so it is not hashed.
    """

    name: str
    messages: tuple[ProtocolMessage, ...]
    marker: str
    span: Span
    temperature: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    question: MeasureQuestion | None = None

    @cached_property
    def protocol_hash(self) -> str:
        """Identity of the protocol: changes with any character of it."""
        return canonical_hash(self.hashed_content())

    def hashed_content(self) -> dict[str, JsonValue]:
        """All that is put to a subject, as JSON-serialisable values.

        `stop` is left out if it is empty, so that the hashes of protocols without it stay the same.
        """
        whole = {**asdict(self), "messages": [asdict(message) for message in self.messages]}
        del whole["question"]
        return {**whole, "stop": list(self.stop)} if self.stop else {k: v for k, v in whole.items() if k != "stop"}

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
    wanted = {"name": str, "messages": list, "marker": str, "span": str, "temperature": float | int, "max_tokens": int}
    for key in values.keys() - wanted.keys() - {"stop"}:
        raise InputError(f"protocol {where}: key '{key}' is not known: keys are {', '.join(wanted)}, stop")
    for key, kind in wanted.items():
        if not isinstance(values.get(key), kind) or isinstance(values[key], bool):
            raise InputError(
                f"protocol {where}: '{key}' is missing or of the wrong kind: write it as in "
                f"{shipped_protocols()[0]}.toml"
            )
    protocol = Protocol(
        name=values["name"],
        messages=tuple(_parse_message(item, where) for item in values["messages"]),
        marker=values["marker"],
        span=_parse_span(values["span"], where),
        temperature=float(values["temperature"]),
        max_tokens=values["max_tokens"],
        stop=_parse_stop(values.get("stop", []), where),
    )
    _check_protocol(protocol, where)
    return protocol


def _parse_message(item: Any, where: str) -> ProtocolMessage:
    if not isinstance(item, dict) or set(item) != {"role", "content"} or item["role"] not in ROLES:
        raise InputError(f"protocol {where}: a message needs 'content' and a 'role' out of {', '.join(ROLES)}")
    return ProtocolMessage(item["role"], str(item["content"]).strip())


def _parse_stop(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise InputError(f"protocol {where}: 'stop' must be a list of texts, none of them empty")
    return tuple(value)


def _parse_span(value: str, where: str) -> Span:
    if value not in list(Span):
        raise InputError(f"protocol {where}: span '{value}' is not known: choose from {', '.join(Span)}")
    return Span(value)


def _check_protocol(protocol: Protocol, where: str) -> None:
    if not protocol.messages or protocol.messages[-1].role != "user":
        raise InputError(f"protocol {where}: the last message must be the user's, so that the subject answers it")
    found = sum(message.content.count(protocol.marker) for message in protocol.messages) if protocol.marker else 0
    if found != 1:
        raise InputError(
            f"protocol {where}: marker '{protocol.marker}' stands {found} times in the messages: it must stand once"
        )
    if not 0 <= protocol.temperature < float("inf") or protocol.max_tokens < 1:
        raise InputError(f"protocol {where}: temperature must be 0 or more and max_tokens 1 or more")
