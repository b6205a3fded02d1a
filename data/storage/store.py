"""The store: append-only facts in SQLite or PostgreSQL, read and added through one class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import count, islice
from operator import attrgetter
from typing import Any, TypeVar, cast

import pandas as pd
from pydantic import JsonValue
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from gnomon.data.errors import DISTRIBUTION, InputError, StoreError
from gnomon.data.readings import parse_readings, readings_document
from gnomon.data.records import (
    LONGEST_NOTE,
    Arm,
    Condition,
    CountRow,
    JudgeVersion,
    Label,
    LabelPolicy,
    Span,
    Subject,
    Trial,
    Verdict,
    split_of,
    utc_timestamp,
)
from gnomon.data.storage import schema, tables
from gnomon.data.storage.bulk_insert import bulk_insert
from gnomon.data.storage.columns.column_values import WrongValueError
from gnomon.data.storage.engines import WRITE, check_writable, connect_engine, is_read_only, plain_errors, redacted_url
from gnomon.data.storage.fact_columns import facts_row
from gnomon.data.storage.fit_schema import upgrade_result
from gnomon.data.storage.row_keys import KEYS, located_error
from gnomon.data.storage.stored_settings import StoredSettings, wrong_settings

Item = TypeVar("Item")
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
CHUNK = 500
LONGEST_LEASE = 1800.0
"""Seconds that a lease lasts at most. One that ends later was written by a clock that was ahead, and does not hold."""
DRAWS_SAMPLED_AGAIN = "draws_sampled_again"
"""Kind of event: the draws of a stored fit were lost and sampled again; the detail has the new file's SHA-256."""
FIT_ASKED_AGAIN = "fit_asked_again"
"""Kind of event: a stored fit was asked for while another one of its view was the newest, or it was out of date."""
SETTINGS_CHANGED = "settings_changed"
"""Kind of event: settings that decide what counts have changed; the detail `changed` names them."""
IMPORTED = "import"
"""Kind of event: facts were imported; the detail `new` counts them by table."""
COUNTING_SETTINGS = (
    "rule",
    "label_view",
    "truth",
    "rater_kinds",
    "admitted_raters",
    "fit_judges",
    "scope",
    "fit_graded",
)
"""Settings that decide which trials, verdicts and labels count, and how; of the judges, the first."""
CONDITION = tuple(part.name for part in fields(Condition))
TRIAL = tuple(part.name for part in fields(Trial) if part.name != "condition")
VERDICT = tuple(part.name for part in fields(Verdict) if part.name != "facts")
LABEL = tuple(part.name for part in fields(Label) if part.name != "facts")
_condition, _trial, _verdict = (attrgetter(*names) for names in (CONDITION, TRIAL, VERDICT))


@cache
def code_version() -> str:
    """Version of the installed distribution, as every row records it."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


class Store:
    """All facts of one study.

    Every method runs in its own transaction: when it returns, its rows are on disk. Rows that exist already are
    skipped, so that any run can be repeated.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Store:
        """Open or create the database at `url` and upgrade its tables to this version.

        Raises
        ------
        StoreVersionError
            If a newer version wrote the database.
        InputError
            If the URL is invalid or the file is not a Gnomon database.
        StoreError
            If the database cannot be reached.
        """
        store = cls(connect_engine(url))
        with store.read_transaction() as connection:
            schema.check_version(connection, redacted_url(store.engine))
            current = schema.is_current(connection)
        if not current:
            check_writable(store.engine, "its tables are of another version")
            with store.write_transaction() as connection:
                schema.upgrade_schema(connection)
        return store

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def read_transaction(self) -> Iterator[Connection]:
        """A transaction that reads one snapshot of the database."""
        with self._plain_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write_transaction(self) -> Iterator[Connection]:
        """A transaction that takes the write lock at once; everything in it is stored, or nothing."""
        with (
            self._plain_errors(),
            self.engine.connect().execution_options(**{WRITE: True}) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Errors of the driver in plain words, and those of values with the row that they are in."""
        with plain_errors(self.engine):
            try:
                yield
            except WrongValueError as error:
                raise located_error(error, self.engine) from None

    # -- settings ----------------------------------------------------------------------------------------

    def save_settings(self, values: Mapping[str, object]) -> None:
        """Store study settings by key (name, concepts, judges in order ...) for readers without the study file."""
        with self.write_transaction() as connection:
            self._upsert_settings(connection, values)

    def update_settings(self, settings: Callable[[StoredSettings], StoredSettings]) -> None:
        """Atomically replace the study settings with `settings(current_settings)`."""
        with self.read_transaction() as connection:
            held = _usable_settings(connection)
        if settings(held) != held:
            with self.write_transaction() as connection:
                self._upsert_settings(connection, settings(_usable_settings(connection)))

    def _upsert_settings(self, connection: Connection, values: Mapping[str, object]) -> None:
        if changed := _changed_settings(_usable_settings(connection), values):
            event = {"kind": SETTINGS_CHANGED, "detail": {"changed": changed}, "created_at": ""}
            self.insert_rows(connection, tables.events, [event])
        for key, value in values.items():
            statement = self._insert_statement(tables.study).values(key=key, value=value)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value})
            )

    def study_settings(self) -> StoredSettings:
        """The study settings as last written.

        Raises
        ------
        StoreError
            If a setting is not of its type.
        """
        with self.read_transaction() as connection:
            held = _read_study(connection)
        for problem in wrong_settings(held).values():
            raise StoreError(
                f"study settings in the database: {problem}: correct study.toml and run any command on the study, "
                "which stores its settings again"
            )
        return held

    # -- adding facts ------------------------------------------------------------------------------------

    def add_subjects(self, subjects: Iterable[Subject]) -> int:
        """Add subjects that are not there yet; returns how many were new."""
        return self._insert_new(tables.subjects, [asdict(subject) for subject in subjects])

    def add_protocol(self, hash_: str, name: str, content: Mapping[str, object]) -> int:
        """Add a protocol; returns 1 if it is new, else 0.

        Parameters
        ----------
        hash_ : str
            Hash of the protocol.
        name : str
            Name of the protocol.
        content : mapping of str to object
            Prompt and settings, as JSON values.
        """
        return self._insert_new(tables.protocols, [{"hash": hash_, "name": name, "content": dict(content)}])

    def add_vector(
        self, hash_: str, *, subject: str, concept: str, layer: int, norm: float, content: Mapping[str, object]
    ) -> int:
        """Add the description of a concept vector; returns 1 if it is new, else 0.

        Parameters
        ----------
        hash_ : str
            Hash of the vector's recipe.
        subject : str
            Name of the subject.
        concept : str
            Concept of the vector.
        layer : int
            Layer that the vector belongs to, from 0.
        norm : float
            Euclidean norm of the vector.
        content : mapping of str to object
            Recipe of the vector, and SHA-256 of its file.
        """
        row = {"hash": hash_, "subject": subject, "concept": concept, "layer": layer, "norm": norm}
        return self._insert_new(tables.vectors, [{**row, "content": dict(content)}])

    def add_trials(self, trials: Iterable[Trial]) -> int:
        """Add new trials; returns how many were new. Their subjects and protocols must be added first."""
        return self._insert_new(tables.trials, [trial_row(trial) for trial in trials])

    def add_judge(self, judge: JudgeVersion) -> int:
        """Add a judge version, to which its verdicts refer; returns 1 if it is new, else 0."""
        return self._insert_new(tables.judges, [judge_row(judge)])

    def add_verdicts(self, verdicts: Iterable[Verdict]) -> int:
        """Add verdicts whose (trial, judge, sample) is not there yet; returns how many were new."""
        return self._insert_new(tables.verdicts, [verdict_row(verdict) for verdict in verdicts])

    def add_labels(self, labels: Iterable[Label]) -> int:
        """Add label events; one that repeats (trial, rater, revision) adds nothing. Returns how many were new.

        Raises
        ------
        InputError
            If a note has more than `LONGEST_NOTE` characters; nothing is added then.
        """
        rows = [label_row(label) for label in labels]
        for row in rows:
            if (length := len(str(row["note"]))) > LONGEST_NOTE:
                raise InputError(
                    f"label of '{row['rater']}' on trial '{row['trial']}': its note has {length} characters: "
                    f"{LONGEST_NOTE} are the most"
                )
        return self._insert_new(tables.labels, rows)

    def add_label_policies(self, policies: Iterable[LabelPolicy]) -> int:
        """Add guidelines that are not there yet; returns how many were new."""
        rows = [{"hash": each.hash, "name": each.name, "text": each.text, "created_at": ""} for each in policies]
        return self._insert_new(tables.label_policies, rows)

    def label_policies(self) -> dict[str, LabelPolicy]:
        """The guidelines by which raters labelled, by hash, oldest first."""
        rows = self._fetch_all(select(tables.label_policies).order_by(tables.label_policies.c.created_at))
        return {row.hash: LabelPolicy(row.name, row.text, row.created_at) for row in rows}

    def add_counts(self, rows: Iterable[CountRow]) -> int:
        """Add published counts that are not there yet; returns how many were new."""
        return self._insert_new(tables.counts, [count_row(row) for row in rows])

    def add_fit(self, fit: Mapping[str, object]) -> int:
        """Add a fit (columns of `tables.fits` without time and code version) under its hash; returns 1 if it is new,
        else 0.
        """
        return self._insert_new(tables.fits, [{**fit, "code_version": code_version(), "created_at": ""}])

    def log_event(self, kind: str, detail: Mapping[str, object]) -> None:
        """Record an event of the study's history.

        Parameters
        ----------
        kind : str
            Kind of event, at most 64 characters.
        detail : mapping of str to object
            JSON values that describe it.
        """
        self._insert_new(tables.events, [{"kind": kind, "detail": dict(detail), "created_at": ""}])

    def insert_rows(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert rows in an open transaction, skipping existing keys; returns how many were new.

        A row without a time gets the current one, later than that of the row before it.

        Parameters
        ----------
        connection : Connection
            Open write transaction.
        table : Table
            Target table.
        rows : sequence of mapping of str to object
            Rows by column name.
        """
        statement = self._insert_statement(table).on_conflict_do_nothing()
        parts = split_chunks(_with_times(connection, table, rows))
        return sum(connection.execute(statement, [dict(row) for row in part]).rowcount for part in parts)

    def bulk_insert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert many rows that are known to be new; an existing key raises. Times are set as in `insert_rows`.

        Parameters
        ----------
        connection : Connection
            Open write transaction.
        table : Table
            Target table.
        rows : sequence of mapping of str to object
            Rows by column name, all with the same columns.
        """
        bulk_insert(connection, table, _with_times(connection, table, rows))

    def analyze_tables(self, connection: Connection) -> None:
        """Run ANALYZE on PostgreSQL after a bulk insert so that the planner has row counts."""
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")

    # -- reading -----------------------------------------------------------------------------------------

    def trial_ids(self) -> set[str]:
        """Ids of all stored trials, failed ones included."""
        with self.read_transaction() as connection:
            return set(connection.execute(select(tables.trials.c.id)).scalars())

    def load_trials(self, ids: Sequence[str] | None = None) -> list[Trial]:
        """Trials with these ids, or by default all with an answer, in the order of their ids."""
        query = select(tables.trials).order_by(tables.trials.c.id)
        if ids is None:
            query = query.where(tables.trials.c.error.is_(None))
            return [trial_of(row) for row in self._fetch_all(query)]
        parts = (query.where(tables.trials.c.id.in_(part)) for part in split_chunks(list(ids)))
        return [trial_of(row) for part in parts for row in self._fetch_all(part)]

    def event_details(self, kind: str) -> list[dict[str, JsonValue]]:
        """Details of the events of a kind, oldest first."""
        query = select(tables.events.c.detail).where(tables.events.c.kind == kind).order_by(tables.events.c.id)
        return [dict(row.detail) for row in self._fetch_all(query)]

    def read_frame(self, query: Select[Any] | Table) -> pd.DataFrame:
        """Rows of a table or query as a data frame."""
        with self.read_transaction() as connection:
            return pd.read_sql_query(query if isinstance(query, Select) else select(query), connection)

    def count_rows(self, table: Table) -> int:
        """Number of rows."""
        with self.read_transaction() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def has_rows(self, table: Table) -> bool:
        """Whether there is a row, without counting them: of millions that takes a tenth of a second."""
        with self.read_transaction() as connection:
            return connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None

    def additions_mark(self, table: Table) -> int:
        """A number that grows with every row that is added to a table of facts, from which none is taken away.

        SQLite numbers its rows, so that the last number tells; elsewhere they are counted, which of a million takes
        some hundredths of a second.
        """
        number: ColumnElement[int] = literal_column("rowid")
        last: ColumnElement[int] = func.coalesce(func.max(number), 0)
        mark: ColumnElement[int] = last if self.engine.dialect.name == "sqlite" else func.count()
        with self.read_transaction() as connection:
            return int(connection.execute(select(mark).select_from(table)).scalar_one())

    def load_subjects(self) -> list[Subject]:
        """All subjects by size, then name."""
        query = select(tables.subjects).order_by(tables.subjects.c.parameters, tables.subjects.c.name)
        return [Subject(**row._mapping) for row in self._fetch_all(query)]

    def find_fit(self, id_: str) -> dict[str, object] | None:
        """A fit by its hash, or None."""
        rows = self._fetch_all(select(tables.fits).where(tables.fits.c.id == id_))
        return _fit_row(rows[0]) if rows else None

    def fit_of_draws(self, sha256: str) -> str | None:
        """Id of the fit that wrote the file of draws with this SHA-256, or None."""
        rows = self._fetch_all(select(tables.fits.c.id).where(tables.fits.c.draws_sha256 == sha256))
        if rows:
            return str(rows[0].id)
        event = tables.events.c
        again = self._fetch_all(select(event.detail).where(event.kind == DRAWS_SAMPLED_AGAIN))
        return next((str(row.detail["fit"]) for row in again if row.detail.get("sha256") == sha256), None)

    def newest_fits(self) -> dict[str, dict[str, object]]:
        """The fit of each view that was made last, or asked for again since."""
        return {view: _fit_row(row) for view, (_, row) in self._newest_fits().items()}

    def newest_fit_times(self) -> dict[str, str]:
        """When the newest fit of each view was made, or asked for again."""
        return {view: time for view, (time, _) in self._newest_fits().items()}

    def _newest_fits(self) -> dict[str, tuple[str, Row[Any]]]:
        rows = self._fetch_all(select(tables.fits).order_by(tables.fits.c.created_at))
        newest = {row.view: (row.created_at, row) for row in rows}
        by_id = {row.id: row for row in rows}
        event = tables.events.c
        again = select(event.detail, event.created_at).where(event.kind == FIT_ASKED_AGAIN).order_by(event.id)
        for asked in self._fetch_all(again):
            row = by_id.get(asked.detail["fit"])
            if row is not None and asked.created_at >= newest[row.view][0]:
                newest[row.view] = (asked.created_at, row)
        return newest

    # -- labelling ---------------------------------------------------------------------------------------

    def acquire_lease(self, trial: str, rater: str, seconds: float) -> bool:
        """Take or renew a rater's lease on a trial; False if another rater holds it. Time is the database's.

        Parameters
        ----------
        trial : str
            Id of the trial.
        rater : str
            Name of the rater.
        seconds : float
            Duration of the lease from now, at most `LONGEST_LEASE`.
        """
        table = tables.leases
        with self.write_transaction() as connection:
            now = database_time(connection)
            until = _time_text(now + timedelta(seconds=min(seconds, LONGEST_LEASE)))
            statement = self._insert_statement(table).values(trial=trial, rater=rater, expires_at=until)
            statement = statement.on_conflict_do_update(
                index_elements=["trial"],
                set_={"rater": rater, "expires_at": until},
                where=(table.c.rater == rater) | ~_lease_holds(now),
            )
            return connection.execute(statement).rowcount == 1

    def leased_to_others(self, rater: str) -> set[str]:
        """Ids of trials currently leased to another rater."""
        leases = tables.leases.c
        with self.read_transaction() as connection:
            held = _lease_holds(database_time(connection))
            return set(connection.execute(select(leases.trial).where(leases.rater != rater, held)).scalars())

    def next_revision(self, trial: str, rater: str) -> int:
        """Revision number of this rater's next event on this trial, from 0.

        Parameters
        ----------
        trial : str
            Id of the trial.
        rater : str
            Name of the rater.
        """
        query = select(func.max(tables.labels.c.revision)).where(
            tables.labels.c.trial == trial, tables.labels.c.rater == rater
        )
        with self.read_transaction() as connection:
            last = connection.execute(query).scalar()
        return 0 if last is None else int(last) + 1

    # -- private -----------------------------------------------------------------------------------------

    def _fetch_all(self, query: Select[Any]) -> Sequence[Any]:
        with self.read_transaction() as connection:
            return connection.execute(query).all()

    def _insert_statement(self, table: Table) -> Any:
        return postgresql.insert(table) if self.engine.dialect.name == "postgresql" else sqlite.insert(table)

    def _insert_new(self, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert rows in one transaction, skipping those whose key is there; returns how many were new."""
        if is_read_only(self.engine):
            with self.read_transaction() as connection:
                if _are_there(connection, table, rows):
                    return 0
        with self.write_transaction() as connection:
            return self.insert_rows(connection, table, rows)


def _are_there(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether a table has all these rows, by their keys."""
    if table is tables.events:
        return False
    key = [table.c[name] for name in KEYS[table.name]]
    wanted = {tuple(row[column.name] for column in key) for row in rows if all(each.name in row for each in key)}
    there = sum(
        connection.execute(select(func.count()).select_from(table).where(tuple_(*key).in_(part))).scalar_one()
        for part in split_chunks(sorted(wanted, key=str))
    )
    return there == len(wanted) == len(rows)


def database_time(connection: Connection) -> datetime:
    """The time by the database's own clock, which all its users share; SQLite's is that of this machine."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def _lease_holds(now: datetime) -> ColumnElement[bool]:
    """Condition that a lease is neither over nor longer than one may be."""
    return tables.leases.c.expires_at.between(_time_text(now), _time_text(now + timedelta(seconds=LONGEST_LEASE)))


def _time_text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _fit_row(row: Row[Any]) -> dict[str, object]:
    return {**row._mapping, "result": upgrade_result(row.result)}


def _read_study(connection: Connection) -> StoredSettings:
    return cast(StoredSettings, {row.key: row.value for row in connection.execute(select(tables.study))})


def _usable_settings(connection: Connection) -> StoredSettings:
    """The settings that are of their types: whoever writes them again replaces the others."""
    held = _read_study(connection)
    wrong = wrong_settings(held)
    return cast(StoredSettings, {name: value for name, value in held.items() if name not in wrong})


def _changed_settings(held: StoredSettings, values: Mapping[str, object]) -> list[str]:
    """Those settings that decide what counts and get another value; a setting that was not stored has none yet."""
    # A study that never said whether verdicts count with their scores counts them without.
    before: Mapping[str, object] = {"fit_graded": False, **held} if held else {}
    changed = [name for name in COUNTING_SETTINGS if name in before and values.get(name, before[name]) != before[name]]
    judges = values.get("judges")
    if held.get("judges") and isinstance(judges, list) and judges[:1] != held["judges"][:1]:
        changed.append("judges")
    return changed


def _with_times(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]
) -> Sequence[Mapping[str, object]]:
    if "created_at" not in table.c or all(row["created_at"] for row in rows):
        return rows
    moments = _increasing_times(_latest_times(connection, table, rows))
    return [row if row["created_at"] else {**row, "created_at": next(moments)} for row in rows]


def _latest_times(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> str:
    """Newest time among the rows whose order with `rows` matters: new rows must be later, even if the clock was set
    back.

    Facts are ordered relative to the last fit (which they make stale), fits and judge versions among themselves, labels
    relative to those on the same trials, events and fits relative to events that concern fits.
    """
    queries = [select(func.max(tables.fits.c.created_at))]
    if table in (tables.events, tables.fits):
        event = tables.events.c
        about_fits = event.kind.in_((FIT_ASKED_AGAIN, SETTINGS_CHANGED))
        queries.append(select(func.max(event.created_at)).where(about_fits))
    if table is tables.judges:
        queries.append(select(func.max(table.c.created_at)))
    if table is tables.labels:
        ids = list({row["trial"] for row in rows})
        queries += [select(func.max(table.c.created_at)).where(table.c.trial.in_(part)) for part in split_chunks(ids)]
    return max(str(connection.execute(query).scalar() or "") for query in queries)


def _increasing_times(after: str) -> Iterator[str]:
    """The current time, then one microsecond later each."""
    began = datetime.fromisoformat(utc_timestamp(after=after))
    for later in count():
        yield (began + timedelta(microseconds=later)).isoformat(timespec="microseconds")


def split_chunks(rows: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """Split an iterable into lists.

    Parameters
    ----------
    rows : iterable of Item
        Rows or ids.
    size : int, default CHUNK
        Length of each list but the last; the default fits one SQL statement.

    Yields
    ------
    list of Item
        Consecutive parts.
    """
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part


def storable_text(text: str) -> str:
    """The text with U+FFFD for NUL and halves of surrogate pairs: a database, or a reader of an export, refuses them.

    Models of bytes may write them, and so may pages and notebooks.
    """
    return text if text.isascii() and "\0" not in text else _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def trial_row(trial: Trial) -> dict[str, object]:
    """A trial as a row of its table; a missing code version is filled in."""
    condition = dict(zip(CONDITION, _condition(trial.condition), strict=True))
    condition["study_seed"] = condition.pop("seed")
    rest = dict(zip(TRIAL, _trial(trial), strict=True))
    rest |= {"answer": storable_text(trial.answer), "error": trial.error and storable_text(trial.error)}
    rest["readings"] = readings_document(trial.readings)
    rest["thinking"] = trial.thinking and storable_text(trial.thinking)
    rest["code_version"] = trial.code_version or code_version()
    return {
        **condition,
        **rest,
        "arm": str(trial.condition.arm),
        "span": str(trial.condition.span),
        "split": str(split_of(trial.id)),
    }


def trial_of(row: Any) -> Trial:
    """The trial of a row of its table."""
    condition = Condition(
        subject=row.subject,
        revision=row.revision,
        arm=Arm(row.arm),
        concept=row.concept,
        layer=row.layer,
        strength=row.strength,
        span=Span(row.span),
        protocol=row.protocol,
        vector=row.vector,
        seed=row.study_seed,
    )
    same = ("id", "replicate", "seed", "answer", "finish", "tokens", "depth", "magnitude", "source", "error")
    further = ("measure", "thinking", "code_version", "created_at")
    given = {key: getattr(row, key) for key in (*same, *further)}
    return Trial(condition=condition, readings=parse_readings(row.readings), **given)


def count_row(row: CountRow) -> dict[str, object]:
    """Published counts as a row of their table."""
    return {**asdict(row), "arm": str(row.arm), "cell": row.cell}


def judge_row(judge: JudgeVersion) -> dict[str, object]:
    """A judge version as the row of its table."""
    row = {"version": judge.version, "name": judge.name, "kind": judge.kind, "config": dict(judge.config)}
    return {**row, "created_at": ""}


def verdict_row(verdict: Verdict) -> dict[str, object]:
    """A verdict as the row of its table."""
    rest = dict(zip(VERDICT, _verdict(verdict), strict=True))
    return {
        **rest,
        **facts_row(verdict.facts),
        "state": str(verdict.state),
        "scores": None if not verdict.scores else {name: float(score) for name, score in verdict.scores.items()},
    }


def label_row(label: Label) -> dict[str, object]:
    """A label event as the row of its table."""
    rest = {name: getattr(label, name) for name in LABEL}
    return {
        **rest,
        "note": storable_text(label.note),
        **facts_row(label.facts),
        "kind": str(label.kind),
        "role": str(label.role),
        "exposure": str(label.exposure),
        "selection": None if label.selection is None else label.selection.as_document(),
        "rater_kind": None if label.rater_kind is None else str(label.rater_kind),
        "undecided": list(label.undecided) or None,
    }
