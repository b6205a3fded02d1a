"""Bulk insert: prepared INSERT on SQLite, COPY on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import JSON, Connection, Table, insert

from gnomon.data.storage.columns.column_values import plain_type


def bulk_insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert many new rows that have the same columns.

    An existing key raises an error and aborts the transaction. Values go to the driver unchanged: SQLAlchemy's
    `execute` inspects each of them, which takes longer than the insert itself.

    Parameters
    ----------
    connection : Connection
        Open write transaction.
    table : Table
        Target table.
    rows : sequence of mapping of str to object
        Rows by column name.
    """
    if not rows:
        return
    names = [column.name for column in table.columns if column.name in rows[0]]
    packed = [name for name in names if isinstance(plain_type(table.c[name]), JSON)]
    if packed and any(row[name] is not None for row in rows for name in packed):
        rows = [{**row, **{name: _json_text(row[name]) for name in packed}} for row in rows]
    values = map(itemgetter(*names), rows)
    if connection.dialect.name == "postgresql":
        _copy_rows(connection, table, names, values)
        return
    statement = insert(table).compile(dialect=connection.dialect, column_keys=names)
    connection.exec_driver_sql(str(statement), list(values))


def _json_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _copy_rows(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Any]) -> None:
    from psycopg import sql

    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver = cast(Any, connection.connection)  # psycopg's: SQLAlchemy's types lack COPY
    with driver.cursor() as cursor, cursor.copy(statement) as out:
        for row in rows:
            out.write_row(row)
