"""What SQLite and PostgreSQL promise alike: one writer, one state for a reader, facts for good, time that goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from database import together
from sqlalchemy import column as sql_column
from sqlalchemy import create_engine, func, insert, inspect, select, text, update
from sqlalchemy import table as sql_table

from gnomon.data import records
from gnomon.data.errors import InputError, StoreError
from gnomon.data.records import Arm, Condition, Facts, JudgeVersion, Label, Span, Trial, Verdict, trial_seed
from gnomon.data.storage import schema, tables
from gnomon.data.storage.engines import WRITE, connect_engine, sqlite_url
from gnomon.data.storage.store import Store, label_row, trial_row

YES = Facts(claims=True, concept="ocean", coherent=True, refused=False)
SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@SQLITE
def test_sqlite_is_set_to_survive(store):
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30000,
        "recursive_triggers": 1,
    }
    with store.read_transaction() as connection:
        assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted} == wanted


@SQLITE
def test_replacing_a_fact_is_taking_it_away(store, make_trial):
    trial = make_trial()
    with pytest.raises(InputError, match="append-only"), store.write_transaction() as connection:
        connection.execute(text("INSERT OR REPLACE INTO trials SELECT * FROM trials"))
    assert store.load_trials() == [store.load_trials([trial.id])[0]]


@POSTGRESQL
@pytest.mark.parametrize("table", tables.APPEND_ONLY)
def test_a_table_of_facts_is_not_emptied(store, table):
    with pytest.raises(InputError, match="append-only"), store.write_transaction() as connection:
        connection.execute(text(f"TRUNCATE {table} CASCADE"))


def test_a_reader_sees_one_state_from_beginning_to_end(store, make_trial):
    make_trial(replicate=0)
    counted = select(func.count()).select_from(tables.trials)
    with store.read_transaction() as connection:
        before = connection.execute(counted).scalar()
        make_trial(replicate=1)
        assert connection.execute(counted).scalar() == before == 1
    assert store.count_rows(tables.trials) == 2


def test_a_writer_reads_what_no_other_writer_changes_before_it_writes(store):
    store.save_settings({"counter": 0})
    query = select(tables.study.c.value).where(tables.study.c.key == "counter")

    def count():
        for _ in range(20):
            with store.write_transaction() as connection:
                value = connection.execute(query).scalar_one()
                connection.execute(update(tables.study).values(value=value + 1))

    together(count, count, count)
    assert store.study_settings() == {"counter": 60}


def test_two_who_open_an_empty_database_at_once_make_it_once(store_url):
    opened = []
    together(*[lambda: opened.append(Store.open(store_url))] * 4)
    assert [store.count_rows(tables.trials) for store in opened] == [0] * 4
    for store in opened:
        store.close()


CONDITION = Condition("s", "r", Arm.CONTROL, None, None, 0.0, Span.ALL, "p", None, 1)
ID = CONDITION.trial_id(0)
OLD = (
    (tables.subjects, {"name": "s", "parameters": 1e9, "family": "f", "variant": "v", "revision": "r"}),
    (tables.protocols, {"hash": "p", "name": "p", "content": {"messages": []}}),
    (tables.trials, trial_row(Trial(ID, CONDITION, 0, trial_seed(ID), "Nothing.", "stop", 1, created_at="2026-01-01"))),
    (tables.labels, label_row(Label(ID, "ann", YES, created_at="2026-01-01"))),
)


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_a_database_of_every_released_version_opens_with_its_facts(store_url, version):
    engine = connect_engine(store_url)
    with engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin():
        schema.upgrade_schema(connection, version)
        for table, row in OLD:
            known = {column["name"] for column in inspect(connection).get_columns(table.name)}
            old = sql_table(table.name, *(sql_column(key, table.c[key].type) for key in row if key in known))
            connection.execute(insert(old).values({key: row[key] for key in row if key in known}))
        assert ("passed" in known) == (version != "0001")
        connection.exec_driver_sql("INSERT INTO counts VALUES ('paper', 's', 'control', 9, 3, 2)")
    engine.dispose()
    store = Store.open(store_url)
    assert [trial.condition for trial in store.load_trials()] == [CONDITION]
    (label,) = store.read_frame(tables.labels).to_dict("records")
    assert (label["rater"], label["claims"], label["passed"]) == ("ann", True, None)
    (counted,) = store.read_frame(tables.counts).dropna(axis="columns").to_dict("records")
    assert counted == {
        "source": "paper", "subject": "s", "arm": "control", "cell": "", "n": 9, "refused": 3, "event": 2,
        "measure": "report",
    }  # fmt: skip
    with pytest.raises(InputError, match="append-only"), store.write_transaction() as connection:
        connection.execute(text("DELETE FROM labels"))
    store.close()


@POSTGRESQL
def test_a_connection_that_is_cut_is_one_line_and_loses_nothing(store, make_trial):
    trial = make_trial()
    other = replace(trial, id=trial.condition.trial_id(1), replicate=1)
    ended = pytest.raises(StoreError, match="ended the connection: run the same command again")
    with ended, store.write_transaction() as connection:
        store.insert_rows(connection, tables.trials, [trial_row(other)])
        cut(store.engine.url, connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())
        connection.execute(select(tables.study))
    assert store.trial_ids() == {trial.id}
    assert store.add_trials([other]) == 1


def cut(url, backend):
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")
    engine.dispose()


@POSTGRESQL
def test_a_connection_cut_while_nobody_used_it_is_not_noticed(store, make_trial):
    trial = make_trial()
    with store.read_transaction() as connection:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    cut(store.engine.url, backend)
    assert store.trial_ids() == {trial.id}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:hunter2@127.0.0.1:1/x",
        "postgresql+psycopg://127.0.0.1:1/x?user=ann&password=hunter2",
        "postgresql+nonsense://ann:hunter2@127.0.0.1/x",
        "nonsense//ann:hunter2@",
        "postgresql+psycopg://ann:hunter2@127.0.0.1:port/x",
    ],
)
def test_a_password_is_never_shown(url):
    with pytest.raises((InputError, StoreError)) as caught:
        Store.open(url)
    assert "hunter2" not in str(caught.value)


class Clock(datetime):
    """A clock that is set to any time."""

    moment = datetime(2026, 6, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        return cls.moment


def test_a_clock_set_back_changes_neither_order_nor_identity(store, make_trial, monkeypatch):
    monkeypatch.setattr(records, "datetime", Clock)
    fit = {"view": "x", "status": "ok", "data_hash": "d", "seed": 1, "priors": {}, "diagnostics": {}, "result": {}}
    trial = make_trial()
    for number, day in enumerate((20, 10, 1)):
        monkeypatch.setattr(Clock, "moment", datetime(2026, 6, day, tzinfo=UTC))
        store.add_fit({"id": f"f{number}", **fit})
        store.add_judge(JudgeVersion(f"j{number}", "j", "lexicon", {}))
        store.add_verdicts([Verdict(trial.id, f"j{number}", YES)])
        store.add_labels([Label(trial.id, f"rater {9 - number}", YES)])
        assert store.add_trials([trial]) == 0
    assert store.newest_fits()["x"]["id"] == "f2"
    fits = store.read_frame(tables.fits).sort_values("created_at")["id"].tolist()
    versions = store.read_frame(tables.judges).sort_values("created_at")["version"].tolist()
    raters = store.read_frame(tables.labels).sort_values("created_at")["rater"].tolist()
    assert (fits, versions, raters) == (["f0", "f1", "f2"], ["j0", "j1", "j2"], ["rater 9", "rater 8", "rater 7"])
    newest = store.newest_fits()["x"]["created_at"]
    assert (store.read_frame(tables.verdicts)["created_at"] > newest).tolist() == [False, False, True]


@pytest.mark.attack
def test_values_that_no_column_holds_and_documents_that_are_none_are_one_line(tmp_path: Path) -> None:
    store = Store.open(sqlite_url(tmp_path / "a.db"))
    store.save_settings({"name": "a"})
    with pytest.raises(StoreError, match="a value cannot be stored or read"), store.write_transaction() as connection:
        connection.exec_driver_sql("INSERT INTO study VALUES ('a', ?)", (2**63,))
    with store.write_transaction() as connection:
        connection.exec_driver_sql("UPDATE study SET value = '{no json'")
    with pytest.raises(StoreError, match="gnomon doctor --study DIR' says where"):
        store.study_settings()
    with store.write_transaction() as connection:
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
    store.close()
    with pytest.raises(StoreError, match="alembic_version names 2 schemas"):
        Store.open(sqlite_url(tmp_path / "a.db"))
