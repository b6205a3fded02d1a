"""The Judges page: every section opens, and its estimates are tables that can be sorted and copied."""

from __future__ import annotations

import dashboard_demo
import pytest
from streamlit.testing.v1 import AppTest

from gnomon.dashboard import study_picker
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

SECTIONS = (
    "Can estimates be corrected for the errors of lexicon?",
    "What would more labels buy?",
    "Errors by arm",
    "Confusion matrix",
    "Agreement",
    "Correction methods compared",
    "All judges combined: audit estimate",
    "What the judges are worth together",
    "Versions compared",
    "Changed labels",
    "Inconsistent verdicts and labels",
    "Drift of lexicon",
)


def page(url: str) -> None:
    import streamlit as st

    from gnomon.dashboard import study_picker
    from gnomon.dashboard.views import judges

    st.session_state["place"] = study_picker.StudyRef("demo", url)
    judges.show_page()


@pytest.fixture
def app(tmp_path, monkeypatch) -> AppTest:
    url = sqlite_url(tmp_path / "gnomon.db")
    store = Store.open(url)
    dashboard_demo.fill(store, fits=False)
    store.close()
    monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("demo", url)]))
    return AppTest.from_function(page, args=(url,), default_timeout=120).run()


def test_every_section_opens_with_its_table(app):
    assert not app.exception
    assert tuple(each.value for each in app.header) == SECTIONS
    headings = [set(frame.value.columns) for frame in app.dataframe]
    for wanted in (
        {"Judge", "Arm", "Sensitivity", "Specificity", "Youden's J", "Positives"},
        {"Between", "Base", "Gwet's AC1"},
        {"Arm", "Method"},
    ):
        assert any(wanted <= found for found in headings), wanted
