"""Definitions of the estimands, as functions of the posterior: integrals over the design, not averages of raw cells.

Each estimand is a function of S, the share of each class (refused, event, incoherent, rest) in an arm: the posterior's
class probabilities averaged over the subject's own cells of that arm, weighted by their trials. So an estimate
conditions on the subject's design: its mix of concepts, strengths, layers and protocols. It does not extend
beyond that mix; subjects with different mixes are each compared at their own.

`stats.estimand_registry` declares them, each with its formula.

The same functions give the corrected estimates if the class probabilities are those of the true class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from gnomon.data.arms import ARMS, judged_arms
from gnomon.data.records import Arm
from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.label_support import arms_with_labels
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.estimand_registry import CONTROL, INJECTION, Estimand, Shares, is_computable, primary_estimands
from gnomon.stats.methods.cut_posterior import completed_counts
from gnomon.stats.model.priors import Priors

ALL_SUBJECTS = "all subjects"


EstimateKey = tuple[str, str, tuple[tuple[str, str | float], ...]]
"""Subject, estimand, and the values of axes to which an estimate is restricted."""


@dataclass(frozen=True)
class EstimandDraws:
    """Posterior draws of one estimand of one subject.

    `draws` are the posterior's; `observed` is the same formula on raw counts, `n` the number of trials behind it,
    `arms` the arms that it uses.
    """

    subject: str
    estimand: str
    draws: np.ndarray
    by: Mapping[str, str | float] = field(default_factory=dict)
    observed: float | None = None
    n: int | None = None
    arms: tuple[str, ...] = ()

    @property
    def key(self) -> EstimateKey:
        """What the estimate is of: the same for the same estimate by another method."""
        return self.subject, self.estimand, tuple(self.by.items())


def posterior_interval(draws: np.ndarray) -> dict[str, float]:
    """Mean and equal-tailed 95 % limits of the posterior."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": float(draws.mean()), "low95": float(low), "high95": float(high)}


def class_shares(classes: tuple[str, ...], probabilities: np.ndarray, weights: np.ndarray) -> Shares:
    """Average class probabilities over cells.

    Parameters
    ----------
    classes : tuple of str
        The K classes.
    probabilities : ndarray, shape (draws, cells, K)
        Posterior class probabilities.
        Class probabilities of each cell.
    weights : ndarray, shape (cells,)
        Weight of each cell, usually its trials.

    Returns
    -------
    mapping of str to ndarray, shape (draws,)
        Share of each class.
    """
    averaged = np.einsum("dck,c->dk", probabilities, weights / weights.sum())
    return {name: averaged[:, number] for number, name in enumerate(classes)}


def shares_from_counts(classes: tuple[str, ...], counts: np.ndarray) -> Shares:
    """Observed class shares over cells, as arrays of one value.

    Parameters
    ----------
    classes : tuple of str
        The K classes.
    counts : ndarray, shape (cells, K)
        Counts by class.

    Returns
    -------
    mapping of str to ndarray, shape (1,)
        Share of each class.
    """
    total = counts.sum(axis=0)
    return {name: np.array([total[number] / total.sum()]) for number, name in enumerate(classes)}


@dataclass(frozen=True)
class SubjectPosterior:
    """One subject's cells and class probabilities, from which its estimates are computed.

    Attributes
    ----------
    subject : str
        Name of the subject.
    classes : tuple of str
        The K classes.
    frame : DataFrame
        The cells.
    probabilities : ndarray, shape (draws, cells, K)
    weights : ndarray, shape (cells,)
        Trials in each cell.
    counts : ndarray, shape (cells, K), optional
        Observed counts by class; None for latent classes.
    """

    subject: str
    classes: tuple[str, ...]
    frame: pd.DataFrame
    probabilities: np.ndarray
    weights: np.ndarray
    counts: np.ndarray | None

    @cached_property
    def _column(self) -> dict[str, np.ndarray]:
        """The axes as arrays: comparing a data frame's column takes as long as a hundred cells of an array."""
        return {str(axis): self.frame[axis].to_numpy() for axis in self.frame}

    @cached_property
    def _known_shares(self) -> dict[bytes, Shares]:
        """Draws already made, by mask: most estimands are of the same few groups of cells."""
        return {}

    def arms_with_trials(self) -> set[str]:
        """Names of the arms that have trials."""
        return {arm for arm in set(self.frame["arm"]) if self.weights[self.cell_mask(arm)].sum() > 0}

    def cell_mask(self, arm: str, **only: object) -> np.ndarray:
        """Mask of the cells of an arm that have trials.

        Parameters
        ----------
        arm : str
            Name of the arm.
        **only : object
            Required value of further axes, by name of the axis.

        Returns
        -------
        ndarray of bool, shape (cells,)
            True for the selected cells.
        """
        mask = (self._column["arm"] == arm) & (self.weights > 0)
        for axis, value in only.items():
            mask &= self._column[axis] == value
        return np.asarray(mask, dtype=bool)

    def shares_of(self, mask: np.ndarray, by: Mapping[str, str | float]) -> Shares:
        """Draws of the share of each class in some cells, all of one arm; the same cells always give the same draws.

        Parameters
        ----------
        mask : ndarray of bool, shape (cells,)
            The cells.
        by : mapping of str to str or float
            Values of axes to which the estimate is restricted; the posterior does not need them.
        """
        key = mask.tobytes()
        if key not in self._known_shares:
            self._known_shares[key] = self._draw_shares(mask, by)
        return self._known_shares[key]

    def _draw_shares(self, mask: np.ndarray, by: Mapping[str, str | float]) -> Shares:
        return class_shares(self.classes, self.probabilities[:, mask], self.weights[mask])

    def estimand_draws(
        self, name: str, make: Callable[..., np.ndarray], masks: list[np.ndarray], **by: str | float
    ) -> EstimandDraws:
        """Draws of the estimand that `make` computes from class shares, and its value on raw counts.

        Parameters
        ----------
        name : str
            Name of the estimand.
        make : callable
            Function of the class shares of each mask.
        masks : list of ndarray of bool, shape (cells,)
            Cells of each argument of `make`, each of one arm.
        **by : str or float
            Values of axes to which the estimand is restricted.
        """
        shares = [self.shares_of(mask, by) for mask in masks]
        observed = None
        if self.counts is not None:
            raw = [shares_from_counts(self.classes, self.counts[mask]) for mask in masks]
            with np.errstate(invalid="ignore", divide="ignore"):
                value = float(make(*raw)[0])
            observed = value if np.isfinite(value) else None
        n = round(sum(float(self.weights[mask].sum()) for mask in masks))
        arms = tuple(str(self._column["arm"][mask][0]) for mask in masks)
        return EstimandDraws(self.subject, name, make(*shares), by, observed, n, arms)


def subject_estimands(source: SubjectPosterior) -> Iterator[EstimandDraws]:
    """Every estimand that a subject's arms allow, overall and by arm, concept and strength."""
    arms = source.arms_with_trials()
    for estimand in primary_estimands():
        if not is_computable(estimand, source.classes):
            continue
        if set(estimand.arms) <= arms:
            masks = [source.cell_mask(arm) for arm in estimand.arms]
            yield source.estimand_draws(estimand.name, estimand.formula, masks)
        for arm in _arms_by_themselves(estimand, arms):
            yield source.estimand_draws(estimand.name, estimand.single_arm_formula, [source.cell_mask(arm)], arm=arm)
        if INJECTION in arms:
            yield from _by_concept_and_strength(source, estimand, arms)


def _arms_by_themselves(estimand: Estimand, arms: set[str]) -> list[str]:
    """Arms for which an estimand is reported apart from the whole."""
    if estimand.by_arm == "every":
        return sorted(arms)
    if estimand.by_arm != "further":
        return []
    event = ARMS[estimand.arms[0]].event
    return [arm for arm in judged_arms() if arm in arms - {INJECTION, CONTROL} and ARMS[arm].event is event]


def _by_concept_and_strength(source: SubjectPosterior, estimand: Estimand, arms: set[str]) -> Iterator[EstimandDraws]:
    """Estimates by concept and strength of the injection; all use the same control."""
    needed = (INJECTION,) if estimand.arm_formula else estimand.arms
    if not set(needed) <= arms:
        return
    make = estimand.arm_formula or estimand.formula
    injected = source.frame[source.cell_mask(INJECTION)]
    for axis in estimand.by_axis:
        values = sorted(injected[axis].dropna().unique())
        for value in values if len(values) > 1 else []:
            mask = source.cell_mask(INJECTION, **{axis: value})
            key = {axis: value if axis == "concept" else float(value)}
            masks = [mask if arm == INJECTION else source.cell_mask(arm) for arm in needed]
            yield source.estimand_draws(estimand.name, make, masks, **key)


@dataclass(frozen=True)
class CompletedSubject(SubjectPosterior):
    """One subject whose class shares come from completed counts (`stats.methods.cut_posterior`).

    Attributes
    ----------
    completed : ndarray, shape (draws, cells, K)
        Trials of the subject's cells by true class.
    seed : int
        Seed of the draws; the same cells always give the same draws.
    """

    completed: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    seed: int = 0

    def _draw_shares(self, mask: np.ndarray, by: Mapping[str, str | float]) -> Shares:
        arm = Arm(str(self._column["arm"][mask][0]))
        possible = np.array([is_class_possible(name, arm) for name in self.classes])
        random = np.random.default_rng([self.seed, *np.flatnonzero(mask)])
        shape = self.completed[:, mask].sum(axis=1) + possible / possible.sum()
        gamma = random.standard_gamma(np.maximum(shape, 1e-9)) * possible + 1e-300
        share = gamma / gamma.sum(axis=1, keepdims=True)
        return {name: share[:, place] for place, name in enumerate(self.classes)}


def cut_estimand_draws(
    patterns: VerdictPatternCells, priors: Priors, *, draws: int = 1000, seed: int = 0
) -> list[EstimandDraws]:
    """Draws by the cut fit of every estimand whose arms have enough labels, under its registered name.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    priors : Priors
        Those of the judges are used.
    draws : int, default 1000
        Number of draws of every estimate.
    seed : int, default 0
        Seed of all draws.
    """
    usable = set(arms_with_labels(patterns))
    completed = completed_counts(patterns, priors, draws, seed)
    frame, weights, found = patterns.frame, patterns.trial_counts, []
    for subject in frame["subject"].unique():
        own = (frame["subject"] == subject).to_numpy()
        source = CompletedSubject(
            subject=str(subject),
            classes=patterns.classes,
            frame=frame[own].reset_index(drop=True),
            probabilities=np.zeros((0, int(own.sum()), len(patterns.classes))),
            weights=weights[own],
            counts=None,
            completed=completed[:, own],
            seed=seed,
        )
        found += [figure for figure in subject_estimands(source) if set(figure.arms) <= usable]
    return found
