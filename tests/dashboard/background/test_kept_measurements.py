"""Measurements of a large study are made beside the page: it says so at once, then shows the same, of one look."""

from __future__ import annotations

import time

import dashboard_demo as demo
import pytest
from simulated_study import fill_study
from sqlalchemy import event
from streamlit.testing.v1 import AppTest

from gnomon.calibration.audit.document import count_test_looks
from gnomon.dashboard import study_picker
from gnomon.dashboard.background import kept_measurements
from gnomon.dashboard.background.measurement_worker import measure_beside
from gnomon.dashboard.background.measurements import (
    AUDIT,
    BOUNDS,
    CARD,
    COMPARISON,
    GUIDELINES,
    OUTCOMES,
    PANEL_WORTH,
    RULES,
)
from gnomon.data.errors import NotEnoughDataError, StoreError
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

WAITS = "Computing the audit of"


@pytest.fixture
def url(tmp_path) -> str:
    return sqlite_url(tmp_path / "gnomon.db")


@pytest.fixture
def study(url) -> Store:
    store = Store.open(url)
    fill_study(store, n=160, labelled=0.9)
    return store


def drawn(url: str, view: str) -> AppTest:
    def page(url: str, view: str) -> None:
        from importlib import import_module

        import streamlit as st

        from gnomon.dashboard import study_picker

        st.session_state["place"] = study_picker.StudyRef("sim", url)
        import_module(f"gnomon.dashboard.views.{view}").show_page()

    return AppTest.from_function(page, args=(url, view), default_timeout=60).run()


def run_until_shown(app: AppTest) -> AppTest:
    """The page as it is drawn again each time that what it waits for is there."""
    while app.info:
        for asked in list(kept_measurements._kept_measurements().asked.values()):
            asked.future.exception(timeout=240)
        app = app.run()
    return app


def shown(app: AppTest) -> tuple[list[str], list[str]]:
    return [each.value for each in app.header], [frame.value.to_csv() for frame in app.dataframe]


@pytest.mark.parametrize("view", ["judges", pytest.param("calibration_card", marks=pytest.mark.slow)])
def test_a_large_study_shows_the_same_page_after_a_wait_with_one_look(url, study, view, monkeypatch):
    usual = drawn(url, view)
    looks = count_test_looks(study)
    kept_measurements._kept_measurements.clear()
    monkeypatch.setattr(kept_measurements, "is_made_beside", lambda measurement, verdicts: True)
    began = time.monotonic()
    app = drawn(url, view)
    assert time.monotonic() - began < 10
    assert app.info[0].value.startswith(WAITS)
    assert not app.header
    app = run_until_shown(app)
    assert not app.exception
    assert shown(app)[0] == shown(usual)[0]
    assert len(shown(app)[1]) >= len(shown(usual)[1])
    assert count_test_looks(study) == looks
    asked: list[str] = []
    event.listen(study_picker._open_store(url).engine, "before_cursor_execute", lambda *of: asked.append(str(of[2])))
    again = drawn(url, view)
    assert not again.info
    assert count_test_looks(study) == looks
    assert asked
    assert not [each for each in asked if "count(" in each.lower() and "FROM verdicts" in each]


@pytest.mark.slow
def test_what_scaling_counts_of_a_large_study_is_made_beside_it_and_then_the_same(url, monkeypatch):
    store = Store.open(url)
    demo.fill(store)
    monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("sim", url)]))
    usual = drawn(url, "scaling")
    kept_measurements._kept_measurements.clear()
    monkeypatch.setattr(kept_measurements, "is_made_beside", lambda measurement, verdicts: True)
    app = drawn(url, "scaling")
    assert app.header, "the page does not wait for it"
    told = " ".join(each.value for each in app.info)
    assert all(f"Computing {measurement.name} of" in told for measurement in (RULES, BOUNDS))
    app = run_until_shown(app)
    assert not app.exception
    assert shown(app) == shown(usual)
    for measurement, arguments in ((RULES, [""]), (BOUNDS, ["judged", ""])):
        assert measure_beside(measurement, url, arguments, None) == measurement.compute(store, *arguments)


def test_counts_are_made_in_the_page_up_to_more_verdicts_than_an_audit():
    """A process takes seconds to start, counts of 100,000 verdicts a fraction of one."""
    assert kept_measurements.is_made_beside(AUDIT, 100_000)
    assert not kept_measurements.is_made_beside(OUTCOMES, 100_000)
    assert kept_measurements.is_made_beside(OUTCOMES, 3_000_000)


@pytest.mark.slow
def test_every_measurement_comes_back_from_its_process_as_it_is_here(url, study):
    audit = AUDIT.compute(study, "current")
    beside = measure_beside(AUDIT, url, ["current"], None)
    assert beside.model_copy(update={"test_split_looks": audit.test_split_looks}) == audit
    judge = next(each.version for each in audit.judges if each.labelled)
    card = measure_beside(CARD, url, ["current", judge], audit)
    here = CARD.compute(study, "current", judge, given=audit)
    assert card.card.arms == here.card.arms
    assert card.card.parts == here.card.parts
    assert card.changed == here.changed
    assert measure_beside(PANEL_WORTH, url, ["current"], None) == PANEL_WORTH.compute(study, "current")


def test_what_the_study_lacks_and_what_fails_is_told_as_here(url, study):
    for measurement, arguments in ((GUIDELINES, ["current"]), (COMPARISON, ["current", "none", "none"])):
        with pytest.raises(Exception) as here:  # noqa: PT011
            measurement.compute(study, *arguments)
        expected = NotEnoughDataError if isinstance(here.value, NotEnoughDataError) else StoreError
        with pytest.raises(expected, match=str(here.value)[:20].replace("(", r"\(")):
            measure_beside(measurement, url, arguments, None)


def test_a_failed_measurement_is_tried_again_when_the_page_is_opened_again(url, study, monkeypatch):
    monkeypatch.setattr(kept_measurements, "is_made_beside", lambda measurement, verdicts: True)
    failures = iter([StoreError("the disk is full")])

    def fail_once(measurement, url, arguments, given):
        for error in failures:
            raise error
        return measure_beside(measurement, url, arguments, given)

    monkeypatch.setattr(kept_measurements, "measure_beside", fail_once)
    app = run_until_shown(drawn(url, "judges"))
    assert "the disk is full" in app.exception[0].message
    assert run_until_shown(drawn(url, "judges")).header
