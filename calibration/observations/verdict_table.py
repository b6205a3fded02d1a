"""Every judged trial with the verdicts of several judge versions as arrays: what an audit counts, read once.

A trial takes about 60 bytes and 16 for each judge version, whatever its answer and the judges' words are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, String, and_, case, select, type_coerce

from gnomon.calibration.observations.frames import is_readable, verdict_frame, with_outcomes
from gnomon.calibration.observations.verdict_codes import WRONG, VerdictCode
from gnomon.data.errors import StoreError
from gnomon.data.facts import further_names
from gnomon.data.outcomes import Outcome
from gnomon.data.records import VerdictState
from gnomon.data.storage.columns.column_values import WrongValueError, rule_of
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

PORTION = 25_000
MOST_VOICES = 40
"""Judge versions that one query reads: a query joins a table for each, and SQLite joins 64 at most."""
UNHEARD = -1
NO_TIME = np.iinfo(np.int64).min
OUTCOMES = tuple(map(str, Outcome))
AXES = {"subject": "subject", "arm": "arm", "target": "concept", "split": "split"}
"""Columns of a table's cells, and of the trials in the database."""
DERIVED = {"outcome": "outcome", "event": "event", "passed": "is_pass"}
"""Columns of `frames.with_outcomes`, and their names among the kinds, where `passed` is the judge's own answer."""

Places = NDArray[np.int32]
Moments = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class VerdictTable:
    """The trials of a study that judges read, in the order of their ids, with the first verdict of each version.

    Attributes
    ----------
    trials : pandas.Series of str, length n
        Ids.
    cells : pandas.DataFrame
        The distinct combinations of subject, arm, target (the injected concept) and split.
    cell : array (n,) of int
        Row of `cells` of each trial.
    versions : tuple of str
        The V judge versions.
    kinds : pandas.DataFrame
        The distinct verdicts: row of `cells` (`cell`), its columns, the facts as given, and outcome, event and
        is_pass by the study's rule, which are missing where the verdict does not report what the rule reads.
    kind : array (n, V) of int
        Row of `kinds`, or `UNHEARD` without a verdict that counts.
    at : array (n, V) of int
        Time of the first call, whatever came of it, in microseconds since 1970; `NO_TIME` if none is known.
    """

    trials: pd.Series[str]
    cells: pd.DataFrame
    cell: Places
    versions: tuple[str, ...]
    kinds: pd.DataFrame
    kind: Places
    at: Moments

    def place_of(self, version: str) -> int:
        """Column of a judge version."""
        return self.versions.index(version)

    def is_split(self, splits: Sequence[str]) -> Mask:
        """Which trials are of these splits."""
        inside: Mask = self.cells["split"].isin(splits).to_numpy()[self.cell]
        return inside

    def counted_kinds(self, version: str) -> Places:
        """Row of `kinds` of each trial's verdict by a version; `UNHEARD` where it has no outcome."""
        kind = self.kind[:, self.place_of(version)]
        has_outcome = np.append(self.kinds["outcome"].notna().to_numpy(), False)
        return np.where(has_outcome[kind], kind, UNHEARD).astype(np.int32)

    def places_of(self, trials: Sequence[str]) -> NDArray[np.intp]:
        """Rows of the trials among these ids, in order."""
        return np.flatnonzero(self.trials.isin(set(trials)).to_numpy())


def read_verdict_table(store: Store, versions: Sequence[str]) -> VerdictTable:
    """Read the trials of `frames.trial_frame` with the first verdict of judge versions.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.

    Raises
    ------
    StoreError
        If the database holds a value that cannot be.
    """
    names = tuple(dict.fromkeys(versions))
    code = VerdictCode(further_names())
    parts = [names[first : first + MOST_VOICES] for first in range(0, len(names), MOST_VOICES)] or [()]
    queries = [_table_query(store, part, code) for part in parts]  # they read the design in a transaction of their own
    with store.read_transaction() as connection:
        read = [_read_part(connection, query, len(part)) for query, part in zip(queries, parts, strict=True)]
    first = read[0]
    codes = np.concatenate([part.codes for part in read], axis=1)
    _check_cells(first.cells)
    _check_codes(store, names, codes)
    kinds, kind = _distinct_verdicts(first.cells, first.cell, codes, code, load_settings(store).rule)
    return VerdictTable(
        first.trials, first.cells, first.cell, names, kinds, kind, np.concatenate([part.at for part in read], axis=1)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Trials in the order of their ids, with codes and times of some versions."""

    trials: pd.Series[str]
    cells: pd.DataFrame
    cell: Places
    codes: Places
    at: Moments


def _table_query(store: Store, versions: Sequence[str], code: VerdictCode) -> Any:
    """Trials with the code of each version's verdict and the time of its call."""
    source: Any = trial_table
    said, times = [], []
    for place, version in enumerate(versions):
        voice = verdict_table.alias(f"v{place}")
        first = and_(voice.c.trial == trial_table.c.id, voice.c.judge == version, voice.c.sample == 0)
        source = source.outerjoin(voice, first)
        said.append(_if_ok(voice, code).label(f"code{place}"))
        times.append(type_coerce(voice.c.created_at, String).label(f"at{place}"))
    axes = [type_coerce(trial_table.c[name], String).label(f"axis_{name}") for name in ("id", *AXES.values())]
    return select(*axes, *said, *times).select_from(source).where(*is_readable(store))


def _if_ok(voice: Any, code: VerdictCode) -> Any:
    return case((voice.c.state == str(VerdictState.OK), code.encode(voice)), else_=0)


def _read_part(connection: Connection, query: Any, voices: int) -> _Read:
    cells: dict[tuple[object, ...], int] = {}
    ids, places, codes, times = [], [], [], []
    for columns in _fetch_columns(connection, query):
        ids.append(pd.Series(columns[0], dtype="str"))
        axes = zip(*columns[1 : 1 + len(AXES)], strict=True)
        places.append(np.array([cells.setdefault(axis, len(cells)) for axis in axes], dtype=np.int32))
        said, when = columns[1 + len(AXES) :][:voices], columns[1 + len(AXES) + voices :]
        codes.append(np.array(said, dtype=np.int32).reshape(voices, len(columns[0])).T)
        times.append(
            np.array([_microseconds(part) for part in when], dtype=np.int64).reshape(voices, len(columns[0])).T
        )
    trials = pd.concat(ids, ignore_index=True) if ids else pd.Series([], dtype="str")
    ids.clear()
    order = np.asarray(trials.argsort(), dtype=np.intp)
    empty = np.zeros((0, voices))
    return _Read(
        trials.take(order).reset_index(drop=True),
        pd.DataFrame(list(cells), columns=list(AXES), dtype=object),
        _joined_in_order(places, order, np.zeros(0)).astype(np.int32),
        _joined_in_order(codes, order, empty).astype(np.int32),
        _joined_in_order(times, order, empty).astype(np.int64),
    )


def _joined_in_order(parts: list[NDArray[Any]], order: NDArray[np.intp], empty: NDArray[Any]) -> NDArray[Any]:
    """Parts as one array, reordered; the parts are given free."""
    whole = np.concatenate(parts) if parts else empty
    parts.clear()
    return whole[order]


def _fetch_columns(connection: Connection, query: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of a query in portions, as columns."""
    for rows in connection.execution_options(yield_per=PORTION).execute(query).partitions():
        yield list(zip(*rows, strict=True))


def _microseconds(stamps: Sequence[str | None]) -> Moments:
    """ISO 8601 time stamps as microseconds since 1970; `NO_TIME` where one is missing or invalid."""
    times = pd.to_datetime(pd.Series(list(stamps), dtype=object), utc=True, format="ISO8601", errors="coerce")
    return times.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)


def _check_cells(cells: pd.DataFrame) -> None:
    """The rules of the columns, for each distinct value: SQLite keeps whatever it is given."""
    for name, column in AXES.items():
        rule = rule_of(trial_table.c[column])
        for value in cells[name].drop_duplicates():
            if value is not None and not rule.is_met(value):
                raise WrongValueError(trial_table.name, column, rule.describe_problem(value))


def _check_codes(store: Store, versions: Sequence[str], codes: Places) -> None:
    for place, version in enumerate(versions):
        if len(codes) and codes[:, place].max() >= WRONG:
            verdict_frame(store, [version])  # names the row
            raise StoreError(f"verdicts of {version}: a flag is neither true nor false: 'gnomon doctor' says where")


def _distinct_verdicts(
    cells: pd.DataFrame, cell: Places, codes: Places, code: VerdictCode, rule: str
) -> tuple[pd.DataFrame, Places]:
    """The distinct verdicts with their outcomes, and which of them each verdict is."""
    width = 1 + int(codes.max(initial=0))
    keys = np.where(codes > 0, cell[:, None].astype(np.int64) * width + codes, -1)
    place, distinct = pd.factorize(keys.ravel())
    heard = distinct >= 0
    number = np.where(heard, np.cumsum(heard) - 1, UNHEARD).astype(np.int32)
    kind = number[place].reshape(codes.shape) if len(distinct) else np.full(codes.shape, UNHEARD, dtype=np.int32)
    where, what = np.divmod(np.asarray(distinct)[heard], width)
    about = cells.iloc[where].reset_index(drop=True)
    said = code.decode(what.astype(np.int32), cast("pd.Series[str]", about["target"]))
    kinds = pd.concat([pd.DataFrame({"cell": where}), about, said], axis=1)
    ruled = with_outcomes(kinds, rule)
    columns = {DERIVED[name]: ruled[name].reindex(kinds.index).astype(object) for name in DERIVED}
    return kinds.assign(**columns), kind
