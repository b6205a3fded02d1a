"""Sections of a card's page: each a heading, the card's sentence on it, and a table that can be sorted."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_sentences import attack_sentence, label_sentence, repeat_sentences
from gnomon.calibration.graded.calibration_chart import bin_frame, calibration_chart
from gnomon.calibration.sequential.running_chart import rates_by_arm, running_chart, running_frame, running_words
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.sections.card_header import show_lines
from gnomon.dashboard.sections.next_step_section import show_step
from gnomon.dashboard.study_picker import StudyRef
from gnomon.data.glossary import define_terms
from gnomon.data.records import IMPORTED, LabelPolicy
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.narrative.next_steps import attack_step
from gnomon.stats.tables.calibration import card_tables


def show_errors(card: CalibrationCard) -> None:
    """Errors by arm, outcomes by label against verdict, and what the arms' labels support."""
    st.header("Errors by arm", help=define_terms("sensitivity", "specificity", "Youden's J", "confusion matrix"))
    show_table(card_tables.rate_table(card))
    show_table(card_tables.outcome_table(card))
    show_table(card_tables.use_table(card))
    if card.charge is not None:
        with st.expander("Intervals that pay for the looks at the test split"):
            show_lines([card.charge.words])
            show_table(card_tables.charge_table(card))


def show_agreement(card: CalibrationCard) -> None:
    """Coefficients of agreement beside base rates."""
    st.header("Agreement", help=define_terms("agreement", "Gwet's AC1", "Krippendorff's alpha"))
    few = f"{card.agreement.n} trials count: too few for a coefficient."
    show_table(card_tables.agreement_table(card), empty=few)
    show_lines(repeat_sentences(card))


def show_drift(card: CalibrationCard, bounds: Mapping[str, Mapping[str, float]]) -> None:
    """Errors by date with confidence sequences.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    bounds : mapping of str to mapping
        By arm and kind of rate, a rate to stay below.
    """
    st.header("Drift", help=define_terms("drift"))
    st.text(non_breaking(card.drift.words))
    running = card.parts.running
    if running is None or not running.rates:
        return
    for arm, rates in rates_by_arm(running).items():
        show_chart(
            running_chart(rates, judge=running.judge, bounds=bounds.get(arm)),
            f"running-errors-{arm}",
            running_frame(rates),
            words=running_words(rates),
        )
    show_table(card_tables.running_table(running))


def show_transport(card: CalibrationCard) -> None:
    """Whether errors learnt elsewhere hold in each place."""
    st.header("Do its errors hold elsewhere?")
    places = card_tables.place_table(card)
    if not places:
        st.text("Not checked: the labelled trials are of one model, one concept and one date.")
        return
    show_lines([each.words for each in (card.parts.transport or {}).values()])
    if all(each.margin is None for each in (card.parts.transport or {}).values()):
        return
    show_table(places)
    with st.expander("Every rate where it was learnt and where it would be used"):
        show_table(card_tables.transport_table(card))


def show_susceptibility(card: CalibrationCard, place: StudyRef) -> None:
    """What the judge is fooled by, and the result of attacks.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    place : StudyRef
        Its study.
    """
    st.header("What it is fooled by")
    found = card.parts.susceptibility
    if found is None:
        st.text("Not known: no labelled trial outside the test split.")
    else:
        show_lines(found.words)
        show_table(card_tables.covariate_table(card))
    st.markdown("**Attacks: instructions hidden in a response**")
    attack = card.parts.attack
    if attack is None:
        judge = card.basis.judge
        show_step(place, attack_step(judge.name, brought=judge.kind == IMPORTED))
        return
    st.text(non_breaking(attack_sentence(attack)))
    show_table(card_tables.attack_table(card))


def show_labels(card: CalibrationCard, policies: Mapping[str, LabelPolicy]) -> None:
    """The label set and its guidelines, and what it leaves open.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    policies : mapping of str to LabelPolicy
        The study's guidelines by hash.
    """
    st.header("Labels and guidelines", help=define_terms("exposure", "label view"))
    st.text(non_breaking(label_sentence(card)))
    show_table(card_tables.label_table(card, policies))
    for key in card.basis.labels.policies:
        if key in policies:
            with st.expander(f"Guideline {policies[key].name}"):
                st.text(policies[key].text)
    if card.parts.undecided is not None:
        show_lines(card.parts.undecided.words)
    show_lines([f"{note[:1].upper()}{note[1:]}." for note in card.notes])


def show_panel(card: CalibrationCard) -> None:
    """What the study's judges are worth together, this one among them."""
    if card.parts.panel is not None:
        st.header("Together with the study's other judges")
        show_lines(card.parts.panel.words)


def show_scores(card: CalibrationCard) -> None:
    """Where the judge gave scores: how often the labels have the event at each score."""
    graded = card.parts.graded
    charted = [each for each in (graded.arms if graded is not None else ()) if each.curve]
    if graded is None or not charted:
        return
    st.header("Scores")
    show_lines(graded.words)
    for arm in charted:
        show_chart(
            calibration_chart(arm, judge=card.basis.judge.name),
            f"calibration-curve-{arm.arm}",
            bin_frame(arm),
            words=f"Share of labelled events in the {arm.arm} arm by score, with 95 % intervals.",
        )
