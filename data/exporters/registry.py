"""Formats that a study can be written in. One more is one call of `register_exporter` (group `gnomon.exporters`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gnomon.data.registry import Registry
from gnomon.data.storage.store import Store


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Result of an export: rows by table, SHA-256 by file, and the number of CSV cells guarded against formula
    injection.
    """

    folder: Path
    rows: dict[str, int]
    files: dict[str, str]
    guarded: int = 0


@dataclass(frozen=True)
class Exporter:
    """One format that a study can be written in.

    Attributes
    ----------
    name : str
        Name of the format, as it is typed.
    write : callable
        Function of a store and a new folder that writes the folder and returns an `ExportReport`. The folder appears
        only when it is complete; one that holds something is never changed.
    guards_cells : bool
        Whether cells that a spreadsheet would run as a formula are guarded, and counted in the report.
    """

    name: str
    write: Callable[[Store, Path], ExportReport]
    guards_cells: bool = False


EXPORTERS: Registry[Exporter] = Registry("format", group="gnomon.exporters")


def register_exporter(exporter: Exporter) -> Exporter:
    """Register a format: `gnomon export --format` writes it from now on.

    Raises
    ------
    InputError
        If the name is taken.
    """
    return EXPORTERS.register(exporter.name, exporter)
