"""Cut fit: what a verdict means is learned from labelled trials alone, and unlabelled trials are completed from it.

In the joint fit, unlabelled verdicts also inform the judges' error rates, through the form of the model: where the form
is wrong, thousands of verdicts overrule the labels. Here that flow is cut (modular inference).

Estimand: the registry's estimands of each subject over its own design (`stats.estimands.definitions`, which computes
them from the completed counts: `cut_estimand_draws`). For a set of trials of an arm,

    share of class z = (labelled trials of class z + sum over unlabelled trials i of 1[truth_i = z]) / trials,

with the truth of unlabelled trials drawn from P(truth | verdicts, arm, subject, strength, layer), and a Dirichlet
distribution for the shares of the process given the completed counts (prior: one trial, divided among the classes).

First module, of labelled trials only: a multinomial regression of the label on the verdicts, within an arm,

    log odds of z = log q_z + a_z + sum over judges of l_j(z, v_j) + g_z (pairs that agree on z)
                    + u(subject, z) + t(strength, verdict, z) + d(layer, verdict, z).

q is the share of verdicts among all trials of that subject and strength: subjects of which few trials are events need
more evidence for one. The prior of l_j(z, v) is that of the log confusion of a judge, log P(v | z); u, t and d are
partially pooled; the "verdict" of t and d is the class on which all judges agree, or none.

Assumes that the label of a trial was not chosen by anything beyond its verdicts, arm, subject, strength and layer (true
of labels at random and of labels by dispute), that labels are the truth, and that the effects are additive on this
scale. Unlike the design-based estimate it has a model of the labels, and is used by all subjects together; unlike the
joint fit it assumes nothing on how verdicts that nobody labelled are distributed.

Sources: Plummer (2015), Cuts in Bayesian graphical models, Statistics and Computing 25; Jacob, Murray, Holmes, Robert
(2017), Better together? Statistical learning in models made of modules, arXiv 1708.08719; Rubin (1987), Multiple
imputation for nonresponse in surveys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from gnomon.data.arms import steered_arms
from gnomon.data.records import Arm
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.label_support import arms_with_labels
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.inference.sampler import sample_density
from gnomon.stats.model.judge_confusion import confusion_strata
from gnomon.stats.model.priors import Priors

CHAINS, TUNE = 2, 200
RIGHT_SD = 0.3
"""Prior standard deviation of the log of a judge's accuracy."""
BASE_SD = 1.0
"""Prior standard deviation of the arm's log odds of a class, beyond the share of verdicts."""
SMOOTHING = 2.0
"""Trials with the arm's shares that are added to a subject's and strength's verdicts."""


@dataclass(frozen=True)
class LabelRegression:
    """The regression of one arm; F features, K classes that the arm can have, R rows of equal covariates and verdicts.

    Attributes
    ----------
    features : ndarray, shape (R, F)
        Indicators.
    offset : ndarray, shape (R, K)
        log q of each row.
    labels : ndarray, shape (R, K)
        Labelled trials by class.
    mean, sd : ndarray, shape (F, K)
        Prior of the coefficients; those of a group are multiplied by its scale.
    group : ndarray of int, shape (F,)
        Group of each feature, -1 for none.
    scales, power : ndarray, shape (groups,)
        Prior of each group's standard deviation: tau^(power - 1) exp(-tau^2 / (2 scale^2)), half-normal or Rayleigh.
    """

    features: np.ndarray
    offset: np.ndarray
    labels: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    group: np.ndarray
    scales: np.ndarray
    power: np.ndarray

    @property
    def size(self) -> int:
        """Number of parameters: standardised coefficients, then log scales."""
        return self.mean.size + len(self.scales)

    def coefficients(self, x: np.ndarray) -> np.ndarray:
        """Coefficients (F, K) of a parameter vector."""
        return np.asarray(self.mean + self._spread(x) * x[: self.mean.size].reshape(self.mean.shape))

    def _spread(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation (F, K) of each coefficient at the scales of a parameter vector."""
        factor = np.concatenate([np.exp(x[self.mean.size :]), [1.0]])[self.group]
        return np.asarray(factor[:, None] * self.sd)

    def density_function(self) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """The function from a parameter vector to log posterior density and gradient."""
        known = self.labels.sum(axis=1) > 0
        features, offset, labels = self.features[known], self.offset[known], self.labels[known]
        number = labels.sum(axis=1, keepdims=True)

        groups, of_group, shape = len(self.scales), self.group >= 0, self.mean.shape

        def density(x: np.ndarray) -> tuple[float, np.ndarray]:
            raw, log_scale, spread = x[: self.mean.size].reshape(shape), x[self.mean.size :], self._spread(x)
            logs = offset + features @ (self.mean + spread * raw)
            logs -= logs.max(axis=1, keepdims=True)
            odds = np.exp(logs)
            whole = odds.sum(axis=1, keepdims=True)
            ratio = (np.exp(log_scale) / self.scales) ** 2
            value = (
                (labels * (logs - np.log(whole))).sum()
                - 0.5 * (raw * raw).sum()
                + (self.power * log_scale - 0.5 * ratio).sum()
            )
            slope = (features.T @ (labels - number * (odds / whole))) * spread
            by_group = np.bincount(self.group[of_group], (slope * raw).sum(axis=1)[of_group], minlength=groups)
            return float(value), np.concatenate([(slope - raw).ravel(), by_group + self.power - ratio])

        return density

    def probability_draws(self, draws: int, seed: int) -> np.ndarray:
        """Posterior draws of P(truth | row), shape (draws, R, K).

        Parameters
        ----------
        draws : int
            Number of draws.
        seed : int
            Seed of the sampler.
        """
        start = np.concatenate([np.zeros(self.mean.size), np.log(self.scales / 2)])
        x = sample_density(self.density_function(), start, -(-draws // CHAINS), TUNE, CHAINS, seed)[:draws]
        eta = np.stack([self.offset + self.features @ self.coefficients(row) for row in x])
        return np.asarray(np.exp(eta - logsumexp(eta, axis=-1, keepdims=True)))


def completed_counts(patterns: VerdictPatternCells, priors: Priors, draws: int, seed: int) -> np.ndarray:
    """Draws of the number of trials by cell and true class, given the labels and the verdicts.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    priors : Priors
        Those of the judges are used.
    draws : int
        Number of draws.
    seed : int
        Seed of all draws.

    Returns
    -------
    ndarray, shape (draws, cells, K)
        Labelled trials with their label, unlabelled ones with a drawn truth; 0 in arms that are not completed.
    """
    random = np.random.default_rng(seed)
    out = np.zeros((draws, len(patterns.frame), len(patterns.classes)))
    arm_of = patterns.frame["arm"].to_numpy()[patterns.cell]
    strata, of_cell = confusion_strata(patterns)
    for number, arm in enumerate(arms_with_labels(patterns)):
        here = np.flatnonzero(arm_of == arm)
        possible = np.flatnonzero([is_class_possible(name, Arm(arm)) for name in patterns.classes])
        covariates = strata.iloc[of_cell[patterns.cell[here]]].reset_index(drop=True)
        model, row = _label_regression(patterns, here, covariates, possible, priors)
        chance = model.probability_draws(draws, seed + number)
        for place, at in enumerate(here):
            cell, label, count = patterns.cell[at], patterns.label[at], patterns.count[at]
            if label != MISSING:
                out[:, cell, label] += count
            else:
                out[:, cell, possible] += random.multinomial(count, chance[:, row[place]])
    return out


def _label_regression(
    patterns: VerdictPatternCells, here: np.ndarray, covariates: pd.DataFrame, possible: np.ndarray, priors: Priors
) -> tuple[LabelRegression, np.ndarray]:
    """The regression of the rows `here` of one arm, and the row of the regression of each of them."""
    steered = str(covariates["arm"].iloc[0]) in steered_arms()
    axes = ["strength", "layer"] if steered else []
    verdict, label, count = patterns.verdict[here], patterns.label[here], patterns.count[here]
    keys = pd.DataFrame({axis: [str(value) for value in covariates[axis]] for axis in ("subject", *axes)}).assign(
        **{f"j{j}": verdict[:, j] for j in range(verdict.shape[1])}
    )
    row = keys.groupby(list(keys.columns), sort=True).ngroup().to_numpy()
    first = np.unique(row, return_index=True)[1]
    labels = np.zeros((len(first), len(patterns.classes)))
    known = label != MISSING
    np.add.at(labels, (row[known], label[known]), count[known])
    offset = _verdict_shares(keys[["subject", *axes[:1]]], verdict, count, len(patterns.classes))
    base = _judge_features(verdict[first], possible)
    blocks = [base, _level_features(keys["subject"].to_numpy()[first], np.zeros(len(first), dtype=np.int64))]
    agreed = np.where((verdict == verdict[:, :1]).all(axis=1), verdict[:, 0], MISSING)[first]
    blocks += [_level_features(keys[axis].to_numpy()[first], agreed) for axis in axes]
    scales = np.array([priors.judge_scale, *(priors.judge_dose_scale for _ in axes)])
    free = [np.ones((block.shape[1], len(possible))) for block in blocks[1:]]
    widths = [block.shape[1] for block in blocks[1:]]
    mean, sd = _judge_priors(verdict.shape[1], possible, priors, base.shape[1])
    model = LabelRegression(
        features=np.hstack(blocks),
        offset=np.log(offset[first][:, possible]),
        labels=labels[:, possible],
        mean=np.vstack([mean, *(np.zeros_like(block) for block in free)]),
        sd=np.vstack([sd, *free]),
        group=np.concatenate([np.full(base.shape[1], -1), np.repeat(np.arange(len(scales)), widths)]),
        scales=scales,
        power=np.array([1.0, *(2.0 for _ in axes)]),
    )
    return model, row


def _verdict_shares(groups: pd.DataFrame, verdict: np.ndarray, count: np.ndarray, classes: int) -> np.ndarray:
    """Of each row (R, K), the share of every class among the verdicts of its group, smoothed by the whole arm's."""
    place = groups.groupby(list(groups.columns), sort=True).ngroup().to_numpy()
    table = np.zeros((place.max() + 1, classes))
    for said in verdict.T:
        spoke = said != MISSING
        np.add.at(table, (place[spoke], said[spoke]), count[spoke] / verdict.shape[1])
    whole = table.sum(axis=0) + 1.0 / classes
    table = table + SMOOTHING * whole / whole.sum()
    return np.asarray((table / table.sum(axis=1, keepdims=True))[place])


def _judge_features(verdict: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Indicators of the arm, of each judge's verdict, and of the number of pairs of judges that agree on a class."""
    told = [(verdict[:, j] == v).astype(float) for j in range(verdict.shape[1]) for v in possible]
    votes = np.stack([(verdict == v).sum(axis=1) for v in possible], axis=1)
    pairs = votes * (votes - 1) / 2.0 if verdict.shape[1] > 1 else np.zeros((len(verdict), 0))
    return np.column_stack([np.ones(len(verdict)), *told, pairs])


def _judge_priors(judges: int, possible: np.ndarray, priors: Priors, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Prior means and standard deviations (width, K) of the coefficients of `_judge_features`."""
    many = len(possible)
    mean, sd = np.zeros((width, many)), np.zeros((width, many))
    sd[0] = BASE_SD
    right = -np.log1p((many - 1) * np.exp(priors.judge_wrong_mean))
    wrong = np.full((many, many), priors.judge_wrong_mean + right)
    for j in range(judges):
        rows = slice(1 + j * many, 1 + (j + 1) * many)
        mean[rows] = np.where(np.eye(many, dtype=bool), right, wrong)
        sd[rows] = np.where(np.eye(many, dtype=bool), RIGHT_SD, priors.judge_wrong_sd)
    if judges > 1:
        sd[1 + judges * many :] = priors.judge_agreement_sd * np.eye(many)
    return mean, sd


def _level_features(level: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Indicators of each pair of a level and a kind that occurs; none if there is one level."""
    if len(set(level)) < 2:
        return np.zeros((len(level), 0))
    pairs = sorted(set(zip(level, kind.tolist(), strict=True)))
    at = {pair: place for place, pair in enumerate(pairs)}
    out = np.zeros((len(level), len(pairs)))
    out[np.arange(len(level)), [at[pair] for pair in zip(level, kind.tolist(), strict=True)]] = 1.0
    return out
