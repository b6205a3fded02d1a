"""Identification in bits: mutual information of the injected concept and the one that the subject chose.

Estimand: I(X; Z) in bits, X the injected concept, each of the study's concepts alike likely, Z what is chosen, or
nothing readable. 0 where the choice does not depend on the concept, whatever the subject prefers to choose; log2 of the
number of concepts where it is always right, or always wrong in a way that tells the concept.

Assumes independent responses, one for each concept and item: several responses to one item share its weight, and a
concept weighs as much as another.

Formula. The plug-in value G / (2 n ln 2), G the likelihood ratio statistic of the table, is too high by about f / (2 n
ln 2), f = (rows - 1)(columns - 1); that is taken off (Miller 1955), columns being choices that occur. Limits: G is
about noncentral chi-squared with f degrees of freedom and noncentrality 2 n ln 2 I, which holds at 0 and near it; the
distance from estimate to limit is multiplied by the square root of the ratio of the plug-in's delta-method variance to
that of the noncentral distribution, which holds away from 0. Sources: Cover and Thomas (2006); Kullback (1959), the
distribution of G; Basharin (1959), the variance.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from gnomon.data.records import IntervalEstimate
from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import BitsEstimate
from gnomon.stats.measures.measured_contrasts import Cell
from gnomon.stats.measures.measured_trials_frame import CELL, INJECTION, select_trials

PICK = "pick"
UNREADABLE = ""
BITS_METHOD = "noncentral chi-squared of the likelihood ratio, delta-method variance"


def identification_bits(
    frame: pd.DataFrame, subject: str, cell: Cell | None = None, *, task: str = PICK
) -> BitsEstimate | None:
    """Mutual information of the injected and the chosen concept; None with fewer than two concepts or no choice.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`, with `picked`.
    subject : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    task : str, default "pick"
    """
    trials = select_trials(frame, subject, task, INJECTION, cell)
    trials = trials[trials["concept"].notna()]
    if trials["concept"].nunique() < 2 or not trials["picked"].notna().any():
        return None
    counts = choice_counts(trials)
    estimate, p_value = information_interval(counts)
    return BitsEstimate(
        subject=subject,
        task=task,
        by=dict(zip(CELL, cell, strict=True)) if cell else {},
        estimate=Estimate.from_interval(estimate),
        most=math.log2(len(counts)),
        n=round(float(counts.sum())),
        concepts=len(counts),
        p_value=p_value,
    )


def choice_counts(trials: pd.DataFrame) -> np.ndarray:
    """Choices by injected concept, shape (concepts, choices): one for each concept and item, shared by its responses.

    Parameters
    ----------
    trials : DataFrame
        Rows with `concept`, `item` and `picked`.
    """
    items = trials["item"].where(trials["item"].notna(), pd.Series(trials.index, trials.index).astype(str))
    keyed = trials.assign(item=items, picked=trials["picked"].where(trials["picked"].notna(), UNREADABLE))
    keyed["share"] = 1 / keyed.groupby(["concept", "item", *CELL], dropna=False)["picked"].transform("size")
    table = keyed.pivot_table(index="concept", columns="picked", values="share", aggfunc="sum", fill_value=0.0)
    return table.to_numpy()


def information_interval(counts: np.ndarray, confidence: float = 0.95) -> tuple[IntervalEstimate, float]:
    """Mutual information in bits of a table, rows alike likely, and the p-value of none.

    Parameters
    ----------
    counts : ndarray, shape (rows, columns)
        Responses; every row and column with some.
    confidence : float, default .95

    Returns
    -------
    (IntervalEstimate, float)
    """
    total, rows = counts.sum(), len(counts)
    joint = counts / counts.sum(axis=1, keepdims=True) / rows
    chosen = joint.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(joint > 0, np.log(joint * rows / chosen), 0.0)
    plain = float((joint * ratio).sum())
    within = (rows * joint * ratio**2).sum(axis=1) - (rows * joint * ratio).sum(axis=1) ** 2
    sizes = counts.sum(axis=1)
    variance = float((within / sizes).sum() / rows**2)
    freedom = (rows - 1) * (counts.shape[1] - 1)
    if freedom == 0:
        return IntervalEstimate(0.0, 0.0, math.log2(rows), 0.0, confidence, BITS_METHOD), 1.0
    scale = 2 * total
    statistic = scale * plain
    value = max(0.0, plain - freedom / scale)
    tail = (1 - confidence) / 2
    low = _noncentrality(statistic, freedom, 1 - tail) / scale
    high = _noncentrality(statistic, freedom, tail) / scale
    expected = (2 * freedom + 4 * scale * value) / scale**2
    stretch = math.sqrt(max(variance, 1e-12) / expected) if value > 0 and low > 0 else 1.0
    limits = (max(0.0, value - stretch * (value - low)), min(math.log(rows), value + stretch * (high - value)))
    bits = math.log(2)
    error = math.sqrt(max(variance, 0.0)) / bits
    interval = IntervalEstimate(value / bits, limits[0] / bits, limits[1] / bits, error, confidence, BITS_METHOD)
    return interval, float(chi2.sf(statistic, freedom))


def _noncentrality(statistic: float, freedom: float, probability: float) -> float:
    """The noncentrality under which the statistic is the quantile of this probability; 0 if there is none."""
    if chi2.cdf(statistic, freedom) <= probability:
        return 0.0
    top = 2 * statistic + 10 * math.sqrt(statistic + freedom) + 50
    return float(brentq(lambda at: float(ncx2.cdf(statistic, freedom, at)) - probability, 1e-9, top))
