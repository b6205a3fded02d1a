"""Joint posterior of the event rate and several judges' error rates by Gibbs sampling; labels may be chosen by
verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.calibration.numerics.mcmc import effective_draws, split_rhat, summarize_draws
from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate

Errors = Literal["independent", "free"]
Whole = NDArray[np.int64]
MISSING = -1
MAX_JUDGES = 6
CHAINS = 4
STARTS = (0.95, 0.85, 0.75, 0.65)
MANY_TRIALS = 50_000
"""Unlabelled trials from which binomial numbers are drawn by order statistics; with fewer, draws are as they were."""
MANY, FEW = 500.0, 16.0
"""Expected number from which a binomial number is then broken down, and the one that is drawn directly."""


@dataclass(frozen=True, slots=True)
class VerdictPatterns:
    """Counts of verdict patterns, which are sufficient for the joint model.

    `verdicts` is (patterns, judges): 1 judged an event, 0 not, -1 no verdict. `unlabelled` is (patterns,): trials
    without a label. `labelled` is (patterns, 2): labelled trials without and with the event.
    """

    verdicts: Whole
    unlabelled: Whole
    labelled: Whole

    @classmethod
    def pattern_counts(cls, verdicts: ArrayLike, truth: ArrayLike) -> VerdictPatterns:
        """Count trials by verdict pattern.

        Parameters
        ----------
        verdicts : array (trials, judges)
            1 for an event, 0 for none, NaN or -1 for no verdict.
        truth : array (trials,)
            1 for an event, 0 for none, NaN for an unlabelled trial.

        Raises
        ------
        InputError
            If the shapes do not match, there are more than `MAX_JUDGES` judges, or a value is not allowed.
        """
        read, known = np.asarray(verdicts, dtype=float), np.asarray(truth, dtype=float)
        if read.ndim != 2 or known.shape != read.shape[:1] or not 1 <= read.shape[1] <= MAX_JUDGES:
            raise InputError(
                f"verdicts of shape {read.shape} and truth of shape {known.shape}: pass trials x judges (at most "
                f"{MAX_JUDGES} judges) and one truth a trial, NaN where it is not labelled"
            )
        for name, values, allowed in (("verdict", read, (0, 1, MISSING)), ("truth", known, (0, 1))):
            strange = values[~np.isnan(values) & ~np.isin(values, allowed)]
            if strange.size:
                raise InputError(
                    f"{name} {strange.flat[0]:g}: write 1 for an event, 0 for none, NaN where it is not known"
                )
        whole = np.where(np.isnan(read), MISSING, read).astype(np.int64)
        rows, where = np.unique(whole, axis=0, return_inverse=True)
        label = np.where(np.isnan(known), 2, known).astype(int)
        table = np.zeros((len(rows), 3), dtype=np.int64)
        np.add.at(table, (where.ravel(), label), 1)
        return cls(rows, table[:, 2].copy(), table[:, :2].copy())

    @property
    def label_counts(self) -> int:
        """Number of labelled trials."""
        return int(self.labelled.sum())


@dataclass(frozen=True, slots=True)
class PanelPosterior:
    """Posterior draws, chains concatenated.

    `rate` is (draws,); `sensitivity` and `specificity` are (draws, judges); `event` is (draws, patterns), the
    probability of the event given the pattern. `rhat` and `ess` are of the rate (split R-hat; effective sample size).
    """

    rate: Floats
    sensitivity: Floats
    specificity: Floats
    event: Floats
    rhat: float
    ess: float

    def posterior_estimate(self, confidence: float = 0.95) -> IntervalEstimate:
        """Posterior mean and central credible interval of the rate."""
        return summarize_draws(self.rate, confidence)


def panel_posterior(
    patterns: VerdictPatterns, *, errors: Errors = "independent", draws: int = 4000, tune: int = 500, seed: int = 0
) -> PanelPosterior:
    """Posterior of the event rate and each judge's error rates, from verdict patterns of all trials and labels of some.

    Estimand: P(event) of the trials counted. Model: the truth z of a trial is 1 with probability p; with `errors`
    "independent" its verdicts are independent given z with the judges' own sensitivities and specificities; with "free"
    every pattern has its own probability given z, so that errors may be dependent. Flat priors: beta(1, 1) on p and
    every error rate, Dirichlet(1, ..., 1) on the patterns.

    Valid for labels that were chosen by looking at verdicts (disputed transcripts first): which trials are labelled
    then depends only on what the likelihood conditions on, if every judge that took part in the choice is in the
    patterns, in the version that it had then. Without it the rate is biased towards the labels of disputed trials.
    Sensitivity and specificity counted directly on such labels
    are biased. With independent errors the disagreements alone are informative, hence the narrow intervals; if errors
    are dependent these are too narrow, so compare both fits and see `gnomon.calibration.error_rates.dependence`.

    Gibbs sampling with the unlabelled truths as missing data: all conditionals are binomial and beta, 4 chains from
    dispersed starts. Source: Tanner and Wong (1987); Joseph, Gyorkos and Coupal (1995).

    Parameters
    ----------
    patterns : VerdictPatterns
        Counts of verdict patterns.
    errors : {"independent", "free"}, default "independent"
        Model of the judges' errors; "free" excludes trials that lack a verdict of some judge.
    draws : int, default 4000
        Kept draws of each chain.
    tune : int, default 500
        Discarded draws of each chain.
    seed : int, default 0
        Seed of the chains.

    Raises
    ------
    NotEnoughDataError
        If nothing is labelled: then event and non-event cannot be distinguished.
    """
    if not patterns.label_counts:
        raise NotEnoughDataError(
            "joint posterior: no transcript is labelled, so yes and no could be swapped: label some"
        )
    used = patterns if errors == "independent" else _complete_patterns(patterns)
    judges = used.verdicts.shape[1]
    kept = np.empty((CHAINS, draws, 1 + 2 * (judges if errors == "independent" else len(used.verdicts))))
    sampler = _sample_independent if errors == "independent" else _sample_dependent
    for chain, start in enumerate(STARTS):
        sampler(used.verdicts, used.unlabelled, used.labelled, start, tune, seed * CHAINS + chain, kept[chain])
    rhat, ess = float(split_rhat(kept[:, :, :1])[0]), float(effective_draws(kept[:, :, :1])[0])
    flat = kept.reshape(-1, kept.shape[2])
    rate, none, some = flat[:, 0], flat[:, 1::2], flat[:, 2::2]
    if errors == "free":
        likely = np.stack([none, some])
        said = (used.verdicts == 1).astype(float)
        none, some = none @ said, some @ said
    else:
        likely = np.stack([_pattern_likelihood(used.verdicts, none), _pattern_likelihood(used.verdicts, some)])
    joint = likely[1] * rate[:, None]
    event = joint / (joint + likely[0] * (1 - rate[:, None]))
    return PanelPosterior(rate, some, 1 - none, event, rhat, min(ess, float(rate.size)))


def _complete_patterns(patterns: VerdictPatterns) -> VerdictPatterns:
    """Only the patterns with a verdict of every judge."""
    whole = (patterns.verdicts != MISSING).all(axis=1)
    kept = VerdictPatterns(patterns.verdicts[whole], patterns.unlabelled[whole], patterns.labelled[whole])
    if not kept.label_counts:
        raise NotEnoughDataError("joint posterior: no labelled transcript has a verdict of every judge: judge them all")
    return kept


def _pattern_likelihood(verdicts: Whole, yes: Floats) -> Floats:
    """P(pattern | truth), (draws, patterns), from P(judged an event | truth), (draws, judges)."""
    said, spoke = verdicts == 1, verdicts != MISSING
    logs = np.log(np.maximum(yes, 1e-300)) @ said.T + np.log(np.maximum(1 - yes, 1e-300)) @ (spoke & ~said).T
    return np.asarray(np.exp(logs))


@compiled
def _draw_binomial(n: int, p: float, many: float) -> int:
    """A binomial number; numba's own takes time in proportion to n min(p, 1 - p), which matters above `many`.

    Above it, the order statistic i of n uniform numbers is drawn, which is beta(i, n + 1 - i); which side of p it falls
    on leaves a far smaller binomial number. Exact. Source: Ahrens and Dieter (1974); Devroye (1986), section X.4.
    """
    if n * min(p, 1 - p) <= many:
        return np.random.binomial(n, p)
    total, sign = 0, 1
    while n * min(p, 1 - p) > FEW:
        place = min(max(int((n + 1) * p), 1), n)
        below = np.random.beta(place, n + 1 - place)
        if below <= p:
            total += sign * place
            n, p = n - place, (p - below) / (1 - below)
        else:
            total += sign * (place - 1)
            n, p, sign = place - 1, (below - p) / below, -sign
    return total + sign * np.random.binomial(n, min(max(p, 0.0), 1.0)) if n > 0 else total


@compiled
def _sample_independent(
    verdicts: Whole, unlabelled: Whole, labelled: Whole, start: float, tune: int, seed: int, out: Floats
) -> None:
    """One chain: rows of (p, P(yes | none) and P(yes | event) of each judge)."""
    np.random.seed(seed)
    patterns, judges = verdicts.shape
    p, many = 0.5, MANY if unlabelled.sum() > MANY_TRIALS else np.inf
    yes = np.empty((judges, 2))
    yes[:, 0], yes[:, 1] = 1 - start, start
    for step in range(tune + len(out)):
        events, others = 1.0, 1.0
        counts = np.ones((judges, 2, 2))
        for s in range(patterns):
            one, none = p, 1 - p
            for j in range(judges):
                if verdicts[s, j] == 1:
                    one, none = one * yes[j, 1], none * yes[j, 0]
                elif verdicts[s, j] == 0:
                    one, none = one * (1 - yes[j, 1]), none * (1 - yes[j, 0])
            drawn = 0
            if unlabelled[s] > 0 and one > 0:
                drawn = _draw_binomial(unlabelled[s], one / (one + none), many)
            with_event = drawn + labelled[s, 1]
            without = unlabelled[s] - drawn + labelled[s, 0]
            events += with_event
            others += without
            for j in range(judges):
                if verdicts[s, j] >= 0:
                    counts[j, 1, verdicts[s, j]] += with_event
                    counts[j, 0, verdicts[s, j]] += without
        p = np.random.beta(events, others)
        for j in range(judges):
            for z in range(2):
                yes[j, z] = np.random.beta(counts[j, z, 1], counts[j, z, 0])
        if step >= tune:
            row = out[step - tune]
            row[0] = p
            for j in range(judges):
                row[1 + 2 * j], row[2 + 2 * j] = yes[j, 0], yes[j, 1]


@compiled
def _sample_dependent(
    verdicts: Whole, unlabelled: Whole, labelled: Whole, start: float, tune: int, seed: int, out: Floats
) -> None:
    """One chain: rows of (p, P(pattern | none) and P(pattern | event) of each pattern)."""
    np.random.seed(seed)
    patterns, judges = verdicts.shape
    p, many = 0.5, MANY if unlabelled.sum() > MANY_TRIALS else np.inf
    likely = np.empty((patterns, 2))
    for s in range(patterns):
        ones = verdicts[s].sum()
        likely[s, 1] = start**ones * (1 - start) ** (judges - ones)
        likely[s, 0] = (1 - start) ** ones * start ** (judges - ones)
    counts = np.empty((patterns, 2))
    for step in range(tune + len(out)):
        for s in range(patterns):
            one, none = p * likely[s, 1], (1 - p) * likely[s, 0]
            drawn = 0
            if unlabelled[s] > 0 and one > 0:
                drawn = _draw_binomial(unlabelled[s], one / (one + none), many)
            counts[s, 1] = drawn + labelled[s, 1]
            counts[s, 0] = unlabelled[s] - drawn + labelled[s, 0]
        p = np.random.beta(1 + counts[:, 1].sum(), 1 + counts[:, 0].sum())
        for z in range(2):
            for s in range(patterns):
                likely[s, z] = np.random.gamma(1 + counts[s, z])
            likely[:, z] /= likely[:, z].sum()
        if step >= tune:
            row = out[step - tune]
            row[0] = p
            for s in range(patterns):
                row[1 + 2 * s], row[2 + 2 * s] = likely[s, 0], likely[s, 1]
