"""Inspect logs as a header and samples: `.eval` archives (deflate or Zstandard) and `.json` files."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import PACKED_VALUES, TEXT, UNPACKED, Allowance, DocumentError
from gnomon.data.foreign_documents.json_documents import check_structure, decode_json, json_decoder
from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation
from gnomon.data.importers.text_files import parse_json, read_content

ZSTANDARD = 93
UNPACKED_PER_BYTE = 80
"""Bytes that each byte of an archive may unpack to: logs, which repeat themselves, reach some 50."""
_LOCAL = struct.Struct("<26xHH")
FIRST_KEY = re.compile(r'\s*\{\s*"([^"]*)"')
LOG_KEYS = frozenset(("version", "status", "eval", "plan", "results", "stats", "error", "invalidated", "samples"))
"""Keys of the top object of a JSON log: other JSON files of a folder (`eval-set.json`) begin otherwise."""
WRITTEN_AGAIN = "the log holds a later version of the sample"
Sample = tuple[SourceLocation, dict[str, object]]
LOG_DECODER = json_decoder(lambda name: None if name == "NaN" else name)
"""JSON with Python's constants: NaN, Inspect's sign for *not scored*, is null, and an infinity is a word."""


@dataclass(frozen=True, slots=True)
class LogHeader:
    """What a log says of itself.

    Attributes
    ----------
    run : tuple of str
        The ids of the run and the time of its start; the file's name if it has none.
    task, model, created : str
        Task, model and start of the run; "" if not given.
    task_id : str
        Id that a run shares with its retries; "" in logs without one.
    status : str
        How the run ended: success, error, cancelled or started.
    """

    run: tuple[str, ...]
    task: str
    model: str
    created: str
    task_id: str
    status: str

    @property
    def is_complete(self) -> bool:
        """Whether the run ended without failing."""
        return self.status in ("success", "")


def find_logs(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Log files: those named, and all in the folders named; and the JSON files of these folders that are none.

    Raises
    ------
    InputError
        If a folder contains none.
    """
    found: list[Path] = []
    others: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in (".eval", ".json") and file.is_file())
            logs = [file for file in inside if file.suffix == ".eval" or _begins_as_log(file)]
            if not logs:
                raise InputError(f"{path}: holds no .eval and no .json log: name another folder")
            found += logs
            others += [file for file in inside if file not in logs]
        else:
            found.append(path)
    return found, others


def _begins_as_log(path: Path) -> bool:
    """Whether the first key of a JSON file is one of a log; a file that cannot be read so far is left to the reader."""
    try:
        with path.open("rb") as file:
            head = file.read(1000).decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return True
    found = FIRST_KEY.match(head)
    return found is None or found[1] in LOG_KEYS


def read_log(path: Path, report: ImportReport) -> tuple[LogHeader, Iterator[Sample]]:
    """Header and samples of one log.

    Parameters
    ----------
    path : Path
        An `.eval` archive or a JSON log.
    report : ImportReport
        Receives the samples that cannot be read.

    Returns
    -------
    (LogHeader, iterator of (SourceLocation, dict))
        What the log says of itself, and the samples with their locations.

    Raises
    ------
    InputError
        If the file is not an Inspect log.
    """
    try:
        is_archive = zipfile.is_zipfile(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): change its permissions") from None
    if is_archive:
        return _read_archive(path, report)
    if path.suffix == ".eval":
        problem = "cut off or damaged" if path.is_file() else "not there"
        raise InputError(f"{path}: is {problem}: an .eval log is a ZIP archive; copy it again")
    return _read_json_log(path, report)


def _read_archive(path: Path, report: ImportReport) -> tuple[LogHeader, Iterator[Sample]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            there = {member.filename: member for member in members}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, struct.error) as error:
        raise InputError(f"{path}: is damaged ({str(error)[:80]}): copy the log again") from None
    start = next((name for name in ("header.json", "_journal/start.json") if name in there), None)
    if start is None:
        raise InputError(f"{path}: is a ZIP archive without header.json, no Inspect log: name another file")
    try:
        with zipfile.ZipFile(path) as archive:
            header = parse_json(_read_member(archive, path, there[start])[0], LOG_DECODER)
    except RowError as error:
        raise InputError(f"{path}: {start} {error}") from None
    if start != "header.json" and isinstance(header, dict):
        header = {"status": "started", **header}  # the run was killed before it could say how it ended
    _check_sizes(path, members)
    samples = [each for each in members if each.filename.startswith("samples/") and each.filename.endswith(".json")]
    Allowance.of_file(path).take(len(samples))
    return _log_header(path, header), _archive_members(path, samples, report)


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Check what all members unpack to together; a member that unpacks to more than it states is found when read."""
    packed, unpacked = path.stat().st_size, sum(member.file_size for member in members)
    UNPACKED.check(unpacked - UNPACKED_PER_BYTE * packed, path)


def _archive_members(path: Path, members: list[zipfile.ZipInfo], report: ImportReport) -> Iterator[Sample]:
    """The samples; of those that were written several times the last one, unless they only look alike (1 and "1")."""
    times = Counter(member.filename for member in members)
    waiting: dict[str, dict[str, Sample]] = {}
    values = -path.stat().st_size  # a byte of the archive may hold a value, beside those that each archive may
    with zipfile.ZipFile(path) as archive:
        for member in members:
            place = SourceLocation(path.name, part=member.filename)
            report.rows += 1
            times[member.filename] -= 1
            try:
                text, number = _read_member(archive, path, member)
                values += number
                PACKED_VALUES.check(values, f"{path}: all its samples together")
                sample = parse_json(text, LOG_DECODER)
                if not isinstance(sample, dict):
                    raise RowError("is no JSON object")
            except RowError as error:
                report.add_problem(place, error)
            else:
                alike = waiting.setdefault(member.filename, {})
                key = json.dumps(sample.get("id"))
                if key in alike:
                    report.add_exclusion(place, WRITTEN_AGAIN)
                alike[key] = (place, sample)
            if not times[member.filename]:
                yield from waiting.pop(member.filename, {}).values()


def _read_member(archive: zipfile.ZipFile, path: Path, member: zipfile.ZipInfo) -> tuple[str, int]:
    """Text of one archive member, and how many values it holds.

    Never unpacks more than `TEXT` allows, whatever size the archive states. Raises `RowError` if the member is damaged,
    of an unknown compression method, or too large.
    """
    most = TEXT.most
    try:
        if member.compress_type == ZSTANDARD:
            unpacked = _decompress_zstd(path, member, min(most, member.file_size))
        else:
            with archive.open(member) as file:
                unpacked = file.read(most + 1)
    except NotImplementedError:
        raise RowError(
            f"is packed by method {member.compress_type}, which cannot be read: convert the log with "
            "'inspect log convert --to json'"
        ) from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise RowError(f"is damaged ({str(error)[:80]}): copy the log again") from None
    try:
        TEXT.check(len(unpacked))
        values = check_structure(unpacked, values=PACKED_VALUES)
    except DocumentError as error:
        raise RowError(f"{error.problem}, or leave it out of the log") from None
    return unpacked.decode("utf-8", "surrogateescape"), values


def _decompress_zstd(path: Path, member: zipfile.ZipInfo, most: int) -> bytes:
    """Unpack a member by its local header: Python's zipfile knows Zstandard only from 3.14 on."""
    import pyarrow as pa

    with path.open("rb") as file:
        file.seek(member.header_offset)
        name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        file.seek(member.header_offset + _LOCAL.size + name + extra)
        packed = file.read(member.compress_size)
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        unpacked = cast(bytes, stream.read(most + 1))
    if len(unpacked) <= most and zlib.crc32(unpacked) != member.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")
    return unpacked


def _read_json_log(path: Path, report: ImportReport) -> tuple[LogHeader, Iterator[Sample]]:
    whole = read_content(path).decode("utf-8", "surrogateescape")
    log = decode_json(whole, path, LOG_DECODER)
    _eval_part(path, log)
    try:
        head = parse_json(json.dumps({"eval": log["eval"], "status": log.get("status")}, ensure_ascii=False))
    except RowError as error:
        raise InputError(f"{path}: its 'eval' {error}") from None
    samples = log.get("samples") or []
    if not isinstance(samples, list):
        raise InputError(f"{path}: its 'samples' are no list: write the log again")
    Allowance.of_file(path).take(len(samples))
    return _log_header(path, head), _log_samples(path, samples, report)


def _log_samples(path: Path, samples: list[Any], report: ImportReport) -> Iterator[Sample]:
    for number, sample in enumerate(samples, start=1):
        place = SourceLocation(path.name, part=f"sample {number}")
        report.rows += 1
        try:
            again = parse_json(json.dumps(sample, ensure_ascii=False))
            if not isinstance(again, dict):
                raise RowError("is no JSON object")
        except RowError as error:
            report.add_problem(place, error)
        else:
            yield place, again


def _eval_part(path: Path, header: object) -> Mapping[str, object]:
    head = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(head, dict):
        raise InputError(f"{path}: has no 'eval' in its header, no Inspect log: name another file")
    return head


def _log_header(path: Path, header: Any) -> LogHeader:
    head = _eval_part(path, header)
    said = {name: str(head.get(name) or "") for name in ("eval_id", "run_id", "task_id", "created", "task", "model")}
    run = tuple(said[name] for name in ("eval_id", "run_id", "task_id", "created") if said[name]) or (path.stem,)
    status = str(header.get("status") or "")
    return LogHeader(run, said["task"] or "task", said["model"], said["created"], said["task_id"], status)
