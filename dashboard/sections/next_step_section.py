"""What to do next: why, and the command or the page; for pages that have nothing to show too."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import escape_markdown
from gnomon.stats.narrative.next_steps import NextStep, way_to_fit
from gnomon.stats.narrative.study_overview import (
    StudyCounts,
    StudyOverview,
    count_trials_and_verdicts,
    summarize_study,
)


@st.cache_data(max_entries=16, show_spinner=False)
def study_overview(url: str, stamp: tuple[int, ...], _store: Store) -> StudyOverview:
    """The counts of a study, kept until a fact is added to it.

    Parameters
    ----------
    url : str
        URL of the study's database; part of the cache key.
    stamp : tuple of int
        The study's change token; part of the cache key.
    _store : Store
        The study's store; not part of the cache key.
    """
    return summarize_study(_store, _counted(url, study_picker.verdict_token(_store), _store))


@st.cache_data(max_entries=16, show_spinner=False)
def _counted(url: str, stamp: tuple[int, ...], _store: Store) -> StudyCounts:
    return count_trials_and_verdicts(_store)


def show_step(place: study_picker.StudyRef, step: NextStep, *, alone: bool = False) -> None:
    """Why, and the command or the page.

    Parameters
    ----------
    place : StudyRef
        The study.
    step : NextStep
    alone : bool, default False
        Whether the page has nothing else to show: the reason then stands in a box.
    """
    if alone:
        st.info(escape_markdown(step.why))
    else:
        st.text(step.why)
    if step.step:
        st.code(place.shell_command(step.step, step.options), language=None, wrap_lines=True)
    if step.page:
        st.page_link(
            st.session_state["pages"][step.page],
            label=f"Open {step.page.capitalize()}",
            icon=":material/arrow_forward:",
        )


def show_way_to_fit(place: study_picker.StudyRef, store: Store) -> None:
    """That nothing is fitted, and the step that comes first: a fit where it can be made, else what it needs.

    Parameters
    ----------
    place : StudyRef
        The study.
    store : Store
        Its store.
    """
    st.info("No fit yet.")
    show_step(place, way_to_fit(study_overview(place.url, study_picker.change_token(store), store)))


def show_way(place: study_picker.StudyRef, store: Store, way: Callable[[StudyOverview], NextStep]) -> None:
    """What a page needs that has nothing to show.

    Parameters
    ----------
    place : StudyRef
        The study.
    store : Store
        Its store.
    way : callable
        What leads to it, from the study's counts (`narrative.next_steps`).
    """
    show_step(place, way(study_overview(place.url, study_picker.change_token(store), store)), alone=True)
