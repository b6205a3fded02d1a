"""Estimates as the JSON documents of docs/json.md, and as tables with the same content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import select

from gnomon.calibration.labels.truth_summary import summarize_truth
from gnomon.data.arms import EVENT_RATE
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import count_outside, describe_outside, report_counts
from gnomon.data.study_settings import load_settings
from gnomon.render.documents import (
    DiagnosticsSummary,
    EstimateLine,
    EstimatesDocument,
    FailedFit,
    FitDiagnostics,
)
from gnomon.stats.estimand_registry import (
    CORRECTED_VIEW,
    ESTIMANDS,
    IDENTIFICATION,
    INJECTION,
    NET_RAW,
    REFUSAL,
    headline_estimands,
    is_corrected,
    view_name,
)
from gnomon.stats.estimands.rule_sensitivity import compare_outcome_rules, missing_verdict_ranges
from gnomon.stats.narrative.caveats import external_caveats, study_caveats
from gnomon.stats.narrative.formatting import format_percent
from gnomon.stats.narrative.method_sentences import METHOD_NAMES, headline_sentence
from gnomon.stats.narrative.next_steps import withheld_notices
from gnomon.stats.results import FAILED, JOINT, PASSED, Diagnostics, EstimateRow, StoredFit, WithheldEstimate
from gnomon.stats.tables.estimate_table import EstimateTable, Interval, show_cell
from gnomon.stats.tables.headline_tables import (
    INDEX_LABELS,
    NEW_CONCEPTS_NOTE,
    RULES_NOTE,
    SIGNAL_NOTE,
    column_label,
    estimand_kind,
    estimate_cell,
    estimate_phrase,
    fit_title,
    missing_verdict_sentences,
    rule_table,
)
from gnomon.stats.tables.method_table import method_table

NOT_DENIED = "Control, not denied"
"""Row of the share of control trials that raw net detection subtracts: identification minus raw net detection."""

if TYPE_CHECKING:
    from rich.table import Table

    from gnomon.chain.session import OpenStudy


def estimates_document(study: OpenStudy, fits: Sequence[StoredFit]) -> EstimatesDocument:
    """The document that `fit` and `demo` print: counts of facts, one entry per estimate, diagnostics.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    fits : sequence of StoredFit
        Fits of one run, one per view.
    """
    passed = [fit for fit in fits if fit.status == PASSED]
    subjects = tuple(subject.name for subject in study.store.load_subjects())
    lines = [
        _estimate_line(row, fit)
        for fit in passed
        for row in (*fit.result.overall_estimates, *fit.result.arm_event_rates)
    ]
    judged = next((fit.result.judge for fit in passed if fit.view == "judged"), None)
    store = study.store
    return EstimatesDocument(
        study=study.file.name,
        subjects=subjects,
        trials=_trial_counts(study),
        outside_design=(outside := count_outside(store)),
        verdicts=study.store.count_rows(tables.verdicts),
        labels=(labels := study.store.count_rows(tables.labels)),
        truth=summarize_truth(store, load_settings(store).label_view) if labels else None,
        estimates=tuple(sorted(lines, key=lambda line: _sort_key(line, subjects))),
        refused=_withheld_estimates(fits),
        failed=tuple(FailedFit(view=fit.view, reasons=fit.diagnostics.reasons) for fit in fits if fit.status == FAILED),
        diagnostics=_diagnostics_summary(fits),
        methods={fit.view: fit.result.methods for fit in passed if fit.result.methods},
        headlines={fit.view: fit.result.headline for fit in passed if fit.result.headline},
        comparisons={fit.view: fit.result.comparisons for fit in passed},
        predictive={fit.view: fit.result.predictive for fit in passed},
        outcome_rules=tuple(compare_outcome_rules(store, judged)) if judged else (),
        missing_verdicts=tuple(missing_verdict_ranges(store, judged)) if judged else (),
        warnings=(
            *study_caveats(fit.view for fit in passed),
            *(external_caveats(store) if any(fit.view.startswith(CORRECTED_VIEW) for fit in passed) else ()),
            *filter(None, [describe_outside(outside)]),
            *(line for fit in passed for line in fit.result.cautions),
        ),
    )


def _withheld_estimates(fits: Sequence[StoredFit]) -> tuple[WithheldEstimate, ...]:
    """Estimates withheld by any fit, deduplicated."""
    lines = [
        line.model_copy(update={"view": fit.view}) for fit in fits if not fit.has_failed for line in fit.result.refused
    ]
    return tuple(line for place, line in enumerate(lines) if line not in lines[:place])


def _trial_counts(study: OpenStudy) -> int:
    if not study.file.counts:
        return study.store.count_rows(tables.trials)
    return int(study.store.read_frame(select(tables.counts.c.n).where(report_counts()))["n"].sum())


def _estimate_line(row: EstimateRow, fit: StoredFit) -> EstimateLine:
    return EstimateLine(
        subject=row.subject,
        estimand=_unique_estimand_name(row.estimand, fit.view),
        mean=row.mean,
        low=row.low95,
        high=row.high95,
        level=0.95,
        observed=row.observed,
        view=fit.view,
        judge=fit.result.judge,
    )


def _unique_estimand_name(estimand: str, view: str) -> str:
    """An estimand's name, unique over views: refusal as judged and refusal corrected are different estimands."""
    plain = is_corrected(estimand) or not view.startswith("corrected")
    return estimand if plain else f"{estimand}_corrected"


def _sort_key(line: EstimateLine, subjects: Sequence[str]) -> tuple[int, bool, int, str]:
    """Subjects in their order; of each the uncorrected estimates, then the corrected ones, the headline first."""
    order, name = headline_names(), line.estimand
    return (
        subjects.index(line.subject),
        line.view.startswith(CORRECTED_VIEW),
        order.index(name) if name in order else len(order),
        name,
    )


def _plain_name(name: str) -> str:
    """The registered name of an estimate in a document."""
    return name if name in ESTIMANDS else name.removesuffix(f"_{CORRECTED_VIEW}")


def headline_names() -> tuple[str, ...]:
    """Names of the headline estimates in a document, uncorrected and corrected."""
    primary = [name for name in headline_estimands() if not is_corrected(name)]
    corrected = [_unique_estimand_name(view_name(name, CORRECTED_VIEW), CORRECTED_VIEW) for name in primary]
    return (*primary, *corrected)


def _diagnostics_summary(fits: Sequence[StoredFit]) -> DiagnosticsSummary:
    sampled = [fit.diagnostics for fit in fits if fit.diagnostics.draws]
    return DiagnosticsSummary(
        max_rhat=max((each.max_rhat for each in sampled if each.max_rhat is not None), default=None),
        min_ess=min((each.min_ess for each in sampled if each.min_ess is not None), default=None),
        divergences=sum(each.divergences for each in sampled),
        fits={fit.view: _with_status(fit.diagnostics, fit.status) for fit in fits},
    )


def _with_status(diagnostics: Diagnostics, status: str) -> FitDiagnostics:
    return FitDiagnostics(status=status, **{name: getattr(diagnostics, name) for name in Diagnostics.model_fields})


def format_diagnostics(fit: StoredFit) -> str:
    """Convergence diagnostics of a fit in one line."""
    each = fit.diagnostics
    if not each.draws or each.max_rhat is None or each.min_ess is None:
        return f"{fit.status}: nothing was sampled"
    good = f"R-hat {each.max_rhat:.3f}, ESS {each.min_ess:.0f}, {each.divergences} divergences"
    weighted = each.reweighted
    how = f", weighted from fit {weighted.fit[:8]} (Pareto k {weighted.k:.2f})" if weighted else ""
    return f"{fit.status}: {good}{how}"


def print_estimates(document: EstimatesDocument) -> None:
    """Print the estimates as tables on stdout: the headline, then what it depends on, then what is withheld."""
    from gnomon.render.text_console import TextConsole

    console = TextConsole()
    console.print(f"{document.study}: {document.trials:,} trials, {document.labels:,} label events")
    console.print(*_headline_tables(document), sep="")
    compared = document.comparisons.values()
    if any(each.new_concepts for each in compared):
        console.print(f"Concepts like these: {NEW_CONCEPTS_NOTE}", style="dim", soft_wrap=True)
    if any(each.signal_detection for each in compared):
        console.print(SIGNAL_NOTE, style="dim", soft_wrap=True)
    if document.outcome_rules:
        console.print(*_rule_tables(document), sep="")
        console.print(RULES_NOTE, style="dim", soft_wrap=True)
    for sentence in missing_verdict_sentences(document.missing_verdicts):
        console.print(sentence, soft_wrap=True)
    if document.truth is not None and document.truth.needs_telling:
        console.print(f"Raters: {document.truth.words}", soft_wrap=True)
    for warning in document.warnings:
        console.print(f"Warning: {warning}", soft_wrap=True)
    for view, choice in document.headlines.items():
        if view not in document.methods:
            continue
        console.print(_method_table(method_table(document.methods[view])))
        console.print(headline_sentence(choice), soft_wrap=True)
    for view in dict.fromkeys(each.view or "" for each in document.refused):
        for note in withheld_notices([each for each in document.refused if (each.view or "") == view], view):
            console.print(note.text, soft_wrap=True)


def _headline_tables(document: EstimatesDocument) -> Iterator[Table]:
    """For each model and fit: headline estimates, for these concepts and for concepts like these, d' and criterion."""
    names, population = headline_names(), _new_concept_intervals(document)
    columns = ("mean (95 % interval)", *(("concepts like these",) if population else ()))
    kept = [line for line in document.estimates if line.estimand in names or line.estimand.startswith(EVENT_RATE)]
    for (subject, view), lines in groupby(kept, key=lambda line: (line.subject, line.view)):
        shown = _block_table(f"{subject}, {fit_title(view)}", columns)
        rows = {_plain_name(line.estimand): line for line in lines}
        for plain, line in rows.items():
            if plain in (NET_RAW, view_name(NET_RAW, CORRECTED_VIEW)) and _is_one_posterior(document, view):
                named = rows.get(IDENTIFICATION)
                if named is not None:
                    shown.add_row(NOT_DENIED, format_percent(named.mean - line.mean))
            cells = [show_cell(Interval(line.mean, line.low, line.high), estimand_kind(plain))]
            cells += [population.get((view, subject, plain), "")] if population else []
            shown.add_row(_row_label(plain), *cells)
        for row in document.comparisons[view].signal_detection if view in document.comparisons else ():
            if row.subject == subject:
                label = INDEX_LABELS.get(row.estimand, row.estimand)
                shown.add_row(label, show_cell(estimate_cell(row), "number"))
        yield shown


def _row_label(name: str) -> str:
    """An estimand below the title of its fit, which says whether it is corrected: as the pages' columns name it."""
    return column_label(ESTIMANDS[name].corrects or name if name in ESTIMANDS else name)


def _block_table(title: str, columns: Sequence[str]) -> Table:
    """A table of one model: its name above, columns as wide in every block."""
    from rich.table import Table

    from gnomon.render.text_console import bold_text

    shown = Table(title=bold_text(title), box=None, title_justify="left", title_style="", pad_edge=False)
    shown.add_column("", no_wrap=True, min_width=27)
    for name in columns:
        shown.add_column(name, justify="right", no_wrap=True, min_width=8)
    return shown


def _new_concept_intervals(document: EstimatesDocument) -> dict[tuple[str, str, str], str]:
    """Intervals for concepts like these, by view, subject and estimand."""
    return {
        (view, row.subject, row.estimand): estimate_phrase(row.estimand, row)
        for view, compared in document.comparisons.items()
        for row in compared.new_concepts
        if row.estimand in ESTIMANDS and INJECTION in ESTIMANDS[row.estimand].arms and row.estimand != REFUSAL
    }


def _is_one_posterior(document: EstimatesDocument, view: str) -> bool:
    """Whether the shown estimates of a fit have the same draws, so that a difference's mean is that of two means."""
    choice = document.headlines.get(view)
    return choice is None or choice.method == JOINT


def _rule_tables(document: EstimatesDocument) -> Iterator[Table]:
    """For each model: headline estimates as counted under each outcome rule."""
    found = rule_table(document.outcome_rules)
    headings = [column.heading for column in found.columns[2:]]
    for model, rows in groupby(found.texts(), key=lambda row: row[0]):
        shown = _block_table(f"{model}, by outcome rule", headings)
        for row in rows:
            shown.add_row(*row[1:])
        yield shown


def _method_table(found: EstimateTable) -> Table:
    """Methods as columns, models as headings; the headline's column is marked."""
    from rich.table import Table

    from gnomon.render.text_console import bold_text

    methods = [column for column in found.columns if column.name in METHOD_NAMES]
    chosen = {row["headline"] for row in found.rows}
    shown = Table(title="Corrected estimates by method (* headline)", box=None, title_justify="left")
    shown.add_column("", no_wrap=True)
    for column in methods:
        said = METHOD_NAMES[column.name]
        shown.add_column(f"{said} *" if chosen == {said} else said, justify="right", no_wrap=True)
    for model, rows in groupby(found.rows, key=lambda row: row["model"]):
        shown.add_row(bold_text(str(model)))
        for row in rows:
            told = str(row["estimate"]).removeprefix("corrected ")
            shown.add_row(f"  {told}", *(show_cell(row.get(column.name), column.kind) for column in methods))
    return shown
