"""`gnomon doctor --study`: a whole database passes, and every kind of damage is named."""

from __future__ import annotations

import random
import shutil

import pytest
from sqlalchemy import create_engine, text

from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.records import Facts, JudgeVersion, Label, Verdict
from gnomon.data.storage.engines import sqlite_url

YES = Facts(claims=True, concept="ocean", coherent=True, refused=False)
PAGE = 4096
SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def full(store, store_url, make_trial):
    """URL of a database with some hundred rows; nobody has it open."""
    ids = [make_trial(replicate=number, answer="I notice nothing. " * 20).id for number in range(60)]
    store.save_settings({"concepts": ["ocean"]})
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {}))
    store.add_verdicts([Verdict(id_, "j1", YES) for id_ in ids])
    store.add_labels([Label(id_, "ann", YES, revision=number) for id_ in ids for number in (0, 1)])
    store.close()
    return store_url


def harm(url: str, *statements: str) -> None:
    """What no trigger and no key would let through, done by somebody who takes them away first."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def free(url: str, table: str, action: str) -> str:
    return f"DROP TRIGGER {table}_no_{action}" + (f" ON {table}" if url.startswith("postgresql") else "")


def found(url: str) -> str:
    return "\n".join(f"{damage.what}: {damage.fix}" for damage in examine_database(url).damage)


def test_a_whole_database_passes_and_its_rows_are_counted(full):
    seen = examine_database(full)
    assert seen.damage == []
    assert (seen.rows["trials"], seen.rows["verdicts"], seen.rows["labels"]) == (60, 60, 120)


@SQLITE
def test_a_database_that_is_not_there_is_not_made(store_url, tmp_path):
    seen = examine_database(sqlite_url(tmp_path / "nothing.db"))
    assert (seen.schema, seen.damage) == (None, [])
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    ("table", "action", "change", "named"),
    [
        ("trials", "update", "UPDATE trials SET strength = 9 WHERE replicate = 3", "is not what its condition"),
        ("trials", "update", "UPDATE trials SET arm = 'injector' WHERE replicate = 3", "arm"),
        ("trials", "update", "UPDATE trials SET split = 'no' WHERE replicate = 3", "split"),
        ("verdicts", "update", "UPDATE verdicts SET claims = NULL WHERE id = 5", "its facts are not"),
        ("verdicts", "update", "UPDATE verdicts SET state = 'error' WHERE id = 5", "its facts are there"),
        ("labels", "delete", "DELETE FROM labels WHERE id = 7", "1 histories of a rater on a trial have gaps"),
        ("judges", "delete", "DELETE FROM judges", "60 rows name a judge that is not there ('j1')"),
        ("fits", "update", "SELECT 1", "nothing forbids update"),
    ],
)
def test_a_row_that_was_tampered_with_is_named(full, table, action, change, named):
    harm(full, free(full, table, action), change)
    told = found(full)
    assert named in told
    assert f"{table}: nothing forbids {action}: facts may have been changed: 'gnomon move" in told


def test_a_table_or_column_that_is_gone_is_named(full):
    harm(full, "DROP TABLE leases", "ALTER TABLE events DROP COLUMN detail")
    told = found(full)
    assert "table leases is missing" in told
    assert "table events lacks detail" in told


@SQLITE
def test_a_row_that_is_there_twice_is_named(full):
    harm(
        full,
        "CREATE TABLE copy AS SELECT * FROM labels UNION ALL SELECT * FROM labels WHERE id = 1",
        "DROP TABLE labels",
        "ALTER TABLE copy RENAME TO labels",
    )
    assert "labels: 1 rows are there more than once" in found(full)


@SQLITE
def test_a_page_that_was_overwritten_is_named(full, tmp_path):
    path = tmp_path / "gnomon.db"
    pages = path.stat().st_size // PAGE
    chance = random.Random(5)
    named = 0
    for page in chance.sample(range(2, pages + 1), 12):
        hurt = tmp_path / "hurt.db"
        shutil.copy(path, hurt)
        with hurt.open("r+b") as file:
            file.seek((page - 1) * PAGE)
            file.write(chance.randbytes(PAGE))
        told = found(sqlite_url(hurt))
        assert "SQLite finds" in told or "cannot be read" in told, page
        named += "SQLite finds" in told
    assert named >= 8


@SQLITE
def test_a_file_that_is_no_database_is_damage(store_url, tmp_path):
    path = tmp_path / "other.db"
    path.write_text("no database, but a letter. " * 400)
    assert "file is not a database" in found(sqlite_url(path))


def test_a_newer_database_says_so(full):
    harm(full, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer version of Gnomon" in found(full)
