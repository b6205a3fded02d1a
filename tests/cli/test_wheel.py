"""The wheel in a clean environment, started in a folder whose files are named like the rooms."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
ROOMS = ("data", "generation", "judging", "calibration", "stats", "dashboard")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(ROOT)],
        check=False, capture_output=True, text=True, cwd=out,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (file,) = out.glob("gnomon_introspection-*.whl")
    return file


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of executables of a new environment with the wheel, and with this one's libraries behind it."""
    home = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    # A line of a .pth file is a folder to look in; the .pth files of that folder, an editable gnomon's, are not read.
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet", "--no-deps", str(wheel)]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A researcher's folder: modules and a package with the names of rooms, none of which may be imported."""
    made = tmp_path_factory.mktemp("research")
    for name in ROOMS:
        (made / f"{name}.py").write_text(f"raise SystemExit('{name}.py was imported')\n", encoding="utf-8")
    (made / "data").mkdir()
    (made / "data" / "__init__.py").write_text("raise SystemExit('data was imported')\n", encoding="utf-8")
    return made


def run(folder: Path, *line: object) -> str:
    done = subprocess.run(
        [*map(str, line)], check=False, capture_output=True, text=True, timeout=600, cwd=folder, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(folder: Path, *line: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*map(str, line)], cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for_health(port: int, process: subprocess.Popen[str]) -> bytes:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            time.sleep(0.2)
    process.terminate()
    raise AssertionError(process.stderr.read() if process.stderr else "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_wheel_holds_one_package_and_all_its_rooms(wheel):
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"gnomon"}
    assert {name.split("/")[1] for name in names} >= set(ROOMS)


def test_the_wheel_is_what_is_imported_and_nothing_of_the_folder(binaries, folder):
    said = run(folder, binaries / "python", "-c", "import gnomon, gnomon.report, gnomon.data; print(gnomon.__file__)")
    assert str(binaries.parent) in said


@pytest.mark.simulation
def test_a_study_is_made_and_shown_beside_files_named_like_rooms(binaries, folder):
    run(folder, binaries / "gnomon", "demo", "published", "--published-only", "--no-dashboard")
    run(folder, binaries / "gnomon", "report", "published", "--out", "report.html")
    port = free_port()
    with running(folder, binaries / "gnomon", "dashboard", "published", "--port", port) as process:
        assert wait_for_health(port, process) == b"ok"


@pytest.mark.simulation
def test_the_quick_demo_runs_beside_files_named_like_rooms(binaries, folder):
    run(folder, binaries / "gnomon", "demo", "study", "--quick", "--no-dashboard")
