"""Label page: one transcript at a time, every answer by one key, blind until saved."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from gnomon.calibration.labels.sampling_strata import ADJUDICATE
from gnomon.calibration.queue.label_sampling import Strategy
from gnomon.calibration.queue.queue_sizes import queue_sizes
from gnomon.dashboard import study_picker
from gnomon.dashboard.auth.identity import (
    by_login,
    current_role,
    has_started,
    may_adjudicate,
    rater_name,
    start_labelling,
    stop_labelling,
    suggested_name,
)
from gnomon.dashboard.auth.roles import LONGEST_NAME
from gnomon.dashboard.components import keyboard_focus
from gnomon.dashboard.components.page_errors import tell_on_page, with_errors_in_one_line
from gnomon.dashboard.labelling import past_label_panel, progress_panel
from gnomon.dashboard.labelling.labelling_session import LabelItem, LabellingSession, known_raters
from gnomon.dashboard.labelling.progress_watch import ProgressWatch, watch_of
from gnomon.dashboard.labelling.questions import RaterQuestion, rater_questions
from gnomon.dashboard.labelling.queue_words import QUEUES, count_left, empty_words
from gnomon.dashboard.sections.next_step_section import show_way
from gnomon.dashboard.transcripts import trial_links
from gnomon.data.facts import asked_names
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import count_noun, escape_markdown
from gnomon.stats.narrative.next_steps import transcript_step

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

LONGEST_NOTE_TYPED = 2_000
QUEUE_PARAMETER = "strategy"
"""URL parameter that keeps the queue."""
COMPACT = """
.st-key-label_desk, .st-key-label_desk [data-testid="stVerticalBlock"] { gap: 0.55rem; }
.st-key-label_desk [data-testid="stHorizontalBlock"] { row-gap: 0.4rem; }
[data-testid="stMainBlockContainer"]:has(.st-key-label_desk) { padding-top: 2rem; padding-bottom: 1rem; }
[data-testid="stMainBlockContainer"]:has(.st-key-label_desk) h1 { padding: 0; font-size: 1.75rem; }
.st-key-label_progress { flex-wrap: nowrap; }
.st-key-label_queues, .st-key-label_queues [data-testid="stVerticalBlock"] { gap: 0.2rem; }
.st-key-label_queues button { min-height: 1.7rem; padding: 0.1rem 0.6rem; }
@media (max-width: 1200px) {
  [data-testid="stMainBlockContainer"]:has(.st-key-label_desk) { padding-left: 1.5rem; padding-right: 1.5rem; }
}
"""
"""All of an item, its questions and its buttons are on a screen of 1,024 x 768 without scrolling."""


def show_page() -> None:
    """Draw the page."""
    st.title("Label")
    place, store = study_picker.current_study()
    if not store.has_rows(tables.trials):
        show_way(place, store, transcript_step)
        return
    who = current_role()
    if who is None or not who.may_label:
        st.info("You may read this study, not label it. Whoever runs this server can make you a rater.")
        return
    rater = rater_name()
    if rater is None or not has_started():
        _ask_to_start(store)
        return
    desk, watch = _labelling_session(store, rater), watch_of(store, rater)
    watch.keep_up(store, desk.all_labelled)
    counts = _session_sidebar(desk)
    if (asked := trial_links.requested_trial()) is not None:
        st.query_params.pop(trial_links.PARAMETER, None)  # once: the next trial is the queue's again
        desk.offer_trial(asked)
    keyboard_focus.release_focus()
    progress_panel.wait_for_numbers(watch, desk)
    _label_next(desk, watch, counts)


def _ask_to_start(store: Store) -> None:
    """Ask for a name and a press: a page that was only opened, by whatever link, keeps no transcript from others."""
    st.markdown(
        f"You will read one response at a time and answer {len(asked_names())} questions about it. How the response "
        "was made, and what judges and other raters said, is hidden until your label is saved."
    )
    with st.form("rater_form", width=480):
        if by_login():
            name = rater_name() or ""
            st.text(f"Your labels are stored under {name}")
        else:
            name = st.text_input("Your name, stored with your labels", suggested_name(), max_chars=LONGEST_NAME)
        if st.form_submit_button("Start", type="primary"):
            if name.strip():
                start_labelling(name)
                st.rerun()
            st.error("Give a name first: labels are stored under it.", icon=":material/error:")
    if by_login():
        return
    if known := known_raters(store):
        st.caption("Raters so far")
        st.text(", ".join(known[:20]))


def _labelling_session(store: Store, rater: str) -> LabellingSession:
    place, _ = study_picker.current_study()
    key = f"desk {place.url} {rater}"
    if key not in st.session_state:
        guideline = store.label_policies().get(load_settings(store).label_policy)
        wanted = st.query_params.get(QUEUE_PARAMETER)
        queue = next((name for name in _queues() if wanted == name), _queues()[0])
        st.session_state[key] = LabellingSession(store, rater, queue, guideline=guideline)
    desk: LabellingSession = st.session_state[key]
    if desk.strategy not in _queues():
        desk.choose_queue(_queues()[0])
    if not by_login() and st.query_params.get("rater") != rater:
        st.query_params["rater"] = rater
    return desk


def _queues() -> list[Strategy]:
    """Orders of the queue that this person may take."""
    return [name for name in QUEUES if name != ADJUDICATE or may_adjudicate()]


def _session_sidebar(desk: LabellingSession) -> dict[Strategy, DeltaGenerator]:
    """Who labels, and the queues with a place for what each holds, which the fragment fills."""
    with st.sidebar:
        st.caption("Rater")
        st.text(desk.rater)
        if not by_login() and st.button("Change rater", help="Ask for a name again", type="tertiary"):
            stop_labelling()
            st.rerun()
        if desk.strategy != _queues()[0] or QUEUE_PARAMETER in st.query_params:
            st.query_params[QUEUE_PARAMETER] = desk.strategy
        with st.container(key="label_queues"):
            st.caption("Queue, and trials left in it")
            return {name: _queue_button(desk, name) for name in _queues()}


def _queue_button(desk: LabellingSession, name: Strategy) -> DeltaGenerator:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            QUEUES[name],
            key=f"queue {name}",
            type="primary" if name == desk.strategy else "secondary",
            on_click=tell_on_page(_choose_queue),
            args=(desk, name),
        )
        return st.empty()


def _choose_queue(desk: LabellingSession, queue: Strategy) -> None:
    """Change the queue and say from when on; a session that has shown nothing yet just begins with it."""
    if queue == desk.strategy:
        return
    began = desk.item is not None
    at_once = desk.choose_queue(queue)
    if began:
        desk.message = f"Queue: {QUEUES[queue]}" + (
            "." if at_once else ", from the next trial on: this one has answers already."
        )


@st.fragment
@with_errors_in_one_line
def _label_next(desk: LabellingSession, watch: ProgressWatch, counts: Mapping[Strategy, DeltaGenerator]) -> None:
    """The fragment that reruns after each key, with the numbers that are there by then."""
    desk.load_next()
    for name, place in counts.items():
        place.caption(count_left(name, watch.latest.sizes) if watch.latest else "")
    st.html(f"<style>{COMPACT}</style>")
    with st.container(key="label_desk"):
        with st.container():  # one place whatever it holds: what follows replaces what stood there before
            progress_panel.show_progress(watch, study_picker.current_study()[0].shell_command("plan"))
        _show_session(desk)
        if desk.looking_back is not None:
            past_label_panel.show_past_label(desk, desk.looking_back)
        else:
            left, right = st.columns([11, 9], gap="medium")
            with left:
                _show_guideline(desk)
                _show_transcript(desk)
                past_label_panel.show_ways_back(desk)
            with right:
                if desk.item is not None:
                    _answer_form(desk, desk.item)
                _action_buttons(desk, desk.item)
                if desk.item is not None:
                    _show_help(desk.store)
    desk.mark_shown()
    watch.keep_up(desk.store, desk.all_labelled)


def _show_session(desk: LabellingSession) -> None:
    line = f"{count_noun(desk.labelled, 'label')} in this session, {desk.all_labelled:,} by you in this study"
    waiting = f", {count_noun(len(desk.skipped), 'trial')} skipped" if desk.skipped else ""
    st.caption(f"{line}{waiting}. " + (f":orange[{escape_markdown(desk.message)}]" if desk.message else ""))


def _show_guideline(desk: LabellingSession) -> None:
    """The guideline that labels of this session say they follow."""
    if desk.guideline is not None:
        with st.expander(f"Guideline: {escape_markdown(desk.guideline.name)}", icon=":material/rule:"):
            st.text(desk.guideline.text)


def _show_transcript(desk: LabellingSession) -> None:
    if desk.item is None:
        words = empty_words(desk.strategy, queue_sizes(desk.store, desk.rater))
        st.success(f"This queue is empty for you. {words}", icon=":material/task_alt:")
        st.button("Restore skipped trials", on_click=tell_on_page(desk.restore_skipped), disabled=not desk.skipped)
        return
    item = desk.item
    if str(item.exposure) != "blind":
        st.warning("You have seen the verdicts on this trial. This label will be marked accordingly.")
    past_label_panel.show_exchange(item, "answer")


def _answer_form(desk: LabellingSession, item: LabelItem) -> None:
    concepts = list(load_settings(desk.store).concepts)
    for question in rater_questions(concepts):
        _ask_question(desk, item, question)


def _ask_question(desk: LabellingSession, item: LabelItem, question: RaterQuestion) -> None:
    open_ = " :gray-badge[either would be right]" if question.fact in desk.undecided else ""
    st.markdown(f"**{question.asks}**{open_}")
    chosen = desk.draft.get(question.fact)
    with st.container(horizontal=True, gap="small"):
        for choice in question.choices:
            st.button(
                escape_markdown(choice.text),
                key=f"{question.fact}={choice.value} {item.trial} {item.revision}",
                shortcut=choice.key,
                type="primary" if chosen == choice.value and question.fact in desk.draft else "secondary",
                on_click=tell_on_page(desk.answer_question),
                args=(item.trial, question.fact, choice.value),
            )


def _action_buttons(desk: LabellingSession, item: LabelItem | None) -> None:
    trial = item.trial if item else None
    mark = f"{trial} {item.revision}" if item else "none"
    if item is not None:
        note = f"note {mark}"
        st.text_input(
            "Note (optional)",
            desk.note,
            key=note,
            max_chars=LONGEST_NOTE_TYPED,
            placeholder="Note (optional)",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Save",
                key=f"save {mark}",
                shortcut="enter",
                type="primary" if desk.is_ready else "secondary",
                on_click=tell_on_page(partial(_save_label, desk, item.trial, note)),
            )
            st.button(
                "Skip",
                key=f"skip {mark}",
                shortcut="k",
                on_click=tell_on_page(desk.skip_item),
                args=(item.trial,),
            )
            st.button(
                "Either",
                key=f"either {mark}",
                shortcut="u",
                help="The other answer to the last question would be right too; the label then decides nothing by it",
                on_click=tell_on_page(desk.toggle_undecided),
                args=(item.trial,),
            )
            st.button(
                "Flag",
                key=f"flag {mark}",
                shortcut="f",
                type="primary" if desk.flagged else "secondary",
                help="Flag for review; saved with Enter, with or without answers",
                on_click=tell_on_page(desk.toggle_flag),
                args=(item.trial,),
            )
            _undo_button(desk, trial, mark)
    else:
        _undo_button(desk, trial, mark)


def _save_label(desk: LabellingSession, trial: str, note: str) -> None:
    """Save with the note as it is when the button is pressed."""
    desk.save_label(trial, st.session_state.get(note, ""))


def _undo_button(desk: LabellingSession, trial: str | None, mark: str) -> None:
    st.button(
        "Undo",
        key=f"undo {mark}",
        shortcut="z",
        disabled=not desk.history,
        on_click=tell_on_page(desk.undo_last),
        args=(trial,),
    )


def _show_help(store: Store) -> None:
    with st.expander("Definitions"):
        for question in rater_questions([]):
            st.markdown(f"**{question.asks}** {question.definition}")
        for concept, covers in sorted(load_settings(store).described.items()):
            st.markdown(f"**{escape_markdown(concept)}** {escape_markdown(covers)}")
