"""One demo study for all tests of the command line: made, interrupted, gone on with, and finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gnomon.data.storage.engines import sqlite_url

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `gnomon` as a person would, in a process of its own."""
    line = [sys.executable, "-m", "gnomon", *map(str, arguments)]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT, **options)


@dataclass
class Demo:
    """The finished demo: its folder, its document, and what happened on the way."""

    folder: Path
    document: dict[str, Any] = field(default_factory=dict)
    interrupted: tuple[int, str] = (0, "")
    trials_at_interrupt: set[str] = field(default_factory=set)
    stderr: str = ""


@pytest.fixture
def gnomon():
    return command


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`gnomon demo --quick`, stopped by Ctrl-C in the middle of generation, then run again to its end."""
    made = Demo(tmp_path_factory.mktemp("demo") / "study")
    arguments = ("demo", str(made.folder), "--quick", "--no-dashboard", "--json")
    made.interrupted = _interrupt(arguments, after="trials: ")
    made.trials_at_interrupt = _ids(made.folder)
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    made.document, made.stderr = json.loads(done.stdout), done.stderr
    return made


def _interrupt(arguments: tuple[str, ...], after: str) -> tuple[int, str]:
    line = [sys.executable, "-m", "gnomon", *arguments]
    quiet = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=quiet) as run:
        assert run.stderr is not None
        heard = ""
        for text in run.stderr:
            heard += text
            if after in text and not text.split(after)[1].startswith("0 of"):
                run.send_signal(signal.SIGINT)
                break
        heard += run.stderr.read()
        run.wait(timeout=60)
    return run.returncode, heard


def _ids(folder: Path) -> set[str]:
    from gnomon.data.storage.store import Store

    store = Store.open(sqlite_url(folder / "gnomon.db"))
    try:
        return store.trial_ids()
    finally:
        store.close()
