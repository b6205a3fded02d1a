"""A study that may be read and not written: it is read, or a line says what to do; it is never called damaged."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from gnomon.calibration.sequential import look_record
from gnomon.chain.fitting import fit_options
from gnomon.chain.session import opened
from gnomon.data.errors import InputError, StoreError
from gnomon.data.maintenance import integrity
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.maintenance.replicate import back_up_store
from gnomon.data.records import Subject
from gnomon.data.storage import engines, tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.attack

STUDY = 'name = "shared"\ncounts = "published"\n'
WRITES = "INSERT INTO events (kind, detail, created_at) VALUES ('x', '{}', '2026')"
SUBJECT = Subject("Toy-1B", 1e9, "toy", "instruct")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A study of published counts, closed by its owner."""
    folder = tmp_path_factory.mktemp("made") / "study"
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY)
    with opened(folder):
        pass
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "study"))


@pytest.fixture
def shut(folder, monkeypatch) -> Path:
    """The study in a folder that this user may not write; root, whom nothing stops, is told so as well."""
    real = os.access
    monkeypatch.setattr(
        engines.os,
        "access",
        lambda path, mode: real(path, mode) and not (mode & os.W_OK and Path(path).is_relative_to(folder)),
    )
    return folder


def write_as_owner(file: Path) -> None:
    owner = sqlite3.connect(file)
    owner.execute(WRITES)
    owner.commit()
    owner.close()


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_opened_read_examined_and_backed_up_without_a_file_beside_it(shut, tmp_path):
    before = listed(shut)
    with opened(shut) as study:
        counts = study.store.count_rows(tables.counts)
        assert counts > 0
        back_up_store(study.store, tmp_path / "copy.db")
    assert listed(shut) == before == ["gnomon.db", "study.toml"]
    assert examine_database(sqlite_url(shut / "gnomon.db")).damage == []
    assert examine_database(sqlite_url(tmp_path / "copy.db")).rows["counts"] == counts


def test_what_would_write_is_refused_in_one_line(shut):
    with (
        opened(shut) as study,
        pytest.raises(StoreError, match="readonly database: it or its folder may not be written"),
    ):
        study.store.add_subjects([SUBJECT])
    (shut / "study.toml").write_text(STUDY.replace("shared", "renamed"))
    with pytest.raises(StoreError, match="copy the folder to a place of your own"), opened(shut):
        pass


def test_a_look_that_cannot_be_recorded_is_counted_where_it_is_shown(shut):
    store = Store.open(sqlite_url(shut / "gnomon.db"))
    assert [look_record.record_look(store, {"labels": 1}) for _ in range(2)] == [1, 1]
    assert look_record.count_test_looks(store) == 0
    with pytest.raises(StoreError, match="may only be read"):
        engines.check_writable(store.engine)
    store.close()


def test_draws_are_not_written_through_a_link(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "draws").symlink_to(tmp_path / "elsewhere")
    with opened(folder) as study, pytest.raises(InputError, match="is a link"):
        fit_options(study)


def test_a_study_of_an_earlier_version_says_why_it_must_be_written(shut):
    owner = sqlite3.connect(shut / "gnomon.db")
    owner.execute("UPDATE alembic_version SET version_num = '0001'")
    owner.commit()
    owner.close()
    with pytest.raises(StoreError, match=r"may only be read and its tables are of another version: .* copy the folder"):
        Store.open(sqlite_url(shut / "gnomon.db"))


def test_rows_that_wait_in_the_log_are_not_left_out(shut):
    """Read without its log, the database would be the one of before, and look right."""
    file = shut / "gnomon.db"
    owner = sqlite3.connect(file)
    owner.execute("PRAGMA wal_autocheckpoint=0")
    owner.execute(WRITES)
    owner.commit()
    assert Path(f"{file}-wal").stat().st_size > 0
    store = Store.open(sqlite_url(file))  # by the index that the owner keeps
    assert store.count_rows(tables.counts) > 0
    store.close()
    index = Path(f"{file}-shm").read_bytes()
    Path(f"{file}-shm").unlink()
    with pytest.raises(StoreError, match=r"gnomon.db-wal: holds rows that can be read only where .* copy the folder"):
        Store.open(sqlite_url(file))
    Path(f"{file}-shm").write_bytes(index)
    owner.close()


def test_an_app_goes_on_reading_whatever_its_owner_does(shut):
    """It takes part in the owner's locks while the owner has it open, and not before or after."""
    store = Store.open(sqlite_url(shut / "gnomon.db"))
    events = store.count_rows(tables.events)
    owner = sqlite3.connect(shut / "gnomon.db")
    for more in (1, 2):
        owner.execute(WRITES)
        owner.commit()
        assert store.count_rows(tables.events) == events + more
    owner.close()
    assert store.count_rows(tables.events) == events + 2
    assert listed(shut) == ["gnomon.db", "study.toml"]
    store.close()


def test_a_file_that_its_owner_writes_meanwhile_gives_no_numbers(shut):
    store = Store.open(sqlite_url(shut / "gnomon.db"))
    with pytest.raises(StoreError, match="was written by others while it was read"), store.read_transaction():
        write_as_owner(shut / "gnomon.db")
    assert store.count_rows(tables.counts) > 0
    store.close()


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL]
)
def test_a_sound_database_that_cannot_be_opened_is_not_called_damaged(folder, monkeypatch, code):
    def failing(connection, _found):
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = code
        raise integrity.OperationalError("PRAGMA", {}, error)

    monkeypatch.setattr(integrity, "_check_tables", failing)
    with pytest.raises(StoreError, match="unable to open"):
        examine_database(sqlite_url(folder / "gnomon.db"))


def test_a_real_read_only_mount(folder):
    """Where this process may mount one (as root): every reader works, and `doctor` finds nothing."""
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("this process may not mount a folder")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True, capture_output=True)
        with opened(folder) as study:
            assert study.store.count_rows(tables.counts) > 0
        assert examine_database(sqlite_url(folder / "gnomon.db")).damage == []
        assert listed(folder) == ["gnomon.db", "study.toml"]
    finally:
        subprocess.run(["umount", folder], check=True)
