"""The first sections of a report: the answer with its warnings, and what was run."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.data.arms import steered_arms
from gnomon.data.errors import NotEnoughDataError, UnknownNameError
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.cells.outcome_counts import study_outcomes
from gnomon.stats.charts.outcome_charts import outcome_chart
from gnomon.stats.estimand_registry import CORRECTED_VIEW
from gnomon.stats.narrative.battery.battery_sentences import measure_sentence
from gnomon.stats.narrative.formatting import count_noun, format_percent, join_names
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_answer import answer_study, provenance_sentence
from gnomon.stats.narrative.study_overview import distinct_values
from gnomon.stats.tables import headline_tables
from gnomon.stats.tables.design_tables import MODEL, missing_trials_table, trials_by_arm_table
from gnomon.stats.tables.estimate_table import EstimateTable, TableColumn
from gnomon.stats.tables.outcome_table import outcome_table

MOST_NAMES = 20
DESIGN_AXES = {
    "concept": "Concepts",
    "strength": "Strengths",
    "layer": "Layers",
    "span": "Spans",
    "protocol": "Protocols",
}


def answer_section(material: StudyMaterial) -> ReportSection:
    """Headline estimates of all fits side by side, and the warnings, worst first."""
    made = ReportSection("study", "The study")
    answer = answer_study(material.shown)
    if answer is not None:
        made.say(answer.sentence)
    made.tabulate("Estimates, with 95 % intervals", headline_tables.headline_table(material.shown))
    for note in list_notices(material.overview):
        made.warn(note.level, note.text)
    _add_outcomes(made, material)
    for fit in material.overview.fits:
        if answer is not None and fit.view == answer.view:
            labels = material.settings.label_view if fit.view.startswith(CORRECTED_VIEW) else ""
            outdated = material.overview.outdated.get(fit.view, ())
            made.say(f"Estimates: {provenance_sentence(fit, material.settings.rule, labels, outdated)}")
    return made


def _add_outcomes(made: ReportSection, material: StudyMaterial) -> None:
    """What the trials of each arm end in, as counted."""
    try:
        rows = study_outcomes(material.store)
    except (NotEnoughDataError, UnknownNameError):
        return
    if not rows:
        return
    judges = list(material.settings.judges) or sorted(material.overview.states["judge"].unique())
    source = "as published" if material.overview.counts_only else f"by the verdicts of {judges[0]}" if judges else ""
    said = "; ".join(
        f"{row.subject}, {row.arm}: {row.outcome} {format_percent(row.n / max(row.of, 1))}" for row in rows
    )
    made.draw("outcomes", outcome_chart(rows, source), f"Outcomes by arm, {source}. {said}.")
    made.tabulate("Outcomes by model and arm", outcome_table(rows, source))


def design_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Models, arms, concepts, strengths and layers that were run; nothing of a study of counts."""
    found = material.overview
    if not len(found.cells):
        return
    made = ReportSection("design", "What was run")
    steered = found.cells[found.cells["arm"].isin(steered_arms())]
    judges = sorted(found.states["judge"].unique())
    run = set(found.cells["subject"])
    models = [subject.name for subject in material.store.load_subjects() if subject.name in run]
    made.say(
        f"{count_noun(found.trial_count, 'trial')} of {join_names(models, 12)}; "
        f"{len(found.labels):,} labelled; judges {join_names(judges, 12)}."
    )
    for axis, name in DESIGN_AXES.items():
        if values := distinct_values(steered[axis]):
            made.say(f"{name}: {join_names(values, MOST_NAMES)}.")
    made.tabulate("Models", _model_table(material))
    made.tabulate("Trials by model and arm", trials_by_arm_table(found.cells, models))
    made.say(*(measure_sentence(count) for count in found.measured))
    if len(found.missing):
        made.tabulate("Missing trials", missing_trials_table(found.missing))
    yield made


def _model_table(material: StudyMaterial) -> EstimateTable:
    rows = tuple(
        {
            "model": subject.name,
            "size": subject.parameters,
            "family": subject.family,
            "variant": subject.variant,
            "revision": subject.revision[:12] or None,
        }
        for subject in sorted(material.store.load_subjects(), key=lambda one: (one.parameters, one.name))
    )
    columns = (
        MODEL,
        TableColumn("size", "Size", "size"),
        TableColumn("family", "Family"),
        TableColumn("variant", "Variant", terms=("variant",)),
        TableColumn("revision", "Revision of the weights"),
    )
    return EstimateTable("models-run", "Models that were steered and questioned.", columns, rows).filled()
