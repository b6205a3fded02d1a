"""A disk that fills up stops a command with one line; with room again it goes on to the same rows."""

from __future__ import annotations

import resource
import subprocess
from functools import partial

import pytest
from faults_studies import IMPORT, JUDGE, ROOT, database, rows

from gnomon.data.maintenance.integrity import examine_database

SMALL = 600_000


def limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run(case, folder, **options):
    line = case.command(folder)
    return subprocess.run(
        line, cwd=ROOT, env=case.environment(folder), capture_output=True, text=True, check=False, **options
    )


def told(done) -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gnomon: ")]
    assert "Traceback" not in done.stderr
    return line


@pytest.fixture(params=[JUDGE, IMPORT], ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.mark.slow
def test_files_that_may_not_grow_stop_a_command_and_lose_nothing(case, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    case.prepare(whole)
    case.prepare(cut)
    assert run(case, whole).returncode == 0
    done = run(case, cut, preexec_fn=partial(limited, SMALL))
    assert done.returncode == 1, done.stderr
    assert "make room on the disk" in told(done)
    assert examine_database(database(cut)).damage == []
    assert run(case, cut).returncode == 0
    assert rows(database(cut)) == rows(database(whole))


@pytest.fixture
def little(tmp_path):
    """A file system of one megabyte, where this user may mount one."""
    place = tmp_path / "little"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_full_file_system_stops_an_import_and_keeps_what_was_there(little):
    IMPORT.prepare(little.parent / "source")
    folder = little / "one"
    (folder / "study").mkdir(parents=True)
    (little / "export").symlink_to(little.parent / "export")
    done = run(IMPORT, folder)
    assert done.returncode == 1, done.stderr
    assert "make room on the disk" in told(done)
    assert examine_database(database(folder)).damage == []
    subprocess.run(["mount", "-o", "remount,size=64M", str(little)], check=True)
    assert run(IMPORT, folder).returncode == 0
    assert len(rows(database(folder))["trials"]) == 4000
