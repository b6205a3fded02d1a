"""Study page: what matters first, what to do next, then what was run, judged, labelled and fitted."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from sqlalchemy import select

from gnomon.calibration.labels.label_counts import label_funnel
from gnomon.dashboard import study_picker
from gnomon.dashboard.components.headline_estimates import show_headline
from gnomon.data.arms import steered_arms
from gnomon.data.glossary import define_terms
from gnomon.data.records import Arm, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_counts
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.battery.battery_sentences import measure_sentence
from gnomon.stats.narrative.fit_frames import read_fit
from gnomon.stats.narrative.formatting import (
    count_noun,
    escape_markdown,
    format_percent,
    format_size,
    format_time,
    with_reader_headings,
)
from gnomon.stats.narrative.next_steps import NextStep, Notice, list_notices, next_step
from gnomon.stats.narrative.study_overview import StudyOverview, by_rater, distinct_values, summarize_study
from gnomon.stats.results import FAILED, REFUSED, StoredFit

_MARK = {
    "error": ":red[:material/error:]",
    "warning": ":orange[:material/warning:]",
    "info": ":blue[:material/info:]",
}


def show_page() -> None:
    """Draw the page."""
    place, store = study_picker.current_study()
    found = summarize_study(store)
    st.title(escape_markdown(place.name))
    _study_summary(store, found)
    show_headline({fit.view: read_fit(fit) for fit in found.fits})
    left, right = st.columns([3, 2], gap="large")
    with right:
        _show_next_step(place, next_step(found))
    with left:
        st.subheader("Warnings")
        notes = list_notices(found)
        for note in notes:
            _show_notice(note)
        if not notes:
            st.text("No warnings.")
    if found.counts_only:
        _show_counts(store)
    else:
        _show_trials(found)
        _show_verdicts(found)
        _show_labels(store, found)
    _show_fits(found)


def _study_summary(store: Store, found: StudyOverview) -> None:
    columns = st.columns(5)
    subjects = store.load_subjects()
    sizes = sorted({subject.parameters for subject in subjects})
    span = (
        f"{format_size(sizes[0])} to {format_size(sizes[-1])}"
        if len(sizes) > 1
        else format_size(sizes[0])
        if sizes
        else "none"
    )
    columns[0].metric("Models", len(subjects), help=f"Parameters: {span}")
    if found.counts_only:
        counted = store.read_frame(select(tables.counts).where(report_counts()))
        columns[1].metric("Trials counted", f"{int(counted['n'].sum()):,}", help=define_terms("trial"))
        columns[2].metric("Arms", counted["arm"].nunique(), help=define_terms("arm", "injection arm", "control arm"))
    else:
        columns[1].metric("Trials", f"{found.trial_count:,}")
        columns[2].metric("Verdicts", f"{int(found.states['n'].sum()):,}", help=define_terms("verdict", "judge"))
        columns[3].metric("Labelled", f"{len(found.labels):,}", help="Trials with a label in the study's label view")
    good = sum(fit.status not in (FAILED, REFUSED) for fit in found.fits)
    columns[4].metric("Fits that passed", f"{good} of {len(found.fits)}" if found.fits else "none yet")


def _show_notice(note: Notice) -> None:
    mark, text = st.columns([1, 30], gap="xsmall")
    mark.markdown(_MARK[note.level])
    text.text(note.text)


def _show_next_step(place: study_picker.StudyRef, step: NextStep) -> None:
    st.subheader("Next step")
    st.text(step.why)
    if step.step:
        st.code(place.shell_command(step.step), language=None, wrap_lines=True)
    if step.page:
        st.page_link(
            st.session_state["pages"][step.page],
            label=f"Open {step.page.capitalize()}",
            icon=":material/arrow_forward:",
        )


def _show_trials(found: StudyOverview) -> None:
    st.subheader("Design", help=define_terms("arm", "strength", "span", "protocol"))
    if found.cells.empty:
        st.text("No trials yet.")
        return
    cells, steered = found.cells, found.cells[found.cells["arm"].isin(steered_arms())]
    axes = {
        "models": cells["subject"],
        "concepts": steered["concept"],
        "layers": steered["layer"],
        "strengths": steered["strength"],
        "spans": cells["span"],
        "protocols": cells["protocol"],
    }
    st.text("\n".join(f"{name}: {', '.join(distinct_values(values)) or 'none'}" for name, values in axes.items()))
    left, right = st.columns(2, gap="large")
    with left:
        st.caption("Trials by model, arm and protocol")
        by_arm = cells.pivot_table(
            index=["subject", "protocol"], columns="arm", values="n", aggfunc="sum", fill_value=0
        )
        st.dataframe(with_reader_headings(by_arm.reset_index()), hide_index=True)
    with right:
        st.caption("Injection trials by concept and strength")
        injected = cells[cells["arm"] == str(Arm.INJECTION)]
        table = injected.pivot_table(index="concept", columns="strength", values="n", aggfunc="sum", fill_value=0)
        table.columns = [f"{strength:g}" for strength in table.columns]
        st.dataframe(table.reset_index(), hide_index=True)
    for count in found.measured:
        st.text(measure_sentence(count))
    if len(found.missing):
        with st.expander(f"{count_noun(len(found.missing), 'planned condition')} with missing trials"):
            st.dataframe(with_reader_headings(found.missing), hide_index=True)


def _show_verdicts(found: StudyOverview) -> None:
    st.subheader("Verdicts")
    if found.states.empty:
        st.text("No verdicts yet.")
        return
    table = found.states.pivot_table(index="judge", columns="state", values="n", aggfunc="sum", fill_value=0)
    table.insert(0, "of trials", [format_percent(row.sum() / max(found.trial_count, 1)) for _, row in table.iterrows()])
    usable = str(VerdictState.OK)
    st.dataframe(table.rename(columns={usable: "usable"}).reset_index(), hide_index=True)
    st.caption(
        "Only usable verdicts count; the other states say why there is none. "
        "Missing verdicts are excluded, not counted as negative."
    )


def _show_labels(store: Store, found: StudyOverview) -> None:
    st.subheader("Labels", help=define_terms("label", "label view", "split"))
    if found.labels.empty:
        st.text("No labels yet.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.caption("Labelled trials by arm and split (label view: " + escape_markdown(found.settings.label_view) + ")")
        by_arm = found.labels.pivot_table(index="arm", columns="split", values="trial", aggfunc="count", fill_value=0)
        st.dataframe(with_reader_headings(by_arm.reset_index()), hide_index=True)
    with right:
        st.caption("Labelled trials by rater and split, and later label changes")
        st.dataframe(by_rater(found.events), hide_index=True)
    st.caption(label_funnel(store, found.settings.label_view).words)
    st.caption("Judges are trained on the train split, tuned on dev and measured on dev and test, never on train.")


def _show_fits(found: StudyOverview) -> None:
    st.subheader("Fits", help=define_terms("R-hat", "effective sample size", "divergence"))
    if not found.fits:
        st.text("No fit yet.")
        return
    rows = [_fit_row(fit) for fit in found.fits]
    numbers = {name: st.column_config.NumberColumn(format="%.0f") for name in ("bulk ESS", "tail ESS")}
    numbers["R-hat"] = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=numbers)
    st.caption("A fit passes if R-hat, effective sample size (ESS) and divergences are within their limits.")


def _fit_row(fit: StoredFit) -> dict[str, object]:
    diagnostics = fit.diagnostics
    return {
        "view": fit.view,
        "judge": fit.result.judge or "–",
        "status": f"FAILED: {'; '.join(diagnostics.reasons)}" if fit.has_failed else fit.status,
        "R-hat": diagnostics.max_rhat,
        "bulk ESS": diagnostics.min_ess_bulk,
        "tail ESS": diagnostics.min_ess_tail,
        "divergences": diagnostics.divergences,
        "draws": diagnostics.draws,
        "chains": diagnostics.chains,
        "fitted": format_time(fit.created_at),
    }


def _show_counts(store: Store) -> None:
    st.subheader("Published counts")
    subjects = {subject.name: subject for subject in store.load_subjects()}
    counted = store.read_frame(select(tables.counts).where(report_counts()))
    table = counted.drop(columns=["cell", "measure"]).dropna(axis="columns", how="all")
    table.insert(1, "size", [format_size(subjects[name].parameters) for name in table["subject"]])
    table["parameters"] = [subjects[name].parameters for name in table["subject"]]
    table = table.sort_values(["parameters", "subject", "arm"]).drop(columns="parameters")
    st.dataframe(with_reader_headings(table), hide_index=True)
    st.caption(
        "Counts as published: no responses, so no labels, and estimates include the errors of that study's judge."
    )
