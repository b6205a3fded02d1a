"""Refusal page: refusal rate by arm, and how excluding refusals may bias the estimates."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.headline_estimates import study_caveat_strip
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.components.view_filters import filter_fit
from gnomon.dashboard.sections.next_step_section import show_step, show_way_to_fit
from gnomon.data.glossary import define_terms
from gnomon.stats.charts import diagnostic_charts, estimate_charts
from gnomon.stats.narrative import fit_sentences as telling
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, all_fitted, fit_for, frame_rows
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking
from gnomon.stats.narrative.next_steps import REFIT
from gnomon.stats.tables.breakdown_tables import breakdown_table
from gnomon.stats.tables.models.refusal_tables import bounds_table, refusal_table

REFUSAL = "refusal"
VIEWS = {"judged": "As judged", "corrected": "Corrected for judge error"}


def show_page() -> None:
    """Draw the page."""
    st.title("Refusal")
    place, store = study_picker.current_study()
    fits = all_fitted(store)
    study_caveat_strip(fits)
    fit = _choose_fit(fits)
    st.caption(telling.WHY_REFUSALS)
    if not fits:
        show_way_to_fit(place, store)
        return
    if fit is None or not has_refusal(fit):
        _say_why_absent(place, fits)
        return
    fit = filter_fit(fit)
    if said := telling.refusal_headline(fit.estimands):
        st.header(non_breaking(escape_markdown(said)), anchor=False)
    _show_refusal(fit)
    _show_bounds(fit)
    _by_strength(fit)
    st.caption(escape_markdown(fit.design))


def has_refusal(fit: FitFrames) -> bool:
    """Whether a fit gives refusal, over a design or in an arm."""
    return not fit.has_failed and bool(
        len(fit.overall_estimates(REFUSAL)) or len(fit.estimates_by_axis(REFUSAL, "arm"))
    )


def _say_why_absent(place: study_picker.StudyRef, fits: Mapping[str, FitFrames]) -> None:
    """Why no fit gives refusal: each fit's own reason; a further fit would give it no more than these."""
    st.info("No fit of this study gives refusal.")
    for view, fit in fits.items():
        if fit.has_failed:
            st.text(f"{view}: it failed its convergence checks ({'; '.join(fit.reasons)}), so it shows no estimate.")
            continue
        for reason in fit.why_not(REFUSAL) or ["it does not hold refusal: the verdicts or counts do not report it"]:
            st.text(f"{view}: {reason.rstrip('.')}.")
    if any(fit.has_failed for fit in fits.values()):
        show_step(place, REFIT)


def _choose_fit(fits: Mapping[str, FitFrames]) -> FitFrames | None:
    """The fit to show: the uncorrected one, or the corrected one on request."""
    corrected = fits.get("corrected")
    if corrected is None or not has_refusal(corrected):
        return fit_for(fits, REFUSAL)
    kind = st.segmented_control(
        "Verdicts", list(VIEWS), default="judged", required=True, format_func=VIEWS.__getitem__, key="verdicts",
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    return corrected if kind == "corrected" else fit_for(fits, REFUSAL)


def _show_refusal(fit: FitFrames) -> None:
    """Refusal by model and arm: a chart and its table."""
    rows = fit.estimates_by_axis(REFUSAL, "arm")
    if rows.empty:
        return
    st.header("Refusal rates", help=define_terms("refusal", "refused"))
    words = " ".join(telling.refusal_sentences(fit.estimands))
    show_chart(diagnostic_charts.refusal_chart(fit.estimands), "refusal", rows, words=words)
    show_table(refusal_table(fit))


def _show_bounds(fit: FitFrames) -> None:
    """What excluding refusals may hide: a chart and its table."""
    bounds = fit.comparison_entry("bounds")
    st.header("Selection bounds", help=define_terms("selection bounds", "Lee bounds"))
    if bounds.empty:
        st.text("This fit gives no bounds; they need trials of both the injection and the control arm.")
        return
    words = " ".join(telling.bounds_sentences(fit.estimands, bounds))
    show_chart(diagnostic_charts.bounds_chart(fit.estimands, bounds), "selection-bounds", bounds, words=words)
    show_table(bounds_table(fit))
    st.caption(telling.BOUNDS)


def _by_strength(fit: FitFrames) -> None:
    rows = fit.estimates_by_axis(REFUSAL, "strength")
    if rows.empty:
        return
    st.header("By strength of the injection")
    words = " ".join(
        f"{row.subject} at strength {float(row.value):g}: {telling.interval_phrase(row)}."
        for row in frame_rows(rows, TidyEstimate)
    )
    show_chart(estimate_charts.strength_chart(rows, estimand=REFUSAL), "refusal-by-strength-chart", rows, words=words)
    show_table(breakdown_table(fit, REFUSAL, "strength"))
