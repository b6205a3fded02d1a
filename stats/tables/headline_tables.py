"""The headline estimates of all fits as one table: detection, identification, false alarm and nets side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

from gnomon.data.arms import ARMS, EVENT_RATE
from gnomon.data.glossary import load_glossary
from gnomon.stats.estimand_registry import (
    ESTIMANDS,
    INJECTION,
    REFUSAL,
    headline_estimands,
    is_corrected,
    is_difference,
    view_name,
)
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows
from gnomon.stats.narrative.formatting import format_percent, format_points
from gnomon.stats.results import (
    IntervalRow,
    MissingVerdictRange,
    NewConceptEstimate,
    RuleEstimate,
    SignalDetectionIndex,
)
from gnomon.stats.tables.design_tables import MODEL
from gnomon.stats.tables.estimate_table import Cell, ColumnKind, EstimateTable, Interval, TableColumn, show_cell

FIT_TITLES = {"published": "as published", "judged": "as judged", "corrected": "corrected"}
INDICES = (("d_prime", "d'", "d'"), ("criterion", "Criterion c", "criterion"))
"""Indices of signal detection: name, heading, and the glossary's term."""
INDEX_LABELS = {name: label for name, label, _ in INDICES}
MODEL_AND_FIT = (MODEL, TableColumn("fit", "Fit", terms=("corrected",)))
HEADLINE_CAPTION = "Posterior means with 95 % intervals, over each model's own trials."
RULES_NOTE = (
    "The same verdicts under every outcome rule, as counted by one judge; * is the study's rule. Intervals are for "
    "independent trials, without judge error."
)
NEW_CONCEPTS_NOTE = (
    "The first interval is for the concepts that were run. The second is for the population that they were drawn from: "
    "it depends on the number of concepts. With few, the prior on how much concepts differ decides much of it."
)
SIGNAL_NOTE = (
    "d' is how far injected trials lie from control trials, in standard deviations of the noise; criterion c is how "
    "reluctant a model is to claim (0: unbiased). Both from detection and false alarm, equal-variance normal model."
)


def fit_title(view: str) -> str:
    """A fit as a table names it: "as judged", "corrected (exposed)"."""
    kind, _, which = view.partition(":")
    title = FIT_TITLES.get(kind, kind)
    return f"{title} ({which})" if which else title


def estimate_cell(row: IntervalRow) -> Interval:
    """An estimate of a fit as a cell."""
    return Interval(row.mean, row.low95, row.high95)


def estimand_kind(name: str) -> ColumnKind:
    """How an estimand's column is shown: a rate, or a difference with its sign."""
    return "difference" if is_difference(name) else "rate"


def estimate_phrase(name: str, row: IntervalRow) -> str:
    """An estimate in short, with signs where the estimand is a difference: "31 % (25 to 38)", "+7 % (−5 to +19)".

    Parameters
    ----------
    name : str
        Name of the estimand.
    row : IntervalRow
    """
    return show_cell(estimate_cell(row), estimand_kind(name))


def in_reading_order(fits: Mapping[str, FitFrames]) -> list[tuple[str, FitFrames]]:
    """Fits in the order of `FIT_TITLES`: uncorrected ones first."""
    kinds = list(FIT_TITLES)
    return sorted(fits.items(), key=lambda item: (kinds.index(item[0].split(":")[0]), item[0]))


def headline_table(fits: Mapping[str, FitFrames]) -> EstimateTable:
    """One row per fit and model, one column per headline estimand.

    Of a model without trials of the injection and the control arm, the event rates of its arms are shown instead.

    Corrected estimands stand in the column of the estimand that they correct. Columns without an estimate are left out.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    names = [name for name in headline_estimands() if not is_corrected(name)]
    names += sorted({row.estimand for fit in fits.values() for row in fit.arm_rates})
    rows: list[dict[str, Cell]] = []
    for view, fit in in_reading_order(fits):
        if fit.has_failed:
            continue
        found: dict[tuple[float, str], dict[str, Cell]] = {}
        for name in names:
            estimates = fit.overall_estimates(view_name(name, view.split(":")[0]))
            for row in frame_rows(estimates, TidyEstimate):
                found.setdefault((row.parameters, row.subject), {})[name] = estimate_cell(row)
        for rate in fit.arm_rates:
            found.setdefault((rate.parameters, rate.subject), {})[rate.estimand] = estimate_cell(rate)
        rows += [{"model": subject, "fit": fit_title(view), **found[size, subject]} for size, subject in sorted(found)]
    columns = (*MODEL_AND_FIT, *map(estimand_column, names))
    return EstimateTable("estimates", HEADLINE_CAPTION, columns, tuple(rows)).filled()


def estimand_column(name: str) -> TableColumn:
    """The column of an estimand or of an arm's event rate; its tooltip is the glossary's where it has the term."""
    label = column_label(name)
    term = label.lower()
    terms = (term,) if term in load_glossary() else ()
    return TableColumn(name, label, "rate" if name.startswith(EVENT_RATE) else estimand_kind(name), terms)


def column_label(name: str) -> str:
    """An estimand, or the event rate of an arm, as the heading of a column."""
    if name.startswith(EVENT_RATE):
        return f"Event rate, {ARMS[name.removeprefix(EVENT_RATE)].label}"
    label = ESTIMANDS[name].label
    return label[:1].upper() + label[1:]


def new_concepts_table(fits: Mapping[str, FitFrames]) -> EstimateTable:
    """Detection, identification and nets for the concepts that were run, beside concepts like these.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    rows: list[dict[str, Cell]] = []
    for view, fit in in_reading_order(fits):
        names = [view_name(name, view.split(":")[0]) for name in headline_estimands() if not is_corrected(name)]
        here = {
            (row.subject, row.estimand): row
            for row in frame_rows(fit.estimands[fit.estimands["axis"] == ""], TidyEstimate)
        }
        found = frame_rows(fit.comparison_entry("new_concepts"), NewConceptEstimate)
        known = [row for row in found if row.estimand in names]
        for row in sorted(known, key=lambda each: (each.subject, names.index(each.estimand))):
            if INJECTION in ESTIMANDS[row.estimand].arms and row.estimand != REFUSAL:
                these = here.get((row.subject, row.estimand))
                rows.append(
                    {
                        "model": row.subject,
                        "fit": fit_title(view),
                        "estimate": column_label(row.estimand),
                        "these": None if these is None else estimate_phrase(row.estimand, these),
                        "new": estimate_phrase(row.estimand, row),
                        "concepts": row.concepts,
                    }
                )
    columns = (
        *MODEL_AND_FIT,
        TableColumn("estimate", "Estimate"),
        TableColumn("these", "These concepts"),
        TableColumn("new", "Concepts like these", terms=("new concepts",)),
        TableColumn("concepts", "Concepts", "count", ("concept",)),
    )
    return EstimateTable("new-concepts", NEW_CONCEPTS_NOTE, columns, tuple(rows))


def signal_detection_table(fits: Mapping[str, FitFrames]) -> EstimateTable:
    """d' and criterion of each model, with 95 % intervals, in standard deviations of the noise.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    found: dict[tuple[str, str], dict[str, Cell]] = {}
    for view, fit in in_reading_order(fits):
        for row in frame_rows(fit.comparison_entry("signal_detection"), SignalDetectionIndex):
            found.setdefault((row.subject, fit_title(view)), {})[row.estimand] = estimate_cell(row)
    rows = tuple({"model": model, "fit": fit, **indices} for (model, fit), indices in found.items())
    columns = (*MODEL_AND_FIT, *(TableColumn(name, label, "number", (term,)) for name, label, term in INDICES))
    return EstimateTable("signal-detection", SIGNAL_NOTE, columns, rows)


def rule_table(rows: Sequence[RuleEstimate]) -> EstimateTable:
    """Headline estimates as counted under each outcome rule; rules that count alike share a column.

    The study's rule is marked with a star.

    Parameters
    ----------
    rows : sequence of RuleEstimate
        `estimands.rule_sensitivity.compare_outcome_rules`.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        label = f"{row.rule} *" if row.is_study_rule else row.rule
        interval = IntervalRow(mean=row.value, low95=row.low95, high95=row.high95)
        found.setdefault((row.subject, column_label(row.estimand)), {})[label] = estimate_phrase(row.estimand, interval)
    made = [{"model": model, "estimate": name, **rules} for (model, name), rules in found.items()]
    names = list(dict.fromkeys(name for each in made for name in each if name not in ("model", "estimate")))
    alike: dict[tuple[str | None, ...], list[str]] = {}
    for name in names:
        alike.setdefault(tuple(each.get(name) for each in made), []).append(name)
    kept = {names[0]: ", ".join(names) for names in alike.values()}
    columns = (
        MODEL,
        TableColumn("estimate", "Estimate"),
        *(TableColumn(name, heading, terms=("outcome rule",)) for name, heading in kept.items()),
    )
    shown = tuple({column.name: each.get(column.name) for column in columns} for each in made)
    return EstimateTable("outcome-rules", RULES_NOTE, columns, shown)


def missing_verdict_sentences(rows: Sequence[MissingVerdictRange]) -> Iterator[str]:
    """Where the estimates of each model could lie if its trials without a usable verdict were all of one outcome.

    Parameters
    ----------
    rows : sequence of MissingVerdictRange
        `estimands.rule_sensitivity.missing_verdict_ranges`.
    """
    for subject, some in groupby(rows, key=lambda row: row.subject):
        mine = list(some)
        most = max(mine, key=lambda row: row.trials)
        spans = []
        for row in mine:
            show = partial(format_points, sign=is_difference(row.estimand))
            spans.append(
                f"{ESTIMANDS[row.estimand].label} {show(row.lowest)} to {show(row.highest)} % (as counted "
                f"{show(row.value)})"
            )
        yield (
            f"{subject}: {most.missing:,} of {most.trials:,} trials have no usable verdict "
            f"({format_percent(most.missing / most.trials, 1)}) and are excluded. With any outcome of these trials the "
            f"estimates would be: {'; '.join(spans)}."
        )
