"""A judge as the study file names it, checked, and made into a judge that can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data.records import Facts
from judging.base import Judge

_SERVER_ONLY = ("base_url", "model", "api_key_env")


class JudgeConfig(BaseModel):
    """One `[[judges]]` table of a study file. A key that is not listed here is an error.

    Attributes
    ----------
    name : what the judge is called in figures and reports.
    kind : `lexicon` and `learned` need no network; `openai` is any server that speaks that protocol.
    base_url, model : where the server is and what it is asked for (`openai` only). The address is no part of the
        judge version: a server may move. If another model is served under the same name, name the judge anew.
    api_key_env : name of the environment variable that holds the key; the key itself stands nowhere else.
    rubric : which rubric the judge is given.
    concurrency : calls in flight at once.
    timeout : seconds for one call, answer included.
    temperature : sampling temperature; "server" leaves it to the server, for models that take none.
    max_tokens : longest reply.
    stop_after : failures in a row that stop the judge.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=100)
    kind: Literal["lexicon", "learned", "openai"]
    base_url: str | None = None
    model: str | None = Field(default=None, min_length=1)
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    rubric: Literal["blind"] = "blind"
    concurrency: int = Field(default=8, ge=1, le=512)
    timeout: float = Field(default=60.0, gt=0, le=3600)
    temperature: Annotated[float, Field(ge=0, le=2)] | Literal["server"] = 0.0
    max_tokens: int = Field(default=400, ge=16, le=100_000)
    stop_after: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _keys_fit_kind(self) -> Self:
        if self.kind == "openai":
            missing = [key for key in ("base_url", "model") if getattr(self, key) is None]
            if missing:
                raise ValueError(f"judge '{self.name}' of kind openai needs {' and '.join(missing)}")
            self._check_url()
        elif extra := [key for key in _SERVER_ONLY if getattr(self, key) is not None]:
            raise ValueError(f"judge '{self.name}' of kind {self.kind} takes no {', '.join(extra)}: it asks no server")
        return self

    def _check_url(self) -> None:
        parts = urlsplit(self.base_url or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"judge '{self.name}': base_url is no http or https address")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                f"judge '{self.name}': base_url must hold no user, password or query: "
                "put the key into an environment variable and name that under api_key_env"
            )


def build(config: JudgeConfig, concepts: Sequence[str], training: Sequence[tuple[str, Facts]] = ()) -> Judge:
    """The judge that a config describes.

    Parameters
    ----------
    config : the checked config.
    concepts : the study's closed list.
    training : answers with their labels, train split only; only a `learned` judge looks at them.
    """
    if config.kind == "lexicon":
        from judging.lexicon import LexiconJudge

        return LexiconJudge(concepts, name=config.name)
    if config.kind == "learned":
        from judging.learned import LearnedJudge

        return LearnedJudge.train(training, concepts, name=config.name)
    from judging.remote import RemoteJudge

    return RemoteJudge(config, concepts)
