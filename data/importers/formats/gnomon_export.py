"""gnomon: imports an export folder with ids, times and order unchanged; rows that contradict stored ones are
reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, cast

from sqlalchemy import JSON, Connection, Table, select

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.json_documents import read_json_file
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation, quote_value, require_one_of
from gnomon.data.importers.ingest import ImportCounts
from gnomon.data.importers.label_history import two_at_once
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.parquet_files import parquet_rows
from gnomon.data.importers.text_files import json_lines, parse_json
from gnomon.data.records import (
    Arm,
    Condition,
    Span,
    count_cell,
    split_of,
)
from gnomon.data.storage import tables
from gnomon.data.storage.columns.column_values import ValueRule, plain_type, rule_of
from gnomon.data.storage.columns.event_details import detail_problem
from gnomon.data.storage.fact_columns import FACT_COLUMNS
from gnomon.data.storage.row_keys import KEYS, LINKS, ORDER, columns_of, is_serial
from gnomon.data.storage.store import CONDITION, Store, split_chunks

NAME = "gnomon"
MANIFEST = "export.json"
FORMAT = 1
LARGEST = 2**63
WORDS: dict[tuple[str, str], Iterable[str]] = {("trials", "arm"): Arm, ("counts", "arm"): Arm}
LOOKED_UP = {"events": "created_at"}
"""Column by which a table's stored rows are looked up, if it is not the first of the key."""
BATCH = 5_000
LOOSE = {"subjects": ("parameters",), "judges": ("created_at",), "labels": ("rater_kind",)}
Line = tuple[SourceLocation, dict[str, object]]


@dataclass(frozen=True, slots=True)
class ExportTables:
    """The tables of an export folder, read row by row on each request."""

    folder: Path
    row_counts: Mapping[str, object]
    """Rows of each table when the folder was written, by the manifest."""

    def valid_rows(self, table: Table, report: ImportReport) -> Iterator[Line]:
        """Valid rows of a table, each with its location.

        Parameters
        ----------
        table : Table
            Table to read.
        report : ImportReport
            Receives the invalid rows.
        """
        return (
            line for line in _table_lines(self.folder, table, self.row_counts, report) if _row_fits(table, line, report)
        )

    @property
    def study_settings(self) -> dict[str, object]:
        """The exported study's settings."""
        return {str(row["key"]): row["value"] for _, row in self.valid_rows(tables.study, ImportReport())}

    @property
    def has_rows(self) -> bool:
        """Whether any table has a valid row."""
        return any(True for table in ORDER for _ in self.valid_rows(table, ImportReport()))

    def store_into(self, store: Store, report: ImportReport) -> ImportCounts:
        """Add the tables to a store in one transaction. Settings that the study already has are kept.

        Parameters
        ----------
        store : Store
            Store of the study.
        report : ImportReport
            Receives the rows that were not taken.
        """
        landed = ImportCounts()
        with store.write_transaction() as connection:
            for table in ORDER:
                names = columns_of(table)
                for lines in split_chunks(self.valid_rows(table, report), BATCH):
                    fresh = _new_rows(connection, table, lines, landed, report)
                    store.insert_rows(connection, table, [{name: row[name] for name in names} for row in fresh])
            store.analyze_tables(connection)
        return landed


def read_folder(paths: Sequence[Path], options: ImportOptions, report: ImportReport) -> ExportTables:
    """Open one export folder: its JSON lines or, if these are missing, its Parquet files.

    Parameters
    ----------
    paths : sequence of Path
        Exactly one folder.
    options : ImportOptions
        Not used: an export folder gives everything.
    report : ImportReport
        If no row at all is valid, receives the reasons.

    Raises
    ------
    InputError
        If the folder or one of its files cannot be read.
    """
    if len(paths) != 1 or not (paths[0] / MANIFEST).is_file():
        raise InputError(f"{paths[0]}: is no export folder: name one folder that holds {MANIFEST}")
    found = ExportTables(paths[0], _read_row_counts(paths[0] / MANIFEST))
    for table in ORDER:
        next(found.valid_rows(table, ImportReport()), None)  # an unreadable file raises before anything is stored
    if not found.has_rows:
        for table in ORDER:
            for _ in found.valid_rows(table, report):
                pass
    return found


def _read_row_counts(path: Path) -> dict[str, object]:
    try:
        manifest = read_json_file(path)
        version = int(manifest["format"])
        counts = dict(manifest.get("rows", {}))
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: cannot be read ({error!r}): export the study again") from None
    if version > FORMAT:
        raise InputError(
            f"{path}: was written by a newer Gnomon (format {version}, this one knows {FORMAT}): upgrade it"
        )
    return counts


def _table_lines(folder: Path, table: Table, row_counts: Mapping[str, object], report: ImportReport) -> Iterator[Line]:
    expected = row_counts.get(table.name, 0)
    lines, packed = folder / f"{table.name}.jsonl", folder / f"{table.name}.parquet"
    if lines.is_file():
        if lines.stat().st_size:
            yield from json_lines(lines, report)
    elif packed.is_file():
        for place, row in parquet_rows(packed, report):
            try:
                yield place, _unpack_json(table, row)
            except RowError as error:
                report.add_problem(place, error)
    elif expected:
        raise InputError(f"{folder}: lacks {lines.name}, which had {expected} rows: export the study again")


def _unpack_json(table: Table, row: dict[str, object]) -> dict[str, object]:
    texts = {column.name for column in table.columns if isinstance(plain_type(column), JSON)}
    for name in texts & row.keys():
        value = row[name]
        if isinstance(value, str):
            row[name] = parse_json(value)
        elif value is not None:
            raise RowError(f"'{name}' is {quote_value(value)}, no JSON text: export the study again")
    return row


def _row_fits(table: Table, line: Line, report: ImportReport) -> bool:
    place, row = line
    try:
        check_row(table, row)
    except RowError as error:
        report.add_problem(place, error)
        return False
    return True


def check_row(table: Table, row: dict[str, object]) -> None:
    """Check each value of a row against its column, and a trial against its id and split.

    Parameters
    ----------
    table : Table
        Table of the row.
    row : dict of str to object
        The row; a missing value is set to None, and whole numbers in Float columns become floats.

    Raises
    ------
    RowError
        If a value is invalid, or a trial's id or split is not the hash of its condition.
    """
    for check in _column_checks(table.name):
        check.check_value(row)
    if table is tables.trials:
        _check_identity(row)
    if table is tables.counts:
        _check_count(row)
    if table is tables.events and (problem := detail_problem(row["kind"], row["detail"])):
        raise RowError(f"'detail' of event '{row['kind']}' {problem}: fix the row")


@dataclass(frozen=True, slots=True)
class _ColumnCheck:
    """What one column's values must be."""

    name: str
    nullable: bool
    rule: ValueRule
    words: Iterable[str] | None
    assumed: object = None
    """What a row of an export that does not have the column holds."""

    def check_value(self, row: dict[str, object]) -> None:
        """Raise `RowError` for an invalid value; convert whole numbers of a Float column to floats; set a missing
        value to None.
        """
        value = row.setdefault(self.name, self.assumed)
        if value is None:
            if not self.nullable:
                raise RowError(f"'{self.name}' is missing: export the study again or fix the row")
            return
        if (isinstance(value, int) and abs(value) >= LARGEST) or (isinstance(value, float) and not isfinite(value)):
            raise RowError(
                f"'{self.name}' is {quote_value(value)}: write a finite number, a whole one of at most 63 bits"
            )
        if not self.rule.is_met(value):
            raise RowError(f"'{self.name}' is {quote_value(value)}, no {self.rule.should_be}: fix the row")
        if self.rule.kind is float:
            row[self.name] = float(cast(float, value))
        if self.words is not None:
            require_one_of(value, f"'{self.name}'", self.words)


@cache
def _column_checks(table: str) -> list[_ColumnCheck]:
    columns = [column for column in tables.metadata.tables[table].columns if not is_serial(column)]
    return [
        _ColumnCheck(each.name, bool(each.nullable), rule_of(each), WORDS.get((table, each.name)), _assumed(each))
        for each in columns
    ]


def _assumed(column: Any) -> object:
    return next((given.arg for given in (column.default, column.server_default) if given is not None), None)


def _check_identity(row: Mapping[str, Any]) -> None:
    told = {name: row["study_seed" if name == "seed" else name] for name in CONDITION}
    condition = Condition(**{**told, "arm": Arm(row["arm"]), "span": Span(row["span"])})
    if condition.trial_id(row["replicate"]) != row["id"]:
        raise RowError(f"trial '{row['id']}' is not what its condition and replicate hash to: the row was changed")
    if split_of(row["id"]) != row["split"]:
        raise RowError(
            f"trial '{row['id']}' is not in split {quote_value(row['split'])} by its hash: the row was changed"
        )


def _check_count(row: Mapping[str, Any]) -> None:
    axes = (row[name] for name in ("concept", "layer", "strength", "span", "protocol"))
    if row["cell"] != count_cell(*axes, measure=row["measure"]):
        raise RowError(f"counts of '{row['subject']}': the cell is not the hash of its axes: the row was changed")
    parts = [row["event"], *(row[name] or 0 for name in ("refused", "incoherent", "misnamed"))]
    if min(parts) < 0 or sum(parts) > row["n"]:
        raise RowError(f"counts of '{row['subject']}': outcomes do not add up to n: the row was changed")


def _stored_candidates(
    connection: Connection, table: Table, rows: Iterable[Mapping[str, object]]
) -> list[dict[str, object]]:
    """Stored rows that could have the same key as these rows."""
    by = table.c[LOOKED_UP.get(table.name, KEYS[table.name][0])]
    query = select(*(table.c[name] for name in columns_of(table)))
    parts = split_chunks({row[by.name] for row in rows})
    return [dict(row._mapping) for part in parts for row in connection.execute(query.where(by.in_(part)))]


def _row_key(table: Table, row: Mapping[str, object]) -> Any:
    parts = [row[name] for name in KEYS[table.name]]
    return tuple(json.dumps(part, sort_keys=True) if isinstance(part, dict | list) else part for part in parts)


def _new_rows(
    connection: Connection, table: Table, lines: Sequence[Line], landed: ImportCounts, report: ImportReport
) -> list[dict[str, object]]:
    """The rows that are new."""
    fresh = []
    known = {_row_key(table, row): row for row in _stored_candidates(connection, table, (row for _, row in lines))}
    links = {other: _existing_keys(connection, other, column, lines) for column, other in LINKS.get(table.name, ())}
    instants = _event_times(known.values()) if table is tables.labels else {}
    for place, row in lines:
        try:
            there = known.get(_row_key(table, row))
            if there is None:
                _check_links(table, row, links)
                if table is tables.labels:
                    _check_instant(row, instants)
                known[_row_key(table, row)] = row
                fresh.append(row)
            elif table is not tables.study and not _same_row(table, there, row):
                raise RowError(f"{_row_name(table, row)} is there with other contents: nothing is overwritten")
            _count_landed(table, landed, new=there is None, revision=row.get("revision"))
        except RowError as error:
            report.add_problem(place, error)
    return fresh


def _count_landed(table: Table, landed: ImportCounts, *, new: bool, revision: Any) -> None:
    landed.accepted += 1
    landed.repeated += not new
    counts = landed.new if new else landed.already
    if table.name in counts or table is tables.counts:
        counts[table.name] = counts.get(table.name, 0) + 1
    if table is tables.labels and new:
        landed.revisions += int(revision) > 0


def _existing_keys(connection: Connection, other: str, column: str, lines: Sequence[Line]) -> set[Any]:
    """Keys in another table that these lines refer to and that are stored."""
    key = tables.metadata.tables[other].c[KEYS[other][0]]
    parts = split_chunks({row[column] for _, row in lines})
    return {found for part in parts for found in connection.execute(select(key).where(key.in_(part))).scalars()}


def _check_links(table: Table, row: Mapping[str, object], links: Mapping[str, set[Any]]) -> None:
    for column, other in LINKS.get(table.name, ()):
        if row[column] not in links[other]:
            raise RowError(
                f"its {column} {quote_value(row[column])} is not in this study: add it to {other}, or fix the row"
            )


def _event_times(rows: Any) -> dict[tuple[str, str, str], str]:
    return {(row["trial"], row["rater"], row["created_at"]): _label_content(row) for row in rows}


def _check_instant(row: Mapping[str, object], instants: dict[tuple[str, str, str], str]) -> None:
    trial, rater, created_at = (str(row[name]) for name in ("trial", "rater", "created_at"))
    if instants.setdefault((trial, rater, created_at), _label_content(row)) != _label_content(row):
        raise two_at_once(rater, trial, created_at)


def _label_content(row: Mapping[str, object]) -> str:
    return json.dumps([row[name] for name in ("kind", *FACT_COLUMNS)], sort_keys=True)


def _same_row(table: Table, there: Mapping[str, object], row: Mapping[str, object]) -> bool:
    names = [name for name in columns_of(table) if name not in LOOSE.get(table.name, ())]
    return all(there[name] == row[name] for name in names)


def _row_name(table: Table, row: Mapping[str, object]) -> str:
    return f"{table.name} row {quote_value(', '.join(str(row[name]) for name in KEYS[table.name]))}"
