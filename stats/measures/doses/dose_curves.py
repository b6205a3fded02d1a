"""Dose-response curves of the battery: what is left of detection, and what tasks show above control, by dose and depth.

Estimands. Of each measure of `dose_measures` (yes-corrected detection; each task with a known chance, injection less
control, or less chance where it has no control) the mean over layers at each strength, and the mean over strengths at
each layer; cells count alike, and concepts within them. Only layers that have all strengths enter the first, so that a
curve compares like with like. *Rise*: the value at the highest strength less that at the lowest.

Assumes what `crossed_means` assumes; cells share their concepts, their items and their control trials, and all of that
is in the covariance of the points. Formula: linear combinations of the means of all cells. Each point has an interval
of its own level, and one that holds together with those of the whole curve: the pointwise level at which the largest of
the points' Student statistics stays below its quantile with probability .95, simulated from their correlation (max-t).

Source: Hothorn, Bretz and Westfall (2008), Simultaneous inference in general parametric models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gnomon.data.results import Estimate, finite_estimate
from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.arm_rates import ARM_RATE, DIFFERENCE, chance_level, event_observer, usual_scale
from gnomon.stats.measures.contrast_limits import LEVEL, ContrastInterval, mean_contrast, rate_contrast
from gnomon.stats.measures.crossed_means import (
    LIKE,
    THESE,
    CrossedMeans,
    Target,
    TrialGroup,
    crossed_means,
    trial_group,
)
from gnomon.stats.measures.doses.cell_pooling import CellEstimates
from gnomon.stats.measures.measure_results import DoseCurve, DosePoint, MeasuredEstimate
from gnomon.stats.measures.measured_contrasts import Cell, ContrastTerm, ObserveTrials, difference_terms, scaled_terms
from gnomon.stats.measures.measured_trials_frame import (
    CELL,
    LOGIT,
    NOTICE,
    RATE,
    UNRELATED_NO,
    Scale,
    control_arm,
    select_trials,
    steered_cells,
    yes_values,
)
from gnomon.stats.measures.yes_correction import YES_CORRECTED

LAYER, STRENGTH = CELL
DRAWS, SEED = 8000, 0
"""Draws of the largest statistic of a curve, and their seed."""


@dataclass(frozen=True)
class DoseMeasure:
    """What is followed over cells.

    Attributes
    ----------
    estimand, task : str
    scale : {"logit", "probability", "rate"}
    observe : callable
        What is observed of a trial.
    terms : sequence of ContrastTerm
        Of any cell; terms of the arm `injection` are those of the cell.
    reference : float
        Value of nothing: chance where there is no control, else 0.
    """

    estimand: str
    task: str
    scale: Scale
    observe: ObserveTrials
    terms: tuple[ContrastTerm, ...]
    reference: float = 0.0


@dataclass(frozen=True)
class DoseMeans:
    """Means of all cells of one measure of one subject, with their covariance.

    Attributes
    ----------
    measure : DoseMeasure
    subject : str
    cells : tuple of (layer, strength)
    weights : ndarray, shape (cells, groups)
        Of the groups in the estimate of each cell.
    means : CrossedMeans
    groups : tuple of TrialGroup
    """

    measure: DoseMeasure
    subject: str
    cells: tuple[Cell, ...]
    weights: np.ndarray
    means: CrossedMeans
    groups: tuple[TrialGroup, ...]

    def contrast(self, weights: np.ndarray, target: Target, confidence: float = LEVEL) -> ContrastInterval | None:
        """Interval of a linear combination of groups.

        Parameters
        ----------
        weights : ndarray, shape (groups,)
        target : {"these", "like"}
        confidence : float, default .95
        """
        estimate = rate_contrast if self.measure.scale == RATE else mean_contrast
        return estimate(self.means, weights, target, reference=self.measure.reference, confidence=confidence)

    def estimate(self, weights: np.ndarray, by: dict[str, float]) -> MeasuredEstimate | None:
        """Estimate of a linear combination of groups for both targets; None where neither has an interval.

        Parameters
        ----------
        weights : ndarray, shape (groups,)
        by : dict of str to float
            What it is of: a layer, a strength, or both.
        """
        these, like = self.contrast(weights, THESE), self.contrast(weights, LIKE)
        shown = these or like
        if shown is None:
            return None
        used = [group for group, weight in zip(self.groups, weights, strict=True) if weight]
        return MeasuredEstimate(
            estimand=self.measure.estimand,
            subject=self.subject,
            task=self.measure.task,
            by=by,
            scale=self.measure.scale,
            value=shown.interval.value,
            these=finite_estimate(these.interval if these else None),
            like_these=finite_estimate(like.interval if like else None),
            probability=shown.probability,
            reference=self.measure.reference,
            n=sum(group.trial_count for group in used),
            concepts=max(group.concept_count for group in used),
            items=min(group.item_count for group in used),
        )

    @property
    def target(self) -> Target:
        """The wider claim that the data hold: concepts like these, else these concepts."""
        return LIKE if self.means.can_target(LIKE) else THESE


def dose_measures(frame: pd.DataFrame, subject: str) -> list[DoseMeasure]:
    """Measures of a subject that may be followed over cells.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    """
    found = []
    asked, matched = (control_arm(frame, subject, task) for task in (NOTICE, UNRELATED_NO))
    if asked and matched:
        is_read = frame["log_odds_yes"][(frame["subject"] == subject) & (frame["task"] == NOTICE)].notna().any()
        terms = (
            *difference_terms(NOTICE, asked, None),
            *scaled_terms(difference_terms(UNRELATED_NO, matched, None), -1.0),
        )
        found.append(DoseMeasure(YES_CORRECTED, NOTICE, LOGIT if is_read else RATE, yes_values, terms))
    for task in sorted(frame["task"][frame["subject"] == subject].unique()):
        chance = chance_level(frame, subject, task)
        if chance is None:
            continue
        control = control_arm(frame, subject, task)
        scale, observe = usual_scale(frame, subject, task), event_observer(frame, subject, task)
        if control is not None:
            found.append(DoseMeasure(DIFFERENCE, task, scale, observe, difference_terms(task, control, None)))
        else:
            found.append(DoseMeasure(ARM_RATE, task, scale, observe, (ContrastTerm(task, INJECTION),), chance))
    return found


def dose_means(frame: pd.DataFrame, subject: str, measure: DoseMeasure) -> DoseMeans | None:
    """Means of all cells of a measure; None with fewer than two cells that have all its terms.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    measure : DoseMeasure
    """
    steered = [term.task for term in measure.terms if term.arm == INJECTION]
    cells = steered_cells(frame, subject, steered, INJECTION)
    groups: dict[tuple[str, str, Cell | None], TrialGroup] = {}
    rows: dict[Cell, list[tuple[tuple[str, str, Cell | None], float]]] = {}
    for cell in cells:
        keys = [(term.task, term.arm, cell if term.arm == INJECTION else None) for term in measure.terms]
        for key in keys:
            if key not in groups:
                trials = select_trials(frame, subject, *key)
                groups[key] = trial_group(key[0], trials, measure.observe(trials, measure.scale))
        if all(len(groups[key].values) for key in keys):
            rows[cell] = [(key, term.weight) for key, term in zip(keys, measure.terms, strict=True)]
    used = [key for key in groups if any(key == name for row in rows.values() for name, _ in row)]
    if len(rows) < 2:
        return None
    weights = np.zeros((len(rows), len(used)))
    for place, row in enumerate(rows.values()):
        for key, weight in row:
            weights[place, used.index(key)] += weight
    kept = tuple(groups[key] for key in used)
    return DoseMeans(measure, subject, tuple(rows), weights, crossed_means(kept), kept)


def dose_curves(found: DoseMeans) -> list[DoseCurve]:
    """Curves of a measure over strengths and over layers, each where it has two points or more.

    Parameters
    ----------
    found : DoseMeans
    """
    curves = (_curve(found, axis, _margins(found.cells, axis)) for axis in (STRENGTH, LAYER))
    return [curve for curve in curves if curve is not None]


def cell_estimates(found: DoseMeans) -> CellEstimates | None:
    """Every cell with its interval, and how much errors of cells have in common; None where no cell has an interval.

    Parameters
    ----------
    found : DoseMeans
    """
    made = [
        found.estimate(weights, dict(zip(CELL, cell, strict=True)))
        for cell, weights in zip(found.cells, found.weights, strict=True)
    ]
    if any(each is None for each in made):
        return None
    correlation = _correlation(found, found.weights)
    size = len(correlation)
    mean = float((correlation.sum() - size) / (size * (size - 1)))
    return CellEstimates([each for each in made if each is not None], min(max(mean, 0.0), 0.95))


def simultaneous_confidence(correlation: np.ndarray, freedom: float, confidence: float = LEVEL) -> float:
    """The level of each of several Student intervals at which all of them hold together with a given probability.

    Parameters
    ----------
    correlation : ndarray, shape (points, points)
    freedom : float
        Degrees of freedom.
    confidence : float, default .95
    """
    from scipy.stats import t as student

    rng = np.random.default_rng(SEED)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    draws = np.abs(rng.standard_normal((DRAWS, len(correlation))) @ root.T).max(axis=1)
    if freedom < 1e6:
        draws = draws / np.sqrt(rng.chisquare(max(freedom, 1.0), DRAWS) / max(freedom, 1.0))
    quantile = float(np.quantile(draws, confidence))
    return max(confidence, 1 - 2 * float(student.sf(quantile, min(max(freedom, 1.0), 1e6))))


def _margins(cells: Sequence[Cell], axis: str) -> dict[float, list[int]]:
    """Places of the cells of each value of an axis, such that all values have the same values of the other axis.

    Of layers whose doses are their own, equally many each, all doses.
    """
    own, other = (0, 1) if axis == LAYER else (1, 0)
    places: dict[float, list[int]] = {}
    for place, cell in enumerate(cells):
        places.setdefault(cell[own], []).append(place)
    shared = set.intersection(*({cells[place][other] for place in of_value} for of_value in places.values()))
    if shared:
        kept = {
            value: [place for place in of_value if cells[place][other] in shared] for value, of_value in places.items()
        }
    elif axis == LAYER and len({len(of_value) for of_value in places.values()}) == 1:
        kept = places
    else:
        kept = {}
    return dict(sorted(kept.items()))


def _curve(found: DoseMeans, axis: str, margins: dict[float, list[int]]) -> DoseCurve | None:
    if len(margins) < 2:
        return None
    weights = np.stack([found.weights[places].mean(axis=0) for places in margins.values()])
    estimates = [found.estimate(row, {axis: value}) for row, value in zip(weights, margins, strict=True)]
    freedom = min(found.means.contrast_variance(row, found.target)[1] for row in weights)
    level = simultaneous_confidence(_correlation(found, weights), freedom)
    points = [
        DosePoint(at=value, estimate=estimate, simultaneous=_joint_limits(found, row, level))
        for value, row, estimate in zip(margins, weights, estimates, strict=True)
        if estimate is not None
    ]
    rise = found.estimate(weights[-1] - weights[0], {}) if axis == STRENGTH else None
    return DoseCurve(
        subject=found.subject,
        task=found.measure.task,
        estimand=found.measure.estimand,
        scale=found.measure.scale,
        axis="strength" if axis == STRENGTH else "layer",
        averaged=sorted(
            {found.cells[place][0 if axis == STRENGTH else 1] for places in margins.values() for place in places}
        ),
        reference=found.measure.reference,
        points=points,
        rise=None if rise is None else rise.model_copy(update={"estimand": "rise", "reference": 0.0}),
    )


def _joint_limits(found: DoseMeans, weights: np.ndarray, level: float) -> Estimate | None:
    made = found.contrast(weights, found.target, level)
    joint = finite_estimate(made.interval if made else None)
    return None if joint is None else joint.model_copy(update={"level": LEVEL, "method": f"{joint.method}, max-t"})


def _correlation(found: DoseMeans, weights: np.ndarray) -> np.ndarray:
    covariance = weights @ found.means.covariance(found.target) @ weights.T
    spread = np.sqrt(np.clip(np.diag(covariance), 0, None))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(np.outer(spread, spread) > 1e-12, covariance / np.outer(spread, spread), 0.0)
    correlation = np.clip(correlation, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
