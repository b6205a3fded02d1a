"""Schema and validation of the `[[judges]]` tables of a study file. Knows nothing of how a judge is built."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from gnomon.data.errors import UserError
from gnomon.data.foreign_documents.validation_words import first_problem
from gnomon.judging.kinds import JUDGE_KINDS

_VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
_SERVER_ONLY = ("base_url", "api_key_env", "price", "budget", "requests_per_minute", "tokens_per_minute")
_OWN_KEYS = {
    "model": "model",
    "messages": "rubric",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "seed": "samples",
    "response_format": "rubric",
    "n": "samples",
    "stream": "transport",
}
"""Keys of a request that are made from other settings."""
_ADDRESS = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without backslash: every parser of addresses takes the same part of it to be the host."""
_SECRET = re.compile(r"(api[_-]?key|secret|password|authorization|bearer)", re.IGNORECASE)


class TokenPrice(BaseModel):
    """Price of a judge's tokens, in `currency` per million tokens.

    `cached` is the price of input tokens that the server had read in an earlier call; by default that of others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    currency: str = Field(default="USD", min_length=1, max_length=8)


class JudgeConfig(BaseModel):
    """One `[[judges]]` table of a study file. A key that is not listed here is an error.

    Attributes
    ----------
    name : str
        Name of the judge in results and reports.
    kind : str
        A registered kind (`judging.kinds`): lexicon, learned, logprob, openai, or that of a plug-in.
        `lexicon`, `learned` and `logprob` need no network; `openai` is any server with an OpenAI-compatible API.
    base_url : str, optional
        Address of the server. It is not part of the judge version, because a server may move.
    model : str, optional
        Model that the server is asked for. If another model is served under the same name, give the judge a new name.
        For `logprob`: `embedded`, a hub name or a folder.
    api_key_env : str, optional
        Name of the environment variable that holds the API key; the key itself is stored nowhere else.
    headers_env : mapping of str to str
        Further HTTP headers, each with the name of the environment variable that holds its value, such as
        `{ api-key = "AZURE_KEY" }`; without `api_key_env` no other key is sent.
    query : mapping of str to str
        Query of every request, such as `{ api-version = "2024-10-21" }`; stored, so no place for a key.
    rubric : {"blind", "informed"}
        `blind` reports facts without knowing the condition of the trial; `informed` knows it and answers pass or fail.
    edition : {1, 2}, optional
        Edition of the rubric's words. By default that of the judge's stored verdicts, and for a judge without any the
        newest.
    examples : int
        Number of labelled responses of the train split in the prompt (few-shot examples).
    samples : int
        Verdicts per trial, stored one by one (self-consistency).
    transport : {"chat", "batch"}
        `chat` sends one call per trial; `batch` submits files to the server's Batch API and waits for the results.
    batch_size : int, optional
        Trials per batch (`batch`: requests per file; `logprob`: rows per forward pass).
    poll : float
        Seconds between two status requests for a batch.
    concurrency : int
        Largest number of calls in flight; lowered while the server answers 429.
    requests_per_minute, tokens_per_minute : float, optional
        The account's limits, if known.
    price : TokenPrice, optional
        Price of the tokens.
    budget : float, optional
        What the judge may spend in all its runs, in the price's currency; no call is made that could exceed it.
    timeout : float
        Seconds for one call, response included.
    temperature : float or "server"
        Sampling temperature; "server" sends none, for models that do not accept it.
    max_tokens : int
        Length limit of a reply, in tokens.
    stop_after : int
        Consecutive failures that stop the judge.
    logprobs : bool
        Whether log-probabilities are asked for, from which the scores of verdicts are read; such a judge is another
        version, because verdicts that are there have no scores.
    extra : mapping of str to JSON value
        Further keys of every request, such as `top_p`, `reasoning_effort` or `chat_template_kwargs`; part of the judge
        version.
    options : mapping of str to JSON value
        Keys of the kind's own, checked against its schema.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True, hide_input_in_errors=True
    )

    name: str = Field(min_length=1, max_length=100)
    kind: str
    base_url: str | None = None
    model: str | None = Field(default=None, min_length=1)
    api_key_env: _VariableName | None = None
    headers_env: dict[_HeaderName, _VariableName] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)
    rubric: Literal["blind", "informed"] = "blind"
    edition: Literal[1, 2] | None = None
    examples: int = Field(default=0, ge=0, le=16)
    samples: int = Field(default=1, ge=1, le=100)
    transport: Literal["chat", "batch"] = "chat"
    batch_size: int | None = Field(default=None, ge=1, le=50_000)
    poll: float = Field(default=30.0, gt=0, le=3600)
    concurrency: int = Field(default=8, ge=1, le=512)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    price: TokenPrice | None = None
    budget: float | None = Field(default=None, ge=0)
    timeout: float = Field(default=60.0, gt=0, le=3600)
    temperature: Annotated[float, Field(ge=0, le=2)] | Literal["server"] = 0.0
    max_tokens: int = Field(default=800, ge=16, le=100_000)
    stop_after: int = Field(default=5, ge=1)
    logprobs: bool = False
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    options: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def secret_variables(self) -> list[str]:
        """Environment variables whose values are sent to the server."""
        named = [self.api_key_env, *self.headers_env.values()]
        return list(dict.fromkeys(name for name in named if name is not None))

    @field_validator("query")
    @classmethod
    def _query_is_no_secret(cls, query: dict[str, str]) -> dict[str, str]:
        for key in query:
            if _SECRET.search(key) or key.lower() in ("key", "token", "sig", "code"):
                raise ValueError(
                    f"query.{key}: looks like a secret, and query is stored: name a variable in headers_env"
                )
        return query

    @field_validator("extra")
    @classmethod
    def _extra_is_further(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in extra:
            if key in _OWN_KEYS:
                raise ValueError(f"extra.{key}: Gnomon sets {key} itself: leave it out, or set {_OWN_KEYS[key]}")
            if _SECRET.search(key):
                raise ValueError(
                    f"extra.{key}: looks like a secret, and extra is stored: name a variable in api_key_env"
                )
        return extra

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, kind: str) -> str:
        try:
            return JUDGE_KINDS.find(kind).name
        except UserError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _keys_fit_kind(self) -> Self:
        self._check_options()
        if JUDGE_KINDS[self.kind].asks_server:
            missing = [key for key in ("base_url", "model") if getattr(self, key) is None]
            if missing:
                raise ValueError(f"judge '{self.name}' of kind {self.kind} needs {' and '.join(missing)}")
            self._check_url()
            self._check_calls()
        else:
            self._check_local()
        return self

    def _check_options(self) -> None:
        schema = JUDGE_KINDS[self.kind].options
        if schema is None and self.options:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no options: leave them out")
        if schema is not None:
            try:
                schema.model_validate(self.options)
            except ValidationError as error:
                told = first_problem(error, "options", document={"options": self.options})
                raise ValueError(f"judge '{self.name}' of kind {self.kind}: {told}") from None

    def _check_local(self) -> None:
        if extra := [key for key in _SERVER_ONLY if getattr(self, key) is not None]:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no {', '.join(extra)}: it asks no server")
        if self.model is not None and not JUDGE_KINDS[self.kind].takes_model:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no model: it runs none that can be chosen")
        if self.samples > 1:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} always says the same: leave samples out")
        if self.rubric != "blind" or self.examples or self.transport != "chat":
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no rubric, examples or transport")
        if self.edition is not None:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no edition: it has no rubric to choose")
        if self.logprobs:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no logprobs: it asks no server")
        for key in ("extra", "query", "headers_env"):
            if getattr(self, key):
                raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no {key}: it asks no server")

    def _check_calls(self) -> None:
        if self.budget is not None and self.price is None:
            raise ValueError(
                f"judge '{self.name}' has a budget and no price: add price = {{ input = ..., output = ... }}, "
                "in money a million tokens"
            )
        if self.rubric == "informed" and self.examples:
            raise ValueError(f"judge '{self.name}': the informed rubric takes no examples: leave one of the two out")
        if self.logprobs and (given := {"logprobs", "top_logprobs"} & self.extra.keys()):
            raise ValueError(f"judge '{self.name}': extra.{min(given)}: logprobs = true sets it: leave one of them out")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"judge '{self.name}': {self.samples} samples at temperature 0 are one: raise temperature")

    def _check_url(self) -> None:
        parts = urlsplit(self.base_url or "")
        if parts.scheme not in ("http", "https") or not parts.hostname or not _ADDRESS.fullmatch(self.base_url or ""):
            raise ValueError(f"judge '{self.name}': base_url is no http or https address")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                f"judge '{self.name}': base_url must hold no user, password or query: "
                "put the key into an environment variable and name that under api_key_env, and anything else into "
                "query = { ... }"
            )
