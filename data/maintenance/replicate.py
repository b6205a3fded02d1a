"""Copies a study between databases and verifies counts and hashes; closes the old database to writers, or makes a
backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Table, insert, select

from gnomon.data.errors import InputError, StoreError
from gnomon.data.files import scratch_path
from gnomon.data.maintenance.integrity import examine_database, trigger_names
from gnomon.data.storage import tables
from gnomon.data.storage.engines import plain_errors, redacted_url, sqlite_url
from gnomon.data.storage.row_keys import COPIED, KEYS, columns_of
from gnomon.data.storage.store import Store

BATCH = 2_000
MODULUS = 2**256
CLOSED = "_moved"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TableChecksum:
    """Number of rows of a table, and a hash that two tables share only if their contents are equal."""

    rows: int
    sha256: str


def table_checksums(connection: Connection) -> dict[str, TableChecksum]:
    """Row count and hash of each table, the same on every database engine."""
    return {table.name: _table_checksum(connection, table) for table in COPIED}


def _table_checksum(connection: Connection, table: Table) -> TableChecksum:
    """Sum of the rows' hashes, because databases sort text differently; rows of numbered tables are hashed with
    their position.
    """
    count = total = 0
    for part in _row_parts(connection, table):
        for row in part:
            place = count if _has_serial(table) else 0
            text = json.dumps([place, row], sort_keys=True)
            total = (total + int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())) % MODULUS
            count += 1
    return TableChecksum(count, f"{total:064x}")


def _has_serial(table: Table) -> bool:
    return "id" in table.c and "id" not in columns_of(table)


def _row_parts(connection: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    order = [table.c.id] if _has_serial(table) else [table.c[name] for name in KEYS[table.name]]
    query = select(*(table.c[name] for name in columns_of(table))).order_by(*order)
    result = connection.execute(query, execution_options={"yield_per": BATCH})
    for part in result.partitions(BATCH):
        yield [dict(row._mapping) for row in part]


def copy_tables(source: Connection, target: Store, progress: Progress | None = None) -> dict[str, TableChecksum]:
    """Copy all rows that `source` sees into an empty store, in one transaction; returns the checksums of both.

    A target that already holds exactly these rows, from an interrupted move, is left unchanged. Leases, which last
    minutes, are not copied.

    Parameters
    ----------
    source : Connection
        Open transaction on the database to copy.
    target : Store
        Store without rows.
    progress : Progress, optional
        Called with rows copied and rows in total.

    Raises
    ------
    InputError
        If the target holds anything else.
    StoreError
        If the copy differs from the source.
    """
    wanted = table_checksums(source)
    with target.write_transaction() as connection:
        there = table_checksums(connection)
        closed = f"{tables.trials.name}{CLOSED}" in trigger_names(connection)
        if there == wanted and not closed:
            return wanted
        if closed or any(one.rows for one in there.values()):
            raise InputError(
                f"database {redacted_url(target.engine)}: holds rows already: name an empty one, or make one"
            )
        done, total = 0, sum(one.rows for one in wanted.values())
        for table in COPIED:
            for part in _row_parts(source, table):
                connection.execute(insert(table), part)
                done += len(part)
                if progress:
                    progress(done, total)
        copied = table_checksums(connection)
        if differing := [name for name in wanted if copied[name] != wanted[name]]:
            raise StoreError(
                f"database {redacted_url(target.engine)}: {', '.join(differing)} came out otherwise than they went in: "
                "nothing was kept there, and the study stays where it is"
            )
    return wanted


@contextmanager
def move_store(source: Store, target: Store, progress: Progress | None = None) -> Iterator[dict[str, TableChecksum]]:
    """Copy a store into another; at the end of the block the old one rejects all new rows.

    The old store's write lock is held until then, so that a waiting writer must write to the new one.

    Parameters
    ----------
    source : Store
        Store to move.
    target : Store
        Store without rows.
    progress : Progress, optional
        Called with rows copied and rows in total.

    Yields
    ------
    dict of str to TableChecksum
        Checksums of the copied tables.
    """
    with source.write_transaction() as connection:
        yield copy_tables(connection, target, progress)
        _forbid_inserts(connection, redacted_url(target.engine))


def _forbid_inserts(connection: Connection, to: str) -> None:
    """Forbid new rows, also for processes that have the database open."""
    said = f"this study was moved to {to}: open it there".replace("'", "''").replace("%", "%%")
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION gnomon_moved() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE USING MESSAGE = '{said}', ERRCODE = 'integrity_constraint_violation'; END $$"
        )
    for table in COPIED:
        head = f"TRIGGER {table.name}{CLOSED} BEFORE INSERT ON {table.name}"
        if postgresql:
            run = "FOR EACH STATEMENT EXECUTE FUNCTION gnomon_moved()"
            connection.exec_driver_sql(f"CREATE OR REPLACE {head} {run}")
        else:
            head = head.replace("TRIGGER", "TRIGGER IF NOT EXISTS")
            connection.exec_driver_sql(f"CREATE {head} BEGIN SELECT RAISE(ABORT, '{said}'); END")


def back_up_store(store: Store, out: Path) -> dict[str, TableChecksum]:
    """Write a consistent SQLite copy while others continue to write; the file appears only when complete and examined.

    Parameters
    ----------
    store : Store
        Store to copy.
    out : Path
        SQLite file to create.

    Returns
    -------
    dict of str to TableChecksum
        Checksums of the copied tables.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    StoreError
        If the copy is damaged.
    """
    if out.exists():
        raise InputError(f"{out}: is there already: name another file; nothing is overwritten")
    part = scratch_path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        found = _copy_to_file(store, part)
        if damage := examine_database(sqlite_url(part.resolve())).damage:
            raise StoreError(f"backup {out}: {damage[0].what}: nothing was written; run 'gnomon doctor --study DIR'")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}): name another place") from error
    finally:
        for leftover in (part, Path(f"{part}-wal"), Path(f"{part}-shm")):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
    return found


def _copy_to_file(store: Store, part: Path) -> dict[str, TableChecksum]:
    if store.engine.dialect.name == "sqlite":
        _online_backup(store, part)
    copied = Store.open(sqlite_url(part.resolve()))
    try:
        if store.engine.dialect.name == "sqlite":
            with copied.read_transaction() as connection:
                return table_checksums(connection)
        with store.read_transaction() as connection:
            return copy_tables(connection, copied)
    finally:
        copied.close()


def _online_backup(store: Store, part: Path) -> None:
    """SQLite's online backup: copies one state of the database page by page."""
    with plain_errors(store.engine), store.engine.connect() as connection:
        target = sqlite3.connect(part)
        try:
            connection.connection.driver_connection.backup(target)  # type: ignore[union-attr]
        except sqlite3.Error as error:
            raise StoreError(f"backup of {redacted_url(store.engine)}: {error}: nothing was written") from error
        finally:
            target.close()
