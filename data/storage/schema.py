"""Upgrades a database to this version's tables, and rejects databases of a newer version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from gnomon.data.errors import InputError, StoreError, StoreVersionError


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
    version = current_version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_alembic_config()).walk_revisions()}
    if version is not None and version not in known:
        raise StoreVersionError(
            f"database {where}: written by a newer version of Gnomon (schema {version}, this one knows "
            f"{max(known)}): upgrade gnomon, or open it with the version that wrote it"
        )
    if version is None and inspect(connection).get_table_names():
        raise InputError(f"database {where}: holds tables that are not Gnomon's: name another file under 'database'")


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
