"""Trials whose readers differ: a judge from the label, or raters from one another, by the study's rule and view."""

from __future__ import annotations

from collections.abc import Mapping

from gnomon.calibration.labels.views import rater_disagreements, true_labels
from gnomon.dashboard.transcripts.transcript_query import outcome_table
from gnomon.data.outcomes import Outcome
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

AT_ONCE = 5_000
"""Trials whose verdicts are read in one query."""


def trials_against_label(store: Store, judges: Mapping[str, str]) -> list[str]:
    """Ids of the trials on which a judge's outcome is not that of the label, in order.

    The label of a trial is the one that judges are measured against, in the study's label view; trials whose raters
    decided nothing have none. A failed verdict differs from nothing.

    Parameters
    ----------
    store : Store
        The study's store; its rule and label view are read.
    judges : mapping of str to str
        Names of the judges by version: one that differs is enough.
    """
    labels = true_labels(store, load_settings(store).label_view)
    truth = dict(zip(labels["trial"].astype(str), labels["outcome"].astype(str), strict=True))
    trials = sorted(truth)
    found: list[str] = []
    for start in range(0, len(trials), AT_ONCE):
        said = outcome_table(store, trials[start : start + AT_ONCE], judges)
        for trial, row in zip(said.index, said.itertuples(index=False), strict=True):
            if any(outcome in list(Outcome) and outcome != truth[trial] for outcome in row):
                found.append(str(trial))
    return found


def trials_of_rater_disagreement(store: Store) -> dict[str, bool]:
    """Trials on which raters' labels lead to different outcomes, each with whether it was adjudicated; in order.

    Parameters
    ----------
    store : Store
        The study's store; its rule and label view are read.
    """
    apart = rater_disagreements(store, load_settings(store).label_view)
    decided = dict(zip(apart["trial"].astype(str), apart["adjudicated"].astype(bool), strict=True))
    return dict(sorted(decided.items()))
