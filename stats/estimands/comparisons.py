"""Comparisons of estimates, as functions of the posterior: size ladder, concept ranks, best cell, a new subject.

Each entry is computed draw by draw and summarised last, so that selecting the best of many accounts for uncertainty.
All condition on the same quantities as the estimates themselves (`gnomon.stats.estimands.definitions`).

| entry | question |
|---|---|
| ladder | probability that an estimate increases at each step of size, and at every step |
| ratios | ratio of a rate between two subjects |
| concepts | ranks of concepts, with their uncertainty |
| best | best layer and strength, its probability of being best, and its shrunken estimate |
| slopes | trend through the subjects that were run: of the reference variant, and of all |
| odds_ratios | odds ratio per doubling of size over the population of subjects (`estimands.size_regression`) |
| new_subject | predicted estimate of a further subject of a given size |
| new_concepts, new_concept_contrasts | estimates for concepts like these (`estimands.new_concepts`) |
| signal_detection | d' and criterion (`estimands.signal_detection`) |
| bounds | bounds for the bias from dropping refusals, from the posterior instead of from counts |
| standard, standard_contrasts | estimates with one mix of conditions for all subjects (`estimands.standardization`) |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from gnomon.stats.bounds import selection_bounds
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED
from gnomon.stats.estimand_registry import (
    CONTROL,
    INJECTION,
    NET_ENGAGED,
    NET_RAW,
    is_computable,
    net_detection_raw,
    primary_estimands,
)
from gnomon.stats.estimands.definitions import EstimandDraws, SubjectPosterior, class_shares, posterior_interval
from gnomon.stats.estimands.new_concepts import new_concept_estimands, new_concept_rows
from gnomon.stats.estimands.signal_detection import signal_detection_indices
from gnomon.stats.estimands.size_regression import (
    pairwise_contrasts,
    pooled_reference_cells,
    reason_without_size_effect,
    size_odds_ratios,
)
from gnomon.stats.estimands.standardization import standardized_contrasts, standardized_estimands, standardized_rows
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.model.linear_predictor import reference_variant
from gnomon.stats.results import (
    ConceptRank,
    DoseCell,
    EngagementBounds,
    FitComparisons,
    LeftOutTrend,
    NewSubjectPoint,
    ObservedSlope,
    RateRatio,
    SizeLadderSpan,
    SizeLadderStep,
)

NEW_SUBJECT_SIZES = 9
IsAllowed = Callable[[tuple[str, str]], bool]
"""Whether the estimate (subject, estimand) may be shown."""


def size_ladder_steps(every: Iterable[EstimandDraws], frame: pd.DataFrame) -> list[SizeLadderStep | SizeLadderSpan]:
    """P(an estimate increases) at each step of size among subjects of the reference variant, and at all steps together.

    The last is not the product of the others: a subject with a high rate makes one step likely and the next unlikely.
    Subjects of equal size have no step between them and are left out.

    Parameters
    ----------
    every : iterable of EstimandDraws
        Draws of all estimates.
    frame : pandas.DataFrame
        Cells of the model's design.
    """
    chosen = _reference_subjects_by_size(frame)
    out: list[SizeLadderStep | SizeLadderSpan] = []
    for name in [estimand.name for estimand in primary_estimands("size")]:
        draws = {figure.subject: figure.draws for figure in every if figure.estimand == name and not figure.by}
        rungs = [subject for subject in chosen if subject in draws]
        steps = [draws[b] - draws[a] for a, b in pairwise(rungs)]
        for (below, above), gap in zip(pairwise(rungs), steps, strict=True):
            out.append(
                SizeLadderStep(
                    estimand=name,
                    from_subject=below,
                    to_subject=above,
                    **posterior_interval(gap),
                    probability=_probability_positive(gap),
                )
            )
        if len(steps) > 1:
            whole = float(np.all([gap > 0 for gap in steps], axis=0).mean())
            ends = {"from_subject": rungs[0], "to_subject": rungs[-1]}
            out.append(SizeLadderSpan(estimand=name, **ends, steps=len(steps), probability=whole))
    return out


def rate_ratios(every: Iterable[EstimandDraws]) -> list[RateRatio]:
    """Ratios a / b of rates of each pair of subjects: median and limits, as a ratio's mean need not exist."""
    overall, out = [figure for figure in every if not figure.by], []
    for name in [estimand.name for estimand in primary_estimands("ratios")]:
        for one, other in combinations([figure for figure in overall if figure.estimand == name], 2):
            ratio = one.draws / np.maximum(other.draws, 1e-12)
            low, middle, high = np.quantile(ratio, [0.025, 0.5, 0.975])
            out.append(
                RateRatio(
                    estimand=name,
                    a=one.subject,
                    b=other.subject,
                    median=float(middle),
                    low95=float(low),
                    high95=float(high),
                    probability=_probability_positive(ratio - 1),
                )
            )
    return out


def rank_concepts(every: Iterable[EstimandDraws]) -> list[ConceptRank]:
    """Concepts by net detection, subjects weighted equally: mean, limits, P(first), and limits of the rank.

    Ranks are counted in each draw (Goldstein and Spiegelhalter 1996, J. R. Statist. Soc. A 159); a rank with wide
    limits is unknown, whatever the order of the means.
    """
    out = []
    for name in [estimand.name for estimand in primary_estimands("ladder")]:
        mine = [figure for figure in every if figure.estimand == name and set(figure.by) == {"concept"}]
        words = sorted({str(figure.by["concept"]) for figure in mine})
        subjects = [
            set(words) == {str(f.by["concept"]) for f in mine if f.subject == s} for s in {f.subject for f in mine}
        ]
        if len(words) < 2 or not all(subjects):
            continue
        draws = np.stack([np.mean([f.draws for f in mine if f.by["concept"] == word], axis=0) for word in words])
        place = (-draws).argsort(axis=0).argsort(axis=0) + 1
        for row, word in enumerate(words):
            low, high = np.quantile(place[row], [0.025, 0.975])
            out.append(
                ConceptRank(
                    estimand=name,
                    concept=word,
                    **posterior_interval(draws[row]),
                    probability_first=float((place[row] == 1).mean()),
                    place_low=int(low),
                    place_high=int(high),
                )
            )
    return sorted(out, key=lambda rank: (rank.estimand, -rank.mean))


def rank_dose_cells(source: SubjectPosterior) -> list[DoseCell]:
    """Cells of layer and strength of one subject by net detection, with P(best); empty with fewer than two.

    The estimate of a cell is the model's, partially pooled with its neighbours: chosen as the best of many, a raw rate
    is biased upwards (the winner's curse), this one is not if the model holds. `naive` is the raw rate. P(best) is the
    share of draws in which a cell has the highest rate. Both rest on cells that deviate from the smooth curves as far
    as the data say (`model.level_deviations`; decision 18); where cells have fewer than five trials their own
    deviations are left out, and those of layer by strength stay.
    """
    if not {INJECTION, CONTROL} <= source.arms_with_trials():
        return []
    injected = source.frame[source.cell_mask(INJECTION)]
    pairs = injected[["layer", "depth", "strength"]].drop_duplicates().sort_values(["depth", "layer", "strength"])
    if len(pairs) < 2:
        return []
    figures, wheres = [], []
    for layer, depth, strength in pairs.itertuples(index=False):
        mask = source.cell_mask(INJECTION, strength=strength) & _equal_or_missing(source.frame["layer"], layer)
        mask &= _equal_or_missing(source.frame["depth"], depth)
        figures.append(source.estimand_draws(NET_RAW, net_detection_raw, [mask, source.cell_mask(CONTROL)]))
        wheres.append((_none_if_missing(layer), _none_if_missing(depth), float(strength)))
    winner = np.stack([figure.draws for figure in figures]).argmax(axis=0)
    return [
        DoseCell(
            subject=source.subject,
            layer=layer,
            depth=depth,
            strength=strength,
            **posterior_interval(figure.draws),
            naive=figure.observed,
            n=figure.n,
            probability_best=float((winner == place).mean()),
        )
        for place, (figure, (layer, depth, strength)) in enumerate(zip(figures, wheres, strict=True))
    ]


def observed_slopes(every: Iterable[EstimandDraws], frame: pd.DataFrame) -> list[ObservedSlope]:
    """Least-squares trends per doubling through the subjects that were run: of the reference variant, and of all.

    Estimand: the least-squares slope, over log2 size, of these subjects' own rates (a finite population). Assumes
    nothing of how the rates depend on size, and says nothing of other subjects; `odds_ratios` does. Formula: sum of
    (x - mean x) times the estimate, over the sum of (x - mean x) squared, in each draw.

    Parameters
    ----------
    every : iterable of EstimandDraws
        Draws of all estimates.
    frame : pandas.DataFrame
        Cells of the model's design.
    """
    return [
        ObservedSlope(
            estimand=trend.estimand,
            variants=trend.variants,
            **posterior_interval(trend.slope(trend.subjects)),
            probability_positive=_probability_positive(trend.slope(trend.subjects)),
            subjects=len(trend.subjects),
            without=tuple(trend.without_each()),
        )
        for trend in _observed_trends(every, frame)
    ]


@dataclass(frozen=True)
class ObservedTrend:
    """Draws of one estimand for some subjects, with their sizes: what a trend is drawn through.

    Attributes
    ----------
    estimand, variants : str
        Name of the estimand; "within" the reference variant or "all".
    sizes : mapping of str to float
        log2 size of each subject.
    draws : mapping of str to ndarray, shape (draws,)
    """

    estimand: str
    variants: str
    sizes: Mapping[str, float]
    draws: Mapping[str, np.ndarray]

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects."""
        return list(self.draws)

    def slope(self, subjects: Sequence[str]) -> np.ndarray:
        """Draws of the least-squares slope through some of the subjects."""
        x = np.array([self.sizes[name] for name in subjects])
        weight = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        return np.asarray(weight @ np.stack([self.draws[name] for name in subjects]))

    def without_each(self) -> Iterator[LeftOutTrend]:
        """The trend's mean without each subject, where three sizes are left."""
        for subject in self.subjects:
            rest = [other for other in self.subjects if other != subject]
            if len({self.sizes[name] for name in rest}) > 2:
                yield LeftOutTrend(subject=subject, mean=float(self.slope(rest).mean()))


def observed_slope_draws(every: Iterable[EstimandDraws], frame: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Draws of `observed_slopes`.

    Parameters
    ----------
    every : iterable of EstimandDraws
        Draws of all estimates.
    frame : pandas.DataFrame
        Cells of the model's design.

    Yields
    ------
    (str, str, ndarray)
        Estimand, "within" the reference variant or "all", and draws.
    """
    for trend in _observed_trends(every, frame):
        yield trend.estimand, trend.variants, trend.slope(trend.subjects)


def _observed_trends(every: Iterable[EstimandDraws], frame: pd.DataFrame) -> Iterator[ObservedTrend]:
    usual = set(_reference_subjects_by_size(frame, distinct=False))
    sizes = {str(name): float(x) for name, x in frame.groupby("subject")["x"].first().items()}
    overall = [figure for figure in every if not figure.by]
    for name in [estimand.name for estimand in primary_estimands("size")]:
        mine = [figure for figure in overall if figure.estimand == name]
        for kind, some in (("within", [f for f in mine if f.subject in usual]), ("all", mine)):
            if len({sizes[figure.subject] for figure in some}) > 1:
                yield ObservedTrend(name, kind, sizes, {figure.subject: figure.draws for figure in some})


def predict_new_subject(
    model: OutcomeModel, x: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> list[NewSubjectPoint]:
    """Estimates of a further subject of the reference variant: the regression line plus new deviations of the subject
    and of its levels (`OutcomeModel.predict_new_levels`).

    Wider than the line's own interval, which is for a subject without deviations.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    rng : numpy.random.Generator
        Source of the deviations.

    Returns
    -------
    list of NewSubjectPoint
        estimand, parameters (size), mean, low95, high95; empty if the study has no slope.
    """
    cells = model.design.frame
    if reason_without_size_effect(cells) is not None:
        return []
    typical, merged = pooled_reference_cells(cells, weights)
    middle = float((np.log2(cells["parameters"]) - cells["x"]).iloc[0])
    steered, seed = (typical["arm"] == INJECTION).to_numpy(), int(rng.integers(2**32))
    out: list[NewSubjectPoint] = []
    for at in np.linspace(cells["x"].min(), cells["x"].max(), NEW_SUBJECT_SIZES):
        # The same deviations at every size: the points are of one subject, and form a smooth band.
        share = model.predict_new_levels(x, typical.assign(x=at), np.random.default_rng(seed))
        arms = {
            arm: class_shares(model.classes, share[:, mask], merged[mask])
            for arm, mask in ((INJECTION, steered), (CONTROL, ~steered))
        }
        for estimand in primary_estimands("size"):
            if set(estimand.arms) <= set(arms) and is_computable(estimand, model.classes):
                draws = estimand.formula(*(arms[arm] for arm in estimand.arms))
                size = float(2.0 ** (at + middle))
                out.append(NewSubjectPoint(estimand=estimand.name, parameters=size, **posterior_interval(draws)))
    return out


def engaged_effect_bounds(source: SubjectPosterior) -> list[EngagementBounds]:
    """Lee's and the worst-case bounds of one subject's engaged net detection, from the posterior."""
    if not {INJECTION, CONTROL} <= source.arms_with_trials() or REFUSED not in source.classes:
        return []
    drawn: list[np.ndarray] = []
    for arm in (INJECTION, CONTROL):
        mask = source.cell_mask(arm)
        shares = class_shares(source.classes, source.probabilities[:, mask], source.weights[mask])
        kept = 1.0 - shares[REFUSED]
        drawn += [kept, shares[EVENT] / np.maximum(kept, 1e-12)]
    out = []
    rules: tuple[selection_bounds.EngagementAssumption, ...] = ("monotone", "none")
    for rule in rules:
        found = selection_bounds.bounds_from_draws(*drawn, assuming=rule)
        out.append(
            EngagementBounds(
                subject=source.subject,
                assuming=rule,
                low=found.low,
                high=found.high,
                low95=found.interval_low,
                high95=found.interval_high,
            )
        )
    return out


def _reference_subjects_by_size(frame: pd.DataFrame, *, distinct: bool = True) -> list[str]:
    """Subjects of the reference variant in order of size; with `distinct` only sizes that occur once."""
    subjects = frame.drop_duplicates("subject").sort_values("parameters")
    mine = subjects[subjects["variant"] == reference_variant(subjects)]
    return mine[~mine["parameters"].duplicated(keep=False) | (not distinct)]["subject"].tolist()


def _probability_positive(draws: np.ndarray) -> float:
    return float((draws > 0).mean())


def _equal_or_missing(column: pd.Series, value: Any) -> np.ndarray:
    return np.asarray(column.isna() if pd.isna(value) else column == value)


def _none_if_missing(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def build_comparisons(
    model: OutcomeModel,
    x: np.ndarray,
    weights: np.ndarray,
    sources: Sequence[SubjectPosterior],
    kept: Sequence[EstimandDraws],
    allowed: IsAllowed,
) -> FitComparisons:
    """All entries of the table above; those based on a withheld estimate are left out.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    sources : sequence of SubjectPosterior
        Cells and class probabilities of each subject.
    kept : sequence of EstimandDraws
        Draws of the estimates that may be shown.
    allowed : IsAllowed
        Whether the estimate (subject, estimand) may be shown.
    """
    frame, coefficients, rng = model.design.frame, model.coefficient_draws(x), np.random.default_rng(0)
    of = [source for source in sources if allowed((source.subject, NET_RAW))]
    same = [f for f in standardized_estimands(model, x, weights) if allowed((f.subject, f.estimand))]
    new = [f for f in new_concept_estimands(model, x, weights, rng) if allowed((f.subject, f.estimand))]
    further = predict_new_subject(model, x, weights, rng) if len(of) == len(sources) else []
    engaged = [source for source in sources if allowed((source.subject, NET_ENGAGED))]
    return FitComparisons(
        ladder=tuple(size_ladder_steps(kept, frame)),
        ratios=tuple(rate_ratios(kept)),
        concepts=tuple(rank_concepts(kept)),
        best=tuple(row for source in of for row in rank_dose_cells(source)),
        slopes=tuple(observed_slopes(kept, frame)),
        odds_ratios=tuple(size_odds_ratios(model, coefficients)) if len(of) == len(sources) else (),
        new_subject=tuple(further),
        new_concepts=tuple(new_concept_rows(new, frame)),
        new_concept_contrasts=tuple(pairwise_contrasts(new)),
        signal_detection=tuple(signal_detection_indices(kept)),
        bounds=tuple(row for source in engaged for row in engaged_effect_bounds(source)),
        standard=tuple(standardized_rows(same, frame, weights)),
        standard_contrasts=tuple(standardized_contrasts(same)),
    )
