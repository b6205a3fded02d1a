"""Diagnostics: convergence, posterior predictive checks, prior against posterior, coverage in simulation."""

from __future__ import annotations

from gnomon.report.report_blocks import ReportSection, text_table
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.charts.coverage_chart import coverage_grid_chart
from gnomon.stats.charts.coverage_table import interval_coverage, world_coverage
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative import fit_sentences
from gnomon.stats.tables import coverage_tables


def diagnostic_section(material: StudyMaterial) -> ReportSection:
    """How the fits went, and whether the statistical model can produce the data."""
    made = ReportSection("diagnostics", "Diagnostics")
    made.head("Convergence")
    for view, fit in material.fits.items():
        made.say(fit_sentences.convergence_sentence(view, fit.status, fit.diagnostics))
    made.say(fit_sentences.GATES)
    made.head("Posterior predictive checks")
    for view, fit in material.fits.items():
        if fit.predictive.empty:
            continue
        lines = [f"{view}: {line}" for line in fit_sentences.misfit_sentences(fit.predictive)]
        made.draw(f"predictive-{view}", diagnostic_charts.predictive_check_chart(fit.predictive), " ".join(lines))
        made.say(*lines)
        checks = fit_sentences.check_table(fit.predictive)
        made.tabulate(f"All checks: {view}", text_table(f"checks-{view}", fit_sentences.CHECKS, checks))
    made.head("Prior and posterior")
    for view, fit in material.shown.items():
        if len(fit.prior):
            frame = fit_sentences.prior_table(fit.prior, fit.estimands)
            table = text_table(f"prior-{view}", fit_sentences.PRIOR_DECIDES, frame)
            made.tabulate(f"95 % intervals before and after the data: {view}", table)
    _add_coverage(made)
    return made.without_empty_parts()


def _add_coverage(made: ReportSection) -> None:
    """Coverage of intervals in simulated studies, as measured for this version of the statistical model."""
    made.head("Interval coverage in simulation")
    worlds, designs = world_coverage(VERSION), interval_coverage(VERSION)
    if worlds.empty and designs.empty:
        made.say(coverage_tables.NOT_MEASURED)
    if not worlds.empty:
        told = coverage_tables.worlds_sentence(worlds)
        made.draw("coverage", coverage_grid_chart(coverage_tables.world_grid(worlds)), told)
        made.tabulate("Studies that the statistical model did not draw", coverage_tables.worlds_table(worlds))
        made.say(told, coverage_tables.WORLDS_MEASURED)
    if not designs.empty:
        made.tabulate("Studies drawn from the statistical model", coverage_tables.designs_table(designs))
        made.say(coverage_tables.range_sentence(designs.sort_values("coverage")), coverage_tables.DESIGNS_MEASURED)
