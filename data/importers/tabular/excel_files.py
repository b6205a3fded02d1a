"""Excel workbooks as rows. The size of the unpacked parts is checked first; a damaged file gives a one-line error."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import SHEET_CELLS, WORKBOOK, Allowance
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation
from gnomon.data.importers.text_files import Rows, check_columns, check_whole

UNPACKED_PER_BYTE = 2
"""Bytes that each byte of a workbook may unpack to, beside those of `WORKBOOK`: a second of work reads some three
million.
"""
EMPTY_ERRORS = frozenset(("#N/A",))
PART = 2**20
MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})[\"']")
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
"""The tag of a formula: only where there is one, cells are read a second time as they are written."""
_PARSED: dict[tuple[Path, int, int, str | None], list[tuple[int, dict[str, object]]]] = {}
"""Rows of the workbook that was read last, by its state."""
LONGEST_TAG = 200
"""Bytes of a part of a sheet that are searched again with the next part, since a tag may lie across both."""


@dataclass(slots=True)
class MergedCells:
    """Cells of one column that are merged downwards: each has the value of the uppermost.

    `spans` are the last rows by the first, by the column's index; `values` the values that hold at the moment.
    """

    spans: dict[int, dict[int, int]] = field(default_factory=dict)
    values: dict[int, tuple[int, object]] = field(default_factory=dict)

    def fill_row(self, number: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """The cells of a row with the values of those above that they are merged with.

        Parameters
        ----------
        number : int
            The row's number, from 1; rows are given in their order.
        cells : tuple of object
            Values of its cells.
        """
        if not self.spans:
            return cells
        made = list(cells)
        for at, spans in self.spans.items():
            own = made[at] if at < len(made) else None
            if number in spans:
                self.values[at] = (spans[number], own)
            last, value = self.values.get(at, (0, None))
            if number <= last and value is not None:
                made += [None] * (at + 1 - len(made))
                made[at] = value
        return tuple(made)


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
    for number, row in _cached_rows(path, sheet):
        report.rows += 1
        place = SourceLocation(path.name, number)
        try:
            check_whole(row)
        except RowError as error:
            report.add_problem(place, error)
        else:
            yield place, row


def _cached_rows(path: Path, sheet: str | None) -> Iterator[tuple[int, dict[str, object]]]:
    """The rows of a sheet, which an import reads several times, parsed once: that takes most of an import's time."""
    try:
        about = path.stat()
    except OSError:
        about = None
    state = about and (path.resolve(), about.st_mtime_ns, about.st_size, sheet)
    if state is None or state not in _PARSED:
        _PARSED.clear()
        rows = list(_sheet_rows(path, sheet))
        if state is None:
            return iter(rows)
        _PARSED[state] = rows
    return ((number, dict(row)) for number, row in _PARSED[state])


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
    WORKBOOK.check(unpacked - UNPACKED_PER_BYTE * path.stat().st_size, path)


def _named_rows(path: Path, sheet: str | None) -> Iterator[tuple[int, dict[str, object]]]:
    from openpyxl import load_workbook

    values = load_workbook(path, read_only=True, data_only=True)
    formulas = None
    try:
        name = _sheet_name(path, values, sheet)
        header: list[str] | None = None
        allowance, room = Allowance.of_file(path), Allowance.of_file(path, SHEET_CELLS)
        merged, has_formulas = _merged_cells(path, values[name])
        if has_formulas:
            formulas = load_workbook(path, read_only=True)
        for number, (cells, written) in enumerate(_cell_pairs(values[name], formulas and formulas[name]), start=1):
            filled = merged.fill_row(number, cells)
            if all(cell is None for cell in cells) and all(cell is None for cell in written):
                allowance.take_blank()
                continue
            allowance.take()
            room.take(len(cells) + 2 * len(written))
            if header is None:
                if any(number in spans for spans in merged.spans.values()):
                    raise InputError(f"{path}: cells of its header are merged with those below: give it one row")
                header = _header_names(path, cells)
                continue
            yield number, _named_cells(path, number, header, filled, written)
    finally:
        values.close()
        if formulas is not None:
            formulas.close()


def _cell_pairs(values: Any, formulas: Any) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Rows of stored values, each with its cells as they are written, where a sheet has formulas."""
    if formulas is None:
        return ((cells, ()) for cells in _cells(values))
    return zip(_cells(values), _cells(formulas), strict=True)


def _cells(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Rows of cell values; the stated size of a sheet is not trusted."""
    sheet.reset_dimensions()
    for row in sheet.iter_rows(values_only=True):
        yield tuple(row)


def _merged_cells(path: Path, sheet: Any) -> tuple[MergedCells, bool]:
    """The cells of a sheet that are merged downwards, and whether any cell has a formula; cells that are merged across
    columns are refused.

    A merged area is one cell to its reader, and in the file all but its first cell are empty.
    """
    from openpyxl.utils import column_index_from_string

    found, before, has_formulas = MergedCells(), b"", False
    with sheet._get_source() as source:
        while part := source.read(PART):
            has_formulas = has_formulas or FORMULA.search(before + part) is not None
            for left, top, right, bottom in MERGED.findall(before + part):
                if left != right:
                    area = f"{left.decode()}{int(top)}:{right.decode()}{int(bottom)}"
                    raise InputError(
                        f"{path}: the cells {area} are merged across columns, and a row has one value a column: "
                        "unmerge them (a title or note does not belong in the table), or save the table alone"
                    )
                found.spans.setdefault(column_index_from_string(left.decode()) - 1, {})[int(top)] = int(bottom)
            before = part[-LONGEST_TAG:]
    return found, has_formulas


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
            "the map or --sheet"
        )
    return str(filled[0])


def _header_names(path: Path, cells: tuple[Any, ...]) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    check_columns(path, names)
    return names


def _named_cells(
    path: Path, number: int, header: list[str], cells: tuple[Any, ...], written: tuple[Any, ...]
) -> dict[str, object]:
    row: dict[str, object] = {}
    for at, name in enumerate(header):
        if not name:
            continue
        cell = cells[at] if at < len(cells) else None
        formula = written[at] if at < len(written) else None
        if cell is None and formula is not None:
            raise InputError(
                f"{path}: row {number}, column '{name}' is a formula without a stored value: open the file in a "
                "spreadsheet program and save it, or paste the values"
            )
        row[name] = None if cell in EMPTY_ERRORS else cell
    return row
