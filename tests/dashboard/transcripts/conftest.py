"""Searches of these tests end where they are complete: a busy machine cuts none short."""

from __future__ import annotations

import pytest

from gnomon.dashboard.transcripts import incremental_search, trial_pairs

AN_HOUR = 3600.0


@pytest.fixture(autouse=True)
def _searches_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of what happens when the time is up gives its own clock."""
    monkeypatch.setattr(incremental_search, "BEST_PART", AN_HOUR)
    monkeypatch.setattr(trial_pairs, "TIME", AN_HOUR)
