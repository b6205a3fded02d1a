"""Formats that can be imported. A further one is one call of `register_importer` (group `gnomon.importers`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.ingest import ImportCounts
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.row_builders import ImportedRow
from gnomon.data.registry import Registry
from gnomon.data.storage.store import Store


class ImportedTables(Protocol):
    """Whole tables of another study, which are stored as they are."""

    @property
    def has_rows(self) -> bool:
        """Whether any table has a valid row."""

    @property
    def study_settings(self) -> dict[str, object]:
        """The other study's settings."""

    def store_into(self, store: Store, report: ImportReport) -> ImportCounts:
        """Add the tables to a store in one transaction.

        Parameters
        ----------
        store : Store
            Store of the study.
        report : ImportReport
            Receives the rows that were not taken.
        """


RowReader = Callable[[Sequence[Path], ImportOptions, ImportReport], Iterator[ImportedRow]]
TableReader = Callable[[Sequence[Path], ImportOptions, ImportReport], ImportedTables]


@dataclass(frozen=True)
class Importer:
    """One format that files may have.

    Attributes
    ----------
    name : str
        Name of the format, as it is typed.
    read_rows : callable, optional
        Function of the files, the `ImportOptions` and an `ImportReport` that yields the rows; it is called twice, and
        puts what it cannot read into the report with file and line.
    read_tables : callable, optional
        In place of `read_rows`: function of the files, the `ImportOptions` and an `ImportReport` that returns whole
        tables.
    rule : str
        Outcome rule that a new study file names.
    rule_comment : str
        Comment on the rule in that file.
    suggests_judge : bool
        Whether that file asks a judge to read the responses in addition to the imported verdicts.
    """

    name: str
    read_rows: RowReader | None = None
    read_tables: TableReader | None = None
    rule: str = "strict"
    rule_comment: str = ""
    suggests_judge: bool = True


IMPORTERS: Registry[Importer] = Registry("format", group="gnomon.importers")


def register_importer(importer: Importer) -> Importer:
    """Register a format: `gnomon import` reads it from now on.

    Raises
    ------
    InputError
        If the name is taken.
    """
    return IMPORTERS.register(importer.name, importer)
