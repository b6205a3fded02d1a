"""How one truth is made of a study's labels in one view, and what raters that are no people labelled."""

from __future__ import annotations

import pandas as pd

from gnomon.calibration.labels.views import (
    count_disagreements,
    rater_kinds,
    rater_labels,
    tied_trials,
    true_labels,
    truth_rule,
    unknown_raters,
)
from gnomon.calibration.results.truth_summary import MachineRater, TruthSummary
from gnomon.data.records import RaterKind
from gnomon.data.storage.store import Store


def summarize_truth(store: Store, view: str) -> TruthSummary:
    """The rule for the truth of labels, with the trials on which it decides.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    """
    labels, rule = rater_labels(store, view), truth_rule(store)
    disagreements, adjudicated = count_disagreements(labels)
    opinions = labels.groupby("trial")["rater"].nunique()
    return TruthSummary(
        view=view,
        rule=str(rule),
        raters=tuple(sorted(labels["rater"].unique())),
        labelled=len(opinions),
        repeated=int((opinions > 1).sum()),
        disagreements=disagreements,
        adjudicated=adjudicated,
        tied=tied_trials(labels),
        undecided=len(opinions) - len(true_labels(store, view)),
        admitted=_machine_raters(store, labels),
        machines=_machine_raters(store, rater_labels(store, view, "apart")),
        unknown=tuple(unknown_raters(store)),
    )


def _machine_raters(store: Store, labels: pd.DataFrame) -> tuple[MachineRater, ...]:
    """The raters among some labels that are no people, with their trials."""
    kinds, trials = rater_kinds(store), labels.groupby("rater")["trial"].nunique()
    found = ((str(name), kinds[str(name)], int(n)) for name, n in trials.items())
    return tuple(
        MachineRater(rater=name, kind=str(kind), labels=n) for name, kind, n in found if kind is not RaterKind.PERSON
    )
