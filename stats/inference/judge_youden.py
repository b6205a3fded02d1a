"""Posterior of Youden's J of each judge in each arm.

J = P(positive verdict | positive) + P(negative verdict | negative) - 1 is 0 for a judge that guesses. An estimate is
not corrected with uninformative judges: the correction would only return the prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT, REST
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import spaced_draws
from gnomon.stats.model.judge_confusion import VerdictArrays, arms_present, confusion_strata

if TYPE_CHECKING:
    from gnomon.stats.inference.latent_log_density import LevelOdds

INFORMATIVE_J = 0.1
MIN_PROBABILITY = 0.8
MAX_YOUDEN_DRAWS = 1000


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

    Confusion is averaged over an arm's strata by their trials; classes other than the one in question are weighted by
    their share in the arm. At most `MAX_YOUDEN_DRAWS` draws are used, evenly spaced.

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
    some = spaced_draws(len(x), MAX_YOUDEN_DRAWS)
    averaged = arm_confusion_draws(model, x[some], patterns)
    out = []
    for place, arm in enumerate(arms_present(patterns)):
        mean = averaged[:, place]
        cells = (patterns.frame["arm"] == arm).to_numpy()
        shares = np.einsum(
            "dck,c->dk",
            probabilities[some][:, cells],
            patterns.trial_counts[cells] / patterns.trial_counts[cells].sum(),
        )
        for j, judge in enumerate(patterns.judges):
            for question in (EVENT, REST):
                k = patterns.classes.index(question)
                out.append(YoudenDraws(judge, arm, question, _youden_index(mean[:, j, :, k], shares, k)))
    return out


def pattern_tables(model: OutcomeModel, x: np.ndarray) -> np.ndarray:
    """P(full pattern | true class) from draws of the parameters; large, so for some draws only.

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

    v = model.require_verdicts()
    return np.stack([latent_log_density.pattern_tables(*_odds(model, v, row), v) for row in x])


def arm_confusion_draws(model: OutcomeModel, x: np.ndarray, patterns: VerdictPatternCells) -> np.ndarray:
    """P(verdict | true class) of each judge in each arm, averaged over its trials, from draws of the parameters.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Draws of the parameters.
    patterns : VerdictPatternCells
        Counts that the model was fitted to.

    Returns
    -------
    ndarray, shape (draws, arms, judges, K, K)
        Confusion matrices, true class first.

    Raises
    ------
    ValueError
        If the model has no verdicts.
    """
    from gnomon.stats.inference import latent_log_density

    v = model.require_verdicts()
    share = np.bincount(confusion_strata(patterns)[1], weights=patterns.trial_counts, minlength=len(v.arm))
    whole = np.bincount(v.arm, weights=share, minlength=v.arms)
    share = share / np.maximum(whole, 1e-12)[v.arm]
    return np.stack([latent_log_density.arm_confusions(*_odds(model, v, row), v, share) for row in x])


def _odds(model: OutcomeModel, v: VerdictArrays, row: np.ndarray) -> tuple[LevelOdds, np.ndarray]:
    """Odds of the levels and agreements at a parameter vector."""
    from gnomon.stats.inference.latent_log_density import level_odds, split_verdict_parameters

    p = split_verdict_parameters(model.verdict_parameters(row), v, len(model.classes))
    return level_odds(p.wrong, p.accuracy, p.deviation, v), p.agreement


def _youden_index(yes: np.ndarray, shares: np.ndarray, k: int) -> np.ndarray:
    """J from P(verdict k | true class) (draws, K) and the classes' shares (draws, K)."""
    others = np.delete(shares, k, axis=1)
    false = (np.delete(yes, k, axis=1) * others).sum(axis=1) / np.maximum(others.sum(axis=1), 1e-12)
    return np.asarray(yes[:, k] - false)
