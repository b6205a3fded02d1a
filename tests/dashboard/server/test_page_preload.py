"""Pages are imported beside the start of the server, and what is imported is no work of the garbage collector's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dashboard_demo as demo
import pytest
from sqlalchemy import event

from gnomon.dashboard import study_picker
from gnomon.dashboard.sections import next_step_section
from gnomon.dashboard.server import page_preload
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

SCRIPT = """
import gc, sys, time
from pathlib import Path
from altair.utils import schemapi
from gnomon.dashboard.server import page_preload
page_preload.preload_pages()
names = [path.stem for path in page_preload.VIEWS.glob("[!_]*.py")]
assert len(names) >= 9, names
assert not [name for name in names if f"gnomon.dashboard.views.{name}" not in sys.modules]
assert not schemapi.DEBUG_MODE
frozen = gc.get_freeze_count()
assert frozen > 10 * len(gc.get_objects()), (frozen, len(gc.get_objects()))
"""


def test_modules_of_pages_are_there_and_left_out_of_collections():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_study_is_counted_before_somebody_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = sqlite_url(tmp_path / "gnomon.db")
    store = Store.open(url)
    demo.fill(store, labels=False, fits=False)
    store.close()
    monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("demo", url)]))
    monkeypatch.setattr(page_preload, "preload_pages", lambda: None)
    page_preload._prepare()
    known = study_picker.open_store(study_picker.StudyRef("demo", url))
    asked: list[str] = []
    event.listen(known.engine, "before_cursor_execute", lambda *of: asked.append(str(of[2])))
    found = next_step_section.study_overview(url, study_picker.change_token(known), known)
    assert found.trial_count > 0
    assert asked
    assert not [each for each in asked if "GROUP BY" in each]


def test_a_study_that_cannot_be_opened_does_not_stop_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "gnomon.db"
    broken.write_text("This is no database. " * 100)
    monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("broken", sqlite_url(broken))]))
    monkeypatch.setattr(page_preload, "preload_pages", lambda: None)
    page_preload._prepare()
