"""Battery page: tasks that a bias to yes cannot fake, and what is left of detection after the yes-shift."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.measures.battery_trials import battery_trials
from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.measured_battery import cached_summary
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.sections.next_step_section import show_way
from gnomon.data.glossary import define_terms
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.charts import battery_charts
from gnomon.stats.measures.measure_results import BatterySummary
from gnomon.stats.narrative.battery import battery_sentences as telling
from gnomon.stats.narrative.battery.dose_sentences import dose_sentences
from gnomon.stats.narrative.battery.variant_sentences import variant_sentences
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking
from gnomon.stats.narrative.next_steps import battery_step
from gnomon.stats.tables.battery.battery_tables import bits_table, task_table, yes_shift_table
from gnomon.stats.tables.battery.dose_table import dose_table
from gnomon.stats.tables.battery.variant_table import variant_table
from gnomon.stats.variants.variant_contrasts import compare_variants
from gnomon.stats.variants.variant_results import VariantComparison


def show_page() -> None:
    """Draw the page."""
    st.title("Battery")
    place, store = study_picker.current_study()
    stamp = study_picker.change_token(store)
    summary = cached_summary(place.url, stamp, store)
    if not summary.subjects:
        show_way(place, store, battery_step)
        return
    _show_yes_shift(summary)
    subject = _pick_subject(summary)
    _show_shifts(summary, subject)
    _show_tasks(summary, subject)
    _show_doses(summary, subject)
    _show_bits(summary, subject)
    _show_variants(cached_variants(place.url, stamp, store), subject)
    st.caption(escape_markdown(f"{telling.TARGETS} {telling.UNITS}"))


@st.cache_data(max_entries=16, show_spinner=False)
def cached_variants(url: str, stamp: tuple[int, ...], _store: Store) -> list[VariantComparison]:
    """Every declared variant against its base, kept until a fact is added to the study.

    Parameters
    ----------
    url : str
        URL of the study's database; part of the cache key.
    stamp : tuple of int
        The study's change token; part of the cache key.
    _store : Store
        The study's store; not part of the cache key.
    """
    declared = load_settings(_store).variants
    return compare_variants(battery_trials(_store), declared) if declared else []


def _show_variants(comparisons: list[VariantComparison], subject: str) -> None:
    """A variant against its base, on the page of either."""
    mine = [each for each in comparisons if subject in (each.variant, each.base)]
    if not mine:
        return
    st.header("Variants of one model", help=define_terms("variant"))
    for comparison in mine:
        for line in variant_sentences(comparison):
            st.text(non_breaking(line))
        if comparison.tasks:
            st.markdown(escape_markdown(f"{comparison.variant} less {comparison.base}"))
            show_table(variant_table(comparison))


def _pick_subject(summary: BatterySummary) -> str:
    if len(summary.subjects) == 1:
        return summary.subjects[0]
    chosen = st.segmented_control(
        "Model", summary.subjects, default=summary.subjects[0], required=True, key="model", bind="query-params",
        format_func=escape_markdown, label_visibility="collapsed",
    )  # fmt: skip
    return str(chosen)


def _show_yes_shift(summary: BatterySummary) -> None:
    """What remains of detection in every model: the answer of the page."""
    if table := yes_shift_table(summary, summary.subjects):
        st.header("Detection less the yes-shift", help=define_terms("yes-shift", "yes-corrected detection"))
        show_table(table)


def _show_shifts(summary: BatterySummary, subject: str) -> None:
    """Why one model's unrelated questions shift, in words, and all shifts by cell."""
    for line in telling.diagnosis_sentences(summary, subject):
        st.text(non_breaking(line))
    lines = telling.yes_shift_sentences(summary, subject)
    rows = battery_charts.yes_shift_rows(summary, subject)
    if len(rows):
        chart = battery_charts.yes_shift_chart(summary, subject)
        show_chart(chart, "yes-shift", rows, words=" ".join(lines))


def _show_tasks(summary: BatterySummary, subject: str) -> None:
    table = task_table(summary, subject)
    if not table:
        return
    st.header("Tasks", help=define_terms("battery"))
    show_table(table)
    rows = battery_charts.battery_rows(summary, subject)
    words = " ".join(telling.task_sentences(summary, subject))
    show_chart(battery_charts.battery_chart(summary, subject), "battery", rows, words=words)


def _show_doses(summary: BatterySummary, subject: str) -> None:
    rows = battery_charts.dose_rows(summary, subject)
    if rows.empty:
        return
    st.header("By dose and by depth")
    lines = dose_sentences(summary, subject)
    for line in lines:
        st.text(non_breaking(line))
    show_chart(battery_charts.dose_chart(summary, subject), "doses", rows, words=" ".join(lines))
    show_table(dose_table(summary, subject))


def _show_bits(summary: BatterySummary, subject: str) -> None:
    if table := bits_table(summary, subject):
        st.header("Identification in bits", help=define_terms("mutual information"))
        show_table(table)
