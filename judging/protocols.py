"""Protocols of judges: a traceable version, and one verdict per trial. Knows no store and no server."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from gnomon.data.records import JudgeVersion, Trial, Verdict, canonical_hash
from gnomon.judging.run_state import RunState


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """One request to a judge: a trial, and the index of the sample (the first is 0)."""

    trial: Trial
    sample: int = 0

    @property
    def prompt_seed(self) -> int:
        """Seed of the fence and the order of concepts: the trial's seed, and another one for each further sample."""
        if self.sample == 0:
            return self.trial.seed
        return int(canonical_hash(["sample", self.trial.seed, self.sample], 15), 16)


@runtime_checkable
class Judge(Protocol):
    """Reads transcripts and reports facts; never sees arm, concept or condition of a trial."""

    @property
    def version(self) -> JudgeVersion:
        """Version with a hash of everything that determines this judge's verdicts; known before the first call."""

    @property
    def enforces_schema(self) -> bool | None:
        """Whether the judge's server enforces a JSON schema; None before the first request, or without a server."""

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        """Yield one verdict per trial as soon as it is available, in any order.

        A verdict with state `error` means that the trial got no verdict in this run and will be judged again; every
        other state is final. Closing the generator cancels the calls in flight.

        Raises
        ------
        JudgeError
            If the judge cannot continue.
        """


class VerdictStream(Protocol):
    """Verdicts as they arrive. Requesting the next batch confirms that the previous one is stored."""

    def iterate_batches(self) -> Iterator[list[Verdict]]:
        """Yield batches of verdicts, then raise the judge's own error if it ended with one."""

    def request_stop(self) -> None:
        """Start no further call; may be called from any thread. Verdicts already received are still delivered."""


@runtime_checkable
class MeteredJudge(Judge, Protocol):
    """A judge whose calls have a cost: calls run concurrently, and each verdict is stored before its slot is reused.

    Attributes
    ----------
    samples : int
        Verdicts per trial.
    """

    samples: int

    def open_stream(self, cases: Iterable[JudgeCase], memory: RunState) -> VerdictStream:
        """Start judging and return the stream of verdicts.

        Parameters
        ----------
        cases : iterable of JudgeCase
            Cases to judge; read only as far as there are free slots.
        memory : RunState
            State of earlier runs: tokens used and batches in progress.
        """

    def usage_summary(self) -> Mapping[str, JsonValue]:
        """What the latest stream used: calls, tokens, and cost if a price is known."""


def make_judge_version(name: str, kind: str, config: Mapping[str, object]) -> JudgeVersion:
    """A judge version whose hash covers name, kind and config.

    Parameters
    ----------
    name : str
        Name of the judge.
    kind : str
        Kind of the judge.
    config : mapping of str to Any
        Everything else that determines its verdicts; JSON-serialisable, without secrets.
    """
    return JudgeVersion(canonical_hash(["judge", name, kind, dict(config)]), name, kind, dict(config))
