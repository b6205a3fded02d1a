"""Text files as rows with line numbers: JSON lines, CSV and JSON. Invalid rows are reported and skipped."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation

LONGEST = 2**28
"""Greatest number of bytes of a line, and of characters of a cell."""
LONGEST_PART = 2**20
MARK = b"\xef\xbb\xbf"
_STRAY = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
Rows = Iterator[tuple[SourceLocation, dict[str, object]]]


def read_content(path: Path) -> bytes:
    """Content of a UTF-8 file without its byte-order mark.

    Raises
    ------
    InputError
        If the file cannot be read, or is not UTF-8 text.
    """
    with text_file(path) as file:
        return file.read()


@contextmanager
def text_file(path: Path) -> Iterator[BinaryIO]:
    """A UTF-8 file opened for reading, positioned after its byte-order mark.

    Raises
    ------
    InputError
        If the file cannot be read, or is not UTF-8 text.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: can be read only once, and files are read twice: write it to a file first")
        file = path.open("rb")
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder: name the files in it") from None
    except FileNotFoundError:
        raise InputError(f"{path}: is not there: check the name") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): change its permissions") from None
    with file:
        file.seek(_text_offset(path, file))
        yield file


def _text_offset(path: Path, file: BinaryIO) -> int:
    """Position at which the text begins. Raises `InputError` for another encoding or an empty file."""
    head = file.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.count(0) > len(head) // 5:
        raise InputError(
            f"{path}: is no UTF-8 text but UTF-16 or binary: save it as UTF-8{_conversion_command('UTF-16', path)}"
        )
    begin = len(MARK) if head.startswith(MARK) else 0
    part = head[begin:]
    while not part.strip():
        if not (part := file.read(LONGEST_PART)):
            raise InputError(f"{path}: is empty: name a file with rows")
    return begin


def _conversion_command(encoding: str, path: Path) -> str:
    return f" (iconv -f {encoding} -t UTF-8 {path.name})"


def parse_json(line: str) -> Any:
    """Decode JSON that contains no NaN, infinity, NUL or unpaired surrogate.

    Raises
    ------
    RowError
        If the text is not such JSON.
    """
    _check_text(line)
    try:
        made = DECODER.decode(line)
    except RecursionError:
        raise RowError("is nested too deeply: flatten it") from None
    except ValueError as error:
        raise RowError(f"is broken JSON or cut off ({str(error)[:80]}): fix the line") from None
    if _ESCAPED.search(line):
        check_whole(made)
    return made


def _refuse_constant(name: str) -> None:
    raise RowError(f"holds {name}, which JSON does not know: write null or a number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _check_text(line: str) -> None:
    """Raise `RowError` for bytes that are not UTF-8 text."""
    if "\x00" in line:
        raise RowError("holds NUL bytes: fix or remove the line")
    if not line.isascii() and (found := _STRAY.search(line)):
        byte = ord(found[0]) - 0xDC00
        if not 0x80 <= byte <= 0xFF:
            raise RowError("holds half a surrogate pair: remove it")
        raise RowError(
            f"is no UTF-8 (byte 0x{byte:02x} at character {found.start() + 1}): save the file as UTF-8, for example "
            "with iconv -f LATIN1 -t UTF-8"
        )


def check_whole(value: Any) -> None:
    """Raise `RowError` if an escape sequence produced a NUL or an unpaired surrogate, which databases cannot store."""
    if isinstance(value, str):
        if "\x00" in value or _STRAY.search(value):
            raise RowError("holds an escaped NUL or half a surrogate pair: remove it")
    elif isinstance(value, dict):
        for key, part in value.items():
            check_whole(key)
            check_whole(part)
    elif isinstance(value, list | tuple):
        for part in value:
            check_whole(part)


def json_lines(path: Path, report: ImportReport) -> Rows:
    """Rows of a JSON-lines file; blank lines are skipped.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid lines.
    """
    with text_file(path) as file:
        for number, raw in enumerate(_text_lines(file), start=1):
            if raw is None or raw.strip():
                place = SourceLocation(path.name, number)
                report.rows += 1
                try:
                    row = _json_object(raw)
                except RowError as error:
                    report.add_problem(place, error)
                else:
                    yield place, row


def _text_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines without their line ends; None for a line that exceeds the limit."""
    while line := file.readline(LONGEST):
        if whole := line.endswith(b"\n") or len(line) < LONGEST:
            yield line.removesuffix(b"\n")
            continue
        while not whole:
            line = file.readline(LONGEST_PART)
            whole = line.endswith(b"\n") or not line
        yield None


def _json_object(raw: bytes | None) -> dict[str, object]:
    if raw is None:
        raise RowError(f"is longer than {LONGEST // 2**20} MB: split it")
    row = parse_json(raw.decode("utf-8", "surrogateescape"))
    if not isinstance(row, dict):
        raise RowError("is no JSON object: write one object a line")
    return row


def csv_rows(path: Path, report: ImportReport) -> Rows:
    """Rows of a CSV file by its header; a record may span lines and is located by its first.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid records.

    Raises
    ------
    InputError
        If the header cannot be read or names a column twice.
    """
    csv.field_size_limit(LONGEST)
    with text_file(path) as file:
        reader = csv.reader(io.TextIOWrapper(file, "utf-8", "surrogateescape", newline=""), strict=True)
        header = _csv_header(path, reader)
        for place, cells in _csv_records(path, reader, report):
            try:
                for cell in cells:
                    _check_text(cell)
                if len(cells) != len(header):
                    raise RowError(
                        f"has {len(cells)} cells where the header has {len(header)}: fix its commas and quotes"
                    )
            except RowError as error:
                report.add_problem(place, error)
            else:
                yield place, dict(zip(header, cells, strict=True))


def _csv_header(path: Path, reader: Any) -> list[str]:
    try:
        header = [name.strip() for name in next(reader)]
    except csv.Error as error:
        raise InputError(f"{path}: its first line is no CSV header ({error}): fix the quotes") from None
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"{path}: has two columns called '{twice}': rename one")
    return header


def _csv_records(path: Path, reader: Any, report: ImportReport) -> Iterator[tuple[SourceLocation, list[str]]]:
    while True:
        place = SourceLocation(path.name, reader.line_num + 1)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            report.rows += 1
            report.add_problem(place, f"is no CSV ({error}): fix its quotes")
            continue
        if any(cell.strip() for cell in cells):
            report.rows += 1
            yield place, cells


def json_items(path: Path, report: ImportReport) -> Rows:
    """Objects of a JSON array, which is the whole file or the only array of its top object, each with its first line.

    A syntax error is reported; rows before it are still returned.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid rows.

    Raises
    ------
    InputError
        If the file contains no array.
    """
    whole = read_content(path).decode("utf-8", "surrogateescape")
    start = whole.find("[")
    if start < 0:
        raise InputError(f"{path}: holds no JSON array: name a file with a list of rows")
    at, line, last = start + 1, 1, 0
    while True:
        at = _skip_separators(whole, at)
        if at >= len(whole) or whole[at] == "]":
            break
        line, last = line + whole.count("\n", last, at), at
        place = SourceLocation(path.name, line)
        report.rows += 1
        try:
            row, end = DECODER.raw_decode(whole, at)
        except (ValueError, RecursionError) as error:
            report.add_problem(place, f"is broken JSON or cut off ({str(error)[:80]}): the rows after it are not read")
            return
        except RowError as error:
            report.add_problem(place, f"{error}; the rows after it are not read")
            return
        try:
            _check_text(whole[at:end])
            check_whole(row)
            if not isinstance(row, dict):
                raise RowError("is no JSON object: write one object a row")
        except RowError as error:
            report.add_problem(place, error)
        else:
            yield place, row
        at = end
    if at >= len(whole):
        report.add_problem(
            SourceLocation(path.name, line), "is the last row, and the list does not end: the file is cut off"
        )


def _skip_separators(whole: str, at: int) -> int:
    while at < len(whole) and whole[at] in " \t\r\n,":
        at += 1
    return at
