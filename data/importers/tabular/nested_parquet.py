"""Columns of lists and of objects of a Parquet file, read in a process of its own that may use only so much memory.

A few bytes can stand for a list of any length, and pyarrow unpacks it before anybody can look: so such columns are read
by another process, whose memory is limited. It writes Arrow's stream format to its standard output. Columns whose
lists are long (embeddings) are no answers of judges and are left out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

BATCH = 100
LONGEST_LIST = 200
"""Mean number of values of a row from which on a column is left out."""
LARGEST_BATCH = 2**26
"""Bytes that `BATCH` rows may take."""
LARGEST_KEPT = 2**20
"""Bytes of all rows up to which they are kept, because an import reads its files several times."""
MEMORY = 2**33
"""Bytes of address space of the process: pyarrow itself reserves some."""
SECONDS = 1_200
"""Processor time of the process."""

_KEPT: dict[tuple[Path, int, int], list[dict[str, object]]] = {}


def nested_rows(path: Path) -> Generator[dict[str, object], None, None]:
    """The nested columns of each row of a Parquet file.

    Raises
    ------
    ArrowInvalid
        If the process could not read them: the file is damaged, or a batch takes more than its limit.
    """
    about = path.stat()
    state = (path.resolve(), about.st_mtime_ns, about.st_size)
    if state in _KEPT:
        yield from _KEPT[state]
        return
    kept, size = list[dict[str, object]](), 0
    for batch in _read_batches(path):
        rows = batch.to_pylist()
        size += batch.get_total_buffer_size()
        if size <= LARGEST_KEPT:
            kept += rows
        yield from rows
    if size <= LARGEST_KEPT:
        _KEPT.clear()
        _KEPT[state] = kept


def _read_batches(path: Path) -> Generator[Any, None, None]:
    import pyarrow as pa

    command = [sys.executable, "-I", __file__, str(path.resolve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            with pa.ipc.open_stream(process.stdout) as stream:
                for batch in stream:
                    batch.validate(full=True)
                    yield batch
            failed = bool(process.wait())
        except (pa.ArrowException, OSError):
            failed = True
        finally:
            process.kill()
    if failed:
        raise pa.ArrowInvalid("its lists cannot be read, or take too much memory")


def write_nested(path: str, out: Any) -> None:
    """Write the nested columns of a Parquet file as a stream of Arrow.

    Parameters
    ----------
    path : str
        The file.
    out : binary file
        Receives the stream.

    Raises
    ------
    ValueError
        If a batch takes more than its limit.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        wanted = {field.name: field for field in file.schema_arrow if pa.types.is_nested(field.type)}
        for name in _long_columns(file.metadata, list(wanted)):
            del wanted[name]
        schema = pa.schema(list(wanted.values()))
        with pa.ipc.new_stream(out, schema) as stream:
            for batch in file.iter_batches(BATCH, columns=list(wanted), use_threads=False):
                if batch.get_total_buffer_size() > LARGEST_BATCH:
                    raise ValueError(f"{len(batch)} rows take more than {LARGEST_BATCH} bytes")
                stream.write_batch(batch.select(list(wanted)))


def _long_columns(about: Any, names: list[str]) -> set[str]:
    """Nested columns of which a row has more than `LONGEST_LIST` values on average."""
    values = dict.fromkeys(names, 0)
    for group in range(about.num_row_groups):
        for at in range(about.num_columns):
            column = about.row_group(group).column(at)
            for name in names:
                if column.path_in_schema.startswith(f"{name}."):
                    values[name] = max(values[name], column.num_values)
    most = LONGEST_LIST * max(about.num_rows, 1)
    return {name for name, found in values.items() if found > most}


def _limit_resources() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


if __name__ == "__main__":
    _limit_resources()
    write_nested(sys.argv[1], sys.stdout.buffer)
