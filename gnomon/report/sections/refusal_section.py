"""Refusals: how often, in which arm, and what excluding them may hide."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.estimand_registry import REFUSAL
from gnomon.stats.narrative import estimate_sentences, fit_sentences
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.tables import breakdown_tables
from gnomon.stats.tables.models import refusal_tables


def refusal_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Refusal by model and arm, and the bounds of engaged net detection; nothing where no fit has them."""
    made = ReportSection("refusal", "Refusal", [fit_sentences.WHY_REFUSALS])
    for view, fit in material.shown.items():
        if not fit.has_failed and len(fit.estimates_by_axis(REFUSAL, "arm")):
            made.head(fit_heading(view))
            _add_fit(made, material, fit)
    if len(made.blocks) > 1:
        yield made


def _add_fit(made: ReportSection, material: StudyMaterial, fit: FitFrames) -> None:
    if said := fit_sentences.refusal_headline(fit.estimands):
        made.say(said)
    words = " ".join(fit_sentences.refusal_sentences(fit.estimands))
    made.draw(f"refusal-{fit.view}", diagnostic_charts.refusal_chart(fit.estimands), words)
    made.tabulate("Refusal by model and arm", refusal_tables.refusal_table(fit))
    bounds = fit.comparison_entry("bounds")
    if len(bounds):
        words = " ".join(fit_sentences.bounds_sentences(fit.estimands, bounds))
        made.draw(f"bounds-{fit.view}", diagnostic_charts.bounds_chart(fit.estimands, bounds), words)
        made.tabulate("Selection bounds", refusal_tables.bounds_table(fit))
        made.say(fit_sentences.BOUNDS)
    made.tabulate("Refusal by strength", breakdown_tables.breakdown_table(fit, REFUSAL, "strength"))
    made.say(*estimate_sentences.refusal_asymmetry(fit.estimands, material.lee_bounds[fit.view]))
