"""A path becomes the URL of exactly that file, whatever marks its name contains."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from gnomon.data.errors import InputError
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.maintenance.replicate import back_up_store, move_store
from gnomon.data.records import Subject
from gnomon.data.storage import tables
from gnomon.data.storage.engines import connect_engine, sqlite_file, sqlite_url
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.attack

ODD = [
    "why?a",
    "pct%41",
    "%2e%2e",
    "a#b",
    "a&uri=true",
    "b;c",
    "two words",
    "+plus+",
    "h\u00e4",
    "file:x",
    "q?mode=memory",
    "'\"$(x)",
]
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ODD)
def test_a_database_is_the_one_in_the_folder_that_was_named_and_nowhere_else(tmp_path, migrated_file, name):
    file = tmp_path / name / "g?%41#.db"
    file.parent.mkdir()
    shutil.copyfile(migrated_file, file)
    store = Store.open(sqlite_url(file))
    store.add_subjects([Subject("m", 1e9, "toy", "instruct")])
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert sqlite_file(sqlite_url(file)) == file


@pytest.mark.parametrize("name", ["b?k.db", "b%41.db", "b#.db"])
def test_a_backup_and_a_move_hold_the_rows_under_the_very_name(tmp_path, migrated_file, name):
    shutil.copyfile(migrated_file, tmp_path / "gnomon.db")
    store = Store.open(sqlite_url(tmp_path / "gnomon.db"))
    store.add_subjects([Subject("m", 1e9, "toy", "instruct")])
    held = back_up_store(store, tmp_path / "backups" / name)
    assert held["subjects"].rows == 1
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [name]
    assert examine_database(sqlite_url(tmp_path / "backups" / name)).rows["subjects"] == 1
    (tmp_path / "moved").mkdir()
    shutil.copyfile(migrated_file, tmp_path / "moved" / name)
    target = Store.open(sqlite_url(tmp_path / "moved" / name))
    with move_store(store, target):
        pass
    assert target.count_rows(tables.subjects) == 1
    target.close()
    store.close()
    assert [path.name for path in (tmp_path / "moved").iterdir()] == [name]


@pytest.mark.parametrize("name", [os.fsdecode(b"na\xffme"), "nul\0"])
def test_a_name_that_is_no_text_is_refused_in_one_line_that_can_be_printed(tmp_path, name):
    with pytest.raises(InputError, match="rename it") as refused:
        sqlite_url(tmp_path / name)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_link_beside_a_database_is_not_written_through(tmp_path, suffix):
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    (tmp_path / f"gnomon.db{suffix}").symlink_to(victim)
    with pytest.raises(InputError, match="is a link"):
        connect_engine(sqlite_url(tmp_path / "gnomon.db"))
    assert victim.read_text() == "mine"


def test_no_path_is_made_a_url_as_text():
    """In the package, the benchmarks and the tests: `sqlite_url` is the one way."""
    bad = re.compile("sqlite:" + r"///\{|[\"']sqlite:" + r"///[\"'] *[+%]|removeprefix\([\"']sqlite:")
    rooms = ("data", "gnomon", "dashboard", "generation", "judging", "calibration", "stats", "bench", "tests")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    assert [str(path) for path in files if bad.search(path.read_text(encoding="utf-8"))] == []
