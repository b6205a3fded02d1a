"""Rows of a query as columns, in batches: for millions of rows, of which an object each would take most of the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Executable

from gnomon.data.errors import StoreError

BATCH = 2_000
"""Rows that are fetched at once: few enough that the processor's cache holds them while they become columns."""


def fetch_columns(connection: Connection, query: Executable) -> Iterator[list[list[Any]]]:
    """The rows of a query in batches, each a list of columns; what the driver says, not checked nor converted.

    Parameters
    ----------
    connection : Connection
        Open read transaction.
    query : Select
        The query, with one column at least.

    Yields
    ------
    list of list
        For each column the values of at most `BATCH` rows.
    """
    options = {"stream_results": True, "max_row_buffer": 1}
    result = connection.execution_options(**options).execute(query)
    places = range(len(result.keys()))
    try:
        first = result.fetchone()  # the row that SQLAlchemy has buffered; without one it has closed the cursor
        if first is None:
            return
        rows = cast(Any, result).cursor  # the driver's: SQLAlchemy makes an object of each row
        for batch in chain([[first]], _batches_of(rows, ahead=connection.dialect.name != "sqlite")):
            yield [[row[place] for row in batch] for place in places]
    finally:
        result.close()


def _batches_of(rows: Any, *, ahead: bool) -> Iterator[Sequence[Any]]:
    """Batches of a driver's cursor; a server's next one is fetched while one is used."""
    if not ahead:
        yield from iter(lambda: rows.fetchmany(BATCH), [])
        return
    with ThreadPoolExecutor(1) as server:
        waiting = server.submit(rows.fetchmany, BATCH)
        while batch := waiting.result():
            waiting = server.submit(rows.fetchmany, BATCH)
            yield batch


def check_texts(values: Sequence[object]) -> None:
    """Check that values are texts or None.

    Raises
    ------
    StoreError
        If a value is neither: SQLite keeps whatever it is given.
    """
    if not set(map(type, values)) <= {str, type(None)}:
        raise StoreError(
            "a value of the database is no text where one should be: 'gnomon doctor --study DIR' says where; restore a "
            "backup"
        )


def equal_width_bytes(values: Sequence[object]) -> NDArray[np.uint8] | None:
    """The bytes of texts of ASCII letters that all have one length, as an array (values, letters); None of others."""
    if not values or set(map(type, values)) != {str}:
        return None
    texts = cast(Sequence[str], values)
    width = len(texts[0])
    whole = "".join(texts)
    if not width or not whole.isascii() or set(map(len, texts)) != {width}:
        return None
    return np.frombuffer(whole.encode("ascii"), dtype=np.uint8).reshape(len(texts), width)
