"""Estimates of the battery as signed sums of means of groups: rates, differences with control, yes-corrected detection.

A term of an estimate is a task in an arm, over the design or in one cell. What differs between estimates is which terms
they add and what is observed of a trial; how a sum gets its interval is `crossed_means` and `contrast_limits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gnomon.data.results import Estimate, finite_estimate
from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.contrast_limits import ContrastInterval, RateScale, mean_contrast, rate_contrast
from gnomon.stats.measures.crossed_means import (
    LIKE,
    TARGETS,
    THESE,
    CrossedMeans,
    Target,
    TrialGroup,
    crossed_means,
    trial_group,
)
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_trials_frame import CELL, LOGIT, RATE, Scale, select_trials

ObserveTrials = Callable[[pd.DataFrame, Scale], np.ndarray]
"""From trials and a scale to one value a trial."""
GroupGradient = Callable[[np.ndarray], np.ndarray]
"""From the means of the terms to the weights of a function of them that is homogeneous of degree 1."""
Cell = tuple[float, float]


@dataclass(frozen=True)
class ContrastTerm:
    """One term of an estimate.

    Attributes
    ----------
    task, arm : str
    weight : float
        Factor of its mean.
    cell : (layer, strength), optional
        Only trials of this cell.
    """

    task: str
    arm: str
    weight: float = 1.0
    cell: Cell | None = None


@dataclass(frozen=True)
class ContrastPlan:
    """An estimate to be made.

    Attributes
    ----------
    estimand : str
        Its name in results.
    terms : tuple of ContrastTerm
    scale : {"logit", "probability", "rate"}
    observe : callable
        What is observed of a trial.
    transform : callable, optional
        Increasing function of a rate.
    gradient : callable, optional
        Weights of the terms from their means, in place of their fixed weights.
    reference : float, default 0
        Value that the probability is against.
    """

    estimand: str
    terms: tuple[ContrastTerm, ...]
    scale: Scale
    observe: ObserveTrials
    transform: RateScale | None = None
    gradient: GroupGradient | None = None
    reference: float = 0.0


def estimate_contrast(frame: pd.DataFrame, subject: str, plan: ContrastPlan) -> MeasuredEstimate | None:
    """The estimate of a plan for one subject; None where a term has no trial that shows its value.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    plan : ContrastPlan
    """
    groups = [_term_group(frame, subject, term, plan) for term in plan.terms]
    if not all(len(group.values) for group in groups):
        return None
    return contrast_of_groups(subject, plan, groups, crossed_means(groups))


def contrast_of_groups(
    subject: str, plan: ContrastPlan, groups: Sequence[TrialGroup], means: CrossedMeans
) -> MeasuredEstimate | None:
    """The estimate of a plan whose groups and means are known; None where its value is not finite.

    Parameters
    ----------
    subject : str
    plan : ContrastPlan
    groups : sequence of TrialGroup
    means : CrossedMeans
        Of these groups.
    """
    weights = np.array([term.weight for term in plan.terms])
    if plan.gradient is not None:
        weights = plan.gradient(means.means)
    made = {target: _contrast_interval(means, weights, target, plan) for target in TARGETS}
    these, like = made[THESE], made[LIKE]
    shown = these or like
    value = shown.interval.value if shown else float(weights @ means.means)
    if not np.isfinite(value):
        return None
    cell = next((term.cell for term in plan.terms if term.cell is not None), None)
    return MeasuredEstimate(
        estimand=plan.estimand,
        subject=subject,
        task=plan.terms[0].task,
        arm=plan.terms[0].arm,
        by=dict(zip(CELL, cell, strict=True)) if cell else {},
        scale=plan.scale,
        value=value,
        these=_possible_interval(these, plan),
        like_these=_possible_interval(like, plan),
        probability=shown.probability if shown else None,
        reference=plan.reference,
        n=sum(group.trial_count for group in groups),
        concepts=max(group.concept_count for group in groups),
        items=min(group.item_count for group in groups),
    )


def _possible_interval(found: ContrastInterval | None, plan: ContrastPlan) -> Estimate | None:
    """The interval without values that no sum of probabilities can have, which takes nothing from its coverage."""
    if found is None:
        return None
    interval = found.interval
    if plan.scale != LOGIT and plan.transform is None and plan.gradient is None:
        least = sum(min(term.weight, 0.0) for term in plan.terms)
        most = sum(max(term.weight, 0.0) for term in plan.terms)
        interval = replace(interval, low=max(interval.low, least), high=min(interval.high, most))
    return finite_estimate(interval)


def difference_terms(task: str, control: str, cell: Cell | None, arm: str = INJECTION) -> tuple[ContrastTerm, ...]:
    """Terms of a task in an arm, in one cell or over the design, less the same task in its control arm.

    Parameters
    ----------
    task, control : str
    cell : (layer, strength) or None
    arm : str, default "injection"
    """
    return ContrastTerm(task, arm, 1.0, cell), ContrastTerm(task, control, -1.0)


def scaled_terms(terms: Sequence[ContrastTerm], factor: float) -> tuple[ContrastTerm, ...]:
    """The terms with every weight multiplied.

    Parameters
    ----------
    terms : sequence of ContrastTerm
    factor : float
    """
    return tuple(ContrastTerm(term.task, term.arm, factor * term.weight, term.cell) for term in terms)


def _contrast_interval(
    means: CrossedMeans, weights: np.ndarray, target: Target, plan: ContrastPlan
) -> ContrastInterval | None:
    if plan.scale != RATE:
        return mean_contrast(means, weights, target, reference=plan.reference)
    return rate_contrast(means, weights, target, transform=plan.transform, reference=plan.reference)


def _term_group(frame: pd.DataFrame, subject: str, term: ContrastTerm, plan: ContrastPlan) -> TrialGroup:
    trials = select_trials(frame, subject, term.task, term.arm, term.cell)
    return trial_group(term.task, trials, plan.observe(trials, plan.scale))
