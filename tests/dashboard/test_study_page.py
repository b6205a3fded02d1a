"""The study page opens with the answer, its intervals, what it rests on, and what to do next."""

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


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Store], None]], AppTest]:
    """Opens the first page of a study that is filled first."""

    def open_(fill: Callable[[Store], None]) -> AppTest:
        url = sqlite_url(tmp_path / "gnomon.db")
        store = Store.open(url)
        fill(store)
        store.close()
        monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("mine", url)]))
        monkeypatch.setattr("sys.argv", ["app.py"])
        app = AppTest.from_file(str(APP), default_timeout=120).run()
        assert not app.exception
        assert not app.error
        return app

    return open_


def test_one_model_is_answered_for_with_intervals(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill)
    assert "raw net detection −5 % " in app.subheader[0].value.replace("\xa0", " ")
    cards = {each.label: (each.value, each.delta) for each in app.metric}
    assert cards["Identification"] == ("35\xa0%", "25 to 45\xa0% (95\xa0%)")
    assert cards["Raw net detection"] == ("−5\xa0%", "−17 to +7\xa0% (95\xa0%)")
    told = " ".join(each.value for each in app.caption)
    assert "outcome rule strict" in told
    assert [each.label for each in app.expander][-4:] == ["Design", "Verdicts", "Labels", "Fits"]


def test_counts_of_several_models_show_their_range_and_any_of_them(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill_published)
    assert app.metric[0].value == "−49 to +58\xa0%"
    app.selectbox(key="model").set_value("Qwen2.5-14B-Instruct").run()
    assert app.metric[0].value == "+41\xa0%"
    assert any(each.value == "24,600" for each in app.metric)


def test_a_study_without_an_estimate_says_why_and_shows_no_number(page: Callable[..., AppTest]) -> None:
    app = page(demo.fill_failed)
    assert app.subheader[0].value.startswith("No estimate")
    assert {each.label for each in app.metric} == {"Models", "Trials", "Verdicts", "Labelled", "Fits that passed"}
