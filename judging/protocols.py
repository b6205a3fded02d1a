"""What every judge offers: a version that can be traced, and verdicts one by one. Knows no store and no server."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gnomon.data.records import JudgeVersion, Trial, Verdict, canonical_hash
from gnomon.judging.run_state import RunState


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """One question to a judge: a trial, and which of the judge's samples of it is wanted (the first is 0)."""

    trial: Trial
    sample: int = 0

    @property
    def prompt_seed(self) -> int:
        """What fence and order of concepts are drawn from: the trial's own seed, another one for each more sample."""
        if self.sample == 0:
            return self.trial.seed
        return int(canonical_hash(["sample", self.trial.seed, self.sample], 15), 16)


@runtime_checkable
class Judge(Protocol):
    """Reads transcripts and reports facts; never told arm, concept or condition of a trial."""

    @property
    def version(self) -> JudgeVersion:
        """All that shapes this judge's verdicts, hashed; known before the first call."""

    @property
    def enforces_schema(self) -> bool | None:
        """Whether the judge's server holds answers to a JSON schema; None before a server was asked, or without one."""

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """One verdict a trial, each as soon as it is there, in any order.

        Raises `JudgeError` where the judge cannot go on. A verdict with state `error` says that this trial got no
        answer this time and is to be asked again; every other state is final.
        Closing the generator gives up the calls in flight.
        """


class VerdictStream(Protocol):
    """Verdicts as they come. Taking the next batch says that the last one is safe on disk."""

    def iterate_batches(self) -> Iterator[list[Verdict]]:
        """Batches of verdicts, then the judge's own error if it ended with one."""

    def request_stop(self) -> None:
        """From any thread: ask nothing more. What has been answered still comes, and then the end."""


@runtime_checkable
class MeteredJudge(Judge, Protocol):
    """A judge whose calls cost something: many at once, each kept before its place is given to the next one.

    Attributes
    ----------
    samples : verdicts wanted of each trial.
    """

    samples: int

    def open_stream(self, cases: Iterable[JudgeCase], memory: RunState) -> VerdictStream:
        """Start asking; `cases` is read as far as there are free places, and no further."""

    def usage_summary(self) -> Mapping[str, Any]:
        """What the latest flow used: calls, tokens, cost where a price is known."""


def make_judge_version(name: str, kind: str, config: Mapping[str, Any]) -> JudgeVersion:
    """A judge version: the hash covers name, kind and `config`, which must be JSON-able and hold no secret."""
    return JudgeVersion(canonical_hash(["judge", name, kind, dict(config)]), name, kind, dict(config))
