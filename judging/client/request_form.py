"""The form of a request: what is left out or moved for a server that does not take it."""

from __future__ import annotations

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
)
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
)

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
    """

    length_key: str = "max_tokens"
    has_temperature: bool = True
    has_seed: bool = True
    folds_system: bool = False
    bounds_texts: bool = True

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
        if schema is not None:
            shape = schema if self.bounds_texts else _without_bounds(schema)
            form = {"name": "facts", "strict": True, "schema": shape}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return {**body, **config.extra}

    def adapted(
        self, complaint: ServerComplaint | None, messages: Messages, *, has_schema: bool = False
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
        """
        if complaint is None or complaint.status not in (400, 404, 415, 422, 500, 501):
            return None
        about = complaint.is_about
        unwanted = complaint.status < 500 and about(*_UNWANTED)
        is_template = complaint.status < 500 or about("role", "jinja", "template")
        changes = (
            (
                self.length_key == "max_tokens" and about("max_completion_tokens"),
                replace(self, length_key="max_completion_tokens"),
            ),
            (has_schema and self.bounds_texts and about("maxlength"), replace(self, bounds_texts=False)),
            (self.has_temperature and unwanted and about("temperature"), replace(self, has_temperature=False)),
            (self.has_seed and unwanted and about("seed"), replace(self, has_seed=False)),
            (
                not self.folds_system and messages[0]["role"] == "system" and is_template and about(*_NO_SYSTEM),
                replace(self, folds_system=True),
            ),
        )
        return next((form for applies, form in changes if applies), None)

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
