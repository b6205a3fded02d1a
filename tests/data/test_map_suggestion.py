"""A column map from a table's columns: used where it is sure, and refused in one line with how to get it where not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select

from gnomon.__main__ import run
from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.column_map import parse_map
from gnomon.data.importers.tabular.map_suggestion import quote_toml, suggest_map
from gnomon.data.importers.tabular.table_files import FileLayout
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store


@pytest.fixture
def table(tmp_path):
    def make(rows, name="t.csv"):
        path = tmp_path / name
        if name.endswith(".jsonl"):
            path.write_text("\n".join(map(json.dumps, rows)))
            return path
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return make


@pytest.fixture
def memory():
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


def suggested(path, **options):
    found = suggest_map([path], FileLayout(), **options)
    return parse_map(found.text, "suggested"), found.doubts


PLAIN = [{"id": n, "text": f"t{n}", "judge": n % 2, "human": n % 3 % 2} for n in range(8)]


def test_a_usual_table_needs_no_map(table, memory):
    columns, doubts = suggested(table(PLAIN))
    assert doubts == []
    assert (columns.trial.key, columns.trial.answer) == ("id", "text")
    parsed = parse_files("table", [table(PLAIN)], ImportOptions())
    assert "read without a column map: key = 'id'" in parsed.report.notes[0]
    landed = parsed.ingest_into(memory)
    assert landed.new == {"trials": 8, "verdicts": 8, "labels": 8}
    assert sum(row.passed for row in memory._fetch_all(select(tables.verdicts))) == 4
    assert sum(row.passed for row in memory._fetch_all(select(tables.labels))) == 3


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"judge": 7}, "column 'judge' holds numbers from 0 to 7: which of them pass?"),
        ({"ada": 1}, "column 'ada' holds yes and no and is not used"),
        ({"judge_wrong": 1}, "column 'judge_wrong' may say what failed"),
        ({"intervention": "scale"}, "column 'intervention' holds scale, which are no known arms"),
        ({"injected": True}, "column 'injected' holds an injection arm, and no column is called concept"),
    ],
)
def test_what_the_columns_leave_open_is_a_comment_and_a_refusal_that_names_the_way(table, change, doubt):
    others = [{**row, **{name: "scale" if name == "intervention" else 0 for name in change}} for row in PLAIN[1:]]
    path = table([{**PLAIN[0], **change}, *others])
    _, doubts = suggested(path)
    assert any(doubt in each for each in doubts)
    with pytest.raises(InputError, match=r"no column map is named \(--map\), and .*'gnomon import --suggest .*t.csv"):
        parse_files("table", [path], ImportOptions())


def test_a_table_that_no_column_explains_is_refused(table):
    path = table([{"a": "x", "b": "y"}])
    with pytest.raises(InputError, match="no column is clearly a judge's verdict or a person's label"):
        parse_files("table", [path], ImportOptions())


def test_a_threshold_answers_the_question_about_grades(table, memory):
    rows = [{**row, "judge": n} for n, row in enumerate(PLAIN)]
    path = table(rows)
    parsed = parse_files("table", [path], ImportOptions(threshold=">= 6"))
    parsed.ingest_into(memory)
    assert sum(row.passed for row in memory._fetch_all(select(tables.verdicts))) == 2
    with pytest.raises(InputError, match="--threshold: 'often' is no threshold"):
        parse_files("table", [path], ImportOptions(threshold="often"))


def test_an_introspection_table_gets_arms_concepts_and_the_facts_of_its_judge(table):
    rows = [
        {
            "trial": n,
            "was_injected": n % 2 == 1,
            "concept": "sea",
            "layer": 3,
            "response": "x" * 90,
            "judge_detected": True,
            "judge_identified": False,
            "coherent": True,
            "refusal": False,
        }
        for n in range(4)
    ]
    columns, doubts = suggested(table(rows))
    assert doubts == []
    assert columns.trial.mapped_sources() == {
        "answer": "response",
        "arm": "was_injected",
        "concept": "concept",
        "layer": "layer",
    }
    assert columns.trial.values == {"arm": {"false": "control", "true": "injection"}}
    [part] = columns.verdict
    assert (part.claims, part.identified, part.coherent, part.refused) == (
        "judge_detected",
        "judge_identified",
        "coherent",
        "refusal",
    )


def test_a_row_for_each_judge_and_person_is_divided_by_who_they_are(table, memory):
    who = ("human", "gpt-4o", "autograder")
    rows = [{"item": n // 3, "grader": who[n % 3], "score": n % 2} for n in range(12)]
    columns, doubts = suggested(table(rows))
    assert doubts == []
    assert columns.verdict[0].where == {"grader": ["autograder", "gpt-4o"]}
    assert columns.label[0].where == {"grader": ["human"]}
    landed = parse_files("table", [table(rows)], ImportOptions()).ingest_into(memory)
    assert landed.new == {"trials": 4, "verdicts": 8, "labels": 4}
    _, doubts = suggested(table([{**row, "grader": row["grader"].replace("human", "kim")} for row in rows]))
    assert doubts == ["column 'grader': is kim a person or a judge?"]


def test_a_judge_asked_again_of_the_same_response_has_samples(table):
    rows = [{"id": n // 3, "text": f"t{n // 3}", "run": n % 3, "judge": n % 2} for n in range(9)]
    columns, doubts = suggested(table(rows))
    assert (columns.trial.key, columns.verdict[0].sample, doubts) == ("id", "run", [])


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ([{"item": n // 2, "model": "ab"[n % 2], "judge": n % 2} for n in range(6)], "item"),
        ([{"item": n // 2, "prompt": "ab"[n % 2], "judge": n % 2} for n in range(6)], ["item", "prompt"]),
        ([{"judge": n % 2, "human": 1} for n in range(6)], None),
    ],
)
def test_the_key_is_what_tells_the_rows_apart(table, rows, key):
    columns, doubts = suggested(table(rows))
    assert doubts == []
    assert (columns.trial.key if key else columns.trial.key.row_number) == (key or True)


def test_fields_inside_fields_are_suggested_by_their_paths(table):
    rows = [
        {"meta": {"id": n}, "out": {"text": "x" * 80}, "scores": {"judge": {"passed": n % 2 == 0}}} for n in range(4)
    ]
    columns, doubts = suggested(table(rows, "t.jsonl"))
    assert doubts == []
    assert (columns.trial.key, columns.trial.answer) == ("meta.id", "out.text")
    assert columns.verdict[0].passed == "scores.judge.passed"


@pytest.mark.parametrize("name", ['say "x"', "back\\slash", "tab\there", "new\nline", "a.b", "ü", "\x7f"])
def test_any_column_name_is_written_as_toml_that_reads_back(table, name):
    rows = [{"id": n, "text": "t", f"judge {name}": n % 2} for n in range(4)]
    columns, _ = suggested(table(rows, "t.jsonl"))
    assert columns.verdict[0].passed == f"judge {name}"
    assert quote_toml(name).startswith('"')


def test_the_command_prints_the_map_and_says_how_many_things_it_is_not_sure_of(table, tmp_path, capsys):
    path = table([{**row, "judge": n} for n, row in enumerate(PLAIN)])
    assert run(["import", "--suggest", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# Column map for t.csv: 8 rows")
    assert '# threshold = ">= ' in out
    assert "not sure of 1 things" in err
    (tmp_path / "map.toml").write_text(out.replace("# threshold", "threshold"))
    assert run(["import", "table", str(path), "--map", str(tmp_path / "map.toml"), "--study", str(tmp_path / "s")]) == 0
    assert run(["import", "table", str(path)]) == 2
    assert "name the study's folder" in capsys.readouterr().err


def test_a_file_that_is_not_there_or_no_table_is_one_line(tmp_path, capsys):
    (tmp_path / "t.sav").write_text("x")
    for name in ("none.csv", "t.sav"):
        assert run(["import", "--suggest", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_map_of_the_documentation_is_one():
    text = (Path(__file__).parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    columns = parse_map(text.split("```toml\n")[1].split("```")[0], "docs/importing.md")
    assert columns.verdict[0].values == {"claims": {"Y": True, "N": False, "?": ""}}
    assert columns.label[0].threshold == ">= 7"


@pytest.mark.parametrize(
    "name",
    ["flagged", "hallucination", "refused", "not_correct", "rejects", "jailbroken", "biased", "unsafe", "noFailure"],
)
def test_a_column_whose_true_may_be_a_fail_is_asked_about(table, name):
    _, doubts = suggested(table([{"id": n, "text": f"t{n}", f"judge_{name}": n % 2} for n in range(8)]))
    assert doubts == [f"column 'judge_{name}' may say what failed: which value passes? [verdict.values.passed]"]


@pytest.mark.parametrize(("name", "doubts"), [("sarcasm", 2), ("helpful", 0), ("score", 0), ("1", 0)])
def test_what_judge_and_person_both_say_is_asked_about_unless_its_worth_is_known(table, name, doubts):
    rows = [{"id": n, f"judge_{name}": n % 2, f"human_{name}": n % 3 % 2} for n in range(8)]
    assert len(suggested(table(rows))[1]) == doubts


def test_words_of_pass_and_fail_leave_nothing_to_ask(table):
    rows = [{"id": n, "judge_flagged": ("pass", "fail")[n % 2]} for n in range(8)]
    assert suggested(table(rows))[1] == []


def test_what_a_pass_means_without_an_injection_is_asked(table):
    rows = [
        {"id": n, "condition": ("control", "injection")[n % 2], "concept": "sea", "correct": n % 3 % 2}
        for n in range(8)
    ]
    [doubt] = suggested(table(rows))[1]
    assert "without an injection means that nothing is claimed" in doubt


def test_labels_in_words_of_their_own_are_a_part_and_no_model(table):
    rows = [{"id": n, "llm_label": ("safe", "unsafe")[n % 2], "human_label": "safe"} for n in range(8)]
    columns, doubts = suggested(table(rows))
    assert (columns.trial.subject, len(columns.verdict), len(columns.label)) == (None, 1, 1)
    assert "column 'llm_label' holds 'safe', 'unsafe': which of them pass?" in doubts


def test_what_was_injected_without_saying_where_is_asked(table):
    rows = [{"id": n, "concept": "sea", "layer": 3, "strength": n % 2, "judge_detected": n % 2} for n in range(8)]
    doubt = suggested(table(rows))[1][0]
    assert "columns 'concept' and 'layer' say what was injected, and no column says in which rows" in doubt


def test_percentages_are_grades(table, memory):
    path = table([{"id": n, "judge_score": f"{n * 10}%"} for n in range(8)])
    assert suggested(path)[1] == [
        "column 'judge_score' holds numbers from 0 to 70: which of them pass? threshold in [verdict], or --threshold"
    ]
    parse_files("table", [path], ImportOptions(threshold=">= 50")).ingest_into(memory)
    assert sum(row.passed for row in memory._fetch_all(select(tables.verdicts))) == 3


def test_a_sheet_and_the_path_of_the_rows_can_be_named_before_there_is_a_map(tmp_path, capsys):
    book = openpyxl.Workbook()
    for row in (["id", "judge"], [1, 1], [2, 0]):
        book.active.append(row)
    book.create_sheet("notes").append(["x"])
    book.save(tmp_path / "t.xlsx")
    document = {"graders": [{"a": 1}], "results": [{"id": 1, "judge": 1}, {"id": 2, "judge": 0}]}
    (tmp_path / "t.json").write_text(json.dumps(document))
    for name, option in (("t.xlsx", ["--sheet", "Sheet"]), ("t.json", ["--rows", "results"])):
        file = str(tmp_path / name)
        assert run(["import", "--suggest", file]) == 2
        assert option[0] in capsys.readouterr().err
        assert run(["import", "--suggest", file, *option]) == 0
        assert f"{option[0].strip('-')} = " in capsys.readouterr().out
        assert run(["import", "table", file, "--study", str(tmp_path / name[2:]), *option]) == 0
