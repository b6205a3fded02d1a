"""Consistency of repeated verdicts: how often a judge says the same when it is asked about a trial again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Executable, String, and_, func, select, type_coerce

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import is_readable
from gnomon.calibration.observations.verdict_codes import VerdictCode
from gnomon.calibration.observations.verdict_table import check_flags, distinct_verdicts
from gnomon.calibration.results.error_rates import RepeatConsistency
from gnomon.data.facts import further_names
from gnomon.data.records import NONE, VerdictState
from gnomon.data.results import Estimate
from gnomon.data.storage.columns.column_batches import fetch_columns
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

TEXTS = ("judge", "trial", "arm", "target", "concept")


def repeat_consistency(store: Store, versions: Sequence[str]) -> dict[str, RepeatConsistency | None]:
    """How often judge versions gave the same answer when asked repeatedly about a trial.

    Estimand: the share of trials, among those on which a version gave two or more verdicts with all facts, where all of
    these lead to one outcome, and to one answer about the event. Wilson's intervals; trials are taken as independent.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    versions : sequence of str
        Judge versions.

    Returns
    -------
    dict of str to RepeatConsistency or None
        By version; None if no trial was judged repeatedly.
    """
    rows = _repeated_rows(store, versions)
    answers = rows.groupby(["judge", "trial"], sort=False)[["outcome", "event"]].nunique()
    samples = rows.groupby("judge").size()
    same = (answers == 1).groupby(level="judge").sum()
    number = answers.groupby(level="judge").size()
    return {
        version: None
        if version not in number.index
        else RepeatConsistency(
            trials=int(number[version]),
            samples=int(samples[version]),
            same_outcome=_share_of(int(str(same.loc[version, "outcome"])), int(number[version])),
            same_event=_share_of(int(str(same.loc[version, "event"])), int(number[version])),
        )
        for version in versions
    }


def _share_of(n: int, of: int) -> Estimate:
    return Estimate.from_interval(wilson_interval(n, of))


def _repeated_rows(store: Store, versions: Sequence[str]) -> pd.DataFrame:
    """The verdicts on trials that a version gave several complete ones on: judge, trial, outcome and event."""
    code, asked = VerdictCode(further_names()), is_readable(store)
    with store.read_transaction() as connection:
        batches = list(fetch_columns(connection, _repeated_query(versions, code, asked)))
    columns: list[list[Any]] = [
        [value for batch in batches for value in batch[place]] for place in range(len(TEXTS) + 1)
    ]
    judge, trial, arm, target, concept = columns[: len(TEXTS)]
    known: dict[object, int] = {None: -1, NONE: 0}
    named, injected = (np.array([known.setdefault(name, len(known)) for name in each]) for each in (concept, target))
    codes = code.with_concepts(np.array(columns[-1], dtype=np.int64), named, injected, known[NONE])
    for version in versions:
        check_flags(store, version, codes[np.array(judge, dtype=object) == version])
    cells: dict[tuple[object, object], int] = {}
    cell = np.array([cells.setdefault(pair, len(cells)) for pair in zip(arm, target, strict=True)], dtype=np.int32)
    about = pd.DataFrame(list(cells), columns=["arm", "target"], dtype=object)
    kinds, kind = distinct_verdicts(about, cell, codes[:, None], code, load_settings(store).rule)
    rows = pd.DataFrame({"judge": judge, "trial": trial, "kind": kind[:, 0]})
    rows = rows[rows["kind"] >= 0]
    rows = rows[rows.groupby(["judge", "trial"])["kind"].transform("size") > 1]
    said = kinds[["outcome", "event"]].iloc[rows["kind"]].set_index(rows.index)
    return rows.join(said).dropna(subset=["outcome"])


def _repeated_query(versions: Sequence[str], code: VerdictCode, asked: Sequence[Any]) -> Executable:
    column, trial = verdict_table.c, trial_table.c
    judge = func.coalesce(column.judge, "")  # not the index of judges, which would have every row looked up
    ok = column.state == str(VerdictState.OK)
    again = select(column.trial, column.judge).where(column.sample > 0, ok, judge.in_(versions)).distinct().subquery()
    texts = (column.judge, column.trial, trial.arm, trial.concept, column.concept)
    parts = [type_coerce(each, String).label(name) for each, name in zip(texts, TEXTS, strict=True)]
    heard = and_(column.trial == again.c.trial, column.judge == again.c.judge, ok)
    source = again.join(verdict_table, heard).join(trial_table, trial.id == column.trial)
    return select(*parts, code.encode_flags().label("flags")).select_from(source).where(*asked)
