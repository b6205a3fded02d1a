"""The report of a study: one HTML file that needs no network, with results, audit, methods and what is withheld.

Assembles the report from stored results; performs no computation. A corrected estimate that the audit does not allow is
left out, whatever a fit contains.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.audit.narrative import needs_sentences
from gnomon.calibration.cards import card_sentences
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.measures.battery_trials import battery_trials
from gnomon.calibration.plotting.theme import save_chart
from gnomon.calibration.results.audit import ViewAudit
from gnomon.calibration.results.error_rates import EvidenceLevel
from gnomon.calibration.sequential.look_charges import charge_looks
from gnomon.data.arms import steered_arms
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.files import write_atomically
from gnomon.data.records import utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store, code_version
from gnomon.data.storage.stored_settings import SubjectVariant
from gnomon.data.study_settings import load_settings
from gnomon.report.pdf import find_browser, html_to_pdf
from gnomon.stats.charts import battery_charts, diagnostic_charts, estimate_charts
from gnomon.stats.estimand_registry import CORRECTED_VIEW, ESTIMANDS, is_corrected, listed_estimands, main_estimand
from gnomon.stats.estimands.rule_sensitivity import compare_outcome_rules, missing_verdict_ranges
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.narrative import estimate_sentences, fit_sentences
from gnomon.stats.narrative.battery import battery_sentences
from gnomon.stats.narrative.battery.battery_sentences import measure_sentence
from gnomon.stats.narrative.battery.battery_table import NOTE, battery_table
from gnomon.stats.narrative.battery.dose_sentences import DOSE_NOTE, dose_sentences, dose_table
from gnomon.stats.narrative.battery.variant_sentences import (
    VARIANT_NOTE,
    judged_variant_sentences,
    variant_sentences,
    variant_table,
)
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, all_fitted, frame_rows, opening_estimand
from gnomon.stats.narrative.formatting import estimand_label as called
from gnomon.stats.narrative.formatting import format_points, join_names, non_breaking, with_reader_headings
from gnomon.stats.narrative.method_sentences import method_sentences
from gnomon.stats.narrative.next_steps import list_notices, withheld_notices
from gnomon.stats.narrative.study_overview import StudyOverview, distinct_values, summarize_study
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables import headline_tables
from gnomon.stats.tables.estimate_table import EstimateTable
from gnomon.stats.tables.method_table import method_table
from gnomon.stats.variants.variant_contrasts import compare_variants
from gnomon.study_file import StudyFile

TITLES = {"published": "As published", "judged": "As judged", "corrected": "Corrected for judge error"}
PDF = ".pdf"
TEMPLATES = Path(__file__).parents[1] / "templates"
MODEL = (
    "Statistical model: each stage of the outcome (refused; event; incoherent; the rest, where the data have them) is "
    "a logit: level, arm, log2 size, variant, model, concept, strength and depth, groups partially pooled; sampled by "
    "NUTS (nutpie). In the corrected fit the outcomes of unlabelled trials are inferred; judges err with rates of "
    "their own in each arm, and labels are part of the likelihood. Intervals are equal-tailed posterior quantiles of "
    "probability 95 % unless they say otherwise. Bounds: Lee (2009), with Imbens and Manski's (2004) interval."
)
SHOWN = ("subject", "estimand", "axis", "value", "mean", "low95", "high95", "observed", "n")


class ReportedStudy(Protocol):
    """What the report needs of a study: its folder, what its file says, and its store."""

    @property
    def folder(self) -> Path:
        """The study's folder."""

    @property
    def file(self) -> StudyFile:
        """What `study.toml` says."""

    @property
    def store(self) -> Store:
        """The database of facts."""


@dataclass(frozen=True)
class ReportPicture:
    """A chart as a data URL, with its text alternative."""

    address: str
    words: str


@dataclass
class ReportSection:
    """A heading with sentences, pictures and tables; `id` is its anchor."""

    id: str
    title: str
    lines: list[str] = field(default_factory=list)
    pictures: list[ReportPicture] = field(default_factory=list)
    tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)


def write_report(study: ReportedStudy, out: Path, tell: Callable[[str], object] | None = None) -> Path:
    """Write the report of a study.

    Parameters
    ----------
    study : ReportedStudy
        An open study.
    out : Path
        The .html or .pdf file to write.
    tell : callable, optional
        Takes one line on what was written.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        If `out` is neither an .html nor a .pdf file or cannot be written, or there is no browser to print a PDF.
    NotEnoughDataError
        If nothing was fitted yet.
    """
    if out.suffix.lower() not in (".html", ".htm", PDF):
        raise InputError(f"report '{out}': name it .html or .pdf")
    if out.suffix.lower() == PDF:
        find_browser()
    fits = all_fitted(study.store)
    if not fits:
        raise NotEnoughDataError(f"study '{study.file.name}' has no fit: run 'gnomon fit {study.folder}' first")
    fits = dict(sorted(fits.items(), key=lambda item: (list(TITLES).index(item[0].split(":")[0]), item[0])))
    found = summarize_study(study.store)
    document = _audit_document(study.store)
    forbidden = _reason_not_correctable(study, document)
    shown = {view: fit for view, fit in fits.items() if not (forbidden and view.startswith(CORRECTED_VIEW))}
    sections = [
        _summary_section(found, fits, shown),
        *_finding_sections(fits, forbidden, load_settings(study.store).variants),
        *_sensitivity_section(study.store, shown),
        *_battery_section(study.store),
        *_refusal_section(fits),
    ]
    sections += [
        *_judge_section(document),
        *_card_section(study.store, document),
        *_check_section(fits),
        _methods_section(study.store, fits),
        _limits_section(found, fits),
    ]
    about = {"study": study.file.name, "made": utc_timestamp()[:16].replace("T", " "), "version": code_version()}
    house = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    is_pdf = out.suffix.lower() == PDF
    text = house.get_template("report.html").render(**about, sections=sections, tables_open=is_pdf)
    content = html_to_pdf(text) if is_pdf else text.encode()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, content)
    except OSError as error:
        raise InputError(f"report '{out}': cannot be written ({error.strerror}): name another place") from error
    if tell is not None:
        tell(f"{out}: {len(content) / 1e6:.1f} MB, {sum(len(section.pictures) for section in sections)} figures")
    return out


def make_picture(chart: Any, words: str) -> ReportPicture:
    """A chart as SVG in a data URL; scripts in it are never run.

    Parameters
    ----------
    chart : Chart
        Altair chart without a theme.
    words : str
        Its text alternative.
    """
    with TemporaryDirectory() as folder:
        drawn = save_chart(chart, Path(folder) / "chart.svg").read_bytes()
    return ReportPicture(f"data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}", words)


def _audit_document(store: Store) -> ViewAudit | None:
    """The audit in the study's own label view; None without verdicts or labels."""
    if not store.count_rows(tables.verdicts) or not store.count_rows(tables.labels):
        return None
    return audit_study(store, view=load_settings(store).label_view)


def _reason_not_correctable(study: ReportedStudy, document: ViewAudit | None) -> str | None:
    """Why corrected net detection must not be printed; None if it may be."""
    if study.file.fit.external:
        return None
    if document is None:
        return "there are no labels, so judge error rates are unknown"
    heard = study.file.fit.judges or load_settings(study.store).judges
    mine = [each for each in document.judges if each.judge in heard and each.newest]
    usable = [each for each in mine if any(one.level.rank >= EvidenceLevel.WEAK.rank for one in each.evidence.values())]
    if usable:
        return None
    reasons = [f"{each.judge}: {reason}" for each in mine for reason in each.reasons]
    return "no judge passes the audit" + (f" ({'; '.join(reasons)})" if reasons else "")


def _summary_section(
    found: StudyOverview, fits: Mapping[str, FitFrames], shown: Mapping[str, FitFrames]
) -> ReportSection:
    """Warnings first: the notices on the study, its headline estimates, and what was run."""
    made = ReportSection("study", "The study")
    made.lines += [note.text for note in list_notices(found)]
    if headline := headline_tables.headline_table(shown):
        made.tables.append(_estimate_content("Estimates, with 95 % intervals", headline))
    cells = found.cells
    if len(cells):
        steered = cells[cells["arm"].isin(steered_arms())]
        made.lines.append(
            f"{found.trial_count:,} trials of {join_names(sorted(cells['subject'].unique()), 12)}; "
            f"{len(found.labels):,} labelled; judges {join_names(sorted(found.states['judge'].unique()), 12)}."
        )
        by_arm = cells.pivot_table(index="subject", columns="arm", values="n", aggfunc="sum", fill_value=0)
        made.tables.append(_table_content("Trials by model and arm", by_arm.reset_index()))
        for axis in ("concept", "strength", "layer", "span", "protocol"):
            if values := distinct_values(steered[axis]):
                made.lines.append(f"{axis.capitalize()}: {join_names(values, 20)}.")
    made.lines += [measure_sentence(count) for count in found.measured]
    for view, fit in fits.items():
        made.lines.append(fit_sentences.convergence_sentence(view, fit.status, fit.diagnostics))
    return made


def _check_section(fits: Mapping[str, FitFrames]) -> Iterator[ReportSection]:
    """Posterior predictive checks of each fit: misfits in words, the chart, and all checks."""
    made = ReportSection("checks", "Posterior predictive checks", [fit_sentences.CHECKS])
    for view, fit in fits.items():
        if fit.predictive.empty:
            continue
        lines = [f"{view}: {line}" for line in fit_sentences.misfit_sentences(fit.predictive)]
        made.lines += lines
        made.pictures.append(make_picture(diagnostic_charts.predictive_check_chart(fit.predictive), " ".join(lines)))
        made.tables.append(_table_content(f"All checks: {view}", fit_sentences.check_table(fit.predictive)))
    if made.tables:
        yield made


def _finding_sections(
    fits: Mapping[str, FitFrames], forbidden: str | None, variants: Sequence[SubjectVariant] = ()
) -> Iterator[ReportSection]:
    """One section per fit: its main estimate against size, each model, steps between sizes, variants, breakdowns."""
    for view, fit in fits.items():
        kind = view.split(":")[0]
        title = TITLES[kind] if kind == view else f"{TITLES[kind]} ({view.partition(':')[2]})"
        made = ReportSection(view.replace(":", "-"), title)
        name = opening_estimand(fit)
        if fit.has_failed:
            made.lines.append(f"Not shown: the fit did not converge ({'; '.join(fit.reasons)}).")
        elif kind == "corrected" and forbidden:
            made.lines.append(f"Not shown: {forbidden}.")
        elif fit.overall_estimates(name).empty:
            for row in fit.arm_rates:
                rate = headline_tables.column_label(row.estimand).lower()
                made.lines.append(f"{row.subject}, {rate}: {fit_sentences.interval_phrase(row)}.")
            made.lines += [f"Not shown: {reason.rstrip('.')}." for reason in fit.why_not(name)]
            _add_methods(made, fit)
        else:
            if name != main_estimand(kind):
                made.lines.append(_without_main_sentence(fit, main_estimand(kind)))
            if (misfit := fit_sentences.misfit_headline(fit.predictive)) is not None:
                made.lines.append(misfit)
            _add_main_estimate(made, fit, name)
            made.lines += judged_variant_sentences(fit.contrasts, variants, name)
            _add_methods(made, fit)
            _add_breakdowns(made, fit, name)
            kept = [column for column in SHOWN if column in fit.estimands]
            made.tables.append(_table_content("All estimates of this fit, as fractions", fit.estimands[kept]))
        yield made


def _without_main_sentence(fit: FitFrames, main: str) -> str:
    """That a fit lacks net detection, and why, where the section shows what it has instead."""
    reasons = dict.fromkeys(reason.rstrip(".") for reason in fit.why_not(main))
    return f"{called(main).capitalize()} is not shown{f' ({join_names(list(reasons))})' if reasons else ''}."


def _add_main_estimate(made: ReportSection, fit: FitFrames, name: str) -> None:
    rows = fit.overall_estimates(name)
    by_size = frame_rows(rows.sort_values("parameters"), TidyEstimate)
    sentences = [estimate_sentences.figure_sentence(row) for row in by_size]
    made.lines += [ESTIMANDS[name].definition, *sentences]
    if rows["parameters"].nunique() > 1:
        curve = fit.curve[fit.curve["estimand"] == name]
        made.pictures.append(
            make_picture(
                estimate_charts.scaling_chart(
                    rows, curve, estimand=name, predictive=fit.comparison_entry("new_subject")
                ),
                " ".join(sentences),
            )
        )
        made.lines += estimate_sentences.trend_sentences(fit.comparison_entry("slopes"), name)
        made.lines += estimate_sentences.step_sentences(fit.comparison_entry("ladder"), name)
        made.lines += estimate_sentences.monotone_sentence(fit.estimands, fit.contrasts, name)
        if odds := list(estimate_sentences.odds_ratio_sentences(fit.comparison_entry("odds_ratios"))):
            made.lines += [estimate_sentences.POPULATION, *odds]
    else:
        names = [one for one in listed_estimands() if is_corrected(name) or not is_corrected(one)]
        every = pd.concat([part for one in names if len(part := fit.overall_estimates(one))], ignore_index=True)
        words = [
            f"{called(row.estimand)}: {fit_sentences.interval_phrase(row)}" for row in frame_rows(every, TidyEstimate)
        ]
        made.pictures.append(make_picture(estimate_charts.forest_plot(every), "; ".join(words)))
        made.lines += words


def _add_methods(made: ReportSection, fit: FitFrames) -> None:
    """Corrected estimates by every method, and which of them is the headline."""
    if fit.headline is not None and fit.methods:
        made.lines += method_sentences(fit.headline)
        made.tables.append(_estimate_content("Corrected estimates by method", method_table(fit.methods)))


def _add_breakdowns(made: ReportSection, fit: FitFrames, name: str) -> None:
    """By concept and strength, and the cells of layer and strength."""
    for axis, draw in (("concept", estimate_charts.concept_chart), ("strength", estimate_charts.strength_chart)):
        if len(rows := fit.estimates_by_axis(name, axis)):
            said = [
                f"{row.subject}, {axis} {row.value}: {fit_sentences.interval_phrase(row)}"
                for row in frame_rows(rows, TidyEstimate)
            ]
            made.pictures.append(make_picture(draw(rows, estimand=name), "; ".join(said)))
    made.lines += [f"Not shown: {reason.rstrip('.')}." for reason in fit.why_not(name)]
    if len(cells := fit.comparison_entry("best")):
        lines = list(estimate_sentences.best_cells(cells))
        made.lines += lines
        made.pictures.append(make_picture(diagnostic_charts.dose_heatmap(cells), " ".join(lines)))


def _sensitivity_section(store: Store, fits: Mapping[str, FitFrames]) -> Iterator[ReportSection]:
    """What the headline depends on: the concepts, a model's criterion, the outcome rule, missing verdicts."""
    made = ReportSection("sensitivity", "What the estimates depend on")
    judge = fits["judged"].judge if "judged" in fits else None
    rules = headline_tables.rule_table(compare_outcome_rules(store, judge) if judge else ())
    for title, table in (
        ("For concepts like these", headline_tables.new_concepts_table(fits)),
        ("Signal detection", headline_tables.signal_detection_table(fits)),
        ("Outcome rules", rules),
    ):
        if table:
            made.lines.append(f"{title}: {table.caption}")
            made.tables.append(_estimate_content(title, table))
    if judge:
        made.lines += headline_tables.missing_verdict_sentences(missing_verdict_ranges(store, judge))
    if made.lines:
        yield made


def _battery_section(store: Store) -> Iterator[ReportSection]:
    """Tasks that a bias to yes cannot fake, model by model, and what is left of detection after the yes-shift."""
    trials = battery_trials(store)
    summary = summarise_battery(trials)
    if not summary.subjects:
        return
    made = ReportSection("battery", "Battery", [battery_sentences.TARGETS, battery_sentences.UNITS, NOTE])
    for subject in summary.subjects:
        lines = battery_sentences.yes_shift_sentences(summary, subject)
        made.lines += [*lines, *battery_sentences.bits_sentences(summary, subject)]
        if len(battery_charts.yes_shift_rows(summary, subject)):
            made.pictures.append(make_picture(battery_charts.yes_shift_chart(summary, subject), " ".join(lines)))
        if len(table := battery_table(summary, subject)):
            words = " ".join(battery_sentences.task_sentences(summary, subject))
            made.pictures.append(make_picture(battery_charts.battery_chart(summary, subject), words))
            made.tables.append(_table_content(f"Tasks: {subject}", table))
        if len(battery_charts.dose_rows(summary, subject)):
            lines = dose_sentences(summary, subject)
            made.lines += [*lines, DOSE_NOTE]
            made.pictures.append(make_picture(battery_charts.dose_chart(summary, subject), " ".join(lines)))
            made.tables.append(_table_content(f"By dose and by depth: {subject}", dose_table(summary, subject)))
    comparisons = compare_variants(trials, load_settings(store).variants)
    made.lines += [VARIANT_NOTE] if comparisons else []
    for comparison in comparisons:
        made.lines += variant_sentences(comparison)
        if comparison.tasks:
            title = f"{comparison.variant} less {comparison.base}"
            made.tables.append(_table_content(title, variant_table(comparison)))
    yield made


def _refusal_section(fits: Mapping[str, FitFrames]) -> Iterator[ReportSection]:
    for view in ("published", "judged"):
        fit = fits.get(view)
        if fit is None or fit.has_failed or fit.comparison_entry("bounds").empty:
            continue
        bounds = fit.comparison_entry("bounds")
        made = ReportSection(
            "refusal", "Refusal", [fit_sentences.WHY_REFUSALS, *fit_sentences.refusal_sentences(fit.estimands)]
        )
        made.lines += [*fit_sentences.bounds_sentences(fit.estimands, bounds), fit_sentences.BOUNDS]
        chart = diagnostic_charts.refusal_bounds_chart(fit.estimands, bounds)
        made.pictures.append(make_picture(chart, " ".join(fit_sentences.bounds_sentences(fit.estimands, bounds))))
        yield made


def _judge_section(document: ViewAudit | None) -> Iterator[ReportSection]:
    """The audit in words: whether each judge can be corrected, its errors by arm, revisions of labels."""
    if document is None:
        return
    made = ReportSection("judges", "Judges")
    rates = audit_frames.rate_frame(document)
    for each in document.judges:
        made.lines += [each.verdict, *needs_sentences(each), *(f"{note[:1].upper()}{note[1:]}." for note in each.notes)]
        mine = rates[rates["judge"] == each.judge] if each.newest else rates.head(0)
        for arm in mine["arm"].drop_duplicates():
            made.lines.append(fit_sentences.arm_sentence(mine[mine["arm"] == arm], each.judge, str(arm)))
    made.lines += [
        document.funnel.words,
        document.truth.words,
        document.revisions.words,
        *([charge.words] if (charge := charge_looks(document)) is not None else []),
    ]
    made.tables.append(_table_content("Audit estimate, all judges combined", _panel_table(document)))
    made.lines.append(audit_frames.PANEL_NOTE)
    yield made


def _card_section(store: Store, document: ViewAudit | None) -> Iterator[ReportSection]:
    """The calibration card of each judge with labels: the table of its arms, and what it rests on."""
    labelled = [each for each in document.judges if each.labelled] if document is not None else []
    if document is None or not labelled:
        return
    made = ReportSection("cards", "Calibration cards", [card_sentences.LOW_CARD])
    for each in labelled:
        card = make_card(store, document, each.version, view=document.view)
        made.lines += [
            card_sentences.judge_sentence(card),
            card_sentences.label_sentence(card),
            card_sentences.agreement_sentence(card),
            *card_sentences.scope_sentences(card),
            *card_sentences.withheld_sentences(card),
            *card_sentences.part_sentences(card),
        ]
        made.tables.append(_table_content(f"Errors of {each.judge} by arm", card_sentences.arm_table(card)))
    yield made


def _panel_table(document: ViewAudit) -> pd.DataFrame:
    """The audit's pooled rates, in percent."""
    rows, net = audit_frames.panel_frame(document), audit_frames.PANEL_NET
    shown = []
    for rate, *ends in rows[["rate", "value", "low", "high"]].itertuples(index=False):
        value, low, high = (format_points(end, 1, sign=rate == net) for end in ends)
        shown.append(f"{value} % ({low} to {high})")
    return pd.DataFrame({"rate": rows["rate"], "judge errors": rows["errors"], "estimate": shown})


def _methods_section(store: Store, fits: Mapping[str, FitFrames]) -> ReportSection:
    """Definitions of the estimands, what each fit conditions on, priors, hashes."""
    made = ReportSection("methods", "Methods")
    made.lines += [f"{each.label.capitalize()}: {each.definition}" for each in listed_estimands().values()]
    made.lines += [estimate_sentences.COMPARABLE, fit_sentences.GATES]
    made.lines += [f"{view}: {fit.design}" for view, fit in fits.items()]
    made.lines.append(MODEL)
    rows = newest_fits(store)
    made.tables.append(
        _table_content(
            "Fits",
            pd.DataFrame(
                [
                    {
                        "fit": view,
                        "id": row.id[:16],
                        "data": row.data_hash[:16],
                        "seed": row.seed,
                        "made": row.created_at[:16],
                        "version": row.code_version,
                    }
                    for view, row in sorted(rows.items())
                ]
            ),
        )
    )
    priors: Mapping[str, float] = next((row.priors for row in rows.values() if row.priors), {})
    if priors:
        made.tables.append(
            _table_content("Priors, on the logit scale", pd.DataFrame(list(priors.items()), columns=["prior", "value"]))
        )
    return made


def _limits_section(found: StudyOverview, fits: Mapping[str, FitFrames]) -> ReportSection:
    """What is not known: estimates that are withheld, cells that were not run."""
    made = ReportSection("limits", "Limits")
    for view, fit in fits.items():
        made.lines += [f"{TITLES[view.split(':')[0]]}. {note.text}" for note in withheld_notices(fit.refused)]
    if len(found.missing):
        made.lines.append(f"{len(found.missing):,} planned conditions lack trials.")
    if found.outside:
        made.lines.append(found.outside)
    made.lines = made.lines or ["No estimate was withheld."]
    return made


def _estimate_content(title: str, table: EstimateTable) -> tuple[str, list[str], list[list[str]]]:
    return title, [column.heading for column in table.columns], [list(map(non_breaking, row)) for row in table.texts()]


def _table_content(title: str, frame: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    return (
        title,
        [str(name) for name in with_reader_headings(frame).columns],
        [[_format_cell(value) for value in row] for row in frame.to_numpy()],
    )


def _format_cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None else non_breaking(str(value))
