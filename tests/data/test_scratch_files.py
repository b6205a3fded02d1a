"""What a killed command leaves beside its target is removed by a later one, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from gnomon.data import files
from gnomon.data.errors import InputError
from gnomon.data.exporters.export_folder import new_folder
from gnomon.data.files import scratch_path, sweep_leftovers, write_atomically

pytestmark = pytest.mark.attack

NO_TEXT = os.fsdecode(b"na\xffme")
KILLED = """
import os, sys
from pathlib import Path
from gnomon.data.files import scratch_path
from gnomon.data.exporters.export_folder import new_folder
folder = Path(sys.argv[1])
part = scratch_path(folder / "backup.db")
for suffix in ("", "-wal", "-shm"):
    Path(f"{part}{suffix}").write_text("half")
with new_folder(folder / "export") as scratch:
    (scratch / "trials.parquet").write_text("half")
    os._exit(9)
"""


@pytest.fixture
def littered(tmp_path):
    """A folder in which a backup and an export were killed."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 4
    return tmp_path


def test_leftovers_go_with_the_next_file_that_is_written_there(littered):
    write_atomically(littered / "study.toml", b"whole")
    assert [path.name for path in littered.iterdir()] == ["study.toml"]


def test_leftovers_go_with_the_next_export(littered):
    with new_folder(littered / "export") as scratch:
        (scratch / "trials.parquet").write_text("whole")
    assert [path.name for path in littered.iterdir()] == ["export"]


def test_what_is_being_written_is_left_alone(tmp_path, monkeypatch):
    mine = scratch_path(tmp_path / "a")
    mine.write_text("of this process")
    monkeypatch.setattr(files, "_host", lambda: "another-machine")
    other = scratch_path(tmp_path / "b")
    monkeypatch.undo()
    other = other.with_name(other.name.replace(f".{os.getpid()}.", ".999999999."))
    other.write_text("of a machine that shares the folder")
    sweep_leftovers(tmp_path / "c")
    assert {mine, other} == set(tmp_path.iterdir())
    os.utime(other, (0, 0))
    sweep_leftovers(tmp_path / "c")
    assert [mine] == list(tmp_path.iterdir())


def test_leftovers_of_earlier_versions_go_after_an_hour_with_the_same_target(tmp_path):
    gone, fresh, others = (tmp_path / f".{name}.999999999.part" for name in ("b.db", "new.db", "b2.db"))
    for path in (gone, fresh, others):
        path.write_text("half")
    os.utime(gone, (time.time() - 7200,) * 2)
    for name in ("b.db", "new.db"):
        sweep_leftovers(tmp_path / name)
    assert {fresh, others} == set(tmp_path.iterdir())


def test_files_of_other_programs_stay(tmp_path):
    names = [".x.part", ".b.db.swp", "a.gnomon-part", ".a.gnomon-part", ".a.host.12.gnomon-part", "b.db.999999999.part"]
    for name in names:
        (tmp_path / name).write_text("mine")
        os.utime(tmp_path / name, (0, 0))
    sweep_leftovers(tmp_path / "b.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_leftover_that_is_a_link_takes_nothing_with_it(littered):
    victim = littered / "victim"
    victim.mkdir()
    (victim / "kept").write_text("kept")
    [folder] = [path for path in littered.iterdir() if path.name.startswith(".export")]
    folder.joinpath("trials.parquet").unlink()
    folder.rmdir()
    folder.symlink_to(victim)
    sweep_leftovers(littered / "b.db")
    assert list(littered.iterdir()) == [victim]
    assert (victim / "kept").read_text() == "kept"


def test_an_export_into_a_name_that_is_no_text_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"na\\xffme: its name is not UTF-8 text"), new_folder(tmp_path / NO_TEXT):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_can_be_written(tmp_path):
    write_atomically(tmp_path / ("n" * 250), b"whole")
    assert len(list(tmp_path.iterdir())) == 1
