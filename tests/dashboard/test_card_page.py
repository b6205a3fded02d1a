"""The page of the calibration card: the card's own table and sentences, a requirement to try, and one look at most."""

from __future__ import annotations

import pytest
from simulated_study import fill_study
from streamlit.testing.v1 import AppTest

from gnomon.calibration.audit.document import count_test_looks
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store


def drawn(url: str) -> AppTest:
    def page(url: str) -> None:
        import streamlit as st

        from gnomon.dashboard import study_picker
        from gnomon.dashboard.views import calibration_card

        st.session_state["place"] = study_picker.StudyRef("sim", url)
        calibration_card.show_page()

    return AppTest.from_function(page, args=(url,), default_timeout=60).run()


@pytest.fixture
def url(tmp_path) -> str:
    return sqlite_url(tmp_path / "gnomon.db")


def filled(url: str, **options: float) -> Store:
    store = Store.open(url)
    fill_study(store, **options)
    return store


def test_the_page_shows_the_card_and_checks_a_requirement_with_one_look(url):
    store = filled(url, n=160, labelled=0.9)
    app = drawn(url)
    assert not app.exception
    (table,) = (frame.value for frame in app.dataframe)
    assert list(table["arm"]) == ["injection", "control"]
    texts = [text.value for text in app.text]
    assert any(text.replace("\xa0", " ").startswith("careful: simulated, version careful-1") for text in texts)
    assert any("passed: control.specificity" in text.replace("\xa0", " ") for text in texts)
    app.text_input(key="require").set_value("control.specifity > .5").run()
    assert any("perhaps control.specificity" in text.value for text in app.text)
    app.text_input(key="require").set_value("labels > 100000").run()
    assert any("not passed: labels" in text.value.replace("\xa0", " ") for text in app.text)
    assert count_test_looks(store) == 1
    store.close()


def test_without_labels_the_page_says_what_a_card_needs(url):
    filled(url, n=20, labelled=0.0).close()
    app = drawn(url)
    assert not app.exception
    assert "a card needs labels" in app.info[0].value
