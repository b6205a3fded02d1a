"""State that a judge behind a server keeps between runs: tokens used and set aside, and batches in progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gnomon.data.records import Trial
from gnomon.data.storage.store import Store
from gnomon.judging.judge_spending import JudgeRunRow, OtherRuns, Reserve, TokenCounts


class RunAccount(Protocol):
    """What one run has used and set aside, recorded where all runs of the judge see it.

    Attributes
    ----------
    id : str
        Names the run.
    others : OtherRuns
        What all other runs have used and set aside, as last read.
    """

    id: str
    others: OtherRuns

    def reserve_tokens(self, used: TokenCounts, reserve: Reserve) -> None:
        """Record what was used, and set aside what `reserve` returns. May be called from any thread.

        Parameters
        ----------
        used : TokenCounts
            Tokens of this run's calls so far.
        reserve : callable
            Function of the other runs; returns all tokens that this run may still use.
        """

    def release_tokens(self, run: str, reserved: TokenCounts, used: TokenCounts) -> None:
        """Record what was used in place of what another run had set aside.

        Parameters
        ----------
        run : str
            Id of the run that submitted a batch.
        reserved : TokenCounts
            Tokens that it had set aside for the batch.
        used : TokenCounts
            Tokens of this run's calls so far, those of the batch among them.
        """

    def end_run(self, used: TokenCounts, reserved: TokenCounts) -> None:
        """Record the end of the run.

        Parameters
        ----------
        used : TokenCounts
            Tokens of all its calls.
        reserved : TokenCounts
            Tokens that stay set aside, for batches that are still open.
        """


class RunState(Protocol):
    """Recorded events of one judge version, in the order in which they were recorded, and the account of a run."""

    def open_account(self) -> RunAccount:
        """Begin a run: where its tokens are recorded, and what earlier and simultaneous runs have used."""

    def record_event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Record an event durably: it is stored when this returns.

        Parameters
        ----------
        kind : str
            Kind of the event, such as `batch_begun`.
        detail : mapping of str to Any
            JSON-serialisable content.
        """

    def recorded_events(self, kind: str) -> list[dict[str, Any]]:
        """Contents of all events of a kind, oldest first."""

    def find_trials(self, ids: Sequence[str]) -> list[Trial]:
        """Trials by id."""


class InMemoryAccount:
    """The account of a run without a store: no other run sees it."""

    def __init__(self, others: OtherRuns | None = None, keep: Callable[[TokenCounts], None] | None = None) -> None:
        self.id = ""
        self.others = others or OtherRuns()
        self._keep = keep

    def reserve_tokens(self, _used: TokenCounts, reserve: Reserve) -> None:
        """Set aside what `reserve` returns."""
        reserve(self.others)

    def release_tokens(self, run: str, reserved: TokenCounts, used: TokenCounts) -> None:
        """Nothing: no other run has set anything aside."""

    def end_run(self, used: TokenCounts, _reserved: TokenCounts) -> None:
        """Keep what was used for the next run of the same state."""
        if self._keep is not None:
            self._keep(used)


class InMemoryRunState:
    """In-memory run state for judges used without a store."""

    def __init__(self) -> None:
        self._notes: list[tuple[str, dict[str, Any]]] = []
        self._used = TokenCounts()

    def open_account(self) -> InMemoryAccount:
        """An account that starts with what earlier runs of this object used."""
        return InMemoryAccount(OtherRuns(self._used), self._add_used)

    def _add_used(self, used: TokenCounts) -> None:
        self._used += used

    def record_event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Record an event for the lifetime of the object.

        Parameters
        ----------
        kind : str
            Kind of the event.
        detail : mapping of str to Any
            Its content.
        """
        self._notes.append((kind, dict(detail)))

    def recorded_events(self, kind: str) -> list[dict[str, Any]]:
        """Contents of all events of a kind, oldest first."""
        return [detail for noted, detail in self._notes if noted == kind]

    def find_trials(self, _ids: Sequence[str]) -> list[Trial]:
        """Always empty: there is no store."""
        return []


class StoredRunState:
    """Run state among the events of a study's store.

    Parameters
    ----------
    store : Store
        The study's store.
    name : str
        Name of the judge; tokens are counted over all its versions.
    version : str
        Judge version; events are recorded and read for this version only.
    """

    def __init__(self, store: Store, name: str, version: str) -> None:
        self._store = store
        self._name = name
        self._version = version
        self.start = ""

    def open_account(self) -> JudgeRunRow:
        """A new row among the judge's runs; `start` is then the id of the trial from which this run takes trials."""
        row = JudgeRunRow(self._store, self._name, self._version)
        self.start = row.start
        return row

    def record_event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Log an event of this judge version in the store.

        Parameters
        ----------
        kind : str
            Kind of the event.
        detail : mapping of str to Any
            JSON-serialisable content; the judge version is added to it.
        """
        self._store.log_event(kind, {"version": self._version, **detail})

    def recorded_events(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind of this judge version."""
        return [detail for detail in self._store.event_details(kind) if detail.get("version") == self._version]

    def find_trials(self, ids: Sequence[str]) -> list[Trial]:
        """Trials by id."""
        return self._store.load_trials(ids)
