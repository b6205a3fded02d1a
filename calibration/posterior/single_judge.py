"""Joint posterior of the event rate and one judge's sensitivity and specificity, by quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, logsumexp, ndtr

from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError
from gnomon.data.records import IntervalEstimate

FLAT = (1.0, 1.0)
NODES = 44
REACH = 6.0
ROUGH, FINE = 60, 240
ZOOMS = 12
NEGLIGIBLE = 18.0
POINTS = 500


@dataclass(frozen=True, slots=True)
class MarginalPosterior:
    """The posterior of one rate as a distribution function: `cumulative[i]` = P(rate <= `edges[i]`)."""

    edges: Floats
    cumulative: Floats

    def posterior_quantile(self, probability: float | Floats) -> Floats:
        """Quantiles of the posterior at these probabilities."""
        return np.asarray(np.interp(probability, self.cumulative, self.edges))

    def posterior_points(self) -> Floats:
        """Equally likely rates: the midpoints of `POINTS` slices of equal probability."""
        return self.posterior_quantile((np.arange(POINTS) + 0.5) / POINTS)

    def posterior_estimate(self, confidence: float = 0.95) -> IntervalEstimate:
        """Posterior mean and central credible interval."""
        middle, mass = (self.edges[1:] + self.edges[:-1]) / 2, np.diff(self.cumulative)
        mean = float(middle @ mass)
        spread = math.sqrt(max(0.0, float((middle - mean) ** 2 @ mass)))
        ends = self.posterior_quantile(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
        low, high = float(ends[0]), float(ends[1])
        return IntervalEstimate(mean, min(low, mean), max(high, mean), spread, confidence, "joint posterior")


def joint_posterior(
    apparent: Count,
    sensitivity: Count,
    specificity: Count,
    *,
    internal: bool = False,
    prior: tuple[float, float] = FLAT,
    error_prior: tuple[float, float] = FLAT,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """True event rate, corrected for the judge's errors with their uncertainty (Bayes).

    Estimand: P(event) of the trials that the judge read. Model: k of n unlabelled trials are judged events,
    k ~ Binomial(n, p Se + (1 - p)(1 - Sp)); the labels give Se ~ beta and Sp ~ beta; beta priors, flat by default.
    Assumes that the judge has the same error rates on labelled and unlabelled trials, so call it for each arm
    separately, and never with labels that were chosen by looking at verdicts (use `posterior.judge_panel`).
    The interval is central. With flat priors its frequentist coverage is near nominal
    (`bench.validity.label_coverage`); a judge with Se + Sp near 1 returns the prior (and, if internal, the labels).
    Source: Joseph, Gyorkos and Coupal (1995); Gelman and Carpenter (2020). Exact up to the quadrature: Se and Sp by
    the trapezoid rule in normal scores of their beta distributions, out to 6, p on a grid refined around its mass.

    Parameters
    ----------
    apparent : (k, n)
        Judged events among the trials without a label; n may be 0 if labels are internal.
    sensitivity : (k, n)
        Hits among labelled events; n may be 0, then the prior is used.
    specificity : (k, n)
        Correct rejections among labelled non-events; n may be 0, then the prior is used.
    internal : bool, default False
        Whether the labelled trials are a random sample of the same trials, so that their mix of events and
        non-events informs the rate too. If False they inform only the judge's errors.
    prior : (a, b), default (1.0, 1.0)
        Beta parameters of the rate's prior.
    error_prior : (a, b), default (1.0, 1.0)
        Beta parameters of the priors of Se and Sp; `a` counts correct verdicts.
    confidence : float, default 0.95
        Probability of the interval, 0 to 1.

    Raises
    ------
    InputError
        If a count lies outside 0 to n, or no trial is counted.
    """
    return marginal_posterior(
        apparent, sensitivity, specificity, internal=internal, prior=prior, error_prior=error_prior
    ).posterior_estimate(confidence)


def marginal_posterior(
    apparent: Count,
    sensitivity: Count,
    specificity: Count,
    *,
    internal: bool = False,
    prior: tuple[float, float] = FLAT,
    error_prior: tuple[float, float] = FLAT,
) -> MarginalPosterior:
    """Posterior distribution of the event rate, of which `joint_posterior` returns the summary.

    Parameters
    ----------
    apparent : (k, n)
        Judged events among the trials without a label.
    sensitivity : (k, n)
        Hits among labelled events.
    specificity : (k, n)
        Correct rejections among labelled non-events.
    internal : bool, default False
        Whether the labelled trials are a random sample of the same trials, so that they also inform the rate.
    prior : (a, b), default (1.0, 1.0)
        Beta parameters of the rate's prior.
    error_prior : (a, b), default (1.0, 1.0)
        Beta parameters of the priors of sensitivity and specificity.

    Raises
    ------
    InputError
        If a count lies outside 0 to n, or no trial is counted.
    """
    for name, (k, n) in (("apparent", apparent), ("sensitivity", sensitivity), ("specificity", specificity)):
        if not 0 <= k <= n * (1 + 1e-9):
            raise InputError(f"joint posterior: {name} {k:g} of {n:g}: the count must lie between 0 and n")
    if not apparent[1] and not (internal and sensitivity[1] + specificity[1]):
        raise InputError("joint posterior: no trial is counted: give unlabelled trials, or labels with internal=True")
    events, others = (sensitivity[1], specificity[1]) if internal else (0.0, 0.0)
    shape = (float(apparent[0]), float(apparent[1]), events + prior[0] - 1, others + prior[1] - 1)
    judge = _BetaNodes.of(sensitivity, specificity, error_prior)
    low, high = 0.0, 1.0
    for _ in range(ZOOMS):
        edges, logs = _on_grid(low, high, ROUGH, judge, shape)
        top = float(logs.max())
        there = np.flatnonzero(logs > top - NEGLIGIBLE)
        low, high = float(edges[max(there[0] - 1, 0)]), float(edges[min(there[-1] + 2, ROUGH)])
        if len(there) > ROUGH // 4:
            break
    edges, logs = _on_grid(low, high, FINE, judge, shape)
    mass = np.exp(logs - logs.max())
    return MarginalPosterior(edges, np.concatenate([[0.0], np.cumsum(mass) / mass.sum()]))


def joint_difference(one: MarginalPosterior, other: MarginalPosterior, *, confidence: float = 0.95) -> IntervalEstimate:
    """Difference of two rates with independent posteriors: mean and central credible interval.

    Estimand: rate of one group minus rate of the other, each corrected by its own judge errors. Assumes that no label
    is used for both. Computed over all pairs of `POINTS` equally likely rates of each.

    Parameters
    ----------
    one : MarginalPosterior
        Posterior of the first rate.
    other : MarginalPosterior
        Posterior of the rate to subtract.
    confidence : float, default 0.95
        Probability of the interval, 0 to 1.
    """
    return summarize_draws((one.posterior_points()[:, None] - other.posterior_points()[None, :]).ravel(), confidence)


@dataclass(frozen=True, slots=True)
class _BetaNodes:
    """Quadrature nodes of P(judged an event | event) and of P(judged an event | none), with the log of their
    weights.
    """

    hit: Floats
    hit_weight: Floats
    false: Floats
    false_weight: Floats

    @classmethod
    def of(cls, sensitivity: Count, specificity: Count, prior: tuple[float, float]) -> _BetaNodes:
        (hit, hit_weight), (right, right_weight) = _beta_nodes(sensitivity, prior), _beta_nodes(specificity, prior)
        return cls(hit, hit_weight, 1 - right, right_weight)


def _beta_nodes(right: Count, prior: tuple[float, float]) -> tuple[Floats, Floats]:
    """Nodes of a beta distribution at equal steps of the normal score, and the log of their weights."""
    k, n = right
    scores = np.linspace(-REACH, REACH, NODES)
    values = betaincinv(k + prior[0], max(n - k, 0.0) + prior[1], ndtr(scores))
    return np.asarray(values, dtype=float), -(scores**2) / 2


def _on_grid(
    low: float, high: float, cells: int, judge: _BetaNodes, shape: tuple[float, float, float, float]
) -> tuple[Floats, Floats]:
    """Edges of equal cells between two rates, and the log density at the middle of each."""
    edges = np.linspace(low, high, cells + 1)
    return edges, _log_density((edges[1:] + edges[:-1]) / 2, judge, shape)


def _log_density(rates: Floats, judge: _BetaNodes, shape: tuple[float, float, float, float]) -> Floats:
    """Log of the posterior density at each rate, up to a constant: the sum over all pairs of nodes."""
    k, n, up, down = shape
    p = rates[:, None, None]
    q = np.clip(p * judge.hit[:, None] + (1 - p) * judge.false, 1e-300, 1 - 1e-16)
    logs = k * np.log(q) + (n - k) * np.log1p(-q) + judge.hit_weight[:, None] + judge.false_weight
    found: Floats = logsumexp(logs, axis=(1, 2)) + up * np.log(rates) + down * np.log1p(-rates)
    return found
