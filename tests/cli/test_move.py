"""`gnomon move`, `backup` and `doctor --study` as a person runs them."""

from __future__ import annotations

import json
import sqlite3
import tomllib

import pytest

from gnomon.commands.database import move_database
from gnomon.data import bundled
from gnomon.data.errors import GnomonError, StudyFileError
from gnomon.data.foreign_documents.permissions import PLACES
from gnomon.data.maintenance import replicate
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

STUDY = 'name = "m"\n# kept\nimported = true\nconcepts = ["ocean", "fear"]\n\n[labels]\nview = "first"  # kept too\n'


@pytest.fixture
def folder(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text(STUDY)
    store = Store.open(sqlite_url(study / "gnomon.db"))
    bundled.calibration_set().add_to_store(store)
    store.close()
    return study


def trials(url: str) -> int:
    store = Store.open(url)
    try:
        return store.count_rows(tables.trials)
    finally:
        store.close()


def test_a_study_goes_to_postgresql_and_back_and_its_file_says_so(gnomon, folder, postgres_url, monkeypatch):
    monkeypatch.setenv(PLACES, json.dumps([postgres_url]))
    for to in (postgres_url, "new.db"):
        done = gnomon("move", folder, "--to", to, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["tables"]["trials"]["rows"] == 224
        text = (folder / "study.toml").read_text()
        assert tomllib.loads(text) == {**tomllib.loads(STUDY), "database": to}
        assert "# kept\n" in text
        assert "# kept too\n" in text
        assert gnomon("doctor", "--study", folder).returncode == 0
    assert trials(sqlite_url(folder / "new.db")) == 224
    again = gnomon("move", folder, "--to", "gnomon.db")
    assert (again.returncode, "holds rows already" in again.stderr) == (2, True)
    assert gnomon("move", folder, "--to", "new.db").returncode == 2


@pytest.mark.attack
def test_an_edit_of_the_study_file_during_a_move_is_kept(folder, monkeypatch):
    """A person saves `rule = "lenient"` while the rows are copied."""
    real = replicate.copy_tables

    def copying(*arguments):
        copied = real(*arguments)
        file = folder / "study.toml"
        file.write_text(file.read_text().replace("imported = true", 'imported = true\nrule = "lenient"'))
        return copied

    monkeypatch.setattr(replicate, "copy_tables", copying)
    move_database(folder, "new.db", json=False)
    read = tomllib.loads((folder / "study.toml").read_text())
    assert (read["rule"], read["database"]) == ("lenient", "new.db")


@pytest.mark.attack
@pytest.mark.parametrize(("edit", "problem"), [("nonsense", "line 1"), ("database = 'third.db'", "names another")])
def test_an_edit_that_a_move_cannot_keep_leaves_the_study_where_it_is(folder, monkeypatch, edit, problem):
    real = replicate.copy_tables

    def copying(*arguments):
        copied = real(*arguments)
        (folder / "study.toml").write_text(f"{edit}\n{STUDY}")
        return copied

    monkeypatch.setattr(replicate, "copy_tables", copying)
    with pytest.raises(GnomonError, match=problem):
        move_database(folder, "new.db", json=False)
    assert (folder / "study.toml").read_text() == f"{edit}\n{STUDY}"
    (folder / "study.toml").write_text(STUDY)
    monkeypatch.undo()
    move_database(folder, "new.db", json=False)
    assert trials(sqlite_url(folder / "new.db")) == 224


def test_a_move_that_fails_leaves_the_study_where_it_is(gnomon, folder, monkeypatch):
    monkeypatch.setenv(PLACES, '["postgresql+psycopg://ann@127.0.0.1:1/x"]')
    done = gnomon("move", folder, "--to", "postgresql+psycopg://ann:hunter2@127.0.0.1:1/x")
    assert done.returncode == 1
    assert "start the server" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert (folder / "study.toml").read_text() == STUDY


@pytest.mark.attack
@pytest.mark.parametrize("to", ["sqlite:///new.db", "{elsewhere}/new.db", "postgresql+psycopg://ann:hunter2@h/x"])
def test_a_move_out_of_the_folder_is_refused_until_it_is_allowed_and_copies_nothing(folder, tmp_path, monkeypatch, to):
    monkeypatch.chdir(tmp_path)
    problem = "depends on the current folder" if to == "sqlite:///new.db" else PLACES
    with pytest.raises(StudyFileError, match=problem) as caught:
        move_database(folder, to.format(elsewhere=sqlite_url(tmp_path)), json=False)
    assert "hunter2" not in str(caught.value)
    assert not list(tmp_path.glob("*.db"))
    assert (folder / "study.toml").read_text() == STUDY


def test_a_file_in_the_folder_is_named_without_its_place_however_it_was_given(folder):
    move_database(folder, sqlite_url(folder / "new.db"), json=False)
    assert tomllib.loads((folder / "study.toml").read_text())["database"] == "new.db"


def test_a_backup_is_a_study_database(gnomon, folder, tmp_path):
    out = tmp_path / "backup.db"
    done = gnomon("backup", folder, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tables"]["trials"]["rows"] == 224
    assert trials(sqlite_url(out)) == 224
    assert gnomon("backup", folder, "--out", out).returncode == 2


def test_damage_is_one_line_and_exit_status_one(gnomon, folder):
    with sqlite3.connect(folder / "gnomon.db") as connection:
        connection.execute("DROP TRIGGER labels_no_delete")
        connection.execute("DELETE FROM labels WHERE id = 1")
    connection.close()
    done = gnomon("doctor", "--study", folder, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["damage"][0]["what"].startswith("labels: nothing forbids delete")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gnomon: ")]
    assert "damaged: labels: nothing forbids delete" in line
