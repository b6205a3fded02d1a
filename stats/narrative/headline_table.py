"""The headline estimates of all fits as one table: detection, identification, false alarm and nets side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

import pandas as pd

from gnomon.data.arms import ARMS, EVENT_RATE
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
from gnomon.stats.narrative.fit_sentences import interval_phrase
from gnomon.stats.narrative.formatting import format_percent, format_points
from gnomon.stats.results import (
    IntervalRow,
    MissingVerdictRange,
    NewConceptEstimate,
    RuleEstimate,
    SignalDetectionIndex,
)

FIT_TITLES = {"published": "as published", "judged": "as judged", "corrected": "corrected"}
NOT_ESTIMATED = "–"
INDEX_LABELS = {"d_prime": "d'", "criterion": "criterion c"}
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


def estimate_phrase(name: str, row: IntervalRow) -> str:
    """An estimate in short, with signs where the estimand is a difference: "31 % (25 to 38)", "+7 % (−5 to +19)".

    Parameters
    ----------
    name : str
        Name of the estimand.
    row : IntervalRow
    """
    if not is_difference(name):
        return interval_phrase(row)
    mean, low, high = (format_points(end) for end in (row.mean, row.low95, row.high95))
    return f"{mean} % ({low} to {high})"


def _in_order(fits: Mapping[str, FitFrames]) -> list[tuple[str, FitFrames]]:
    """Fits in the order of `FIT_TITLES`: uncorrected ones first."""
    kinds = list(FIT_TITLES)
    return sorted(fits.items(), key=lambda item: (kinds.index(item[0].split(":")[0]), item[0]))


def headline_table(fits: Mapping[str, FitFrames]) -> pd.DataFrame:
    """One row per fit and model, one column per headline estimand; each cell is an estimate with its 95 % interval.

    Of a model without trials of the injection and the control arm, the event rates of its arms are shown instead.

    Corrected estimands stand in the column of the estimand that they correct. Columns without an estimate are left out.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    names = [name for name in headline_estimands() if not is_corrected(name)]
    names += sorted({row.estimand for fit in fits.values() for row in fit.arm_rates})
    rows: list[dict[str, str]] = []
    for view, fit in _in_order(fits):
        if fit.has_failed:
            continue
        found: dict[tuple[float, str], dict[str, str]] = {}
        for name in names:
            estimates = fit.overall_estimates(view_name(name, view.split(":")[0]))
            for row in frame_rows(estimates, TidyEstimate):
                found.setdefault((row.parameters, row.subject), {})[name] = estimate_phrase(name, row)
        for rate in fit.arm_rates:
            phrase = estimate_phrase(rate.estimand, rate)
            found.setdefault((rate.parameters, rate.subject), {})[rate.estimand] = phrase
        rows += [{"model": subject, "fit": fit_title(view), **found[size, subject]} for size, subject in sorted(found)]
    table = pd.DataFrame(rows)
    kept = [name for name in names if name in table]
    return (
        table.reindex(columns=["model", "fit", *kept])
        .fillna(NOT_ESTIMATED)
        .rename(columns={name: column_label(name) for name in kept})
    )


def column_label(name: str) -> str:
    """An estimand, or the event rate of an arm, as the heading of a column."""
    if name.startswith(EVENT_RATE):
        return f"Event rate, {ARMS[name.removeprefix(EVENT_RATE)].label}"
    label = ESTIMANDS[name].label
    return label[:1].upper() + label[1:]


def new_concepts_table(fits: Mapping[str, FitFrames]) -> pd.DataFrame:
    """Detection, identification and nets for the concepts that were run, beside concepts like these.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    rows = []
    for view, fit in _in_order(fits):
        names = [view_name(name, view.split(":")[0]) for name in headline_estimands() if not is_corrected(name)]
        here = {
            (row.subject, row.estimand): estimate_phrase(row.estimand, row)
            for row in frame_rows(fit.estimands[fit.estimands["axis"] == ""], TidyEstimate)
        }
        found = frame_rows(fit.comparison_entry("new_concepts"), NewConceptEstimate)
        known = [row for row in found if row.estimand in names]
        for row in sorted(known, key=lambda each: (each.subject, names.index(each.estimand))):
            if INJECTION in ESTIMANDS[row.estimand].arms and row.estimand != REFUSAL:
                rows.append(
                    {
                        "model": row.subject,
                        "fit": fit_title(view),
                        "estimate": column_label(row.estimand),
                        "these concepts": here.get((row.subject, row.estimand), NOT_ESTIMATED),
                        "concepts like these": estimate_phrase(row.estimand, row),
                        "concepts": row.concepts,
                    }
                )
    return pd.DataFrame(rows)


def signal_detection_table(fits: Mapping[str, FitFrames]) -> pd.DataFrame:
    """d' and criterion of each model, with 95 % intervals, in standard deviations of the noise.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for view, fit in _in_order(fits):
        for row in frame_rows(fit.comparison_entry("signal_detection"), SignalDetectionIndex):
            shown = f"{row.mean:.2f} ({row.low95:.2f} to {row.high95:.2f})"
            found.setdefault((row.subject, fit_title(view)), {})[INDEX_LABELS.get(row.estimand, row.estimand)] = shown
    return pd.DataFrame([{"model": model, "fit": fit, **indices} for (model, fit), indices in found.items()])


def rule_table(rows: Sequence[RuleEstimate]) -> pd.DataFrame:
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
    table = pd.DataFrame([{"model": model, "estimate": name, **rules} for (model, name), rules in found.items()])
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in table.columns[2:]:
        alike.setdefault(tuple(table[name].fillna(NOT_ESTIMATED)), []).append(name)
    named = {names[0]: ", ".join(names) for names in alike.values()}
    return table[[*table.columns[:2], *named]].rename(columns=named) if len(table) else table


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
