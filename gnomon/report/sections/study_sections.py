"""The first sections of a report: the answer with its warnings, and what was run."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.data.arms import steered_arms
from gnomon.report.report_blocks import ReportSection, text_table
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.narrative.battery.battery_sentences import measure_sentence
from gnomon.stats.narrative.formatting import count_noun, join_names
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_overview import distinct_values
from gnomon.stats.tables import headline_tables

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
    for note in list_notices(material.overview):
        made.warn(note.level, note.text)
    made.tabulate("Estimates, with 95 % intervals", headline_tables.headline_table(material.shown))
    return made


def design_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Models, arms, concepts, strengths and layers that were run; nothing of a study of counts."""
    found = material.overview
    if not len(found.cells):
        return
    made = ReportSection("design", "What was run")
    steered = found.cells[found.cells["arm"].isin(steered_arms())]
    judges = sorted(found.states["judge"].unique())
    made.say(
        f"{count_noun(found.trial_count, 'trial')} of {join_names(sorted(found.cells['subject'].unique()), 12)}; "
        f"{len(found.labels):,} labelled; judges {join_names(judges, 12)}."
    )
    for axis, name in DESIGN_AXES.items():
        if values := distinct_values(steered[axis]):
            made.say(f"{name}: {join_names(values, MOST_NAMES)}.")
    by_arm = found.cells.pivot_table(index="subject", columns="arm", values="n", aggfunc="sum", fill_value=0)
    shown = by_arm.reset_index().rename(columns=lambda name: str(name)[:1].upper() + str(name)[1:])
    made.tabulate("Trials by model and arm", text_table("trials-by-arm", "Answered trials of the design.", shown))
    made.say(*(measure_sentence(count) for count in found.measured))
    if len(found.missing):
        table = text_table(
            "missing-trials",
            "Planned conditions with fewer trials than planned.",
            found.missing,
        )
        made.tabulate("Missing trials", table)
    yield made
