"""The calibration card of each judge with labels: its arms, what it rests on, and curves of graded verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.cards import card_sentences
from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.display.card_status import card_status, use_sentences
from gnomon.calibration.cards.staleness import card_staleness
from gnomon.calibration.graded.calibration_chart import calibration_chart
from gnomon.calibration.sequential.running_chart import rates_by_arm, running_chart, running_words
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.tables.calibration import card_tables


def card_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """One part for each judge with labels; nothing without one."""
    audit = material.audit
    labelled = [each for each in audit.judges if each.labelled] if audit is not None else []
    if audit is None or not labelled:
        return
    made = ReportSection("cards", "Calibration cards")
    for each in labelled:
        made.head(each.judge if each.newest else f"{each.judge}, version {each.version[:8]}")
        _add_card(made, material, make_card(material.store, audit, each.version, view=audit.view))
    made.say(card_sentences.LOW_CARD)
    yield made.without_empty_parts()


def _add_card(made: ReportSection, material: StudyMaterial, card: CalibrationCard) -> None:
    judge = card.basis.judge.name
    status = card_status(card, card_staleness(card, material.store))
    made.say(f"{status.level.capitalize()}: {status.words}", card_sentences.judge_sentence(card))
    made.say(*use_sentences(card), *card_sentences.scope_sentences(card), card_sentences.agreement_sentence(card))
    made.tabulate(f"Rates of {judge} and what gates rely on", card_tables.rate_table(card))
    made.tabulate(f"What the labels support, {judge}", card_tables.use_table(card))
    made.tabulate(f"Agreement with {judge}", card_tables.agreement_table(card))
    made.tabulate(f"Intervals of {judge} that pay for the looks", card_tables.charge_table(card))
    made.say(card_sentences.label_sentence(card))
    made.tabulate(f"Labels behind the card of {judge}", card_tables.label_table(card, material.store.label_policies()))
    _add_running(made, card)
    _add_tests(made, card)
    graded = card.parts.graded
    made.say(*(graded.words if graded is not None else ()))
    for arm in graded.arms if graded is not None else ():
        if arm.curve:
            words = f"Share of labelled events in the {arm.arm} arm by score, with 95 % intervals."
            made.draw(f"calibration-curve-{judge}-{arm.arm}", calibration_chart(arm, judge=judge), words)
    made.say(*(card.parts.undecided.words if card.parts.undecided is not None else ()))
    made.say(*(f"{note[:1].upper()}{note[1:]}." for note in card.notes))


def _add_running(made: ReportSection, card: CalibrationCard) -> None:
    """Error rates as they became known."""
    running = card.parts.running
    if running is None or not running.rates:
        return
    for arm, rates in rates_by_arm(running).items():
        made.draw(f"running-{running.judge}-{arm}", running_chart(rates, judge=running.judge), running_words(rates))
    made.tabulate(f"Running error rates of {running.judge}", card_tables.running_table(running))


def _add_tests(made: ReportSection, card: CalibrationCard) -> None:
    """Whether errors travel, what the judge is fooled by, and attacks."""
    judge = card.basis.judge.name
    made.say(*(each.words for each in (card.parts.transport or {}).values()))
    if card.basis.rules.margin is not None:
        made.tabulate(f"Do the errors of {judge} travel?", card_tables.place_table(card))
        made.tabulate(f"Rates of {judge} where learnt and where used", card_tables.transport_table(card))
    if (found := card.parts.susceptibility) is not None:
        made.say(*found.words)
        if any(effect.difference is not None for effect in found.effects):
            made.tabulate(f"What {judge} is fooled by", card_tables.covariate_table(card))
    if card.parts.attack is not None:
        made.say(card_sentences.attack_sentence(card.parts.attack))
        made.tabulate(f"Attacks on {judge}", card_tables.attack_table(card))
