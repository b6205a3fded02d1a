"""Importers: one module per format parses files into rows, and `ingest` stores them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.formats import (
    arena,
    gnomon_export,
    inspect_logs,
    introspection_scaling,
    llama_introspection,
    open_introspection,
    table,
)
from gnomon.data.importers.ingest import ImportCounts, store_rows
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.row_builders import PAIR, UNKNOWN_SIZE, ImportedRow
from gnomon.data.storage.store import Store

Reader = Callable[[Sequence[Path], ImportOptions, ImportReport], Iterator[ImportedRow]]
READERS: dict[str, Reader] = {
    open_introspection.NAME: open_introspection.read_files,
    llama_introspection.NAME: llama_introspection.read_files,
    introspection_scaling.NAME: introspection_scaling.read_files,
    inspect_logs.NAME: inspect_logs.read_files,
    arena.NAME: arena.read_files,
    table.NAME: table.read_files,
}
__all__ = ["FORMATS", "RULES", "ImportCounts", "ImportOptions", "ImportReport", "ParsedFiles", "parse_files"]
FORMATS = (*READERS, gnomon_export.NAME)
RULES = {open_introspection.NAME: "lenient"}


@dataclass(frozen=True, slots=True)
class FirstPass:
    """Result of the first reading of the files, before any row is stored."""

    rows: int = 0
    concepts: frozenset[str] = frozenset()
    subjects_without_size: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedFiles:
    """Files that were read once and are not yet stored: a format's rows, or the tables of an export folder.

    Rows are not kept: `ingest_into` reads the files again, so that memory does not grow with them. Each problem is in
    the report once; for an export folder the report is filled by `ingest_into`.
    """

    format: str
    report: ImportReport
    seen: FirstPass
    paths: tuple[Path, ...]
    options: ImportOptions
    tables: gnomon_export.ExportTables | None = None

    def iter_rows(self) -> Iterator[ImportedRow]:
        """The rows, read again from the files."""
        return READERS[self.format](self.paths, self.options, ImportReport())

    def ingest_into(self, store: Store) -> ImportCounts:
        """Store everything in one transaction.

        Raises
        ------
        InputError
            If a file changed since it was first read; nothing is stored then.
        """
        if self.tables is not None:
            return gnomon_export.store_tables(store, self.tables, self.report)
        return store_rows(store, self._rows_unless_changed(), set(self.seen.concepts), self.report)

    def _rows_unless_changed(self) -> Iterator[ImportedRow]:
        left = self.seen.rows
        for row in self.iter_rows():
            left -= 1
            yield row
        if left:
            raise InputError(f"{self.paths[0]}: changed while it was read: nothing was stored; import it again")

    @property
    def is_empty(self) -> bool:
        """True if no importable row was found."""
        return not (self.seen.rows if self.tables is None else self.tables.has_rows)

    @property
    def study_settings(self) -> dict[str, Any]:
        """Study settings contained in an export folder; empty for other formats."""
        return dict(self.tables.study_settings) if self.tables is not None else {}


def parse_files(format_: str, paths: Sequence[Path], options: ImportOptions) -> ParsedFiles:
    """Read files of one format. Rows that cannot be imported are listed in the report with their line.

    Parameters
    ----------
    format_ : str
        Name of the format, one of `FORMATS`.
    paths : sequence of Path
        Files, or for the format `gnomon` one export folder.
    options : ImportOptions
        Names and sizes that the files do not give.

    Raises
    ------
    UnknownNameError
        If the format is not known.
    InputError
        If a file cannot be read, or no file is named.
    """
    if format_ not in FORMATS:
        raise UnknownNameError(f"format '{format_}' is not known: choose from {', '.join(FORMATS)}")
    if not paths:
        raise InputError(f"format '{format_}': no file is named: name at least one")
    report = ImportReport()
    if format_ == gnomon_export.NAME:
        return ParsedFiles(
            format_, report, FirstPass(), tuple(paths), options, gnomon_export.read_folder(paths, report)
        )
    seen = _first_pass(READERS[format_](paths, options, report))
    return ParsedFiles(format_, report, seen, tuple(paths), options)


def _first_pass(rows: Iterator[ImportedRow]) -> FirstPass:
    count = 0
    concepts: set[str | None] = set()
    subjects: dict[str, float] = {}
    for row in rows:
        count += 1
        if row.trial is not None:
            concepts.add(row.trial.condition.concept)
        if row.subject is not None and row.subject.family != PAIR:
            size = row.subject.parameters
            subjects[row.subject.name] = max(size, subjects.get(row.subject.name, UNKNOWN_SIZE))
    sizeless = sorted(name for name, size in subjects.items() if size == UNKNOWN_SIZE)
    return FirstPass(count, frozenset(concept for concept in concepts if concept), tuple(sizeless))
