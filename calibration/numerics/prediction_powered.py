"""Prediction-powered inference: label means aided by a judge's verdicts; plain, stratified, inclusion-weighted.

Nothing is assumed about the judge; the assumptions concern how labels were drawn. See `ppi_weighted` for labels that
were chosen because judges dispute a transcript.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

_TINY = 1e-9
_STRAY = 8.0


@dataclass(frozen=True, slots=True)
class LabelStratum:
    """Trials of one stratum: `labelled` values, the judge's verdicts `judged` on the same trials, and on `unlabelled`
    trials.

    `share` is the stratum's known share of all trials; if omitted in every stratum, shares follow the numbers of
    trials.
    """

    labelled: ArrayLike
    judged: ArrayLike
    unlabelled: ArrayLike
    share: float | None = None


def ppi_mean(
    labelled: ArrayLike,
    judged: ArrayLike,
    unlabelled: ArrayLike,
    lam: float | None = None,
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Mean label over all trials, using a judge's verdicts on unlabelled ones (PPI++).

    Estimand: mean label of the population that labelled and unlabelled trials are independent random samples of.
    Assumes that the labelled are drawn at random (or with the inclusion probabilities behind `weights`, and then
    that `unlabelled` is a plain random sample), nothing about the judge:
    lam * mean(unlabelled) + mean(labelled - lam * judged). With lam unset, the lam that minimises the variance,
    within [0, 1]. Normal limits, which need more than a few labels. Source: Angelopoulos, Duchi, Zrnic (2023), PPI++.

    With weights the second mean is Hajek's ratio and its variance that of w * (residual - weighted mean), while
    ppi-python takes the variance of w * residual, which is larger the further the mean residual is from 0. If
    labels were drawn from the judged trials themselves with unequal probabilities, the rest is not a random sample:
    use `ppi_weighted`.

    Parameters
    ----------
    labelled : array (n,)
        Label of the labelled trials.
    judged : array (n,)
        The judge's verdict on the same trials.
    unlabelled : array (N,)
        The judge's verdict on the other trials; may be empty, then only labels count.
    lam : float, optional
        Weight of the judge: 0 ignores it, 1 is plain prediction-powered inference; by default tuned.
    weights : array (n,), optional
        Inverse inclusion probabilities of the labelled trials, on any scale.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If fewer than two trials are labelled.
    InputError
        If lengths differ.
    """
    truth, read = _check_pairs(labelled, judged)
    rest = np.asarray(unlabelled, dtype=float)
    weight = np.ones_like(truth) if weights is None else np.asarray(weights, dtype=float)
    value, spread = _ppi_mean(truth, read, rest, lam, weight * len(weight) / weight.sum(), 0.0)
    return _normal_limits(value, spread, confidence, "PPI++")


def ppi_stratified(
    strata: Sequence[LabelStratum] | Mapping[str, LabelStratum],
    lam: float | None = None,
    *,
    pseudo: float = 1.0,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Mean label over strata of known shares, with the judge's weight tuned in each.

    Estimand: sum over strata h of share_h times the mean label in h. Assumes that within a stratum the labelled
    and the unlabelled are independent random samples of it; the numbers of labels may be chosen freely.
    sum_h share_h * (lam_h * mean(unlabelled_h) + mean(labelled_h - lam_h * judged_h)), each lam_h minimising its
    stratum's variance within [0, 1]; the variance is sum_h share_h^2 * variance_h, limits are normal. Source:
    Fisch, Maynez, Hofer, Dhingra, Globerson, Cohen (2024), Stratified prediction-powered inference.

    A stratum with few labels in which the judge never errs does not show that it never does. So each variance_h is
    increased as if `pseudo` more of its labels had been misread (as Agresti and Coull add to a share); the value is
    unchanged. This is our addition: `pseudo=0` is the published interval, which with 60 to 200 labels and rates of .05
    to .4 covered .37 to .92 in simulation where strata were the disputed and the others, against .97 to 1 with it.

    Parameters
    ----------
    strata : sequence or mapping of LabelStratum
        With a share in each, adding to 1, or in none.
    lam : float, optional
        One weight of the judge for all strata instead of a tuned one for each.
    pseudo : float, default 1.0
        Misread labels added to each stratum's variance.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If there is no stratum, or one with a share has fewer than two labels.
    InputError
        If shares do not add to 1 or lengths differ.
    """
    named = strata if isinstance(strata, Mapping) else {f"number {at}": each for at, each in enumerate(strata, 1)}
    shares = _stratum_shares(named)
    value = spread = 0.0
    for (name, stratum), share in zip(named.items(), shares, strict=True):
        if share == 0:
            continue
        truth, read = _check_pairs(stratum.labelled, stratum.judged, f"stratum {name}")
        rest = np.asarray(stratum.unlabelled, dtype=float)
        mean, variance = _ppi_mean(truth, read, rest, lam, np.ones_like(truth), pseudo)
        value, spread = value + share * mean, spread + share**2 * variance
    return _normal_limits(value, spread, confidence, "PPI++, stratified")


def ppi_weighted(
    labels: ArrayLike,
    judged_labelled: ArrayLike,
    judged_all: ArrayLike,
    inclusion: ArrayLike,
    lam: float | None = None,
    *,
    ratio: bool = True,
    superpopulation: bool = False,
    pseudo: float = 1.0,
    confidence: float = 0.95,
) -> IntervalEstimate:
    """Mean label of a pool of judged trials, some of which were labelled, each with its own known probability.

    Estimand: the mean label of the N trials in `judged_all`, or with `superpopulation` of the process that they are a
    random sample of. Assumes that trial i was labelled with probability inclusion_i > 0, whatever this probability
    depends on (such as the judges' disagreement), nearly independently of the others (Poisson sampling, or a fixed-size
    draw of high entropy such as simple random sampling within strata); nothing about the judge.

    With w_i = 1 / inclusion_i over the labelled and residual r_i = label_i - lam * judged_i: lam * mean(judged_all) +
    sum(w r) / sum(w) (Hajek), or / N (`ratio=False`, Horvitz and Thompson). Variance n / (n - 1) * sum((1 - inclusion)
    * (w e)^2) / sum(w)^2 with e = r - sum(w r) / sum(w) (or, for Horvitz and Thompson, e = r and N): for a simple
    random sample this is (1 - n / N) * s^2 / n. With lam unset, the lam in [0, 1] that minimises it. `superpopulation`
    adds the label's variance / N. Limits are normal. Each e^2 is raised by pseudo * range^2 / n_eff, with n_eff =
    sum(w)^2 / sum(w^2): the effect of `pseudo` additional misread labels, since a rare misreading of heavily weighted
    trials is mostly not observed; `pseudo=0` is the plain estimator. In simulation (60 to 200 of 1,000 labelled, rates
    .05 to .4) nominal 95 % covered .94 to .97 with random labels (.68 to .95 plain) and .99 to 1 with disputed ones
    (.41 to .99 plain): the price of labelling few undisputed trials.

    Sources: Horvitz and Thompson (1952); Hajek (1964, 1971); Sarndal, Swensson, Wretman (1992), ch. 6 (difference
    estimator); Angelopoulos, Duchi, Zrnic (2023) for lam.

    Parameters
    ----------
    labels : array (n,)
        Label of the labelled trials, usually 0 or 1.
    judged_labelled : array (n,)
        The judge's verdict on the labelled trials.
    judged_all : array (N,)
        The judge's verdict on every trial of the pool, labelled ones included.
    inclusion : array (n,)
        Inclusion probability of the labelled trials, in (0, 1].
    lam : float, optional
        Weight of the judge, 0 to 1; 0 ignores it.
    ratio : bool, default True
        Divide by the sum of weights (Hajek), which is more stable, or by N.
    superpopulation : bool, default False
        Estimate the mean of the process instead of the pool's.
    pseudo : float, default 1.0
        Misread labels added to the variance.
    confidence : float, default 0.95
        Nominal coverage of the interval, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If fewer than two trials are labelled.
    InputError
        If lengths differ, an inclusion probability is not in (0, 1], or they cannot belong to this pool.
    """
    truth, read = _check_pairs(labels, judged_labelled)
    pool = np.asarray(judged_all, dtype=float)
    chance = _check_inclusion(inclusion, len(truth), len(pool))
    weight = 1 / chance / ((1 / chance).sum() if ratio else len(pool))
    centre = weight if ratio else np.zeros_like(weight)
    truth_off, read_off = truth - (centre * truth).sum(), read - (centre * read).sum()
    load = (1 - chance) * weight**2
    trust = _regression_slope(load * read_off, truth_off, read_off) if lam is None else lam
    value = trust * float(pool.mean()) + float((weight * (truth - trust * read)).sum())
    padding = pseudo * _unit_scale(truth, read) ** 2 * float((weight**2).sum() / weight.sum() ** 2)
    spare = len(truth) / (len(truth) - 1)
    spread = spare * float((load * ((truth_off - trust * read_off) ** 2 + padding)).sum())
    if superpopulation:
        even = weight / weight.sum()
        spread += spare * float((even * (truth - (even * truth).sum()) ** 2).sum()) / len(pool)
    return _normal_limits(value, spread, confidence, "PPI++, Hajek" if ratio else "PPI++, Horvitz-Thompson")


def _ppi_mean(
    truth: Floats, read: Floats, rest: Floats, lam: float | None, weight: Floats, pseudo: float
) -> tuple[float, float]:
    """Prediction-powered mean and its variance; weights average 1."""
    if not len(rest):
        lam = 0.0
    elif lam is None:
        lam = _tuned_lambda(_around_mean(truth, weight), _around_mean(read, weight), rest, bool(np.ptp(weight) > _TINY))
    value = float((weight * (truth - lam * read)).mean()) + (lam * float(rest.mean()) if len(rest) else 0.0)
    padding = pseudo * _unit_scale(truth, read) ** 2 / len(truth) if pseudo else 0.0
    spread = (float(_around_mean(truth - lam * read, weight).var()) + padding) / len(truth)
    spread += lam**2 * float(rest.var()) / len(rest) if len(rest) else 0.0
    return value, spread


def _around_mean(values: Floats, weight: Floats) -> Floats:
    """Values whose distance from the weighted mean is scaled by their weight (weights average 1)."""
    mean = float((weight * values).mean())
    return weight * (values - mean) + mean


def _tuned_lambda(truth: Floats, read: Floats, rest: Floats, weighted: bool) -> float:
    """The lam of least variance, estimated as its authors do, pooling the judge's variance if weights are equal."""
    shared = float(((truth - truth.mean()) * (read - read.mean())).mean())
    pooled = float(np.concatenate([read, rest]).var(ddof=1)) * (1 + len(truth) / len(rest))
    spread = float(read.var() + rest.var() * len(truth) / len(rest)) if weighted else pooled
    return min(1.0, max(0.0, shared / spread if spread > _TINY else 0.0))


def _regression_slope(loaded: Floats, truth: Floats, read: Floats) -> float:
    spread = float((loaded * read).sum())
    return min(1.0, max(0.0, float((loaded * truth).sum()) / spread)) if spread > 0 else 0.0


def _unit_scale(truth: Floats, read: Floats) -> float:
    """Greatest possible error of a label: 1 for shares, whichever labels were observed, otherwise the range."""
    both = np.concatenate([truth, read])
    within = both.min() >= 0 and both.max() <= 1
    return 1.0 if within else float(both.max() - both.min())


def _check_pairs(
    labelled: ArrayLike, judged: ArrayLike, what: str = "prediction-powered mean"
) -> tuple[Floats, Floats]:
    truth, read = np.asarray(labelled, dtype=float), np.asarray(judged, dtype=float)
    if truth.shape != read.shape:
        raise InputError(
            f"{what}: {len(truth)} labels and {len(read)} readings of the judge: they must be of the same trials"
        )
    if len(truth) < 2:
        raise NotEnoughDataError(f"{what}: {len(truth)} labelled trials: two are the least")
    return truth, read


def _stratum_shares(strata: Mapping[str, LabelStratum]) -> list[float]:
    if not strata:
        raise NotEnoughDataError("prediction-powered mean: no stratum: pass one or more")
    given = [stratum.share for stratum in strata.values() if stratum.share is not None]
    if not given:
        sizes = [np.size(stratum.labelled) + np.size(stratum.unlabelled) for stratum in strata.values()]
        return [size / sum(sizes) for size in sizes]
    if len(given) < len(strata) or min(given) < 0 or abs(sum(given) - 1) > 1e-6:
        raise InputError(
            f"shares of strata add to {sum(given):g}: give every stratum a share, together 1, or none of them"
        )
    return given


def _check_inclusion(inclusion: ArrayLike, labelled: int, pool: int) -> Floats:
    chance = np.asarray(inclusion, dtype=float)
    if chance.shape != (labelled,):
        raise InputError(
            f"{chance.size} inclusion probabilities for {labelled} labels: give one for each labelled trial"
        )
    if not bool(((chance > 0) & (chance <= 1)).all()):
        raise InputError(
            "inclusion probabilities must lie above 0 and at most at 1: give each trial's chance of a label"
        )
    stands_for = float((1 / chance).sum())
    stray = math.sqrt(float(((1 - chance) / chance**2).sum()))
    if labelled > pool or abs(stands_for - pool) > _STRAY * stray + 0.05 * pool:
        raise InputError(
            f"inclusion probabilities: {labelled} labels stand for {stands_for:.0f} trials, but {pool} were judged: "
            "give each trial's chance to be labelled in the end, and the readings of the whole pool"
        )
    return chance


def _normal_limits(value: float, spread: float, confidence: float, method: str) -> IntervalEstimate:
    error = math.sqrt(spread)
    half = float(ndtri(0.5 + confidence / 2)) * error
    return IntervalEstimate(float(value), value - half, value + half, error, confidence, method)
