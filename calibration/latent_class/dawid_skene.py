"""Dawid and Skene's model of several fallible raters with few or no labels of the truth, fitted by EM."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.calibration.numerics.rating_arrays import Floats, as_ratings
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

EM_STEPS = 3
"""EM steps of an extrapolated one."""
LEFT_OVER = 0.1
"""Share of a probability that a jump leaves of it."""


@dataclass(frozen=True, slots=True)
class LatentClasses:
    """A fitted Dawid-Skene model.

    `shares` are the true classes' shares, with intervals if `resamples` were requested (otherwise the limits are NaN);
    `confusion[rater]` is (q, q), true class by category given; `posterior` is (units, q).
    """

    categories: tuple[float, ...]
    shares: tuple[IntervalEstimate, ...]
    confusion: Mapping[Hashable, Floats]
    posterior: Floats
    log_likelihood: float
    steps: int

    def most_likely(self) -> Floats:
        """The most likely category of each unit."""
        best: Floats = np.asarray(self.categories)[self.posterior.argmax(axis=1)]
        return best


@dataclass(frozen=True, slots=True)
class RatingPatterns:
    """Ratings as distinct patterns, which are sufficient for the model's likelihood.

    `counts` (patterns, raters, q) is how often each rater gave each category; `weight` (patterns,) the number of units
    with the pattern; `of` (units,) each unit's pattern; `allowed` (patterns, q) is 1 where the truth may be that
    category: all ones if it is unknown, a single one if a gold label gives it.
    """

    counts: Floats
    weight: Floats
    of: NDArray[np.intp]
    allowed: Floats
    categories: Floats
    raters: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class LatentClassFit:
    """Maximum likelihood fits to a batch of B weightings of the same patterns.

    `shares` (B, q), `confusion` (B, raters, q, q), `posterior` (B, patterns, q), `log_likelihood` (B,).
    """

    shares: Floats
    confusion: Floats
    posterior: Floats
    log_likelihood: Floats
    steps: int


def dawid_skene(
    ratings: ArrayLike,
    *,
    raters: Sequence[Hashable] | None = None,
    gold: ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 20_000,
    resamples: int = 0,
    seed: int = 0,
    confidence: float = 0.95,
) -> LatentClasses:
    """Class shares, each rater's confusion matrix and each unit's class by maximum likelihood.

    Estimand: the share of each true class, and P(category given | true class) of each rater. Assumes that raters
    err independently of one another given the true class; judges that share a training set may not, and then
    appear better than they are (`error_rates.dependence` checks it). Units with a gold label keep that class and
    inform the confusion matrices directly; which units have one may depend on their ratings, but on nothing else. The
    likelihood is the product over units of sum over allowed classes k of
    share_k * product over ratings of P(rating | k). EM from the raters' votes to convergence.
    Source: Dawid and Skene (1979); with known classes, their section 3.1.

    Parameters
    ----------
    ratings : array (units, columns)
        Category codes, NaN where missing.
    raters : sequence, optional
        The rater of each column; columns of one rater are repeated readings and share a confusion matrix. By default
        each column is its own rater, named by its number.
    gold : array (units,), optional
        The true category where it is known, NaN elsewhere.
    tolerance : float, default 1e-10
        Stop when the log-likelihood rises by less.
    max_steps : int, default 20000
        Greatest number of EM steps.
    resamples : int, default 0
        Bootstrap resamples of the units for the intervals of the shares (percentiles); 0 for no intervals.
    seed : int, default 0
        Seed of the bootstrap.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If a unit has neither rating nor gold label, fewer than two categories or (without gold labels) raters
        occur, or EM does not converge.
    InputError
        If rater names or gold labels do not match the ratings in number.
    """
    seen = rating_patterns(ratings, raters=raters, gold=gold)
    fit = maximize_likelihood(seen, seen.weight[None], tolerance=tolerance, max_steps=max_steps)
    draws = _bootstrap_fits(seen, fit, resamples, seed, max(tolerance, 1e-6), max_steps)
    return LatentClasses(
        categories=tuple(seen.categories.tolist()),
        shares=tuple(_share_estimate(*pair, confidence) for pair in zip(fit.shares[0], draws.T, strict=True)),
        confusion=dict(zip(seen.raters, fit.confusion[0], strict=True)),
        posterior=fit.posterior[0][seen.of],
        log_likelihood=float(fit.log_likelihood[0]),
        steps=fit.steps,
    )


def rating_patterns(
    ratings: ArrayLike, *, raters: Sequence[Hashable] | None = None, gold: ArrayLike | None = None
) -> RatingPatterns:
    """Ratings and gold labels as distinct patterns.

    Parameters
    ----------
    ratings : array (units, columns)
        Category codes, NaN where missing.
    raters : sequence, optional
        The rater of each column; by default each column is its own rater.
    gold : array (units,), optional
        The true category where it is known, NaN elsewhere.

    Raises
    ------
    NotEnoughDataError
        If a unit has neither rating nor gold label, or fewer than two categories or (without gold labels) raters occur.
    InputError
        If rater names or gold labels do not match the ratings in number.
    """
    values = as_ratings(ratings)
    names: list[Hashable] = list(range(values.shape[1]) if raters is None else raters)
    if len(names) != values.shape[1]:
        raise InputError(f"{len(names)} rater names for {values.shape[1]} columns of ratings: name each column's rater")
    truth = np.full(len(values), np.nan) if gold is None else np.asarray(gold, dtype=float)
    if truth.shape != (len(values),):
        raise InputError(f"{truth.size} gold labels for {len(values)} units: pass one a unit, NaN where unknown")
    who = tuple(dict.fromkeys(names))
    every = np.concatenate([values.ravel(), truth])
    categories = np.unique(every[~np.isnan(every)])
    counts = _tally_patterns(values, categories, names, who)
    _check_enough(counts, truth, categories)
    known = ~np.isnan(truth)[:, None]
    allowed = np.where(known, truth[:, None] == categories, True).astype(float)
    rows, of, weight = np.unique(
        np.hstack([counts.reshape(len(counts), -1), allowed]), axis=0, return_inverse=True, return_counts=True
    )
    q = len(categories)
    distinct = rows[:, :-q].reshape(len(rows), len(who), q)
    return RatingPatterns(distinct, weight.astype(float), of.reshape(-1), rows[:, -q:], categories, who)


def _tally_patterns(values: Floats, categories: Floats, names: list[Hashable], who: tuple[Hashable, ...]) -> Floats:
    """How often each rater gave each category: (units, raters, q)."""
    hits = (values[:, :, None] == categories).astype(float)
    member = np.array([[name == rater for name in names] for rater in who], dtype=float)
    counts: Floats = np.einsum("ucq,rc->urq", hits, member)
    return counts


def _check_enough(counts: Floats, truth: Floats, categories: Floats) -> None:
    known = ~np.isnan(truth)
    if len(categories) < 2 or (counts.shape[1] < 2 and not known.any()):
        raise NotEnoughDataError(
            "latent classes: two raters and two categories are the least that can be told apart without gold labels"
        )
    if ((counts.sum(axis=(1, 2)) == 0) & ~known).any():
        raise NotEnoughDataError("latent classes: a unit has no rating at all: leave it out")


def maximize_likelihood(
    seen: RatingPatterns,
    weights: Floats,
    start: Floats | None = None,
    *,
    tolerance: float = 1e-10,
    max_steps: int = 20_000,
) -> LatentClassFit:
    """Maximum likelihood by EM with extrapolation, for a batch of B weightings of the same patterns.

    Two EM steps give a direction and its change; the fit jumps along them and takes one more EM step. Where the jump
    has lowered the likelihood, the second of the two steps stands, so that no step ever lowers it. Plain EM creeps
    where few units tell classes apart or a probability goes to zero. A fit that has converged stays as it is while
    others of the batch go on. Source: Varadhan and Roland (2008), SQUAREM with step length S3.

    Parameters
    ----------
    seen : RatingPatterns
        Ratings as patterns.
    weights : array (B, patterns)
        Number of units with each pattern, for each fit.
    start : array (B, patterns, q), optional
        Class probabilities to start from; by default shares of the votes.
    tolerance : float, default 1e-10
        A fit stops when an extrapolated step, which holds three EM steps, raises its log-likelihood by less.
    max_steps : int, default 20000
        Greatest number of EM steps.

    Raises
    ------
    NotEnoughDataError
        If EM does not converge.
    """
    posterior = np.broadcast_to(vote_shares(seen) if start is None else start, (*weights.shape, len(seen.categories)))
    fit = _fit_at(seen, weights, *_maximized_parameters(seen.counts, weights[:, :, None] * posterior))
    reach, rising, steps = np.ones(len(weights)), np.arange(len(weights)), 1
    while len(rising):
        if steps + EM_STEPS > max_steps:
            raise NotEnoughDataError(
                f"latent classes: not converged after {max_steps} steps: the raters leave the truth undecided"
            )
        before = _Fits(*(part[rising] for part in fit))
        after, reach[rising] = _extrapolated_step(seen, weights[rising], before, reach[rising])
        steps += EM_STEPS
        for old, new in zip(fit, after, strict=True):
            old[rising] = new
        rising = rising[after.log_likelihood - before.log_likelihood >= tolerance]
    return LatentClassFit(*fit, steps)


class _Fits(NamedTuple):
    """Parameters of a batch of fits with what they imply, as in `LatentClassFit`."""

    shares: Floats
    confusion: Floats
    posterior: Floats
    log_likelihood: Floats


def _fit_at(seen: RatingPatterns, weights: Floats, shares: Floats, confusion: Floats) -> _Fits:
    posterior, each = expected_classes(seen, shares, confusion)
    return _Fits(shares, confusion, posterior, (weights * each).sum(axis=1))


def _em_step(seen: RatingPatterns, weights: Floats, fits: _Fits) -> _Fits:
    return _fit_at(seen, weights, *_maximized_parameters(seen.counts, weights[:, :, None] * fits.posterior))


def _extrapolated_step(seen: RatingPatterns, weights: Floats, begun: _Fits, reach: Floats) -> tuple[_Fits, Floats]:
    """Fits after two EM steps, a jump along them of at most `reach` (B,) and an EM step; the next reach of each."""
    first = _em_step(seen, weights, begun)
    second = _em_step(seen, weights, first)
    start, middle, end = (_parameter_rows(fits) for fits in (begun, first, second))
    step, change = middle - start, end - 2 * middle + start
    length, bend = np.linalg.norm(step, axis=1), np.linalg.norm(change, axis=1)
    far = np.clip(np.divide(length, bend, out=np.ones_like(reach), where=bend > 0), 1.0, reach)
    landed = start + 2 * far[:, None] * step + far[:, None] ** 2 * change
    # A probability of zero would stay zero whatever the ratings say: a jump leaves at least a share of it.
    landed = np.maximum(landed, LEFT_OVER * end)
    jumped = _em_step(seen, weights, _fit_at(seen, weights, *_parameters_of(landed, begun.confusion.shape)))
    kept = jumped.log_likelihood >= second.log_likelihood
    for plain, better in zip(second, jumped, strict=True):
        plain[kept] = better[kept]
    longer, shorter = 4 * reach, np.maximum(reach / 4, 1.0)
    return second, np.where(far < reach, reach, np.where(kept, longer, shorter))


def _parameter_rows(fits: _Fits) -> Floats:
    """Shares and confusion of each fit in one row."""
    return np.hstack([fits.shares, fits.confusion.reshape(len(fits.shares), -1)])


def _parameters_of(rows: Floats, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Shares and confusion, of this shape, from rows of positive numbers that need not sum to 1."""
    shares, confusion = rows[:, : shape[-1]], rows[:, shape[-1] :].reshape(shape)
    return shares / shares.sum(axis=1, keepdims=True), confusion / confusion.sum(axis=3, keepdims=True)


def vote_shares(seen: RatingPatterns) -> Floats:
    """Share of each category among a pattern's ratings, or the gold label if it is known: (patterns, q)."""
    given = (seen.counts.sum(axis=1) + 1e-12) * seen.allowed
    share: Floats = given / given.sum(axis=1, keepdims=True)
    return share


def _maximized_parameters(counts: Floats, load: Floats) -> tuple[Floats, Floats]:
    """Shares and confusion from the weight (B, patterns, q) that each pattern puts on each class."""
    shares = load.sum(axis=1)
    joint = np.einsum("bpk,prq->brkq", load, counts, optimize=True)
    seen = joint.sum(axis=3, keepdims=True)
    # A rater who never saw a class gives no information on it: a uniform row does not affect the fit.
    even = np.full_like(joint, 1.0 / joint.shape[3])
    confusion = np.divide(joint, seen, out=even, where=seen > 0)
    return shares / shares.sum(axis=1, keepdims=True), confusion


def expected_classes(seen: RatingPatterns, shares: Floats, confusion: Floats) -> tuple[Floats, Floats]:
    """Class probabilities of each pattern given the parameters (E step).

    Parameters
    ----------
    seen : RatingPatterns
        Ratings as patterns.
    shares : array (B, q)
        Shares of the true classes.
    confusion : array (B, raters, q, q)
        P(category given | true class) of each rater.

    Returns
    -------
    array (B, patterns, q), array (B, patterns)
        Posterior class probabilities, and each pattern's log-likelihood.
    """
    # The smallest float replaces zero, so that a category never given under a class excludes that class.
    floor = np.finfo(float).tiny
    logs = np.log(np.maximum(confusion, floor))
    joint = np.log(np.maximum(shares, floor))[:, None] + np.einsum("prq,brkq->bpk", seen.counts, logs, optimize=True)
    joint = np.where(seen.allowed > 0, joint, -np.inf)
    top = joint.max(axis=2, keepdims=True)
    total = np.exp(joint - top).sum(axis=2, keepdims=True)
    return np.exp(joint - top) / total, (top + np.log(total))[:, :, 0]


def _bootstrap_fits(
    seen: RatingPatterns, fit: LatentClassFit, resamples: int, seed: int, tolerance: float, max_steps: int
) -> Floats:
    """Class shares in resamples of the units; each EM starts from the fit so that classes keep their identity."""
    if not resamples:
        return np.empty((0, len(seen.categories)))
    random, units = np.random.default_rng(seed), len(seen.of)
    weights = random.multinomial(units, seen.weight / units, size=resamples).astype(float)
    return maximize_likelihood(seen, weights, fit.posterior, tolerance=tolerance, max_steps=max_steps).shares


def _share_estimate(value: float, draws: Floats, confidence: float) -> IntervalEstimate:
    if not len(draws):
        return IntervalEstimate(float(value), np.nan, np.nan, np.nan, confidence, "Dawid-Skene")
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    spread = float(draws.std(ddof=1)) if len(draws) > 1 else np.nan
    limits = min(float(low), float(value)), max(float(high), float(value))
    return IntervalEstimate(float(value), *limits, spread, confidence, "Dawid-Skene, bootstrap")
