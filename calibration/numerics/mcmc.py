"""Posterior summaries and convergence diagnostics (split R-hat, effective sample size)."""

from __future__ import annotations

import numpy as np

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.data.records import IntervalEstimate


def summarize_draws(draws: Floats, confidence: float = 0.95) -> IntervalEstimate:
    """Posterior mean and central credible interval of draws.

    Parameters
    ----------
    draws : array (draws,)
        Posterior draws of one quantity.
    confidence : float, default 0.95
        Probability of the interval, 0 to 1.
    """
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return IntervalEstimate(
        float(draws.mean()), float(low), float(high), float(draws.std()), confidence, "joint posterior"
    )


def split_rhat(series: Floats) -> Floats:
    """Split R-hat of draws (chains, draws, quantities): 1 where halves of chains agree in mean.

    sqrt((W (n - 1) / n + B / n) / W) with W the mean variance within half chains and B / n the variance of their
    means. Source: Gelman et al. (2013), Bayesian Data Analysis, section 11.4.
    """
    half = series.shape[1] // 2
    parts = np.concatenate([series[:, :half], series[:, -half:]])
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = parts.mean(axis=1).var(axis=0, ddof=1)
    still = within <= 0
    ratio = (within * (half - 1) / half + between) / np.where(still, 1.0, within)
    rhat: Floats = np.sqrt(np.where(still, 1.0, ratio))
    return rhat


def effective_draws(series: Floats) -> Floats:
    """Effective number of draws (chains, draws, quantities) from the autocorrelation of half chains.

    m n / (1 + 2 sum of autocorrelations), the sum cut by Geyer's initial monotone positive sequence of pairs.
    Source: Gelman et al. (2013), section 11.5; Geyer (1992).
    """
    half = series.shape[1] // 2
    parts = np.concatenate([series[:, :half], series[:, -half:]])
    off = parts - parts.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(off, 2 * half, axis=1)) ** 2
    covariance = np.fft.irfft(power, 2 * half, axis=1)[:, :half].mean(axis=0) / half
    within = covariance[0] * half / (half - 1)
    total = within * (half - 1) / half + parts.mean(axis=1).var(axis=0, ddof=1)
    correlation = 1 - (within - covariance) / np.where(total > 0, total, 1.0)
    correlation[0] = 1.0
    pairs = correlation[0 : half - half % 2].reshape(half // 2, 2, -1).sum(axis=1)
    monotone = np.minimum.accumulate(pairs, axis=0)
    positive = np.where(np.logical_and.accumulate(monotone > 0, axis=0), monotone, 0.0)
    size = parts.shape[0] * half
    effective: Floats = size / np.maximum(2 * positive.sum(axis=0) - 1, 1 / np.log10(size))
    return effective
