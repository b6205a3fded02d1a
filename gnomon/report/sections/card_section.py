"""The calibration card of each judge with labels: its arms, what it rests on, and curves of graded verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.cards import card_sentences
from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.graded.calibration_chart import calibration_chart
from gnomon.report.report_blocks import ReportSection, text_table
from gnomon.report.study_material import StudyMaterial

ARM_CAPTION = "Intervals 95 %, for the event: the injected concept identified; without injection, anything claimed."


def card_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """One part for each judge with labels; nothing without one."""
    audit = material.audit
    labelled = [each for each in audit.judges if each.labelled] if audit is not None else []
    if audit is None or not labelled:
        return
    made = ReportSection("cards", "Calibration cards")
    for each in labelled:
        made.head(each.judge if each.newest else f"{each.judge}, version {each.version[:8]}")
        _add_card(made, make_card(material.store, audit, each.version, view=audit.view))
    made.say(card_sentences.LOW_CARD)
    yield made.without_empty_parts()


def _add_card(made: ReportSection, card: CalibrationCard) -> None:
    judge = card.basis.judge.name
    made.say(card_sentences.judge_sentence(card))
    made.tabulate(f"Errors of {judge} by arm", text_table(f"card-{judge}", ARM_CAPTION, card_sentences.arm_table(card)))
    made.say(
        card_sentences.label_sentence(card),
        card_sentences.agreement_sentence(card),
        *card_sentences.scope_sentences(card),
        *card_sentences.withheld_sentences(card),
        *card_sentences.part_sentences(card),
    )
    graded = card.parts.graded
    for arm in graded.arms if graded is not None else ():
        if arm.curve:
            words = f"Share of labelled events in the {arm.arm} arm by score, with 95 % intervals."
            made.draw(f"calibration-curve-{judge}-{arm.arm}", calibration_chart(arm, judge=judge), words)
