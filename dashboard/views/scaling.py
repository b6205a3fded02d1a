"""Scaling page: an estimate against model size with its uncertainty, in words, and comparisons of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.background.kept_measurements import measured_or_waiting
from gnomon.dashboard.background.measurements import BOUNDS
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.headline_estimates import show_sensitivity, study_caveat_strip
from gnomon.dashboard.components.measured_battery import cached_summary
from gnomon.dashboard.components.method_estimates import show_methods
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.components.view_filters import filter_fit
from gnomon.dashboard.sections.next_step_section import show_step, show_way, show_way_to_fit
from gnomon.data.errors import GnomonError
from gnomon.data.glossary import define_terms
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.bounds.selection_bounds import EffectBounds
from gnomon.stats.charts import diagnostic_charts, estimate_charts
from gnomon.stats.charts.battery_scaling_chart import battery_scaling_chart, battery_scaling_rows
from gnomon.stats.estimand_registry import (
    CORRECTED_VIEW,
    ESTIMANDS,
    NET_RAW,
    corrected_estimands,
    corrected_name,
    is_corrected,
    listed_estimands,
    primary_estimands,
)
from gnomon.stats.narrative import estimate_sentences
from gnomon.stats.narrative.battery.battery_sentences import task_sentences, yes_shift_sentences
from gnomon.stats.narrative.battery.variant_sentences import judged_variant_sentences
from gnomon.stats.narrative.caveats import COUNTS_WITHOUT_CORRECTION, PUBLISHED_VIEW
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, all_fitted, default_figure, fit_for, frame_rows
from gnomon.stats.narrative.fit_sentences import misfit_headline
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking
from gnomon.stats.narrative.formatting import estimand_label as called
from gnomon.stats.narrative.next_steps import REFIT, way_to_fit
from gnomon.stats.tables.models import size_tables
from gnomon.stats.tables.models.model_table import model_table

HEIGHT = 400
"""Height of the scaling chart in pixels."""
APART = 0.005
"""Difference between two contrasts below which only one is shown."""


def show_page() -> None:
    """Draw the page."""
    st.title("Scaling")
    place, store = study_picker.current_study()
    fits = all_fitted(store)
    if not fits:
        show_way_to_fit(place, store)
        return
    study_caveat_strip(fits)
    name = _estimand_tabs(default_figure(fits))
    st.caption(ESTIMANDS[name].definition)
    fit = fit_for(fits, name, _preferred_fit(fits, name))
    if _is_absent(place, store, fit, name, counts_only=set(fits) == {PUBLISHED_VIEW}):
        return
    assert fit is not None
    if (misfit := misfit_headline(fit.predictive)) is not None:
        st.error(escape_markdown(misfit), icon=":material/error:")
    fit = filter_fit(fit)
    _scaling_chart(fits, fit, name)
    _size_tables(fit, name)
    _compare_pairs(fit, name)
    bounds = _refusal_bounds(place, store, fits)
    _all_models(fits, bounds)
    show_methods(fit)
    _effect_of_refusals(fit, bounds.get(fit.view, {}))
    _show_variants(store, fit, name)
    _show_breakdown(fit, name)
    _show_cells(fit, name)
    _show_battery(place, store)
    show_sensitivity(place, store, fits, size_tables.leave_one_out_table(fit, name), size_tables.odds_ratio_table(fit))
    st.caption(escape_markdown(fit.design))


def _estimand_tabs(first: str) -> str:
    chosen = st.segmented_control(
        "Estimate",
        list(listed_estimands()),
        default=first,
        required=True,
        format_func=lambda name: ESTIMANDS[name].tab_label,
        key="figure",
        bind="query-params",
        label_visibility="collapsed",
    )
    return str(chosen or first)


def _preferred_fit(fits: Mapping[str, FitFrames], name: str) -> str | None:
    """The view to show if several fits apply: of another judge, or of another label view."""
    kind = "corrected" if is_corrected(name) else "judged"
    views = [view for view in fits if view.split(":")[0] == kind]
    if len(views) < 2:
        return None
    titles = {view: f"{view.partition(':')[2] or 'usual'} ({fits[view].judge})" for view in views}
    with st.sidebar:
        return st.selectbox("Fit", views, format_func=titles.__getitem__, key=f"fit {kind}")


def _is_absent(
    place: study_picker.StudyRef, store: Store, fit: FitFrames | None, name: str, *, counts_only: bool
) -> bool:
    """Show why an estimate is missing; False if it is there."""
    if fit is None and counts_only:
        st.text(COUNTS_WITHOUT_CORRECTION)
        return True
    if fit is None:
        st.text(f"No fit of this study gives the {called(name)} yet.")
        show_way(place, store, way_to_fit)
        return True
    if fit.has_failed:
        st.error("This fit failed its convergence checks, so its estimates are hidden.", icon=":material/error:")
        st.text("\n".join(fit.reasons))
        show_step(place, REFIT)
        return True
    if fit.overall_estimates(name).empty:
        st.markdown(f":orange[:material/block:] The {called(name)} is not shown.")
        for reason in fit.why_not(name) or [f"The fit '{fit.view}' does not hold it."]:
            st.text(f"{reason.rstrip('.')}.")
        return True
    for reason in fit.why_not(name):
        st.text(f"Left out: {reason.rstrip('.')}.")
    return False


def _scaling_chart(fits: Mapping[str, FitFrames], fit: FitFrames, name: str) -> None:
    rows, curve = fit.overall_estimates(name), fit.curve[fit.curve["estimand"] == name]
    overlay = _overlay_published(fit, name)
    shown = pd.concat([rows, overlay], ignore_index=True) if len(overlay) else rows
    words = f"{called(name)}. " + " ".join(
        estimate_sentences.figure_sentence(row) for row in frame_rows(rows, TidyEstimate)
    )
    if shown["parameters"].nunique() > 1:
        band = fit.comparison_entry("new_subject")
        chart = estimate_charts.scaling_chart(shown, curve, estimand=name, predictive=band)
        chart = chart.properties(width=estimate_charts.PAGE_WIDTH, height=HEIGHT)
        show_chart(chart, f"scaling-{name}", shown, words=words)
    else:
        every = _every_figure(fits, fit)
        show_chart(estimate_charts.forest_plot(every), "figures", every, words=words)
        st.caption("One model size only: a trend over size cannot be estimated.")


def _every_figure(fits: Mapping[str, FitFrames], fit: FitFrames) -> pd.DataFrame:
    """All estimates of a study over its whole design, with the corrected ones if a fit gives them."""
    found = [fit.overall_estimates(name) for name in listed_estimands()]
    found += [
        other.overall_estimates(name) for other in fits.values() if other is not fit for name in corrected_estimands()
    ]
    filled = [frame for frame in found if len(frame)]
    return pd.concat(filled, ignore_index=True).drop_duplicates(["subject", "estimand"])


def _overlay_published(fit: FitFrames, name: str) -> pd.DataFrame:
    """The published study's points beside this study's, if the server shows both and the reader selects it."""
    if fit.view == "published" or name not in {each.name for each in primary_estimands("size")}:
        return pd.DataFrame()
    published = _published_fit()
    if published is None or not st.toggle("Overlay published models", key="overlay", bind="query-params"):
        return pd.DataFrame()
    st.caption("Published models: another protocol and another judge, so not directly comparable.")
    rows = published.overall_estimates(name)
    return rows.assign(variant="published " + rows["variant"])


def _published_fit() -> FitFrames | None:
    """A fit of published counts among the server's other studies; a study that cannot be opened is skipped."""
    for place in study_picker.all_places():
        try:
            store = study_picker.open_store(place)
            found = all_fitted(store).get(PUBLISHED_VIEW) if PUBLISHED_VIEW in store.newest_fit_times() else None
        except GnomonError:
            continue
        if found is not None and not found.has_failed:
            return found
    return None


def _size_tables(fit: FitFrames, name: str) -> None:
    """Steps between the models that were run, and the trend through them."""
    trends, steps = size_tables.trend_table(fit, name), size_tables.step_table(fit, name)
    if not trends and not steps:
        return
    st.header("Does it change with model size?", help=define_terms("trend"))
    for line in estimate_sentences.trend_sentences(fit.comparison_entry("slopes"), name):
        st.text(non_breaking(line))
    show_table(steps)
    show_table(trends)


def _compare_pairs(fit: FitFrames, name: str) -> None:
    """Two chosen models in a sentence, and every pair in a table."""
    contrasts = fit.contrasts[fit.contrasts["estimand"] == name]
    if contrasts.empty:
        return
    st.header("Compare two")
    sizes = fit.overall_estimates(name).sort_values("parameters")
    labels = {
        row.subject: estimate_sentences.size_label(row.subject, row.parameters)
        for row in frame_rows(sizes, TidyEstimate)
    }
    names = list(labels)
    left, right = st.columns(2)
    a = left.selectbox("This model", names, index=len(names) - 1, format_func=labels.__getitem__, key="this")
    b = right.selectbox("against", names, index=0, format_func=labels.__getitem__, key="against")
    row = estimate_sentences.find_contrast(contrasts, name, a, b)
    st.text(non_breaking(estimate_sentences.contrast_sentence(row)) if row else "Choose two different models.")
    one = estimate_sentences.find_contrast(fit.comparison_entry("standard_contrasts"), name, a, b)
    if row and one and abs(one.mean - row.mean) > APART:
        st.text(non_breaking(f"With the same design: {estimate_sentences.contrast_sentence(one)}"))
        st.caption(estimate_sentences.STANDARD)
    with st.expander("All pairs"):
        show_table(size_tables.pair_table(fit, name))


def _all_models(fits: Mapping[str, FitFrames], bounds: Mapping[str, Mapping[str, EffectBounds]]) -> None:
    """Every model in one sortable table, and which of its columns compares models."""
    chosen = st.session_state.get("subject")
    table = model_table(fits, bounds)
    table = replace(table, rows=tuple(row for row in table.rows if not chosen or row["model"] in chosen))
    if table:
        st.header("All models", help=define_terms("estimate", "credible interval"))
        show_table(table)
        st.caption(estimate_sentences.COMPARABLE)


def _effect_of_refusals(fit: FitFrames, bounds: Mapping[str, EffectBounds]) -> None:
    """Models that refuse one arm much more than the other, and what that does to their estimates."""
    if lines := list(estimate_sentences.refusal_asymmetry(fit.estimands, bounds)):
        st.header("Effect of refusals", help=define_terms("engaged", "engaged net detection", "Lee bounds"))
        for line in lines:
            st.text(non_breaking(line))


def _refusal_bounds(
    place: study_picker.StudyRef, store: Store, fits: Mapping[str, FitFrames]
) -> dict[str, Mapping[str, EffectBounds]]:
    """Lee's bounds of each fit by model, from the counts behind it; corrected fits have none.

    Empty while they are being computed, which the page then tells.
    """
    stamp, found = study_picker.verdict_token(store), dict[str, Mapping[str, EffectBounds]]()
    for view, fit in fits.items():
        if view.startswith(CORRECTED_VIEW):
            continue
        bounds = measured_or_waiting(BOUNDS, store, place.url, stamp, view, fit.judge or "")
        found[view] = {} if bounds is None else bounds.by_model
    return found


def _show_variants(store: Store, fit: FitFrames, name: str) -> None:
    """Each variant that the study file declares, against the model whose vectors it has."""
    lines = list(judged_variant_sentences(fit.contrasts, load_settings(store).variants, name))
    if lines:
        st.header("Variants of one model", help=define_terms("variant"))
        for line in lines:
            st.text(non_breaking(line))


def _show_breakdown(fit: FitFrames, name: str) -> None:
    """The estimate by concept and by strength, if the fit has them."""
    for axis, draw in (("concept", estimate_charts.concept_chart), ("strength", estimate_charts.strength_chart)):
        rows = fit.estimates_by_axis(name, axis)
        if rows.empty:
            continue
        words = f"{called(name)} by {axis}, with 95 % intervals."
        show_chart(draw(rows, estimand=name), f"{name}-by-{axis}", rows, words=words)


def _show_cells(fit: FitFrames, name: str) -> None:
    """Estimates by layer and strength, and the best cell with a correction for selection."""
    rows = fit.comparison_entry("best")
    if name not in (NET_RAW, corrected_name(NET_RAW)) or rows.empty:
        return
    st.header("Which layer and strength is best?")
    lines = list(estimate_sentences.best_cells(rows))
    for line in lines:
        st.text(non_breaking(line))
    show_chart(diagnostic_charts.dose_heatmap(rows), f"{name}-by-depth-and-strength", rows, words=" ".join(lines))


def _show_battery(place: study_picker.StudyRef, store: Store) -> None:
    """The battery's tasks over the models, with their chance lines; detection less the yes-shift beside them."""
    summary = cached_summary(place.url, study_picker.change_token(store), store)
    sizes = {subject.name: subject.parameters for subject in store.load_subjects()}
    rows = battery_scaling_rows(summary, sizes)
    if rows.empty:
        return
    st.header("Battery", help=define_terms("battery", "yes-shift"))
    words = " ".join(line for subject in summary.subjects for line in task_sentences(summary, subject))
    show_chart(battery_scaling_chart(rows), "battery-by-model", rows, words=words)
    for subject in summary.subjects:
        for line in yes_shift_sentences(summary, subject):
            st.text(non_breaking(line))
