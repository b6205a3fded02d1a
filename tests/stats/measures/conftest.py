"""Frames of measured trials whose values are written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import pytest

from gnomon.stats.measures.measured_trials_frame import checked_frame

MakeTrials = Callable[..., pd.DataFrame]


def trial_rows(
    task: str,
    arm: str,
    values: Sequence[Sequence[float]],
    *,
    column: str = "log_odds_yes",
    concepts: Sequence[str] | None = None,
    strength: float = 4.0,
    layer: float = 9.0,
    expected: str = "yes",
    subject: str = "s",
) -> pd.DataFrame:
    """Trials from a table of values: rows are concepts (one row "nothing injected" in a control), columns items."""
    plain = arm == "control"
    rows = [
        {
            "subject": subject,
            "task": task,
            "arm": arm,
            "concept": None if plain else (concepts[c] if concepts else f"c{c}"),
            "layer": None if plain else layer,
            "strength": 0.0 if plain else strength,
            "item": f"q{i}",
            "expected": expected,
            "correct": None,
            column: value,
        }
        for c, of_concept in enumerate(values)
        for i, value in enumerate(of_concept)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def trials() -> MakeTrials:
    """Join tables of trials into a checked frame."""

    def join(*tables: pd.DataFrame) -> pd.DataFrame:
        return checked_frame(pd.concat(tables, ignore_index=True))

    return join
