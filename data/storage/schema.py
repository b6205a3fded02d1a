"""Upgrades a database to this version's tables, and rejects databases of a newer version."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from gnomon.data.errors import InputError, StoreError, StoreVersionError
from gnomon.data.storage.tables import metadata

_REFUSING = re.compile(
    r"CREATE TRIGGER \"?\w+\"? BEFORE (?:INSERT|UPDATE|DELETE) ON \"?\w+\"?\s+"
    r"BEGIN\s+SELECT RAISE\(ABORT, '(?:[^']|'')*'\);\s+END"
)
"""A trigger that does nothing but refuse: those of facts, and those of a study that was moved."""


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return config


def current_version(connection: Connection) -> str | None:
    """Schema revision of the database; None if it has no Gnomon tables yet.

    Raises
    ------
    StoreError
        If the database names several revisions.
    """
    found = MigrationContext.configure(connection).get_current_heads()
    if len(found) > 1:
        raise StoreError(f"table alembic_version names {len(found)} schemas ({', '.join(found)}): restore a backup")
    return found[0] if found else None


def check_version(connection: Connection, where: str) -> None:
    """Check that this version of Gnomon can open the database.

    Parameters
    ----------
    connection : Connection
        Open connection.
    where : str
        The database's URL without password, for the message.

    Raises
    ------
    StoreVersionError
        If a newer version wrote the database.
    InputError
        If its tables are not Gnomon's.
    """
    check_foreign_sql(connection, where)
    version = current_version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_alembic_config()).walk_revisions()}
    if version is not None and version not in known:
        raise StoreVersionError(
            f"database {where}: written by a newer version of Gnomon (schema {version}, this one knows "
            f"{max(known)}): upgrade gnomon, or open it with the version that wrote it"
        )
    if version is None and inspect(connection).get_table_names():
        raise InputError(f"database {where}: holds tables that are not Gnomon's: name another file under 'database'")


def check_foreign_sql(connection: Connection, where: str) -> None:
    """Check that an SQLite file holds no SQL of others that runs when Gnomon reads or writes its tables.

    Triggers may only refuse rows, and no view may have the name of a table. Other views are never read.

    Parameters
    ----------
    connection : Connection
        Open connection.
    where : str
        The database's URL without password, for the message.

    Raises
    ------
    InputError
        If there is such a trigger or view.
    """
    if connection.dialect.name != "sqlite":
        return
    own = {*metadata.tables, "alembic_version"}
    query = "SELECT type, name, sql FROM sqlite_master WHERE type <> 'index' AND sql IS NOT NULL"
    for kind, name, statement in connection.execute(text(query)):
        is_named_as_own = str(name).lower() in own
        if (kind == "trigger" and not _REFUSING.fullmatch(str(statement))) or (
            is_named_as_own and not str(statement).upper().startswith("CREATE TABLE")
        ):
            raise InputError(
                f"database {where}: holds a {kind} '{name}' that is not Gnomon's and would run with each command: "
                "remove it, or ask its sender for a database without"
            )


def is_current(connection: Connection) -> bool:
    """Whether the database has the newest schema."""
    return current_version(connection) == ScriptDirectory.from_config(_alembic_config()).get_current_head()


def upgrade_schema(connection: Connection, to: str = "head") -> None:
    """Run the missing migrations on an open transaction.

    Parameters
    ----------
    connection : Connection
        Open write transaction.
    to : str, default "head"
        Revision to upgrade to; "head" is the newest.
    """
    config = _alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
