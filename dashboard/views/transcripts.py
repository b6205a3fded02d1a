"""Transcripts page: filters and order in the database, a page of rows, one of them shown with all that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, cast

import pandas as pd
import streamlit as st
from sqlalchemy import ColumnElement

from gnomon.dashboard import study_picker
from gnomon.dashboard.auth import exposure_log
from gnomon.dashboard.auth.identity import rater_name, set_name, suggested_name
from gnomon.dashboard.components.page_errors import tell_on_page
from gnomon.dashboard.components.trial_details import show_evidence
from gnomon.dashboard.reading import reading_pane
from gnomon.dashboard.reading.comparison import choose_judges, compare_conditions, show_judge_facts
from gnomon.dashboard.reading.filter_controls import ChosenFilters, choose_filters, choose_order
from gnomon.dashboard.reading.trial_list import ListRow, show_trial_list
from gnomon.dashboard.sections.next_step_section import show_way
from gnomon.dashboard.transcripts import (
    incremental_search,
    label_conditions,
    label_disputes,
    matrix_cell,
    transcript_query,
    trial_links,
)
from gnomon.dashboard.transcripts.snippets import make_snippet
from gnomon.dashboard.transcripts.trial_order import OrderPlan, TrialOrder, plan_order
from gnomon.dashboard.transcripts.trial_pairs import comparable_axes, plan_judge_pair
from gnomon.data.arms.battery_measures import task_title
from gnomon.data.records import REPORT, canonical_hash
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import count_noun, escape_markdown, format_percent
from gnomon.stats.narrative.next_steps import transcript_step

READ, CONDITIONS, JUDGES = "Read", "Compare conditions", "Compare judges"
NOTED = "What you read here is noted under that name: a label that you give it later is marked."
NOTED_LIST = "Trials whose words are shown here are noted as read by you: a label that you give one later is marked."


def show_page() -> None:
    """Draw the page."""
    st.title("Transcripts")
    place, store = study_picker.current_study()
    stamp = study_picker.change_token(store)
    choices = _cached_choices(place.url, stamp, store)
    if not choices.subject or not choices.arm:
        show_way(place, store, transcript_step)
        return
    rater = rater_name()
    if rater is None and (name := suggested_name()):
        st.button(f"Continue as {escape_markdown(name)}", on_click=tell_on_page(set_name), args=(name,), help=NOTED)
    if rater is not None:
        st.caption(NOTED_LIST)
    mode = _choose_mode(choices)
    chosen = choose_filters(choices, rater)
    if mode == CONDITIONS:
        cell = matrix_cell.requested_cell()
        among, told = _trials_among(place.url, stamp, store, chosen, choices, cell)
        if told:
            st.text("; ".join(told))
        compare_conditions(store, choices, chosen.filters, among, partial(_note_views, store, rater))
        return
    judges = choose_judges(choices) if mode == JUDGES else None
    _read_trials(place.url, stamp, store, choices, rater, chosen, judges)


def _choose_mode(choices: transcript_query.FilterChoices) -> str:
    modes = [READ, *([CONDITIONS] if comparable_axes(choices) else []), *([JUDGES] if len(choices.judge) > 1 else [])]
    if len(modes) == 1:
        return READ
    # A button sets it too: a default beside a value of the session would be warned of.
    default = None if "mode" in st.session_state else READ
    chosen = st.segmented_control(
        "View", modes, default=default, required=True, key="mode", bind="query-params", label_visibility="collapsed"
    )
    return chosen or READ


def _read_trials(
    url: str,
    stamp: tuple[int, ...],
    store: Store,
    choices: transcript_query.FilterChoices,
    rater: str | None,
    chosen: ChosenFilters,
    judges: tuple[str, str] | None,
) -> None:
    """The list and the trial that is open; with two judges, the trials that both read, differences first."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = choose_order(choices) if judges is None else TrialOrder()
        # What a named rater reads here is noted: twenty trials a page would no longer be blind.
        is_reader = rater is None and not suggested_name()
        with_text = st.toggle("Show words", value=is_reader, key="with_text", bind="query-params", help=NOTED)
    cell = matrix_cell.requested_cell()
    asked = [url, asdict(chosen), asdict(order), judges, cell.query_parameters if cell else ""]
    _start_over_when_changed(url, canonical_hash(asked))
    is_known = _take_link(store)
    above = st.container(horizontal=True, gap="small", vertical_alignment="center")
    among, told = _trials_among(url, stamp, store, chosen, choices, cell)
    conditions = transcript_query.filter_conditions(store, chosen.filters, choices)
    plan = plan_order(store, order, choices)
    if judges is not None:
        both, plan = plan_judge_pair(store, *judges)
        conditions += both
    found = _run_search(store, chosen.filters, conditions, plan, stamp, among)
    with above:
        _describe_among(told, found, among, is_cell=cell is not None)
    first = _first_row(_place_of_open(found), len(found.ids))
    rows = transcript_query.trial_rows(store, found.ids[first : first + transcript_query.PAGE])
    with st.container(key="transcripts_desk"):
        left, right = st.columns([9, 11], gap="large")
    with left:
        if found.ids:
            shown = {version: choices.judge[version] for version in judges or choices.judge}
            looked_for = chosen.filters.text if with_text or chosen.filters.text else None
            _show_list(
                store,
                rows,
                shown,
                len(choices.subject) > 1,
                found,
                looked_for,
            )
        else:
            _show_nothing(found)
    with right:
        opened = _show_reading(store, rows, found, [choices.judge[version] for version in judges or ()])
    seen = list(rows["id"]) if with_text or chosen.filters.text else []
    _note_views(store, rater, [*seen, *([opened] if opened else [])])
    if is_known:
        _keep_address(opened)


@st.cache_data(max_entries=8, show_spinner=False)
def _cached_choices(url: str, stamp: tuple[int, ...], _store: Store) -> transcript_query.FilterChoices:
    """Filter choices, cached until a fact is added."""
    return transcript_query.filter_choices(_store)


def _start_over_when_changed(url: str, mark: str) -> None:
    """Search anew when filters or order changed; the trial that is open stays open, unless the study changed."""
    if st.session_state.get("listed") == mark:
        return
    if st.session_state.get("listed_of", url) != url:
        st.query_params.pop(trial_links.PARAMETER, None)
    st.session_state.update(listed=mark, listed_of=url, reading=None, linked=None, opened=None, list_page=0, found=None)


# -- the trial in the address -----------------------------------------------------------------------------------------


def _take_link(store: Store) -> bool:
    """Open the trial that the address names; False, and one line, if the study has none of that id."""
    requested = trial_links.requested_trial()
    if requested is None or requested == st.session_state.get("opened"):
        return True
    if not transcript_query.has_trial(store, requested):
        st.error("No such trial.", icon=":material/error:")
        st.text(f"trial '{requested[:80]}' is not in this study: check the link, or choose the study that it is of")
        return st.session_state["reading"] is not None
    st.session_state.update(linked=requested, opened=requested, reading=None)
    return True


def _place_of_open(found: incremental_search.SearchState) -> int | None:
    """The open trial's place in the list; one that a link opened is looked for among those found."""
    linked = st.session_state["linked"]
    if linked is not None and linked in found.ids:
        st.session_state.update(reading=found.ids.index(linked), linked=None)
    at: int | None = st.session_state["reading"]
    return at


def _keep_address(opened: str | None) -> None:
    """Write the open trial into the address, so that it can be sent."""
    if opened is None:
        st.query_params.pop(trial_links.PARAMETER, None)
    elif trial_links.requested_trial() != opened:
        st.query_params[trial_links.PARAMETER] = opened
    st.session_state["opened"] = opened


# -- search -----------------------------------------------------------------------------------------------------------


def _trials_among(
    url: str,
    stamp: tuple[int, ...],
    store: Store,
    chosen: ChosenFilters,
    choices: transcript_query.FilterChoices,
    cell: matrix_cell.MatrixCell | None,
) -> tuple[list[str] | None, list[str]]:
    """Trials to which a cell or the readers of labels restrict the list, None if nothing does; what restricts it."""
    parts: list[list[str]] = []
    told: list[str] = []
    if cell is not None:
        parts.append(_cell_trials(url, stamp, cell, store))
        told.append(f"{cell.describe_cell}: {count_noun(len(parts[-1]), 'trial')}")
    if chosen.against_label:
        judge = chosen.filters.judge
        judges = {judge: choices.judge[judge]} if judge in choices.judge else choices.judge
        parts.append(_trials_against_label(url, stamp, judges, store))
        named = next(iter(judges.values())) if len(judges) == 1 else "A judge"
        told.append(f"{named} differs from the label on {count_noun(len(parts[-1]), 'trial')}")
    if chosen.raters_apart:
        apart = _rater_disagreements(url, stamp, store)
        parts.append(list(apart))
        told.append(describe_disagreements(apart))
    return (sorted(set(parts[0]).intersection(*parts[1:])) if parts else None), told


def _describe_among(
    told: list[str], found: incremental_search.SearchState, among: list[str] | None, *, is_cell: bool
) -> None:
    """Say what the list is restricted to, and how many of these trials the other filters leave."""
    if among is None:
        return
    fewer = len(told) > 1 or len(found.ids) != len(among)
    st.text(f"{'; '.join(told)}{f'; filters leave {len(found.ids):,}' if fewer else ''}")
    if is_cell:
        st.button("Show all trials", on_click=matrix_cell.clear_cell)


def describe_disagreements(apart: Mapping[str, bool]) -> str:
    """How many trials raters disagree on, and how many of them were adjudicated."""
    settled = sum(apart.values())
    told = "all adjudicated" if settled == len(apart) else f"{settled:,} adjudicated"
    return f"Raters disagree on {count_noun(len(apart), 'trial')}{f', {told}' if apart else ''}"


@st.cache_data(max_entries=32, show_spinner="Searching")
def _cell_trials(url: str, stamp: tuple[int, ...], cell: matrix_cell.MatrixCell, _store: Store) -> list[str]:
    """Trial ids of a cell, cached until a fact is added."""
    return cell.trial_ids(_store)


@st.cache_data(max_entries=8, show_spinner="Searching")
def _trials_against_label(url: str, stamp: tuple[int, ...], judges: dict[str, str], _store: Store) -> list[str]:
    return label_disputes.trials_against_label(_store, judges)


@st.cache_data(max_entries=8, show_spinner="Searching")
def _rater_disagreements(url: str, stamp: tuple[int, ...], _store: Store) -> dict[str, bool]:
    return label_disputes.trials_of_rater_disagreement(_store)


def _run_search(
    store: Store,
    filters: transcript_query.TrialFilters,
    conditions: list[ColumnElement[bool]],
    plan: OrderPlan | None,
    stamp: tuple[int, ...],
    among: list[str] | None,
) -> incremental_search.SearchState:
    """Search results, at least as far as the visible page and one transcript beyond it.

    New facts restart a search only on the first page with no transcript open: a list that is being read stays as it is.
    """
    at: int | None = st.session_state["reading"]
    found: incremental_search.SearchState | None = st.session_state["found"]
    page = st.session_state["list_page"] if at is None else at // transcript_query.PAGE
    wanted = (page + 1) * transcript_query.PAGE + 1
    old = stamp != st.session_state.get("found_at") and at is None and page == 0
    if found is None or old:
        st.session_state["found_at"] = stamp
        if among is not None:
            found = incremental_search.filter_ids(store, conditions, among, plan)
        else:
            found = incremental_search.start_search(
                store,
                conditions,
                slow=filters.shows_verdicts,
                wanted=wanted,
                order=plan,
                reads_text=bool(filters.text),
            )
    elif not found.is_complete and (len(found.ids) < wanted or st.session_state.pop("search_on", False)):
        further = max(wanted, len(found.ids) + 1)
        found = incremental_search.resume_search(store, conditions, found, further, order=plan)
    st.session_state["found"] = found
    return found


def _search_summary(found: incremental_search.SearchState) -> str:
    """Number of matching transcripts, or number found so far."""
    if found.total is not None or found.is_complete:
        return count_noun(len(found.ids) if found.total is None else found.total, "trial")
    return f"{count_noun(len(found.ids), 'trial')} in the {_searched_part(found)} of the study searched so far"


def _searched_part(found: incremental_search.SearchState) -> str:
    return format_percent(found.searched_share, 0 if found.searched_share >= 0.01 else 1)


# -- the list ---------------------------------------------------------------------------------------------------------


def _show_nothing(found: incremental_search.SearchState) -> None:
    if found.is_complete:
        st.info("No trial fits these filters.")
        return
    st.info(f"None fits these filters in the {_searched_part(found)} of the study that was searched.")
    _search_on()


def _search_on() -> None:
    st.button("Search on", on_click=lambda: st.session_state.update(search_on=True))


def _first_row(at: int | None, many: int) -> int:
    if at is not None:
        st.session_state["list_page"] = at // transcript_query.PAGE
    last = max(many - 1, 0) // transcript_query.PAGE
    st.session_state["list_page"] = min(st.session_state["list_page"], last)
    return _first_shown()


def _first_shown() -> int:
    return int(st.session_state["list_page"]) * transcript_query.PAGE


def _show_list(
    store: Store,
    rows: pd.DataFrame,
    judges: dict[str, str],
    several: bool,
    found: incremental_search.SearchState,
    searched: str | None,
) -> None:
    """A page of rows; `searched` is the text that is looked for, None if no words are shown."""
    first = _first_shown()
    st.caption(f"{_search_summary(found)}, rows {first + 1:,} to {first + len(rows):,}")
    at = st.session_state["reading"]
    ids, answers = (rows[name].astype(str).tolist() for name in ("id", "answer"))
    said = transcript_query.outcome_table(store, ids, judges)
    labels = label_conditions.label_counts(store, ids)
    shown = [
        ListRow(
            condition_phrase(row, several),
            _row_facts(cast("pd.Series[str]", said.loc[ids[place]]), labels[place]),
            () if searched is None else make_snippet(answers[place], searched),
            first + place == at,
        )
        for place, row in enumerate(rows.itertuples())
    ]
    show_trial_list(shown, f"list {st.session_state['listed']} {first}", lambda place: _move_to(first + place))
    with st.container(horizontal=True, gap="small"):
        more = first + len(rows) < len(found.ids)
        st.button("Previous rows", disabled=first == 0, on_click=_turn_page, args=(-1,))
        st.button("Next rows", disabled=not more, on_click=_turn_page, args=(1,))
        if not more and not found.is_complete:
            _search_on()


def _row_facts(said: pd.Series[str], labels: int) -> tuple[str, ...]:
    """What is known of a trial beside its condition: outcomes by judge, and how many raters labelled it."""
    told = [f"{judge}: {outcome}" for judge, outcome in said.items() if isinstance(outcome, str)]
    return (*told, *([count_noun(labels, "label")] if labels else []))


def condition_phrase(row: Any, with_subject: bool) -> str:
    """A trial's condition in a few words.

    Parameters
    ----------
    row : namedtuple
        A row of `transcript_query.trial_rows`.
    with_subject : bool
        Whether the model is named.
    """
    what = [row.subject] if with_subject else []
    what += [row.arm] if row.measure == REPORT else [f"task {task_title(row.measure)}", row.arm]
    if not pd.isna(row.layer):
        what += [row.concept, f"layer {row.layer:g}", f"strength {row.strength:g}"]
    return " · ".join(str(part) for part in what if part)


def _move_to(place: int) -> None:
    st.session_state.update(reading=place, linked=None)


def _turn_page(by: int) -> None:
    st.session_state["list_page"] += by
    st.session_state.update(reading=None, linked=None)


# -- the open trial ---------------------------------------------------------------------------------------------------


def _show_reading(
    store: Store, rows: pd.DataFrame, found: incremental_search.SearchState, compared: list[str]
) -> str | None:
    """The trial that is open, with the buttons that walk through the list; returns its id."""
    at: int | None = st.session_state["reading"]
    first = _first_shown()
    linked: str | None = st.session_state["linked"]
    listed = at is not None and first <= at < first + len(rows)
    trial = str(rows["id"].iloc[at - first]) if at is not None and listed else linked
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        before, after = (0, first) if at is None else (at - 1, at + 1)
        to = partial(st.button, on_click=_move_to)
        to("Previous", shortcut="left", disabled=at is None or at == 0, args=(before,))
        to("Next", shortcut="right", disabled=after >= len(found.ids), args=(after,))
        if trial is not None:
            reading_pane.show_actions(trial)
    if trial is None:
        st.caption("Choose a row, or press →")
        return None
    if at is not None and listed:
        st.caption(f"Transcript {at + 1:,} of {_search_summary(found)}")
    else:
        st.caption("Not among the trials that are listed so far.")
    details = transcript_query.trial_details(store, trial)
    reading_pane.show_trial(store, trial, details)
    if compared:
        show_judge_facts(details, compared)
    show_evidence(details, with_condition=False)
    return trial


def _note_views(store: Store, rater: str | None, trials: list[str]) -> None:
    """Record which transcripts were seen with their verdicts: in the store under a name, else until a name is given."""
    if rater is not None:
        exposure_log.record_views(store, rater, trials)
    else:
        st.session_state.setdefault("looked_at", set()).update(trials)
