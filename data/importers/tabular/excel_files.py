"""Excel workbooks as rows. The size of the unpacked parts is checked first; a damaged file gives a one-line error."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation
from gnomon.data.importers.text_files import Rows, check_whole

LARGEST = 2**30
"""Greatest number of bytes of all parts of a workbook together."""
EMPTY_ERRORS = frozenset(("#N/A",))


def excel_rows(path: Path, report: ImportReport, *, sheet: str | None = None) -> Rows:
    """Rows of one sheet by its first row that is not empty, numbered as Excel numbers them.

    Parameters
    ----------
    path : Path
        An .xlsx or .xlsm workbook.
    report : ImportReport
        Receives row count and invalid rows.
    sheet : str, optional
        Name of the sheet; needed if several have cells.

    Raises
    ------
    InputError
        If the file is no workbook or damaged, the sheet cannot be told, or a formula has no stored value.
    """
    for number, row in _sheet_rows(path, sheet):
        report.rows += 1
        place = SourceLocation(path.name, number)
        try:
            check_whole(row)
        except RowError as error:
            report.add_problem(place, error)
        else:
            yield place, row


def _sheet_rows(path: Path, sheet: str | None) -> Iterator[tuple[int, dict[str, object]]]:
    try:
        _check_size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from _named_rows(path, sheet)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: is not there: check the name") from None
    except Exception as error:  # openpyxl raises what its parser meets
        problem = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"{path}: is no Excel workbook or damaged ({problem}): save it again as .xlsx") from None


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > LARGEST:
        raise InputError(f"{path}: unpacks to {unpacked:,} bytes: {LARGEST:,} are the most; save it as CSV")


def _named_rows(path: Path, sheet: str | None) -> Iterator[tuple[int, dict[str, object]]]:
    from openpyxl import load_workbook

    values = load_workbook(path, read_only=True, data_only=True)
    formulas = load_workbook(path, read_only=True)
    try:
        name = _sheet_name(path, values, sheet)
        header: list[str] | None = None
        pairs = zip(_cells(values[name]), _cells(formulas[name]), strict=True)
        for number, (cells, written) in enumerate(pairs, start=1):
            if all(cell is None for cell in cells) and all(cell is None for cell in written):
                continue
            if header is None:
                header = _header_names(path, cells)
                continue
            yield number, _named_cells(path, number, header, cells, written)
    finally:
        values.close()
        formulas.close()


def _cells(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Rows of cell values; the stated size of a sheet is not trusted."""
    sheet.reset_dimensions()
    for row in sheet.iter_rows(values_only=True):
        yield tuple(row)


def _sheet_name(path: Path, book: Any, sheet: str | None) -> str:
    names = [each.title for each in book.worksheets]
    if sheet is not None:
        if sheet not in names:
            raise InputError(f"{path}: has no sheet '{sheet}': it has {', '.join(names)}")
        return sheet
    filled = [name for name in names if any(any(cell is not None for cell in row) for row in _cells(book[name]))]
    if len(filled) != 1:
        raise InputError(
            f"{path}: {len(filled) or 'none'} of its sheets ({', '.join(names)}) have cells: name one with 'sheet' in "
            "the map"
        )
    return str(filled[0])


def _header_names(path: Path, cells: tuple[Any, ...]) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: has two columns called '{name}': rename one")
    return names


def _named_cells(
    path: Path, number: int, header: list[str], cells: tuple[Any, ...], written: tuple[Any, ...]
) -> dict[str, object]:
    row: dict[str, object] = {}
    for at, name in enumerate(header):
        cell = cells[at] if at < len(cells) else None
        formula = written[at] if at < len(written) else None
        if cell is None and formula is not None:
            raise InputError(
                f"{path}: row {number}, column '{name}' is a formula without a stored value: open the file in a "
                "spreadsheet program and save it, or paste the values"
            )
        row[name] = None if cell in EMPTY_ERRORS else cell
    return row
