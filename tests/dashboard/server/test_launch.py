"""Launch: refuses a taken port before anything starts, answers, and ends cleanly when told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from gnomon.__main__ import run
from gnomon.dashboard.server import launch
from gnomon.dashboard.server.module_path import OWN, absolute_path
from gnomon.data.errors import GnomonError, InputError
from gnomon.data.storage.engines import sqlite_url
from gnomon.stats.inference.arviz_import import import_arviz

SERVE = (
    "import sys; from gnomon.dashboard.server.launch import serve_studies; "
    "sys.exit(serve_studies([('a', sys.argv[1])], port=int(sys.argv[2])))"
)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_in_use_is_named_before_anything_starts(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is in use"):
            launch.serve_studies([("a", "sqlite://")], port=port)


def test_the_server_is_told_to_stay_on_this_machine_and_to_send_nothing():
    flags = launch.server_flags("127.0.0.1", 8501)
    told = dict(zip(flags[::2], flags[1::2], strict=True))
    assert told["--server.address"] == "127.0.0.1"
    assert told["--browser.gatherUsageStats"] == "false"
    assert not any("postgres" in part or "sqlite" in part for part in launch.server_command("127.0.0.1", 8501))


ROOT = Path(__file__).parents[3]
TRAPS = (
    "streamlit.py", "altair.py", "stats.py", "asyncio.py", "typing.py", "sitecustomize.py", "data/__init__.py",
    "gnomon/__init__.py", "gnomon/dashboard/__init__.py", "guarded_app.py",
)  # fmt: skip


@pytest.fixture
def trapped(tmp_path, monkeypatch):
    """The current folder is a study from somebody else, with code and settings under every name that may be read."""
    folder = tmp_path / "study"
    for name in TRAPS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"open({str(tmp_path / 'RAN')!r}, 'a').write('{name} ')\nraise SystemExit(7)\n")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text("[server]\nenableXsrfProtection = false\nbaseUrlPath = 'mine'\n")
    (folder / ".streamlit" / "secrets.toml").write_text("[auth]\ncookie_secret = 'known'\n")
    (folder / ".numba_config.yaml").write_text("cache_dir: here\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.attack
def test_nothing_in_the_current_folder_is_run_or_taken_as_a_setting_by_the_server(trapped, free_port):
    log = trapped.parent / "log.txt"
    with log.open("wb") as out:
        child = launch.start_server(launch.server_command("127.0.0.1", free_port), os.environ, out)
        try:
            launch.wait_until_up(f"http://127.0.0.1:{free_port}", child)  # at /mine if the settings were read
        finally:
            launch.end_server(child)
    assert not (trapped.parent / "RAN").exists(), (trapped.parent / "RAN").read_text()
    assert Path(launch.APP.parent, ".streamlit").exists() is False


@pytest.mark.attack
@pytest.mark.parametrize("path", [None, ":", ".", "/nowhere::."])
def test_no_library_of_the_current_folder_is_imported_by_a_command(tmp_path, path):
    """Not with `python -m gnomon` or where PYTHONPATH has an empty part, as `PYTHONPATH=$PYTHONPATH:more` makes."""
    for name in ("typer", "pydantic", "numpy", "streamlit", "stats", "data"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')")
    keep = os.environ.get("PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if keep or path:
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (keep, path) if part is not None)
    line = [
        sys.executable,
        "-c",
        "import sys; from gnomon.__main__ import main; main()",
        "export",
        "nothing",
        "--out",
        "x",
    ]
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "study.toml: not there" in done.stderr, done.stderr
    assert done.returncode == 2


@pytest.mark.attack
def test_a_settings_file_that_makes_a_library_run_code_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / ".numba_config.yaml").write_text("cache_dir: here")
    monkeypatch.chdir(tmp_path)
    assert run(["export", "nothing", "--out", "x"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert ".numba_config.yaml: a library would run code" in line


def test_folders_of_modules_that_the_user_names_stay_and_the_current_one_does_not(tmp_path, monkeypatch):
    """A server that runs elsewhere finds the user's plug-ins under a relative name too."""
    monkeypatch.chdir(tmp_path)
    there = os.pathsep.join((str(tmp_path / "src"), "/opt/modules"))
    assert absolute_path("src:/opt/modules".replace(":", os.pathsep)) == there
    assert absolute_path(os.pathsep.join(("", ".", "src", "./", "src/..", "/opt/modules", ""))) == there
    assert absolute_path(str(tmp_path)) == str(tmp_path)
    monkeypatch.chdir(OWN)
    assert absolute_path(".") == OWN


@pytest.mark.attack
@pytest.mark.parametrize("safe", ["1", ""])
def test_a_library_that_takes_settings_from_the_current_folder_is_imported_elsewhere(tmp_path, monkeypatch, safe):
    """ArviZ reads `arvizrc` there, and Matplotlib `matplotlibrc`: a stranger's would change or stop a fit."""
    (tmp_path / "arviz.py").write_text("import os\nFOUND = os.getcwd()\n")
    monkeypatch.delitem(sys.modules, "arviz", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", safe)
    assert (str(tmp_path) == import_arviz().FOUND) is not bool(safe)
    assert Path.cwd() == tmp_path
    del sys.modules["arviz"]


def test_every_python_that_is_started_looks_past_the_current_folder():
    """In the package: `-P` or `-I` follows the interpreter wherever one is started."""
    rooms = ("data", "gnomon", "dashboard", "generation", "judging", "calibration", "stats")
    started = re.compile(r"sys\.executable\b(?!,\s*\"-[PI]\"|\))")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    assert [str(path) for path in files if started.search(path.read_text(encoding="utf-8"))] == []


def test_a_port_that_may_not_be_listened_on_is_not_called_in_use():
    with pytest.raises(InputError, match="cannot be listened on"):
        launch.check_port("203.0.113.1", 8501)


def test_no_module_hides_another_one_when_its_folder_comes_first_on_the_path():
    folders = (launch.APP.parent, launch.APP.parents[1])
    names = {path.stem for folder in folders for path in folder.glob("*.py")} - {"__init__"}
    rooms = {"data", "generation", "judging", "calibration", "stats", "dashboard", "gnomon"}
    installed = set(packages_distributions())
    assert names & (rooms | installed | set(sys.stdlib_module_names)) == set()


def test_a_server_that_ends_at_once_is_an_error_and_not_a_wait():
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    child.wait()
    with pytest.raises(GnomonError, match="status 3"):
        launch.wait_until_up("http://127.0.0.1:9", child)


@contextmanager
def started(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that serves and has said where."""
    arguments = [sys.executable, "-c", SERVE, sqlite_url(tmp_path / "gnomon.db"), str(port)]
    with (tmp_path / "log.txt").open("wb") as errors:
        child = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, "HOME": str(tmp_path)}
        )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline().decode().startswith(f"dashboard: http://127.0.0.1:{port}")
        yield child


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_answers_and_ends_with_status_0_when_stopped(tmp_path: Path, free_port: int, stop):
    with started(tmp_path, free_port) as child:
        child.send_signal(stop)
        assert child.wait(20) == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text()
    assert not listens(free_port)


def test_a_command_that_is_killed_leaves_no_server_on_the_port(tmp_path: Path, free_port: int):
    with started(tmp_path, free_port) as child:
        assert listens(free_port)
        child.kill()
        child.wait()
    ends = time.monotonic() + 20
    while listens(free_port):
        assert time.monotonic() < ends
        time.sleep(0.1)
