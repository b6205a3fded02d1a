"""New rows by the thousand: one prepared INSERT in SQLite, COPY in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Table, insert


def bulk_insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that are not there yet, all with the same columns and none of them JSON.

    A key that is there fails, and the transaction with it. Values go to the driver as they are: SQLAlchemy's own
    `execute` looks at each of them, which takes longer than the database does.
    """
    if not rows:
        return
    names = [column.name for column in table.columns if column.name in rows[0]]
    values = map(itemgetter(*names), rows)
    if connection.dialect.name == "postgresql":
        _copy_rows(connection, table, names, values)
        return
    statement = insert(table).compile(dialect=connection.dialect, column_keys=names)
    connection.exec_driver_sql(str(statement), list(values))


def _copy_rows(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Any]) -> None:
    from psycopg import sql

    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver = cast(Any, connection.connection)  # of psycopg: SQLAlchemy's types know no COPY
    with driver.cursor() as cursor, cursor.copy(statement) as out:
        for row in rows:
            out.write_row(row)
