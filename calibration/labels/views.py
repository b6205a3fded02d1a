"""Label views: which of the append-only label events count, and where raters disagree."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import select

from gnomon.calibration.observations.frames import with_outcomes
from gnomon.data.errors import UnknownNameError
from gnomon.data.facts import CORE_FACTS, CORE_FLAGS, further_names
from gnomon.data.records import Exposure, LabelKind, RaterRole
from gnomon.data.storage.fact_columns import further_columns
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import labels as label_table
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.study_settings import load_settings

VIEWS = ("blind", "first", "current")
KEYS = ["trial", "rater", "role"]
COLUMNS = ("trial", "rater", *CORE_FACTS, "split", "stratum", "probability", "exposure", "selection")


def label_events(store: Store) -> pd.DataFrame:
    """All events of all raters on trials that gave an answer, oldest first.

    Returns
    -------
    DataFrame
        The columns of the label table, `split`, `arm` and `target` (the injected concept) of the trial, and
        `withdrawn`: whether the same rater took it back by a later retraction.
    """
    trial = trial_table.c
    query = select(
        label_table,
        *further_columns(label_table, further_names()),
        trial.split,
        trial.arm,
        trial.concept.label("target"),
    )
    query = query.join(trial_table, trial.id == label_table.c.trial).where(trial.error.is_(None))
    events = store.read_frame(query.order_by(label_table.c.created_at, label_table.c.rater, label_table.c.revision))
    taken_back = events[events["kind"] == str(LabelKind.RETRACTION)].groupby(["trial", "rater"])["revision"].max()
    last = taken_back.reindex(pd.MultiIndex.from_frame(events[["trial", "rater"]])).fillna(-1).to_numpy()
    return events.assign(withdrawn=events["revision"].to_numpy() < last)


def standing_labels(events: pd.DataFrame) -> pd.DataFrame:
    """The labels among label events that were not retracted."""
    return events[(events["kind"] == str(LabelKind.LABEL)) & ~events["withdrawn"]].dropna(subset=list(CORE_FACTS))


def rater_labels(store: Store, view: str) -> pd.DataFrame:
    """The label of each rater on each trial in a view, with its outcome, event and pass by the study's rule.

    One row per trial, rater and role. A retraction withdraws the rater's earlier events in every view; a flag is not a
    label. `since` is the time of the rater's first standing label on the trial in that role.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        The rater's last label given before seeing a verdict, the first label, or the last label.

    Raises
    ------
    UnknownNameError
        If the view is not known.
    """
    if view not in VIEWS:
        raise UnknownNameError(f"label view '{view}' is not known: choose from {', '.join(VIEWS)}")
    standing = standing_labels(label_events(store))
    standing = standing.assign(since=standing.groupby(KEYS)["created_at"].transform("min"))
    if view == "blind":
        standing = standing[standing["exposure"] == str(Exposure.BLIND)]
    ordered = standing.sort_values([*KEYS, "revision"])
    chosen = ordered.drop_duplicates(KEYS, keep="first" if view == "first" else "last")
    typed = chosen.astype(dict.fromkeys(CORE_FLAGS, bool))
    return with_outcomes(typed, load_settings(store).rule).reset_index(drop=True)


def reference_labels(store: Store, view: str) -> pd.DataFrame:
    """The one label of each trial that judges are measured against.

    The adjudicator's if there is one, otherwise a rater's; of several one of those with the most frequent outcome, and
    of these the one who labelled the trial first (by time, then by name). Each is read in the given view
    (`rater_labels`).

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view.

    Returns
    -------
    pandas.DataFrame
        One row per trial, in the order of trial ids: trial, rater, claims, concept, coherent, refused, split, stratum,
        probability, exposure, selection (the stored document, or None).
    """
    return reference_labels_of(rater_labels(store, view))[[*COLUMNS, *further_names()]]


def reference_labels_of(labels: pd.DataFrame) -> pd.DataFrame:
    """The reference label of each trial among all raters' labels of one view; keeps all columns."""
    below = labels["role"] != str(RaterRole.ADJUDICATOR)
    apart = -labels.groupby(["trial", "role", "outcome"])["rater"].transform("size")
    ranked = labels.assign(below=below, apart=apart).sort_values(["trial", "below", "apart", "since", "rater"])
    return ranked.drop_duplicates("trial").drop(columns=["below", "apart"]).reset_index(drop=True)


def rater_disagreements(store: Store, view: str) -> pd.DataFrame:
    """Trials on which raters' facts lead to different outcomes, for an adjudicator to read.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view.

    Returns
    -------
    pandas.DataFrame
        Columns trial, arm, outcomes (text, "rater: outcome" joined by "; "), adjudicated (bool).
    """
    labels = rater_labels(store, view)
    final = labels["role"] == str(RaterRole.ADJUDICATOR)
    raters = labels[~final].sort_values(["trial", "rater"])
    said = raters.assign(outcomes=raters["rater"] + ": " + raters["outcome"])
    split = said.groupby("trial")["outcome"].transform("nunique") > 1
    grouped = said[split].groupby("trial").agg({"arm": "first", "outcomes": "; ".join}).reset_index()
    return grouped.assign(adjudicated=grouped["trial"].isin(set(labels.loc[final, "trial"])))
