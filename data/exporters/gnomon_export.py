"""Writes a whole study into a folder: every table as Parquet and JSON lines, and optionally as CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import JSON, Boolean, Connection, Float, Integer, Select, Table, func, select

from gnomon.data.exporters.export_folder import file_hashes, new_folder
from gnomon.data.exporters.registry import ExportReport
from gnomon.data.importers.formats.gnomon_export import FORMAT, MANIFEST
from gnomon.data.records import utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.columns.column_values import plain_type
from gnomon.data.storage.row_keys import KEYS, ORDER, columns_of
from gnomon.data.storage.store import Store, code_version

BATCH = 10_000
SUPERSEDES = "supersedes"
FolderDescriber = Callable[[Path, Mapping[str, int], Mapping[str, str]], None]
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _TableWriter(Protocol):
    def write(self, rows: list[dict[str, object]]) -> None: ...

    def close(self) -> None: ...


def export_store(
    store: Store, folder: Path, *, as_csv: bool = False, describe: FolderDescriber | None = None
) -> ExportReport:
    """Write all facts of a store into a new folder; a folder that is not empty is never changed.

    Parameters
    ----------
    store : Store
        Store of the study.
    folder : Path
        Folder to create; it appears only when complete.
    as_csv : bool, default False
        Also write CSV. Text cells that a spreadsheet would run as a formula get a leading apostrophe.
    describe : callable, optional
        Function of the folder, the rows by table and the SHA-256 by file that adds a description of them.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or is a file.
    """
    with new_folder(folder) as scratch:
        with store.read_transaction() as connection:
            counted = [_export_table(connection, table, scratch, as_csv) for table in ORDER]
        rows = {table.name: count for table, (count, _) in zip(ORDER, counted, strict=True)}
        files = file_hashes(scratch)
        about = {
            "format": FORMAT,
            "gnomon": code_version(),
            "created_at": utc_timestamp(),
            "rows": rows,
            "files": files,
        }
        (scratch / MANIFEST).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        if describe is not None:
            describe(scratch, rows, files)
    return ExportReport(folder, rows, files, sum(guarded for _, guarded in counted))


def _export_table(connection: Connection, table: Table, folder: Path, as_csv: bool) -> tuple[int, int]:
    """Write one table; returns its rows and its guarded CSV cells."""
    count = 0
    with ExitStack() as stack:
        sheet = _CsvWriter(folder / f"{table.name}.csv", _export_columns(table)) if as_csv else None
        writers: list[_TableWriter] = [_ParquetWriter(folder / f"{table.name}.parquet", table)]
        writers += [_JsonLinesWriter(folder / f"{table.name}.jsonl"), *([sheet] if sheet else [])]
        for writer in writers:
            stack.callback(writer.close)
        for rows in _row_batches(connection, table):
            count += len(rows)
            for writer in writers:
                writer.write(rows)
    return count, sheet.guarded if sheet else 0


def _export_columns(table: Table) -> list[str]:
    return columns_of(table) + ([SUPERSEDES] if table is tables.labels else [])


def _ordered_query(table: Table) -> Select[Any]:
    """All rows in an order that is the same on every database: by number in numbered tables, else by key."""
    columns: list[Any] = [table.c[name] for name in columns_of(table)]
    if table is tables.labels:
        before = func.lag(table.c.revision).over(partition_by=(table.c.trial, table.c.rater), order_by=table.c.revision)
        columns.append(before.label(SUPERSEDES))
    serial = "id" in table.c and "id" not in columns_of(table)
    return select(*columns).order_by(*([table.c.id] if serial else [table.c[name] for name in KEYS[table.name]]))


def _row_batches(connection: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    result = connection.execution_options(yield_per=BATCH).execute(_ordered_query(table))
    for part in result.partitions(BATCH):
        yield [{name: _finite_json(value) for name, value in row._mapping.items()} for row in part]


def _finite_json(value: Any) -> Any:
    """A value with NaN and infinities, which JSON lacks, replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite_json(part) for key, part in value.items()}
    return [_finite_json(part) for part in value] if isinstance(value, list) else value


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


class _JsonLinesWriter:
    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, rows: list[dict[str, object]]) -> None:
        self.file.writelines(_json_text(row) + "\n" for row in rows)

    def close(self) -> None:
        self.file.close()


class _ParquetWriter:
    """Values of JSON columns travel as JSON text."""

    def __init__(self, path: Path, table: Table) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.pa = pa
        fields = [pa.field(name, self._arrow_type(table, name)) for name in _export_columns(table)]
        self.schema = pa.schema(fields)
        self.packed = {column.name for column in table.columns if isinstance(plain_type(column), JSON)}
        self.writer = parquet.ParquetWriter(path, self.schema)

    def _arrow_type(self, table: Table, name: str) -> Any:
        type_ = plain_type(tables.labels.c.revision if name == SUPERSEDES else table.c[name])
        kinds = ((Boolean, self.pa.bool_), (Float, self.pa.float64), (Integer, self.pa.int64))
        return next((make for kind, make in kinds if isinstance(type_, kind)), self.pa.string)()

    def write(self, rows: list[dict[str, object]]) -> None:
        flat = [{name: _json_text(row[name]) if name in self.packed else row[name] for name in row} for row in rows]
        self.writer.write_table(self.pa.Table.from_pylist(flat, schema=self.schema))

    def close(self) -> None:
        self.writer.close()


class _CsvWriter:
    def __init__(self, path: Path, columns: list[str]) -> None:
        self.guarded = 0
        self.file = path.open("w", encoding="utf-8", newline="")
        self.writer = csv.writer(self.file)
        self.writer.writerow(columns)

    def write(self, rows: list[dict[str, object]]) -> None:
        self.writer.writerows([self._guard_cell(value) for value in row.values()] for row in rows)

    def _guard_cell(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return _json_text(value)
        if isinstance(value, str) and value.startswith(FORMULA):
            self.guarded += 1
            return f"'{value}"
        return value

    def close(self) -> None:
        self.file.close()
