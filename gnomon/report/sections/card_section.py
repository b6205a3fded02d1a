"""The calibration card of each judge with labels: its arms, what it rests on, and curves of graded verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.cards import card_sentences
from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.display import card_tables
from gnomon.calibration.cards.display.card_status import card_status
from gnomon.calibration.cards.staleness import card_staleness
from gnomon.calibration.graded.calibration_chart import calibration_chart
from gnomon.calibration.sequential.running_chart import rates_by_arm, running_chart, running_words
from gnomon.report.report_blocks import ReportSection, text_table
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.tables.estimate_table import TableColumn
from gnomon.stats.tables.frame_tables import table_of_intervals
from gnomon.stats.tables.judges import comparison_tables

TRAVEL_CAPTION = (
    "Whether the judge's errors hold between the places where its labels are: equivalence against the margin said "
    "beforehand, or why that could not be checked."
)
COVARIATE_CAPTION = (
    "Share of errors among trials with the property less that among the others, within arms, with 95 % intervals; p "
    "exact, and corrected for all tests of this judge (Holm)."
)
USE_CAPTION = "What the labels of each arm support: share of events by the labels with 95 % interval, and evidence."
ATTACK_CAPTION = "How often a verdict differs, with exact 95 % intervals."
LABEL_CAPTION = "The labels that the card rests on, and its rules."
ARM = TableColumn("arm", "Arm", terms=("arm",))


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
    uses = (
        ARM,
        TableColumn("labels", "Labels", "count", ("label",)),
        TableColumn("estimate", "Events by label", "rate", ("event",)),
        TableColumn("evidence", "Evidence", terms=("evidence",)),
        TableColumn("corrected", "May be corrected", terms=("corrected",)),
        TableColumn("needs", "What it needs"),
    )
    name = f"card-uses-{judge}"
    made.tabulate(f"Uses of {judge}", table_of_intervals(name, USE_CAPTION, card_tables.use_table(card), uses))
    made.say(*card_sentences.scope_sentences(card), card_sentences.agreement_sentence(card))
    policies = {key: each.name for key, each in material.store.label_policies().items()}
    labels = text_table(f"card-labels-{judge}", LABEL_CAPTION, card_tables.label_table(card, policies))
    made.tabulate(f"Labels behind the card of {judge}", labels)
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
        chart = running_chart(rates, judge=running.judge)
        made.draw(f"running-{running.judge}-{arm}", chart, running_words(rates))
    table = comparison_tables.running_table(card_tables.running_table(running), running.judge)
    made.tabulate(f"Running error rates of {running.judge}", table)


def _add_tests(made: ReportSection, card: CalibrationCard) -> None:
    """Whether errors travel, what the judge is fooled by, and attacks."""
    judge = card.basis.judge.name
    places = text_table(f"travel-{judge}", TRAVEL_CAPTION, card_tables.place_table(card))
    made.tabulate(f"Do the errors of {judge} travel?", places)
    effects = (
        TableColumn("property", "Property"),
        TableColumn("error", "Error"),
        TableColumn("estimate", "Difference", "difference"),
        TableColumn("with", "Errors with it"),
        TableColumn("without", "Errors without it"),
        TableColumn("p", "p", "p"),
        TableColumn("p corrected", "p, corrected", "p"),
        TableColumn("told", "Told apart"),
    )
    frame, name = card_tables.covariate_table(card), f"fooled-{judge}"
    made.tabulate(f"What {judge} is fooled by", table_of_intervals(name, COVARIATE_CAPTION, frame, effects).filled())
    attacks = (
        TableColumn("reading", "Reading", terms=("prompt injection",)),
        TableColumn("estimate", "Verdict differs", "rate"),
        TableColumn("changed", "Changed", "count"),
        TableColumn("n", "Of", "count"),
    )
    attacked = card_tables.attack_table(card)
    made.tabulate(f"Attacks on {judge}", table_of_intervals(f"attacks-{judge}", ATTACK_CAPTION, attacked, attacks))
