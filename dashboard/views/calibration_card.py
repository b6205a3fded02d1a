"""Calibration card page: what may be built on a judge, what that rests on, requirements to try, and the card's file."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_file import card_text
from gnomon.calibration.cards.card_sentences import LOW_CARD
from gnomon.calibration.cards.display.card_status import card_status
from gnomon.calibration.cards.gate_values import gate_values
from gnomon.calibration.cards.requirements import check_card, parse_requirement
from gnomon.dashboard import study_picker
from gnomon.dashboard.background.kept_measurements import measured_or_waiting
from gnomon.dashboard.background.measurements import AUDIT, CARD
from gnomon.dashboard.sections import card_sections
from gnomon.dashboard.sections.card_header import show_header
from gnomon.dashboard.sections.next_step_section import show_step, show_way
from gnomon.dashboard.views.judges import choose_view
from gnomon.data.errors import UserError
from gnomon.data.storage import tables
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking
from gnomon.stats.narrative.next_steps import NextStep, verdict_step

REQUIREMENT = "require"
EXAMPLE = "control.specificity > .9 with 95 %"


def show_page() -> None:
    """Draw the page."""
    st.title("Calibration card")
    place, store = study_picker.current_study()
    if not store.has_rows(tables.verdicts):
        show_way(place, store, verdict_step)
        return
    view = choose_view(store)
    stamp = study_picker.change_token(store)
    audit = measured_or_waiting(AUDIT, store, place.url, stamp, view)
    if audit is None:
        return
    newest_last = sorted(audit.judges, key=lambda each: each.newest)
    versions = {each.judge: each.version for each in newest_last if each.labelled}
    if not versions:
        lacking = f"No {view} label on a trial that a judge has read: a card needs labels."
        show_step(place, NextStep(lacking, page="label"), alone=True)
        return
    with st.sidebar:
        judge = st.selectbox("Judge", list(versions), key="judge", bind="query-params")
    found = measured_or_waiting(CARD, store, place.url, stamp, view, versions[judge], given=audit)
    if found is None:
        return
    card = found.card
    show_header(card, card_status(card, found.changed))
    _gate_section(card)
    card_sections.show_errors(card)
    card_sections.show_agreement(card)
    card_sections.show_drift(card, _required_bounds())
    card_sections.show_transport(card)
    card_sections.show_susceptibility(card, place)
    card_sections.show_scores(card)
    card_sections.show_panel(card)
    card_sections.show_labels(card, store.label_policies())
    _file_section(card)


def _gate_section(card: CalibrationCard) -> None:
    """A requirement to try on the card, as `gnomon gate` would check it."""
    st.header("Try a requirement", help="docs/calibration-card.md tells the grammar and every field.")
    written = st.text_input(
        "As 'gnomon gate CARD --require' checks it",
        EXAMPLE,
        key=REQUIREMENT,
        bind="query-params",
        max_chars=200,
        placeholder=EXAMPLE,
        width=520,
    )
    try:
        document = check_card(card, [parse_requirement(written)])
    except UserError as error:
        st.markdown(f":orange[:material/error:] {non_breaking(escape_markdown(str(error)))}")
        return
    for outcome in document.requirements:
        mark = ":green[:material/check_circle:]" if outcome.met else ":red[:material/cancel:]"
        st.markdown(f"{mark} {non_breaking(escape_markdown(outcome.words))}")
    for reason in document.obstacles:
        st.markdown(f":red[:material/cancel:] {non_breaking(escape_markdown(f'not passed: {reason}'))}")
    with st.expander("Fields that a requirement may name"):
        st.text(", ".join(gate_values(card)))
    st.caption(LOW_CARD)


def _required_bounds() -> dict[str, dict[str, float]]:
    """The error rate that the requirement on this page allows, by arm and kind of error: a line in the charts."""
    try:
        asked = parse_requirement(str(st.session_state.get(REQUIREMENT, EXAMPLE)))
    except UserError:
        return {}
    arm, _, name = asked.field.partition(".")
    kind = {"sensitivity": "missed events", "specificity": "false alarms"}.get(name)
    if kind is None or isinstance(asked.bound, str) or not asked.operator.startswith(">"):
        return {}
    return {arm: {kind: 1 - asked.bound}}


def _file_section(card: CalibrationCard) -> None:
    """The card as a file."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in card.basis.judge.name)
    st.download_button(
        "Download the card", card_text(card), f"card-{name}.json", "application/json", icon=":material/download:"
    )
    st.caption(f"Schema {card.schema_version}, hash {card.hash[:12]}. 'gnomon gate FILE' checks requirements on it.")
