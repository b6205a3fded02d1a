"""The progress is computed in a process of its own: its answer is that of this process, and so are its reasons."""

from __future__ import annotations

import os
from contextlib import closing

import dashboard_demo as demo
import pytest

from gnomon.dashboard.labelling.progress_worker import progress_stages
from gnomon.data.errors import NotEnoughDataError, StoreError
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.label_progress import label_progress

pytestmark = pytest.mark.slow


def test_it_answers_in_stages_and_says_what_this_process_would(tmp_path):
    with closing(Store.open(sqlite_url(tmp_path / "gnomon.db"))) as store:
        demo.fill(store, fits=False)
        first, last = progress_stages(store)
        assert first == label_progress(store, simulate=False)
        assert first.planned_at is None
        assert last == label_progress(store)
        (again,) = progress_stages(store, last)
        assert again == last


@pytest.mark.simulation
def test_reasons_and_failures_come_back_in_one_line(tmp_path):
    with closing(Store.open(sqlite_url(tmp_path / "gnomon.db"))) as store:
        demo.fill(store, labels=False, fits=False)
        with pytest.raises(NotEnoughDataError, match="no blind labels in the injection arm"):
            list(progress_stages(store))
        os.truncate(tmp_path / "gnomon.db", 0)
        with pytest.raises(StoreError):
            list(progress_stages(store))
