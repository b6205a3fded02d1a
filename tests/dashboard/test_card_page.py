"""The page of the calibration card: the card's own table and sentences, a requirement to try, and one look at most."""

from __future__ import annotations

import pytest
from simulated_study import fill_study
from streamlit.testing.v1 import AppTest

from gnomon.calibration.sequential.look_record import count_test_looks
from gnomon.data.records import JudgeVersion
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store


def drawn(url: str) -> AppTest:
    def page(url: str) -> None:
        from collections import defaultdict

        import streamlit as st

        from gnomon.dashboard import study_picker
        from gnomon.dashboard.views import calibration_card

        st.session_state["place"] = study_picker.StudyRef("sim", url)
        st.session_state["pages"] = defaultdict(lambda: "http://127.0.0.1/page")
        calibration_card.show_page()

    return AppTest.from_function(page, args=(url,), default_timeout=60).run()


@pytest.fixture
def url(tmp_path) -> str:
    return sqlite_url(tmp_path / "gnomon.db")


def filled(url: str, **options: float) -> Store:
    store = Store.open(url)
    fill_study(store, **options)
    return store


HEADINGS = [
    "May be used for",
    "Valid for",
    "Try a requirement",
    "Errors by arm",
    "Agreement",
    "Drift",
    "Do its errors hold elsewhere?",
    "What it is fooled by",
    "Labels and guidelines",
]


def test_the_page_has_a_heading_and_a_table_for_each_part_with_one_look(url):
    store = filled(url, n=160, labelled=0.9)
    app = drawn(url)
    assert not app.exception
    assert [each.value for each in app.header] == HEADINGS
    tables = [list(frame.value.columns) for frame in app.dataframe]
    for wanted in ({"Rate", "Estimate", "n", "Given"}, {"Coefficient", "Base rate"}, {"Drift", "n"}, {"Property", "p"}):
        assert any(wanted <= set(table) for table in tables), wanted
    said = [text.value.replace("\xa0", " ") for text in app.text]
    assert any(text.startswith("careful: simulated, version careful-1") for text in said)
    assert any("Passes" in each.value and "injection and control" in each.value for each in app.markdown)
    assert count_test_looks(store) == 1
    store.close()


def test_a_requirement_is_checked_as_the_gate_does(url):
    filled(url, n=160, labelled=0.9).close()
    app = drawn(url)
    assert any("passed: control.specificity" in said for said in shown(app))
    app.text_input(key="require").set_value("control.specifity > .5").run()
    assert any("perhaps control.specificity" in said for said in shown(app))
    app.text_input(key="require").set_value("labels > 100000").run()
    assert any("not passed: labels" in said for said in shown(app))


def test_a_card_of_a_judge_with_a_newer_version_is_stale_and_says_so(url):
    store = filled(url, n=160, labelled=0.9)
    store.add_judge(JudgeVersion("careful-2", "careful", "simulated", {"edition": 2}))
    store.close()
    app = drawn(url)
    assert any("Stale" in each.value for each in app.markdown)
    assert any("newest version of careful is careful-2" in text.value for text in app.text)


def shown(app: AppTest) -> list[str]:
    return [each.value.replace("\xa0", " ").replace("\\", "") for each in app.markdown]


def test_without_labels_the_page_says_what_a_card_needs(url):
    filled(url, n=20, labelled=0.0).close()
    app = drawn(url)
    assert not app.exception
    assert "a card needs labels" in app.info[0].value
