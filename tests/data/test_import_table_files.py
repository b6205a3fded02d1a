"""table: the same rows as CSV with any separator, Excel, JSON and JSON lines; what cannot be read is one line."""

from __future__ import annotations

import json
from datetime import datetime

import openpyxl
import pytest

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.tabular.table_files import FileLayout, table_rows

ROWS = [{"id": "1", "text": "Grüße, ok", "judge": "1"}, {"id": "2", "text": "a;b", "judge": "0"}]


def read(path, **layout):
    report = ImportReport()
    rows = list(table_rows(path, report, FileLayout(**layout)))
    assert report.rows == len(rows) + len(report.problems)
    return [row for _, row in rows], [str(problem) for problem in report.problems]


@pytest.fixture
def file(tmp_path):
    def make(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def quoted(separator, rows=ROWS):
    cells = [list(rows[0]), *(row.values() for row in rows)]
    return "\n".join(separator.join(f'"{cell}"' for cell in line) for line in cells)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_separator_of_a_csv_file_is_found(file, separator, mark):
    assert read(file("t.csv", mark + quoted(separator))) == (ROWS, [])


def test_a_first_line_may_name_the_separator_and_lines_are_still_counted_from_the_first(file):
    path = file("t.csv", "sep=;\r\nid;text\r\n1;a,b\r\n2\r\n")
    assert read(path) == (
        [{"id": "1", "text": "a,b"}],
        ["t.csv line 4: has 1 cells where the header has 2: fix its separators and quotes"],
    )


def test_texts_full_of_another_separator_do_not_decide(file):
    rows = [{"id": str(n), "text": "one, two, three, four; five"} for n in range(9)]
    assert read(file("t.csv", "id;text\n" + "".join(f'{row["id"]};"{row["text"]}"\n' for row in rows))) == (rows, [])


def test_a_file_of_one_column_has_no_separator(file):
    assert read(file("t.csv", "id\n1\n2\n")) == ([{"id": "1"}, {"id": "2"}], [])


def test_a_separator_that_cannot_be_found_can_be_named(file):
    assert read(file("t.csv", "id^text\n1^a,b\n"), separator="^") == ([{"id": "1", "text": "a,b"}], [])
    assert read(file("t.tsv", "id\ttext\n1\ta,b;c,d\n")) == ([{"id": "1", "text": "a,b;c,d"}], [])


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n"])
def test_a_separator_that_is_none_is_told(separator):
    with pytest.raises(InputError, match="is not one character"):
        FileLayout(separator=separator).check_names()


@pytest.mark.parametrize("encoding", ["klingon", "base64", ""])
def test_an_encoding_that_is_none_is_told(encoding):
    with pytest.raises(InputError, match="is not known"):
        FileLayout(encoding=encoding).check_names()


@pytest.mark.parametrize(("encoding", "name"), [("cp1252", "t.csv"), ("utf-16", "t.csv"), ("cp1252", "t.jsonl")])
def test_a_file_in_another_encoding_is_refused_whole_and_read_when_it_is_named(file, encoding, name):
    text = quoted(",") if name == "t.csv" else "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    path = file(name, text.encode(encoding))
    with pytest.raises(InputError, match=r"is no UTF-8 text"):
        read(path)
    assert read(path, encoding=encoding) == (ROWS, [])


def test_an_encoding_that_is_not_the_files_is_told(file):
    with pytest.raises(InputError, match="is no utf-16 text"):
        read(file("t.csv", b"id,text\n1,abc\n2,ab"), encoding="utf-16")


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        (ROWS, None),
        ({"version": 1, "tags": ["a"], "rows": ROWS}, None),
        ({"results": {"stats": {"n": 2}, "results": ROWS}}, None),
        ({"a": [{"x": 1}], "b": {"c": ROWS}}, "b.c"),
    ],
)
def test_the_rows_of_a_json_document_are_its_list_of_objects(file, document, rows):
    assert read(file("t.json", json.dumps(document)), rows=rows) == (ROWS, [])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"a": [{"x": 1}], "b": [{"x": 2}]}', r"has 2 lists of rows \(a, b\): name one with 'rows'"),
        ('{"a": 1}', "has no list of objects"),
        ("3", "has no list of objects"),
        ('[{"a": 1}', "is broken JSON or cut off"),
        ('{"a": 1}\n{"a": 2}', "name it .jsonl if each line is a row"),
        ("[Infinity]", "holds Infinity"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_json_document_without_one_list_of_rows_is_told(file, content, problem):
    with pytest.raises(InputError, match=problem):
        read(file("t.json", content))


def test_a_row_of_a_json_document_that_is_no_object_is_told(file):
    assert read(file("t.json", '[{"a": 1}, 2]')) == (
        [{"a": 1}],
        ["t.json row 2: is no JSON object: write one object a row"],
    )


def workbook(path, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_is_read_with_its_own_types(tmp_path):
    when = datetime(2026, 2, 28, 17, 30)
    path = workbook(
        tmp_path / "t.xlsx",
        ("a", [["id", "text", "ok", "when", None], [1, "Grüße", True, when], [2.5, None, "#N/A", None]]),
    )
    rows, problems = read(path)
    assert rows == [
        {"id": 1, "text": "Grüße", "ok": True, "when": when},
        {"id": 2.5, "text": None, "ok": None, "when": None},
    ]
    assert problems == []


def test_of_several_sheets_one_is_named_unless_only_one_has_cells(tmp_path):
    table = [["id"], [1]]
    assert read(workbook(tmp_path / "one.xlsx", ("notes", []), ("data", table)))[0] == [{"id": 1}]
    path = workbook(tmp_path / "two.xlsx", ("notes", [["hello"]]), ("data", table))
    with pytest.raises(InputError, match=r"2 of its sheets \(notes, data\) have cells: name one with 'sheet'"):
        read(path)
    assert read(path, sheet="data")[0] == [{"id": 1}]
    with pytest.raises(InputError, match="has no sheet 'x': it has notes, data"):
        read(path, sheet="x")


def test_a_formula_without_its_value_is_not_read_as_an_empty_cell(tmp_path):
    path = workbook(tmp_path / "t.xlsx", ("a", [["id", "judge"], [1, "=1+0"]]))
    with pytest.raises(InputError, match="row 2, column 'judge' is a formula without a stored value"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04" + b"\x00" * 40])
def test_what_is_no_workbook_is_one_line(file, content):
    with pytest.raises(InputError, match="is no Excel workbook or damaged"):
        read(file("t.xlsx", content))


def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = workbook(tmp_path / "t.xlsx", ("a", [["id"], *(["x" * 30_000] for _ in range(9))]))
    monkeypatch.setenv("GNOMON_MAX_WORKBOOK", "10000")
    with pytest.raises(InputError, match=r"has more than 10,000 unpacked bytes beyond 2 .* GNOMON_MAX_WORKBOOK"):
        read(path)


def test_two_columns_of_one_name_are_told(tmp_path):
    with pytest.raises(InputError, match="two columns called 'id'"):
        read(workbook(tmp_path / "t.xlsx", ("a", [["id", "id"], [1, 2]])))


def merged_workbook(path, rows, *areas):
    workbook(path, ("a", rows))
    book = openpyxl.load_workbook(path)
    for area in areas:
        book["a"].merge_cells(area)
    book.save(path)
    return path


def test_cells_that_are_merged_downwards_all_have_the_value(tmp_path):
    rows = [["arm", "id"], ["injection", 1], [None, 2], ["control", 3], [None, 4], [None, 5]]
    path = merged_workbook(tmp_path / "t.xlsx", rows, "A2:A3", "A4:A5")
    found = [(row["arm"], row["id"]) for row in read(path)[0]]
    assert found == [("injection", 1), ("injection", 2), ("control", 3), ("control", 4), (None, 5)]


@pytest.mark.parametrize(
    ("area", "problem"),
    [("A1:B1", "A1:B1 are merged across"), ("A3:B3", "A3:B3 are"), ("A1:A2", "its header are merged with those below")],
)
def test_cells_that_are_merged_otherwise_are_refused(tmp_path, area, problem):
    path = merged_workbook(tmp_path / "t.xlsx", [["id", "judge"], [1, 1], [2, 0]], area)
    with pytest.raises(InputError, match=problem):
        read(path)


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_columns_without_a_name_are_not_read(file, tmp_path, name):
    rows = [["id", "", "judge", "", ""], ["1", "", "1", "note", ""]]
    if name == "t.csv":
        file(name, "\n".join(",".join(row) for row in rows))
    else:
        workbook(tmp_path / name, ("a", rows))
    assert read(tmp_path / name)[0] == [{"id": "1", "judge": "1"}]


def test_a_quote_that_is_not_closed_does_not_lose_the_rest_of_the_file_unseen(file):
    with pytest.raises(InputError, match="line 3 opens a quote that is never closed, so that the 2 lines after"):
        read(file("t.csv", 'id,text\n1,a\n2,"b\n3,c\n4,d\n'))
    rows, problems = read(file("t.csv", 'id,text\n1,"a\n2,"b"\n3,"c"\n'))
    assert (rows, len(problems)) == ([{"id": "3", "text": "c"}], 1)
    assert "a quote joins it with the lines to 3" in problems[0]


@pytest.mark.parametrize("name", ["t.xls", "t.ods", "t.XLSB"])
def test_a_spreadsheet_that_is_not_read_says_how_to_save_it(file, name):
    with pytest.raises(InputError, match=r"save it as .xlsx"):
        read(file(name, b"x"))


@pytest.mark.parametrize("first", ['"sep=;"\n', "SEP=;\n", "\n\n", " ; \n"])
def test_what_stands_before_the_header_is_passed_over(file, first):
    assert read(file("t.csv", f"{first}id;judge\n1;0\n")) == ([{"id": "1", "judge": "0"}], [])
