"""Tables as rows by their file type: CSV with any separator, Excel, JSON, JSON lines and Parquet."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.parquet_files import parquet_rows
from gnomon.data.importers.tabular.excel_files import excel_rows
from gnomon.data.importers.text_files import EMPTY_NAN, Rows, csv_rows, json_lines, json_table


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How a table is written, as far as the file does not show it.

    Attributes
    ----------
    separator : str, optional
        Character between the cells of a CSV file.
    encoding : str, optional
        Encoding of a text file, by default UTF-8.
    sheet : str, optional
        Sheet of a workbook.
    rows : str, optional
        Path of the list of rows in a JSON document.
    """

    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    rows: str | None = None

    def check_names(self) -> None:
        """Check separator and encoding.

        Raises
        ------
        InputError
            If the separator is not one character, or the encoding is not known.
        """
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n'):
            raise InputError(f"separator '{self.separator}': is not one character: write for example ';'")
        try:
            known = self.encoding is None or codecs.lookup(self.encoding)._is_text_encoding
        except (LookupError, ValueError):
            known = False
        if not known:
            raise InputError(f"encoding '{self.encoding}': is not known: write for example cp1252 or utf-16")


def _read_csv(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    return csv_rows(path, report, separator=layout.separator, encoding=layout.encoding)


def _read_tsv(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    return csv_rows(path, report, separator=layout.separator or "\t", encoding=layout.encoding)


def _read_json_lines(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    return json_lines(path, report, encoding=layout.encoding, decoder=EMPTY_NAN)


def _read_json(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    return json_table(path, report, rows=layout.rows, encoding=layout.encoding)


def _read_excel(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    return excel_rows(path, report, sheet=layout.sheet)


def _read_parquet(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    return parquet_rows(path, report)


READERS: dict[str, Callable[[Path, ImportReport, FileLayout], Rows]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".txt": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".xlsx": _read_excel,
    ".xlsm": _read_excel,
    ".parquet": _read_parquet,
}


SPREADSHEETS = (".xls", ".xlsb", ".ods", ".numbers")
"""Endings of spreadsheets that are not read."""


def table_rows(path: Path, report: ImportReport, layout: FileLayout) -> Rows:
    """Rows of a table; the file type is known from the file's extension.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid rows.
    layout : FileLayout
        What the file does not show.

    Raises
    ------
    InputError
        If the file has another extension or cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if path.suffix.lower() in SPREADSHEETS:
        raise InputError(f"{path}: is a spreadsheet of another program or version: save it as .xlsx (or CSV)")
    if reader is None:
        raise InputError(f"{path}: is no table that can be read: name a file that ends in {', '.join(READERS)}")
    return reader(path, report, layout)
