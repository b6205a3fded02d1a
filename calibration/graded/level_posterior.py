"""Posterior of an event rate with a judge's scores as ordered levels: a verdict of more than yes and no."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnomon.calibration.graded.calibration_curve import neighbour_groups
from gnomon.calibration.graded.isotonic_map import check_scores
from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

LEVELS = 4
CHAINS = 100
BURN_IN = 100
KEPT = 100
SEED = 20261130
METHOD = "joint posterior, graded"


def level_posterior(
    labels: ArrayLike,
    scores: ArrayLike,
    unlabelled: ArrayLike,
    *,
    levels: int = LEVELS,
    confidence: float = 0.95,
    seed: int = SEED,
) -> IntervalEstimate:
    """Event rate, corrected for what the judge's scores say of events and of non-events (Bayes).

    Estimand: P(event) of the process that all trials are a random sample of. Assumes that labelled trials are a random
    sample of the judged ones, so not chosen by verdict, and that events have the same distribution of scores whether
    labelled or not, and so have non-events; nothing of its form: scores are cut into at most `levels` levels of about
    equally many trials, without a look at labels. Model: p ~ beta(1, 1); levels of events and of non-events multinomial
    with Dirichlet priors that count for two labels in all, so that two levels are `single_judge.joint_posterior` with
    flat priors. Posterior by data augmentation (Gibbs) in parallel chains; the interval is central. Source: Joseph,
    Gyorkos and Coupal (1995), with levels in the place of yes and no; Tanner and Wong (1987).

    Parameters
    ----------
    labels : array (n,)
        Labels, 0 or 1.
    scores : array (n,)
        Scores of the labelled trials.
    unlabelled : array (m,)
        Scores of the other trials; may be empty.
    levels : int, default 4
        Greatest number of levels.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.
    seed : int
        Seed of the draws.

    Raises
    ------
    NotEnoughDataError
        If no event or no non-event is labelled.
    InputError
        If a label is neither 0 nor 1, lengths differ, or a value is missing.
    """
    score, label = check_scores(scores, labels)
    rest = np.asarray(unlabelled, dtype=float)
    if not set(np.unique(label)) <= {0.0, 1.0}:
        raise InputError("graded posterior: labels are shares: it needs labels of 0 and 1")
    if len(np.unique(label)) < 2:
        raise NotEnoughDataError("graded posterior: no labelled event or no labelled non-event")
    group = neighbour_groups(np.concatenate([score, rest]), levels, 1)
    count, known = int(group.max()) + 1, group[: len(score)]
    events, others = (np.bincount(known[label == value], minlength=count) for value in (1, 0))
    draws = _rate_draws(events, others, np.bincount(group[len(score) :], minlength=count), np.random.default_rng(seed))
    found = summarize_draws(draws, confidence)
    return IntervalEstimate(found.value, found.low, found.high, found.se, found.level, METHOD)


def _rate_draws(events: np.ndarray, others: np.ndarray, rest: np.ndarray, random: np.random.Generator) -> Floats:
    """Draws of the rate, shape (kept, chains); labelled events and others and unlabelled trials by level."""
    prior = 2 / len(rest)
    among, beside = (part + prior for part in (events, others))
    rate = np.full((CHAINS, 1), events.sum() / (events.sum() + others.sum()))
    of_events, of_others = (np.tile(part / part.sum(), (CHAINS, 1)) for part in (among, beside))
    draws = []
    for turn in range(BURN_IN + KEPT):
        mine, theirs = rate * of_events, (1 - rate) * of_others
        guessed = random.binomial(rest, mine / (mine + theirs))
        yes, no = (known + part for known, part in ((events, guessed), (others, rest - guessed)))
        rate = random.beta(1 + yes.sum(axis=1), 1 + no.sum(axis=1))[:, None]
        of_events, of_others = (_dirichlet_rows(np.asarray(part + prior, dtype=float), random) for part in (yes, no))
        if turn >= BURN_IN:
            draws.append(rate[:, 0])
    return np.array(draws)


def _dirichlet_rows(weights: Floats, random: np.random.Generator) -> Floats:
    drawn = np.maximum(random.gamma(weights), 1e-300)
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))
