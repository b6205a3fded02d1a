"""Refusal: how often each arm is refused, and what leaving refusals out may hide."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.view_filters import narrowed
from gnomon.stats.charts import diagnostic_charts, estimate_charts
from gnomon.stats.narrative import fit_sentences as telling
from gnomon.stats.narrative.fit_frames import Fitted, all_fitted, answering, records
from gnomon.stats.narrative.formatting import literal, unbroken

REFUSAL = "refusal"
VIEWS = {"judged": "As judged", "corrected": "Judge error taken out"}


def show() -> None:
    """Draw the page."""
    st.title("Refusal")
    place, store = study_picker.current()
    fits = all_fitted(store)
    fit = _fit(fits)
    st.caption(telling.WHY_REFUSALS)
    if fit is None or fit.failed or fit.overall(REFUSAL).empty:
        study_picker.offer(place, "fit", "No fit of this study gives refusal yet.")
        return
    fit = narrowed(fit)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _figure(fit)
    with right:
        _words(fit)
    _by_strength(fit)
    st.caption(literal(fit.design))


def _fit(fits: Mapping[str, Fitted]) -> Fitted | None:
    """The fit to look at: the one that takes verdicts at their word, or the corrected one where it is asked for."""
    corrected = fits.get("corrected")
    if corrected is None or corrected.failed or corrected.overall(REFUSAL).empty:
        return answering(fits, REFUSAL)
    kind = st.segmented_control(
        "Verdicts", list(VIEWS), default="judged", required=True, format_func=VIEWS.__getitem__, key="verdicts",
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    return corrected if kind == "corrected" else answering(fits, REFUSAL)


def _figure(fit: Fitted) -> None:
    bounds, words = fit.beside("bounds"), " ".join(telling.refusals(fit.estimands))
    if bounds.empty:
        st.text("The fit has no bounds: a study needs trials of the injection and the control arm for them.")
        return
    chart = diagnostic_charts.refusal_bounds(fit.estimands, bounds)
    show_chart(chart, "refusal-and-bounds", bounds, words=words)


def _words(fit: Fitted) -> None:
    st.subheader("Who refuses what")
    for line in telling.refusals(fit.estimands):
        st.text(unbroken(line))
    if said := list(telling.bounded(fit.estimands, fit.beside("bounds"))):
        st.subheader("What leaving refusals out may hide")
        for line in said:
            st.text(unbroken(line))
    st.subheader("How to read it")
    st.text(telling.BOUNDS)


def _by_strength(fit: Fitted) -> None:
    rows = fit.along(REFUSAL, "strength")
    if rows.empty:
        return
    st.subheader("By strength of the injection")
    words = " ".join(f"{row['subject']} at strength {row['value']:g}: {telling.ends(row)}." for row in records(rows))
    show_chart(estimate_charts.by_strength(rows, estimand=REFUSAL), "refusal-by-strength", rows, words=words)
