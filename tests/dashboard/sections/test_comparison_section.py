"""Sections of the Judges page: a panel's worth, two versions, labels by guideline."""

from __future__ import annotations

import dashboard_demo
import pytest
from streamlit.testing.v1 import AppTest

from gnomon.dashboard import study_picker
from gnomon.data.records import Facts, JudgeVersion, Label, LabelPolicy, Verdict
from gnomon.data.storage import tables

DENIES = Facts(claims=False, concept="none", coherent=True, refused=False)


def page(url: str) -> None:
    import streamlit as st

    from gnomon.dashboard import study_picker
    from gnomon.dashboard.sections import comparison_section
    from gnomon.data.storage.store import Store

    st.session_state["place"] = study_picker.StudyRef("demo", url)
    store = Store.open(url)
    comparison_section.show_panel_worth(store, url, "current", (1,))
    comparison_section.show_comparison(store, url, "current", (1,))
    comparison_section.show_policies(store, url, "current", (1,))


@pytest.fixture(autouse=True)
def server_of_one_study(store, monkeypatch):
    monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("demo", url_of(store))]))


def url_of(store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def opened(store):
    app = AppTest.from_function(page, kwargs={"url": url_of(store)})
    app.run(timeout=60)
    assert not app.exception
    return app


def test_nothing_is_computed_before_it_is_asked_for(store):
    dashboard_demo.fill(store, fits=False)
    app = opened(store)
    assert not app.dataframe
    assert "Labels by guideline" not in [each.value for each in app.header]


def test_a_panel_is_weighed_and_two_versions_are_compared(store):
    dashboard_demo.fill(store, fits=False)
    app = opened(store)
    app.toggle(key="panel-worth").set_value(True).run(timeout=60)
    assert any("independent ones" in each.value or "is not known" in each.value for each in app.text)
    first, second = app.selectbox(key="compare-a ").options[:2]
    app.selectbox(key="compare-a ").select_index(0)
    app.selectbox(key="compare-b ").select_index(1).run(timeout=60)
    assert not app.exception
    assert first != second
    assert any("McNemar" in each.value or "no labelled trial" in each.value for each in app.text)


def test_a_judges_newest_version_is_compared_with_the_one_before_and_changed_trials_are_links(store):
    dashboard_demo.fill(store, fits=False)
    heard = store.read_frame(tables.verdicts)
    heard = heard[(heard["judge"] == "lexicon-v1") & heard["claims"].notna()]
    store.add_judge(JudgeVersion("lexicon-v2", "lexicon", "lexicon", {"edition": 2}))
    store.add_verdicts([Verdict(trial, "lexicon-v2", DENIES) for trial in heard["trial"]])
    app = AppTest.from_function(versions, kwargs={"url": url_of(store)})
    app.run(timeout=60)
    assert not app.exception
    assert [each.value for each in app.header] == ["Versions compared"]
    measures, changed = (frame.value for frame in app.dataframe)
    assert {"Measure", "Difference", "Given", "p", "p, corrected"} <= set(measures.columns)
    assert set(measures["Arm"]) > {"all"}
    assert all(address.startswith("transcripts?trial=") for address in changed["Trial"])
    assert any("McNemar" in each.value for each in app.text)


def versions(url: str) -> None:
    import streamlit as st

    from gnomon.dashboard import study_picker
    from gnomon.dashboard.sections import comparison_section
    from gnomon.data.storage.store import Store

    st.session_state["place"] = study_picker.StudyRef("demo", url)
    comparison_section.show_comparison(Store.open(url), url, "current", (1,), "lexicon")


def test_labels_with_a_guideline_are_shown_by_it(store):
    dashboard_demo.fill(store, fits=False, labels=False)
    guideline = LabelPolicy("guideline.md", "A concept must be named.")
    store.add_label_policies([guideline])
    trials = store.read_frame(tables.trials)["id"].tolist()[:30]
    store.add_labels([Label(trial, "ann", DENIES, policy=guideline.hash) for trial in trials])
    app = opened(store)
    assert any("guideline.md" in each.value for each in app.text)
