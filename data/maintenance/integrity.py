"""Checks the integrity of a study's database and suggests repairs; changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, func, inspect, select, text
from sqlalchemy.exc import DatabaseError, OperationalError

from gnomon.data.errors import InputError, StoreError, StoreVersionError
from gnomon.data.facts import CORE_FACTS
from gnomon.data.importers.field_parsers import RowError
from gnomon.data.importers.formats.gnomon_export import check_row
from gnomon.data.records import LabelKind, VerdictState
from gnomon.data.storage import schema, tables
from gnomon.data.storage.columns.column_values import MEND, unchecked_columns
from gnomon.data.storage.engines import connect_engine, first_line, plain_errors, redacted_url
from gnomon.data.storage.row_keys import KEYS, ORDER, row_name

BATCH = 5_000
OUTSIDE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
)
"""SQLite's errors that say nothing of the file's content."""
TOLD = 3
RESTORE = "restore a backup ('gnomon backup' makes them)"
REMOVE = "remove it with a tool for SQLite, or ask the sender for a database without"
REMAKE = "'gnomon move DIR --to NEW.db' makes a whole database of the same facts"


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage: what is wrong, and how to repair it."""

    what: str
    fix: str


@dataclass(slots=True)
class DatabaseReport:
    """Result of an examination: the database without its password, rows by table, damage; `schema` is None for a
    database without tables.
    """

    database: str
    schema: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)

    def add_damage(self, what: str, fix: str = RESTORE) -> None:
        """Record damage.

        Parameters
        ----------
        what : str
            What is wrong.
        fix : str, default restoring a backup
            How to repair it.
        """
        self.damage.append(Damage(what, fix))


Check = Callable[[Connection, DatabaseReport], None]


def examine_database(url: str) -> DatabaseReport:
    """Examine the database at `url`: the engine's own check, tables, triggers, and every row.

    Raises
    ------
    StoreError
        If the server cannot be reached.
    InputError
        If the URL is invalid.
    """
    engine = connect_engine(url)
    found = DatabaseReport(redacted_url(engine))
    try:
        if _database_exists(engine):
            _run_check(engine, _check_foreign_sql, found)
            if found.damage:
                return found
            for check in (
                _check_engine,
                _check_schema,
                _check_tables,
                _check_triggers,
                _check_links,
                _check_rows,
                _check_labels,
            ):
                _run_check(engine, check, found)
    finally:
        engine.dispose()
    return found


def _database_exists(engine: Engine) -> bool:
    """Whether there is a database: opening a missing SQLite file would create it."""
    if engine.dialect.name == "sqlite":
        return Path(engine.url.database or "").is_file()
    with plain_errors(engine), engine.begin():
        return True


def _run_check(engine: Engine, check: Check, found: DatabaseReport) -> None:
    """Run one check in its own transaction; a check that the database cannot execute is damage."""
    try:
        with engine.begin() as connection:
            check(connection, found)
    except DatabaseError as error:
        if not _is_damage(error):
            with plain_errors(engine):
                raise
        what = f"the database cannot be read ({first_line(error.orig)})"
        if what not in [damage.what for damage in found.damage]:
            found.add_damage(what)
    except StoreError as error:
        found.add_damage(str(error))
    except (InputError, StoreVersionError) as error:
        found.add_damage(str(error), "open it with the version that wrote it")


def _is_damage(error: DatabaseError) -> bool:
    """Whether an error may come from the file itself, not from rights, locks, a full disk or a lost connection."""
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        return code not in OUTSIDE
    return not isinstance(error, OperationalError)


def _check_engine(connection: Connection, found: DatabaseReport) -> None:
    """SQLite's integrity check of pages and indexes; PostgreSQL verifies page checksums when rows are read."""
    if connection.dialect.name != "sqlite":
        return
    problem = _pragma_messages(connection, "integrity_check(1)")  # with several problems it may list none
    if problem == "ok":
        return
    hit = [name for name in tables.metadata.tables if _pragma_messages(connection, f"integrity_check({name})") != "ok"]
    found.add_damage(f"SQLite finds: {problem}" + (f" (it hits {', '.join(hit)})" if hit else ""))


def _pragma_messages(connection: Connection, check: str) -> str:
    try:
        lines = connection.exec_driver_sql(f"PRAGMA {check}").scalars().all()
    except DatabaseError as error:
        if not _is_damage(error):
            raise
        return first_line(error.orig)
    return "; ".join(line for text in lines for line in str(text).splitlines() if not line.startswith("***"))


def _check_schema(connection: Connection, found: DatabaseReport) -> None:
    schema.check_version(connection, found.database)
    found.schema = schema.current_version(connection)


def _check_tables(connection: Connection, found: DatabaseReport) -> None:
    if not schema.is_current(connection):
        return
    seen = inspect(connection)
    there = set(seen.get_table_names())
    for name, table in tables.metadata.tables.items():
        if name not in there:
            found.add_damage(f"table {name} is missing")
            continue
        columns = {column["name"] for column in seen.get_columns(name)}
        if missing := sorted({column.name for column in table.columns} - columns):
            found.add_damage(f"table {name} lacks {', '.join(missing)}")


def _check_foreign_sql(connection: Connection, found: DatabaseReport) -> None:
    try:
        schema.check_foreign_sql(connection, found.database)
    except InputError as error:
        found.add_damage(str(error), REMOVE)


def _check_triggers(connection: Connection, found: DatabaseReport) -> None:
    if found.schema is None:
        return
    actions = ["update", "delete"]
    if connection.dialect.name == "postgresql" and schema.is_current(connection):
        actions.append("truncate")
    there = trigger_names(connection)
    for table in tables.APPEND_ONLY:
        if missing := [action for action in actions if f"{table}_no_{action}" not in there]:
            found.add_damage(f"{table}: nothing forbids {' and '.join(missing)}: facts may have been changed", REMAKE)


def trigger_names(connection: Connection) -> set[str]:
    """Names of the enabled triggers."""
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND tgenabled <> 'D' AND relnamespace = current_schema()::regnamespace"
        )
    return set(connection.execute(text(query)).scalars())


def _check_links(connection: Connection, found: DatabaseReport) -> None:
    """Report rows that refer to missing rows."""
    if not _has_current_tables(connection):
        return
    for table in ORDER:
        for key in table.foreign_keys:
            here, there = key.parent, key.column
            query = select(here).where(here.is_not(None), ~select(there).where(there == here).exists())
            count = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
            if count:
                example = connection.execute(query.limit(1)).scalar()
                found.add_damage(f"{table.name}: {count} rows name a {here.name} that is not there ('{example}')")


def _check_rows(connection: Connection, found: DatabaseReport) -> None:
    """Check every value of every row, and that each trial's id is the hash of its condition."""
    if not _has_current_tables(connection):
        return
    for table in ORDER:
        problems: list[str] = []
        count = wrong = 0
        for row in _all_rows(connection, table):
            count += 1
            try:
                check_row(table, row)
                _check_row_values(table, row)
            except RowError as error:
                wrong += 1
                problems += [f"{_row_name(table, row)}: {error}"] if wrong <= TOLD else []
        found.rows[table.name] = count
        for problem in problems:
            found.add_damage(f"{table.name}: {problem}")
        if wrong > TOLD:
            found.add_damage(f"{table.name}: {wrong - TOLD} more rows are wrong")
        _check_duplicates(connection, table, found)


FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code raises that meets a row which no version of Gnomon wrote: then the row is named, and not Gnomon blamed."""


def blame_wrong_row(engine: Engine, error: BaseException, most: int | None = None) -> StoreError | None:
    """The error of a row that explains what was raised while a study was read; None if no row does.

    Parameters
    ----------
    engine : Engine
        The database.
    error : BaseException
        What was raised.
    most : int, optional
        Rows of each table that are looked at, the first ones; by default all.
    """
    if not isinstance(error, FAULTS) or not (wrong := find_wrong_row(engine, most)):
        return None
    return StoreError(f"database {redacted_url(engine)}: {wrong}: {MEND}")


def find_wrong_row(engine: Engine, most: int | None = None) -> str:
    """The first row that holds what it may not hold, by table and key, and what is wrong with it; empty if there is
    none, or the database cannot be read.

    Parameters
    ----------
    engine : Engine
        The database.
    most : int, optional
        Rows of each table that are looked at, the first ones; by default all.
    """
    try:
        with engine.connect() as connection:
            for table in ORDER:
                for row in islice(_all_rows(connection, table), most):
                    name = row_name(table, row)
                    try:
                        check_row(table, row)
                        _check_row_values(table, row)
                    except RowError as error:
                        return f"table {table.name}, row {name}: {error}"
    except (DatabaseError, StoreError):
        return ""
    return ""


def _check_row_values(table: Table, row: dict[str, object]) -> None:
    """Raise `RowError` for a row whose state or kind contradicts the presence of facts."""
    said = all(row.get(name) is not None for name in CORE_FACTS)
    if table is tables.verdicts and said != (row["state"] == VerdictState.OK):
        raise RowError(f"its state is '{row['state']}', and its facts {'are there' if said else 'are not'}")
    if table is tables.labels and said != (row["kind"] == LabelKind.LABEL):
        raise RowError(f"its kind is '{row['kind']}', and its facts {'are there' if said else 'are not'}")


def _check_duplicates(connection: Connection, table: Table, found: DatabaseReport) -> None:
    """Report duplicate keys, which a damaged index permits."""
    if table is tables.events:
        return
    key = [table.c[name] for name in KEYS[table.name]]
    doubled = select(*key).group_by(*key).having(func.count() > 1).subquery()
    if count := connection.execute(select(func.count()).select_from(doubled)).scalar_one():
        found.add_damage(f"{table.name}: {count} rows are there more than once")


def _check_labels(connection: Connection, found: DatabaseReport) -> None:
    """Check that a rater's events on a trial are numbered without gaps."""
    if not _has_current_tables(connection):
        return
    label = tables.labels.c
    chain = select(label.trial).group_by(label.trial, label.rater)
    broken = chain.having(func.max(label.revision) + 1 != func.count()).subquery()
    if count := connection.execute(select(func.count()).select_from(broken)).scalar_one():
        found.add_damage(
            f"labels: {count} histories of a rater on a trial have gaps", f"import their source again, or {RESTORE}"
        )


def _has_current_tables(connection: Connection) -> bool:
    """Whether the tables are those of this version: an older database can be examined after its upgrade."""
    return schema.is_current(connection)


def _all_rows(connection: Connection, table: Table) -> Iterator[dict[str, object]]:
    result = connection.execute(select(*unchecked_columns(table)), execution_options={"yield_per": BATCH})
    for part in result.partitions(BATCH):
        yield from (dict(row._mapping) for row in part)


def _row_name(table: Table, row: dict[str, object]) -> str:
    return f"row {', '.join(str(row[name]) for name in KEYS[table.name])}"
