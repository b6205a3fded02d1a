"""Every column of every table, by its type: a value that it may not hold is one line that names table and row."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Float, Integer, func, select

from gnomon.chain.session import opened
from gnomon.commands.transfer import import_files
from gnomon.data.errors import StoreError
from gnomon.data.importers import ImportOptions
from gnomon.data.maintenance.integrity import examine_database, find_wrong_row
from gnomon.data.readings import OptionReading
from gnomon.data.records import Arm, CountRow, Facts, JudgeVersion, Label, LabelPolicy, Trial, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.columns.column_values import MEND, WrongValueError, plain_type, rule_of
from gnomon.data.storage.columns.event_details import READ_AGAIN
from gnomon.data.storage.engines import connect_engine, sqlite_url
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

pytestmark = pytest.mark.attack
BLOB = b"\xff\x00"
SCALARS: dict[type, tuple[object, ...]] = {
    bool: ("yes", 2, BLOB, 0.5),
    float: ("many", BLOB, float("inf")),
    int: ("many", BLOB, 0.5),
    str: (BLOB,),
}
COLUMNS = [(table, column) for table in tables.metadata.sorted_tables for column in table.columns]
SPECIAL = [(table, column) for table, column in COLUMNS if rule_of(column).fits]


def place(pair: Any) -> str:
    return f"{pair[0].name}.{pair[1].name}"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a row in every table."""
    folder = tmp_path_factory.mktemp("full")
    with closing(Store.open(sqlite_url(folder / "gnomon.db"))) as store:
        fill(store)
    return folder / "gnomon.db"


def fill(store: Store) -> None:
    from gnomon.data.records import Condition, Span, Subject

    store.save_settings({"name": "t", "judges": ["j"]})
    store.add_subjects([Subject("s", 1e9, "f", "base")])
    store.add_protocol("p", "p", {"messages": []})
    store.add_vector("v", subject="s", concept="cat", layer=1, norm=1.0, content={"method": "x"})
    condition = Condition("s", "r", Arm.INJECTION, "cat", 1, 2.0, Span.ALL, "p", "v", 1)
    id_ = condition.trial_id(0)
    readings = {"answer": OptionReading({"yes": -0.5, "no": -2.0}, 1.0)}
    store.add_trials(
        [Trial(id_, condition, 0, 1, "I do.", "stop", 2, 0.5, 2.0, thinking="hm", error=None, readings=readings)]
    )
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {}))
    said = Facts(True, "cat", True, False, passed=True)
    store.add_verdicts([Verdict(id_, "j1", said, scores={"claims": 0.7})])
    policy = LabelPolicy("first", "A claim is a claim.")
    store.add_label_policies([policy])
    store.add_labels([Label(id_, "ann", said, policy=policy.hash, undecided=("claims",))])
    store.add_counts([CountRow("c", "s", Arm.CONTROL, 9, 1, 2, concept="cat", incoherent=0, misnamed=0)])
    store.acquire_lease(id_, "ann", 60)
    fit = {"view": "x", "status": "passed", "data_hash": "d", "seed": 1, "priors": {}, "diagnostics": {}, "result": {}}
    store.log_event("import", {"new": {}})
    store.add_fit({"id": "f", "draws_sha256": None, **fit})
    with store.write_transaction() as connection:
        row = {"id": "r", "judge": "j", "version": "j1", "begun_at": "2026-01-01", "ended_at": None}
        names = ("input_tokens", "output_tokens", "cached_tokens", "reserved_input", "reserved_output")
        store.insert_rows(connection, tables.judge_runs, [{**row, **dict.fromkeys(names, 0)}])


@pytest.fixture
def forged(full: Path, tmp_path: Path) -> Iterator[Any]:
    """A function that writes a value into a column of a copy, whatever its type and triggers, and opens the store."""
    opened: list[Store] = []

    def forge(table: str, column: str, value: object) -> Store:
        copy = tmp_path / "gnomon.db"
        copy.write_bytes(full.read_bytes())
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA foreign_keys=OFF")
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid IN (SELECT max(rowid) FROM {table})", (value,)
            )
            connection.commit()
        opened.append(Store(connect_engine(sqlite_url(copy))))
        return opened[-1]

    yield forge
    for store in opened:
        store.close()


@pytest.mark.parametrize("pair", COLUMNS, ids=place)
def test_a_value_of_another_type_is_one_line_that_names_table_and_row(forged, full, pair):
    table, column = pair
    rule = rule_of(column)
    for value in SCALARS.get(rule.kind, ()):
        if column.primary_key and isinstance(plain_type(column), Integer):
            continue  # SQLite itself refuses it
        store = forged(table.name, column.name, value)
        with pytest.raises(StoreError) as caught:
            store.read_frame(table)
        said = str(caught.value)
        assert said.startswith(f"table {table.name}, row "), said
        assert f": '{column.name}' is " in said
        assert said.endswith(MEND)
        assert "\n" not in said


@pytest.mark.parametrize("pair", SPECIAL, ids=place)
def test_a_value_of_the_right_type_that_says_nothing_sensible_is_one_line(forged, pair):
    table, column = pair
    wrong = {None: '["x"]', str: "nonsense!", int: -1, float: float("inf")}[rule_of(column).kind]
    wrong = '{"x": 1}' if column.name == "undecided" else wrong
    wrong = 7.0 if column.name in ("probability", "chance") else wrong
    store = forged(table.name, column.name, wrong)
    with pytest.raises(WrongValueError, match=f"^table {table.name}, row .*: '{column.name}' is "):
        store.read_frame(table)


@pytest.mark.parametrize("pair", [("trials", "readings"), ("labels", "exposure"), ("verdicts", "claims")], ids=str)
def test_a_wrong_value_is_found_where_only_one_column_or_a_sum_is_asked(forged, pair):
    name, column = pair
    store = forged(name, column, '{"answer": 1}' if column == "readings" else "often")
    asked = tables.metadata.tables[name].c[column]
    for query in (select(asked), select(func.max(asked)), select(asked.label("x")).distinct()):
        with pytest.raises(WrongValueError, match=rf"table {name}, row .*: '{column}' is"):
            store.read_frame(query)


def test_the_examination_lists_wrong_values_of_several_tables(forged, tmp_path):
    forged("verdicts", "seconds", "long").close()
    with closing(sqlite3.connect(tmp_path / "gnomon.db")) as connection:
        connection.execute("UPDATE trials SET tokens = 'few'")
        connection.execute("UPDATE events SET detail = '[]'")
        connection.commit()
    found = " / ".join(damage.what for damage in examine_database(sqlite_url(tmp_path / "gnomon.db")).damage)
    for part in ("verdicts: row", "'seconds' is 'long'", "trials: row", "'tokens' is 'few'"):
        assert part in found


@pytest.mark.parametrize("name", ["judges", "concepts", "rater_kinds", "design", "scope", "kind"])
def test_a_setting_of_another_type_is_one_line_and_the_next_command_replaces_it(store, name):
    store.save_settings({"name": "t", name: 7})
    for read in (store.study_settings, lambda: load_settings(store)):
        with pytest.raises(StoreError, match=f"study settings in the database: {name}.*: correct study.toml"):
            read()
    store.update_settings(lambda held: {**held, "name": "u"})
    right = {"judges": ["j"], "concepts": [], "rater_kinds": {}, "design": {}, "scope": {}, "kind": "trials"}
    store.update_settings(lambda held: {**held, name: right[name]})
    assert store.study_settings()[name] == right[name]


def test_every_plain_type_has_a_rule_of_its_kind():
    kinds = ((Boolean, bool), (Float, float), (Integer, int), (JSON, type(None)))
    for _, column in COLUMNS:
        kind = next((made for type_, made in kinds if isinstance(plain_type(column), type_)), str)
        assert (rule_of(column).kind or type(None)) is kind, column


@pytest.mark.parametrize("kind", READ_AGAIN)
def test_an_event_without_what_commands_read_of_it_is_named(full, tmp_path, kind):
    copy = tmp_path / "gnomon.db"
    copy.write_bytes(full.read_bytes())
    (name, part), *_ = READ_AGAIN[kind].items()
    with closing(sqlite3.connect(copy)) as connection:
        detail = json.dumps({name: 0.5})
        connection.execute("INSERT INTO events (kind, detail, created_at) VALUES (?, ?, '2026-01-01')", (kind, detail))
        connection.commit()
    engine = connect_engine(sqlite_url(copy))
    found = find_wrong_row(engine)
    engine.dispose()
    assert re.fullmatch(rf"table events, row \d+: 'detail' of event '{kind}' has no {part.called} '{name}': .*", found)


def test_a_whole_database_has_no_wrong_row(full):
    engine = connect_engine(sqlite_url(full))
    assert find_wrong_row(engine) == ""
    engine.dispose()


def test_a_command_that_meets_a_wrong_row_names_it_and_does_not_blame_gnomon(tmp_path):
    demo = tmp_path / "study"
    import_files("llama-introspection", [table_of_trials(tmp_path)], demo, ImportOptions(), json=False)
    with closing(sqlite3.connect(demo / "gnomon.db")) as connection:
        connection.execute("INSERT INTO events (kind, detail, created_at) VALUES ('judge_run', '{}', '2026-01-01')")
        connection.commit()
    with pytest.raises(StoreError, match=r"table events, row .* has no text 'judge'"), opened(demo) as study:
        [run["judge"] for run in study.store.event_details("judge_run")]


def table_of_trials(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text("intervention,response,trial,affirmative,coherent\ncontrol,No.,1,False,True\n", encoding="utf-8")
    return path
