"""What a judge behind a server must remember over runs: what it has spent, and which batches it has under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gnomon.data.records import Trial
from gnomon.data.storage.pending_verdicts import tokens_used
from gnomon.data.storage.store import Store

WASTED = "judge_wasted"


class RunState(Protocol):
    """Kept notes of one judge version, newest last."""

    def tokens_used(self) -> tuple[int, int]:
        """Tokens sent and received by all stored verdicts of this judge's name."""

    def record_event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Keep a note; it is on disk when this returns."""

    def recorded_events(self, kind: str) -> list[dict[str, Any]]:
        """Notes of a kind, oldest first."""

    def find_trials(self, ids: Sequence[str]) -> list[Trial]:
        """Trials by id."""


class InMemoryRunState:
    """A memory for a judge that is asked outside a study: it lasts as long as the object."""

    def __init__(self) -> None:
        self._notes: list[tuple[str, dict[str, Any]]] = []

    def tokens_used(self) -> tuple[int, int]:
        """Nothing."""
        return 0, 0

    def record_event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Keep a note while the object lives."""
        self._notes.append((kind, dict(detail)))

    def recorded_events(self, kind: str) -> list[dict[str, Any]]:
        """Notes of a kind, oldest first."""
        return [detail for noted, detail in self._notes if noted == kind]

    def find_trials(self, _ids: Sequence[str]) -> list[Trial]:
        """None: there is no store."""
        return []


class StoredRunState:
    """A memory in the study's store, among its events."""

    def __init__(self, store: Store, name: str, version: str) -> None:
        self._store = store
        self._name = name
        self._version = version

    def tokens_used(self) -> tuple[int, int]:
        """Tokens of all stored verdicts of every version that bears the name, and of calls that came to nothing."""
        sent, received = tokens_used(self._store, self._name)
        wasted = self.recorded_events(WASTED)
        return (
            sent + sum(note["input_tokens"] for note in wasted),
            received + sum(note["output_tokens"] for note in wasted),
        )

    def record_event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Log an event that carries the judge version."""
        self._store.log_event(kind, {"version": self._version, **detail})

    def recorded_events(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind of this judge version."""
        return [detail for detail in self._store.event_details(kind) if detail.get("version") == self._version]

    def find_trials(self, ids: Sequence[str]) -> list[Trial]:
        """Trials by id."""
        return self._store.load_trials(ids)
