"""What every judge offers: a version that can be traced, and verdicts one by one. Knows no store and no server."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Protocol, runtime_checkable

from data.records import JudgeVersion, Trial, Verdict, digest


@runtime_checkable
class Judge(Protocol):
    """Reads transcripts and reports facts; never told arm, concept or condition of a trial."""

    @property
    def version(self) -> JudgeVersion:
        """All that shapes this judge's verdicts, hashed; known before the first call."""

    @property
    def enforces_schema(self) -> bool | None:
        """Whether the judge's server holds answers to a JSON schema; None before a server was asked, or without one."""

    def judge(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """One verdict a trial, each as soon as it is there, in any order.

        Raises `JudgeError` where the judge cannot go on. A verdict with state `error` says that this trial got no
        answer this time and is to be asked again; every other state is final.
        Closing the generator gives up the calls in flight.
        """


def versioned(name: str, kind: str, config: Mapping[str, Any]) -> JudgeVersion:
    """A judge version: the hash covers name, kind and `config`, which must be JSON-able and hold no secret."""
    return JudgeVersion(digest(["judge", name, kind, dict(config)]), name, kind, dict(config))


def source_digest(*modules: str) -> str:
    """Hash of the source of modules of this room, so that a local judge whose code changes is another judge."""
    return digest([files("judging").joinpath(f"{name}.py").read_text(encoding="utf-8") for name in modules])
