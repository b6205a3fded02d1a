"""A label page that was only opened: no transcript is kept from others, and nothing stored, before a press."""

from __future__ import annotations

from contextlib import closing

import dashboard_demo as demo
import pytest
from streamlit.testing.v1 import AppTest

from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.attack


def test_a_name_in_the_address_waits_for_a_press(tmp_path):
    url = sqlite_url(tmp_path / "gnomon.db")
    with closing(Store.open(url)) as store:
        demo.fill(store, labels=False, fits=False)

    def draw(url: str) -> None:
        import streamlit as st

        from gnomon.dashboard import study_picker
        from gnomon.dashboard.views import label

        st.session_state["place"] = study_picker.StudyRef("demo", url)
        st.session_state["rater"] = "Mallory"
        label.show_page()

    app = AppTest.from_function(draw, args=(url,), default_timeout=60)
    app.query_params["rater"] = "Mallory"
    app.run()
    assert not app.exception
    with closing(Store.open(url)) as store:
        assert store.count_rows(tables.leases) == 0
        assert store.count_rows(tables.labels) == 0
        app.button[0].click().run()
        assert store.count_rows(tables.leases) > 0
