"""A database from a stranger: none of its SQL runs, and its broken values are one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from database import place

from gnomon.data.errors import GnomonError, InputError
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.attack
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT t2.* FROM t2, c"
HOSTILE = {
    "trigger": ["CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM labels; END"],
    "trigger by a known name": [
        "DROP TRIGGER trials_no_update",
        "CREATE TRIGGER trials_no_update BEFORE UPDATE ON trials BEGIN DELETE FROM labels; "
        "SELECT RAISE(ABORT, 'x'); END",
    ],
    "refusal with a query": [
        "CREATE TRIGGER t BEFORE INSERT ON trials BEGIN SELECT RAISE(ABORT, 'x') FROM trials; END",
    ],
    "endless view": ["ALTER TABLE trials RENAME TO t2", f"CREATE VIEW trials AS {ENDLESS}"],
    "view of a name in capitals": ["ALTER TABLE trials RENAME TO t2", "CREATE VIEW TRIALS AS SELECT * FROM t2"],
}


@pytest.fixture
def store_url(request, tmp_path):
    return place(request, tmp_path, "sqlite")


def change(folder: Path, *statements: str) -> str:
    with sqlite3.connect(folder / "gnomon.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return sqlite_url(folder / "gnomon.db")


@pytest.mark.parametrize("name", HOSTILE)
def test_sql_that_would_run_when_tables_are_used_is_refused(store, tmp_path, name):
    store.close()
    url = change(tmp_path, *HOSTILE[name])
    with pytest.raises(InputError, match=r"holds a (trigger|view) '.*' that is not Gnomon's and would run"):
        Store.open(url)
    (damage,) = examine_database(url).damage
    assert "would run with each command" in damage.what


def test_a_view_that_gnomon_never_reads_is_the_users_own_matter(store, tmp_path):
    store.close()
    url = change(tmp_path, "CREATE VIEW mine AS SELECT id FROM trials")
    Store.open(url).close()
    assert examine_database(url).damage == []


@pytest.mark.parametrize("value", ["nope", '{"a":' * 100_000, ""])
def test_a_broken_json_value_is_damage_and_one_line(store, tmp_path, value):
    store.save_settings({"name": "a"})
    store.close()
    url = change(tmp_path, f"UPDATE study SET value = '{value}'")
    opened = Store.open(url)
    with pytest.raises(GnomonError, match=r"a JSON value of the database is (broken|nested too deeply)"):
        opened.study_settings()
    opened.close()
    assert any("a JSON value" in damage.what for damage in examine_database(url).damage)
