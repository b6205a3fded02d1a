"""Signal detection from the battery: d' and criterion c from rates of yes, and the AUC from graded readings.

Estimands: with H and F the rates of yes to the question with and without the vector, d' = z(H) - z(F) and c = -(z(H) +
z(F)) / 2 (`gnomon.stats.estimands.signal_detection` has the same of judged claims). AUC: the probability that a steered
trial has a higher reading (log-odds of yes, or the expected digit of a rating) than a control trial of another item,
ties by half; .5 where the vector changes nothing. No threshold and no distribution is assumed. A pair of one item would
raise it, because what the item adds to both readings cancels; it counts only where there is one item.

Neither is corrected for a bias to yes: a subject whose every answer moves to yes has a high AUC. So the same is given
for matched questions whose right answer is no, where whatever is above .5 is the yes-shift.

Formula of the AUC: mean over concepts of the mean placement of their trials among control trials. Its variance is that
of the sum of both groups' mean placements (DeLong's components) with concepts and items as drawn (`crossed_means`).
Limits are Student's on the scale of log-odds, logit A* +- t sqrt(V + E) / (A* (1 - A*)), where A* has half a steered
trial above and half below the controls added, and E is the variance of an area of which only that half is misplaced
(Hanley and McNeil's, for as many independent trials of both arms): nothing in the middle, a width where V is 0.

Sources: Green and Swets (1966); Hautus (1995), half a yes and half a no added to each rate; Bamber (1975); Hanley and
McNeil (1982); DeLong, DeLong and Clarke-Pearson (1988); Obuchowski (1997), clustered AUC.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from gnomon.data.records import IntervalEstimate
from gnomon.data.results import finite_estimate
from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.contrast_limits import (
    LEVEL,
    ContrastInterval,
    normal_quantile,
    probability_above,
    student_quantile,
)
from gnomon.stats.measures.crossed_means import (
    TARGETS,
    CrossedMeans,
    Target,
    TrialGroup,
    crossed_means,
    trial_group,
)
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_contrasts import Cell, ContrastPlan, ContrastTerm, estimate_contrast
from gnomon.stats.measures.measured_trials_frame import (
    CELL,
    LOGIT,
    NOTICE,
    RATE,
    control_arm,
    select_trials,
    yes_values,
)

D_PRIME, CRITERION, AUC = "d_prime", "criterion", "auc"
AUC_METHOD = "crossed placements, Student's t of log-odds"
NO_DIFFERENCE = 0.5


def detection_indices(
    frame: pd.DataFrame, subject: str, cell: Cell | None = None, *, task: str = NOTICE
) -> list[MeasuredEstimate]:
    """d' and c of the rates of yes with and without the vector; none without both.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    task : str, default "notice"
    """
    control = control_arm(frame, subject, task)
    if control is None:
        return []
    weights = {D_PRIME: (1.0, -1.0), CRITERION: (-0.5, -0.5)}
    plans = [
        ContrastPlan(
            name,
            (ContrastTerm(task, INJECTION, hit, cell), ContrastTerm(task, control, alarm)),
            RATE,
            yes_values,
            transform=normal_quantile,
        )
        for name, (hit, alarm) in weights.items()
    ]
    found = (estimate_contrast(frame, subject, plan) for plan in plans)
    return [each for each in found if each is not None]


def area_under_curve(
    frame: pd.DataFrame, subject: str, cell: Cell | None = None, *, task: str = NOTICE
) -> MeasuredEstimate | None:
    """The AUC of steered against control readings; None where either has no reading.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`; the reading is `log_odds_yes`, or `score` where there is none.
    subject : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    task : str, default "notice"
    """
    control = control_arm(frame, subject, task)
    if control is None:
        return None
    rows = [select_trials(frame, subject, task, INJECTION, cell), select_trials(frame, subject, task, control)]
    steered, plain = (trial_group(task, trials, _graded_readings(trials)) for trials in rows)
    if not len(steered.values) or not len(plain.values):
        return None
    groups = placement_groups(steered, plain)
    means = crossed_means(groups)
    these, like = (_auc_interval(means, target) for target in TARGETS)
    shown = these or like
    return MeasuredEstimate(
        estimand=AUC,
        subject=subject,
        task=task,
        by=dict(zip(CELL, cell, strict=True)) if cell else {},
        scale=LOGIT,
        value=float(means.means[0]),
        these=finite_estimate(these.interval if these else None),
        like_these=finite_estimate(like.interval if like else None),
        probability=shown.probability if shown else None,
        reference=NO_DIFFERENCE,
        n=sum(group.trial_count for group in groups),
        concepts=steered.concept_count,
        items=min(group.item_count for group in groups),
    )


def placement_groups(steered: TrialGroup, plain: TrialGroup) -> tuple[TrialGroup, TrialGroup]:
    """Both groups with each reading replaced by its placement among the readings of the other group.

    Parameters
    ----------
    steered, plain : TrialGroup
        Readings with and without the vector.

    Returns
    -------
    (TrialGroup, TrialGroup)
        P(control < steered) of each steered trial and P(steered > control) of each control trial; both have the AUC as
        their mean over concepts of equal weight.
    """
    above = np.sign(steered.values[:, None] - plain.values[None, :]) / 2 + 0.5
    pairs = _compared_pairs(steered, plain)
    among_plain, among_steered = pairs * plain.mean_weights(), pairs * steered.mean_weights()[:, None]
    return (
        replace(steered, values=(above * among_plain).sum(axis=1) / among_plain.sum(axis=1)),
        replace(plain, values=(above * among_steered).sum(axis=0) / among_steered.sum(axis=0)),
    )


def _compared_pairs(steered: TrialGroup, plain: TrialGroup) -> np.ndarray:
    """1 for pairs of trials of different items, else 0; 1 for all pairs if that leaves a trial none."""
    known = np.array([item is not None for item in plain.items])
    others = (steered.items[:, None] != plain.items[None, :]) | ~known[None, :]
    whole = others.any(axis=1).all() and others.any(axis=0).all()
    return np.asarray(others if whole else np.ones_like(others), dtype=float)


def _graded_readings(trials: pd.DataFrame) -> np.ndarray:
    odds = trials["log_odds_yes"].to_numpy(float)
    return odds if np.isfinite(odds).any() else trials["score"].to_numpy(float)


def _auc_interval(means: CrossedMeans, target: Target) -> ContrastInterval | None:
    if not means.can_target(target):
        return None
    variance, freedom = means.contrast_variance(np.ones(2), target)
    area, (steered, plain) = float(means.means[0]), means.sizes
    moved = (area * steered + 0.5) / (steered + 1)
    edge = area_variance((steered + 0.5) / (steered + 1), steered, plain)
    reach = student_quantile(LEVEL, freedom) * math.sqrt(variance + edge) / (moved * (1 - moved))
    low, high = (float(expit(logit(moved) + side * reach)) for side in (-1, 1))
    interval = IntervalEstimate(area, min(low, area), max(high, area), math.sqrt(variance), LEVEL, AUC_METHOD)
    return ContrastInterval(interval, freedom, probability_above(interval, freedom, NO_DIFFERENCE))


def area_variance(area: float, steered: float, plain: float) -> float:
    """Hanley and McNeil's variance of an area under the curve from independent trials.

    Parameters
    ----------
    area : float
        Above 0 and below 1.
    steered, plain : float
        Numbers of trials with and without the vector.
    """
    twice_steered, twice_plain = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (steered - 1) * (twice_steered - area**2) + (plain - 1) * (twice_plain - area**2)
    return float((area * (1 - area) + spread) / (steered * plain))
