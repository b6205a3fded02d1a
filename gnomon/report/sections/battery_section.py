"""The battery: tasks that a bias to yes cannot fake, doses, and variants of one model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gnomon.calibration.measures.battery_trials import battery_trials
from gnomon.report.report_blocks import ReportSection, slug
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.charts import battery_charts
from gnomon.stats.charts.battery_scaling_chart import battery_scaling_chart, battery_scaling_rows
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.measure_results import BatterySummary
from gnomon.stats.narrative.battery import battery_sentences
from gnomon.stats.narrative.battery.dose_sentences import dose_sentences
from gnomon.stats.narrative.battery.variant_sentences import variant_sentences
from gnomon.stats.tables.battery.battery_tables import bits_table, task_table, yes_shift_table
from gnomon.stats.tables.battery.dose_table import dose_table
from gnomon.stats.tables.battery.variant_table import variant_table
from gnomon.stats.tables.estimate_table import EstimateTable
from gnomon.stats.variants.variant_contrasts import compare_variants


def battery_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Every task of every model, and what is left of detection after the yes-shift; nothing without a battery."""
    trials = battery_trials(material.store)
    summary = summarise_battery(trials)
    if not summary.subjects:
        return
    made = ReportSection("battery", "Battery")
    made.tabulate("Detection less the yes-shift", yes_shift_table(summary, summary.subjects))
    sizes = {subject.name: subject.parameters for subject in material.store.load_subjects()}
    if len(summary.subjects) > 1 and len(rows := battery_scaling_rows(summary, sizes)):
        told = (line for subject in summary.subjects for line in battery_sentences.task_sentences(summary, subject))
        made.draw("battery-by-model", battery_scaling_chart(rows), " ".join(told))
    for subject in summary.subjects:
        made.head(subject)
        _add_subject(made, summary, subject)
    if comparisons := compare_variants(trials, material.settings.variants):
        made.head("Variants of one model")
        for comparison in comparisons:
            title = f"{comparison.variant} less {comparison.base}"
            made.say(*variant_sentences(comparison))
            if comparison.tasks:
                made.tabulate(title, _named(variant_table(comparison), f"variants-{slug(title)}"))
    made.say(battery_sentences.TARGETS, battery_sentences.UNITS)
    yield made.without_empty_parts()


def _add_subject(made: ReportSection, summary: BatterySummary, subject: str) -> None:
    lines = battery_sentences.yes_shift_sentences(summary, subject)
    if len(battery_charts.yes_shift_rows(summary, subject)):
        made.draw(f"yes-shift-{subject}", battery_charts.yes_shift_chart(summary, subject), " ".join(lines))
    made.say(*lines, *battery_sentences.bits_sentences(summary, subject))
    if table := task_table(summary, subject):
        words = " ".join(battery_sentences.task_sentences(summary, subject))
        made.draw(f"tasks-{subject}", battery_charts.battery_chart(summary, subject), words)
        made.tabulate(f"Tasks: {subject}", _named(table, f"tasks-{subject}"))
    if len(battery_charts.dose_rows(summary, subject)):
        lines = dose_sentences(summary, subject)
        made.draw(f"doses-{subject}", battery_charts.dose_chart(summary, subject), " ".join(lines))
        made.tabulate(f"By dose and by depth: {subject}", _named(dose_table(summary, subject), f"doses-{subject}"))
        made.say(*lines)
    made.tabulate(f"Identification in bits: {subject}", _named(bits_table(summary, subject), f"bits-{subject}"))


def _named(table: EstimateTable, name: str) -> EstimateTable:
    """The table under the name of its files in a bundle, which holds those of several models."""
    return replace(table, name=name)
