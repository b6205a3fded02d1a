"""Head of a card's page: the judge version, the state of the card with its reasons, its uses and its validity."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_sentences import agreement_sentence, judge_sentence, scope_sentences
from gnomon.calibration.cards.display.card_status import CardLevel, CardStatus, use_sentences
from gnomon.data.glossary import define_terms
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking

BADGES = {
    CardLevel.PASSES: ":green-badge[:material/check_circle: Passes]",
    CardLevel.LOW: ":orange-badge[:material/warning: Low]",
    CardLevel.STALE: ":red-badge[:material/history: Stale]",
}


def show_header(card: CalibrationCard, status: CardStatus) -> None:
    """Draw the head.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    status : CardStatus
        Its state.
    """
    with st.container(border=True):
        st.markdown(f"{BADGES[status.level]} {non_breaking(escape_markdown(status.words))}")
        show_lines([f"Changed since it was made: {each}." for each in status.changed])
        st.text(non_breaking(judge_sentence(card)))
        st.caption(f"Made {card.created_at[:16].replace('T', ' ')} UTC; schema {card.schema_version}.")
    uses, validity = st.columns(2, gap="large")
    with uses:
        st.header("May be used for", help=define_terms("evidence", "corrected"))
        show_lines(use_sentences(card))
    with validity:
        st.header("Valid for")
        show_lines(scope_sentences(card))
        show_lines([agreement_sentence(card)])


def show_lines(lines: Sequence[str]) -> None:
    """Draw each line as a text of its own."""
    for line in lines:
        st.text(non_breaking(line))
