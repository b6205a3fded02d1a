"""Study page: the answer first, warnings and what to do next, then what was run, judged, labelled and fitted."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from sqlalchemy import select

from gnomon.dashboard import study_picker
from gnomon.dashboard.components.headline_estimates import show_headline
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.sections import answer_section
from gnomon.dashboard.sections.next_step_section import show_step, study_overview
from gnomon.data.arms import steered_arms
from gnomon.data.glossary import define_terms
from gnomon.data.records import Arm, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_counts
from gnomon.data.storage.store import Store
from gnomon.stats.estimand_registry import CORRECTED_VIEW
from gnomon.stats.narrative.battery.battery_sentences import measure_sentence
from gnomon.stats.narrative.fit_frames import read_fit
from gnomon.stats.narrative.fit_sentences import GATES
from gnomon.stats.narrative.formatting import (
    count_noun,
    escape_markdown,
    format_percent,
    format_size,
    non_breaking,
)
from gnomon.stats.narrative.next_steps import Notice, list_notices, next_step
from gnomon.stats.narrative.study_answer import StudyAnswer, answer_study, provenance_sentence
from gnomon.stats.narrative.study_overview import StudyOverview, by_rater, distinct_values
from gnomon.stats.results import FAILED, REFUSED
from gnomon.stats.tables.diagnostics.fit_table import fit_table
from gnomon.stats.tables.estimate_table import table_of_texts

FEW = 3
"""Notes that inform, up to which they are not folded."""

_MARK = {
    "error": ":red[:material/error:]",
    "warning": ":orange[:material/warning:]",
    "info": ":blue[:material/info:]",
}


def show_page() -> None:
    """Draw the page."""
    place, store = study_picker.current_study()
    found = study_overview(place.url, study_picker.change_token(store), store)
    frames = {fit.view: read_fit(fit, found.outdated.get(fit.view, ())) for fit in found.fits}
    st.title(escape_markdown(place.name))
    answer = answer_study(frames)
    step = next_step(found)
    if answer is None:
        st.header(escape_markdown(_no_answer(found)), anchor=False)
    else:
        answer_section.show_answer(answer)
        _show_provenance(found, answer)
        answer_section.show_judges(answer)
    answer_section.show_outcomes(place, store, _outcome_source(found))
    left, right = st.columns([3, 2], gap="large")
    with right:
        st.header("Next step")
        show_step(place, step)
    with left:
        _show_notices(list_notices(found))
    show_headline(frames)
    _show_what_was_run(store, found)


def _no_answer(found: StudyOverview) -> str:
    """Why there is no estimate to open with."""
    if any(fit.has_failed for fit in found.fits):
        return "No estimate: every fit failed its convergence checks."
    if found.fits:
        return "No estimate: the fits withhold them all."
    if found.can_be_fitted:
        return "No estimate yet: nothing has been fitted."
    if found.trial_count:
        lacking = "size is not known" if found.unsized else "the trials have no verdicts"
        return f"No estimate yet: {lacking}."
    return "No estimate yet: this study has no trials."


def _outcome_source(found: StudyOverview) -> str:
    """Who says what the outcomes are that the page counts."""
    if found.counts_only:
        return "as published"
    judges = list(found.settings.judges) or list(found.states["judge"].unique())
    return f"by the verdicts of {judges[0]}" if judges else "by verdicts"


def _show_notices(notes: Sequence[Notice]) -> None:
    """Warnings, a line each; what only informs is folded where there is much of it."""
    st.header("Warnings")
    serious = [note for note in notes if note.level != "info"]
    if not serious:
        st.text("No warnings.")
    for note in serious:
        _show_notice(note)
    rest = [note for note in notes if note.level == "info"]
    with st.container() if len(rest) <= FEW else st.expander(count_noun(len(rest), "note")):
        for note in rest:
            _show_notice(note)


def _show_provenance(found: StudyOverview, answer: StudyAnswer) -> None:
    """Where the estimates at the top come from."""
    fit = next((fit for fit in found.fits if fit.view == answer.view), None)
    if fit is None:
        return
    labels = found.settings.label_view if fit.view == CORRECTED_VIEW else ""
    told = provenance_sentence(fit, found.settings.rule, labels, found.outdated.get(fit.view, ()))
    st.caption(escape_markdown(told))


def _show_what_was_run(store: Store, found: StudyOverview) -> None:
    """What the study holds: the numbers, and each part in full in an expander."""
    st.header("What was run", help=define_terms("arm", "strength", "span", "protocol"))
    _study_summary(store, found)
    if found.counts_only:
        with st.expander("Published counts"):
            _show_counts(store)
    else:
        with st.expander("Design"):
            _show_trials(found)
        with st.expander("Verdicts"):
            _show_verdicts(found)
        with st.expander("Labels"):
            _show_labels(found)
    with st.expander("Fits"):
        _show_fits(found)


def _study_summary(store: Store, found: StudyOverview) -> None:
    """What there is, in numbers."""
    subjects = store.load_subjects()
    sizes = sorted({subject.parameters for subject in subjects})
    span = " to ".join(dict.fromkeys(format_size(size) for size in (sizes[:1] + sizes[-1:]))) or "none"
    with st.container(horizontal=True, gap="small"):
        _number("Models", f"{len(subjects)}", f"Parameters: {span}")
        if found.counts_only:
            counted = store.read_frame(select(tables.counts).where(report_counts()))
            _number("Trials counted", f"{int(counted['n'].sum()):,}", define_terms("trial"))
            _number("Arms", f"{counted['arm'].nunique()}", define_terms("arm", "injection arm", "control arm"))
        else:
            _number("Trials", f"{found.trial_count:,}", define_terms("trial"))
            _number("Verdicts", f"{int(found.states['n'].sum()):,}", define_terms("verdict", "judge"))
            _number("Labelled", f"{len(found.labels):,}", "Trials with a label in the study's label view")
        good = sum(fit.status not in (FAILED, REFUSED) for fit in found.fits)
        _number("Fits that passed", f"{good} of {len(found.fits)}" if found.fits else "none yet", GATES)


def _number(label: str, value: str, help_: str) -> None:
    st.metric(label, value, help=help_, width=answer_section.NUMBER)


def _show_notice(note: Notice) -> None:
    st.markdown(f"{_MARK[note.level]} {non_breaking(escape_markdown(note.text))}")


def _show_trials(found: StudyOverview) -> None:
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
        by_arm = cells.pivot_table(
            index=["subject", "protocol"], columns="arm", values="n", aggfunc="sum", fill_value=0
        )
        _show_frame("trials", "Trials by model, arm and protocol.", by_arm.reset_index())
    with right:
        injected = cells[cells["arm"] == str(Arm.INJECTION)]
        table = injected.pivot_table(index="concept", columns="strength", values="n", aggfunc="sum", fill_value=0)
        table.columns = [f"{strength:g}" for strength in table.columns]
        _show_frame("injection-trials", "Injection trials by concept and strength.", table.reset_index())
    for count in found.measured:
        st.text(measure_sentence(count))
    if len(found.missing):
        told = f"{count_noun(len(found.missing), 'planned condition')} with missing trials."
        _show_frame("missing-trials", told, found.missing)


def _show_verdicts(found: StudyOverview) -> None:
    if found.states.empty:
        st.text("No verdicts yet.")
        return
    table = found.states.pivot_table(index="judge", columns="state", values="n", aggfunc="sum", fill_value=0)
    table.insert(0, "of trials", [format_percent(row.sum() / max(found.trial_count, 1)) for _, row in table.iterrows()])
    usable = str(VerdictState.OK)
    told = (
        "Verdicts by judge. Only usable verdicts count; the other states say why there is none. "
        "Missing verdicts are excluded, not counted as negative."
    )
    _show_frame("verdicts", told, table.rename(columns={usable: "usable"}).reset_index())


def _show_labels(found: StudyOverview) -> None:
    if found.labels.empty:
        st.text("No labels yet.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        by_arm = found.labels.pivot_table(index="arm", columns="split", values="trial", aggfunc="count", fill_value=0)
        told = f"Labelled trials by arm and split, label view {found.settings.label_view}."
        _show_frame("labelled-trials", told, by_arm.reset_index())
    with right:
        _show_frame("raters", "Labelled trials by rater and split, and later label changes.", by_rater(found.events))
    st.caption(non_breaking(escape_markdown(found.funnel)))
    st.caption("Judges are trained on the train split, tuned on dev and measured on dev and test, never on train.")


def _show_fits(found: StudyOverview) -> None:
    if not found.fits:
        st.text("No fit yet.")
        return
    show_table(fit_table(found.fits))


def _show_counts(store: Store) -> None:
    subjects = {subject.name: subject for subject in store.load_subjects()}
    counted = store.read_frame(select(tables.counts).where(report_counts()))
    table = counted.drop(columns=["cell", "measure"]).dropna(axis="columns", how="all")
    table.insert(1, "size", [format_size(subjects[name].parameters) for name in table["subject"]])
    table["parameters"] = [subjects[name].parameters for name in table["subject"]]
    table = table.sort_values(["parameters", "subject", "arm"]).drop(columns="parameters")
    told = "Counts as published: no responses, so no labels, and estimates include the errors of that study's judge."
    _show_frame("published-counts", told, table)


def _show_frame(name: str, caption: str, frame: pd.DataFrame) -> None:
    show_table(table_of_texts(name, caption, frame))
