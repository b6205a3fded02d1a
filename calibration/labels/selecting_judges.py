"""The judges whose verdicts took part in choosing which trials were labelled, in the versions that they had then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import select

from gnomon.calibration.labels.sampling_strata import AUDIT, BY_VERDICT
from gnomon.calibration.observations.frames import fit_judges
from gnomon.data.label_selection import LabelSelection
from gnomon.data.records import LabelKind
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import labels as label_table
from gnomon.data.study_settings import load_settings


@dataclass(frozen=True, slots=True)
class SelectingJudges:
    """What is recorded of the choice of labelled trials.

    Attributes
    ----------
    trials : dict of str to int
        Labelled trials that each judge took part in choosing, by its version (or name, in imported labels), in the
        order of first use.
    unrecorded : int
        Trials that verdicts chose, of judges that were not recorded.
    """

    trials: dict[str, int]
    unrecorded: int


def selecting_judges(labels: pd.DataFrame) -> SelectingJudges:
    """Read the record of the choice from labels with the columns trial, stratum and selection."""
    told = labels.drop_duplicates("trial")
    found: Counter[str] = Counter()
    unrecorded = 0
    for stratum, document in zip(told["stratum"].tolist(), told["selection"].tolist(), strict=True):
        selection = LabelSelection.from_document(document)
        if selection is not None:
            found.update(selection.judges)
        else:
            unrecorded += stratum in (*BY_VERDICT, AUDIT)
    return SelectingJudges(dict(found), unrecorded)


def known_versions(store: Store, names: Iterable[str]) -> dict[str, str]:
    """The newest version of each judge, by its name or, for a version, by itself; unknown ones are absent.

    Parameters
    ----------
    store : Store
        Store of the study.
    names : iterable of str
        Names or versions.
    """
    column = judge_table.c
    rows = store.read_frame(select(column.version, column.name).order_by(column.created_at, column.version))
    whole = rows[~rows["version"].isin(load_settings(store).candidates)]
    newest = dict(zip(whole["name"], whole["version"], strict=True)) | {version: version for version in rows["version"]}
    return {name: str(newest[name]) for name in names if name in newest}


def stratifying_versions(store: Store) -> list[str]:
    """Judge versions by whose verdicts labelled trials are weighted: those that chose labels, and the fit's judges."""
    column = label_table.c
    query = select(column.trial, column.stratum, column.selection).where(column.kind == str(LabelKind.LABEL))
    chose = known_versions(store, selecting_judges(store.read_frame(query)).trials)
    return list(dict.fromkeys([*fit_judges(store)["version"], *chose.values()]))
