"""What several fallible raters say about the truth when nobody knows it: Dawid and Skene's model, by EM."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.ratings import as_ratings
from data.errors import BadInput, NotEnoughData
from data.records import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LatentClasses:
    """A fitted Dawid-Skene model.

    `shares` are the true classes' shares with intervals where `resamples` were asked for (else the limits are
    NaN); `confusion[rater]` is (q, q), true class by category given; `posterior` is (units, q).
    """

    categories: tuple[float, ...]
    shares: tuple[Estimate, ...]
    confusion: Mapping[Hashable, Floats]
    posterior: Floats
    log_likelihood: float
    steps: int

    def most_likely(self) -> Floats:
        """The most likely category of each unit."""
        best: Floats = np.asarray(self.categories)[self.posterior.argmax(axis=1)]
        return best


def dawid_skene(
    ratings: ArrayLike,
    *,
    raters: Sequence[Hashable] | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 20_000,
    resamples: int = 0,
    seed: int = 0,
    confidence: float = 0.95,
) -> LatentClasses:
    """Class shares, each rater's confusion and each unit's class by maximum likelihood.

    Estimand: the share of each true class, and P(category given | true class) of each rater. Assumes that raters
    err independently of one another given the true class, which judges that share a training set may not: then
    they look better than they are. EM from the raters' votes to convergence. Source: Dawid and Skene (1979).

    Parameters
    ----------
    ratings : array (units, columns)
        Category codes, NaN where missing.
    raters : sequence, optional
        Who gave each column; columns of one rater are repeated readings and share a confusion. By default each
        column is a rater of its own, named by its number.
    tolerance, max_steps : float, int
        Stop when the log-likelihood rises by less, or fail after so many steps.
    resamples, seed : int
        Bootstrap resamples of the units for the intervals of the shares (percentiles), and their seed.

    Raises
    ------
    NotEnoughData
        Where a unit has no rating, fewer than two raters or two categories are seen, or EM does not converge.
    """
    values = as_ratings(ratings)
    names: list[Hashable] = list(range(values.shape[1]) if raters is None else raters)
    counts, categories, who = _tally(values, names)
    fit = _em(counts, tolerance, max_steps)
    draws = _resampled(counts, fit, resamples, seed, tolerance, max_steps)
    return LatentClasses(
        categories=tuple(categories.tolist()),
        shares=tuple(_share(*pair, confidence) for pair in zip(fit.shares, draws.T, strict=True)),
        confusion=dict(zip(who, fit.confusion, strict=True)),
        posterior=fit.posterior,
        log_likelihood=fit.log_likelihood,
        steps=fit.steps,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    shares: Floats
    confusion: Floats
    posterior: Floats
    log_likelihood: float
    steps: int


def _tally(values: Floats, names: list[Hashable]) -> tuple[Floats, Floats, list[Hashable]]:
    """Counts (units, raters, q) of each category given, the categories and the raters in order."""
    if len(names) != values.shape[1]:
        raise BadInput(f"{len(names)} rater names for {values.shape[1]} columns of ratings: name each column's rater")
    who = list(dict.fromkeys(names))
    categories = np.unique(values[~np.isnan(values)])
    hits = (values[:, :, None] == categories).astype(float)
    member = np.array([[name == rater for name in names] for rater in who], dtype=float)
    counts: Floats = np.einsum("ucq,rc->urq", hits, member)
    if len(who) < 2 or len(categories) < 2:
        raise NotEnoughData("latent classes: two raters and two categories are the least that can be told apart")
    if (counts.sum(axis=(1, 2)) == 0).any():
        raise NotEnoughData("latent classes: a unit has no rating at all: leave it out")
    return counts, categories, who


def _votes(counts: Floats) -> Floats:
    given = counts.sum(axis=1)
    votes: Floats = given / given.sum(axis=1, keepdims=True)
    return votes


def _em(counts: Floats, tolerance: float, max_steps: int, start: Floats | None = None) -> _Fit:
    posterior = _votes(counts) if start is None else start
    last = -np.inf
    for step in range(1, max_steps + 1):
        shares, confusion = _maximise(counts, posterior)
        posterior, fitness = _expect(counts, shares, confusion)
        if fitness - last < tolerance:
            return _Fit(shares, confusion, posterior, fitness, step)
        last = fitness
    raise NotEnoughData(f"latent classes: not converged after {max_steps} steps: the raters leave the truth undecided")


def _maximise(counts: Floats, posterior: Floats) -> tuple[Floats, Floats]:
    shares = posterior.mean(axis=0)
    joint = np.einsum("uk,urq->rkq", posterior, counts)
    seen = joint.sum(axis=2, keepdims=True)
    # A rater who never met a class says nothing of it: any row will do, and an even one leaves the fit alone.
    even = np.full_like(joint, 1.0 / joint.shape[2])
    return shares, np.divide(joint, seen, out=even, where=seen > 0)


def _expect(counts: Floats, shares: Floats, confusion: Floats) -> tuple[Floats, float]:
    # The smallest float stands for zero, so that a category never given under a class rules that class out.
    floor = np.finfo(float).tiny
    logs = np.log(np.maximum(confusion, floor))
    joint = np.log(np.maximum(shares, floor)) + np.einsum("urq,rkq->uk", counts, logs)
    top = joint.max(axis=1, keepdims=True)
    total = np.exp(joint - top).sum(axis=1, keepdims=True)
    return np.exp(joint - top) / total, float((top + np.log(total)).sum())


def _resampled(counts: Floats, fit: _Fit, resamples: int, seed: int, tolerance: float, max_steps: int) -> Floats:
    """Shares of each class in resamples of the units, each EM begun at the fit so that classes keep their names."""
    random = np.random.default_rng(seed)
    picks = [random.integers(0, len(counts), len(counts)) for _ in range(resamples)]
    fits = [_em(counts[pick], max(tolerance, 1e-6), max_steps, fit.posterior[pick]) for pick in picks]
    return np.array([each.shares for each in fits]).reshape(resamples, len(fit.shares))


def _share(value: float, draws: Floats, confidence: float) -> Estimate:
    if not len(draws):
        return Estimate(float(value), np.nan, np.nan, np.nan, confidence, "Dawid-Skene")
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    spread = float(draws.std(ddof=1)) if len(draws) > 1 else np.nan
    limits = min(float(low), float(value)), max(float(high), float(value))
    return Estimate(float(value), *limits, spread, confidence, "Dawid-Skene, bootstrap")
