"""Parquet files that would fill the memory are refused by their footer; a damaged one is one line, whichever byte."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from gnomon.data.errors import InputError
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.importers import ImportOptions, parquet_files, parse_files
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.tabular import nested_parquet
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

ROW = {"key": "1", "model": "Toy-7B", "text": "I notice dust."}
MAP = '[trial]\nkey = "key"\nsubject = "model"\nanswer = "text"\n'
MEGABYTE = 2**20


def read(path):
    report = ImportReport()
    rows = [row for _, row in parquet_files.parquet_rows(path, report)]
    return rows, [str(problem) for problem in report.problems]


def write(path, table, **settings):
    parquet.write_table(pa.table(table), path, **settings)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "t.parquet"


def test_a_tiny_file_of_very_many_rows_is_refused_before_a_page_is_read(file, monkeypatch):
    column = pa.DictionaryArray.from_arrays(pa.array(bytes(2_000_000), pa.uint8()).view(pa.int8()), ["x"])
    write(file, {"key": column}, compression="zstd")
    assert file.stat().st_size < 10_000
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", None)
    with pytest.raises(InputError, match=r"claims 2,000,000 rows in [\d,]+ bytes, which is no table of trials"):
        read(file)


def test_a_footer_that_claims_a_billion_rows_is_refused(file):
    """The number of rows in a sound footer (Thrift: 64 bits, 3 in zigzag, the list of row groups) becomes a billion."""
    write(file, {"key": ["1", "2", "3"]}, store_schema=False)
    content = file.read_bytes()
    footer = content.index(b"\x16\x06\x19", len(content) - 8 - int.from_bytes(content[-8:-4], "little"))
    billion = b"\x16\x80\xa8\xd6\xb9\x07\x19"
    content = content[:footer] + billion + content[footer + 3 :]
    length = int.from_bytes(content[-8:-4], "little") + len(billion) - 3
    file.write_bytes(content[:-8] + length.to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match="claims 1,000,000,000 rows"):
        read(file)


def test_a_dictionary_whose_one_text_stands_for_many_rows_is_refused_and_not_unpacked(file):
    """A megabyte of text, a thousand times, in a file of some kilobytes."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int8()), ["x" * MEGABYTE])
    write(file, {"key": range(1000), "text": text}, compression="zstd")
    assert file.stat().st_size < 50_000
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    with pytest.raises(InputError, match="1,000 rows of text: has more than 268,435,456 bytes"):
        read(file)
    assert pool.max_memory() - before < 100 * MEGABYTE


def test_a_row_group_that_unpacks_to_too_much_is_refused_by_the_footer(file, monkeypatch):
    monkeypatch.setattr(parquet_files, "LARGEST_GROUP", MEGABYTE)
    write(file, {"key": ["x" * MEGABYTE, "y"]}, compression="zstd", use_dictionary=False)
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", None)
    with pytest.raises(InputError, match=r"row group 0 unpacks to .* write it in smaller groups"):
        read(file)


LISTS = {
    "votes": pa.array([[1, 0], None]),
    "who": pa.array([["ann"], []], pa.list_(pa.string())),
    "out": pa.array([{"a": "x"}, {"a": None}]),
    "each": pa.array([[{"rater": "ann", "ok": True}], [{"rater": "bob", "ok": False}]]),
}


def test_columns_of_lists_and_objects_are_read_as_in_json(file):
    write(file, {"key": ["1", "2"], **LISTS, "a.b": [1, 2]})
    first = {"votes": [1, 0], "who": ["ann"], "out": {"a": "x"}, "each": [{"rater": "ann", "ok": True}]}
    second = {"votes": None, "who": [], "out": {"a": None}, "each": [{"rater": "bob", "ok": False}]}
    assert read(file) == ([{"key": "1", "a.b": 1, **first}, {"key": "2", "a.b": 2, **second}], [])


def test_values_inside_lists_of_a_parquet_file_are_mapped(file, tmp_path):
    write(file, {"key": ["1", "2"], "votes": [[1, 0], [0]]}, row_group_size=1)
    (tmp_path / "map.toml").write_text(
        '[trial]\nkey = "key"\n[verdict]\njudge = {value = "j"}\npassed = "votes.0"\n', encoding="utf-8"
    )
    parsed = parse_files("table", [file], ImportOptions(map=tmp_path / "map.toml"))
    assert [row.verdicts[0].facts.passed for row in parsed.iter_rows()] == [True, False]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[0.5] * 300, [0.5] * 300]),
        pa.array([b"x" * 65, b"y" * 65], pa.binary(65)),
        pa.ListArray.from_arrays(pa.array([0, 10_000_000, 10_000_000], pa.int32()), pa.array(bytes(10_000_000))),
    ],
    ids=["embedding", "long", "bomb"],
)
def test_a_column_of_long_values_is_not_read_and_its_neighbours_are(file, column):
    write(file, {"key": ["1", "2"], "more": column, "a.b": [1, 2]}, compression="zstd")
    assert file.stat().st_size < 5_000
    assert read(file) == ([{"key": "1", "a.b": 1}, {"key": "2", "a.b": 2}], [])


def test_a_batch_of_lists_that_takes_too_much_memory_is_refused(file, monkeypatch):
    write(file, {"key": ["1"], "votes": [[1] * 1000]})
    monkeypatch.setattr(nested_parquet, "LONGEST_LIST", 1000)
    monkeypatch.setattr(nested_parquet, "LARGEST_BATCH", 7_000)
    with pytest.raises(ValueError, match="1 rows take more than 7000 bytes"):
        nested_parquet.write_nested(str(file), io.BytesIO())
    file.write_bytes(b"PAR1")
    with pytest.raises(pa.ArrowInvalid, match="its lists cannot be read, or take too much memory"):
        list(nested_parquet.nested_rows(file))


@pytest.mark.parametrize("at", [-9, -40, -120, 10, 40])
def test_a_damaged_file_with_lists_is_one_line(file, at):
    write(file, {"key": ["1", "2"], **LISTS}, compression="none", use_dictionary=False)
    content = bytearray(file.read_bytes())
    content[at] ^= 0xFF
    file.write_bytes(content)
    told = ""
    try:
        rows, problems = read(file)
    except InputError as error:
        rows, problems, told = [], ["", ""], str(error)
    assert len(rows) + len(problems) == 2
    assert "\n" not in told


def test_a_struct_cannot_hide_behind_a_column_that_is_called_like_its_field(file):
    write(file, {"a.b": ["1"], "a": pa.array([{"b": "x"}], pa.struct([("b", pa.string())]))})
    with pytest.raises(InputError, match=r"two columns called 'a\.b'"):
        read(file)


def test_two_columns_of_one_name_are_told(file):
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["key", "key"]), file)
    with pytest.raises(InputError, match="two columns called 'key': rename one"):
        read(file)


def test_a_text_that_no_database_keeps_is_told_by_its_row(file):
    write(file, {"key": ["1", "\x00", "3"]})
    rows, problems = read(file)
    assert [row["key"] for row in rows] == ["1", "3"]
    assert problems == ["t.parquet line 2: holds an escaped NUL or half a surrogate pair: remove it"]


@pytest.mark.parametrize(("content", "problem"), [(None, "is not there"), (b"PAR1", "is no Parquet file or damaged")])
def test_what_is_no_parquet_file_is_one_line(file, content, problem):
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read(file)


DAMAGED = """
import sys
from pathlib import Path
from gnomon.data.errors import InputError
from gnomon.data.importers.parquet_files import parquet_rows
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.tabular import nested_parquet

path = Path(sys.argv[1])
content = path.read_bytes()
told = 0
for at in range(len(content)):
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    try:
        list(parquet_rows(path, ImportReport()))
    except InputError as error:
        assert "\\n" not in str(error)
        told += 1
print(told)
"""


def test_any_byte_of_a_file_may_be_damaged(file):
    """In a process of its own: pyarrow ends the one in which it is asked for the columns of some damaged footers."""
    write(file, {name: [value] * 3 for name, value in ROW.items()})
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", DAMAGED, file], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


def exported(folder, table, **values):
    """An export whose table is Parquet alone, its first row changed."""
    store = Store.open("sqlite://")
    columns, path = folder / "map.toml", folder / "one.parquet"
    columns.write_text(MAP)
    write(path, {name: [value] for name, value in ROW.items()})
    parse_files("table", [path], ImportOptions(map=columns)).ingest_into(store)
    export_store(store, folder / "out")
    store.close()
    rows = [json.loads(line) for line in (folder / "out" / f"{table}.jsonl").read_text().splitlines()]
    (folder / "out" / f"{table}.jsonl").unlink()
    texts = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in rows[0].items()}
    write(folder / "out" / f"{table}.parquet", {name: [value] for name, value in {**texts, **values}.items()})
    return folder / "out"


@pytest.mark.parametrize(
    ("content", "problem"),
    [("{", "is broken JSON or cut off"), ("NaN", "holds NaN"), (7, "'content' is '7', no JSON text")],
)
def test_a_json_column_of_an_export_that_holds_none_is_told_by_its_row(tmp_path, content, problem):
    parsed = parse_files("gnomon", [exported(tmp_path, "protocols", content=content)], ImportOptions())
    store = Store.open("sqlite://")
    parsed.ingest_into(store)
    assert store.count_rows(tables.protocols) == store.count_rows(tables.trials) == 0
    store.close()
    first, second = map(str, parsed.report.problems)
    assert first.startswith("protocols.parquet line 1: ")
    assert problem in first
    assert second.startswith("trials.jsonl line 1: its protocol")


def test_a_small_file_with_lists_is_read_by_another_process_once(file, monkeypatch):
    write(file, {"key": ["1", "2"], **LISTS})
    first = read(file)
    monkeypatch.setattr(nested_parquet.subprocess, "Popen", None)
    assert read(file) == first
