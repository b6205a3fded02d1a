"""Frames of trials and verdicts for calibration, outcomes derived from facts; knows nothing of labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, Table, exists, false, select

from gnomon.data.errors import UnknownNameError
from gnomon.data.facts import CORE_FACTS, PASSED, further_names
from gnomon.data.outcomes import is_event, is_pass, rule_named
from gnomon.data.records import IMPORTED, Arm, Facts, FurtherFacts, Split, VerdictState
from gnomon.data.storage.design_scope import report_conditions
from gnomon.data.storage.fact_columns import further_columns
from gnomon.data.storage.store import Store, split_chunks
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

MEASURING = (Split.DEV, Split.TEST)
MOST_FIT_JUDGES = 4
"""Greatest number of judges in one joint model: the number of verdict patterns grows exponentially with it."""


def judge_splits(kind: str, asked: Sequence[str] | None = None) -> tuple[str, ...]:
    """Splits that a kind of judge is measured on: those requested, by default dev and test.

    An imported judge was trained elsewhere, where our train split has no meaning: it is measured on all splits.

    Parameters
    ----------
    kind : str
        Kind of the judge.
    asked : sequence of str, optional
        Splits to measure on instead.
    """
    usual = Split if kind == IMPORTED else MEASURING
    return tuple(str(split) for split in (usual if asked is None else asked))


def is_readable(store: Store) -> tuple[ColumnElement[bool], ...]:
    """What makes a trial one that judges read, that gave an answer and that belongs to the design, as conditions."""
    return trial_table.c.error.is_(None), *report_conditions(store)


def trial_frame(store: Store) -> pd.DataFrame:
    """Answered trials of judged arms.

    Columns: trial, subject, arm, target (the injected concept), strength, layer, split.
    """
    column = trial_table.c
    query = select(
        column.id.label("trial"),
        column.subject,
        column.arm,
        column.concept.label("target"),
        column.strength,
        column.layer,
        column.split,
    )
    return store.read_frame(query.where(*is_readable(store)).order_by(column.id))


def readable_trials(store: Store) -> list[str]:
    """Ids of the trials of `trial_frame`, in order."""
    query = select(trial_table.c.id).where(*is_readable(store)).order_by(trial_table.c.id)
    with store.read_transaction() as connection:
        return list(connection.execute(query).scalars())


def study_arms(store: Store, *, judged: bool = False) -> list[str]:
    """Arms of the trials of `trial_frame`, in the order of `Arm`.

    Parameters
    ----------
    store : Store
        Store of the study.
    judged : bool, default False
        Only arms with a verdict.
    """
    query = select(trial_table.c.arm).distinct().where(*is_readable(store))
    if judged:
        query = query.where(exists().where(verdict_table.c.trial == trial_table.c.id))
    return arms_in(store.read_frame(query))


def judge_frame(store: Store, judges: Sequence[str] | None = None) -> pd.DataFrame:
    """Judge versions: version, name, kind, in the study's order of judges, then by name.

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str, optional
        Names or versions. A name, and the default of all judges, means its newest version with verdicts; a version
        that was asked about labelled trials only, for a comparison, is meant by itself alone.

    Raises
    ------
    UnknownNameError
        If the store holds no verdict of a judge in `judges`.
    """
    column = judge_table.c
    spoken = exists().where(verdict_table.c.judge == column.version)
    query = select(column.version, column.name, column.kind).where(spoken)
    known = store.read_frame(query.order_by(column.created_at.desc(), column.version))
    settings = load_settings(store)
    newest = known[~known["version"].isin(settings.candidates)].drop_duplicates("name")
    if judges is None:
        order = {name: place for place, name in enumerate(settings.judges)}
        places = [(order.get(name, len(order)), name) for name in newest["name"]]
        ranked = newest.assign(place=pd.Series(places, index=newest.index, dtype=object))
        return ranked.sort_values("place").drop(columns="place").reset_index(drop=True)
    picked = [_select_version(known, newest, wanted) for wanted in judges]
    return pd.concat(picked, ignore_index=True) if picked else newest.iloc[:0].reset_index(drop=True)


def fit_judges(store: Store) -> pd.DataFrame:
    """The judges that a corrected fit of the study uses, in the columns of `judge_frame`.

    Those of `[fit] judges` if the study names any, otherwise the first `MOST_FIT_JUDGES` that it lists, or that have
    verdicts if it lists none. Disputes are defined over the same judges, because the fit is right for labels chosen by
    verdicts only if it includes the verdicts that chose.
    """
    settings, known = load_settings(store), judge_frame(store)
    for names in (settings.fit_judges, settings.judges):
        listed = known[known["name"].isin(names)]
        if len(listed):
            return listed.head(MOST_FIT_JUDGES).reset_index(drop=True)
    return known.head(MOST_FIT_JUDGES)


def _select_version(known: pd.DataFrame, newest: pd.DataFrame, wanted: str) -> pd.DataFrame:
    for row in (newest[newest["name"] == wanted], known[known["version"] == wanted]):
        if len(row):
            return row
    if (known["name"] == wanted).any():
        raise UnknownNameError(
            f"judge '{wanted}' has read labelled trials only, for a comparison: run 'gnomon judge DIR --judge {wanted}'"
        )
    there = ", ".join(sorted(newest["name"])) or "none"
    raise UnknownNameError(f"judge '{wanted}': no verdict of it is stored: judges with verdicts: {there}")


def verdict_frame(store: Store, versions: Sequence[str], trials: Sequence[str] | None = None) -> pd.DataFrame:
    """First sample of each verdict of these judge versions.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    trials : sequence of str, optional
        Ids of the trials wanted; by default all.

    Returns
    -------
    pandas.DataFrame
        Columns trial, judge (version), state and the facts.
    """
    column = verdict_table.c
    facts = fact_columns(verdict_table)
    query = select(column.trial, column.judge, column.state, *facts).order_by(column.id)
    return frame_of(store, query.where(column.sample == 0, column.judge.in_(list(versions))), trials)


def frame_of(store: Store, query: Select[Any], trials: Sequence[str] | None) -> pd.DataFrame:
    """Rows of a query on verdicts, fetched in portions if trials are given.

    Parameters
    ----------
    store : Store
        Store of the study.
    query : Select
        Query on the verdicts table.
    trials : sequence of str or None
        Ids of the trials wanted; None for all.
    """
    if trials is None:
        return store.read_frame(query)
    parts = [store.read_frame(query.where(verdict_table.c.trial.in_(part))) for part in split_chunks(list(trials))]
    return pd.concat(parts, ignore_index=True) if parts else store.read_frame(query.where(false()))


def complete_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts that count: state ok, with all facts."""
    return verdicts[verdicts["state"] == str(VerdictState.OK)].dropna(subset=list(CORE_FACTS))


def verdicts_with_outcomes(store: Store, versions: Sequence[str], trials: pd.DataFrame | None = None) -> pd.DataFrame:
    """Counted verdicts joined with their trials, with outcome, event and pass by the study's rule.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    trials : pandas.DataFrame, optional
        Rows of `trial_frame` for the trials wanted; by default all.
    """
    heard = complete_verdicts(verdict_frame(store, versions, None if trials is None else list(trials["trial"])))
    joined = heard.merge(trial_frame(store) if trials is None else trials, on="trial")
    return with_outcomes(joined, load_settings(store).rule)


def with_outcomes(frame: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The frame with columns outcome, event and passed, derived from facts, arm and target.

    `passed` is the answer to the study's own question if it was asked, otherwise it is derived. Rows that do not report
    a further fact that the rule reads are left out.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows with the facts, arm and target; further facts in columns of their names.
    rule : str
        Name of the outcome rule (`gnomon.data.outcomes.RULES`).

    Raises
    ------
    UnknownNameError
        If the rule is not known.
    """
    decide = rule_named(rule)
    frame = frame.dropna(subset=list(decide.reads))
    place, first = _distinct_rows(frame, ("arm", "target", *CORE_FACTS, *decide.reads))
    kinds = frame.iloc[first]  # a study has some hundred kinds of rows, however many rows
    arms = [Arm(arm) for arm in kinds["arm"].tolist()]
    targets = [target if isinstance(target, str) else None for target in kinds["target"].tolist()]
    facts = facts_of_rows(kinds, decide.reads)
    outcomes = [decide(*each) for each in zip(facts, arms, targets, strict=True)]
    pairs = list(zip(outcomes, arms, strict=True))
    derived = pd.Series(np.array([is_pass(*pair) for pair in pairs], dtype=bool)[place], index=frame.index)
    given = frame.get(PASSED, pd.Series(None, index=frame.index, dtype=object)).astype(object)
    words = np.array([str(outcome) for outcome in outcomes], dtype=object)
    return frame.assign(
        outcome=pd.Series(words[place], index=frame.index, dtype=object),
        event=pd.Series(np.array([is_event(*pair) for pair in pairs], dtype=bool)[place], index=frame.index),
        passed=given.where(given.notna(), derived).astype(bool),
    )


def _distinct_rows(frame: pd.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each row the number of its kind, as some columns tell kinds apart, and the first row of each kind."""
    key = np.zeros(len(frame), dtype=np.intp)
    for name in names:
        code, values = pd.factorize(frame[name])
        key, _ = pd.factorize(key * (len(values) + 1) + code + 1)
    return key, np.flatnonzero(~pd.Series(key).duplicated().to_numpy())


def facts_of_rows(frame: pd.DataFrame, reads: Sequence[str] = ()) -> list[Facts]:
    """The facts of each row, further ones as far as they are read.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows with the first four facts and those that are read, none of them missing.
    reads : sequence of str
        Names of further facts.
    """

    return list(map(partial(_build_facts, tuple(reads)), *_fact_lists(frame, reads)))


@cache
def _build_facts(
    reads: tuple[str, ...], claims: bool, concept: str, coherent: bool, refused: bool, *further: bool
) -> Facts:
    return Facts(claims, concept, coherent, refused, further=FurtherFacts(dict(zip(reads, further, strict=True))))


def _fact_lists(frame: pd.DataFrame, reads: Sequence[str]) -> list[list[Any]]:
    """The values of each fact."""
    names = (*CORE_FACTS, *reads)
    return [(frame[name] if name == "concept" else frame[name].astype(bool)).tolist() for name in names]


def fact_columns(table: Table) -> list[ColumnElement[Any]]:
    """Columns of the first four facts, of pass or fail, and of every registered further fact, by their names."""
    return [*(table.c[name] for name in (*CORE_FACTS, PASSED)), *further_columns(table, further_names())]


def arms_in(rows: pd.DataFrame) -> list[str]:
    """The arms that occur in a frame, in the order of `Arm`."""
    there = set(rows["arm"])
    return [str(arm) for arm in Arm if arm in there]
