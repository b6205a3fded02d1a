"""The trials that a judge was measured on as counts, with one row for each labelled trial; what an audit needs of them.

Everything that an audit asks of unlabelled trials is a number of trials of a kind, so a million trials take no more
than some thousand rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.observations.verdict_table import OUTCOMES, UNHEARD, VerdictTable

TRIALS = "trials"
"""Column of the number of trials that a row stands for."""
JUDGED = ("trial", "subject", "arm", "target", "split", "disputed", "said", "outcome", "event", "passed")
KIND_COLUMNS = ("subject", "arm", "target", "event", "disputed", "said")


@dataclass(frozen=True, slots=True)
class JudgedTrials:
    """One judge version's verdicts on the splits in use.

    Attributes
    ----------
    counts : pandas.DataFrame
        One row for each kind of trial: subject, arm, target, event, disputed, said, and the number of its `trials`.
    labelled : pandas.DataFrame
        One row for each trial with a label: the columns of `JUDGED`.
    """

    counts: pd.DataFrame
    labelled: pd.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """By trial: whether the judges that choose labels differ, and which of them see an event (place in `said`)."""

    disputed: NDArray[np.bool_]
    place: NDArray[np.intp]
    said: NDArray[np.object_]


def trial_counts(judged: pd.DataFrame) -> pd.Series[int]:
    """Number of trials that each row stands for: its count, or 1 where rows are trials."""
    return judged[TRIALS] if TRIALS in judged else pd.Series(1, index=judged.index)


def count_judged(
    table: VerdictTable,
    splits: Sequence[tuple[str, Sequence[str]]],
    stratifying: Sequence[str],
    labelled: Sequence[str],
) -> list[JudgedTrials]:
    """For each judge version the trials that it is measured on.

    Parameters
    ----------
    table : VerdictTable
        Verdicts of these versions and of the stratifying ones.
    splits : sequence of (version, splits)
        The judge versions, each with the splits that it is measured on.
    stratifying : sequence of str
        Versions whose verdicts choose labels (`gnomon.calibration.labels.selecting_judges`).
    labelled : sequence of str
        Ids of trials with a label.

    Returns
    -------
    list of JudgedTrials
        One for each version, in their order.
    """
    choice = _selection(table, stratifying)
    places = table.places_of(labelled)
    found = []
    for version, own in splits:
        kind = np.where(table.is_split(own), table.counted_kinds(version), UNHEARD)
        found.append(JudgedTrials(_kind_counts(table, kind, choice), _labelled_rows(table, kind, choice, places)))
    return found


def judged_rows(
    table: VerdictTable, splits: Sequence[tuple[str, Sequence[str]]], stratifying: Sequence[str]
) -> list[pd.DataFrame]:
    """For each judge version the trials that it is measured on, one row each, in the order of its verdicts.

    Parameters
    ----------
    table : VerdictTable
        Verdicts of these versions and of the stratifying ones, with their order.
    splits : sequence of (version, splits)
        The judge versions, each with the splits that it is measured on.
    stratifying : sequence of str
        Versions whose verdicts choose labels (`gnomon.calibration.labels.selecting_judges`).

    Returns
    -------
    list of pandas.DataFrame
        The columns of `JUDGED`.
    """
    choice = _selection(table, stratifying)
    kinds = table.kinds.astype(dict.fromkeys(("subject", "arm", "target", "split"), "str"))
    found = []
    for version, own in splits:
        kind = np.where(table.is_split(own), table.counted_kinds(version), UNHEARD)
        here = np.flatnonzero(kind >= 0)
        here = here[np.argsort(table.order[here, table.place_of(version)], kind="stable")]
        rows = kinds.iloc[kind[here]].reset_index(drop=True)
        found.append(_with_choice(rows, table, choice, here))
    return found


def _selection(table: VerdictTable, stratifying: Sequence[str]) -> _Selection:
    n = len(table.trials)
    codes = {name: number for number, name in enumerate(OUTCOMES)}
    letter = np.append(table.kinds["outcome"].map(codes).fillna(-1).to_numpy(dtype=np.int16), -1)
    event = np.append(table.kinds["event"].fillna(False).to_numpy(dtype=bool), False)
    low, high = np.full(n, len(codes), dtype=np.int16), np.full(n, -1, dtype=np.int16)
    names, seen = sorted(set(stratifying)), np.zeros(n, dtype=np.int64)
    distinct, place = np.array([""], dtype=object), np.zeros(n, dtype=np.intp)
    for version in names:
        kind = table.counted_kinds(version)
        read = letter[kind]
        low, high = np.where(read >= 0, np.minimum(low, read), low), np.maximum(high, read)
        seen = place * 2 + event[kind]
        place, keys = _compact(seen)
        distinct = np.array(
            [f"{distinct[key // 2]} {version}".strip() if key % 2 else distinct[key // 2] for key in keys], dtype=object
        )
    return _Selection(low < high, place, distinct)


def _compact(keys: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[int]]:
    place, distinct = pd.factorize(keys)
    return place, np.asarray(distinct).tolist()


def _kind_counts(table: VerdictTable, kind: NDArray[np.int32], choice: _Selection) -> pd.DataFrame:
    heard = kind >= 0
    width = 2 * len(choice.said)
    keys = kind[heard].astype(np.int64) * width + choice.place[heard] * 2 + choice.disputed[heard]
    place, distinct = pd.factorize(keys, sort=True)
    where, rest = np.divmod(np.asarray(distinct, dtype=np.int64), width)
    about = table.kinds.iloc[where].reset_index(drop=True)
    rows = pd.DataFrame(
        {
            "subject": about["subject"],
            "arm": about["arm"],
            "target": about["target"],
            "event": about["event"].astype(bool),
            "disputed": (rest % 2).astype(bool),
            "said": choice.said[rest // 2],
            TRIALS: np.bincount(place, minlength=len(distinct)),
        }
    )
    return rows.groupby(list(KIND_COLUMNS), dropna=False, sort=True)[TRIALS].sum().reset_index()


def _labelled_rows(
    table: VerdictTable, kind: NDArray[np.int32], choice: _Selection, places: NDArray[np.intp]
) -> pd.DataFrame:
    here = places[kind[places] >= 0]
    about = table.kinds.iloc[kind[here]].reset_index(drop=True)
    return _with_choice(about, table, choice, here)


def _with_choice(about: pd.DataFrame, table: VerdictTable, choice: _Selection, here: NDArray[np.intp]) -> pd.DataFrame:
    """Kinds of the verdicts on some trials with the trials and what chose labels, in the columns of `JUDGED`."""
    rows = about.assign(
        trial=table.trials.iloc[here].to_numpy(),
        disputed=choice.disputed[here],
        said=choice.said[choice.place[here]],
        event=about["event"].astype(bool),
        passed=about["is_pass"].astype(bool),
    )
    return rows[list(JUDGED)]
