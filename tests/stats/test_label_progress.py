"""Progress of labelling: the widths and the number of labels that a plan of the same study gives, without its place."""

from __future__ import annotations

from dataclasses import replace

import dashboard_demo as demo
import pytest

from gnomon.calibration.posterior.plan_target import PlanTarget
from gnomon.calibration.queue import sample_size
from gnomon.calibration.queue.sample_size import label_strata, plan_labels
from gnomon.calibration.results.width_progress import WidthPoint
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Facts, Label
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.stats import label_progress as module
from gnomon.stats.label_progress import PLANNED_EVERY, label_progress
from gnomon.stats.tables.labels_ahead_table import labels_ahead_table

TARGET = 0.41


@pytest.fixture
def study(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(sample_size, "SEARCHED", 5)
    monkeypatch.setattr(sample_size, "CONFIRMED", 5)
    demo.fill(store, fits=False)
    store.save_settings({"plan": {"width": TARGET}})
    return store


def test_it_says_what_the_plan_says(study):
    found = label_progress(study)
    plan = plan_labels(study, width=TARGET, seed=1)
    assert found.now == WidthPoint(plan.labels_now, pytest.approx(plan.width_now))
    assert found.goal == plan.labels_now + (plan.best.labels if plan.best else 0)
    assert not found.from_fit
    assert [point.labels for point in found.ahead] == [20]
    assert all(point.width < found.now.width for point in found.ahead)
    labels = [point.labels for point in found.earlier]
    assert labels == sorted(set(labels))
    assert max(labels) < found.now.labels
    assert found.earlier[0].width > found.now.width


def test_what_more_labels_leave_is_what_a_plan_of_that_budget_says(study):
    """The same seed and simulation: one label costs 1, new trials nothing, and so a budget is a number of labels."""
    found = label_progress(study)
    (point,) = found.ahead
    plan = plan_labels(study, budget=point.labels, seed=1)
    (bought,) = (option for option in plan.options if not option.trials)
    assert bought.labels == point.labels
    assert bought.width == pytest.approx(point.width)
    table = labels_ahead_table(found)
    assert [row["more"] for row in table.rows] == [0, 20]
    assert table.rows[1]["width"] == pytest.approx(100 * bought.width)
    assert table.rows[1]["reached"] == ("yes" if bought.width <= TARGET else "no")
    early = labels_ahead_table(replace(found, ahead=(), planned_at=None, goal=None))
    assert [row["more"] for row in early.rows] == [0]


def test_simulations_are_kept_for_a_while_and_widths_are_not(study, monkeypatch):
    before = label_progress(study)
    monkeypatch.setattr(module, "plan_for_strata", None)
    strata = label_strata(study, PlanTarget.from_name(before.estimand), "blind")
    free = [trial for trials in strata.free for trial in trials]
    study.add_labels([Label(trial, "ann", Facts(False, "none", True, False)) for trial in free[:2]])
    after = label_progress(study, before)
    assert after.now.labels == before.now.labels + 2
    assert after.now.width != before.now.width
    assert (after.goal, after.ahead, after.planned_at) == (before.goal, before.ahead, before.now.labels)
    for old in (
        replace(before, planned_at=after.now.labels - PLANNED_EVERY),
        replace(before, target=0.3),
        replace(before, goal=after.now.labels),
    ):
        with pytest.raises(TypeError):
            label_progress(study, old)


def test_the_interval_of_the_fit_is_scaled_by_what_it_was_when_it_was_made(study, monkeypatch):
    panel = label_progress(study).now.width
    shown = plan_labels(study, width=2 * panel, seed=1).interval
    wider = shown.estimate.model_copy(update={"low": 0.0, "high": 2 * panel})
    monkeypatch.setattr(
        module, "planned_interval", lambda store, name: shown.model_copy(update={"estimate": wider, "source": "fit"})
    )
    times = sorted(study.read_frame(tables.labels)["created_at"])
    monkeypatch.setattr(Store, "newest_fit_times", lambda store: {"corrected": times[-1]})
    now = label_progress(study)
    assert (now.now.width, now.from_fit) == (pytest.approx(2 * panel), True)
    monkeypatch.setattr(Store, "newest_fit_times", lambda store: {"corrected": times[len(times) // 2]})
    later = label_progress(study)
    assert later.now.width < 2 * panel, "labels since the fit have narrowed it"


def test_a_study_without_labels_says_what_it_lacks(store):
    demo.fill(store, labels=False, fits=False)
    with pytest.raises(NotEnoughDataError, match="no blind labels in the injection arm"):
        label_progress(store)
