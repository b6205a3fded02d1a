"""The judge versions of a corrected fit: those asked for, and those that chose which trials were labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from sqlalchemy import select

from gnomon.calibration.labels.selecting_judges import known_versions, selecting_judges
from gnomon.calibration.observations.frames import MOST_FIT_JUDGES, fit_judges, judge_frame
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import LEARNED
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import verdicts
from gnomon.data.study_settings import load_settings


class FittedVoice(NamedTuple):
    """One judge version of a fit: its name there, and whether it is trained on the study's labels."""

    version: str
    name: str
    learns: bool


def fitted_voices(store: Store, judges: Sequence[str] | None, labels: pd.DataFrame) -> tuple[list[FittedVoice], int]:
    """The judges of a fit together with those that chose its labels.

    Judges that nobody named (neither the call nor `[fit] judges`) make room for those that chose labels.

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str or None
        Names of judges; None for those of `frames.fit_judges`.
    labels : pandas.DataFrame
        Labels of the view, with the columns trial, stratum and selection.

    Returns
    -------
    list of FittedVoice
        The judge versions.
    int
        Labelled trials that verdicts chose without a record of the judges.

    Raises
    ------
    InputError
        If there are more than `MOST_FIT_JUDGES` judges, or the study holds no verdict of one that chose labels.
    NotEnoughDataError
        If there are no verdicts.
    """
    if judges is not None and len(judges) > MOST_FIT_JUDGES:
        raise InputError(
            f"{len(judges)} judges in one correction: name at most {MOST_FIT_JUDGES}, the others can be fitted apart"
        )
    chosen = selecting_judges(labels)
    known = fit_judges(store) if judges is None else judge_frame(store, judges)
    if known.empty:
        raise NotEnoughDataError("there are no verdicts yet: run `gnomon judge` first")
    pairs = dict(zip(known["version"].tolist(), known["name"].tolist(), strict=True))
    needed = _selecting_pairs(store, chosen.trials, pairs)
    named = judges is not None or bool(load_settings(store).fit_judges)
    if not named:  # nobody asked for these judges: those that chose labels come first
        keep = [version for version in pairs if version in needed]
        keep += [version for version in pairs if version not in needed]
        room = max(MOST_FIT_JUDGES - sum(version not in pairs for version in needed), 0)
        pairs = {version: name for version, name in pairs.items() if version in keep[:room]}
    every = pairs | {version: name for version, name in needed.items() if version not in pairs}
    if len(every) > MOST_FIT_JUDGES:
        left, name = next((version, name) for version, name in needed.items() if version not in pairs)
        raise InputError(
            f"judge '{name}' ({left[:12]}) chose {_labels_in_words(chosen.trials, store, left)}, so a correction must "
            f"include it, which makes {len(every)} judges: name at most {MOST_FIT_JUDGES - len(every) + len(pairs)} "
            "others under '[fit] judges'"
        )
    column = judge_table.c
    kinds = store.read_frame(select(column.version, column.kind).where(column.version.in_(list(every))))
    learns = {one: kind == LEARNED for one, kind in zip(kinds["version"], kinds["kind"], strict=True)}
    return [FittedVoice(one, name, learns.get(one, False)) for one, name in every.items()], chosen.unrecorded


def _selecting_pairs(store: Store, chose: Mapping[str, int], fitted: Mapping[str, str]) -> dict[str, str]:
    """Version and name in the fit of each judge that chose labels; an older version's name says so."""
    known, spoken = known_versions(store, chose), judge_frame(store)
    column = judge_table.c
    names = dict(store.read_frame(select(column.version, column.name)).itertuples(index=False, name=None))
    out: dict[str, str] = {}
    for one in chose:
        if one not in known or not _has_spoken(store, known[one]):
            raise InputError(
                f"judge '{one}' chose {chose[one]} of the labels, and this study holds no verdict of it: import its "
                "verdicts, because a correction is right only if it includes the judges that chose the labels"
            )
        version = known[one]
        name = names[version]
        if version not in set(spoken["version"]):
            older = f"{name} (older version)"
            number = sum(told.startswith(older[:-1]) for told in out.values())
            name = older if not number else f"{name} (older version {number + 1})"
        out[version] = fitted.get(version, name)
    return out


def _has_spoken(store: Store, version: str) -> bool:
    with store.read_transaction() as connection:
        return connection.execute(select(verdicts.c.id).where(verdicts.c.judge == version).limit(1)).first() is not None


def _labels_in_words(chose: Mapping[str, int], store: Store, version: str) -> str:
    """The number of labels that a judge version chose, in words."""
    known = known_versions(store, chose)
    n = sum(count for one, count in chose.items() if known.get(one) == version)
    return f"{n} {'label' if n == 1 else 'labels'}"
