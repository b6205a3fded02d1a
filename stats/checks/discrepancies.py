"""Posterior predictive p-values of yes-or-no questions about groups of trials.

A question ("is the outcome an event?") is asked of units: trials that the statistical model gives one probability.
Units are summed over the groups of an axis (strengths, layers, concepts, pairs of them), and the observed counts of the
groups are compared with counts drawn from the fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

ENOUGH_EXCEEDANCES = 10
REPLICATES, BATCHES, BATCH = 400, 20, 500
"""Data sets that are replicated at least (several for each posterior draw where there are fewer draws), and further
batches of them where few are as far off as the observed data."""


@dataclass(frozen=True)
class BinaryQuestion:
    """A yes-or-no question about trials, with the posterior of its answer.

    Attributes
    ----------
    data, stage : str
        What was observed ("outcomes", "labels", "verdicts of NAME"), and the class in question.
    units : DataFrame
        One row per unit (U), with its subject, arm and further axes.
    n, observed : ndarray, shape (U,)
        Trials of each unit, and those for which the answer is yes.
    probability : ndarray, shape (D, U)
        Draws of P(yes).
    axes : tuple of tuple of str
        Axes by which the question is checked, each a tuple of columns of `units`; the empty one is the whole.
    weight : float
        Weight of a trial in the likelihood, in (0, 1].
    """

    data: str
    stage: str
    units: pd.DataFrame
    n: np.ndarray
    observed: np.ndarray
    probability: np.ndarray
    axes: tuple[tuple[str, ...], ...]
    weight: float = 1.0

    def replicate_counts(self, rng: np.random.Generator) -> np.ndarray:
        """Counts of yes drawn from the posterior, shape (R, U): one or several data sets for each draw in turn."""
        repeats = -(-REPLICATES // len(self.probability))
        return rng.binomial(self.n, np.clip(np.tile(self.probability, (repeats, 1)), 0.0, 1.0))


@dataclass(frozen=True)
class GroupedCounts:
    """Counts of the G groups of one axis, observed and replicated (R, G), and their p-value (`predictive_p_value`)."""

    values: list[str]
    n: np.ndarray
    observed: np.ndarray
    replicated: np.ndarray
    p: float
    weight: float = 1.0

    def furthest_group(self) -> int:
        """Index of the group whose observed count is most standard deviations from its mean."""
        spread = np.maximum(self.replicated.std(axis=0), 0.1)
        return int(np.argmax(np.abs(self.observed - self.replicated.mean(axis=0)) / spread))

    def interval(self, group: int) -> tuple[float, float, float]:
        """Mean and 95 % limits of one group's replicated count."""
        drawn = self.replicated[:, group]
        mean = float(drawn.mean())
        low, high = mean + (np.quantile(drawn, [0.025, 0.975]) - mean) / np.sqrt(self.weight)
        return mean, max(float(low), 0.0), min(float(high), float(self.n[group]))


def freeman_tukey(yes: np.ndarray, n: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Freeman and Tukey's discrepancy of a count and its complement from their expectations.

    (sqrt(y) - sqrt(e))^2 + (sqrt(n - y) - sqrt(n - e))^2 (Freeman and Tukey 1950, Annals of Mathematical Statistics
    21, 607-611). Unlike Pearson's chi-squared it stays finite where the expectation goes to 0, so that a rare class
    does not dominate the sum over groups.

    Parameters
    ----------
    yes, n, expected : ndarray
        Counts of yes, of all, and expected counts of yes; broadcast together.
    """
    near = (np.sqrt(yes) - np.sqrt(expected)) ** 2
    return np.asarray(near + (np.sqrt(n - yes) - np.sqrt(np.maximum(n - expected, 0.0))) ** 2)


def predictive_p_value(
    replicated: np.ndarray, observed: np.ndarray, further: Iterable[tuple[np.ndarray, np.ndarray]] = ()
) -> float:
    """Share of draws in which replicated data are at least as far from their expectation as the observed data.

    The posterior predictive p-value of a discrepancy (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733-807). It
    is not uniform under the model but concentrated around .5, so it rejects too seldom rather than too often. If fewer
    than `ENOUGH_EXCEEDANCES` data sets are as far off, further ones are drawn. If none of these is, p is at most one in
    their number, and below that the tail of the gamma distribution with the mean and variance of the replicated
    discrepancies (a scaled chi-squared; Satterthwaite 1946, Biometrics Bulletin 2, 110-114).

    Parameters
    ----------
    replicated, observed : ndarray, shape (R,)
        Discrepancy of each replicated data set, and of the observed data under the same draw.
    further : iterable of (ndarray, ndarray)
        Further discrepancies of the same kinds, drawn only where they are needed.
    """
    from scipy.stats import gamma

    beyond = int((replicated >= observed - 1e-9).sum())
    if beyond >= ENOUGH_EXCEEDANCES:
        return beyond / len(replicated)
    pairs = [(replicated, observed), *further]
    drawn, found = np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])
    beyond, mean, variance = int((drawn >= found - 1e-9).sum()), float(drawn.mean()), float(drawn.var())
    resolved = (beyond + 1) / (len(drawn) + 1)
    if beyond or variance <= 0.0:
        return resolved
    return min(resolved, float(gamma.sf(found, mean**2 / variance, scale=variance / mean).mean()))


def group_counts(
    question: BinaryQuestion, by: tuple[str, ...], rng: np.random.Generator
) -> Iterator[tuple[str, str, tuple[str, ...], GroupedCounts]]:
    """Counts by every axis of a question, apart for each value of `by`.

    An axis with a single group is left out, and an axis of two columns where one of them has a single value.

    Parameters
    ----------
    question : BinaryQuestion
        The question.
    by : tuple of str
        Columns of the units whose values are checked apart: ("arm",) or ("subject", "arm").
    rng : numpy.random.Generator
        Source of randomness.

    Yields
    ------
    tuple of (str, str, tuple of str, GroupedCounts)
        Subject ("" for all together), arm, axis and counts.
    """
    replicated = question.replicate_counts(rng)
    columns = {column for axis in question.axes for column in axis}
    coded = {column: pd.factorize(question.units[column], sort=True) for column in columns}
    for key, part in question.units.groupby(list(by), sort=False).indices.items():
        rows = np.asarray(part)
        rows = rows[question.n[rows] > 0]
        names = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        several = {column for column, (code, _) in coded.items() if len(np.unique(code[rows][code[rows] >= 0])) > 1}
        for axis in question.axes if len(rows) else ():
            if several.issuperset(axis):
                found = _sum_over(question, replicated, rows, [coded[column] for column in axis], rng)
                yield str(names.get("subject", "")), str(names["arm"]), axis, found


def _sum_over(
    question: BinaryQuestion,
    replicated: np.ndarray,
    rows: np.ndarray,
    axis: Sequence[tuple[np.ndarray, pd.Index]],
    rng: np.random.Generator,
) -> GroupedCounts:
    """Counts of `rows` summed over the groups of an axis, whose columns are given as codes and their values.

    Units without a value on the axis are left out.
    """
    codes = np.stack([np.zeros(len(rows), dtype=np.int64), *(code[rows] for code, _ in axis)], axis=1)
    known = (codes >= 0).all(axis=1)
    keys, group = np.unique(codes[known], axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    starts = np.searchsorted(group.reshape(-1)[order], np.arange(len(keys)))
    rows = rows[known][order]

    n, observed, chance = question.n[rows], question.observed[rows], question.probability[:, rows]

    def discrepancies(counts: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        expected = np.add.reduceat(n * chance[draws], starts, axis=-1)
        totals = np.add.reduceat(n, starts)
        far = [
            freeman_tukey(np.add.reduceat(one, starts, axis=-1), totals, expected).sum(axis=1)
            for one in (counts, observed)
        ]
        return far[0], question.weight * far[1]

    def further() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(BATCHES):
            draws = rng.integers(len(chance), size=BATCH)
            yield discrepancies(rng.binomial(n, np.clip(chance[draws], 0.0, 1.0)), draws)

    values = [[_value_text(levels[place]) for place in keys[:, 1 + k]] for k, (_, levels) in enumerate(axis)]
    first = discrepancies(replicated[:, rows], np.arange(len(replicated)) % len(chance))
    return GroupedCounts(
        values=[", ".join(parts) for parts in zip(*values, strict=True)] or [""],
        n=np.add.reduceat(n, starts),
        observed=np.add.reduceat(observed, starts),
        replicated=np.add.reduceat(replicated[:, rows], starts, axis=-1),
        p=predictive_p_value(*first, further()),
        weight=question.weight,
    )


def _value_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
