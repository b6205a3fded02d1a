"""From posterior draws to the stored result: estimates with intervals, curve, contrasts, and what is withheld.

Intervals are equal-tailed posterior quantiles. A withheld estimate has no number anywhere: it is listed in `refused`
with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from gnomon.stats.cells.outcome_classes import MISNAMED, REFUSED
from gnomon.stats.checks import predictive_checks
from gnomon.stats.estimand_registry import (
    ENGAGEMENT,
    ESTIMANDS,
    NET_RAW,
    is_computable,
    missing_arms_reason,
    primary_estimands,
    view_name,
)
from gnomon.stats.estimands import comparisons
from gnomon.stats.estimands.definitions import (
    ALL_SUBJECTS,
    EstimandDraws,
    SubjectPosterior,
    subject_estimands,
)
from gnomon.stats.estimands.method_comparison import CONTRADICTED, compare_methods
from gnomon.stats.estimands.size_regression import (
    SizeEffect,
    pairwise_contrasts,
    pairwise_differences,
    reason_without_size_effect,
    size_curve,
    size_effects,
    thin_draws,
)
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.results import (
    DESIGN,
    CurvePoint,
    EstimandRow,
    EstimateRow,
    FitComparisons,
    FitResult,
    PredictiveCheck,
    PriorPredictiveRow,
    ResultModel,
    WithheldEstimate,
)

PRIOR_DRAWS = 400
SIZE_EFFECT = "size_odds_ratio"
BEST_CELL = "best_cell"
"""Name under which the cells of layer and strength are withheld."""
CLASS_PHRASES = {
    MISNAMED: "a claim that names another concept or none, so detection cannot be told from identification",
    REFUSED: "refused, so answers that engage cannot be told from others",
}
"""What a trial of a class does, for a class that an estimand needs."""
JOINT_ONLY = ("new_concepts", "new_concept_contrasts", "odds_ratios")
"""Comparisons that only the joint fit has: left out where it is contradicted and another method is the headline."""
RefusalRule = Callable[[EstimandDraws], str | None]
"""Returns why an estimate must be withheld, or None."""


@dataclass(frozen=True)
class ModelPosterior:
    """A fitted model with everything that its estimates need.

    Attributes
    ----------
    model : Model
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    counts : ndarray, shape (cells, K), optional
        Observed counts by class, for raw estimates and predictive checks; None for latent classes.
    view, judge, design : str
        Columns of the result.
    """

    model: OutcomeModel
    x: np.ndarray
    weights: np.ndarray
    counts: np.ndarray | None
    view: str
    judge: str | None
    design: str


@dataclass(frozen=True)
class ResultDraws:
    """The result as it is stored, and the draws behind each of its figures."""

    content: FitResult
    draws: dict[str, np.ndarray]


Row = TypeVar("Row", bound=ResultModel)


def build_result(
    posterior: ModelPosterior,
    refuse: RefusalRule = lambda _figure: None,
    others: Mapping[str, Sequence[EstimandDraws]] | None = None,
    *,
    label_error: float = 0.0,
    labels_misfit: bool = False,
) -> ResultDraws:
    """All estimates of all subjects, the curve, comparisons and contrasts, without those that are withheld.

    Parameters
    ----------
    posterior : ModelPosterior
        The fitted model.
    refuse : callable, optional
        Returns the reason why an estimate must be withheld, or None.
    others : mapping of str to sequence of EstimandDraws, optional
        Estimates of the same by other methods (`stats.estimands.method_comparison`), one of which may take the
        headline; the draws that are returned remain the fit's own.
    label_error, labels_misfit
        What the choice of the headline allows for and looks at (`compare_methods`).
    """
    coefficients = posterior.model.coefficient_draws(posterior.x)
    sources = _subject_posteriors(posterior, coefficients)
    refused: list[WithheldEstimate] = []
    kept: list[EstimandDraws] = []
    withheld: list[tuple[EstimandDraws, str]] = []
    for source in sources:
        refused += _missing_arms(source, posterior.view)
        for figure in subject_estimands(source):
            reason = refuse(figure) or _nobody_engaged(figure, source)
            if reason is None:
                kept.append(figure)
            else:
                withheld.append((figure, reason))
    refused += _withheld_lines(withheld, posterior.view)
    refused += _missing_class(posterior)
    curves = _shown_curves(posterior, refuse, refused)
    own = [replace(figure, estimand=view_name(figure.estimand, posterior.view)) for figure in kept]
    compared = (
        None if others is None else compare_methods(kept, others, label_error=label_error, labels_misfit=labels_misfit)
    )
    if compared is not None:
        kept = compared.shown
        refused += [
            WithheldEstimate(
                subject=figure.subject, estimand=view_name(figure.estimand, posterior.view), reason=CONTRADICTED
            )
            for figure in compared.withheld
            if not figure.by
        ]
    named = [replace(figure, estimand=view_name(figure.estimand, posterior.view)) for figure in kept]
    cells = posterior.model.design.frame
    facts = dict(zip(cells["subject"], zip(cells["parameters"], cells["variant"], strict=True), strict=True))
    made = _build_comparisons(posterior, sources, kept)
    made = _without_unchecked_cells(made, refuse, refused)
    if compared is not None and compared.headline.method == DESIGN:
        made = made.model_copy(update=dict.fromkeys(JOINT_ONLY, ()))
    content = FitResult(
        view=posterior.view,
        judge=posterior.judge,
        estimands=tuple(_estimate_row(figure, *facts[figure.subject]) for figure in named),
        curve=tuple(_curve_rows(posterior, coefficients, curves)),
        contrasts=_with_view_names(pairwise_contrasts(kept), posterior.view),
        comparisons=made,
        predictive=_predictive_check(posterior),
        prior=_prior_rows(posterior, named),
        refused=tuple(refused),
        design=posterior.design,
        methods=compared.methods if compared else (),
        headline=compared.headline if compared else None,
    )
    drawn = {_draws_key(figure): figure.draws for figure in own}
    drawn |= {_size_effect_key(found): found.draws for found in size_effects(posterior.model, coefficients)}
    return ResultDraws(content, drawn)


def all_estimand_draws(posterior: ModelPosterior) -> dict[str, np.ndarray]:
    """Draws of every estimate, effect of size and contrast by name, including those that would be withheld.

    Names are "subject estimand axis=value", "log odds ratio stage effect" (per doubling of size), "observed slope
    within estimand" (or all), and "contrast estimand subject - subject".
    """
    coefficients = posterior.model.coefficient_draws(posterior.x)
    every = [figure for source in _subject_posteriors(posterior, coefficients) for figure in subject_estimands(source)]
    named = [replace(figure, estimand=view_name(figure.estimand, posterior.view)) for figure in every]
    out = {_draws_key(figure): figure.draws for figure in named}
    out |= {_size_effect_key(found): found.draws for found in size_effects(posterior.model, coefficients)}
    for name, kind, draws in comparisons.observed_slope_draws(every, posterior.model.design.frame):
        out[f"observed slope {kind} {view_name(name, posterior.view)}"] = draws
    for name, one, other, gap in pairwise_differences(every):
        out[f"contrast {view_name(name, posterior.view)} {one} - {other}"] = gap
    return out


def refused_result(view: str, judge: str | None, lines: Iterable[WithheldEstimate], design: str) -> FitResult:
    """The result of a fit that is withheld as a whole.

    Parameters
    ----------
    view : str
        View of the fit.
    judge : str or None
        Name of the judge or judges.
    lines : iterable of dict
        subject, estimand and reason of everything withheld.
    design : str
        What the fit conditions on, in words.
    """
    return FitResult(view=view, judge=judge, refused=tuple(lines), design=design)


def _build_comparisons(
    posterior: ModelPosterior, sources: list[SubjectPosterior], kept: list[EstimandDraws]
) -> FitComparisons:
    """The entries of `gnomon.stats.estimands.comparisons` for estimates that may be shown."""
    shown = {(figure.subject, figure.estimand) for figure in kept if not figure.by}
    made = comparisons.build_comparisons(
        posterior.model, posterior.x, posterior.weights, sources, kept, shown.__contains__
    )
    tables = {name: _with_view_names(getattr(made, name), posterior.view) for name in FitComparisons.model_fields}
    return made.model_copy(update=tables)


def _withheld_lines(withheld: Sequence[tuple[EstimandDraws, str]], view: str) -> list[WithheldEstimate]:
    """A line for each withheld estimate; none for the values of an axis where the whole is withheld already."""
    whole = {(figure.subject, figure.estimand) for figure, _ in withheld if not figure.by}
    return [
        WithheldEstimate(
            subject=figure.subject, estimand=view_name(figure.estimand, view), by=dict(figure.by), reason=reason
        )
        for figure, reason in withheld
        if not figure.by or (figure.subject, figure.estimand) not in whole
    ]


def _without_unchecked_cells(
    made: FitComparisons, refuse: RefusalRule, refused: list[WithheldEstimate]
) -> FitComparisons:
    """Without the cells of layer and strength of subjects whose labels cannot check the judges at one of these.

    All cells of such a subject go, with an entry in `refused`: the best of those that are left is not the best.
    """
    reasons: dict[tuple[str, str], None] = {}
    for row in made.best:
        by = {"strength": row.strength} | ({} if row.layer is None else {"layer": row.layer})
        if (
            reason := refuse(EstimandDraws(row.subject, NET_RAW, np.zeros(0), by, arms=_judged_arms(NET_RAW)))
        ) is not None:
            reasons[row.subject, reason] = None
    refused += [WithheldEstimate(subject=subject, estimand=BEST_CELL, reason=reason) for subject, reason in reasons]
    without = {subject for subject, _ in reasons}
    return made.model_copy(update={"best": tuple(row for row in made.best if row.subject not in without)})


def _predictive_check(posterior: ModelPosterior) -> tuple[PredictiveCheck, ...]:
    """The posterior predictive checks, for models of counts."""
    if posterior.counts is None:
        return ()
    return predictive_checks.posterior_predictive_check(
        posterior.model, posterior.x, posterior.counts, np.random.default_rng(0)
    )


def _prior_rows(posterior: ModelPosterior, shown: Iterable[EstimandDraws]) -> tuple[PriorPredictiveRow, ...]:
    """The prior distribution of the estimates that are shown."""
    model, rng = posterior.model, np.random.default_rng(0)
    x = predictive_checks.draw_prior_parameters(model, PRIOR_DRAWS, rng)
    sources = _subject_posteriors(replace(posterior, x=x), model.coefficient_draws(x))
    kept = {(figure.subject, figure.estimand) for figure in shown if not figure.by}
    every = [figure for source in sources for figure in subject_estimands(source) if not figure.by]
    named = {(figure.subject, view_name(figure.estimand, posterior.view)): figure.draws for figure in every}
    return predictive_checks.prior_predictive({key: draws for key, draws in named.items() if key in kept})


def _subject_posteriors(posterior: ModelPosterior, coefficients: np.ndarray) -> list[SubjectPosterior]:
    model, cells = posterior.model, posterior.model.design.frame
    out = []
    for subject in cells["subject"].unique():
        mine = (cells["subject"] == subject).to_numpy()
        part = cells[mine].reset_index(drop=True)
        share = model.class_probabilities(coefficients, part)
        counts = None if posterior.counts is None else posterior.counts[mine]
        out.append(SubjectPosterior(str(subject), model.classes, part, share, posterior.weights[mine], counts))
    return out


def _shown_curves(posterior: ModelPosterior, refuse: RefusalRule, refused: list[WithheldEstimate]) -> set[str]:
    """Estimands whose curve over size may be shown; a study without an effect of size gets an entry in `refused`."""
    reason = reason_without_size_effect(posterior.model.design.frame)
    if reason is not None:
        refused.append(WithheldEstimate(subject=ALL_SUBJECTS, estimand=SIZE_EFFECT, reason=reason))
        return set()
    names = [estimand.name for estimand in primary_estimands("size")]
    blank = {name: EstimandDraws(ALL_SUBJECTS, name, np.zeros(0), arms=_judged_arms(name)) for name in names}
    return {name for name in names if refuse(blank[name]) is None}


def _size_effect_key(found: SizeEffect) -> str:
    return f"log odds ratio {found.stage} {found.effect}"


def _missing_class(posterior: ModelPosterior) -> list[WithheldEstimate]:
    """Listed estimands that need a class of outcome which nothing in the data reports."""
    return [
        WithheldEstimate(
            subject=ALL_SUBJECTS,
            estimand=view_name(estimand.name, posterior.view),
            reason=f"the data record no trial as {CLASS_PHRASES.get(estimand.needs_class, estimand.needs_class)}",
        )
        for estimand in primary_estimands()
        if estimand.listed and not is_computable(estimand, posterior.model.classes)
    ]


def _curve_rows(posterior: ModelPosterior, coefficients: np.ndarray, shown: set[str]) -> list[CurvePoint]:
    if not shown:
        return []
    out: list[CurvePoint] = []
    some = thin_draws(coefficients, len(posterior.weights))
    for name, (sizes, draws) in size_curve(posterior.model, some, posterior.weights).items():
        for at, column in zip(sizes, draws.T, strict=True) if name in shown else ():
            shown_name = view_name(name, posterior.view)
            out.append(CurvePoint(estimand=shown_name, parameters=float(at), **_interval_summary(column)))
    return out


def _missing_arms(source: SubjectPosterior, view: str) -> list[WithheldEstimate]:
    arms = source.arms_with_trials()
    out = []
    for estimand in primary_estimands():
        lacking = [arm for arm in estimand.arms if arm not in arms and estimand.reports_missing_arms]
        if lacking:
            reason = missing_arms_reason(lacking)
            out.append(WithheldEstimate(subject=source.subject, estimand=view_name(estimand.name, view), reason=reason))
    return out


def _nobody_engaged(figure: EstimandDraws, source: SubjectPosterior) -> str | None:
    if ESTIMANDS[figure.estimand].conditions_on != ENGAGEMENT or source.counts is None:
        return None
    for arm in figure.arms:
        counts = source.counts[source.cell_mask(arm)].sum(axis=0)
        if counts.sum() == counts[source.classes.index(REFUSED)]:
            return f"all trials of the {arm} arm were refused: nobody engaged"
    return None


def _estimate_row(figure: EstimandDraws, parameters: float, variant: str) -> EstimateRow:
    return EstimateRow(
        subject=figure.subject,
        parameters=float(parameters),
        variant=str(variant),
        estimand=figure.estimand,
        by=dict(figure.by),
        sd=float(figure.draws.std(ddof=1)),
        **_interval_summary(figure.draws),
        observed=figure.observed,
        n=figure.n,
    )


def _interval_summary(draws: np.ndarray) -> dict[str, float]:
    ends = np.quantile(draws, [0.25, 0.75, 0.1, 0.9, 0.025, 0.975])
    names = ("low50", "high50", "low80", "high80", "low95", "high95")
    return {"mean": float(draws.mean()), **dict(zip(names, map(float, ends), strict=True))}


def _judged_arms(name: str) -> tuple[str, ...]:
    """Arms in which judges must be informative for a curve of the estimand."""
    return ESTIMANDS[name].arms if ESTIMANDS[name].reports_missing_arms else ()


def _with_view_names(rows: Iterable[Row], view: str) -> tuple[Row, ...]:
    """Rows under the names that their estimands have in a view."""
    return tuple(
        row.model_copy(update={"estimand": view_name(row.estimand, view)}) if isinstance(row, EstimandRow) else row
        for row in rows
    )


def _draws_key(figure: EstimandDraws) -> str:
    return " ".join([figure.subject, figure.estimand, *(f"{axis}={value}" for axis, value in figure.by.items())])
