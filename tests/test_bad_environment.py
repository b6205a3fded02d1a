"""An old Python, no network, no venv module: each ends in one line that says what to do. No compiler is needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gnomon

ROOT = Path(__file__).resolve().parents[1]
OLD = "Python 3.10 is too old: install Python 3.11 or 3.12, and Gnomon with it (make setup PYTHON=/path/to/python3.11)"
PRETEND = "import sys; sys.version_info = (3, 10, 13, 'final', 0); sys.argv = {argv!r}; import gnomon"


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False, **options
    )


def make(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make setup` of a folder that has what set-up reads, and nothing installed."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-cuda.lock"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    command = ["make", "setup", *(f"{name}={value}" for name, value in variables.items())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    # An index that no machine answers, asked once: what pip meets without a network.
    environment |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    environment |= {"PIP_NO_CACHE_DIR": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


def test_an_old_python_is_told_in_one_line_when_gnomon_is_run():
    done = python("-c", PRETEND.format(argv=["-m", "doctor"]))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gnomon: {OLD}\n")


def test_an_old_python_is_told_in_the_message_when_gnomon_is_imported():
    done = python("-c", PRETEND.format(argv=["-c"]))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: gnomon: {OLD}"


def test_the_oldest_python_is_the_one_that_the_project_declares():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">={}.{},<3.13".format(*gnomon._OLDEST)


def test_make_without_a_suitable_python_says_which_to_install(tmp_path):
    done = make(tmp_path, PYTHON="")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("make: no Python 3.11 or 3.12 found: install one, or name it: ")
    assert not (tmp_path / ".venv").exists()


def test_make_without_the_venv_module_says_what_to_install(tmp_path):
    done = make(tmp_path, PYTHON="/bin/false")
    first, *rest = done.stderr.splitlines()
    assert first.startswith("make: '/bin/false -m venv' failed: install Python's venv module")
    assert all(line.startswith("make: ***") for line in rest)  # make's own


def test_make_without_a_network_says_so_in_one_line(tmp_path):
    done = make(tmp_path, PYTHON=sys.executable)
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode == 2
    assert said[0].startswith("setting up .venv")
    assert said[1:] == [
        "make: packages could not be installed (is the network reachable?): .venv/install.log has pip's messages; "
        "then run make setup again"
    ]
    assert (tmp_path / ".venv" / "install.log").read_text(encoding="utf-8")
    assert not (tmp_path / ".venv" / ".ready").exists()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-cuda.lock", "requirements-docs.lock"])
def test_no_set_up_compiles_anything(lock):
    recipes = re.findall(rf"^\t@.*--requirement {re.escape(lock)}.*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipes
    assert all("--only-binary :all:" in recipe for recipe in recipes)
