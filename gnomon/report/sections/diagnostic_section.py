"""Diagnostics: convergence, posterior predictive checks, prior against posterior, coverage in simulation."""

from __future__ import annotations

import numpy as np

from gnomon.data.errors import GnomonError
from gnomon.data.files import DRAWS_FOLDER
from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial
from gnomon.stats.charts import diagnostic_charts, sampling_charts
from gnomon.stats.charts.coverage_chart import coverage_grid_chart
from gnomon.stats.charts.coverage_table import interval_coverage, world_coverage
from gnomon.stats.charts.sampling_charts import prior_posterior_chart
from gnomon.stats.estimand_registry import ESTIMANDS
from gnomon.stats.fitted_posterior import estimate_chains, load_kept_posterior
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative import fit_sentences
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.narrative.formatting import estimand_label
from gnomon.stats.results import PASSED, StoredFit
from gnomon.stats.tables.diagnostics import coverage_tables, diagnostic_tables
from gnomon.stats.tables.diagnostics.diagnostic_tables import JOINT_NOTE, SMALL_STUDY, sampling_table
from gnomon.stats.tables.diagnostics.fit_table import fit_table

DRAWN_MODELS = 4
"""Models whose prior and posterior are drawn; the table has all."""


def diagnostic_section(material: StudyMaterial) -> ReportSection:
    """How the fits went, and whether the statistical model can produce the data."""
    made = ReportSection("diagnostics", "Diagnostics")
    made.head("Convergence")
    for view, fit in material.fits.items():
        made.say(fit_sentences.convergence_sentence(view, fit.status, fit.diagnostics))
    made.tabulate("Fits", fit_table(material.stored.values()))
    made.head("Posterior predictive checks")
    for view, fit in material.fits.items():
        if fit.predictive.empty:
            continue
        lines = [f"{view}: {line}" for line in fit_sentences.misfit_sentences(fit.predictive)]
        made.draw(f"predictive-{view}", diagnostic_charts.predictive_check_chart(fit.predictive), " ".join(lines))
        made.say(*lines)
        made.tabulate(f"All checks: {view}", diagnostic_tables.predictive_table(fit))
    made.head("Prior and posterior")
    for fit in material.shown.values():
        _add_prior(made, fit)
    made.head("Sampling")
    if material.overview.trial_count <= SMALL_STUDY:
        for view, stored in material.stored.items():
            if stored.status == PASSED and view in material.shown:
                _add_draws(made, material, stored)
    if len(material.shown) > 1:
        made.head("All fits")
        made.tabulate("Every estimate by each fit", diagnostic_tables.all_fits_table(material.shown))
    _add_coverage(made)
    return made.without_empty_parts()


def _add_prior(made: ReportSection, fit: FitFrames) -> None:
    """Intervals under the priors alone beside those after the data."""
    if fit.prior.empty or fit.has_failed:
        return
    named = {name: estimand_label(name) for name in ESTIMANDS if name in set(fit.prior["estimand"])}
    names = {name: label[:1].upper() + label[1:] for name, label in named.items()}
    whole = fit.estimands[fit.estimands["axis"] == ""]
    for subject in list(dict.fromkeys(fit.prior["subject"]))[:DRAWN_MODELS]:
        mine, prior = whole[whole["subject"] == subject], fit.prior[fit.prior["subject"] == subject]
        if len(mine):
            words = f"Prior and posterior intervals of the estimates of {subject}, fit {fit.view}."
            made.draw(f"prior-posterior-{fit.view}-{subject}", prior_posterior_chart(prior, mine, names), words)
    title = f"95 % intervals before and after the data: {fit.view}"
    made.tabulate(title, diagnostic_tables.prior_posterior_table(fit))


def _add_draws(made: ReportSection, material: StudyMaterial, stored: StoredFit) -> None:
    """Convergence of each estimate, and the ranks of the first one's draws by chain, where draws are kept."""
    try:
        chains = estimate_chains(load_kept_posterior(material.store, stored, material.folder / DRAWS_FOLDER))
    except GnomonError as why:
        made.say(f"{stored.view}: no draws to plot ({why}).")
        return
    made.tabulate(f"Convergence of each estimate: {stored.view}", sampling_table(chains, stored.view))
    subject, name = next(iter(chains))
    if np.ptp(chains[subject, name]) > 0:
        words = f"Ranks of the draws of {estimand_label(name)} of {subject} by chain, fit {stored.view}."
        chart = sampling_charts.rank_chart(sampling_charts.rank_frame(chains[subject, name]))
        made.draw(f"ranks-{stored.view}", chart, words)
    made.say(JOINT_NOTE)


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
        made.say(coverage_tables.range_sentence(designs.sort_values("coverage")))
