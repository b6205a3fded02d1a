"""The form of a request: what is left out or moved for a server that does not take it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from gnomon.judging.client.error_body import ServerComplaint
from gnomon.judging.config import JudgeConfig

SEED_RANGE = 2**31
_UNWANTED = (
    "unsupported",
    "not support",
    "n't support",
    "not permitted",
    "not allowed",
    "unknown",
    "unrecognized",
    "unexpected",
    "invalid",
    "extra",
    "deprecated",
    "only the default",
    "not available",
    "cannot",
    "can't",
    "must be",
    "should be",
    "only be",
    "only supports",
    "only accepts",
    "greater than",
    "positive",
    "incompatible",
    "not compatible",
    "not accept",
    "not recognized",
    "not valid",
    "no longer",
    "not work",
    "out of range",
)
_UNKNOWN_KEY = ("unsupported", "not support", "n't support", "not permitted", "unknown", "unrecognized", "unexpected")
_NO_SYSTEM = (
    "system role",
    "system message",
    "role 'system'",
    'role "system"',
    "role: system",
    "role system",
    "'system' role",
    '"system" role',
    "system prompt",
    "system instruction",
    "developer instruction",
    "roles must alternate",
    "only user and assistant roles",
    "'system'",
    "got system",
    "allowed roles",
    "only user, assistant",
    "first message must",
    "must start with a user",
    "should be 'user'",
)
_REPLY_FORMAT = (
    "response_format",
    "response format",
    "json_schema",
    "json schema",
    "schema",
    "structured output",
    "guided",
    "grammar",
)
SCHEMA, JSON_OBJECT, TEXT = "json_schema", "json_object", "text"
"""What a reply is asked to be, from the narrowest form to the widest."""
_STREAM_ONLY = re.compile(
    r"(only|must|require|need)[^.]{0,60}\bstream|\bstream\w*[^.]{0,30}(must|only|require|mandatory|true)"
)
MOST_RIVALS, FEW_RIVALS = 20, 5
"""Tokens whose log-probabilities are asked for at each place, and those of a server that gives no more."""
LONG_REPLY = 2000
"""Tokens of a reply from which few are asked for, so that the response keeps within its bound of values."""
_WIDER = {SCHEMA: JSON_OBJECT, JSON_OBJECT: TEXT}

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class RequestForm:
    """What the requests to one server hold.

    Attributes
    ----------
    length_key : str
        Name of the length limit of a reply.
    has_temperature, has_seed : bool
        Whether they are sent.
    folds_system : bool
        Whether the system text stands at the start of the user's first message.
    bounds_texts : bool
        Whether schemas bound the length of texts.
    reply_format : str
        What a reply is asked to be where a schema is given: `SCHEMA`, `JSON_OBJECT` (any object) or `TEXT` (anything).
    streams : bool
        Whether the reply is asked for piece by piece.
    rivals : int
        Tokens whose log-probabilities are asked for at each place of the reply; 0 asks for none.
    """

    length_key: str = "max_tokens"
    has_temperature: bool = True
    has_seed: bool = True
    folds_system: bool = False
    bounds_texts: bool = True
    reply_format: str = SCHEMA
    streams: bool = False
    rivals: int = 0

    @classmethod
    def first(cls, config: JudgeConfig) -> RequestForm:
        """The form in which a server is asked first."""
        most = FEW_RIVALS if config.max_tokens > LONG_REPLY else MOST_RIVALS
        return cls(rivals=most if config.logprobs else 0)

    def request_body(
        self, config: JudgeConfig, messages: Messages, schema: Mapping[str, object] | None, seed: int
    ) -> dict[str, object]:
        """The JSON body of one chat request.

        Parameters
        ----------
        config : JudgeConfig
            Model, sampling parameters and extra keys.
        messages : sequence of mapping
            Chat messages with the keys `role` and `content`.
        schema : mapping, optional
            JSON schema of the reply; None asks for plain text.
        seed : int
            Seed of the server's sampling.
        """
        shown = fold_system(messages) if self.folds_system else list(messages)
        body: dict[str, object] = {"model": config.model, "messages": shown, self.length_key: config.max_tokens}
        if self.has_temperature and config.temperature != "server":
            body["temperature"] = config.temperature
        if self.has_seed:
            body["seed"] = seed % SEED_RANGE
        if self.streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if self.rivals:
            body |= {"logprobs": True, "top_logprobs": self.rivals}
        if schema is not None and self.reply_format == JSON_OBJECT:
            body["response_format"] = {"type": JSON_OBJECT}
        elif schema is not None and self.reply_format == SCHEMA:
            shape = schema if self.bounds_texts else _without_bounds(schema)
            form = {"name": "facts", "strict": True, "schema": shape}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return {**body, **config.extra}

    def adapted(
        self,
        complaint: ServerComplaint | None,
        messages: Messages,
        *,
        has_schema: bool = False,
        may_widen: bool = True,
    ) -> RequestForm | None:
        """The form that avoids what a server complained of; None if there is none.

        Parameters
        ----------
        complaint : ServerComplaint, optional
            The error to a request of this form.
        messages : sequence of mapping
            The messages of that request.
        has_schema : bool
            Whether it held a schema.
        may_widen : bool
            Whether less may be asked of the form of the reply.
        """
        if complaint is None or complaint.status not in (400, 403, 404, 415, 422, 500, 501):
            return None
        about = complaint.is_about
        if self.rivals and about("logprob"):
            return replace(self, rivals=FEW_RIVALS if self.rivals > FEW_RIVALS else 0)
        if complaint.status == 403:
            return None
        unwanted = complaint.status < 500 and about(*_UNWANTED)
        is_template = complaint.status < 500 or about("role", "jinja", "template")
        changes = (
            (
                self.length_key == "max_tokens"
                and (about("max_completion_tokens") or (about("max_tokens") and about(*_UNKNOWN_KEY))),
                replace(self, length_key="max_completion_tokens"),
            ),
            (not self.streams and _STREAM_ONLY.search(complaint.text) is not None, replace(self, streams=True)),
            (has_schema and self.bounds_texts and about("maxlength"), replace(self, bounds_texts=False)),
            (self.has_temperature and unwanted and about("temperature"), replace(self, has_temperature=False)),
            (self.has_seed and unwanted and about("seed"), replace(self, has_seed=False)),
            (
                not self.folds_system and messages[0]["role"] == "system" and is_template and about(*_NO_SYSTEM),
                replace(self, folds_system=True),
            ),
            (may_widen and has_schema and self.complains_of_format(complaint), self.with_wider_format()),
        )
        return next((form for applies, form in changes if applies), None)

    def complains_of_format(self, complaint: ServerComplaint | None) -> bool:
        """Whether an error is about the form in which the reply was asked for."""
        return (
            complaint is not None
            and self.reply_format in _WIDER
            and complaint.failed_reply is None
            and complaint.is_about(*_REPLY_FORMAT)
        )

    def with_wider_format(self) -> RequestForm:
        """The form that asks less of the reply: any object instead of the schema, then any text."""
        return replace(self, reply_format=_WIDER.get(self.reply_format, TEXT))

    def described_changes(self, config: JudgeConfig) -> list[str]:
        """What is not sent as the study file says, for the record of a run.

        Parameters
        ----------
        config : JudgeConfig
            The judge's config.
        """
        changes = {
            f"temperature {config.temperature} is not sent": not self.has_temperature
            and config.temperature != "server",
            "seed is not sent": not self.has_seed,
            "the system text stands in the user's message": self.folds_system,
            "quotations have no bound in the schema": not self.bounds_texts,
            "a JSON object is asked for, without its schema": self.reply_format == JSON_OBJECT,
            "no form of the reply is asked for": self.reply_format == TEXT,
            "replies are streamed": self.streams,
            "log-probabilities are refused, so verdicts have no scores": config.logprobs and not self.rivals,
        }
        return [name for name, applies in changes.items() if applies]


def fold_system(messages: Messages) -> list[Mapping[str, str]]:
    """The messages without a system message: its text stands before that of the first message of the user."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return list(messages)
    first = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
    return [first, *messages[2:]]


def _without_bounds(schema: Mapping[str, object]) -> dict[str, object]:
    """A schema whose texts may have any length."""
    properties = cast("Mapping[str, Mapping[str, object]]", schema["properties"])
    return {
        **schema,
        "properties": {
            name: {key: value for key, value in form.items() if key != "maxLength"} for name, form in properties.items()
        },
    }
