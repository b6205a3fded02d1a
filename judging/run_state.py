"""State that a judge behind a server keeps between runs: tokens used, and batches in progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gnomon.data.records import Trial
from gnomon.data.storage.pending_verdicts import tokens_used
from gnomon.data.storage.store import Store

WASTED = "judge_wasted"
CACHED = "judge_cached"
"""Events: tokens of calls that led to no verdict, and input tokens that the server had read before."""


class RunState(Protocol):
    """Recorded events of one judge version, in the order in which they were recorded."""

    def tokens_used(self) -> tuple[int, int]:
        """Input and output tokens of all stored verdicts of judges with this name."""

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


class InMemoryRunState:
    """In-memory run state for judges used without a store."""

    def __init__(self) -> None:
        self._notes: list[tuple[str, dict[str, Any]]] = []

    def tokens_used(self) -> tuple[int, int]:
        """Always zero."""
        return 0, 0

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

    def tokens_used(self) -> tuple[int, int]:
        """Tokens of all stored verdicts of every version with this name, and of calls that led to no verdict."""
        sent, received = tokens_used(self._store, self._name)
        wasted = self.recorded_events(WASTED)
        return (
            sent + sum(note["input_tokens"] for note in wasted),
            received + sum(note["output_tokens"] for note in wasted),
        )

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
