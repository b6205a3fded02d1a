"""Diagnostics: convergence, posterior predictive checks, prior against posterior, coverage in simulation."""

from __future__ import annotations

from gnomon.report.report_blocks import ReportSection, text_table
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.narrative import fit_sentences


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
    return made.without_empty_parts()
