"""Posterior of Youden's J of each judge in each arm.

J = P(positive verdict | positive) + P(negative verdict | negative) - 1 is 0 for a judge that guesses. An estimate is
not corrected with uninformative judges: the correction would only return the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT, REST
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.model.judge_confusion import arms_present, confusion_strata

INFORMATIVE_J = 0.1
MIN_PROBABILITY = 0.8


@dataclass(frozen=True)
class YoudenDraws:
    """Draws of J of one judge in one arm for one question: is the trial an `event`; is it the `rest`."""

    judge: str
    arm: str
    question: str
    draws: np.ndarray

    @property
    def probability_informative(self) -> float:
        """P(J > 0.1)."""
        return float((self.draws > INFORMATIVE_J).mean())


def youden_draws(
    model: OutcomeModel, x: np.ndarray, patterns: VerdictPatternCells, probabilities: np.ndarray
) -> list[YoudenDraws]:
    """Youden's J of every judge, arm and question.

    Confusion is averaged over an arm's concepts and subjects by their trials; classes other than the one in question
    are weighted by their share in the arm.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    patterns : VerdictPatternCells
        Counts that the model was fitted to.
    probabilities : ndarray, shape (draws, cells, K)
        Posterior of the true class in each cell.
    """
    strata, of_cell = confusion_strata(patterns)
    rows = confusion_draws(model, x)[:, : len(strata)]
    weights = np.bincount(of_cell, weights=patterns.trial_counts, minlength=len(strata))
    out = []
    for arm in arms_present(patterns):
        here = (strata["arm"] == arm).to_numpy()
        mean = np.einsum("dnjzv,n->djzv", rows[:, here], weights[here] / weights[here].sum())
        cells = (patterns.frame["arm"] == arm).to_numpy()
        shares = np.einsum(
            "dck,c->dk", probabilities[:, cells], patterns.trial_counts[cells] / patterns.trial_counts[cells].sum()
        )
        for j, judge in enumerate(patterns.judges):
            for question in (EVENT, REST):
                k = patterns.classes.index(question)
                out.append(YoudenDraws(judge, arm, question, _youden_index(mean[:, j, :, k], shares, k)))
    return out


def pattern_tables(model: OutcomeModel, x: np.ndarray) -> np.ndarray:
    """P(full pattern | true class) from draws of the parameters.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Draws of the parameters.

    Returns
    -------
    ndarray, shape (draws, strata, K, L)
        Probability of each of the L full patterns.

    Raises
    ------
    ValueError
        If the model has no verdicts.
    """
    from gnomon.stats.inference import latent_log_density

    v, classes = model.verdicts, len(model.classes)
    if v is None:
        raise ValueError("this model has no verdicts")
    own = np.ascontiguousarray(
        x[:, int(model.unpack_parameters(np.arange(model.parameter_count))["wrong"].ravel()[0]) :]
    )
    deviations = np.ascontiguousarray(model.unpack_parameters(x)["accuracy"]).reshape(
        len(x), -1, v.full.shape[1] * classes
    )
    return np.stack(
        [latent_log_density.pattern_tables(row, part, v, classes) for row, part in zip(own, deviations, strict=True)]
    )


def confusion_draws(model: OutcomeModel, x: np.ndarray) -> np.ndarray:
    """P(verdict | true class) of each judge from draws of the parameters.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Draws of the parameters.

    Returns
    -------
    ndarray, shape (draws, strata, judges, K, K)
        Confusion matrices, true class first.

    Raises
    ------
    ValueError
        If the model has no verdicts.
    """
    v = model.verdicts
    if v is None:
        raise ValueError("this model has no verdicts")
    said = v.full.T[:, :, None] == np.arange(len(model.classes))
    return np.asarray(np.einsum("dnzl,jlv->dnjzv", pattern_tables(model, x), said.astype(float), optimize=True))


def _youden_index(yes: np.ndarray, shares: np.ndarray, k: int) -> np.ndarray:
    """J from P(verdict k | true class) (draws, K) and the classes' shares (draws, K)."""
    others = np.delete(shares, k, axis=1)
    false = (np.delete(yes, k, axis=1) * others).sum(axis=1) / np.maximum(others.sum(axis=1), 1e-12)
    return np.asarray(yes[:, k] - false)
