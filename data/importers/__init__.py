"""Importers: one module per format parses files into rows, and `ingest` stores them in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gnomon.data.errors import InputError, PluginError
from gnomon.data.foreign_documents.bounds import FACTS, Allowance
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.formats import (
    arena,
    gnomon_export,
    inspect_log,
    introspection_scaling,
    llama_introspection,
    llama_introspection_new,
    open_introspection,
    outcome_counts,
    table,
)
from gnomon.data.importers.formats.label_tools import argilla, label_studio
from gnomon.data.importers.ingest import ImportCounts, store_rows
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.registry import IMPORTERS, ImportedTables, Importer, RowReader, register_importer
from gnomon.data.importers.row_builders import PAIR, UNKNOWN_SIZE, ImportedRow
from gnomon.data.records import RaterKind
from gnomon.data.storage.store import Store

__all__ = [
    "IMPORTERS",
    "ImportCounts",
    "ImportOptions",
    "ImportReport",
    "Importer",
    "ParsedFiles",
    "parse_files",
    "register_importer",
]

register_importer(
    Importer(
        open_introspection.NAME,
        open_introspection.read_files,
        rule="lenient",
        rule_comment="                # lenient: there an answer that refuses and notices all the same passes",
    )
)
register_importer(Importer(llama_introspection.NAME, llama_introspection.read_files))
register_importer(Importer(llama_introspection_new.NAME, llama_introspection_new.read_files))
register_importer(Importer(introspection_scaling.NAME, introspection_scaling.read_files))
register_importer(Importer(inspect_log.NAME, inspect_log.read_files))
register_importer(Importer(arena.NAME, arena.read_files, suggests_judge=False))
register_importer(Importer(label_studio.NAME, label_studio.read_files))
register_importer(Importer(argilla.NAME, argilla.read_files))
register_importer(Importer(table.NAME, table.read_files))
register_importer(Importer(outcome_counts.NAME, read_tables=outcome_counts.read_files, suggests_judge=False))
register_importer(Importer(gnomon_export.NAME, read_tables=gnomon_export.read_folder, suggests_judge=False))


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
    tables: ImportedTables | None = None

    def iter_rows(self) -> Iterator[ImportedRow]:
        """The rows, read again from the files."""
        rows = _row_reader(self.format)(self.paths, self.options, ImportReport())
        guideline = self.options.guideline
        policy = "" if guideline is None else guideline.hash
        return (_with_policy(_with_rater_kind(row, self.options.rater_kind), policy) for row in rows)

    def ingest_into(self, store: Store) -> ImportCounts:
        """Store everything in one transaction.

        Raises
        ------
        InputError
            If a file changed since it was first read; nothing is stored then.
        """
        if self.tables is not None:
            return self.tables.store_into(store, self.report)
        if self.options.guideline is not None:
            store.add_label_policies([self.options.guideline])
        rows, allowance = self._rows_unless_changed(), fact_allowance(self.paths)
        return store_rows(store, rows, set(self.seen.concepts), self.report, allowance)

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
    def study_settings(self) -> dict[str, object]:
        """Study settings contained in an export folder; empty for other formats."""
        return dict(self.tables.study_settings) if self.tables is not None else {}


def parse_files(format_: str, paths: Sequence[Path], options: ImportOptions) -> ParsedFiles:
    """Read files of one format. Rows that cannot be imported are listed in the report with their line.

    Parameters
    ----------
    format_ : str
        Name of a registered format.
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
    importer = IMPORTERS.find(format_)
    if not paths:
        raise InputError(f"format '{format_}': no file is named: name at least one")
    report = ImportReport()
    if importer.read_tables is not None:
        return ParsedFiles(
            format_, report, FirstPass(), tuple(paths), options, importer.read_tables(paths, options, report)
        )
    rows = _row_reader(format_)(paths, options, report)
    seen = _first_pass(rows, fact_allowance(paths))
    return ParsedFiles(format_, report, seen, tuple(paths), options)


def fact_allowance(paths: Sequence[Path]) -> Allowance:
    """How many trials, verdicts and labels may come from files, or from folders of them."""
    inside = (file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)))
    size = sum(file.stat().st_size for file in inside if file.is_file())
    return Allowance(paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more", FACTS, size)


def _with_rater_kind(row: ImportedRow, kind: RaterKind | None) -> ImportedRow:
    """The row with the kind of its raters, where the source does not give it and the caller does."""
    if kind is None or not row.labels:
        return row
    return replace(row, labels=tuple(replace(each, rater_kind=each.rater_kind or kind) for each in row.labels))


def _with_policy(row: ImportedRow, policy: str) -> ImportedRow:
    """The row with the guideline of its labels, where the source does not give it and the caller does."""
    if not policy or not row.labels:
        return row
    return replace(row, labels=tuple(replace(each, policy=each.policy or policy) for each in row.labels))


def _row_reader(format_: str) -> RowReader:
    reader = IMPORTERS.find(format_).read_rows
    if reader is None:
        raise PluginError(
            f"format '{format_}': it was registered with nothing to read it: give read_rows or read_tables"
        )
    return reader


def _first_pass(rows: Iterator[ImportedRow], allowance: Allowance) -> FirstPass:
    count = 0
    concepts: set[str | None] = set()
    subjects: dict[str, float] = {}
    for row in rows:
        count += 1
        allowance.take(row.fact_count)
        if row.trial is not None:
            concepts.add(row.trial.condition.concept)
        if row.counted is not None:
            concepts.add(row.counted.concept)
        if row.subject is not None and row.subject.family != PAIR:
            size = row.subject.parameters
            subjects[row.subject.name] = max(size, subjects.get(row.subject.name, UNKNOWN_SIZE))
    sizeless = sorted(name for name, size in subjects.items() if size == UNKNOWN_SIZE)
    return FirstPass(count, frozenset(concept for concept in concepts if concept), tuple(sizeless))
