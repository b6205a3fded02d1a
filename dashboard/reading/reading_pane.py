"""One trial to read: its prompt with the steered texts marked, its response, and what can be done with it."""

from __future__ import annotations

import streamlit as st

from gnomon.dashboard.auth.identity import current_role
from gnomon.dashboard.components import transcript_view
from gnomon.dashboard.components.trial_details import condition_line
from gnomon.dashboard.reading.copy_link import show_copy_link
from gnomon.dashboard.transcripts import trial_links
from gnomon.dashboard.transcripts.transcript_query import TrialDetails
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import escape_markdown

MARKS = "Marked: words of the study's concepts; underlined: what judges quoted."
LABEL_HELP = "Opens the Label page with this trial. You have read it with its verdicts, so that the label is marked so."


def show_trial(store: Store, trial: str, details: TrialDetails, key: str = "open_trial") -> None:
    """Draw condition, prompt and response of a trial.

    Parameters
    ----------
    store : Store
        The study's store.
    trial : str
        Trial id.
    details : TrialDetails
        What is known of it.
    key : str
        Identity of the elements on the page.
    """
    st.text(condition_line(details))
    show_prompt(details, key)
    show_response(store, details, key)
    st.caption(f"Trial {trial}. {MARKS}")


def show_prompt(details: TrialDetails, key: str, *, is_open: bool = True) -> None:
    """Draw the prompt in a part of the page that can be closed.

    Parameters
    ----------
    details : TrialDetails
        The trial.
    key : str
        Identity of the elements on the page.
    is_open : bool, default True
        Whether it is open at first.
    """
    with st.expander(f"Prompt: {escape_markdown(details.protocol)}", expanded=is_open, key=f"{key} prompt"):
        for place, turn in enumerate(details.prompt.turns):
            st.caption(escape_markdown(turn.role))
            transcript_view.show_steered(turn.pieces, f"{key} turn {place}")
        for note in details.prompt.notes:
            st.caption(escape_markdown(note))


def show_response(store: Store, details: TrialDetails, key: str, *, small: bool = False) -> None:
    """Draw the response, and what was written or read beside it.

    Parameters
    ----------
    store : Store
        The study's store.
    details : TrialDetails
        The trial.
    key : str
        Identity of the elements on the page.
    small : bool, default False
        Whether to use the small font size.
    """
    words = list(load_settings(store).concepts)
    if details.thinking:
        with st.expander("Thinking", key=f"{key} thinking"):
            transcript_view.show_steered([(details.thinking, False)], f"{key} thought")
    with st.container(border=True):
        steered = " (steered)" if details.prompt.is_answer_steered else ""
        st.caption(f"Response{steered} · {escape_markdown(details.ended)}" if details.ended else f"Response{steered}")
        transcript_view.show_transcript(
            details.answer or "(empty response)", key, words=words, quotes=details.quotes, small=small
        )
    for line in details.readings:
        st.text(line)


def show_actions(trial: str, key: str = "open_trial") -> None:
    """Draw the buttons that copy the trial's link and label it.

    Parameters
    ----------
    trial : str
        Trial id.
    key : str
        Identity of the elements on the page.
    """
    show_copy_link(trial_links.trial_address(trial, trial_links.linked_study()), f"{key} link")
    role = current_role()
    if role is not None and role.may_label:
        pressed = st.button("Label this", key=f"{key} label", help=LABEL_HELP)
        if pressed:
            trial_links.go_to_labelling(trial)
