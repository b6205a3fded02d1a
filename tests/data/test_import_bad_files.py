"""Broken files: what can be read is read, what cannot is told by line with how to fix it, and nothing crashes."""

from __future__ import annotations

import csv
import json
import os
import tracemalloc
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.data.errors import InputError, UnknownNameError, UserError
from gnomon.data.importers import IMPORTERS, ImportOptions, ingest, parse_files
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

FORMAT = "introspection-scaling"
ROW = {
    "condition": "injected",
    "concept": "dust",
    "alpha": 1.5,
    "layer": 17,
    "model_id": "Toy-7B",
    "trial": 0,
    "transcript": "I notice dust.",
}
GOOD = json.dumps(ROW).encode()


def read(path, format_=FORMAT, **options):
    parsed = parse_files(format_, [path], ImportOptions(**options))
    return tuple(parsed.iter_rows()), [str(problem) for problem in parsed.report.problems]


@pytest.fixture
def file(tmp_path):
    def make(content: bytes, name="rows.jsonl"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return make


def with_trial(number, **change):
    return json.dumps({**ROW, "trial": number, **change}).encode()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (GOOD[:-20], "is broken JSON or cut off"),
        (b"[1, 2]", "is no JSON object"),
        (with_trial(7).replace(b"notice", b"no\x00tice"), "holds NUL bytes"),
        (with_trial(7, transcript="\x00"), "holds an escaped NUL"),
        (with_trial(7, transcript="\ud83d"), "half a surrogate pair"),
        (with_trial(7).replace(b"1.5", b"NaN"), "holds NaN"),
        (with_trial(7).replace(b"1.5", b"-Infinity"), "holds -Infinity"),
        (with_trial(7).replace(b"1.5", b"1e999"), "'alpha'"),
        (b"[" * 100_000, "line 2"),
        (GOOD.replace(b"17", b"1" * 5000), "line 2"),
    ],
)
def test_a_broken_line_is_told_and_its_neighbours_are_read(file, line, problem):
    rows, problems = read(file(b"\n".join([with_trial(1), line, b"", with_trial(2)])))
    assert len(rows) == 2
    assert len(problems) == 1
    assert problems[0].startswith("rows.jsonl line 2: ")
    assert problem in problems[0]
    assert len(problems[0]) < 300


def test_a_last_line_that_is_cut_off_is_told(file):
    rows, problems = read(file(GOOD + b"\n" + GOOD[:40]))
    assert (len(rows), len(problems)) == (1, 1)
    assert problems[0].startswith("rows.jsonl line 2: is broken JSON or cut off")


def test_a_line_of_ten_megabytes_is_read(file):
    rows, problems = read(file(GOOD + b"\n" + with_trial(1, transcript="x" * 10_000_000)))
    assert problems == []
    assert len(rows[1].trial.answer) == 10_000_000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_another_encoding_is_told_with_the_command_that_mends_it(file, encoding):
    with pytest.raises(InputError, match="iconv -f UTF-16 -t UTF-8"):
        read(file(GOOD.decode().encode(encoding)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", GOOD + b"\n" + with_trial(7).replace(b"notice", "naïve".encode("latin-1"))),
        ("rows.jsonl", with_trial(7, transcript="x" * 2**20 + "\n") + b"\n" + GOOD.replace(b"notice", b"\xff\xff")),
    ],
)
def test_a_file_that_is_not_utf_8_is_refused_whole_since_its_accented_rows_alone_would_be_lost(file, name, content):
    with pytest.raises(InputError, match=r"is no UTF-8 text \(line 2, byte 0x(ef|ff)\): save it as UTF-8"):
        read(file(content, name))


def test_the_mark_of_utf_8_and_lines_that_end_with_a_return_are_read(file):
    rows, problems = read(file(b"\xef\xbb\xbf" + GOOD + b"\r\n" + with_trial(1) + b"\r\n"))
    assert (len(rows), problems) == (2, [])


def test_a_line_separator_inside_an_answer_ends_no_line(file):
    line = json.dumps({**ROW, "transcript": "one\u2028two\x85three"}, ensure_ascii=False).encode()
    rows, problems = read(file(line))
    assert problems == []
    assert rows[0].trial.answer == "one\u2028two\x85three"


@pytest.mark.parametrize(
    ("name", "problem"), [("missing.jsonl", "is not there"), ("", "is a folder"), ("empty.jsonl", "is empty")]
)
def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path, name, problem):
    (tmp_path / "empty.jsonl").write_bytes(b" \n\n")
    with pytest.raises(InputError, match=problem):
        read(tmp_path / name)


def test_an_unknown_format_is_told_with_those_there_are(file):
    with pytest.raises(UnknownNameError, match=r"arena, .*table, .*gnomon"):
        read(file(GOOD), "excel")


CSV_HEADER = b"intervention,response,trial,affirmative,coherent\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"random,hm,1,True\n", "has 4 cells where the header has 5"),
        (b"random,hm,1,True,True,more\n", "has 6 cells"),
        (b"random,h\x00m,1,True,True\n", "holds NUL bytes"),
        (b'random,"a"b,1,True,True\n', "is no CSV"),
        (b"odd,hm,1,True,True\n", "'intervention' is 'odd'"),
    ],
)
def test_a_broken_record_is_told_by_its_first_line(file, line, problem):
    before = b'random,"spans\ntwo lines",0,True,True\n'
    rows, problems = read(
        file(CSV_HEADER + before + line + b"control,hm,2,True,True\n", "1B.csv"), "llama-introspection"
    )
    assert len(rows) == 2
    assert len(problems) == 1
    assert problems[0].startswith("1B.csv line 4: ")
    assert problem in problems[0]


def test_a_quote_that_is_never_closed_is_told(file):
    rows, problems = read(file(CSV_HEADER + b'random,"hm,1,True,True\n', "1B.csv"), "llama-introspection")
    assert (rows, len(problems)) == ((), 1)
    assert "is no CSV" in problems[0]


def test_a_cell_of_ten_megabytes_is_read(file):
    limit = csv.field_size_limit()
    rows, problems = read(
        file(CSV_HEADER + b"random," + b"x" * 10_000_000 + b",1,True,True\n", "1B.csv"), "llama-introspection"
    )
    csv.field_size_limit(limit)
    assert problems == []
    assert len(rows[0].trial.answer) == 10_000_000


def test_two_columns_of_one_name_are_told(file):
    with pytest.raises(InputError, match="two columns called 'trial'"):
        read(file(b"trial,trial\n1,2\n", "1B.csv"), "llama-introspection")


def test_a_list_that_breaks_off_keeps_what_stands_before(file):
    item = '{"id": "1", "model_a": "a", "model_b": "b", "human_winner": "model_a", "judge_pick": "A"}'
    rows, problems = read(file(f"[\n{item},\n{item[:30]}".encode(), "x_j.json"), "arena")
    assert len(rows) == 1
    assert problems[0].startswith("x_j.json line 3: is broken JSON or cut off")
    rows, problems = read(file(f"[\n{item}\n".encode(), "x_j.json"), "arena")
    assert (len(rows), len(problems)) == (1, 1)
    assert "the file is cut off" in problems[0]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KNOWN = (
    "id",
    "concept",
    "was_injected",
    "response",
    "config",
    "label",
    "judge_result",
    *ROW,
    "coherent",
    "affirmative",
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    format_=st.sampled_from(["open-introspection", "introspection-scaling", "arena"]),
    rows=st.lists(st.dictionaries(st.sampled_from(KNOWN), values), min_size=1, max_size=4),
)
def test_whatever_a_row_holds_it_is_read_or_told(file, format_, rows):
    lines = "\n".join(json.dumps(row) for row in rows)
    parsed = parse_files(
        format_, [file(f"[{lines}]".encode() if format_ == "arena" else lines.encode())], ImportOptions()
    )
    assert parsed.seen.rows + len({problem.place for problem in parsed.report.problems}) >= 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), format_=st.sampled_from([name for name in IMPORTERS if name != "gnomon"]))
def test_whatever_bytes_a_file_holds_there_is_a_result_or_one_clear_line(file, tmp_path, content, format_):
    map_ = tmp_path / "map.toml"
    map_.write_text('[trial]\nkey = "a"\nsubject = "b"\nanswer = "c"\n')
    name = {"llama-introspection": "x.csv", "arena": "x.json", "inspect": "x.eval", "table": "x.csv"}.get(
        format_, "x.jsonl"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = ""
        try:
            parse_files(format_, [file(content, name)], ImportOptions(map=map_))
        except UserError as error:
            told = str(error)
        assert "\n" not in told


@pytest.mark.slow
def test_a_hundred_thousand_trials_of_one_condition_have_as_many_ids(file):
    """31 bits alone would make two of them meet, nine times in ten."""
    keys = (
        f'{{"id":"t{number}","was_injected":false,"response":"x","config":{{"model":"m"}}}}'
        for number in range(100_000)
    )
    rows, problems = read(file("\n".join(keys).encode()), "open-introspection")
    assert problems == []
    assert len({row.trial_id for row in rows}) == 100_000


def labelled(number, answer="pass", **change):
    """A row of open-introspection with a label; the same number is the same trial."""
    label = {
        "answer": answer,
        "coherent": True,
        "refused": False,
        "labeler": "ann",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    about = {"id": str(number), "was_injected": True, "concept": "dust", "response": "x", "config": {"model": "Toy-7B"}}
    return json.dumps({**about, "label": label, **change}).encode()


def test_where_a_batch_ends_makes_no_difference(file, tmp_path, monkeypatch):
    """Repeats, revisions, clashes and concepts that are told later are found across batches as within one."""
    verdict = {"answer": "fail", "coherent": True, "refused": False, "detected_concept": "sea"}
    rows = [labelled(1), labelled(2), labelled(1), labelled(2, "fail"), labelled(3, judge_result=verdict)]
    rows += [labelled(4, concept="sea"), labelled(3, response="y"), labelled(5)]
    path = file(b"\n".join(rows))
    found = []
    for size in (1, 3, 5_000):
        monkeypatch.setattr(ingest, "BATCH", size)
        store = Store.open(sqlite_url(tmp_path / f"{size}.db"))
        parsed = parse_files("open-introspection", [path], ImportOptions())
        landed = parsed.ingest_into(store)
        kept = [
            store.read_frame(table).drop(columns="created_at")
            for table in (tables.trials, tables.verdicts, tables.labels)
        ]
        found.append((landed, [str(each) for each in parsed.report.problems], [frame.to_dict() for frame in kept]))
        store.close()
    assert found[0] == found[1] == found[2]
    landed, problems, (_, verdicts, _) = found[0]
    assert landed.new == {"trials": 5, "verdicts": 1, "labels": 5}
    assert set(verdicts["concept"].values()) == {"sea"}
    assert [problem.split(": ")[0] for problem in problems] == ["rows.jsonl line 4", "rows.jsonl line 7"]


def test_a_file_that_changes_while_it_is_read_stores_nothing(file, tmp_path):
    path = file(GOOD + b"\n" + with_trial(1))
    parsed = parse_files(FORMAT, [path], ImportOptions())
    path.write_bytes(GOOD)
    store = Store.open(sqlite_url(tmp_path / "gnomon.db"))
    with pytest.raises(InputError, match="changed while it was read: nothing was stored"):
        parsed.ingest_into(store)
    assert store.count_rows(tables.trials) == 0
    store.close()


def test_memory_does_not_grow_with_the_rows(file, tmp_path):
    """Twenty times the rows, each of 2 kB, and not 2 MB more."""
    peaks = []
    for many in (500, 10_000):
        path = file(b"\n".join(with_trial(number, transcript="x" * 2_000) for number in range(many)))
        tracemalloc.start()
        for _ in parse_files(FORMAT, [path], ImportOptions()).iter_rows():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


def test_a_pipe_is_told(tmp_path):
    os.mkfifo(tmp_path / "rows.jsonl")
    with pytest.raises(InputError, match="can be read only once"):
        read(tmp_path / "rows.jsonl")


def test_a_line_that_is_too_long_is_told_and_the_next_one_read(file, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_BYTES", "1000")
    rows, problems = read(file(with_trial(1) + b"\n" + b"x" * 5_000 + b"\n" + with_trial(2)))
    assert len(rows) == 2
    assert problems[0].startswith("rows.jsonl line 2: has more than 1,000 bytes")
