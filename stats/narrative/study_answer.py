"""The answer that a study gives, for its first page: one fit's headline in a sentence and by model, and where from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gnomon.data.arms import ARMS, EVENT_RATE
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.estimand_registry import (
    CORRECTED_VIEW,
    DETECTION,
    ESTIMANDS,
    FALSE_ALARM,
    IDENTIFICATION,
    NET_CLAIMED,
    NET_RAW,
    is_difference,
    view_name,
)
from gnomon.stats.narrative.caveats import PUBLISHED_VIEW
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows
from gnomon.stats.narrative.formatting import count_noun, format_interval, format_time, join_names
from gnomon.stats.results import EstimateRow, IntervalRow, StoredFit, YoudenRow

ANSWERED = (DETECTION, IDENTIFICATION, FALSE_ALARM, NET_CLAIMED, NET_RAW)
"""Estimands of the first page, by the name that an uncorrected fit gives them."""
KINDS = (CORRECTED_VIEW, "judged", PUBLISHED_VIEW)
"""Kinds of fits, the one that answers first if it can before the others."""


@dataclass(frozen=True, slots=True)
class AnswerValue:
    """One estimate of the first page.

    Attributes
    ----------
    estimand : str
        Its name in the fit.
    label, definition : str
    interval : IntervalRow or None
        None where the fit gives none.
    reason : str
        Why there is none, if the fit says so.
    """

    estimand: str
    label: str
    definition: str
    interval: IntervalRow | None
    reason: str = ""

    @property
    def is_difference(self) -> bool:
        """Whether it has a sign."""
        return is_difference(self.estimand)


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """What a study says, from one of its fits.

    Attributes
    ----------
    view : str
        View of the fit.
    sentence : str
        The answer.
    basis : str
        Whether judges' errors are corrected, and whose verdicts these are.
    models : mapping of str to tuple of AnswerValue
        The estimates of each model, models in order of size.
    judges : tuple of YoudenRow
        Youden's J of the event of each judge in each arm, as the fit has it.
    """

    view: str
    sentence: str
    basis: str
    models: Mapping[str, tuple[AnswerValue, ...]]
    judges: tuple[YoudenRow, ...] = ()


def answer_study(fits: Mapping[str, FitFrames]) -> StudyAnswer | None:
    """The answer of the study's fits: of the corrected one if it gives net detection, else of an uncorrected one.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view.

    Returns
    -------
    StudyAnswer or None
        None if no fit has an estimate to show.
    """
    fit = answering_fit(fits)
    if fit is None:
        return None
    models = {subject: _values_of(fit, subject) for subject in _subjects_by_size(fit)}
    basis = basis_words(fit)
    corrected = next((each for view, each in fits.items() if view == CORRECTED_VIEW), None)
    judges = () if corrected is None else tuple(row for row in corrected.judges if row.question == EVENT)
    return StudyAnswer(fit.view, _answer_sentence(fit, models, basis), basis, models, judges)


def answering_fit(fits: Mapping[str, FitFrames]) -> FitFrames | None:
    """The fit whose estimates the first page shows; None if there is none."""
    for kind in KINDS:
        fit = fits.get(kind)
        if fit is not None and not fit.has_failed and len(fit.overall_estimates(view_name(NET_RAW, kind))):
            return fit
    for kind in KINDS[1:]:
        fit = fits.get(kind)
        if fit is not None and not fit.has_failed and _subjects_by_size(fit):
            return fit
    return None


def basis_words(fit: FitFrames) -> str:
    """Whether a fit's estimates are corrected, and whose verdicts they come from."""
    kind = fit.view.split(":")[0]
    if kind == CORRECTED_VIEW:
        return f"corrected for the errors of {_judge_names(fit)}"
    if kind == PUBLISHED_VIEW:
        return "as published, not corrected for the errors of that study's judge"
    return f"by the verdicts of {_judge_names(fit)}, not corrected for judge error"


def _judge_names(fit: FitFrames) -> str:
    return join_names((fit.judge or "its judge").split(" + "))


def _subjects_by_size(fit: FitFrames) -> list[str]:
    whole = fit.estimands[fit.estimands["axis"] == ""]
    sizes = {
        **{str(name): float(size) for name, size in zip(whole["subject"], whole["parameters"], strict=True)},
        **{rate.subject: rate.parameters for rate in fit.arm_rates},
    }
    return sorted(sizes, key=lambda name: (sizes[name], name))


def _values_of(fit: FitFrames, subject: str) -> tuple[AnswerValue, ...]:
    """The estimates of one model; of a model without an estimate over its design, the event rates of its arms."""
    kind = fit.view.split(":")[0]
    rows = {
        row.estimand: row
        for row in frame_rows(fit.estimands[fit.estimands["axis"] == ""], TidyEstimate)
        if row.subject == subject
    }
    out = []
    for name in (view_name(each, kind) for each in ANSWERED):
        reasons = [
            entry.reason
            for entry in fit.refused
            if entry.estimand in (name, "all") and entry.subject in (subject, None) and not entry.by
        ]
        if name in rows or reasons:
            about = ESTIMANDS[name]
            label = f"{about.label[:1].upper()}{about.label[1:]}"
            out.append(AnswerValue(name, label, about.definition, rows.get(name), "; ".join(dict.fromkeys(reasons))))
    if any(value.interval for value in out):
        return tuple(out)
    return (*(_event_rate(rate) for rate in fit.arm_rates if rate.subject == subject), *out)


def _event_rate(rate: EstimateRow) -> AnswerValue:
    arm = ARMS[rate.estimand.removeprefix(EVENT_RATE)]
    what = "name the injected concept" if arm.counts_identified else "claim to notice something"
    return AnswerValue(rate.estimand, f"Event rate, {arm.label}", f"How often trials of this arm {what}.", rate)


def _answer_sentence(fit: FitFrames, models: Mapping[str, tuple[AnswerValue, ...]], basis: str) -> str:
    if len(models) == 1:
        ((subject, values),) = models.items()
        said = [f"{value.label.lower()} {value_phrase(value)}" for value in _in_sentence(values)]
        return f"{subject}: {', '.join(said or ['no estimate over its design'])}; {basis}."
    net = view_name(NET_RAW, fit.view.split(":")[0])
    known = [
        (value.interval.mean, subject, value)
        for subject, values in models.items()
        for value in values
        if value.estimand == net and value.interval is not None
    ]
    if not known:
        return f"{count_noun(len(models), 'model')}: no net detection; {basis}."
    (_, worst, low), (_, best, high) = min(known, key=lambda each: each[0]), max(known, key=lambda each: each[0])
    if len(known) == 1:
        return (
            f"Of {count_noun(len(models), 'model')}, {best} alone has a net detection: {value_phrase(high)}, {basis}."
        )
    return (
        f"{high.label} of {count_noun(len(known), 'model')} ranges from {_phrase_before_in(low)} in {worst} to "
        f"{_phrase_before_in(high)} in {best}; {basis}."
    )


def _in_sentence(values: Iterable[AnswerValue]) -> list[AnswerValue]:
    """What the sentence of one model says: detection (else identification), and net detection with its relation to
    zero.
    """
    known = {value.estimand: value for value in values if value.interval is not None}
    rate = known.get(DETECTION) or known.get(IDENTIFICATION)
    net = [value for name, value in known.items() if is_difference(name)]
    if rate is None and not net:
        return list(known.values())
    return [value for value in (rate, net[-1] if net else None) if value is not None]


def value_phrase(value: AnswerValue) -> str:
    """An estimate in short: "31 % (25 to 38)"; of a difference also where zero lies."""
    row = value.interval
    if row is None:
        return "withheld"
    said = format_interval(row.mean, row.low95, row.high95, sign=value.is_difference)
    if value.is_difference and row.low95 <= 0 <= row.high95:
        return f"{said}, consistent with zero"
    return said


def _phrase_before_in(value: AnswerValue) -> str:
    said = value_phrase(value)
    return f"{said}," if ", " in said else said


def range_values(models: Mapping[str, tuple[AnswerValue, ...]]) -> dict[str, tuple[AnswerValue, str, str]]:
    """For each estimate of several models its label, with the models of the least and the greatest value.

    Returns
    -------
    dict of str to (AnswerValue, str, str)
        By estimand: one of its values for label and definition, and "VALUE, MODEL" of the least and the greatest.
    """
    found: dict[str, list[tuple[float, str, AnswerValue]]] = {}
    for subject, values in models.items():
        for value in values:
            if value.interval is not None:
                found.setdefault(value.estimand, []).append((value.interval.mean, subject, value))
    out = {}
    for name, each in found.items():
        (_, worst, low), (_, best, high) = min(each, key=lambda one: one[0]), max(each, key=lambda one: one[0])
        out[name] = (high, f"{worst}: {value_phrase(low)}", f"{best}: {value_phrase(high)}")
    return out


def provenance_sentence(fit: StoredFit, rule: str, label_view: str, outdated: Iterable[str] = ()) -> str:
    """Where the estimates of a fit come from, and whether something has changed since.

    Parameters
    ----------
    fit : StoredFit
    rule : str
        The study's outcome rule.
    label_view : str
        Its label view; "" where labels do not matter.
    outdated : iterable of str
        What has changed since the fit was made (`stats.outdated_fits`).
    """
    changed = list(outdated)
    since = f"since then changed: {join_names(changed)}" if changed else "nothing that it rests on has changed since"
    made = f"fit '{fit.view}' of {format_time(fit.created_at)}" if fit.created_at else f"fit '{fit.view}'"
    parts = [
        made,
        f"Gnomon {fit.code_version}" if fit.code_version else "",
        f"data {fit.data_hash[:12]}" if fit.data_hash else "",
        f"fit id {fit.id[:12]}",
        f"outcome rule {rule}" if fit.view != PUBLISHED_VIEW else "outcomes as published",
        f"label view {label_view}" if label_view else "",
        since,
    ]
    told = "; ".join(part for part in parts if part)
    return f"{told[:1].upper()}{told[1:]}."
