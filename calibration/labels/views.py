"""Label views: which of the append-only label events count, and where raters disagree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Literal

import pandas as pd
from sqlalchemy import select

from gnomon.calibration.labels.undecided_facts import decided_labels, with_readings
from gnomon.calibration.observations.frames import with_outcomes
from gnomon.data.errors import UnknownNameError
from gnomon.data.facts import CORE_FACTS, CORE_FLAGS, further_names
from gnomon.data.importers.field_parsers import fold_name
from gnomon.data.raters import TruthRule, kind_of_name
from gnomon.data.records import Exposure, LabelKind, RaterKind, RaterRole
from gnomon.data.storage.design_scope import report_conditions
from gnomon.data.storage.fact_columns import further_columns
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import labels as label_table
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.study_settings import load_settings

VIEWS = ("blind", "first", "current")
KEYS = ["trial", "rater", "role"]
_KNOWN: ContextVar[dict[tuple[object, ...], pd.DataFrame] | None] = ContextVar("labels", default=None)
RaterGroup = Literal["reference", "apart", "everyone"]
"""Raters whose labels count (people, and those that the study admits), the others, or both."""
COLUMNS = ("trial", "rater", *CORE_FACTS, "split", "stratum", "probability", "exposure", "selection")


@contextmanager
def one_label_reading() -> Iterator[None]:
    """Within it, the labels of a store are read and derived once for each question: an audit asks them in every view.

    Of use only where nobody writes labels in between.
    """
    token = _KNOWN.set({})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def _known_or_read(key: tuple[object, ...], read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What was read before within `one_label_reading`, as a copy (which shares its values until one is changed)."""
    known = _KNOWN.get()
    if known is None:
        return read()
    if key not in known:
        known[key] = read()
    return known[key].copy(deep=False)


def label_events(store: Store, group: RaterGroup = "reference") -> pd.DataFrame:
    """All events of a group of raters on trials of the design that gave an answer, oldest first.

    Parameters
    ----------
    store : Store
        Store of the study.
    group : {"reference", "apart", "everyone"}, default "reference"
        Which raters: labels by language models and rules are no human labels and count only where the study admits
        them (`reference_raters`).

    Returns
    -------
    DataFrame
        The columns of the label table, `split`, `arm` and `target` (the injected concept) of the trial, and
        `withdrawn`: whether the same rater took it back by a later retraction. `rater_kind` is filled in, and `counts`
        says whether the rater is one of reference.
    """
    return _of_group(_known_or_read(("events", store), lambda: _read_events(store)), group)


def _of_group(labels: pd.DataFrame, group: RaterGroup) -> pd.DataFrame:
    """The labels of a group among those of everyone."""
    return labels if group == "everyone" else labels[labels["counts"] == (group == "reference")].reset_index(drop=True)


def _read_events(store: Store) -> pd.DataFrame:
    trial = trial_table.c
    query = select(
        label_table,
        *further_columns(label_table, further_names()),
        trial.split,
        trial.arm,
        trial.concept.label("target"),
    )
    query = query.join(trial_table, trial.id == label_table.c.trial).where(
        trial.error.is_(None), *report_conditions(store)
    )
    events = store.read_frame(query.order_by(label_table.c.created_at, label_table.c.rater, label_table.c.revision))
    known, counting = rater_kinds(store), reference_raters(store)
    events = events.assign(
        rater_kind=events["rater"].map({name: str(kind) for name, kind in known.items()}),
        counts=events["rater"].isin(counting),
    )
    taken_back = events[events["kind"] == str(LabelKind.RETRACTION)].groupby(["trial", "rater"])["revision"].max()
    last = taken_back.reindex(pd.MultiIndex.from_frame(events[["trial", "rater"]])).fillna(-1).to_numpy()
    return events.assign(withdrawn=events["revision"].to_numpy() < last)


def rater_kinds(store: Store) -> dict[str, RaterKind]:
    """What each rater of a study is, by name: as the study file says, else as stored, else as the name tells.

    A rater who is stored as two things is no person: what might be a machine's label is never a human one.
    """
    column = label_table.c
    query = select(column.rater, column.rater_kind).distinct().order_by(column.rater)
    rows = _known_or_read(("raters", store), lambda: store.read_frame(query))
    stored: dict[str, set[RaterKind]] = {}
    for name, kind in zip(rows["rater"].tolist(), rows["rater_kind"].tolist(), strict=True):
        stored.setdefault(name, set()).update([RaterKind(kind)] if isinstance(kind, str) else [])
    told = load_settings(store).rater_kinds
    said = {name: told[written] for written in told for name in raters_named(written, stored)}
    return {
        name: said.get(name) or max(kinds, key=list(RaterKind).index, default=kind_of_name(name))
        for name, kinds in stored.items()
    }


def raters_named(written: str, raters: Collection[str]) -> list[str]:
    """The raters that a name in the study file means: of that very name, else those that it folds to.

    Parameters
    ----------
    written : str
        The name as the study file writes it.
    raters : collection of str
        Names of the study's raters.
    """
    return [written] if written in raters else [name for name in raters if fold_name(name) == fold_name(written)]


def unknown_raters(store: Store) -> list[str]:
    """Names under `[labels] kinds` and `admit` in the study file that no rater of the study has.

    Parameters
    ----------
    store : Store
        Store of the study.
    """
    settings, known = load_settings(store), rater_kinds(store)
    named = dict.fromkeys([*settings.rater_kinds, *settings.admitted_raters])
    return [name for name in named if known and not raters_named(name, known)]


def reference_raters(store: Store) -> list[str]:
    """Raters whose labels measure judges: people, and language models and rules that the study file admits."""
    known = rater_kinds(store)
    admitted = {name for written in load_settings(store).admitted_raters for name in raters_named(written, known)}
    return [name for name, kind in known.items() if kind is RaterKind.PERSON or name in admitted]


def standing_labels(events: pd.DataFrame) -> pd.DataFrame:
    """The labels among label events that were not retracted."""
    return events[(events["kind"] == str(LabelKind.LABEL)) & ~events["withdrawn"]].dropna(subset=list(CORE_FACTS))


def check_view(view: str) -> None:
    """Refuse a label view that there is not.

    Raises
    ------
    UnknownNameError
        If it is none of `VIEWS`.
    """
    if view not in VIEWS:
        raise UnknownNameError(f"label view '{view}' is not known: choose from {', '.join(VIEWS)}")


def rater_labels(store: Store, view: str, group: RaterGroup = "reference") -> pd.DataFrame:
    """The label of each rater on each trial in a view, with its outcome, event and pass by the study's rule.

    One row per trial, rater and role. `decides`, `event_low` and `event_high` say what undecided facts leave open
    (`undecided_facts.with_readings`). A retraction withdraws the rater's earlier events in every view; a flag is not a
    label. `since` is the time of the rater's first standing label on the trial in that role.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        The rater's last label given before seeing a verdict, the first label, or the last label.
    group : {"reference", "apart", "everyone"}, default "reference"
        Which raters (`label_events`).

    Raises
    ------
    UnknownNameError
        If the view is not known.
    """
    check_view(view)
    return _of_group(_known_or_read(("labels", store, view), lambda: _read_labels(store, view)), group)


def _read_labels(store: Store, view: str) -> pd.DataFrame:
    standing = standing_labels(label_events(store, "everyone"))
    standing = standing.assign(since=standing.groupby(KEYS)["created_at"].transform("min"))
    if view == "blind":
        standing = standing[standing["exposure"] == str(Exposure.BLIND)]
    ordered = standing.sort_values([*KEYS, "revision"])
    chosen = ordered.drop_duplicates(KEYS, keep="first" if view == "first" else "last")
    typed = chosen.astype(dict.fromkeys(CORE_FLAGS, bool))
    rule = load_settings(store).rule
    return with_readings(with_outcomes(typed, rule).reset_index(drop=True), rule)


def reference_labels(store: Store, view: str) -> pd.DataFrame:
    """The one label of each trial that judges are measured against, by the study's rule (`TruthRule`).

    Each rater's label is read in the given view (`rater_labels`).

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
    return true_labels(store, view)[[*COLUMNS, *further_names()]]


def true_labels(store: Store, view: str) -> pd.DataFrame:
    """The rows of `reference_labels` with all columns of `rater_labels`.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view.
    """
    return _known_or_read(
        ("truth", store, view), lambda: reference_labels_of(rater_labels(store, view), truth_rule(store))
    )


def truth_rule(store: Store) -> TruthRule:
    """The study's rule for the truth of its labels.

    Raises
    ------
    UnknownNameError
        If it names a rater without labels.
    """
    rule, known = load_settings(store).truth_rule, reference_raters(store)
    if rule.kind == "rater" and len(named := raters_named(rule.rater, known)) == 1:
        rule = replace(rule, rater=named[0])
    rule.check_rater(known)
    return rule


def reference_labels_of(labels: pd.DataFrame, rule: TruthRule) -> pd.DataFrame:
    """The reference label of each trial among the deciding labels of one view; keeps all columns.

    Parameters
    ----------
    labels : pandas.DataFrame
        Labels of `rater_labels`.
    rule : TruthRule
        Which of them is the truth; a trial without one has no row.
    """
    labels = decided_labels(labels)
    below = labels["role"] != str(RaterRole.ADJUDICATOR)
    votes = labels.groupby(["trial", "role", "outcome"])["rater"].transform("size")
    kept = pd.Series(True, index=labels.index)
    if rule.kind == "rater":
        kept = labels["rater"] == rule.rater
    elif len(labels):
        decided = _leading_labels(labels)
        if rule.kind == "adjudicated":
            kept = decided & (~below | (labels.groupby(["trial", "role"])["outcome"].transform("nunique") == 1))
        else:
            kept = decided | (below if rule.kind == "voices" else False)
    ranked = labels.assign(below=below, apart=-votes)[kept].sort_values(["trial", "below", "apart", "since", "rater"])
    return ranked.drop_duplicates("trial").drop(columns=["below", "apart"]).reset_index(drop=True)


def _leading_labels(labels: pd.DataFrame) -> pd.Series[bool]:
    """Whether a label is of the one outcome that most raters, or most adjudicators, of its trial gave."""
    votes = labels.groupby(["trial", "role", "outcome"])["rater"].transform("size")
    place = [labels["trial"], labels["role"]]
    most = votes == votes.groupby(place).transform("max")
    return most & (labels["outcome"].where(most).groupby(place).transform("nunique") == 1)


def tied_trials(labels: pd.DataFrame) -> int:
    """Number of trials without an outcome that most raters, or most adjudicators, gave.

    Parameters
    ----------
    labels : DataFrame
        Labels of `rater_labels`.
    """
    return int(labels["trial"].nunique() - labels.loc[_leading_labels(labels), "trial"].nunique()) if len(labels) else 0


def rater_disagreements(store: Store, view: str) -> pd.DataFrame:
    """Trials on which raters' facts, or adjudicators', lead to different outcomes, for an adjudicator to read.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view.

    Returns
    -------
    pandas.DataFrame
        Columns trial, arm, outcomes (text, "rater: outcome" joined by "; "), adjudicated (bool): whether an outcome
        has most adjudicators.
    """
    labels = rater_labels(store, view)
    final = labels["role"] == str(RaterRole.ADJUDICATOR)
    apart = _outcomes_differ(labels)
    disputed, settled = _disputed_and_settled(labels)
    raters = labels[(~final | apart) & labels["trial"].isin(disputed)].sort_values(["trial", "rater", "outcome"])
    said = raters.assign(outcomes=(raters["rater"] + ": " + raters["outcome"]).astype(object))
    grouped = said.groupby("trial").agg({"arm": "first", "outcomes": "; ".join}).reset_index()
    return grouped.assign(adjudicated=grouped["trial"].isin(settled))


def count_disagreements(labels: pd.DataFrame) -> tuple[int, int]:
    """Number of trials of `rater_disagreements`, and of those among them that are adjudicated.

    Parameters
    ----------
    labels : pandas.DataFrame
        Labels of `rater_labels`.
    """
    disputed, settled = _disputed_and_settled(labels)
    return len(disputed), len(disputed & settled)


def _outcomes_differ(labels: pd.DataFrame) -> pd.Series[bool]:
    return labels.groupby(["trial", "role"])["outcome"].transform("nunique") > 1


def _disputed_and_settled(labels: pd.DataFrame) -> tuple[set[str], set[str]]:
    """Trials on which raters' outcomes differ, or adjudicators', and those with one that most adjudicators gave."""
    final = labels["role"] == str(RaterRole.ADJUDICATOR)
    settled = labels.loc[final & _leading_labels(labels), "trial"] if final.any() else labels.loc[final, "trial"]
    return set(labels.loc[_outcomes_differ(labels), "trial"]), set(settled)
