"""Importers: one module a format turns files into rows, and `landing` brings rows into a store, whole or not at all."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import BadInput, UnknownName
from data.importers import (
    arena,
    folder,
    inspect_logs,
    introspection_scaling,
    llama_introspection,
    open_introspection,
    table,
)
from data.importers.landing import Landed, land
from data.importers.made import PAIR, UNKNOWN_SIZE, Row
from data.importers.options import Options
from data.importers.rows import Report
from data.store import Store

Reader = Callable[[Sequence[Path], Options, Report], Iterator[Row]]
READERS: dict[str, Reader] = {
    open_introspection.NAME: open_introspection.read,
    llama_introspection.NAME: llama_introspection.read,
    introspection_scaling.NAME: introspection_scaling.read,
    inspect_logs.NAME: inspect_logs.read,
    arena.NAME: arena.read,
    table.NAME: table.read,
}
__all__ = ["FORMATS", "RULES", "Landed", "Options", "Parsed", "Report", "parse"]
FORMATS = (*READERS, folder.NAME)
RULES = {open_introspection.NAME: "lenient"}


@contextmanager
def _growing() -> Iterator[None]:
    """No search for garbage cycles: millions of new objects hold none, and looking costs a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Parsed:
    """Files that have been read and not yet stored: rows, or the tables of an export folder."""

    format: str
    report: Report
    rows: tuple[Row, ...] = ()
    tables: folder.Tables | None = None

    def land(self, store: Store) -> Landed:
        """Store all of it in one transaction."""
        with _growing():
            if self.tables is not None:
                return folder.land(store, self.tables, self.report)
            return land(store, self.rows, self.report)

    @property
    def settings(self) -> dict[str, Any]:
        """The study's settings that an export folder holds."""
        return dict(self.tables.study) if self.tables is not None else {}

    @property
    def sizeless(self) -> list[str]:
        """Subjects whose number of parameters neither their name nor an option tells."""
        subjects = (row.subject for row in self.rows if row.subject)
        return sorted({each.name for each in subjects if each.parameters == UNKNOWN_SIZE and each.family != PAIR})


def parse(format_: str, paths: Sequence[Path], options: Options) -> Parsed:
    """Read files of one format. Rows that do not fit are in the report, each with its line.

    Raises
    ------
    UnknownName
        For a format that there is not.
    BadInput
        For a file that cannot be read at all, or where no row fits; nothing has been stored then.
    """
    if format_ not in FORMATS:
        raise UnknownName(f"format '{format_}' is not known: choose from {', '.join(FORMATS)}")
    if not paths:
        raise BadInput(f"format '{format_}': no file is named: name at least one")
    report = Report()
    with _growing():
        if format_ == folder.NAME:
            return Parsed(format_, report, tables=folder.read(paths, report))
        return Parsed(format_, report, rows=tuple(READERS[format_](paths, options, report)))
