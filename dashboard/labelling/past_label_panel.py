"""Draws what a rater labelled before: the ways back to it, and one such trial in place of the current one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from gnomon.dashboard.components import transcript_view
from gnomon.dashboard.components.page_errors import tell_on_page
from gnomon.dashboard.components.trial_details import show_evidence
from gnomon.dashboard.labelling.labelling_session import LabelItem, LabellingSession
from gnomon.dashboard.labelling.past_labels import SHOWN, PastLabel, past_labels
from gnomon.dashboard.labelling.questions import rater_questions
from gnomon.dashboard.transcripts import transcript_query
from gnomon.data.facts import FACTS
from gnomon.data.records import Exposure
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import count_noun, escape_markdown

LIST_WIDTH = 64
"""Characters of a response on the button that leads to it."""


def show_exchange(item: LabelItem, key: str, words: Sequence[str] = (), quotes: Sequence[str] = ()) -> None:
    """Draw the question that was put to the model and its response.

    Parameters
    ----------
    item : LabelItem
        The trial.
    key : str
        Identity of the response on the page.
    words : sequence of str
        Beginnings of words to mark in the response.
    quotes : sequence of str
        Passages that judges quoted from it.
    """
    with st.container(border=True):
        st.caption("Question")
        asked = [text for role, text in item.messages if role == "user"]
        shown = asked[-1] if asked else "(the question was not stored)"
        transcript_view.show_transcript(shown, "question", small=True)
        if len(item.messages) > 1:
            with st.expander("Full conversation"):
                for place, (role, text) in enumerate(item.messages):
                    st.caption(escape_markdown(role))
                    transcript_view.show_transcript(text, f"turn {place}", small=True)
    with st.container(border=True):
        st.caption("Response")
        transcript_view.show_transcript(item.answer or "(empty response)", key, words=words, quotes=quotes)


def show_ways_back(desk: LabellingSession) -> None:
    """Draw what leads back: the last label's verdicts, the label before, the lists of last labels and of flags.

    Parameters
    ----------
    desk : LabellingSession
        The rater's session.
    """
    if not desk.all_labelled + desk.all_flagged:
        return
    with st.container(horizontal=True, gap="small"):
        if desk.last is not None:
            st.button(
                "Reveal the last one",
                key=f"reveal {desk.last}",
                shortcut="v",
                help="Shows condition and verdicts of the trial labelled last; a label changed after that is marked",
                on_click=tell_on_page(desk.reveal_verdicts),
                args=(desk.last,),
            )
        _older_button(desk, "none")
        _list_labels(desk, f"Last labels ({min(desk.all_labelled, SHOWN)})", "last labels", flagged=False)
        _list_labels(desk, f"Flagged ({desk.all_flagged})", "flagged labels", flagged=True)


def _older_button(desk: LabellingSession, mark: str) -> None:
    st.button(
        "Label before",
        key=f"older {mark}",
        shortcut="left",
        help="The trial that you labelled or flagged before this one; nothing is revealed",
        on_click=tell_on_page(desk.step_back),
        args=(True,),
    )


def _list_labels(desk: LabellingSession, title: str, key: str, *, flagged: bool) -> None:
    """A list of the rater's trials that is read only while it is open."""
    if flagged and not desk.all_flagged:
        return
    with st.popover(title, key=key, on_change="rerun") as list_:
        if not list_.open:
            return
        for past in past_labels(desk.store, desk.rater, flagged=flagged):
            text = " ".join(past.beginning.split())[:LIST_WIDTH]
            flag = "Flagged. " if past.flagged and not flagged else ""
            note = f" Note: {past.note}" if past.note else ""
            st.button(
                escape_markdown(f"{text}… ({flag}{past.summary}){note}"),
                key=f"{key} {past.trial}",
                type="tertiary",
                on_click=tell_on_page(partial(_jump_back, desk, past.trial, key)),
            )


def _jump_back(desk: LabellingSession, trial: str, key: str) -> None:
    st.session_state[key] = False
    desk.look_back(trial)


def show_past_label(desk: LabellingSession, past: PastLabel) -> None:
    """Draw a trial that the rater labelled before, in place of the current one; its verdicts only once revealed.

    Parameters
    ----------
    desk : LabellingSession
        The rater's session.
    past : PastLabel
        The trial and the rater's own answers.
    """
    item = desk.view_item(past)
    details = transcript_query.trial_details(desk.store, past.trial) if desk.revealed else None
    words = list(load_settings(desk.store).concepts) if details else []
    st.header("Your earlier label, with the verdicts" if details else "Your earlier label")
    left, right = st.columns([11, 9], gap="medium")
    with left:
        if item is not None:
            show_exchange(item, "last", words, details.quotes if details else ())
    with right:
        _own_answers(past, item)
        _past_buttons(desk, past)
    if details is not None:
        st.header("Condition, verdicts and labels of this trial")
        show_evidence(details)


def _own_answers(past: PastLabel, item: LabelItem | None) -> None:
    for question in rater_questions([]):
        if question.fact in past.answers:
            value = past.answers[question.fact]
            texts = {choice.value: choice.text for choice in FACTS[question.fact].choices}
            open_ = " :gray-badge[either would be right]" if question.fact in past.undecided else ""
            st.markdown(f"{question.asks} **{escape_markdown(str(texts.get(value, value)))}**{open_}")
    if not past.answers:
        st.markdown("You have not labelled this trial.")
    if past.flagged:
        st.markdown(":material/flag: Flagged for review")
    if past.note:
        st.text(f"Note: {past.note}")
    if item is not None and item.exposure is not Exposure.BLIND:
        st.caption("You have seen the verdicts of this trial. A changed label will be marked so.")


def _past_buttons(desk: LabellingSession, past: PastLabel) -> None:
    mark = past.trial
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Back to labelling",
            key=f"away {mark}",
            shortcut="enter",
            type="primary",
            on_click=tell_on_page(desk.look_away),
        )
        if past.answers and not desk.revealed:
            st.button(
                "Reveal its verdicts",
                key=f"reveal {mark}",
                shortcut="v",
                help="Shows condition and verdicts; a label changed after that is marked",
                on_click=tell_on_page(desk.reveal_verdicts),
                args=(past.trial,),
            )
        elif desk.revealed:
            st.button("Hide the verdicts", key=f"hide {mark}", shortcut="v", on_click=tell_on_page(desk.look_away))
        st.button(
            "Change this label" if past.answers else "Label it",
            key=f"revise {mark}",
            shortcut="b",
            on_click=tell_on_page(desk.revise_label),
            args=(past.trial,),
        )
        _older_button(desk, mark)
        st.button(
            "Label after",
            key=f"newer {mark}",
            shortcut="right",
            on_click=tell_on_page(desk.step_back),
            args=(False,),
        )
        if desk.history:
            st.button(
                "Undo",
                key=f"undo {mark}",
                shortcut="z",
                help=f"Takes back the last of {count_noun(len(desk.history), 'label')} of this session",
                on_click=tell_on_page(desk.undo_last),
                args=(None if desk.item is None else desk.item.trial,),
            )
