"""Refusals: how often, in which arm, and what excluding them may hide."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.estimand_registry import REFUSAL
from gnomon.stats.estimands.model_bounds import lee_bounds_by_model
from gnomon.stats.narrative import estimate_sentences, fit_sentences
from gnomon.stats.tables import breakdown_tables


def refusal_section(material: StudyMaterial) -> Iterator[ReportSection]:
    """Refusal by model and arm, and the bounds of engaged net detection; nothing where no fit has them."""
    made = ReportSection("refusal", "Refusal", [fit_sentences.WHY_REFUSALS])
    for view, fit in material.shown.items():
        bounds = fit.comparison_entry("bounds")
        by_arm = breakdown_tables.breakdown_table(fit, REFUSAL, "arm")
        if fit.has_failed or not (by_arm or len(bounds)):
            continue
        made.head(fit_heading(view))
        if len(bounds):
            lines = list(fit_sentences.bounds_sentences(fit.estimands, bounds))
            chart = diagnostic_charts.refusal_bounds_chart(fit.estimands, bounds)
            made.draw(f"refusal-{view}", chart, " ".join([*fit_sentences.refusal_sentences(fit.estimands), *lines]))
            made.say(*lines, fit_sentences.BOUNDS)
        made.tabulate("Refusal by model and arm", by_arm)
        found = lee_bounds_by_model(material.store, view, fit.judge)
        made.say(*estimate_sentences.refusal_asymmetry(fit.estimands, found))
    if len(made.blocks) > 1:
        yield made
