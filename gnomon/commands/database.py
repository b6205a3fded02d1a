"""Implements `gnomon move` and `gnomon backup`: copies a study's database to another database or into a file."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.exceptions import ParseError

from gnomon.console import print_json, print_status, progress_bar
from gnomon.data.errors import GnomonError, InputError
from gnomon.data.files import write_atomically
from gnomon.data.maintenance.replicate import TableChecksum, back_up_store, move_store
from gnomon.data.storage.engines import check_writable, redact_password, redacted_url
from gnomon.data.storage.store import Store
from gnomon.render.documents import BackupDocument, MoveDocument, TableContent
from gnomon.study_file import FILE, database_name, database_url, read_study, resolve_database_url


def move_database(folder: Path, to: str, json: bool) -> MoveDocument:
    """Copy a study's database to another and name that in the study file, which is replaced last and atomically.

    Parameters
    ----------
    folder : Path
        The study's folder.
    to : str
        The empty database: a URL, or the name of a new file in the folder.
    json : bool
        Whether to print one JSON document.

    Raises
    ------
    InputError
        If the study is in that database already.
    """
    old = database_url(folder, read_study(folder))
    new = resolve_database_url(folder, to)
    if old == new:
        raise InputError(f"database {redact_password(new)}: is where the study is already: name another with --to")
    to = database_name(folder, to)
    _with_database(folder / FILE, to)  # fails before anything is copied
    source = Store.open(old)
    try:
        check_writable(source.engine)
        target = Store.open(new)
    except GnomonError:
        source.close()
        raise
    try:
        with progress_bar("rows") as report, move_store(source, target, report) as held:
            _check_unmoved(folder, old)  # it may have been edited while the rows were copied
        _name_database(folder / FILE, to)
        document = MoveDocument(
            study=str(folder),
            source=redacted_url(source.engine),
            to=redacted_url(target.engine),
            all=_row_count(held),
            tables=_table_contents(held),
        )
    finally:
        source.close()
        target.close()
    print_status(
        f"{document.to}: {document.all:,} rows, counted and hashed on both sides; {folder / FILE} names it now"
    )
    print_status(f"{document.source}: is left as it was and takes no more rows")
    if json:
        print_json(document)
    return document


def back_up_database(folder: Path, out: Path, json: bool) -> BackupDocument:
    """Copy the current content of a study's database into a SQLite file; others may continue to write.

    Parameters
    ----------
    folder : Path
        The study's folder.
    out : Path
        The SQLite file to write.
    json : bool
        Whether to print one JSON document.
    """
    store = Store.open(database_url(folder, read_study(folder)))
    try:
        held = back_up_store(store, out)
        document = BackupDocument(
            study=str(folder),
            source=redacted_url(store.engine),
            file=str(out),
            all=_row_count(held),
            tables=_table_contents(held),
        )
    finally:
        store.close()
    print_status(f"{out}: {document.all:,} rows of {document.source}; name it under 'database' in {FILE} to restore it")
    if json:
        print_json(document)
    return document


def _row_count(held: dict[str, TableChecksum]) -> int:
    return sum(one.rows for one in held.values())


def _table_contents(held: dict[str, TableChecksum]) -> dict[str, TableContent]:
    return {name: TableContent(rows=one.rows, sha256=one.sha256) for name, one in held.items()}


def _check_unmoved(folder: Path, old: str) -> None:
    """Check that the study file still names the database that was copied; nothing was closed yet.

    Raises
    ------
    InputError
        If it names another one by now.
    """
    if database_url(folder, read_study(folder)) != old:
        raise InputError(f"{folder / FILE}: names another database since the move began: run the command again")


def _name_database(path: Path, to: str) -> None:
    """Write the study file as it is now, with another database.

    Raises
    ------
    InputError
        If it can no longer be read.
    """
    try:
        write_atomically(path, _with_database(path, to).encode())
    except (OSError, UnicodeDecodeError, ParseError) as error:
        raise InputError(
            f"{path}: the rows have moved, but it cannot be changed ({error}): write database = '{to}' into it"
        ) from error


def _with_database(path: Path, to: str) -> str:
    """The text of the study file as it is now, with another database and nothing else changed."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    document["database"] = to
    return tomlkit.dumps(document)
