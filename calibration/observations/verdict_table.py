"""Every judged trial with the verdicts of several judge versions as arrays: what an audit counts, read once.

A trial takes about 60 bytes and 16 for each judge version, whatever its answer and the judges' words are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Executable, String, case, func, select, type_coerce

from gnomon.calibration.observations.frames import fact_columns, is_readable, with_outcomes
from gnomon.calibration.observations.trial_places import TrialIds, TrialPlaces
from gnomon.calibration.observations.verdict_codes import WRONG, VerdictCode
from gnomon.data.errors import StoreError
from gnomon.data.facts import further_names
from gnomon.data.outcomes import Outcome
from gnomon.data.records import NONE, VerdictState
from gnomon.data.storage.columns.column_batches import equal_width_bytes, fetch_columns
from gnomon.data.storage.columns.column_values import WrongValueError, rule_of
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

PORTION = 250
"""Batches of verdicts that are put into their places at once: half a million rows."""
UNHEARD = -1
UTC = b"+00:00"
"""End of the time stamps that a store writes."""
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
    order : array (n, V) of int
        Number of the verdict's row in the database, 0 without one; no columns unless they were asked for.
    """

    trials: pd.Series[str]
    cells: pd.DataFrame
    cell: Places
    versions: tuple[str, ...]
    kinds: pd.DataFrame
    kind: Places
    at: Moments
    order: NDArray[np.int64]

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


def read_verdict_table(store: Store, versions: Sequence[str], *, with_order: bool = False) -> VerdictTable:
    """Read the trials of `frames.trial_frame` with the first verdict of judge versions.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    with_order : bool, default False
        Also the numbers of the verdicts' rows.

    Raises
    ------
    StoreError
        If the database holds a value that cannot be.
    """
    names, code = tuple(dict.fromkeys(versions)), VerdictCode(further_names())
    asked = is_readable(store)  # it reads the design in a transaction of its own
    with store.read_transaction() as connection:
        ids, cells, cell = _read_trials(connection, asked)
        heard = _Heard.of_trials(ids, cells["target"].tolist(), cell, names, code)
        query = _verdict_query(names, code, with_order=with_order)
        for columns in fetch_columns(connection, query) if names else ():
            heard.add_rows(columns)
    heard.place_rows()
    _check_cells(cells)
    for place, version in enumerate(names):
        check_flags(store, version, heard.codes[:, place])
    kinds, kind = distinct_verdicts(cells, cell, heard.codes, code, load_settings(store).rule)
    order = heard.order if with_order else heard.order[:, :0]
    return VerdictTable(ids.series(), cells, cell, names, kinds, kind, heard.at, order)


def _read_trials(connection: Connection, asked: Sequence[ColumnElement[bool]]) -> tuple[TrialIds, pd.DataFrame, Places]:
    """Ids of the trials in order, the cells in the order in which they were found, and the cell of each trial."""
    axes = [type_coerce(trial_table.c[name], String).label(f"axis_{name}") for name in ("id", *AXES.values())]
    cells: dict[tuple[object, ...], int] = {}
    ids: list[TrialIds] = []
    places = []
    for columns in fetch_columns(connection, select(*axes).where(*asked)):
        ids.append(TrialIds(columns[0]))
        found = [cells.setdefault(axis, len(cells)) for axis in zip(*columns[1:], strict=True)]
        places.append(np.array(found, dtype=np.int32))
    found_ids = TrialIds.joined(ids)
    ids.clear()
    order = found_ids.sorted_order()
    cell = np.concatenate(places)[order] if places else np.zeros(0, dtype=np.int32)
    return found_ids.take(order), pd.DataFrame(list(cells), columns=list(AXES), dtype=object), cell


def _verdict_query(versions: Sequence[str], code: VerdictCode, *, with_order: bool) -> Executable:
    """The first verdicts of some versions with the number of their flags, in the order in which they are stored.

    The table is read from one end to the other, which takes a third of the time of looking verdicts up by trial.
    """
    column = verdict_table.c
    said = case((column.state == str(VerdictState.OK), code.encode_flags()), else_=0)
    parts = [type_coerce(column[name], String).label(name) for name in ("trial", "judge", "concept", "created_at")]
    judge = func.coalesce(column.judge, "")  # not the index of judges, which would have every row looked up
    number = (column.id,) if with_order else ()
    return select(*parts, said.label("flags"), *number).where(column.sample == 0, judge.in_(versions))


@dataclass(slots=True, eq=False)
class _Heard:
    """Verdicts on their way into arrays with a row for each trial and a column for each version.

    Attributes
    ----------
    trials : TrialPlaces
        Places of the n trials.
    targets : array (n,) of int
        Number of the concept that was injected into each.
    versions : dict of str to int
        Column of each judge version.
    code : VerdictCode
        How facts become a number.
    codes : array (n, V) of int
        Numbers of the verdicts; 0 where there is none that counts.
    at : array (n, V) of int
        Times of the calls in microseconds since 1970; `NO_TIME` where none is known.
    order : array (n, V) of int
        Numbers of the verdicts' rows, where they are read.
    concepts : dict of str or None to int
        Number of each concept that was named or injected.
    waiting : list of tuple of arrays
        Rows that are not placed yet: trial, version, concept, time, flags, and the row's number if it is read.
    """

    trials: TrialPlaces
    targets: NDArray[np.int64]
    versions: dict[str, int]
    code: VerdictCode
    codes: NDArray[np.int64]
    at: Moments
    order: NDArray[np.int64]
    concepts: dict[object, int]
    waiting: list[tuple[Any, ...]]

    @classmethod
    def of_trials(
        cls,
        trials: TrialIds,
        targets: Sequence[str | None],
        cell: Places,
        versions: Sequence[str],
        code: VerdictCode,
    ) -> _Heard:
        """Arrays without a verdict, for trials with the cell of each, and the injected concept of each cell."""
        concepts: dict[object, int] = {None: UNHEARD, NONE: 0}
        injected = [concepts.setdefault(target, len(concepts)) for target in targets]
        shape = len(trials), len(versions)
        return cls(
            trials=TrialPlaces(trials),
            targets=np.array(injected, dtype=np.int64)[cell],
            versions={version: place for place, version in enumerate(versions)},
            code=code,
            codes=np.zeros(shape, dtype=np.int64),
            at=np.full(shape, NO_TIME, dtype=np.int64),
            order=np.zeros(shape, dtype=np.int64),
            concepts=concepts,
            waiting=[],
        )

    def add_rows(self, columns: Sequence[list[Any]]) -> None:
        """Add a batch of the columns of `_verdict_query`."""
        trials, judges, named, times, *numbers = columns
        known = self.concepts
        self.waiting.append(
            (
                TrialIds(trials),
                np.array([self.versions[judge] for judge in judges], dtype=np.int32),
                np.array([known.setdefault(concept, len(known)) for concept in named], dtype=np.int32),
                _microseconds(times),
                *(np.array(each, dtype=np.int64) for each in numbers),
            )
        )
        if len(self.waiting) >= PORTION:
            self.place_rows()

    def place_rows(self) -> None:
        """Put the rows that wait where they belong; those on trials that are not of the table are dropped."""
        if not self.waiting:
            return
        place = self.trials.places_of(TrialIds.joined([rows[0] for rows in self.waiting]))
        judge, concept, at, flags, *order = (np.concatenate(part) for part in list(zip(*self.waiting, strict=True))[1:])
        self.waiting.clear()
        there = np.flatnonzero(place >= 0)
        row, column = place[there], judge[there]
        told = self.code.with_concepts(flags[there], concept[there], self.targets[row], self.concepts[NONE])
        self.codes[row, column] = told
        self.at[row, column] = at[there]
        for numbers in order:
            self.order[row, column] = numbers[there]


def _microseconds(stamps: Sequence[object]) -> Moments:
    """ISO 8601 time stamps as microseconds since 1970; `NO_TIME` where one is missing or invalid."""
    found, width = equal_width_bytes(stamps), len(UTC)
    if found is not None and found.shape[1] > width and (found[:, -width:] == np.frombuffer(UTC, np.uint8)).all():
        plain = np.ascontiguousarray(found[:, :-width])
        with contextlib.suppress(ValueError):  # one of them is no time
            moments = plain.view(f"S{plain.shape[1]}").ravel().astype("datetime64[us]")
            return cast(Moments, moments.astype(np.int64))
    times = pd.to_datetime(pd.Series(list(stamps), dtype=object), utc=True, format="ISO8601", errors="coerce")
    return times.dt.as_unit("us").to_numpy(dtype="datetime64[us]").astype(np.int64)


def _check_cells(cells: pd.DataFrame) -> None:
    """The rules of the columns, for each distinct value: SQLite keeps whatever it is given."""
    for name, column in AXES.items():
        rule = rule_of(trial_table.c[column])
        for value in cells[name].drop_duplicates():
            if value is not None and not rule.is_met(value):
                raise WrongValueError(trial_table.name, column, rule.describe_problem(value))


def check_flags(store: Store, version: str, codes: NDArray[np.int64]) -> None:
    """Check that no verdict of a judge version holds a flag that is neither true nor false.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    codes : array (n,) of int
        Numbers of its verdicts (`VerdictCode`).

    Raises
    ------
    StoreError
        If one does.
    """
    if codes.max(initial=0) >= WRONG:
        store.read_frame(
            select(verdict_table.c.id, *fact_columns(verdict_table)).where(verdict_table.c.judge == version)
        )
        raise StoreError(f"verdicts of {version}: a flag is neither true nor false: 'gnomon doctor' says where")


def distinct_verdicts(
    cells: pd.DataFrame, cell: Places, codes: NDArray[np.int64], code: VerdictCode, rule: str
) -> tuple[pd.DataFrame, Places]:
    """The distinct verdicts with their outcomes, and which of them each verdict is.

    Parameters
    ----------
    cells : pandas.DataFrame
        Distinct kinds of trials: arm, target and what else they have.
    cell : array (n,) of int
        Row of `cells` of each trial.
    codes : array (n, V) of int
        Numbers of the verdicts of V versions; 0 where there is none that counts.
    code : VerdictCode
        How facts become a number.
    rule : str
        Name of the outcome rule.

    Returns
    -------
    (pandas.DataFrame, array (n, V) of int)
        `kinds` and `kind` as in `VerdictTable`.
    """
    width = 1 + int(codes.max(initial=0))
    keys = np.where(codes > 0, cell[:, None].astype(np.int64) * width + codes, -1)
    place, distinct = pd.factorize(keys.ravel())
    heard = distinct >= 0
    number = np.where(heard, np.cumsum(heard) - 1, UNHEARD).astype(np.int32)
    kind = number[place].reshape(codes.shape) if len(distinct) else np.full(codes.shape, UNHEARD, dtype=np.int32)
    where, what = np.divmod(np.asarray(distinct)[heard], width)
    about = cells.iloc[where].reset_index(drop=True)
    said = code.decode(what, cast("pd.Series[str]", about["target"]))
    kinds = pd.concat([pd.DataFrame({"cell": where}), about, said], axis=1)
    ruled = with_outcomes(kinds, rule)
    columns = {DERIVED[name]: ruled[name].reindex(kinds.index).astype(object) for name in DERIVED}
    return kinds.assign(**columns), kind
