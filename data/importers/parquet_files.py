"""Parquet files as rows. The sizes in the footer are checked against limits first; a damaged file gives a one-line
error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import CELLS, TEXT, UNPACKED, Allowance
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation
from gnomon.data.importers.tabular.nested_parquet import nested_rows
from gnomon.data.importers.text_files import Rows, check_columns, check_whole

MOST_ROWS = 100_000_000
DENSEST = 100
"""Greatest number of rows per byte of a file: distinct trials take several bytes each."""
LARGEST_GROUP = 2**31
UNPACKED_PER_BYTE = 20
"""Bytes that each byte of a row group may unpack to, beside those of `UNPACKED`."""
TEXT_PER_BYTE = 80
"""Bytes of text that each byte of a file may become in all its rows, beside those of `UNPACKED`: a text is stored once,
however many rows have it.
"""
BATCH = 1_000
NUMBER = 64
"""Greatest length in bytes of a fixed-length value: numbers and UUIDs take up to 32."""


def parquet_rows(path: Path, report: ImportReport) -> Rows:
    """Rows of a Parquet file, numbered from 1; columns of lists and of objects are read within limits.

    Parameters
    ----------
    path : Path
        The file.
    report : ImportReport
        Receives the rows that cannot be imported.

    Raises
    ------
    InputError
        If the file is damaged, or unpacks to more than a table of trials can hold.
    """
    for number, row in enumerate(_read_rows(path), start=1):
        report.rows += 1
        place = SourceLocation(path.name, number)
        try:
            check_whole(row)
        except RowError as error:
            report.add_problem(place, error)
        else:
            yield place, row


def _read_rows(path: Path) -> Iterator[dict[str, object]]:
    import pyarrow as pa
    from pyarrow import parquet

    damage = (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, MemoryError)
    try:
        with parquet.ParquetFile(path) as file:
            _check_footer(path, file)
            columns = [column for column in _leaf_columns(file) if _is_flat(column)]
            is_nested = any(pa.types.is_nested(kind) for kind in file.schema_arrow.types)
        names = [column.name for column in columns]
        texts = [column.name for column in columns if column.physical_type == "BYTE_ARRAY"]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            flat = _flat_rows(path, file, names)
            if not is_nested:
                yield from flat
                return
            with closing(nested_rows(path)) as nested:
                for row, beside in zip(flat, nested, strict=True):
                    yield {**row, **beside}
    except FileNotFoundError:
        raise InputError(f"{path}: is not there: check the name") from None
    except damage as error:
        raise InputError(f"{path}: is no Parquet file or damaged ({_short_message(error)}): write it again") from None


def _flat_rows(path: Path, file: Any, names: list[str]) -> Iterator[dict[str, object]]:
    texts, most = 0, TEXT_PER_BYTE * path.stat().st_size
    for batch in file.iter_batches(BATCH, columns=names):
        batch.validate(full=True)
        texts += _check_texts(path, batch)
        UNPACKED.check(texts - most, path)
        yield from batch.to_pylist()


def _short_message(error: BaseException) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def _leaf_columns(file: Any) -> list[Any]:
    return [file.schema.column(at) for at in range(len(file.schema))]


def _is_flat(column: Any) -> bool:
    """Whether a row holds one value of the column, of a size known before it is unpacked."""
    long = column.physical_type == "FIXED_LEN_BYTE_ARRAY" and column.length > NUMBER
    return column.name == column.path and not column.max_repetition_level and not long


def _check_footer(path: Path, file: Any) -> None:
    """Check the footer against the limits before a page is read."""
    about, size = file.metadata, path.stat().st_size
    names = [*file.schema_arrow.names, *(column.path for column in _leaf_columns(file) if column.path != column.name)]
    check_columns(path, names)
    if about.num_rows > min(MOST_ROWS, DENSEST * size):
        raise InputError(
            f"{path}: claims {about.num_rows:,} rows in {size:,} bytes, which is no table of trials: "
            f"{MOST_ROWS:,} rows, and {DENSEST} a byte, are the most"
        )
    Allowance.of_file(path).take(about.num_rows)
    Allowance.of_file(path, CELLS).take(about.num_rows * about.num_columns)
    for number in range(about.num_row_groups):
        unpacked = about.row_group(number).total_byte_size  # not per column: reading a damaged column ends the process
        if unpacked > LARGEST_GROUP:
            raise InputError(
                f"{path}: row group {number} unpacks to {unpacked:,} bytes: {LARGEST_GROUP:,} are the most; write it "
                "in smaller groups"
            )
        UNPACKED.check(unpacked - UNPACKED_PER_BYTE * size, f"{path}, row group {number}")


def _check_texts(path: Path, batch: Any) -> int:
    """Bytes of the texts of a batch. Raises `InputError` if few stored ones expand to so many rows that they would fill
    the memory.
    """
    import pyarrow as pa
    from pyarrow import compute

    packed = (column for column in batch.columns if pa.types.is_dictionary(column.type))
    unpacked = sum(
        compute.sum(compute.take(compute.binary_length(column.dictionary), column.indices)).as_py() or 0
        for column in packed
    )
    TEXT.check(unpacked, f"{path}, {len(batch):,} rows of text")
    return int(unpacked)
