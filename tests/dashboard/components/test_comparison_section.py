"""Sections of the Judges page: a panel's worth, two versions, labels by guideline."""

from __future__ import annotations

import dashboard_demo
from streamlit.testing.v1 import AppTest

from gnomon.data.records import Facts, Label, LabelPolicy
from gnomon.data.storage import tables

DENIES = Facts(claims=False, concept="none", coherent=True, refused=False)


def page(url: str) -> None:
    from gnomon.dashboard.components import comparison_section
    from gnomon.data.storage.store import Store

    store = Store.open(url)
    comparison_section.show_panel_worth(store, url, "current", (1,))
    comparison_section.show_comparison(store, url, "current", (1,))
    comparison_section.show_policies(store, url, "current", (1,))


def opened(store):
    app = AppTest.from_function(page, kwargs={"url": store.engine.url.render_as_string(hide_password=False)})
    app.run(timeout=60)
    assert not app.exception
    return app


def test_nothing_is_computed_before_it_is_asked_for(store):
    dashboard_demo.fill(store, fits=False)
    app = opened(store)
    assert not app.dataframe
    assert "Labels by guideline" not in [each.value for each in app.subheader]


def test_a_panel_is_weighed_and_two_versions_are_compared(store):
    dashboard_demo.fill(store, fits=False)
    app = opened(store)
    app.toggle(key="panel-worth").set_value(True).run(timeout=60)
    assert any("independent ones" in each.value or "is not known" in each.value for each in app.text)
    first, second = app.selectbox(key="compare-a").options[:2]
    app.selectbox(key="compare-a").select_index(0)
    app.selectbox(key="compare-b").select_index(1).run(timeout=60)
    assert not app.exception
    assert first != second
    assert any("McNemar" in each.value or "no labelled trial" in each.value for each in app.text)


def test_labels_with_a_guideline_are_shown_by_it(store):
    dashboard_demo.fill(store, fits=False, labels=False)
    guideline = LabelPolicy("guideline.md", "A concept must be named.")
    store.add_label_policies([guideline])
    trials = store.read_frame(tables.trials)["id"].tolist()[:30]
    store.add_labels([Label(trial, "ann", DENIES, policy=guideline.hash) for trial in trials])
    app = opened(store)
    assert any("guideline.md" in each.value for each in app.text)
