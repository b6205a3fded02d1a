"""Identification in bits: mutual information of the injected concept and the one that the subject chose.

Estimand: I(X; Z) in bits, X the injected concept, each of the study's concepts alike likely, Z what is chosen, or
nothing readable. 0 where the choice does not depend on the concept, whatever the subject prefers to choose; log2 of the
number of concepts where it is always right, or always wrong in a way that tells the concept.

Assumes independent responses, one for each concept and item: several responses to one item share its weight, and a
concept weighs as much as another.

Formula. The plug-in information T of the table is too high in small tables, and near 0 its distribution is skew, so the
limits invert a simulated test. The table's conditional distributions p(z | x), with `PRIOR` responses added to each
concept, spread as all concepts together choose, are tilted to q(z) (p(z | x) / q(z))^a, q their mean: a = 0 has no
information, more a more. For each of `LEVELS` tilts, tables of the same numbers of responses are drawn; the limits are
the information of the tilts under which T or more has probability .025 and .975, the estimate that under which it has
one half (median unbiased). Seeded, so that a table always has the same limits. Sources: Cover and Thomas (2006); Miller
(1955), the bias of T; Efron (1985) and Carpenter (1999), limits by inverting a bootstrap test in a family with one
parameter.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import entr, ndtri

from gnomon.data.records import IntervalEstimate
from gnomon.data.results import Estimate
from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.measure_results import BitsEstimate
from gnomon.stats.measures.measured_contrasts import Cell
from gnomon.stats.measures.measured_trials_frame import CELL, select_trials

PICK = "pick"
UNREADABLE = ""
BITS_METHOD = "inverted bootstrap test of tilted tables"
PRIOR = 4.0
"""Responses that are added to each concept, spread as all concepts together choose."""
LEVELS, TABLES, SEED = 24, 1000, 0
"""Tilts of the family, and simulated tables of each."""


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
    rows, columns = counts.shape
    sizes = np.maximum(1, np.round(counts.sum(axis=1)).astype(int))
    if columns == 1:
        return IntervalEstimate(0.0, 0.0, math.log2(rows), math.nan, confidence, BITS_METHOD), 1.0
    observed = float(table_information(counts / counts.sum(axis=1, keepdims=True)))
    shares = counts / counts.sum(axis=1, keepdims=True)
    chosen = (shares.mean(axis=0) * rows + 1 / columns) / (rows + 1)
    family = _tilted_family((counts + PRIOR * chosen) / (counts.sum(axis=1, keepdims=True) + PRIOR))
    truth = np.clip(table_information(family), 0, None)
    truth[0] = 0.0  # no tilt, no information: not what rounding leaves of it
    tails = np.array([_tail_probability(shares, sizes, observed) for shares in family])
    scores = np.maximum.accumulate(ndtri(np.clip(tails, 0.5 / TABLES, 1 - 0.5 / TABLES)))
    tail = (1 - confidence) / 2
    low, value, high = (float(np.interp(ndtri(at), scores, np.sqrt(truth))) ** 2 for at in (tail, 0.5, 1 - tail))
    interval = IntervalEstimate(value, low, max(high, value), (high - low) / 3.92, confidence, BITS_METHOD)
    return interval, float(tails[0])


def table_information(shares: np.ndarray) -> np.ndarray:
    """Mutual information in bits of rows that are alike likely, over the last two axes.

    Parameters
    ----------
    shares : ndarray, shape (..., rows, columns)
        Distribution of the choice in each row.
    """
    chosen = shares.mean(axis=-2, keepdims=True)
    return np.asarray((entr(chosen).sum(axis=(-2, -1)) - entr(shares).sum(axis=-1).mean(axis=-1)) / math.log(2))


def _tilted_family(shares: np.ndarray) -> np.ndarray:
    """Distributions from no information to the most that this pattern can hold, shape (LEVELS, rows, columns)."""
    chosen = shares.mean(axis=0)
    tilts = np.concatenate([[0.0], np.geomspace(0.02, 60, 200)])
    logs = np.log(chosen) + tilts[:, None, None] * np.log(shares / chosen)
    every = np.exp(logs - logs.max(axis=-1, keepdims=True))
    every /= every.sum(axis=-1, keepdims=True)
    root = np.maximum.accumulate(np.sqrt(np.clip(table_information(every), 0, None)))
    return np.asarray(every[np.searchsorted(root, np.linspace(0, root[-1], LEVELS)).clip(0, len(tilts) - 1)])


def _tail_probability(shares: np.ndarray, sizes: np.ndarray, observed: float) -> float:
    """P(plug-in information >= observed), ties by half, in simulated tables of these sizes."""
    random = np.random.default_rng(SEED)
    tables = np.stack(
        [random.multinomial(size, row, TABLES) / size for size, row in zip(sizes, shares, strict=True)], axis=1
    )
    found = table_information(tables)
    close = np.abs(found - observed) < 1e-9
    return float(((found > observed) & ~close).mean() + close.mean() / 2)
