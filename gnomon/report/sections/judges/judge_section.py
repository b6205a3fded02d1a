"""The audit of the judges: errors by arm, confusion, agreement, corrections, inconsistencies, raters, drift."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.audit import audit_charts, audit_frames
from gnomon.calibration.results.audit import ViewAudit
from gnomon.calibration.sequential.look_charges import charge_looks
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.narrative.formatting import count_noun, format_percent
from gnomon.stats.tables.calibration import judge_tables
from gnomon.stats.tables.estimate_table import table_of_texts

EVIDENCE = "Correctability evidence"


def judge_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Everything that the Judges page shows; nothing without verdicts and labels."""
    audit = material.audit
    if audit is None:
        return
    made = ReportSection("judges", "Judges")
    _add_errors(made, audit)
    _add_raters(made, material, audit)
    _add_confusion(made, audit)
    _add_agreement(made, audit)
    _add_corrections(made, audit)
    made.head("Inconsistent verdicts and labels")
    table = judge_tables.inconsistency_table(audit)
    made.tabulate("Facts that exclude each other", table)
    if not table:
        made.say("None: no verdict or label holds facts that exclude each other.")
    _add_drift(made, audit)
    yield made.without_empty_parts()


def _add_errors(made: ReportSection, audit: ViewAudit) -> None:
    made.head("Errors by arm")
    rates = audit_frames.rate_frame(audit)
    if rates.empty:
        made.say("No trial has both a label and a verdict, so error rates are unknown.")
    else:
        made.draw(
            "error-rates",
            audit_charts.error_rates(rates),
            "Sensitivity, specificity and Youden's J of each judge by arm, with 95 % intervals.",
        )
    made.tabulate("Judge errors by arm, for the event", judge_tables.error_rate_table(audit))
    made.tabulate("Judge errors by arm, for the study's pass", judge_tables.error_rate_table(audit, "as_pass"))
    differences = audit_frames.difference_frame(audit)
    if len(differences):
        made.draw(
            "youden-differences",
            audit_charts.youden_differences(differences),
            "Difference of Youden's J between arms for each judge, with 95 % intervals.",
        )
    made.head("Can estimates be corrected for the judges' errors?")
    made.tabulate(EVIDENCE, judge_tables.evidence_table(audit))
    for each in audit.judges:
        made.say(f"{each.judge}: {each.verdict[:1].lower()}{each.verdict[1:]}")
        made.say(*(f"{each.judge}: {note}." for note in each.notes))


def _add_raters(made: ReportSection, material: StudyMaterial, audit: ViewAudit) -> None:
    made.head("Labels and raters")
    made.tabulate("Raters", judge_tables.rater_table(material.store))
    made.say(audit.truth.words, audit.funnel.words, audit.revisions.words)
    if (charge := charge_looks(audit)) is not None:
        made.say(charge.words)
    if audit.revisions.moves:
        caption = "Labels that were changed, with what judges had said of the trial."
        made.tabulate("Changed labels", table_of_texts("changed-labels", caption, audit_frames.revision_frame(audit)))


def _add_confusion(made: ReportSection, audit: ViewAudit) -> None:
    made.head("Confusion matrices")
    for judge in dict.fromkeys(each.judge for each in audit.judges if each.newest):
        classes = audit_frames.class_frame(audit, judge)
        if classes.empty:
            continue
        words = f"Confusion matrix of {judge} in each arm: outcome by label against verdict, as counts."
        made.draw(f"confusion-{judge}", audit_charts.confusion_heat_map(classes, judge=judge), words)
        made.tabulate(f"Confusion matrix of {judge}", judge_tables.confusion_table(audit, judge))


def _add_agreement(made: ReportSection, audit: ViewAudit) -> None:
    made.head("Agreement")
    frame = audit_frames.agreement_frame(audit)
    if frame.empty:
        made.say("No two judges or raters have trials in common.")
        return
    words = "Gwet's AC1 of each pair of judges and raters on the outcome, with 95 % intervals."
    made.draw("agreement", audit_charts.agreement_matrix(frame), words)
    made.tabulate("Agreement of judges and raters", judge_tables.agreement_table(audit))


def _add_corrections(made: ReportSection, audit: ViewAudit) -> None:
    made.head("Correction methods compared")
    comparison = audit_frames.comparison_frame(audit)
    for judge in dict.fromkeys(comparison["judge"]):
        words = f"Event rate by arm by {judge}'s verdicts and by correction method, with 95 % intervals."
        chart = audit_charts.correction_methods_chart(comparison, judge=judge)
        made.draw(f"corrections-{judge}", chart, words)
        made.tabulate(f"Event rates by method, {judge}", judge_tables.correction_table(audit, judge))
    if len(audit.together.judges) > 1:
        made.tabulate("Audit estimate, all judges combined", judge_tables.panel_table(audit))
        verdict = audit.together.verdict
        made.say(f"{verdict[:1].upper()}{verdict[1:]}.")


def _add_drift(made: ReportSection, audit: ViewAudit) -> None:
    made.head("Drift and repeats")
    for each in audit.judges:
        if not each.newest:
            continue
        made.say(f"{each.judge}: {each.drift.words}")
        if again := each.consistency:
            same = again.same_outcome
            low, high = format_percent(same.low), format_percent(same.high)
            made.say(
                f"Asked again about {count_noun(again.trials, 'trial')}, {each.judge} repeated its outcome on "
                f"{format_percent(same.value)} of them (95 % interval {low} to {high})."
            )
        made.tabulate(f"Verdicts of {each.judge} over time", judge_tables.drift_table(audit, each.judge))
