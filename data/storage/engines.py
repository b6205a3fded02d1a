"""SQLAlchemy engines with serialised writes and snapshot reads; converts driver errors to one-line messages."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, StatementError
from sqlalchemy.pool import NullPool

from gnomon.data.errors import InputError, StoreError
from gnomon.data.files import check_name

WRITE = "gnomon_write"
READ_ONLY = "gnomon_read_only"
WAIT = 30
LOCK = 0x676E6F6D6F6E
SECRETS = re.compile(r"(?<=//)([^/@:]*):.*(?=@)|(?<=[?&])(password|sslpassword)=[^&]*", re.IGNORECASE)


def sqlite_url(path: Path) -> str:
    """URL of an SQLite file, whatever marks its name contains; `sqlite_file` returns the path again.

    Raises
    ------
    InputError
        If the name cannot be part of a URL: it is not UTF-8, or has a NUL character.
    """
    check_name(path)
    return URL.create("sqlite", database=str(path.absolute())).render_as_string(hide_password=False)


def sqlite_file(url: str) -> Path | None:
    """Path of the file that a URL names; None for another database, one in memory, or no URL at all."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    remote = parsed.get_backend_name() != "sqlite"
    return None if remote or parsed.database in (None, "", ":memory:") else Path(str(parsed.database))


def absolute_url(url: str) -> str:
    """A URL that names the same database whatever the current folder is."""
    file = sqlite_file(url)
    if file is None or file.is_absolute():
        return url
    return make_url(url).set(database=str(file.absolute())).render_as_string(hide_password=False)


def connect_engine(url: str) -> Engine:
    """An engine for a database's URL.

    A transaction with the option `WRITE` holds the single write lock from its beginning, so that what it read still
    holds when it writes; any other transaction reads one snapshot of the database.

    Raises
    ------
    InputError
        If the URL is invalid, or links lie beside the file.
    """
    try:
        parsed = make_url(url)
        if (file := _unwritable_file(parsed)) is not None:
            return _connect_read_only(parsed, file)
        remote = parsed.get_backend_name() == "postgresql"
        options = {"preserve_rowcount": True}
        engine = create_engine(
            parsed, pool_pre_ping=remote, execution_options=options, json_deserializer=_decode_json_cell
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        raise InputError(
            f"database '{redact_password(url)}': {first_line(error)}: use sqlite:///FILE or postgresql+psycopg://..."
        ) from error
    if engine.dialect.name == "sqlite":
        _check_side_files(engine)
        _prepare_sqlite(engine)
    elif engine.dialect.name == "postgresql":
        _prepare_postgresql(engine)
    return engine


def _decode_json_cell(text: str) -> Any:
    """The value of a JSON cell, which others may have written.

    Raises
    ------
    StoreError
        If it is no JSON, or nested too deeply.
    TypeError
        If it is no text: SQLite keeps a JSON number as a number, which SQLAlchemy then takes as it is.
    """
    try:
        return json.loads(text)
    except (RecursionError, ValueError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else "broken"
        raise StoreError(
            f"a JSON value of the database is {problem}: 'gnomon doctor --study DIR' says where; restore a backup"
        ) from error


def is_read_only(engine: Engine) -> bool:
    """Whether the database is a file that this user may read and not write."""
    return bool(engine.get_execution_options().get(READ_ONLY, False))


def check_writable(engine: Engine, why: str = "") -> None:
    """Check that a database can be written, before something is computed for it.

    Parameters
    ----------
    engine : Engine
        The database.
    why : str, optional
        Why it must be written, for the error message.

    Raises
    ------
    StoreError
        If the database may only be read.
    """
    if is_read_only(engine):
        reason = f" and {why}" if why else ""
        raise StoreError(f"database {redacted_url(engine)}: may only be read{reason}: {HINTS['readonly']}")


def _unwritable_file(url: URL) -> Path | None:
    file = sqlite_file(url.render_as_string(hide_password=False))
    if file is None or url.query or not file.is_file():
        return None
    return None if os.access(file, os.W_OK) and os.access(file.parent, os.W_OK) else file


class _FrozenConnection(sqlite3.Connection):
    """A connection that takes no part in the locks of others, because they have nothing open."""


def _connect_read_only(url: URL, file: Path) -> Engine:
    """An engine for a file that may not be written, or lies in a folder that may not; it makes no file beside it.

    SQLite reads a database in WAL mode only with two files beside it, unless it is told that nobody writes: that is
    decided anew for each transaction, and checked at its end.
    """
    wal, index = Path(f"{file}-wal"), Path(f"{file}-shm")
    open_uri = partial(sqlite3.connect, uri=True, check_same_thread=False, timeout=WAIT)

    def stamp() -> tuple[int, int, int]:
        now = file.stat()
        return now.st_mtime_ns, now.st_size, _size(wal)

    def connect() -> sqlite3.Connection:
        address = f"{file.absolute().as_uri()}?mode=ro"
        if not _size(wal):
            return open_uri(f"{address}&immutable=1", factory=_FrozenConnection)
        if not index.exists():
            raise StoreError(f"{wal}: holds rows that can be read only where files can be written: copy the folder")
        return open_uri(address)

    options = {"preserve_rowcount": True, READ_ONLY: True}
    engine = create_engine(
        url, creator=connect, poolclass=NullPool, execution_options=options, json_deserializer=_decode_json_cell
    )
    _check_side_files(engine)
    _prepare_sqlite(engine, read_only=True)

    @event.listens_for(engine, "begin")
    def _remember(connection: Connection) -> None:
        connection.info[READ_ONLY] = stamp()

    @event.listens_for(engine, "commit")
    def _compare(connection: Connection) -> None:
        held = connection.info.get(READ_ONLY)
        frozen = isinstance(connection.connection.driver_connection, _FrozenConnection)
        if frozen and (held != stamp() or held[2]):
            raise StoreError(f"database {redacted_url(engine)}: was written by others while it was read: {AGAIN}")

    return engine


def _size(file: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def redact_password(url: str) -> str:
    """A URL without its password, whether or not it can be parsed."""
    return SECRETS.sub(lambda found: f"{found[2]}=***" if found[2] else f"{found[1]}:***", url)


def redacted_url(engine: Engine) -> str:
    """An engine's URL without its password."""
    return redact_password(engine.url.render_as_string(hide_password=True))


def _check_side_files(engine: Engine) -> None:
    """Refuse links beside a database: SQLite would write through them into files elsewhere."""
    for suffix in ("-wal", "-shm", "-journal"):
        beside = Path(f"{engine.url.database}{suffix}")
        if beside.is_symlink():
            raise InputError(f"{beside}: is a link, and SQLite would overwrite what it names: remove it")


def _prepare_sqlite(engine: Engine, *, read_only: bool = False) -> None:
    """Set WAL, full sync, foreign keys and real transactions (SQLAlchemy's recipe for the sqlite3 driver).

    Without recursive triggers, INSERT OR REPLACE would delete a fact without firing a trigger.
    """
    waits = f"busy_timeout={WAIT * 1000}"
    settings = (waits,) if read_only else (waits, "journal_mode=WAL", "synchronous=FULL")

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for setting in (*settings, "foreign_keys=ON", "recursive_triggers=ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _needs_write_lock(connection) else "BEGIN")


def _prepare_postgresql(engine: Engine) -> None:
    """Snapshot reads; one writer at a time, as in SQLite."""

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not _needs_write_lock(connection):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def _needs_write_lock(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(WRITE, False))


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Convert driver errors, wrapped by SQLAlchemy or not, into one line that says what to do.

    Raises
    ------
    InputError
        For an integrity error.
    StoreError
        For any other database error.
    """
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (IntegrityError, driver.IntegrityError) as error:
        raise InputError(f"database {redacted_url(engine)}: {_with_hint(_driver_message(error))}") from error
    except (DatabaseError, driver.DatabaseError) as error:
        raise StoreError(f"database {redacted_url(engine)}: {_with_hint(_driver_message(error))}") from error
    except (StatementError, OverflowError, JSONDecodeError, RecursionError) as error:  # a value that no column holds
        raise StoreError(
            f"database {redacted_url(engine)}: a value cannot be stored or read ({type(error).__name__}: "
            f"{_driver_message(error)}): 'gnomon doctor --study DIR' says where"
        ) from error


def _driver_message(error: Exception) -> str:
    return first_line(getattr(error, "orig", error))


AGAIN = "run the same command again; what was stored before is safe"
HINTS = {
    "foreign key": "add what the row refers to first",
    "disk is full": f"make room on the disk and {AGAIN}",
    "no space left": f"make room on the server's disk and {AGAIN}",
    "disk i/o error": f"make room on the disk or fix it and {AGAIN}",
    "lock": "another command is writing; wait for it and run this one again",
    "unable to open": "make its folder and let this user read it, or name another under 'database' in study.toml",
    "not a database": "the file is no SQLite database: name another under 'database' in study.toml",
    "malformed": "the file is damaged: 'gnomon doctor --study DIR' says where; restore a backup",
    "readonly": "it or its folder may not be written: copy the folder to a place of your own, or change permissions",
    "read-only": "the server takes no writes: name its primary under 'database' in study.toml",
    "password": "fix user and password under 'database' in study.toml",
    "does not exist": "make it on the server, or fix its name under 'database' in study.toml",
    "permission denied": "let this user read and make tables there, or name another under 'database' in study.toml",
    "shutting down": f"wait until the server is up and {AGAIN}",
    "terminat": f"the server ended the connection: {AGAIN}",
    "closed": f"the server ended the connection: {AGAIN}",
    "is lost": f"the server ended the connection: {AGAIN}",
    "connect": "start the server, or fix its address under 'database' in study.toml",
    "nul ": "PostgreSQL keeps no text with a NUL character: take it out, or keep the study in SQLite",
}


def _with_hint(problem: str) -> str:
    return next((f"{problem}: {hint}" for part, hint in HINTS.items() if part in problem.lower()), problem)


def first_line(error: object) -> str:
    """First line of an error's message, or its class name if the message is empty."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
