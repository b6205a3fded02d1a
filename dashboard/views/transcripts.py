"""Transcripts page: filters in the database, a page of rows, one of them shown with its verdicts and labels."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.auth.identity import rater_name, set_name, suggested_name
from gnomon.dashboard.components import transcript_view
from gnomon.dashboard.components.page_errors import tell_on_page
from gnomon.dashboard.components.trial_details import show_evidence
from gnomon.dashboard.components.view_filters import multi_select
from gnomon.dashboard.labelling import exposure_log
from gnomon.dashboard.transcripts import incremental_search, label_conditions, matrix_cell, transcript_query
from gnomon.data.facts import further_names
from gnomon.data.outcomes import Outcome
from gnomon.data.records import Split, canonical_hash
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import count_noun, escape_markdown, format_percent

NOTED = "What you read here is noted under that name: a label that you give it later is marked."
LABELLED = {"": "All", "yes": "Labelled", "no": "Not labelled"}


def show_page() -> None:
    """Draw the page."""
    st.title("Transcripts")
    place, store = study_picker.current_study()
    stamp = study_picker.change_token(store)
    choices = _cached_choices(place.url, stamp, store)
    if not choices.subject or not choices.arm:
        st.info("This study has no trials. It holds counts, or nothing was generated yet.")
        return
    rater = rater_name()
    if rater is None and (name := suggested_name()):
        st.button(f"Continue as {escape_markdown(name)}", on_click=tell_on_page(set_name), args=(name,), help=NOTED)
    if rater is not None:
        st.caption("What you read here is noted: a label that you give it later is marked as made after the verdicts.")
    filters, with_text = _choose_filters(choices)
    cell = matrix_cell.requested_cell()
    _start_over_when_changed(canonical_hash([place.url, asdict(filters), cell.query_parameters if cell else ""]))
    at: int | None = st.session_state["reading"]
    if cell:
        found = _of_cell(place.url, stamp, store, cell, filters, choices)
    else:
        found = _run_search(store, filters, choices, at, stamp)
    if not found.ids:
        _show_nothing(found)
        return
    first = _first_row(at, len(found.ids))
    rows = transcript_query.trial_rows(store, found.ids[first : first + transcript_query.PAGE])
    left, right = st.columns(2, gap="large")
    with left:
        _show_list(store, rows, choices, first, found, with_text)
    with right:
        _show_reading(store, rows, at, first, found)
    shown = list(rows["id"]) if with_text or filters.text else []
    if at is not None and first <= at < first + len(rows):
        shown.append(str(rows["id"].iloc[at - first]))
    _note_views(store, rater, shown)


@st.cache_data(max_entries=8, show_spinner=False)
def _cached_choices(url: str, stamp: tuple[int, ...], _store: Store) -> transcript_query.FilterChoices:
    """Filter choices, cached until a fact is added."""
    return transcript_query.filter_choices(_store)


def _choose_filters(choices: transcript_query.FilterChoices) -> tuple[transcript_query.TrialFilters, bool]:
    with st.sidebar:
        st.caption("Filters")
        text = st.text_input("Text contains", key="text", bind="query-params")
        arm = multi_select("Arm", choices.arm, "arm")
        concept = multi_select("Concept", choices.concept, "concept")
        strength = multi_select("Strength", choices.strength, "strength", "{:g}".format)
        subject = multi_select("Model", choices.subject, "subject")
        protocols = list(choices.protocol)
        named = choices.protocol.__getitem__
        protocol = multi_select("Protocol", protocols, "protocol", named)
        outcome = multi_select("Outcome", [str(outcome) for outcome in Outcome], "outcome")
        names = {"": "any judge", **choices.judge}
        judge = st.selectbox(
            "as read by", list(names), format_func=names.__getitem__, key="by_judge", bind="query-params"
        )
        reports = multi_select("Reported", list(further_names()), "reports") if further_names() else []
        disputed = st.checkbox("Judges disagree", key="disputed", bind="query-params")
        told = LABELLED.__getitem__
        labelled = st.radio(
            "Labels", list(LABELLED), format_func=told, horizontal=True, key="labelled", bind="query-params"
        )
        split = multi_select("Split", [str(split) for split in Split], "split")
        with_text = st.toggle("Show first words in the list", key="with_text", bind="query-params")
    filters = transcript_query.TrialFilters(
        subject=tuple(subject),
        arm=tuple(arm),
        concept=tuple(concept),
        strength=tuple(strength),
        protocol=tuple(protocol),
        split=tuple(split),
        judge=judge,
        outcome=tuple(outcome),
        disputed=disputed,
        labelled=labelled,
        text=text.strip(),
        reports=tuple(reports),
    )
    return filters, with_text


def _start_over_when_changed(mark: str) -> None:
    if st.session_state.get("listed") != mark:
        st.session_state["listed"] = mark
        st.session_state["reading"] = None
        st.session_state["list_page"] = 0
        st.session_state["found"] = None


def _run_search(
    store: Store,
    filters: transcript_query.TrialFilters,
    choices: transcript_query.FilterChoices,
    at: int | None,
    stamp: tuple[int, ...],
) -> incremental_search.SearchState:
    """Search results, at least as far as the visible page and one transcript beyond it.

    New facts restart a search only on the first page with no transcript open: a list that is being read stays as it is.
    """
    conditions = transcript_query.filter_conditions(store, filters, choices)
    found: incremental_search.SearchState | None = st.session_state["found"]
    page = st.session_state["list_page"] if at is None else at // transcript_query.PAGE
    wanted = (page + 1) * transcript_query.PAGE + 1
    old = stamp != st.session_state.get("found_at") and at is None and page == 0
    if found is None or old:
        st.session_state["found_at"] = stamp
        found = incremental_search.start_search(store, conditions, slow=filters.shows_verdicts, wanted=wanted)
    elif not found.is_complete and (len(found.ids) < wanted or st.session_state.pop("search_on", False)):
        found = incremental_search.resume_search(store, conditions, found, max(wanted, len(found.ids) + 1))
    st.session_state["found"] = found
    return found


def _of_cell(
    url: str,
    stamp: tuple[int, ...],
    store: Store,
    cell: matrix_cell.MatrixCell,
    filters: transcript_query.TrialFilters,
    choices: transcript_query.FilterChoices,
) -> incremental_search.SearchState:
    """The transcripts of a cell that match the filters; the cell is described above the list."""
    ids = _cell_trials(url, stamp, cell, store)
    found = incremental_search.filter_ids(store, transcript_query.filter_conditions(store, filters, choices), ids)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        left = "" if len(found.ids) == len(ids) else f"; filters leave {len(found.ids):,}"
        st.text(f"{cell.describe_cell}: {count_noun(len(ids), 'trial')}{left}")
        st.button("Show all trials", on_click=matrix_cell.clear_cell)
    return found


@st.cache_data(max_entries=32, show_spinner="Searching")
def _cell_trials(url: str, stamp: tuple[int, ...], cell: matrix_cell.MatrixCell, _store: Store) -> list[str]:
    """Trial ids of a cell, cached until a fact is added."""
    return cell.trial_ids(_store)


def _show_nothing(found: incremental_search.SearchState) -> None:
    if found.is_complete:
        st.info("No trial fits these filters.")
        return
    st.info(f"None fits these filters in the {format_percent(found.searched_share)} of the study that was searched.")
    _search_on()


def _search_on() -> None:
    st.button("Search on", on_click=lambda: st.session_state.update(search_on=True))


def _first_row(at: int | None, many: int) -> int:
    if at is not None:
        st.session_state["list_page"] = at // transcript_query.PAGE
    last = (many - 1) // transcript_query.PAGE
    st.session_state["list_page"] = min(st.session_state["list_page"], last)
    return int(st.session_state["list_page"]) * transcript_query.PAGE


def _search_summary(found: incremental_search.SearchState) -> str:
    """Number of matching transcripts, or number found so far."""
    if found.total is not None or found.is_complete:
        return count_noun(len(found.ids) if found.total is None else found.total, "trial")
    return (
        f"{count_noun(len(found.ids), 'trial')} in the {format_percent(found.searched_share)} "
        f"of the study searched so far"
    )


def _show_list(
    store: Store,
    rows: pd.DataFrame,
    choices: transcript_query.FilterChoices,
    first: int,
    found: incremental_search.SearchState,
    with_text: bool,
) -> None:
    st.caption(f"{_search_summary(found)}, rows {first + 1:,} to {first + len(rows):,}")
    at = st.session_state.get("reading")
    shown = pd.DataFrame({"": ["▸" if first + place == at else "" for place in range(len(rows))]})
    shown["condition"] = [_condition_phrase(row, len(choices.subject) > 1) for row in rows.itertuples()]
    said = transcript_query.outcome_table(store, list(rows["id"]), choices.judge)
    for judge in said.columns:
        shown[judge] = said[judge].fillna("–").to_numpy()
    shown["labels"] = label_conditions.label_counts(store, list(rows["id"]))
    if with_text:
        shown["begins"] = rows["answer"].str.slice(0, 160)
    key = f"list {st.session_state['listed']} {first}"
    st.dataframe(
        shown,
        hide_index=True,
        key=key,
        height="content",
        on_select=lambda: _open_row(key, first),
        selection_mode="single-row",
        column_config={
            "": st.column_config.TextColumn(width=20),
            "condition": st.column_config.TextColumn(width=165),
            "labels": st.column_config.NumberColumn(width=50),
        },
    )
    with st.container(horizontal=True, gap="small"):
        more = first + len(rows) < len(found.ids)
        st.button("Previous rows", disabled=first == 0, on_click=_turn_page, args=(-1,))
        st.button("Next rows", disabled=not more, on_click=_turn_page, args=(1,))
        if not more and not found.is_complete:
            _search_on()


def _condition_phrase(row: Any, with_subject: bool) -> str:
    what = [row.subject] if with_subject else []
    what += [row.arm] if row.layer is None or pd.isna(row.layer) else [row.arm, row.concept, f"{row.strength:g}"]
    return " · ".join(str(part) for part in what if part)


def _open_row(key: str, first: int) -> None:
    chosen = st.session_state[key]["selection"]["rows"]
    st.session_state["reading"] = first + chosen[0] if chosen else None


def _turn_page(by: int) -> None:
    st.session_state["list_page"] += by
    st.session_state["reading"] = None


def _move_to(to: int) -> None:
    st.session_state["reading"] = to


def _show_reading(
    store: Store, rows: pd.DataFrame, at: int | None, first: int, found: incremental_search.SearchState
) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        before, after = (0, first) if at is None else (at - 1, at + 1)
        st.button("Previous", shortcut="left", disabled=at is None or at == 0, on_click=_move_to, args=(before,))
        st.button("Next", shortcut="right", disabled=after >= len(found.ids), on_click=_move_to, args=(after,))
        st.caption(
            f"Transcript {at + 1:,} of {_search_summary(found)}" if at is not None else "Choose a row, or press →"
        )
    if at is None or not first <= at < first + len(rows):
        return
    trial = str(rows["id"].iloc[at - first])
    details = transcript_query.trial_details(store, trial)
    words = list(load_settings(store).concepts)
    with st.container(border=True):
        transcript_view.show_transcript(
            details.answer or "(empty response)", "reading", words=words, quotes=details.quotes
        )
    show_evidence(details)
    st.caption(f"Trial {trial}. Marked: words of the study's concepts; underlined: what judges quoted.")


def _note_views(store: Store, rater: str | None, trials: list[str]) -> None:
    """Record which transcripts were seen with their verdicts: in the store under a name, else until a name is given."""
    if rater is not None:
        exposure_log.record_views(store, rater, trials)
    else:
        st.session_state.setdefault("looked_at", set()).update(trials)
