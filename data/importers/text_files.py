"""Text files as rows with line numbers: JSON lines, CSV and JSON. Invalid rows are reported and skipped."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import CELLS, COLUMNS, TEXT, Allowance, DocumentError
from gnomon.data.foreign_documents.json_documents import check_structure, decode_json, json_decoder
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation

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
def text_file(path: Path, encoding: str | None = None) -> Iterator[BinaryIO]:
    """A text file opened for reading as UTF-8, positioned after its byte-order mark.

    The whole file is checked first: a file in another encoding would lose just the rows with accented letters.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Its encoding, by default UTF-8; a copy of another encoding is read.

    Raises
    ------
    InputError
        If the file cannot be read, or is not text in this encoding.
    """
    with _open_bytes(path) as file:
        if encoding is not None and codecs.lookup(encoding).name != "utf-8":
            with _recoded_copy(path, file, encoding) as copy:
                yield copy
            return
        begin = _text_offset(path, file)
        file.seek(begin)
        _check_encoding(path, file)
        file.seek(begin)
        yield file


def _open_bytes(path: Path) -> BinaryIO:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: can be read only once, and files are read twice: write it to a file first")
        return path.open("rb")
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder: name the files in it") from None
    except FileNotFoundError:
        raise InputError(f"{path}: is not there: check the name") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): change its permissions") from None


def _check_encoding(path: Path, file: BinaryIO) -> None:
    """Raise `InputError` with the first line that is not UTF-8."""
    decoder, line = codecs.getincrementaldecoder("utf-8")("strict"), 1
    while True:
        part = file.read(LONGEST_PART)
        try:
            decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            content = error.object
            line += content[: error.start].count(b"\n")
            raise InputError(
                f"{path}: is no UTF-8 text (line {line}, byte 0x{content[error.start]:02x}): save it as "
                f"UTF-8{_conversion_command('CP1252', path)}, or name a table's encoding with --encoding cp1252"
            ) from None
        if not part:
            return
        line += part.count(b"\n")


@contextmanager
def _recoded_copy(path: Path, file: BinaryIO, encoding: str) -> Iterator[BinaryIO]:
    """A copy in UTF-8 without its byte-order mark."""
    with tempfile.TemporaryFile() as copy:
        try:
            reader = codecs.getreader(encoding)(file)
            while part := reader.read(LONGEST_PART):
                copy.write(part.encode("utf-8", "surrogateescape"))
        except (UnicodeError, LookupError) as error:
            raise InputError(f"{path}: is no {encoding} text ({str(error)[:80]}): name its encoding") from None
        copy.seek(0)
        begin = _text_offset(path, cast(BinaryIO, copy))
        copy.seek(begin)
        yield cast(BinaryIO, copy)


def _text_offset(path: Path, file: BinaryIO) -> int:
    """Position at which the text begins. Raises `InputError` for another encoding or an empty file."""
    head = file.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head.count(0) > len(head) // 5:
        raise InputError(
            f"{path}: is no UTF-8 text but UTF-16 or binary: save it as UTF-8{_conversion_command('UTF-16', path)}, or "
            "name a table's encoding with --encoding utf-16"
        )
    begin = len(MARK) if head.startswith(MARK) else 0
    part = head[begin:]
    while not part.strip():
        if not (part := file.read(LONGEST_PART)):
            raise InputError(f"{path}: is empty: name a file with rows")
    return begin


def _conversion_command(encoding: str, path: Path) -> str:
    return f" (iconv -f {encoding} -t UTF-8 {path.name})"


def parse_json(line: str, decoder: json.JSONDecoder | None = None) -> Any:
    """Decode JSON that contains no NaN, infinity, NUL or unpaired surrogate.

    Parameters
    ----------
    line : str
        The text.
    decoder : JSONDecoder, optional
        `EMPTY_NAN` to read NaN as a missing value.

    Raises
    ------
    RowError
        If the text is not such JSON.
    """
    _check_text(line)
    try:
        made = decode_json(line, decoder=decoder or DECODER)
    except DocumentError as error:
        raise RowError(error.problem) from None
    if _ESCAPED.search(line):
        check_whole(made)
    return made


DECODER = json_decoder()


def _empty_nan(name: str) -> None:
    if name != "NaN":
        raise DocumentError("", f"holds {name}, which JSON does not know: write null or a number")


EMPTY_NAN = json_decoder(_empty_nan)
"""Reads NaN, which Python writes for a missing value, as null."""


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


def json_lines(
    path: Path, report: ImportReport, *, encoding: str | None = None, decoder: json.JSONDecoder | None = None
) -> Rows:
    """Rows of a JSON-lines file; blank lines are skipped.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid lines.
    encoding : str, optional
        Encoding of the file, by default UTF-8.
    decoder : JSONDecoder, optional
        `EMPTY_NAN` to read NaN as a missing value.
    """
    allowance = Allowance.of_file(path)
    with text_file(path, encoding) as file:
        for number, raw in enumerate(_text_lines(file), start=1):
            if raw is not None and not raw.strip():
                allowance.take_blank()
            else:
                place = SourceLocation(path.name, number)
                allowance.take()
                report.rows += 1
                try:
                    row = _json_object(raw, decoder)
                except RowError as error:
                    report.add_problem(place, error)
                else:
                    yield place, row


def _text_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines without their line ends; None for a line that exceeds the limit."""
    longest = TEXT.most
    while line := file.readline(longest):
        if whole := line.endswith(b"\n") or len(line) < longest:
            yield line.removesuffix(b"\n")
            continue
        while not whole:
            line = file.readline(LONGEST_PART)
            whole = line.endswith(b"\n") or not line
        yield None


def _json_object(raw: bytes | None, decoder: json.JSONDecoder | None = None) -> dict[str, object]:
    if raw is None:
        raise RowError(f"{TEXT.refusal}, or split it")
    row = parse_json(raw.decode("utf-8", "surrogateescape"), decoder)
    if not isinstance(row, dict):
        raise RowError("is no JSON object: write one object a line")
    return row


SEPARATORS = (",", ";", "\t", "|")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
WHOLE_NUMBER = re.compile(r"[+-]?\d+")
SNIFFED = 2**18
"""Number of bytes from which the separator of a CSV file is found."""


def csv_rows(path: Path, report: ImportReport, *, separator: str | None = None, encoding: str | None = None) -> Rows:
    """Rows of a CSV file by its header; a record may span lines and is located by its first.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid records.
    separator : str, optional
        Character between cells; by default that of a first line 'sep=;', else the one of `SEPARATORS` that gives most
        records as many cells as the header.
    encoding : str, optional
        Encoding of the file, by default UTF-8.

    Raises
    ------
    InputError
        If the header cannot be read or names a column twice.
    """
    csv.field_size_limit(TEXT.most)
    with text_file(path, encoding) as file:
        begin = file.tell()
        head = file.read(SNIFFED)
        declared = re.match(rb"\"?sep=(.)\"?\r?\n", head, re.IGNORECASE)
        file.seek(begin + (declared.end() if declared else 0))
        if declared:
            separator, head = separator or declared[1].decode("latin-1"), head[declared.end() :]
        separator = separator or _find_separator(head, whole=len(head) < SNIFFED)
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
        reader = csv.reader(text, delimiter=separator, strict=True)
        header = _csv_header(path, reader)
        named = [at for at, name in enumerate(header) if name]
        decimal = _decimal_columns(head, separator)
        lines_before = 1 if declared else 0
        for place, cells in _csv_records(path, reader, report, lines_before):
            try:
                for cell in cells:
                    _check_text(cell)
                if len(cells) != len(header):
                    until = _lines_until(place.line or 0, lines_before + reader.line_num)
                    raise RowError(
                        f"has {len(cells)} cells where the header has {len(header)}{until}: fix its separators and "
                        "quotes"
                    )
            except RowError as error:
                report.add_problem(place, error)
            else:
                for at in decimal:
                    if DECIMAL_COMMA.fullmatch(cells[at].strip()):
                        cells[at] = cells[at].strip().replace(",", ".")
                yield place, {header[at]: cells[at] for at in named}


def _decimal_columns(head: bytes, separator: str) -> list[int]:
    """Columns of numbers with decimal commas, as spreadsheets write them where a comma is no separator.

    A column in which every comma stands before three digits may hold thousands: its numbers are left as they are.
    """
    if separator == ",":
        return []
    records: list[list[str]] = []
    with suppress(csv.Error):
        records += csv.reader(io.StringIO(head.decode("utf-8", "replace")), delimiter=separator)
    records = [record for record in records[1:] if len(record) == len(records[0])]
    found = []
    for at in range(len(records[0]) if records else 0):
        cells = [cell for record in records if (cell := record[at].strip())]
        commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell)]
        is_number = all(WHOLE_NUMBER.fullmatch(cell) or DECIMAL_COMMA.fullmatch(cell) for cell in cells)
        if is_number and any(len(cell.partition(",")[2]) != 3 for cell in commas):
            found.append(at)
    return found


def _find_separator(head: bytes, *, whole: bool) -> str:
    """The separator that gives the header most cells, among those for which most records have as many."""
    text = head.decode("utf-8", "replace")
    found = {separator: _regular_share(text, separator, whole) for separator in SEPARATORS}
    usable = {separator: cells for separator, (cells, share) in found.items() if cells > 1 and share > 0.5}
    if not usable:
        usable = {separator: cells for separator, (cells, _) in found.items()}
    return max(usable, key=lambda separator: usable[separator])


def _regular_share(text: str, separator: str, whole: bool) -> tuple[int, float]:
    """Number of cells of the header, and the share of further records with as many; the last may be cut off."""
    sizes: list[int] = []
    with suppress(csv.Error):
        sizes += (len(cells) for cells in csv.reader(io.StringIO(text), delimiter=separator) if cells)
    rest = sizes[1:] if whole else sizes[1:-1]
    return (sizes[0] if sizes else 0), (rest.count(sizes[0]) / len(rest) if rest else 1.0)


def _csv_header(path: Path, reader: Any) -> list[str]:
    try:
        header = [name.strip() for name in next(cells for cells in reader if any(map(str.strip, cells)))]
    except csv.Error as error:
        raise InputError(f"{path}: its first line is no CSV header ({error}): fix the quotes") from None
    except StopIteration:
        raise InputError(f"{path}: has no header: name a file whose first line names the columns") from None
    check_columns(path, header)
    return header


def check_columns(path: Path, names: Sequence[str]) -> None:
    """Check the names of a table's columns.

    Parameters
    ----------
    path : Path
        The table.
    names : sequence of str
        Names of its columns.

    Raises
    ------
    InputError
        If two named columns have the same name, or there are more than a table may have.
    """
    COLUMNS.check(len(names), path)
    if twice := next((name for name, times in Counter(names).items() if name and times > 1), None):
        raise InputError(f"{path}: has two columns called '{twice}': rename one")


def _csv_records(
    path: Path, reader: Any, report: ImportReport, lines_before: int = 0
) -> Iterator[tuple[SourceLocation, list[str]]]:
    allowance, room = Allowance.of_file(path), Allowance.of_file(path, CELLS)
    while True:
        first = lines_before + reader.line_num + 1
        place = SourceLocation(path.name, first)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = lines_before + reader.line_num
            if "unexpected end" in str(error) and last > first:
                raise InputError(
                    f"{path}: line {first} opens a quote that is never closed, so that the {last - first} lines after "
                    "it cannot be read: close it, or remove the row if the file was cut off; nothing was stored"
                ) from None
            allowance.take()
            report.rows += 1
            report.add_problem(place, f"is no CSV ({error}{_lines_until(first, last)}): fix its quotes")
            continue
        if any(cell.strip() for cell in cells):
            allowance.take()
            room.take(len(cells))
            report.rows += 1
            yield place, cells
        else:
            allowance.take_blank()


def _lines_until(first: int, last: int) -> str:
    """What is told of an invalid record that a quote made longer than its line."""
    return f", and a quote joins it with the lines to {last}" if last > first else ""


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
    check_structure(whole, place=path)
    allowance = Allowance.of_file(path)
    at, line, last = start + 1, 1, 0
    while True:
        at = _skip_separators(whole, at)
        if at >= len(whole) or whole[at] == "]":
            break
        line, last = line + whole.count("\n", last, at), at
        place = SourceLocation(path.name, line)
        allowance.take()
        report.rows += 1
        try:
            row, end = DECODER.raw_decode(whole, at)
        except (ValueError, RecursionError) as error:
            report.add_problem(place, f"is broken JSON or cut off ({str(error)[:80]}): the rows after it are not read")
            return
        except DocumentError as error:
            report.add_problem(place, f"{error.problem}; the rows after it are not read")
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


def json_table(path: Path, report: ImportReport, *, rows: str | None = None, encoding: str | None = None) -> Rows:
    """Rows of a JSON document: its list of objects, which is the whole document or its only list of objects.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives row count and invalid rows.
    rows : str, optional
        Path of the list in the document, as a.b; needed if it has several.
    encoding : str, optional
        Encoding of the file, by default UTF-8.

    Raises
    ------
    InputError
        If the file is no JSON, or the list cannot be told.
    """
    with text_file(path, encoding) as file:
        content = file.read()
    try:
        document = decode_json(content.decode("utf-8", "surrogateescape"), path, EMPTY_NAN)
    except DocumentError as error:
        raise InputError(f"{error}, or name it .jsonl if each line is a row") from None
    listed = _document_rows(path, document, rows)
    Allowance.of_file(path).take(len(listed))
    for number, row in enumerate(listed, start=1):
        place = SourceLocation(path.name, part=f"row {number}")
        report.rows += 1
        try:
            check_whole(row)
            if not isinstance(row, dict):
                raise RowError("is no JSON object: write one object a row")
        except RowError as error:
            report.add_problem(place, error)
        except RecursionError:
            report.add_problem(place, "is nested too deeply: flatten it")
        else:
            yield place, row


def _document_rows(path: Path, document: object, rows: str | None) -> list[object]:
    if rows is not None:
        found = value_at(document, rows) if isinstance(document, Mapping) else None
        if not isinstance(found, list):
            raise InputError(f"{path}: has no list at '{rows}': name the list of rows with 'rows' in the map or --rows")
        return found
    if isinstance(document, list):
        return document
    lists = dict(_object_lists(document))
    if not lists:
        raise InputError(
            f"{path}: has no list of objects: write one object a row (in pandas to_json(orient='records')), or name "
            "it .jsonl if each line is a row"
        )
    if len(lists) > 1:
        raise InputError(
            f"{path}: has {len(lists)} lists of rows ({', '.join(sorted(lists)[:8])}): name one with 'rows' in the map "
            "or --rows"
        )
    return next(iter(lists.values()))


def _object_lists(document: object, path: str = "", depth: int = 3) -> Iterator[tuple[str, list[object]]]:
    """The outermost lists of objects of a document, by their paths."""
    if not isinstance(document, Mapping) or depth == 0:
        return
    for name, value in document.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            yield here, value
        else:
            yield from _object_lists(value, here, depth - 1)


MISSING = object()
"""What `value_at` returns where a row has no such field."""


def value_at(row: object, path: str) -> object:
    """The value of a column, or of a field inside one, as a.b or a.0.b; `MISSING` if the row has none.

    Parameters
    ----------
    row : object
        A row: a mapping of names to values, which may be mappings and lists themselves.
    path : str
        Name of the column; a dot leads into a mapping, or by a number into a list.
    """
    if isinstance(row, Mapping):
        if path in row:
            return row[path]
        for at, letter in enumerate(path):
            if letter == "." and path[:at] in row:
                return value_at(row[path[:at]], path[at + 1 :])
    elif isinstance(row, list):
        head, _, rest = path.partition(".")
        if head.isdecimal() and int(head) < len(row):
            return value_at(row[int(head)], rest) if rest else row[int(head)]
    return MISSING


def _skip_separators(whole: str, at: int) -> int:
    while at < len(whole) and whole[at] in " \t\r\n,":
        at += 1
    return at
