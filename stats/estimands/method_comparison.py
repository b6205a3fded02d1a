"""Estimates of one estimand by several methods side by side, and which of them is the headline.

| method | what it assumes |
|---|---|
| pooled | the joint fit's model with probability 3/4, the cut fit's with 1/4: draws of the two in that proportion |
| joint | the statistical model of outcomes and of judges' errors (`stats.inference.hierarchical`) |
| cut | the same, but unlabelled verdicts do not teach the judges' errors |
| design | that labels within a verdict pattern are a random sample of it (`stats.estimands.design_based`) |

The joint fit is the most precise where its assumptions hold, and its intervals do not know that they may fail. The
headline is therefore the pooled estimate, a linear opinion pool of the two fits (Stone 1961, The opinion pool, Annals
of Mathematical Statistics 32; Genest and Zidek 1986, Statistical Science 1): it is wider where unlabelled verdicts and
labels tell different things about the judges (decision 51). Where the joint fit differs from the design-based estimate
by more than the errors of the two explain, its assumptions do not hold, and the design-based estimate is the headline
of every corrected estimate of that fit, so that rates, differences and contrasts stay consistent with each other.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from gnomon.calibration.numerics.multiple_testing import holm_adjusted
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.estimand_registry import FALSE_ALARM, IDENTIFICATION, NET_RAW, corrected_name
from gnomon.stats.estimands.definitions import ALL_SUBJECTS, EstimandDraws, posterior_interval
from gnomon.stats.results import CUT, DESIGN, JOINT, POOLED, HeadlineChoice, MethodDifference, MethodEstimate

COMPARED = (NET_RAW, IDENTIFICATION, FALSE_ALARM)
"""Estimands that are compared, over the whole design: by strength, design-based estimates are drawn to each other."""
ALPHA = 0.05
"""Family-wise error rate of the comparison: how often a joint fit whose assumptions hold loses the headline."""
CUT_SHARE = 4
"""One draw in so many of a pooled estimate is the cut fit's: the least share with which all hostile worlds are covered
(decision 51)."""
CONTRADICTED = "labels contradict the joint fit, and they are too few here for a design-based estimate: label some more"
RATER_ERROR, PRIOR_PAIRS = 0.03, 20.0
"""Prior mean of a rater's error rate, and the number of doubly labelled trials that it is worth."""
SHARED = 0.25
"""Least variance of a difference, as a share of the larger of the two variances."""


@dataclass(frozen=True)
class ComparedEstimates:
    """The estimates that a result shows, and what was compared.

    `shown` are those of the headline method, `withheld` those that it lacks, `methods` the overall estimates by every
    method.
    """

    shown: list[EstimandDraws]
    withheld: list[EstimandDraws]
    methods: tuple[MethodEstimate, ...]
    headline: HeadlineChoice


def compare_methods(
    joint: Sequence[EstimandDraws],
    others: Mapping[str, Sequence[EstimandDraws]],
    *,
    label_error: float = 0.0,
    labels_misfit: bool = False,
) -> ComparedEstimates:
    """Choose the method of the headline, and list the overall estimates by each method.

    Parameters
    ----------
    joint : sequence of EstimandDraws
        Estimates of the joint fit that may be shown.
    others : mapping of str to sequence of EstimandDraws
        Estimates by the methods `CUT` and `DESIGN`, under their registered names; any may be absent.
    label_error : float, default 0.0
        Share of labels that may be wrong (`label_error_rate`).
    labels_misfit : bool, default False
        Whether the joint fit fails a posterior predictive check of labels given verdicts.

    Returns
    -------
    ComparedEstimates
    """
    differences = method_differences(joint, others.get(DESIGN, ()), label_error)
    pooled = pool_estimates(joint, others.get(CUT, ()))
    headline = _choose_method(differences, labels_misfit, POOLED if pooled else JOINT)
    tables = {POOLED: pooled, JOINT: joint, **others}
    chosen = {figure.key: figure for figure in tables[headline.method]}
    shown = [_with_draws(figure, chosen[figure.key]) for figure in joint if figure.key in chosen]
    withheld = [figure for figure in joint if figure.key not in chosen]
    return ComparedEstimates(shown, withheld, tuple(_method_rows(tables, headline.method)), headline)


def pool_estimates(joint: Sequence[EstimandDraws], cut: Sequence[EstimandDraws]) -> list[EstimandDraws]:
    """Every estimate of the joint fit with one draw in `CUT_SHARE` taken from the cut fit; empty without a cut fit.

    The same draws are exchanged in every estimate, so that differences and contrasts of pooled estimates are pooled
    differences and contrasts. An estimate that the cut fit lacks stays the joint fit's.

    Parameters
    ----------
    joint, cut : sequence of EstimandDraws
        Estimates by the two fits.
    """
    known = {figure.key: figure.draws for figure in cut}
    return [_pool_draws(figure, known.get(figure.key)) for figure in joint] if known else []


def _pool_draws(figure: EstimandDraws, cut: np.ndarray | None) -> EstimandDraws:
    if cut is None:
        return figure
    draws = figure.draws.copy()
    exchanged = np.arange(CUT_SHARE - 1, len(draws), CUT_SHARE)
    draws[exchanged] = np.resize(cut, len(exchanged))
    return replace(figure, draws=draws)


def label_error_rate(patterns: VerdictPatternCells) -> float:
    """Expected share of wrong labels: from trials that two raters labelled, with `RATER_ERROR` as the prior mean.

    Two raters who err with rate e disagree on about 2 e of the trials. Labels that an adjudicator gave, and all labels
    without a known rater, are exact.
    """
    known = patterns.label != MISSING
    if patterns.exact[known].all():
        return 0.0
    ratings = np.where(patterns.ratings == MISSING, np.nan, patterns.ratings.astype(float))
    twice = known & ((patterns.ratings != MISSING).sum(axis=1) > 1)
    pairs = float(patterns.count[twice].sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        apart = twice & (np.nanmax(ratings, axis=1) > np.nanmin(ratings, axis=1))
    disagreements = float(patterns.count[apart].sum())
    return (2 * RATER_ERROR * PRIOR_PAIRS + disagreements) / (PRIOR_PAIRS + pairs) / 2


def method_differences(
    joint: Sequence[EstimandDraws], design: Sequence[EstimandDraws], label_error: float = 0.0
) -> list[MethodDifference]:
    """Joint fit minus design-based estimate over the whole design: the mean over all subjects, and each subject's own.

    The two share data, so the variance of their difference is not the sum of their variances. Under the joint fit's
    assumptions it is efficient, and the variance is that of the design-based estimate minus its own (Hausman 1978,
    Specification tests in econometrics, Econometrica 46); posterior variances stand for both, and `SHARED` of the
    larger is the least that is taken. The design-based estimate takes labels as the truth, so the variance also holds
    the square of the label error, by which wrong labels can move a rate. p values are two-sided and corrected for the
    number of comparisons (Holm 1979).

    Parameters
    ----------
    joint, design : sequence of EstimandDraws
        Estimates by the two methods.
    label_error : float, default 0.0
        Share of labels that may be wrong.
    """
    known = {figure.key: figure for figure in design}
    groups: dict[str, list[tuple[EstimandDraws, EstimandDraws]]] = {}
    for figure in joint:
        if figure.estimand in COMPARED and not figure.by and (other := known.get(figure.key)) is not None:
            groups.setdefault(figure.estimand, []).append((figure, other))
    rows: list[MethodDifference] = []
    for pairs in groups.values():
        several = len(pairs) > 1
        rows.append(_difference_row(pairs, ALL_SUBJECTS if several else pairs[0][0].subject, label_error))
        if several:
            rows += [_difference_row([pair], pair[0].subject, label_error) for pair in pairs]
    if not rows:
        return []
    adjusted = holm_adjusted([row.p for row in rows])
    return [row.model_copy(update={"p": float(p)}) for row, p in zip(rows, adjusted, strict=True)]


def _difference_row(
    pairs: Sequence[tuple[EstimandDraws, EstimandDraws]], subject: str, label_error: float
) -> MethodDifference:
    """The difference of the mean over some subjects."""
    joint = np.mean([one.draws for one, _ in pairs], axis=0)
    design = np.mean([other.draws for _, other in pairs], axis=0)
    own, other = float(joint.var(ddof=1)), float(design.var(ddof=1))
    error = float(np.sqrt(max(other - own, SHARED * max(own, other), 1e-12) + label_error**2))
    gap = float(joint.mean() - design.mean())
    return MethodDifference(
        estimand=pairs[0][0].estimand,
        subject=subject,
        joint=float(joint.mean()),
        design=float(design.mean()),
        difference=gap,
        se=error,
        p=float(2 * ndtr(-abs(gap) / error)),
    )


def _choose_method(differences: Sequence[MethodDifference], labels_misfit: bool, usual: str) -> HeadlineChoice:
    """The design-based estimate where labels contradict the joint fit, else the usual method."""
    least = min((row.p for row in differences), default=None)
    contradicted = least is not None and (least < ALPHA or labels_misfit)
    return HeadlineChoice(
        method=DESIGN if contradicted else usual,
        p=least,
        limit=ALPHA,
        labels_misfit=labels_misfit,
        differences=tuple(differences),
    )


def _method_rows(tables: Mapping[str, Sequence[EstimandDraws]], headline: str) -> Iterator[MethodEstimate]:
    """Overall estimates by method, estimand by estimand as the joint fit has them."""
    by_key = {method: {figure.key: figure for figure in figures} for method, figures in tables.items()}
    for figure in _overall(tables[JOINT]):
        there = [method for method in (POOLED, JOINT, CUT, DESIGN) if figure.key in by_key.get(method, {})]
        for method in there:
            draws = by_key[method][figure.key].draws
            yield MethodEstimate(
                subject=figure.subject,
                estimand=corrected_name(figure.estimand),
                method=method,
                **posterior_interval(draws),
                sd=float(draws.std(ddof=1)),
                headline=method == headline,
            )


def _overall(figures: Iterable[EstimandDraws]) -> list[EstimandDraws]:
    return [figure for figure in figures if not figure.by]


def _with_draws(figure: EstimandDraws, other: EstimandDraws) -> EstimandDraws:
    """An estimate with the draws of another method, as many as it had."""
    return figure if other is figure else replace(figure, draws=np.resize(other.draws, len(figure.draws)))
