"""Design-based estimates: class shares from labels within verdict patterns, without a model of judges or of outcomes.

Estimand: the registry's estimands of one subject's process (`stats.estimands.definitions`), over its own design or one
value of an axis. For a set of trials (a subject, an arm, perhaps one strength),

    share of class z = sum over verdict patterns h of  q_h P(z | h),

q_h the share of trials whose judges gave the pattern h, P(z | h) the share of truths among labelled trials with it.
With every trial in its pattern this is prediction-powered inference in strata: the judges' verdicts predict, and labels
of the same pattern correct the prediction.

Assumes that the labelled trials of a pattern are a random sample of the trials with that pattern, of a subject and arm
(and of the value of the axis): true of random labels, and of labels chosen by the verdicts that are in the pattern. It
assumes nothing on how judges err, on how outcomes depend on strength or size, nor that unlabelled verdicts teach
anything about errors. Labels count as the truth; `stats.fit` draws them from the fit where raters may be wrong.

Uncertainty is that of q (a Dirichlet distribution on counts of trials, the Bayesian bootstrap) and of each P(. | h), a
Dirichlet distribution whose prior is the prediction from labels outside the set: for the whole design those of the
other subjects, for one value of an axis first all others of the arm, then the other subjects' at that value. A
prediction with error e = 1 - its largest share weighs 1 / (e (1 - e)) - 1 labels, so that on the logit scale its prior
has standard deviation 1, and where labels show no error at all the interval still allows about one. The last prior
is that the verdicts are right, with the weight of one label, against half a label.

Sources: Angelopoulos, Bates, Fannjiang, Jordan, Zrnic (2023), Prediction-powered inference; Fisch, Maynez, Hofer,
Dhingra, Globerson, Cohen (2024), Stratified prediction-powered inference; Zrnic and Candes (2024),
Cross-prediction-powered inference; Holt and Smith (1979), Post stratification; Rubin (1981), The Bayesian bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gnomon.data.records import Arm
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.label_support import arms_with_labels
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.estimand_registry import Shares
from gnomon.stats.estimands.definitions import EstimandDraws, SubjectPosterior, subject_estimands

PRIOR_RIGHT, PRIOR_WRONG = 1.0, 0.5
"""Labels that the last prior is worth: of the class that the judges gave, and of all others together."""
SUBJECT_SD, AXIS_SD = 0.7, 2.0
"""Standard deviation of the truths of a pattern, on the logit scale, between subjects and between values of an axis."""
DRAWS = 2000
_FLOOR = 1e-6


@dataclass(frozen=True)
class PatternTables:
    """Trials and labels by cell and verdict pattern.

    Attributes
    ----------
    frame : DataFrame
        The cells of all subjects.
    classes : tuple of str
        The K classes.
    verdicts : ndarray, shape (patterns, J)
        Each judge's class, or -1.
    trials : ndarray, shape (cells, patterns)
        Number of trials, labelled or not.
    labels : ndarray, shape (cells, patterns, K)
        Number of labelled trials by true class.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    verdicts: np.ndarray
    trials: np.ndarray
    labels: np.ndarray

    @classmethod
    def count_patterns(cls, patterns: VerdictPatternCells) -> PatternTables:
        """Tables of a study's verdict patterns."""
        verdicts, place = np.unique(patterns.verdict, axis=0, return_inverse=True)
        place = place.reshape(-1)
        shape = (len(patterns.frame), len(verdicts))
        trials, labels = np.zeros(shape), np.zeros((*shape, len(patterns.classes)))
        np.add.at(trials, (patterns.cell, place), patterns.count)
        known = patterns.label != MISSING
        np.add.at(labels, (patterns.cell[known], place[known], patterns.label[known]), patterns.count[known])
        return cls(patterns.frame, patterns.classes, verdicts, trials, labels)

    def prior_labels(self, arm: str) -> np.ndarray:
        """The last prior as numbers of labels, shape (patterns, K): one of the classes that were given, or another.

        Where judges disagree, their verdicts say nothing on which of the classes that they gave is right: it is then
        each by its share of the arm's labels.
        """
        possible = np.array([is_class_possible(name, Arm(arm)) for name in self.classes])
        mine = (self.frame["arm"] == arm).to_numpy()
        base = (self.labels[mine].sum(axis=(0, 1)) + PRIOR_WRONG) * possible
        given = np.stack([(self.verdicts == place).any(axis=1) for place in range(len(self.classes))], axis=1)
        silent = ~(given & possible).any(axis=1, keepdims=True)
        right = (given | silent) * base
        even = np.broadcast_to(possible / possible.sum(), right.shape)
        return np.asarray(PRIOR_RIGHT * right / right.sum(axis=1, keepdims=True) + PRIOR_WRONG * even)

    def labels_in(self, mask: np.ndarray) -> int:
        """Number of labelled trials in some cells."""
        return round(float(self.labels[mask].sum()))


@dataclass(frozen=True)
class DesignBasedSubject(SubjectPosterior):
    """One subject whose class shares are design-based.

    Attributes
    ----------
    tables : PatternTables
        Those of all subjects: the others' labels predict.
    own : ndarray of int, shape (cells,)
        Places of the subject's cells among those of `tables`.
    size : int
        Number of draws.
    seed : int
        Seed of the draws; the same cells always give the same draws.
    """

    tables: PatternTables | None = None
    own: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    size: int = 0
    seed: int = 0

    def _draw_shares(self, mask: np.ndarray, by: Mapping[str, str | float]) -> Shares:
        assert self.tables is not None
        mine = np.zeros(len(self.tables.frame), dtype=bool)
        mine[self.own[mask]] = True
        arm = str(self._column["arm"][mask][0])
        random = np.random.default_rng([self.seed, *np.flatnonzero(mine)])
        draws = _share_draws(self.tables, arm, mine, self._predictors(mine, arm, by), self.size, random)
        return {name: draws[:, place] for place, name in enumerate(self.classes)}

    def _predictors(self, mine: np.ndarray, arm: str, by: Mapping[str, str | float]) -> list[tuple[np.ndarray, float]]:
        """Cells whose labels predict, from the least alike to the most alike, and how far truths may differ there."""
        assert self.tables is not None
        frame = self.tables.frame
        same_arm = (frame["arm"] == arm).to_numpy()
        others = same_arm & (frame["subject"] != self.subject).to_numpy()
        axes = [axis for axis in by if axis in frame and axis != "arm"]
        own_arm = same_arm & ~others
        if not axes or bool((mine >= own_arm).all()):
            return [(others, SUBJECT_SD)]
        alike = others.copy()
        for axis in axes:
            alike &= (frame[axis] == by[axis]).to_numpy()
        return [(same_arm & ~mine & ~alike, AXIS_SD), (alike, SUBJECT_SD)]


def design_based_estimands(
    patterns: VerdictPatternCells, *, draws: int = DRAWS, seed: int = 0
) -> Iterator[EstimandDraws]:
    """Design-based draws of every estimand whose arms have enough labels (`cells.label_support.arms_with_labels`).

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    draws : int, default DRAWS
        Number of draws of every estimate.
    seed : int, default 0
        Seed of the draws.
    """
    usable = set(arms_with_labels(patterns))
    for subject in design_based_subjects(patterns, draws=draws, seed=seed):
        for figure in subject_estimands(subject):
            if usable.issuperset(figure.arms):
                yield figure


def design_based_subjects(
    patterns: VerdictPatternCells, *, draws: int = DRAWS, seed: int = 0
) -> list[DesignBasedSubject]:
    """Each subject with design-based class shares, for `stats.estimands.definitions.subject_estimands`.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    draws : int, default DRAWS
        Number of draws of every share.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    list of DesignBasedSubject
        In the order of the cells.
    """
    tables = PatternTables.count_patterns(patterns)
    weights = tables.trials.sum(axis=1)
    found = []
    for subject in tables.frame["subject"].unique():
        own = np.flatnonzero((tables.frame["subject"] == subject).to_numpy())
        found.append(
            DesignBasedSubject(
                subject=str(subject),
                classes=tables.classes,
                frame=tables.frame.iloc[own].reset_index(drop=True),
                probabilities=np.zeros((0, len(own), len(tables.classes))),
                weights=weights[own],
                counts=None,
                tables=tables,
                own=own,
                size=draws,
                seed=seed,
            )
        )
    return found


def _share_draws(
    tables: PatternTables,
    arm: str,
    mine: np.ndarray,
    predictors: Sequence[tuple[np.ndarray, float]],
    size: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Draws of class shares in the cells `mine`, shape (draws, K)."""
    there = tables.trials[mine].sum(axis=0)
    use = there > 0
    prior = np.broadcast_to(tables.prior_labels(arm)[use], (size, int(use.sum()), len(tables.classes)))
    for cells, deviation in predictors:
        if tables.labels_in(cells):
            prior = _prior_labels(_dirichlet(prior + tables.labels[cells].sum(axis=0)[use], random), deviation)
    truth = _dirichlet(prior + tables.labels[mine].sum(axis=0)[use], random)
    share = _dirichlet(np.broadcast_to(there[use], (size, int(use.sum()))), random)
    return np.asarray(np.einsum("dh,dhk->dk", share, truth))


def _prior_labels(prediction: np.ndarray, deviation: float) -> np.ndarray:
    """Predicted shares as a prior: as many labels as leave a standard deviation of `deviation` on the logit scale."""
    wrong = np.clip(1 - prediction.max(axis=-1, keepdims=True), 1e-3, 0.5)
    return np.asarray(prediction * np.maximum(1 / (wrong * (1 - wrong) * deviation**2) - 1, 0.5))


def _dirichlet(shape: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One draw for each row of the last axis."""
    gamma = random.standard_gamma(np.maximum(shape, _FLOOR)) + 1e-300
    return np.asarray(gamma / gamma.sum(axis=-1, keepdims=True))
