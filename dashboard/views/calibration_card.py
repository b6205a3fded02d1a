"""Calibration card page: what may be built on a judge, what that rests on, requirements to try, and the card's file."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.card_file import card_text
from gnomon.calibration.cards.card_sentences import LOW_CARD, arm_table, card_sentences, withheld_sentences
from gnomon.calibration.cards.gate_values import gate_values
from gnomon.calibration.cards.requirements import check_card, parse_requirement
from gnomon.calibration.graded.calibration_chart import bin_frame, calibration_chart
from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.views.judges import cached_audit, choose_view
from gnomon.data.errors import UserError
from gnomon.data.glossary import define_terms
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking

EXAMPLE = "control.specificity > .9 with 95 %"


def show_page() -> None:
    """Draw the page."""
    st.title("Calibration card")
    place, store = study_picker.current_study()
    if not store.count_rows(tables.verdicts):
        st.info("This study has no verdicts yet.")
        return
    view = choose_view(store)
    stamp = study_picker.change_token(store)
    audit = cached_audit(place.url, view, stamp, store)
    versions = {each.judge: each.version for each in audit.judges if each.labelled}
    if not versions:
        st.info(f"No {view} label on a trial that a judge has read: a card needs labels.")
        return
    with st.sidebar:
        judge = st.selectbox("Judge", list(versions), key="judge", bind="query-params")
    card = cached_card(place.url, view, versions[judge], stamp, store)
    _card_section(card)
    _score_section(card)
    _gate_section(card)
    _file_section(card)


@st.cache_data(max_entries=32, show_spinner="Putting the card together")
def cached_card(url: str, view: str, version: str, stamp: tuple[int, ...], _store: Store) -> CalibrationCard:
    """The card, kept until a fact is added to the study; the audit that it is made of is the Judges page's.

    Parameters
    ----------
    url : str
        URL of the study's database; part of the cache key.
    view : str
        Label view.
    version : str
        Judge version.
    stamp : tuple of int
        The study's change token; part of the cache key.
    _store : Store
        The study's store; not part of the cache key.
    """
    return make_card(_store, cached_audit(url, view, stamp, _store), version, view=view)


def _card_section(card: CalibrationCard) -> None:
    """The sentences and the table of a card."""
    first, *others = card_sentences(card)
    st.subheader(
        f"What may be built on {escape_markdown(card.basis.judge.name)}?",
        help=define_terms("evidence", "agreement", "Youden's J"),
    )
    st.text(non_breaking(first))
    st.dataframe(arm_table(card), hide_index=True)
    st.caption("Intervals 95 %, for the event: the injected concept identified; without injection, anything claimed.")
    for line in [*others, *withheld_sentences(card)]:
        st.text(non_breaking(line))


def _score_section(card: CalibrationCard) -> None:
    """Where the judge gave scores: how often the labels have the event at each score."""
    graded = card.parts.graded
    for arm in graded.arms if graded is not None else ():
        if arm.curve:
            show_chart(
                calibration_chart(arm, judge=card.basis.judge.name),
                f"calibration-curve-{arm.arm}",
                bin_frame(arm),
                words=f"Share of labelled events in the {arm.arm} arm by score, with 95 % intervals.",
            )


def _gate_section(card: CalibrationCard) -> None:
    """A requirement to try on the card, as `gnomon gate` would check it."""
    st.subheader("Requirement")
    written = st.text_input(
        "As 'gnomon gate' checks it", EXAMPLE, key="require", max_chars=200, help="docs/calibration-card.md"
    )
    try:
        document = check_card(card, [parse_requirement(written)])
    except UserError as error:
        st.text(str(error))
        return
    for outcome in document.requirements:
        st.text(non_breaking(outcome.words))
    for reason in document.obstacles:
        st.text(non_breaking(f"not passed: {reason}"))
    with st.expander("Fields"):
        st.text(", ".join(gate_values(card)))
    st.caption(LOW_CARD)


def _file_section(card: CalibrationCard) -> None:
    """The card as a file."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in card.basis.judge.name)
    st.download_button(
        "Download the card", card_text(card), f"card-{name}.json", "application/json", icon=":material/download:"
    )
    st.caption(f"Schema {card.schema_version}, hash {card.hash[:12]}. 'gnomon gate FILE' checks requirements on it.")
