"""Study opens with the answer and what it rests on; Refusal has bounds beside rates; Diagnostics says what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dashboard_demo as demo
import pytest
from streamlit.testing.v1 import AppTest

import gnomon.dashboard
from gnomon.dashboard import study_picker
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

APP = Path(str(gnomon.dashboard.__file__)).with_name("app.py")


def _one_page(url: str, view: str) -> None:
    from importlib import import_module

    import streamlit as st

    from gnomon.dashboard import study_picker

    st.session_state["place"] = study_picker.StudyRef("mine", url)
    import_module(f"gnomon.dashboard.views.{view}").show_page()


def fill_with_bounds(store: Store) -> None:
    """The published counts with a fit that has bounds for two of its models."""
    demo.fill_published(store, fit=False)
    bounds = [
        {"subject": name, "assuming": assuming, "low": low, "high": high, "low95": low - 0.02, "high95": high + 0.02}
        for name in ("Qwen2.5-32B-Instruct", "Qwen2.5-14B-Instruct")
        for assuming, low, high in (("monotone", 0.0, 0.4), ("none", -0.1, 0.6))
    ]
    store.add_fit(demo._fit("published", {**demo.published_result(), "comparisons": {"bounds": bounds}}))


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Store], None]], AppTest]:
    """Opens the first page of a study that is filled first."""

    def open_(fill: Callable[[Store], None], view: str = "") -> AppTest:
        url = sqlite_url(tmp_path / "gnomon.db")
        store = Store.open(url)
        fill(store)
        store.close()
        monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("mine", url)]))
        monkeypatch.setattr("sys.argv", ["app.py"])
        if view:
            app = AppTest.from_function(_one_page, args=(url, view), default_timeout=120).run()
        else:
            app = AppTest.from_file(str(APP), default_timeout=120).run()
        assert not app.exception
        assert not app.error
        return app

    return open_


def test_one_model_is_answered_for_with_intervals(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill)
    assert "raw net detection −5 % " in app.header[0].value.replace("\xa0", " ")
    cards = {each.label: (each.value, each.delta) for each in app.metric}
    assert cards["Identification"] == ("35\xa0%", "25 to 45\xa0% (95\xa0%)")
    assert cards["Net detection"] == ("−5\xa0%", "−17 to +7\xa0% (95\xa0%)")
    told = " ".join(each.value for each in app.caption)
    assert "outcome rule strict" in told
    assert [each.label for each in app.expander][-4:] == ["Design", "Verdicts", "Labels", "Fits"]


def test_a_card_shows_what_the_table_shows_also_of_small_rates(page: Callable[..., AppTest]) -> None:
    small = demo.estimand("SmolLM2-135M", 1.345e8, "instruct", "false_alarm", 0.003, 0.001)
    app = page(lambda store: store.add_fit(demo._fit("judged", {"judge": "lexicon", "estimands": [small]})))
    (card,) = (each for each in app.metric if each.label == "False alarm")
    shown = f"{card.value} ({card.delta})".replace("\xa0", " ")
    assert shown == "0.3 % (0.1 to 0.5 % (95 %))"
    copied = next(each.value for each in app.code if "| False alarm |" in each.value)
    assert "| 0.3 % (0.1 to 0.5) |" in copied


def test_counts_of_several_models_show_their_range_and_any_of_them(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill_published)
    assert app.metric[0].value == "−49 to +58\xa0%"
    app.selectbox(key="model").set_value("Qwen2.5-14B-Instruct").run()
    assert app.metric[0].value == "+41\xa0%"
    assert any(each.value == "24,600" for each in app.metric)


def test_a_study_without_an_estimate_says_why_and_shows_no_number(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill_failed)
    assert app.header[0].value.startswith("No estimate")
    assert {each.label for each in app.metric} == {"Models", "Trials", "Verdicts", "Labelled", "Fits that passed"}


def test_refusal_opens_with_where_it_differs_most_and_has_both_tables(page: Callable[..., AppTest]) -> None:
    app = page(fill_with_bounds, "refusal")
    said = app.header[0].value.replace("\xa0", " ")
    assert said.startswith("Refusal differs most between the arms in Qwen2")
    tables = [each.value for each in app.dataframe if "Model" in each.value.columns]
    assert [len(each) for each in tables] == [8, 2]
    assert tables[0].columns.tolist() == ["Model", "Size", "Injection", "Control"]
    assert "Bounds, one way" in tables[1].columns


def test_diagnostics_without_kept_draws_say_so_and_name_a_command_that_can(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill, "diagnostics")
    assert [each.value for each in app.header] == [
        "Convergence",
        "Sampling",
        "All fits",
        "Interval coverage in simulation",
    ]
    assert any("its draws are not in 'draws'" in each.value for each in app.text)
    assert any(each.value == "gnomon fit DIR --resample" for each in app.code)
    tables = [each.value for each in app.dataframe]
    assert tables[0]["R-hat"].tolist() == [1.003, 1.003]
    assert any("as judged" in each.columns for each in tables)


def test_a_page_without_a_fit_names_the_first_step_that_can_be_done(page: Callable[..., AppTest]) -> None:
    app = page(lambda store: demo.fill(store, labels=False, fits=False), "refusal")
    assert [each.value for each in app.code] == ["gnomon fit DIR"]


def test_nothing_is_to_be_fitted_before_there_is_a_verdict(page: Callable[..., AppTest]) -> None:
    settings = {"name": "new", "kind": "trials", "judges": ["lexicon"], "rule": "strict", "label_view": "blind"}
    app = page(lambda store: store.save_settings({**settings, "concepts": [], "design": {}}), "refusal")
    assert [each.value for each in app.code] == ["gnomon generate DIR"]


def test_a_fit_that_failed_is_the_reason_and_not_a_circle(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill_failed, "refusal")
    assert [each.value for each in app.code] == ["gnomon fit DIR"]
    assert any("raise draws and tune under [fit] in study.toml and fit again" in each.value for each in app.text)
    assert any("failed its convergence checks (R-hat 1.210" in each.value for each in app.text)
