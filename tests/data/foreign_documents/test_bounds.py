"""Foreign bytes become bounded memory and time, or one line that names the file, the bound and the setting."""

from __future__ import annotations

import ast
import json
import zipfile
from pathlib import Path
from time import monotonic

import numpy as np
import pyarrow as pa
import pytest
from openpyxl import Workbook
from pyarrow import parquet

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents import bounds
from gnomon.data.foreign_documents.bounds import BOUNDS, VALUES, Bound, DocumentError
from gnomon.data.foreign_documents.display_text import clean_line, clean_text, escape_controls
from gnomon.data.foreign_documents.json_documents import check_structure, decode_json, read_json_file
from gnomon.data.foreign_documents.toml_documents import decode_toml, read_toml_file
from gnomon.data.foreign_documents.work_limits import run_within_limits
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.tabular.table_files import FileLayout, table_rows
from gnomon.data.importers.text_files import csv_rows, json_lines

pytestmark = pytest.mark.attack
ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("data", "generation", "judging", "calibration", "stats", "dashboard", "gnomon/api", "gnomon/commands")
BESIDE_THE_BORDER = {
    "data/importers/ingest.py": "a document of our own database",
    "data/storage/engines.py": "a cell of a database, whose rows are bounded where they are read",
    "data/bundled/__init__.py": "files that ship with Gnomon",
    "data/foreign_documents/permissions.py": "a file of our own, whose reader bounds it",
    "generation/vectors/effect_matching.py": "a file of our own, in the cache of this user",
    "generation/vllm_engine/vllm_environment.py": "what a process says that this one has started",
    "generation/vllm_engine/worker_messages.py": "a measured message of a process that this one has started",
    "generation/vectors/vector_files.py": "a matrix that is mapped, not read, without pickles; its size is the file's",
    "judging/runs/prompt_injection.py": "a file that ships with Gnomon",
    "judging/rubrics/reply_parser.py": "a text of a reply that has been measured",
    "judging/client/completion.py": "a reply that has been measured",
    "judging/client/batch_api.py": "a line that is measured right before",
    "stats/inference/importance_reweighting.py": "a file whose SHA-256 a fit of the study keeps",
    "dashboard/background/worker_process.py": "a line from a process that this one has started",
    "dashboard/server/launch.py": "an environment variable of our own",
    "dashboard/auth/roles.py": "an environment variable of our own",
    "dashboard/study_picker.py": "an environment variable of the operator",
}
"""Modules that decode documents and are no part of the border, and why they may."""
SECURITY = Path(__file__).resolve().parents[3] / "docs" / "security.md"
FEW = Bound("GNOMON_MAX_FEW", 10, "values", "a test")
HEADER = {"eval": {"task": "t", "model": "Toy-1B"}}


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, text in {"header": json.dumps(HEADER), **members}.items():
            file.writestr("header.json" if name == "header" else f"samples/{name}.json", text)
    return path


def test_every_document_of_others_is_decoded_at_the_border():
    decoders = {("json", "loads"), ("json", "load"), ("tomllib", "loads"), ("tomllib", "load"), ("np", "load")}
    decoders |= {(module, name) for module in ("pickle", "yaml", "marshal") for name in ("load", "loads", "safe_load")}
    found = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if tuple(called.split(".")) in decoders:
                found.add(path.relative_to(ROOT).as_posix())
    assert found - {"data/foreign_documents/toml_documents.py"} == set(BESIDE_THE_BORDER)


def test_the_documentation_lists_every_bound_with_its_default():
    text = SECURITY.read_text(encoding="utf-8")
    for bound in BOUNDS:
        assert f"| `{bound.setting}` | {bound.reason} | {bound.default:,} {bound.unit} |" in text


def test_a_bound_is_read_from_the_environment_and_a_wrong_one_is_named(monkeypatch):
    monkeypatch.setenv(VALUES.setting, "3")
    with pytest.raises(DocumentError, match=r"^x\.json: has more than 3 values: .* set GNOMON_MAX_VALUES"):
        decode_json("[1, 2, 3, 4]", "x.json")
    monkeypatch.setenv(VALUES.setting, "many")
    with pytest.raises(InputError, match="GNOMON_MAX_VALUES = 'many': is no positive whole number of values"):
        decode_json("[1]")


@pytest.mark.parametrize("filling", ["{},", "[],", '{"a":1},', "0,", '"",'])
def test_a_few_packed_bytes_that_become_millions_of_values_are_refused_unread(tmp_path, filling, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_PACKED_VALUES", "100000")
    sample = '{"id": "1", "a": [' + filling * 100_100 + "0]}"
    parsed = parse_files("inspect", [archive(tmp_path / "log.eval", one=sample, two='{"id": "2"}')], ImportOptions())
    assert "has more than 100,000 values" in parsed.report.problems[0].text
    assert "GNOMON_MAX_PACKED_VALUES" in parsed.report.problems[0].text


def test_a_header_that_becomes_millions_of_values_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_PACKED_VALUES", "100000")
    path = archive(tmp_path / "log.eval", header='{"eval": {"a": [' + "[]," * 100_100 + "0]}}")
    with pytest.raises(InputError, match=r"log\.eval: header\.json has more than 100,000 values"):
        parse_files("inspect", [path], ImportOptions())


def test_an_archive_whose_members_unpack_to_much_together_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_UNPACKED", "1000000")
    path = archive(tmp_path / "log.eval", **{f"m{at}": " " * 500_000 for at in range(9)})
    with pytest.raises(InputError, match="GNOMON_MAX_UNPACKED"):
        parse_files("inspect", [path], ImportOptions())


def test_samples_that_become_millions_of_values_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_PACKED_VALUES", "100000")
    samples = {f"m{at}": f'{{"id": "{at}", "a": [' + "{}," * 30_000 + "0]}" for at in range(4)}
    with pytest.raises(InputError, match=r"log\.eval: all its samples together: has more than 100,000 values"):
        parse_files("inspect", [archive(tmp_path / "log.eval", **samples)], ImportOptions())


def test_why_no_sample_can_be_read_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_PACKED_VALUES", "100000")
    path = archive(tmp_path / "log.eval", one='{"a": [' + "{}," * 110_000 + "0]}")
    with pytest.raises(InputError, match=r"samples can be read: .*/one\.json: has more than 100,000 values"):
        parse_files("inspect", [path], ImportOptions())


def test_commas_and_brackets_in_texts_are_no_values():
    text = json.dumps({"said": '[{,"\\' * 100, "b": '"'})
    check_structure(text, values=FEW)
    check_structure(text.encode(), values=FEW)
    with pytest.raises(DocumentError):
        check_structure("[" + "1," * 10 + "1]", values=FEW)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1" + ",[" * 200 + "]" * 201, '{"a":' * 200 + "1" + "}" * 200])
def test_deep_json_is_refused(text):
    with pytest.raises(DocumentError, match=r"nested too deeply: .* GNOMON_MAX_DEPTH"):
        decode_json(text)
    assert decode_json("[" * 90 + "]" * 90)
    assert decode_json("[" + "[],[[]]," * 500 + "0]")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 2, "a": 1}}]'])
def test_a_key_that_stands_twice_is_refused(tmp_path, text):
    with pytest.raises(DocumentError, match="has the key 'a' twice"):
        decode_json(text)
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n' + f'{{"x": {text}}}\n', encoding="utf-8")
    report = ImportReport()
    assert len(list(json_lines(tmp_path / "rows.jsonl", report))) == 1
    assert "twice" in report.problems[0].text


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_that_stands_twice_among_thousands_is_found_at_once(tmp_path, ending):
    names = [f"c{at}" for at in range(9_000)]
    path, begun = tmp_path / f"rows.{ending}", monotonic()
    if ending == "csv":
        path.write_text(",".join([*names, names[-1]]) + "\n1\n", encoding="utf-8")
    else:
        parquet.write_table(pa.table([pa.array([1])] * 9_001, names=[*names, names[-1]]), path, write_statistics=False)
    columns = tmp_path / "map.toml"
    columns.write_text('[trial]\nsubject = "c1"\n', encoding="utf-8")
    with pytest.raises(InputError, match="two columns called 'c8999'"):
        list(csv_rows(path, ImportReport())) if ending == "csv" else parse_parquet(path)
    assert monotonic() - begun < 5


def parse_parquet(path):
    from gnomon.data.importers.parquet_files import parquet_rows

    return list(parquet_rows(path, ImportReport()))


def test_a_table_of_too_many_columns_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text(",".join(f"c{at}" for at in range(10_001)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"has more than 10,000 columns: .* GNOMON_MAX_COLUMNS"):
        list(csv_rows(tmp_path / "rows.csv", ImportReport()))


def test_a_parquet_file_of_few_bytes_and_very_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_ROWS", "1000")
    parquet.write_table(pa.table({"a": pa.array([1] * 20_000)}), tmp_path / "rows.parquet", compression="zstd")
    with pytest.raises(
        InputError, match=r"has more than 1,000 rows \(and one for each 40 bytes beyond 10 MB\): .* GNOMON_MAX_ROWS"
    ):
        parse_parquet(tmp_path / "rows.parquet")


def test_an_import_stops_after_very_many_rows_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_PROBLEMS", "50")
    (tmp_path / "rows.csv").write_text("arm,answer\n" + '"a\n' * 1_000, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("x\n" * 100, encoding="utf-8")
    for read, name in ((json_lines, "rows.jsonl"), (csv_rows, "rows.csv")):
        with pytest.raises(InputError, match=r"has more than 50 rows that cannot be read: .* GNOMON_MAX_PROBLEMS"):
            list(read(tmp_path / name, ImportReport()))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "[1.0, nan]", "{ b = inf }"])
def test_a_number_of_a_map_or_protocol_is_finite(value):
    with pytest.raises(DocumentError, match=r"^map\.toml: a[.\w]* is not a finite number"):
        decode_toml(f"a = {value}", "map.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "[" * 150 + "]" * 150, "a = " + "9" * 5_000])
def test_toml_that_python_cannot_hold_is_refused_in_one_line(text):
    with pytest.raises(DocumentError) as caught:
        decode_toml(text, "study.toml")
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_a_document(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_toml_file(tmp_path / "a.toml")[1] == read_json_file(tmp_path / "a.json") == {"a": 1}


def test_a_function_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_SECONDS", "1")

    def never():
        while True:
            try:
                np.sum(1)
            except Exception:
                continue

    with pytest.raises(DocumentError, match=r"^a template: does not end: it has more than 1 seconds of work"):
        run_within_limits("a template", never)
    assert run_within_limits("a template", lambda: 3) == 3
    with pytest.raises(KeyError):
        run_within_limits("a template", lambda: {}["x"])


STRANGE = "a\x1b]0;title\x07b\x1b[31m\x9b2Jc\u202ed\u200be\x00\U000e0041f\ud800"


def test_shown_text_has_no_escape_sequence_and_no_invisible_character():
    assert clean_text(STRANGE) == "a]0;titleb[31m2Jcdef"
    assert clean_text("a\r\nb\tc\u2028d\N{LATIN SMALL LETTER E WITH ACUTE}") == "a\nb\tc\nd\u00e9"
    assert clean_line(" a\n b\x1b ") == "a b"


def test_a_json_document_on_a_terminal_has_the_same_values_without_such_characters():
    text = json.dumps({"said": STRANGE.replace("\ud800", "")}, ensure_ascii=False)
    shown = escape_controls(text)
    assert json.loads(shown) == json.loads(text)
    assert clean_text(shown) == shown


ROWS_OF_FEW_BYTES = {
    "csv": "a\n" + "1\n" * 3_000,
    "tsv": "a\n" + "1\n" * 3_000,
    "jsonl": "{}\n" * 3_000,
    "json": "[" + "{}," * 3_000 + "{}]",
}


@pytest.fixture
def few_rows(monkeypatch):
    """Files may have a thousand rows, and one for each 40 bytes beyond a size; imports bring as many facts."""
    monkeypatch.setenv("GNOMON_MAX_ROWS", "1000")
    monkeypatch.setenv("GNOMON_MAX_FACTS", "1000")


@pytest.mark.parametrize("ending", ROWS_OF_FEW_BYTES)
def test_a_small_file_of_very_many_rows_is_refused_in_its_first_reading(tmp_path, few_rows, ending):
    path = tmp_path / f"rows.{ending}"
    path.write_text(ROWS_OF_FEW_BYTES[ending], encoding="utf-8")
    columns = tmp_path / "map.toml"
    columns.write_text('source = "x"\n[trial]\nkey = {row_number = true}\nanswer = "a"\n', encoding="utf-8")
    report = ImportReport()
    with pytest.raises(InputError, match=rf"rows\.{ending}: has more than 1,000 rows .* set GNOMON_MAX_ROWS"):
        list(table_rows(path, report, FileLayout()))
    assert report.rows <= 1_000 + 1
    for options in (ImportOptions(), ImportOptions(map=columns)):
        with pytest.raises(InputError, match="GNOMON_MAX_ROWS"):
            parse_files("table", [path], options)


def test_a_workbook_of_very_many_rows_is_refused(tmp_path, few_rows):
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for number in range(2_000):
        sheet.append(["a" if not number else 1])
    book.save(tmp_path / "rows.xlsx")
    with pytest.raises(InputError, match=r"rows\.xlsx: has more than 1,000 rows .* set GNOMON_MAX_ROWS"):
        list(table_rows(tmp_path / "rows.xlsx", ImportReport(), FileLayout()))


def test_a_table_of_counts_and_a_log_of_very_many_rows_are_refused(tmp_path, few_rows):
    counts, log = tmp_path / "counts.csv", tmp_path / "log.json"
    counts.write_text("subject,arm,n,event\n" + "m,control,1,1\n" * 3_000, encoding="utf-8")
    log.write_text(json.dumps({**HEADER, "samples": [{"id": 1}] * 3_000}), encoding="utf-8")
    for format_, path in (("counts", counts), ("inspect", log)):
        with pytest.raises(InputError, match=r"has more than 1,000 rows .* set GNOMON_MAX_ROWS"):
            parse_files(format_, [path], ImportOptions())


def test_rows_that_each_bring_many_facts_are_refused(tmp_path, few_rows):
    path, columns = tmp_path / "rows.csv", tmp_path / "map.toml"
    path.write_text("a\n" + "1\n" * 600, encoding="utf-8")
    part = '[[verdict]]\njudge = {{value = "j{}"}}\npassed = "a"\n'
    columns.write_text(
        'source = "x"\n[trial]\nkey = {row_number = true}\n' + "".join(map(part.format, range(3))), encoding="utf-8"
    )
    with pytest.raises(
        InputError, match=r"rows\.csv: has more than 1,000 trials, verdicts and labels .* GNOMON_MAX_FACTS"
    ):
        parse_files("table", [path], ImportOptions(map=columns))


@pytest.mark.parametrize(("ending", "blank"), [("csv", ",\n"), ("jsonl", "\n")])
def test_very_many_blank_rows_are_refused(tmp_path, monkeypatch, ending, blank):
    monkeypatch.setenv("GNOMON_MAX_BLANK_ROWS", "100")
    path = tmp_path / f"rows.{ending}"
    path.write_text(("a,b\n1,2\n" if ending == "csv" else '{"a": 1}\n') + blank * 101, encoding="utf-8")
    with pytest.raises(InputError, match=r"has more than 100 blank rows: .* GNOMON_MAX_BLANK_ROWS"):
        list(table_rows(path, ImportReport(), FileLayout()))


def test_a_large_table_of_trials_has_as_many_rows_as_its_bytes_allow(tmp_path, few_rows, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("a\n" + ("x" * 100 + "\n") * 3_000, encoding="utf-8")
    with pytest.raises(InputError, match="GNOMON_MAX_ROWS"):
        list(table_rows(path, ImportReport(), FileLayout()))
    monkeypatch.setattr(bounds, "SMALL_FILE", 200_000)
    assert sum(1 for _ in table_rows(path, ImportReport(), FileLayout())) == 3_000


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_table_of_very_many_cells_is_refused(tmp_path, monkeypatch, ending):
    monkeypatch.setenv("GNOMON_MAX_CELLS", "5000")
    monkeypatch.setenv("GNOMON_MAX_SHEET_CELLS", "5000")
    path, names = tmp_path / f"rows.{ending}", [f"c{at}" for at in range(100)]
    if ending == "csv":
        path.write_text(",".join(names) + "\n" + (",".join("1" * 100) + "\n") * 60, encoding="utf-8")
    elif ending == "parquet":
        parquet.write_table(pa.table([pa.array([1] * 300)] * 100, names=names), path, write_statistics=False)
    else:
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        [sheet.append(row) for row in [names, *[[1] * 100] * 60]]
        book.save(path)
    setting = "GNOMON_MAX_SHEET_CELLS" if ending == "xlsx" else "GNOMON_MAX_CELLS"
    with pytest.raises(InputError, match=rf"rows\.{ending}: has more than 5,000 cells .* set {setting} to allow more"):
        list(table_rows(path, ImportReport(), FileLayout()))


def test_one_text_of_a_parquet_file_in_very_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_UNPACKED", "1000000")
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 4_000, pa.int32()), pa.array(["x" * 900]))
    parquet.write_table(pa.table({"a": text}), tmp_path / "rows.parquet", compression="zstd", write_statistics=False)
    with pytest.raises(
        InputError, match=r"rows\.parquet: has more than 1,000,000 unpacked bytes .* GNOMON_MAX_UNPACKED"
    ):
        parse_parquet(tmp_path / "rows.parquet")
