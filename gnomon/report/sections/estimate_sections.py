"""One section for each fit: its estimates by model, against size, by concept and dose, and by each method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from gnomon.report.report_blocks import ReportSection
from gnomon.report.study_material import StudyMaterial, fit_heading
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.charts import diagnostic_charts, estimate_charts
from gnomon.stats.estimand_registry import ESTIMANDS, is_corrected, listed_estimands, main_estimand
from gnomon.stats.narrative import estimate_sentences, fit_sentences
from gnomon.stats.narrative.battery.variant_sentences import judged_variant_sentences
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows, opening_estimand
from gnomon.stats.narrative.formatting import estimand_label as called
from gnomon.stats.narrative.formatting import join_names
from gnomon.stats.narrative.method_sentences import method_sentences
from gnomon.stats.tables import breakdown_tables, headline_tables
from gnomon.stats.tables.calibration.judge_tables import posterior_youden_table
from gnomon.stats.tables.estimate_table import EstimateTable
from gnomon.stats.tables.method_table import method_table
from gnomon.stats.tables.models import size_tables
from gnomon.stats.tables.models.model_table import model_table


def estimate_sections(material: StudyMaterial) -> Iterator[ReportSection]:
    """One section per fit; of one that may not be shown, why."""
    for view, fit in material.fits.items():
        made = ReportSection(view.replace(":", "-"), fit_heading(view))
        name = opening_estimand(fit)
        if fit.has_failed:
            made.warn("error", f"Not shown: the fit did not converge ({'; '.join(fit.reasons)}).")
        elif view not in material.shown:
            made.warn("warning", f"Not shown: {material.forbidden}.")
        else:
            _fill_section(made, material, fit, name)
        made.say(fit.design)
        yield made.without_empty_parts()


def _fill_section(made: ReportSection, material: StudyMaterial, fit: FitFrames, name: str) -> None:
    main = main_estimand(fit.view.split(":")[0])
    if (misfit := fit_sentences.misfit_headline(fit.predictive)) is not None:
        made.warn("error", misfit)
    table = model_table({fit.view: fit}, material.lee_bounds)
    made.tabulate("Every model", _without_fit(table or headline_tables.headline_table({fit.view: fit})))
    if fit.overall_estimates(name).empty:
        for rate in fit.arm_rates:
            label = headline_tables.column_label(rate.estimand).lower()
            made.say(f"{rate.subject}, {label}: {fit_sentences.interval_phrase(rate)}.")
        for reason in fit.why_not(name):
            made.warn("info", f"Not shown: {reason.rstrip('.')}.")
    else:
        if name != main:
            made.say(_without_main_sentence(fit, main))
        _add_main_estimate(made, fit, name)
        for reason in fit.why_not(name):
            made.warn("info", f"Not shown: {reason.rstrip('.')}.")
    if fit.headline is not None and fit.methods:
        made.head("By each correction method")
        made.tabulate("Corrected estimates by method", method_table(fit.methods))
        made.say(*method_sentences(fit.headline))
    made.head("Judges and raters in this fit")
    made.tabulate("Youden's J by arm", posterior_youden_table([row for row in fit.judges if row.question == EVENT]))
    stored = material.stored.get(fit.view)
    if stored is not None and (found := fit_sentences.rater_finding(stored.result.raters)):
        made.say(f"{found[:1].upper()}{found[1:]}.")
    if variants := list(judged_variant_sentences(fit.contrasts, material.settings.variants, name)):
        made.head("Variants of one model")
        made.say(*variants)
    _add_breakdowns(made, fit, name)
    if len(fit.estimands):
        made.head("All estimates of this fit")
        made.tabulate("All estimates of this fit", breakdown_tables.estimate_list_table(fit))


def _without_fit(table: EstimateTable) -> EstimateTable:
    """The table without the column that names the fit: in a section of one fit it is the same in every row."""
    columns = tuple(column for column in table.columns if column.name != "fit")
    rows = tuple({name: cell for name, cell in row.items() if name != "fit"} for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def _without_main_sentence(fit: FitFrames, main: str) -> str:
    """That a fit lacks net detection, and why, where the section shows what it has instead."""
    reasons = dict.fromkeys(reason.rstrip(".") for reason in fit.why_not(main))
    return f"{called(main).capitalize()} is not shown{f' ({join_names(list(reasons))})' if reasons else ''}."


def _add_main_estimate(made: ReportSection, fit: FitFrames, name: str) -> None:
    """The estimate that the fit is about: its definition, and its chart over size or of all estimates."""
    rows = fit.overall_estimates(name)
    made.say(f"{called(name).capitalize()}: {ESTIMANDS[name].definition}")
    if rows["parameters"].nunique() > 1:
        made.head("Against model size")
        by_size = frame_rows(rows.sort_values("parameters"), TidyEstimate)
        chart = estimate_charts.scaling_chart(
            rows,
            fit.curve[fit.curve["estimand"] == name],
            estimand=name,
            predictive=fit.comparison_entry("new_subject"),
        )
        made.draw(f"{name}-by-size", chart, " ".join(map(estimate_sentences.figure_sentence, by_size)))
        made.say(*estimate_sentences.trend_sentences(fit.comparison_entry("slopes"), name))
        made.say(*estimate_sentences.monotone_sentence(fit.estimands, fit.contrasts, name))
        made.tabulate("Trend through the models that were run", size_tables.trend_table(fit, name))
        made.tabulate("Steps between models", size_tables.step_table(fit, name))
        made.tabulate("Every pair of models", size_tables.pair_table(fit, name))
    else:
        names = [one for one in listed_estimands() if is_corrected(name) or not is_corrected(one)]
        every = pd.concat([part for one in names if len(part := fit.overall_estimates(one))], ignore_index=True)
        words = "; ".join(
            f"{called(row.estimand)}: {fit_sentences.interval_phrase(row)}" for row in frame_rows(every, TidyEstimate)
        )
        made.draw("estimates", estimate_charts.forest_plot(every), words)


def _add_breakdowns(made: ReportSection, fit: FitFrames, name: str) -> None:
    """By concept and strength, and the cells of layer and strength."""
    for axis, draw in (("concept", estimate_charts.concept_chart), ("strength", estimate_charts.strength_chart)):
        if len(rows := fit.estimates_by_axis(name, axis)):
            made.head(f"By {axis}")
            made.draw(f"{name}-by-{axis}", draw(rows, estimand=name), f"{called(name)} by {axis}, 95 % intervals.")
            title = f"{called(name)} by {axis}"
            made.tabulate(title[:1].upper() + title[1:], breakdown_tables.breakdown_table(fit, name, axis))
    if len(cells := fit.comparison_entry("best")):
        made.head("By layer and strength")
        lines = list(estimate_sentences.best_cells(cells))
        made.draw("layers-and-strengths", diagnostic_charts.dose_heatmap(cells), " ".join(lines))
        made.tabulate("Net detection by layer and strength", breakdown_tables.dose_cell_table(fit))
        made.say(*lines)
