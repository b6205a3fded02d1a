"""Tables in the order in which their rows can be written, key columns of each, and references between tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Integer, Table, select

from gnomon.data.storage import tables
from gnomon.data.storage.columns.column_values import (
    SHOWN,
    WrongValueError,
    plain_type,
    rule_of,
    unchecked_columns,
)

ORDER = (
    tables.study,
    tables.subjects,
    tables.protocols,
    tables.vectors,
    tables.trials,
    tables.judges,
    tables.verdicts,
    tables.label_policies,
    tables.labels,
    tables.counts,
    tables.fits,
    tables.events,
)
COPIED = (*ORDER, tables.judge_runs)
"""Tables that a study takes along to another database: its facts, and what its judges have spent."""
KEYS: dict[str, tuple[str, ...]] = {
    "study": ("key",),
    "subjects": ("name",),
    "protocols": ("hash",),
    "vectors": ("hash",),
    "trials": ("id",),
    "judges": ("version",),
    "verdicts": ("trial", "judge", "sample"),
    "label_policies": ("hash",),
    "labels": ("trial", "rater", "revision"),
    "counts": ("source", "subject", "arm", "cell"),
    "fits": ("id",),
    "events": ("kind", "detail", "created_at"),
    "judge_runs": ("id",),
}
LINKS = {
    "trials": (("subject", "subjects"), ("protocol", "protocols")),
    "verdicts": (("trial", "trials"), ("judge", "judges")),
    "labels": (("trial", "trials"),),
    "counts": (("subject", "subjects"),),
}


def located_error(error: WrongValueError, engine: Engine) -> WrongValueError:
    """An error of a value with the key of the first row that has such a value.

    Parameters
    ----------
    error : WrongValueError
        The error.
    engine : Engine
        The database.
    """
    table = tables.metadata.tables[error.table]
    rule = rule_of(table.c[error.column])
    with engine.connect() as connection:
        for found in connection.execute(select(*unchecked_columns(table))):
            row: dict[str, object] = dict(found._mapping)
            value = row[error.column]
            if value is not None and not rule.is_met(value):
                return WrongValueError(error.table, error.column, rule.describe_problem(value), row_name(table, row))
    return error


def row_name(table: Table, row: Mapping[str, object]) -> str:
    """A row as messages name it: by its number, or by its key.

    Parameters
    ----------
    table : Table
        The table.
    row : mapping of str to object
        The row, with all its columns.
    """
    if "id" in row and is_serial(table.c["id"]):
        return str(row["id"])
    return ", ".join(str(row[name])[:SHOWN] for name in KEYS.get(table.name, table.primary_key.columns.keys()))


def columns_of(table: Table) -> list[str]:
    """Columns that are copied between databases: all except serial numbers assigned by the database."""
    return [column.name for column in table.columns if not is_serial(column)]


def is_serial(column: Any) -> bool:
    """Whether a column is a serial number assigned by the database, which records nothing but the order of rows."""
    return bool(column.name == "id" and isinstance(plain_type(column), Integer))
