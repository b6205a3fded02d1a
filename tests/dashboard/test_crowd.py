"""Several raters label one study at the same time: nothing is lost, nothing doubled, nobody gets what another holds."""

from __future__ import annotations

import os
from collections import Counter

import dashboard_demo as demo
import pytest
from own_loop import run_async

from bench.support.browser import serving
from bench.support.raters import crowd
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.browser

RATERS = [f"rater-{number}" for number in range(8)]
SECONDS = float(os.environ.get("GNOMON_CROWD_SECONDS", "15"))


@pytest.mark.parametrize(
    "store_url",
    ["sqlite", "postgresql"],
    indirect=True,
)
@pytest.mark.simulation
def test_eight_raters_label_one_study_at_once(store_url, tmp_path, chromium):
    store = Store.open(store_url)
    demo.fill(store, labels=False, fits=False, times=8)
    log = tmp_path / "log.txt"
    with serving({"shared": store_url}, log) as address:
        sessions = run_async(crowd(address, "shared", RATERS, SECONDS))
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
    assert [session.errors for session in sessions] == [0] * len(RATERS)
    answers = {trial.id: trial.answer for trial in store.load_trials()}
    events = store.read_frame(tables.labels).sort_values("id")
    stored = {rater: [answers[trial] for trial in events.loc[events["rater"] == rater, "trial"]] for rater in RATERS}
    assert stored == {session.rater: session.saved for session in sessions}
    assert set(events["kind"]) == {"label"}
    assert min(len(session.saved) for session in sessions) >= 1
    holders = Counter(answer for session in sessions for answer in set(session.shown))
    assert set(holders.values()) == {1}
    store.close()
