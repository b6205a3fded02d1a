"""Dawid and Skene's model with a prior, by Gibbs sampling: credible intervals for shares and raters' errors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gnomon.calibration.latent_class.dawid_skene import RatingPatterns, rating_patterns, vote_shares
from gnomon.calibration.numerics.mcmc import effective_draws, split_rhat
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError
from gnomon.data.records import IntervalEstimate

METHOD = "Dawid-Skene, posterior"
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0


@dataclass(frozen=True, slots=True)
class LatentPrior:
    """Dirichlet pseudo counts: `shares` of each class; in each confusion row `right`, and `wrong` split over the rest.

    The default row is worth three ratings of which two are correct: just enough to distinguish a class from its mirror
    image (without labels, raters who are all mostly wrong explain the data as well as raters who are mostly right).
    """

    shares: float = 1.0
    right: float = 2.0
    wrong: float = 1.0

    def dirichlet_rows(self, q: int) -> Floats:
        """Pseudo counts (q, q) of a rater's confusion."""
        other = self.wrong / (q - 1)
        return np.full((q, q), other) + (self.right - other) * np.eye(q)


@dataclass(frozen=True, slots=True)
class LatentPosterior:
    """A Dawid-Skene model's posterior: means with equal-tailed credible intervals.

    `shares` of the true classes; `confusion[rater][true][given]`; `posterior` (units, q) probabilities of the
    classes; `rhat` and `ess`, the worst split R-hat and the least effective number of draws of any share or
    confusion entry; `draws` kept over all chains.
    """

    categories: tuple[float, ...]
    shares: tuple[IntervalEstimate, ...]
    confusion: Mapping[Hashable, tuple[tuple[IntervalEstimate, ...], ...]]
    posterior: Floats
    rhat: float
    ess: float
    draws: int

    @property
    def has_converged(self) -> bool:
        """Whether R-hat is below 1.01 and the effective sample size at least 400; otherwise the intervals are not
        valid.
        """
        return self.rhat < RHAT_LIMIT and self.ess >= ESS_LIMIT

    def most_likely(self) -> Floats:
        """The most likely category of each unit."""
        best: Floats = np.asarray(self.categories)[self.posterior.argmax(axis=1)]
        return best


def dawid_skene_bayes(
    ratings: ArrayLike,
    *,
    raters: Sequence[Hashable] | None = None,
    gold: ArrayLike | None = None,
    prior: LatentPrior | None = None,
    draws: int = 20_000,
    chains: int = 4,
    seed: int = 0,
    confidence: float = 0.95,
) -> LatentPosterior:
    """Posterior of class shares, raters' confusion matrices and units' classes.

    Estimand: the share of each true class in the population that units are a random sample of, and P(category
    given | true class) of each rater. Assumptions, gold labels and likelihood as for `dawid_skene.dawid_skene`,
    with Dirichlet priors (`LatentPrior`) on the shares and on each confusion row. Gibbs sampling alternates between
    the classes of the units given shares and confusion matrices, and these given the classes' counts (conjugate
    Dirichlet distributions). Without gold labels a third step swaps two class labels if the prior prefers it, so that
    no chain stays in the mirror image. Units with equal ratings are drawn together as one multinomial, so cost depends
    on patterns, not on units. Chains start half from votes, half from random classes; a tenth more draws per chain,
    at least 200, are discarded first. Sources: Dawid and Skene (1979); Paun, Carpenter et al. (2018),
    Comparing Bayesian models of annotation; Gelman et al. (2013), Bayesian Data Analysis, sections 11.4 and 11.5.

    Parameters
    ----------
    ratings : array (units, columns)
        Category codes, NaN where missing.
    raters : sequence, optional
        The rater of each column; see `gnomon.calibration.latent_class.dawid_skene.dawid_skene`.
    gold : array (units,), optional
        The true category where it is known, NaN elsewhere. The likelihood stays valid if units were chosen for
        labelling by their ratings (disputes).
    prior : LatentPrior, optional
        Pseudo counts; by default `LatentPrior()`.
    draws : int, default 20000
        Draws kept over all chains.
    chains : int, default 4
        Number of chains, at least 2.
    seed : int, default 0
        Seed of the sampler.
    confidence : float, default 0.95
        Probability of the intervals, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        As for `gnomon.calibration.latent_class.dawid_skene.dawid_skene`.
    InputError
        For fewer than two chains or eight draws a chain.
    """
    if chains < 2 or draws < 8 * chains:
        raise InputError(f"{draws} draws in {chains} chains: ask for two chains or more of eight draws or more")
    seen = rating_patterns(ratings, raters=raters, gold=gold)
    kept = -(-draws // chains)
    shares, confusion, posterior = _gibbs_draws(seen, prior or LatentPrior(), kept, chains, seed)
    series = np.concatenate([shares, confusion.reshape(*shares.shape[:2], -1)], axis=2)
    return LatentPosterior(
        categories=tuple(seen.categories.tolist()),
        shares=tuple(_draws_interval(shares[:, :, k], confidence) for k in range(shares.shape[2])),
        confusion={rater: _draws_table(confusion[:, :, at], confidence) for at, rater in enumerate(seen.raters)},
        posterior=posterior[seen.of],
        rhat=float(split_rhat(series).max()),
        ess=float(effective_draws(series).min()),
        draws=kept * chains,
    )


def _gibbs_draws(
    seen: RatingPatterns, prior: LatentPrior, kept: int, chains: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Draws of shares (chains, kept, q) and confusions (.., raters, q, q); mean class probabilities (patterns, q)."""
    random, warm = np.random.default_rng(seed), max(200, kept // 10)
    units, (_, raters, q) = seen.weight.astype(np.int64), seen.counts.shape
    flat, rows = seen.counts.reshape(len(units), -1), prior.dirichlet_rows(q)
    shares, confusion = np.empty((chains, kept, q)), np.empty((chains, kept, raters, q, q))
    chance, total = _starting_classes(seen, chains, random), np.zeros((len(units), q))
    for step in range(-warm, kept):
        members = random.multinomial(units, chance).astype(float)
        given = np.swapaxes(members, 1, 2) @ flat
        share = _draw_dirichlet(random, prior.shares + members.sum(axis=1))
        row = _draw_dirichlet(random, rows[:, None] + given.reshape(chains, q, raters, q))
        if seen.allowed.all():
            share, row = _label_swap(random, rows, share, row)
        chance = _draw_classes(seen, flat, share, row)
        if step >= 0:
            shares[:, step], confusion[:, step] = share, row.transpose(0, 2, 1, 3)
            total += chance.mean(axis=0)
    return shares, confusion, total / kept


def _starting_classes(seen: RatingPatterns, chains: int, random: np.random.Generator) -> Floats:
    """Initial class probabilities (chains, patterns, q): half votes, half random."""
    anything = random.dirichlet(np.ones(len(seen.categories)), (chains, len(seen.weight)))
    mixed = (vote_shares(seen) + anything) * seen.allowed
    start: Floats = mixed / mixed.sum(axis=2, keepdims=True)
    return start


def _label_swap(random: np.random.Generator, rows: Floats, share: Floats, row: Floats) -> tuple[Floats, Floats]:
    """Swap the labels of two classes by a Metropolis step on the prior (the likelihood is invariant)."""
    one, other = random.choice(len(rows), 2, replace=False)
    logs = np.log(np.maximum(row, np.finfo(float).tiny)).sum(axis=2)
    gain = ((rows[one] - rows[other]) * (logs[:, other] - logs[:, one])).sum(axis=1)
    order = np.tile(np.arange(len(rows)), (len(share), 1))
    move = np.log(random.random(len(share))) < gain
    order[move, one], order[move, other] = other, one
    chain = np.arange(len(share))[:, None]
    return share[chain, order], row[chain, order]


def _draw_classes(seen: RatingPatterns, flat: Floats, share: Floats, row: Floats) -> Floats:
    """Probability of each class for each pattern: (chains, patterns, q)."""
    chains, q = share.shape
    floor = np.finfo(float).tiny
    logs = np.log(np.maximum(row, floor)).reshape(chains, q, -1)
    joint = flat @ np.swapaxes(logs, 1, 2) + np.log(np.maximum(share, floor))[:, None]
    joint = np.where(seen.allowed > 0, joint, -np.inf)
    odds = np.exp(joint - joint.max(axis=2, keepdims=True))
    chance: Floats = odds / odds.sum(axis=2, keepdims=True)
    return chance


def _draw_dirichlet(random: np.random.Generator, counts: Floats) -> Floats:
    parts = random.standard_gamma(counts) + np.finfo(float).tiny
    drawn: Floats = parts / parts.sum(axis=-1, keepdims=True)
    return drawn


def _draws_interval(drawn: Floats, confidence: float) -> IntervalEstimate:
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return IntervalEstimate(float(drawn.mean()), float(low), float(high), float(drawn.std(ddof=1)), confidence, METHOD)


def _draws_table(drawn: Floats, confidence: float) -> tuple[tuple[IntervalEstimate, ...], ...]:
    q = drawn.shape[2]
    return tuple(tuple(_draws_interval(drawn[:, :, true, said], confidence) for said in range(q)) for true in range(q))
