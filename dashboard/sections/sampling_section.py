"""How the estimates of a fit were sampled: ranks, effective draws and chains of one of them, from its kept draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.sections.next_step_section import show_step
from gnomon.data.errors import GnomonError
from gnomon.data.files import DRAWS_FOLDER
from gnomon.data.glossary import define_terms
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_file
from gnomon.data.storage.store import Store
from gnomon.stats.charts import sampling_charts
from gnomon.stats.fitted_posterior import EstimateName, estimate_chains, load_kept_posterior
from gnomon.stats.narrative.formatting import estimand_label
from gnomon.stats.narrative.next_steps import NextStep, draws_step
from gnomon.stats.results import PASSED, StoredFit
from gnomon.stats.tables.diagnostics.diagnostic_tables import JOINT_NOTE, SMALL_STUDY, sampling_table

ON_SERVER = NextStep(
    "Draws are kept beside a database in a file, not on a server: write them to a file for ArviZ.",
    step="fit",
    options=("--netcdf", "draws.nc"),
)
SHOWN = 10
"""Estimates up to which the table is not folded."""


def show_sampling(place: study_picker.StudyRef, store: Store, stored: Mapping[str, StoredFit]) -> None:
    """Draw the section.

    Parameters
    ----------
    place : StudyRef
        The study.
    store : Store
        Its store.
    stored : mapping of str to StoredFit
        Its newest fits by view.
    """
    fits = {view: fit for view, fit in stored.items() if fit.status == PASSED}
    if not fits:
        return
    st.header("Sampling", help=define_terms("R-hat", "effective sample size"))
    usual = store.count_rows(tables.trials) <= SMALL_STUDY
    if not st.toggle("Plots of the draws", usual, key="draws", bind="query-params"):
        return
    view = next(iter(fits))
    if len(fits) > 1:
        view = str(st.selectbox("Fit", list(fits), key="sampled", bind="query-params", width=320))
    if sqlite_file(place.url) is None:
        show_step(place, ON_SERVER)
        return
    found = kept_chains(place.url, fits[view].id, study_picker.change_token(store), store, fits[view])
    if isinstance(found, str):
        st.text(found)
        show_step(place, draws_step(view))
        return
    _show_estimate(found, view)
    st.caption(JOINT_NOTE)


def _show_estimate(chains: Mapping[EstimateName, np.ndarray], view: str) -> None:
    """The table of all estimates, and three plots of one."""
    with st.container() if len(chains) <= SHOWN else st.expander(f"Convergence of all {len(chains)} estimates"):
        show_table(sampling_table(chains, view))
    subjects = list(dict.fromkeys(subject for subject, _ in chains))
    with st.container(horizontal=True):
        subject = subjects[0]
        if len(subjects) > 1:
            subject = str(st.selectbox("Model", subjects, key="drawn_model", bind="query-params", width=320))
        names = [name for each, name in chains if each == subject]
        name = st.selectbox("Estimate", names, format_func=estimand_label, key="drawn", bind="query-params", width=320)
    mine = chains[subject, str(name)]
    if np.ptp(mine) == 0:
        st.text("All draws of this estimate are the same.")
        return
    said = f"{estimand_label(str(name))} of {subject}, fit {view}"
    for what, frame, make in (
        ("ranks", sampling_charts.rank_frame(mine), sampling_charts.rank_chart),
        ("effective-draws", sampling_charts.effective_draws_frame(mine), sampling_charts.effective_draws_chart),
        ("trace", sampling_charts.trace_frame(mine), sampling_charts.trace_chart),
    ):
        show_chart(make(frame), f"{what}-{view}".replace(":", "-"), frame, words=f"{what.replace('-', ' ')}: {said}.")


@st.cache_data(max_entries=8, show_spinner="Reading the draws")
def kept_chains(
    url: str, fit_id: str, stamp: tuple[int, ...], _store: Store, _fit: StoredFit
) -> dict[EstimateName, np.ndarray] | str:
    """Draws of the headline estimates of a fit, or why there are none.

    Parameters
    ----------
    url : str
        URL of the study's database; part of the cache key.
    fit_id : str
        Hash of the fit; part of the cache key.
    stamp : tuple of int
        The study's change token; part of the cache key.
    _store : Store
        The study's store; not part of the cache key.
    _fit : StoredFit
        The fit; not part of the cache key.
    """
    file = sqlite_file(url)
    assert file is not None
    try:
        return estimate_chains(load_kept_posterior(_store, _fit, Path(file).parent / DRAWS_FOLDER))
    except GnomonError as error:
        return f"No draws to plot: {error}."
