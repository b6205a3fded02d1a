"""Diagnostics page: convergence, posterior predictive checks, coverage in simulation, and all fits side by side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.sections.coverage_section import show_coverage
from gnomon.data.glossary import define_terms
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.estimand_registry import listed_estimands
from gnomon.stats.narrative import fit_sentences as telling
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, all_fitted, frame_rows
from gnomon.stats.narrative.formatting import (
    count_noun,
    escape_markdown,
    format_time,
    non_breaking,
    with_reader_headings,
)
from gnomon.stats.narrative.formatting import estimand_label as called


def show_page() -> None:
    """Draw the page."""
    st.title("Diagnostics")
    place, store = study_picker.current_study()
    fits = all_fitted(store)
    if not fits:
        study_picker.suggest_command(place, "fit", "No fit yet.")
        return
    st.subheader("Did the fits converge?", help=define_terms("R-hat", "effective sample size", "divergence"))
    for fit in fits.values():
        st.text(non_breaking(telling.convergence_sentence(fit.view, fit.status, fit.diagnostics)))
    with st.expander("All numbers", type="compact"):
        st.dataframe(pd.DataFrame([_fit_row(fit) for fit in fits.values()]), hide_index=True)
    st.caption(telling.GATES)
    _predictive_checks(fits)
    _prior_and_posterior(fits)
    _side_by_side(fits)
    show_coverage()


def _fit_row(fit: FitFrames) -> dict[str, object]:
    each, weighted = fit.diagnostics, fit.diagnostics.reweighted
    return {
        "fit": fit.view,
        "judge": fit.judge,
        "status": fit.status,
        "R-hat": each.max_rhat,
        "bulk ESS": each.min_ess_bulk,
        "tail ESS": each.min_ess_tail,
        "divergences": each.divergences,
        "draws": each.draws * each.chains,
        "seconds": round(each.seconds_compile + each.seconds_sample, 1),
        "weighted from": weighted.fit[:8] if weighted else "",
        "Pareto k": weighted.k if weighted else None,
        "made": format_time(fit.created_at) if fit.created_at else "",
    }


def _predictive_checks(fits: Mapping[str, FitFrames]) -> None:
    """Observed counts beside counts replicated from the posterior: misfits in words, a chart, all checks."""
    usable = {view: fit for view, fit in fits.items() if len(fit.predictive)}
    if not usable:
        return
    st.subheader("Posterior predictive check", help=define_terms("posterior predictive check"))
    view = next(iter(usable))
    if len(usable) > 1:
        view = str(st.selectbox("Fit", list(usable), key="predictive", bind="query-params"))
    rows = usable[view].predictive
    lines = list(telling.misfit_sentences(rows))
    if telling.misfit_headline(rows) is not None:
        st.error(escape_markdown(lines.pop(0)), icon=":material/error:")
    for line in lines:
        st.text(non_breaking(line))
    show_chart(diagnostic_charts.predictive_check_chart(rows), f"predictive-{view}", rows, words=" ".join(lines))
    st.caption(telling.CHECKS)
    with st.expander(f"All {count_noun(len(rows), 'check')}", type="compact"):
        numbers = {name: st.column_config.NumberColumn(format="%.1f") for name in ("expected", "low95", "high95")}
        numbers |= {name: st.column_config.NumberColumn(format="%.4f") for name in ("p", "p corrected")}
        st.dataframe(telling.check_table(rows), hide_index=True, column_config=numbers)


def _prior_and_posterior(fits: Mapping[str, FitFrames]) -> None:
    """The interval of each estimate under the priors alone, and after the data."""
    usable = {view: fit for view, fit in fits.items() if len(fit.prior)}
    if not usable:
        return
    st.subheader("Prior and posterior", help=define_terms("prior", "posterior"))
    for view, fit in usable.items():
        with st.expander(f"95 % intervals before and after the data: {escape_markdown(view)}", type="compact"):
            width = st.column_config.NumberColumn("posterior width, % of prior", format="%.0f")
            table = with_reader_headings(telling.prior_table(fit.prior, fit.estimands))
            st.dataframe(table, hide_index=True, column_config={"width": width})
    st.caption(telling.PRIOR_DECIDES)


def _side_by_side(fits: Mapping[str, FitFrames]) -> None:
    """One row per model and estimate, one column per fit."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for view, fit in fits.items():
        for name in listed_estimands():
            for row in frame_rows(fit.overall_estimates(name), TidyEstimate):
                cells.setdefault((row.subject, called(name)), {})[view] = telling.interval_phrase(row)
    if len(fits) < 2 or not cells:
        return
    st.subheader("All fits")
    table = [{"model": subject, "estimate": name, **said} for (subject, name), said in sorted(cells.items())]
    st.dataframe(pd.DataFrame(table).fillna(""), hide_index=True)
    for view, fit in fits.items():
        st.caption(escape_markdown(f"{view}: {fit.design}"))
