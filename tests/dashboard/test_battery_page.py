"""The page on the battery: what is left after the yes-shift, one row a task; without a battery, the command."""

from __future__ import annotations

from battery_study import TASKS, fill_battery
from streamlit.testing.v1 import AppTest

from gnomon.dashboard.transcripts.transcript_query import trial_rows
from gnomon.dashboard.views.transcripts import condition_phrase
from gnomon.data.arms.battery_measures import task_title
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store


def drawn(url: str) -> AppTest:
    def page(url: str) -> None:
        import streamlit as st

        from gnomon.dashboard import study_picker
        from gnomon.dashboard.views import battery

        st.session_state["place"] = study_picker.StudyRef("toy", url)
        battery.show_page()

    return AppTest.from_function(page, args=(url,), default_timeout=60).run()


def test_a_shift_of_every_yes_leaves_nothing_and_the_page_says_so(tmp_path):
    url = sqlite_url(tmp_path / "gnomon.db")
    store = Store.open(url)
    fill_battery(store, 1.5)
    store.close()
    app = drawn(url)
    assert not app.exception
    (shift,) = (frame.value for frame in app.dataframe if "What remains" in frame.value)
    assert set(shift["Reading"]) == {"nothing left"}
    (table,) = (frame.value for frame in app.dataframe if "Task" in frame.value.columns and "Counted" in frame.value)
    assert list(table["Task"]) == [task_title(task) for task in TASKS]
    assert table["Control"].between(0, 1).all(), "the page sorts by values"


def test_without_a_battery_the_page_gives_the_command(tmp_path):
    url = sqlite_url(tmp_path / "gnomon.db")
    Store.open(url).close()
    app = drawn(url)
    assert not app.exception
    assert app.code[0].value.startswith("gnomon battery ")


def test_transcripts_name_the_task_of_a_trial(tmp_path):
    store = Store.open(sqlite_url(tmp_path / "gnomon.db"))
    fill_battery(store, 1.5)
    rows = trial_rows(store, sorted(store.trial_ids()))
    phrases = [condition_phrase(row, with_subject=False) for row in rows.itertuples()]
    assert {phrase.split(" · ")[0] for phrase in phrases} == {f"task {task_title(task)}" for task in TASKS}
    assert phrases[0].split(" · ")[1] in ("control", "injection")
    store.close()
