"""Disputed trials: those on which judges reach different outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.calibration.observations import sql_outcomes
from gnomon.calibration.observations.frames import fit_judges, judge_frame
from gnomon.data.storage.store import Store


def disputed_trials(store: Store, judges: Sequence[str] | None = None) -> set[str]:
    """Ids of trials on which two judges (the newest version of each) reach different outcomes.

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str, optional
        Names or versions of judges; by default those that the fit uses (`frames.fit_judges`).
    """
    chosen = fit_judges(store) if judges is None else judge_frame(store, judges)
    return sql_outcomes.disputed_trials(store, chosen["version"].tolist())
