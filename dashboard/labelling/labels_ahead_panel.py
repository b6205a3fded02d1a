"""Section of the Judges page: what more labels would leave of the interval's width, computed beside the page."""

from __future__ import annotations

import streamlit as st

from gnomon.dashboard.components.page_errors import with_errors_in_one_line
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.labelling.progress_panel import POLL
from gnomon.dashboard.labelling.progress_watch import ProgressWatch, watch_of
from gnomon.dashboard.study_picker import StudyRef
from gnomon.data.glossary import define_terms
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import escape_markdown
from gnomon.stats.tables.labels_ahead_table import labels_ahead_table

NOBODY = ""
"""The rater of a page on which nobody labels: what it is shown is of the whole study."""


def show_labels_ahead(place: StudyRef, store: Store) -> None:
    """Draw the section, and again as soon as what is simulated in a process of its own is known.

    Parameters
    ----------
    place : StudyRef
        The study, for the command that gives the same numbers.
    store : Store
        Its store.
    """
    st.header("What would more labels buy?", help=define_terms("label", "credible interval"))
    watch = watch_of(store, NOBODY)
    known = watch.keep_up(store, store.count_rows(tables.labels))
    if (known is not None and known.is_whole) or watch.problem:
        _draw(watch, place)
    else:
        st.fragment(with_errors_in_one_line(_draw_until_whole), run_every=POLL)(watch, place)


def _draw_until_whole(watch: ProgressWatch, place: StudyRef) -> None:
    shown = watch.latest
    if (shown is not None and shown.is_whole) or watch.problem:
        st.rerun()  # the page draws it without a clock
    _draw(watch, place)


def _draw(watch: ProgressWatch, place: StudyRef) -> None:
    shown = watch.latest
    if watch.problem:
        st.caption(f"It cannot be computed: {escape_markdown(watch.problem)}")
    elif shown is not None and shown.lacking:
        st.text(f"Not known yet: {shown.lacking}.")
    elif shown is None or shown.progress is None:
        st.caption("The interval's width is being computed; the page can be read meanwhile.")
    else:
        show_table(labels_ahead_table(shown.progress))
        if shown.progress.planned_at is None:
            st.caption("What more labels leave is being simulated; the page can be read meanwhile.")
        elif shown.progress.ahead:
            st.caption("The same from the command line, in its row of 0 new trials, for any number of labels:")
            st.code(
                f"{place.shell_command('plan')} --budget {shown.progress.ahead[-1].labels} --price-label 1",
                language=None,
            )
