"""The page on the battery: what is left after the yes-shift, one row a task; without a battery, the command."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from gnomon.data.arms.battery_measures import BATTERY
from gnomon.data.readings import ANSWER, OptionReading
from gnomon.data.records import Arm, Condition, Span, Subject, Trial, trial_seed
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

TASKS = ("notice", "unrelated_no", "unrelated_yes")
CONCEPTS = ("ocean", "fear", "music")


def drawn(url: str) -> AppTest:
    def page(url: str) -> None:
        import streamlit as st

        from gnomon.dashboard import study_picker
        from gnomon.dashboard.views import battery

        st.session_state["place"] = study_picker.StudyRef("toy", url)
        battery.show_page()

    return AppTest.from_function(page, args=(url,), default_timeout=60).run()


def fill(store: Store, shift: float) -> None:
    """Questions answered by log-odds that are written down: the vector moves every yes by `shift`."""
    store.add_subjects([Subject("toy", 1e9, "toy", "instruct", "r0")])
    trials = []
    for task in TASKS:
        measure = {"name": task, "options": {"yes": ["Yes"], "no": ["No"]}, "expected": BATTERY[task].expected}
        for item in range(8):
            store.add_protocol(f"{task}-{item}", f"{task}: {item}", {"name": f"{task}: {item}", "measure": measure})
            for place, concept in enumerate((None, *CONCEPTS)):
                steered = concept is not None
                arm = Arm.INJECTION if steered else Arm.CONTROL
                condition = Condition(
                    "toy", "r0", arm, concept, 9 if steered else None, 2.0 * steered, Span.ALL, f"{task}-{item}",
                    "v" if steered else None, 1,
                )  # fmt: skip
                odds = -2.0 + 0.3 * item + (shift + 0.05 * place) * steered
                readings = {ANSWER: OptionReading.from_logits({"yes": odds, "no": 0.0})}
                id_ = condition.trial_id(0)
                trials.append(Trial(id_, condition, 0, trial_seed(id_), "", "read", 0, measure=task, readings=readings))
    store.add_trials(trials)


def test_a_shift_of_every_yes_leaves_nothing_and_the_page_says_so(tmp_path):
    url = sqlite_url(tmp_path / "gnomon.db")
    store = Store.open(url)
    fill(store, 1.5)
    store.close()
    app = drawn(url)
    assert not app.exception
    assert any("nothing is left after the yes-shift" in text.value for text in app.text)
    (table,) = (frame.value for frame in app.dataframe if "task" in frame.value.columns and "counted" in frame.value)
    assert list(table["task"]) == list(TASKS)
    assert table["control"].str.contains("%").all()


def test_without_a_battery_the_page_gives_the_command(tmp_path):
    url = sqlite_url(tmp_path / "gnomon.db")
    Store.open(url).close()
    app = drawn(url)
    assert not app.exception
    assert app.code[0].value.startswith("gnomon battery ")
