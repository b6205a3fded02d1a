"""Export and import: what goes out comes back the same, and nothing is overwritten on the way."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from sqlalchemy import select

from gnomon.data.errors import InputError
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.formats.gnomon_export import ORDER
from gnomon.data.label_selection import LabelSelection
from gnomon.data.records import (
    Arm,
    Condition,
    CountRow,
    Exposure,
    Facts,
    JudgeVersion,
    Label,
    LabelKind,
    LabelPolicy,
    Span,
    Subject,
    Trial,
    Verdict,
    VerdictState,
    trial_seed,
)
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

YES = Facts(claims=True, concept="ocean", coherent=True, refused=False, passed=True)


def bring(store, folder):
    parsed = parse_files("gnomon", [folder], ImportOptions())
    return parsed.ingest_into(store), [str(problem) for problem in parsed.report.problems]


def dump(store):
    """Every table, row by row in the order that it has, without the numbers that the database gives out."""
    found = {}
    for table in ORDER:
        serial = table in (tables.verdicts, tables.labels, tables.events)
        rows = store._fetch_all(select(table).order_by(*([table.c.id] if serial else table.primary_key)))
        found[table.name] = [list(row)[serial:] for row in rows]
    return found


@pytest.fixture
def full(store, make_trial):
    """A store with a row in every table."""
    trial = make_trial(answer="=cmd|' /C calc'!A0")
    make_trial(arm="control", answer='Nothing,\nat "all".')
    store.save_settings({"name": "a study", "concepts": ["ocean"], "judges": ["j"]})
    store.add_vector("v", subject="toy", concept="ocean", layer=20, norm=3.5, content={"recipe": [1, None]})
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {"a": [1.5]}))
    policy = LabelPolicy("second", "Whoever asks back claims nothing.\n")
    store.add_label_policies([policy])
    store.add_verdicts(
        [
            Verdict(trial.id, "j1", YES, scores={"claims": 0.1 + 0.2}),
            Verdict(trial.id, "j1", None, VerdictState.ERROR, 1, raw="?"),
        ]
    )
    store.add_labels(
        [
            Label(trial.id, "ann", YES, policy=policy.hash, undecided=("claims", "coherent")),
            Label(trial.id, "bob", YES, selection=LabelSelection(("j1",), "disputed", 4, 1)),
            Label(trial.id, "ann", None, LabelKind.RETRACTION, revision=1),
            Label(trial.id, "ann", YES, revision=2, exposure=Exposure.AFTER_VERDICT, note="-1"),
        ]
    )
    store.add_counts([CountRow("s", "toy", Arm.CONTROL, 10, 1, 2)])
    store.add_fit(
        {"id": "f", "view": "x", "status": "ok", "data_hash": "d", "seed": 1, "priors": {}}
        | {"diagnostics": {"rhat": 1.01}, "result": {"draws": [1, 2]}}
    )
    store.log_event("seen", {"by": "ann"})
    return store


@pytest.fixture
def other(tmp_path):
    opened = Store.open(sqlite_url(tmp_path / "other.db"))
    yield opened
    opened.close()


def test_every_table_goes_out_in_both_forms_and_comes_back_the_same(full, other, tmp_path):
    done = export_store(full, tmp_path / "out")
    assert all(done.rows[table.name] for table in ORDER)
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert about["rows"] == done.rows
    assert set(about["files"]) == {f"{table.name}.{ending}" for table in ORDER for ending in ("jsonl", "parquet")}
    for table in ORDER:
        lines = (tmp_path / "out" / f"{table.name}.jsonl").read_text().splitlines()
        packed = parquet.read_table(tmp_path / "out" / f"{table.name}.parquet").to_pylist()
        assert len(lines) == len(packed) == done.rows[table.name]
    landed, problems = bring(other, tmp_path / "out")
    assert problems == []
    assert landed.new == {"trials": 2, "verdicts": 2, "labels": 4, "counts": 1}
    assert dump(other) == dump(full)
    again = export_store(other, tmp_path / "again")
    assert again.files == done.files


def test_the_parquet_files_alone_bring_all_of_it_back(full, other, tmp_path):
    export_store(full, tmp_path / "out")
    for path in (tmp_path / "out").glob("*.jsonl"):
        path.unlink()
    assert bring(other, tmp_path / "out")[1] == []
    assert dump(other) == dump(full)


def test_importing_the_same_export_twice_adds_nothing(full, other, tmp_path):
    export_store(full, tmp_path / "out")
    bring(other, tmp_path / "out")
    before = dump(other)
    landed, problems = bring(other, tmp_path / "out")
    assert (sum(landed.new.values()), landed.repeated, problems) == (0, landed.accepted, [])
    assert dump(other) == before


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
facts = st.none() | st.builds(
    Facts,
    st.booleans(),
    st.sampled_from(["ocean", "none", "other"]),
    st.booleans(),
    st.booleans(),
    st.none() | st.booleans(),
)
trials = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(list(Arm)),
    st.none() | st.integers(0, 99),
    st.floats(-1e6, 1e6).map(lambda strength: strength + 0.0),  # SQLite knows no -0.0
    st.integers(0, 2**31 - 1),
    texts,
    st.none() | texts,
    st.none() | st.floats(0, 1e300),
)


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    trials=st.lists(trials, max_size=6),
    verdicts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), facts, texts), max_size=6),
    labels=st.lists(st.tuples(st.integers(0, 5), texts.filter(bool), st.integers(0, 3), facts, texts), max_size=8),
    settled=st.dictionaries(st.text("abc", min_size=1), st.lists(texts | st.integers(-(2**60), 2**60)), max_size=3),
)
def test_any_study_round_trips(tmp_path, trials, verdicts, labels, settled):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    store, other = (Store.open(sqlite_url(folder / f"{name}.db")) for name in "ab")
    store.save_settings(settled)
    store.add_subjects([Subject(name, 1e9, "f", "v") for name in "ba"])
    store.add_protocol("p", "p", {"words": [text for *_, text in labels]})
    store.add_judge(JudgeVersion("j", "j", "imported", {}))
    ids = []
    for subject, arm, layer, strength, replicate, answer, error, depth in trials:
        condition = Condition(subject, "r", arm, "ocean", layer, strength, Span.ALL, "p", None, 2**62)
        ids.append(condition.trial_id(replicate))
        trial = Trial(ids[-1], condition, replicate, trial_seed(ids[-1]), answer, "stop", 3, depth, error=error)
        store.add_trials([trial])
    if ids:
        store.add_verdicts([Verdict(ids[at % len(ids)], "j", said, sample=n, raw=raw) for at, n, said, raw in verdicts])
        for number, (at, rater, revision, said, note) in enumerate(labels):
            time = f"2026-01-01T00:00:00.{number:06d}+00:00"
            label = Label(ids[at % len(ids)], rater, said, revision=revision, note=note, created_at=time)
            store.add_labels([label])
    first = export_store(store, folder / "one")
    assert bring(other, folder / "one")[1] == []
    assert dump(other) == dump(store)
    assert export_store(other, folder / "two").files == first.files
    store.close()
    other.close()
    shutil.rmtree(folder)


def test_a_label_names_the_revision_that_it_supersedes(full, tmp_path):
    export_store(full, tmp_path / "out")
    found = [json.loads(line) for line in (tmp_path / "out" / "labels.jsonl").read_text().splitlines()]
    assert [(row["rater"], row["revision"], row["supersedes"]) for row in found] == [
        ("ann", 0, None),
        ("bob", 0, None),
        ("ann", 1, 0),
        ("ann", 2, 1),
    ]


def test_a_cell_that_a_spreadsheet_would_run_is_guarded_in_csv_only(full, tmp_path):
    done = export_store(full, tmp_path / "out", as_csv=True)
    with (tmp_path / "out" / "trials.csv").open(newline="") as file:
        answers = {row["answer"] for row in csv.DictReader(file)}
    assert answers == {"'=cmd|' /C calc'!A0", 'Nothing,\nat "all".'}
    assert done.guarded == 2
    assert '"answer": "=cmd' in (tmp_path / "out" / "trials.jsonl").read_text()


@pytest.mark.parametrize("start", list("=+-@\t\r"))
def test_every_way_to_begin_a_formula_is_guarded(store, make_trial, tmp_path, start):
    make_trial(answer=f"{start}1+1")
    assert export_store(store, tmp_path / "out", as_csv=True).guarded == 1


def test_a_folder_that_holds_something_is_left_alone(full, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        export_store(full, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    export_store(full, tmp_path / "empty")


def test_an_export_that_fails_leaves_no_folder(full, tmp_path, monkeypatch):
    monkeypatch.setattr("gnomon.data.exporters.export_folder._file_hash", lambda path: 1 / 0)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError):
        export_store(full, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in before)


def change(folder, table, **values):
    """Change the first row of a table of an export."""
    path = folder / f"{table}.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **values}), *rest]) + "\n")


@pytest.mark.parametrize(
    ("table", "values", "problem"),
    [
        ("trials", {"strength": 9.5}, "is not what its condition and replicate hash to"),
        ("trials", {"arm": "sideways"}, "'arm' is 'sideways': choose from"),
        ("trials", {"tokens": "many"}, "'tokens' is 'many', no whole number"),
        ("trials", {"tokens": 10**30}, "at most 63 bits"),
        ("trials", {"split": "all"}, "'split' is 'all', no word of dev, test, train"),
        ("labels", {"trial": "0" * 32}, "its trial '00000000000000000000000000000000' is not in this study"),
        ("labels", {"exposure": "half"}, "'exposure' is 'half'"),
        ("labels", {"selection": {"judges": "j1"}}, "no object with a list 'judges'"),
        ("verdicts", {"judge": "nobody"}, "its judge 'nobody' is not in this study"),
        ("verdicts", {"state": None}, "'state' is missing"),
        ("subjects", {"parameters": "big"}, "'parameters' is 'big', no finite number"),
    ],
)
def test_a_row_that_was_changed_is_told_and_not_taken(full, other, tmp_path, table, values, problem):
    export_store(full, tmp_path / "out")
    change(tmp_path / "out", table, **values)
    _, problems = bring(other, tmp_path / "out")
    assert problems[0].startswith(f"{table}.jsonl line 1: ")
    assert problem in problems[0]


def test_two_labels_of_a_rater_at_one_instant_that_differ_are_told(full, other, tmp_path):
    export_store(full, tmp_path / "out")
    path = tmp_path / "out" / "labels.jsonl"
    row = json.loads(path.read_text().splitlines()[0])
    path.write_text(path.read_text() + json.dumps({**row, "revision": 7, "claims": False}) + "\n")
    landed, problems = bring(other, tmp_path / "out")
    assert landed.new["labels"] == 4
    assert len(problems) == 1
    assert "labels.jsonl line 5: rater 'ann' has two labels" in problems[0]


def test_a_fact_that_contradicts_a_stored_one_is_told_and_nothing_is_overwritten(full, tmp_path):
    export_store(full, tmp_path / "out")
    before = dump(full)
    change(tmp_path / "out", "labels", note="another")
    _, problems = bring(full, tmp_path / "out")
    assert len(problems) == 1
    assert "is there with other contents: nothing is overwritten" in problems[0]
    assert dump(full) == before


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (None, "is no export folder"),
        ("{", "is broken JSON or cut off"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"format": 1e999}', "cannot be read"),
        ('{"format": 1, "rows": 3}', "cannot be read"),
        ('{"format": 99}', "newer Gnomon"),
    ],
)
def test_a_folder_that_is_no_export_is_said_so(store, tmp_path, manifest, problem):
    if manifest is not None:
        (tmp_path / "export.json").write_text(manifest)
    with pytest.raises(InputError, match=problem):
        bring(store, tmp_path)


@pytest.mark.attack
@pytest.mark.parametrize("name", ["mock:x", "file:x", "s3:bucket"])
def test_a_folder_whose_name_looks_like_a_url_is_that_folder(store, tmp_path, monkeypatch, name):
    """A library that writes Parquet takes a relative path with a colon for the address of another place."""
    monkeypatch.chdir(tmp_path)
    made = export_store(store, Path(name))
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == sorted([*made.files, "export.json"])
    assert len(list((tmp_path / name).glob("*.parquet"))) == len(ORDER)
