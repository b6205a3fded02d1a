"""Diagnostics page: convergence, posterior predictive checks, coverage in simulation, and all fits side by side."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.sections.coverage_section import show_coverage
from gnomon.dashboard.sections.next_step_section import show_step, show_way_to_fit
from gnomon.dashboard.sections.sampling_section import show_sampling
from gnomon.data.glossary import define_terms
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.charts.sampling_charts import prior_posterior_chart
from gnomon.stats.estimand_registry import ESTIMANDS
from gnomon.stats.narrative import fit_sentences as telling
from gnomon.stats.narrative.fit_frames import FitFrames, all_fitted
from gnomon.stats.narrative.formatting import count_noun, escape_markdown, non_breaking
from gnomon.stats.narrative.formatting import estimand_label as called
from gnomon.stats.narrative.next_steps import REFIT
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.diagnostics.diagnostic_tables import all_fits_table, predictive_table, prior_posterior_table
from gnomon.stats.tables.diagnostics.fit_table import fit_table


def show_page() -> None:
    """Draw the page."""
    st.title("Diagnostics")
    place, store = study_picker.current_study()
    fits = all_fitted(store)
    if not fits:
        show_way_to_fit(place, store)
        show_coverage()
        return
    st.header("Convergence", help=define_terms("R-hat", "effective sample size", "divergence"))
    for fit in fits.values():
        st.text(non_breaking(telling.convergence_sentence(fit.view, fit.status, fit.diagnostics)))
    if any(fit.has_failed for fit in fits.values()):
        show_step(place, REFIT)
    stored = newest_fits(store)
    show_table(fit_table(stored.values()))
    _predictive_checks(fits)
    _prior_and_posterior(fits)
    show_sampling(place, store, stored)
    _side_by_side(fits)
    show_coverage()


def _pick_fit(fits: Mapping[str, FitFrames], key: str) -> FitFrames:
    """The one fit, or the one that is picked."""
    view = next(iter(fits))
    if len(fits) > 1:
        view = str(st.selectbox("Fit", list(fits), key=key, bind="query-params", width=320))
    return fits[view]


def _predictive_checks(fits: Mapping[str, FitFrames]) -> None:
    """Observed counts beside counts replicated from the posterior: misfits in words, a chart, all checks."""
    usable = {view: fit for view, fit in fits.items() if len(fit.predictive)}
    if not usable:
        return
    st.header("Posterior predictive check", help=define_terms("posterior predictive check"))
    fit = _pick_fit(usable, "predictive")
    rows = fit.predictive
    lines = list(telling.misfit_sentences(rows))
    if telling.misfit_headline(rows) is not None:
        st.error(escape_markdown(lines.pop(0)), icon=":material/error:")
    for line in lines:
        st.text(non_breaking(line))
    chart = diagnostic_charts.predictive_check_chart(rows)
    show_chart(chart, f"predictive-{_file_name(fit)}", rows, words=" ".join(lines))
    with st.expander(f"All {count_noun(len(rows), 'check')}", type="compact"):
        show_table(predictive_table(fit))


def _prior_and_posterior(fits: Mapping[str, FitFrames]) -> None:
    """The interval of each estimate under the priors alone, and after the data: a chart of one model, and the table."""
    usable = {view: fit for view, fit in fits.items() if len(fit.prior)}
    if not usable:
        return
    st.header("Prior and posterior", help=define_terms("prior", "posterior"))
    fit = _pick_fit(usable, "prior")
    subjects = list(dict.fromkeys(fit.prior["subject"]))
    subject = subjects[0]
    if len(subjects) > 1:
        subject = str(st.selectbox("Model", subjects, key="prior_model", bind="query-params", width=320))
    whole = fit.estimands[(fit.estimands["axis"] == "") & (fit.estimands["subject"] == subject)]
    prior = fit.prior[fit.prior["subject"] == subject]
    names = {name: called(name)[:1].upper() + called(name)[1:] for name in ESTIMANDS if name in set(prior["estimand"])}
    table = prior_posterior_table(fit)
    if len(whole):
        chart = prior_posterior_chart(prior, whole, names)
        words = f"Prior and posterior intervals of the estimates of {subject}, fit {fit.view}."
        show_chart(chart, f"prior-posterior-{_file_name(fit)}", table.data_frame(), words=words)
    with st.expander("95 % intervals before and after the data", type="compact"):
        show_table(table)


def _file_name(fit: FitFrames) -> str:
    return fit.view.replace(":", "-")


def _side_by_side(fits: Mapping[str, FitFrames]) -> None:
    """One row per model and estimate, one column per fit."""
    table = all_fits_table(fits)
    if len(fits) < 2 or not table:
        return
    st.header("All fits")
    show_table(table)
    for view, fit in fits.items():
        st.caption(escape_markdown(f"{view}: {fit.design}"))
