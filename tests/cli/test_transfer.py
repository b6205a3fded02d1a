"""`gnomon import` and `gnomon export` as a person runs them: what is printed, what is made, and the exit status."""

from __future__ import annotations

import json
import sqlite3
import tomllib

import pytest

from gnomon.__main__ import run
from gnomon.data.importers import IMPORTERS
from gnomon.study_file import read_study

ROW = {
    "condition": "injected",
    "concept": "dust",
    "alpha": 1.5,
    "layer": 17,
    "model_id": "Toy-7B",
    "transcript": "I notice dust.",
    "coherent": True,
    "affirmative": True,
    "correct_identification": True,
}


@pytest.fixture
def lines(tmp_path):
    def make(*changes, name="rows.jsonl"):
        path = tmp_path / name
        rows = ({**ROW, "trial": number, **change} for number, change in enumerate(changes))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return make


@pytest.fixture
def command(capsys):
    """Run a command in this process: its exit status, stdout and stderr."""

    def go(*arguments):
        status = run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return go


def bring(command, path, folder, *more, format_="introspection-scaling"):
    return command("import", format_, path, "--study", folder, *more)


def test_a_new_folder_gets_a_study_file_and_the_next_steps_work(command, lines, tmp_path):
    folder = tmp_path / "new"
    status, out, err = bring(command, lines({}, {"condition": "no_injection", "affirmative": False}), folder)
    assert (status, out) == (0, "")
    assert "2 rows read: added 2 trials, 2 verdicts, 0 labels; 0 repeated" in err
    assert read_study(folder).imported
    status, _, err = command("generate", folder)
    assert status == 2
    assert "holds what was imported: nothing can be generated" in err
    status, out, _ = command("judge", folder, "--json")
    assert (status, json.loads(out)[0]["new"]) == (0, 2)
    status, out, _ = command("calibrate", folder, "--json")
    assert status == 0
    assert {each["judge"] for each in json.loads(out)["judges"]} == {"introspection-scaling-judge", "lexicon"}


def test_the_closed_list_is_what_the_trials_name_unless_the_file_says_otherwise(command, lines, tmp_path):
    folder = tmp_path / "new"

    def listed():
        with sqlite3.connect(folder / "gnomon.db") as connection:
            (value,) = connection.execute("SELECT value FROM study WHERE key = 'concepts'").fetchone()
        connection.close()
        return json.loads(value)

    bring(command, lines({}, {"concept": "all-caps/shouting"}), folder)
    assert listed() == ["all-caps/shouting", "dust"]
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace('# concepts = ["ocean", "fear"]', 'concepts = ["dust", "fear"]'))
    bring(command, lines({"concept": "sea"}, name="more.jsonl"), folder)
    assert listed() == ["dust", "fear"]


def test_importing_twice_says_that_nothing_is_new(command, lines, tmp_path):
    path = lines({}, {})
    bring(command, path, tmp_path / "s")
    text = (tmp_path / "s" / "study.toml").read_text()
    status, _, err = bring(command, path, tmp_path / "s")
    assert status == 0
    assert "nothing new: all 2 rows that fit are in the study already" in err
    assert (tmp_path / "s" / "study.toml").read_text() == text


def test_bad_rows_are_shown_up_to_twenty_and_all_are_in_the_document(command, lines, tmp_path):
    status, out, err = bring(command, lines({}, *[{"layer": "deep"}] * 30), tmp_path / "s", "--json")
    document = json.loads(out)
    assert status == 0
    assert (document["rows"], document["accepted"], document["rejected"]) == (31, 1, 30)
    assert document["new"] == {"trials": 1, "verdicts": 1, "labels": 0}
    assert document["problems"][0] == {
        "file": "rows.jsonl",
        "line": 2,
        "part": "",
        "problem": "'layer' is 'deep': write a finite number",
    }
    assert len(document["problems"]) == 30
    assert err.count("rows.jsonl line") == 20
    assert "... and 10 more problems" in err


def test_where_no_row_fits_nothing_is_made(command, lines, tmp_path):
    status, out, err = bring(command, lines({"condition": "odd"}), tmp_path / "s", "--json")
    assert status == 2
    assert "rows.jsonl line 1: 'condition' is 'odd'" in err
    assert "gnomon: " in err
    assert "no row fits the format" in err
    assert json.loads(out)["rejected"] == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("import", "excel", "x", "--study", "s"), "format 'excel' is not known"),
        (("import", "inspect", "x.eval", "--study", "s"), "x.eval: is not there"),
        (("import", "table", "x.csv", "--study", "s"), "x.csv: is not there"),
        (("import", "gnomon", "x", "--study", "s"), "is no export folder"),
        (("import", "arena", "x"), "--study"),
        (("export", "nowhere", "--out", "o"), "gnomon init"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(command, arguments, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = command(*arguments)
    assert status == 2
    (line,) = (line for line in err.splitlines() if line.startswith("gnomon: "))
    assert problem in line
    assert list(tmp_path.iterdir()) == []


def test_a_subject_of_unknown_size_is_told_and_can_be_mended(command, lines, tmp_path):
    path = lines({"model_id": "mystery"})
    _, _, err = bring(command, path, tmp_path / "s")
    assert "number of parameters not known for mystery" in err
    bring(command, path, tmp_path / "s", "--parameters", "3e9")
    with sqlite3.connect(tmp_path / "s" / "gnomon.db") as connection:
        assert connection.execute("SELECT parameters FROM subjects").fetchall() == [(3e9,)]
    connection.close()


def test_sizes_are_compared_only_where_they_are_known(command, lines, tmp_path):
    bring(command, lines({"model_id": "mystery"}, {}), tmp_path / "s")
    status, _, err = command("fit", tmp_path / "s")
    assert status == 2
    assert "subject 'mystery': its number of parameters is not known" in err


def test_a_study_goes_out_and_comes_back_the_same(command, lines, tmp_path):
    bring(command, lines({"transcript": "=1+1"}, {}), tmp_path / "s")
    status, out, err = command("export", tmp_path / "s", "--out", tmp_path / "one", "--csv", "--json")
    assert status == 0
    assert err.count("leading apostrophe") == 1
    assert json.loads(out)["rows"]["trials"] == 2
    assert command("import", "gnomon", tmp_path / "one", "--study", tmp_path / "back")[0] == 0
    assert command("export", tmp_path / "back", "--out", tmp_path / "two", "--csv")[0] == 0
    for path in (tmp_path / "one").iterdir():
        if path.name != "export.json":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    status, _, err = command("export", tmp_path / "s", "--out", tmp_path / "one")
    assert status == 2
    assert "not empty" in err


def test_a_name_with_quotes_makes_a_study_file_that_can_be_read(command, lines, tmp_path):
    folder = tmp_path / 'a "study" \\ here'
    assert bring(command, lines({}), folder)[0] == 0
    assert tomllib.loads((folder / "study.toml").read_text())["name"] == folder.name


def test_every_format_is_described(request):
    text = (request.config.rootpath / "docs" / "importing.md").read_text()
    for name in IMPORTERS:
        assert f"`{name}`" in text


@pytest.mark.parametrize("names", [("dev", "dev_calibration"), ("dev_calibration", "dev")])
def test_the_real_dev_labels_give_the_counts_of_the_study_before_and_after_revision(command, shared, tmp_path, names):
    paths = [shared / "data" / "open-introspection" / f"{name}.jsonl" for name in names]
    status, out, _ = command("import", "open-introspection", *paths, "--study", tmp_path / "s", "--json")
    assert status == 0
    assert json.loads(out)["revisions"] == 1
    document = json.loads(command("calibrate", tmp_path / "s", "--json")[1])
    counted = {
        each["labels"]: tuple(each["overall"]["as_pass"][name] for name in ("tp", "fp", "fn", "tn"))
        for each in document["judges"]
        if each["judge"] == "open-introspection-judge"
    }
    assert (counted["first"], counted["current"]) == ((26, 3, 0, 20), (27, 2, 0, 20))
    changed = document["revisions"]
    assert (changed["n"], changed["after_verdict"], changed["toward_judge"]) == (1, 1, 1)
