"""Posterior predictive p-values of yes-or-no questions about groups of trials.

A question ("is the outcome an event?") is asked of units: trials that the statistical model gives one probability.
Units are summed over the groups of an axis (strengths, layers, concepts, pairs of them), and the observed counts of the
groups are compared with counts drawn from the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import gamma

ENOUGH_EXCEEDANCES = 10
REPLICATES = 400
"""Data sets that are replicated at least: several for each posterior draw where there are fewer draws."""


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
    """Counts of the G groups of one axis: observed, replicated (R, G), and expected given each one's draw (R, G)."""

    values: list[str]
    n: np.ndarray
    observed: np.ndarray
    replicated: np.ndarray
    expected: np.ndarray
    weight: float = 1.0

    def p_value(self) -> float:
        """Posterior predictive p-value of all groups together (`predictive_p_value`)."""
        far = [freeman_tukey(count, self.n, self.expected).sum(axis=1) for count in (self.replicated, self.observed)]
        return predictive_p_value(far[0], self.weight * far[1])

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


def predictive_p_value(replicated: np.ndarray, observed: np.ndarray) -> float:
    """Share of draws in which replicated data are at least as far from their expectation as the observed data.

    The posterior predictive p-value of a discrepancy (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733-807). It
    is not uniform under the model but concentrated around .5, so it rejects too seldom rather than too often. A share
    of fewer than `ENOUGH_EXCEEDANCES` draws is replaced by the tail of the gamma distribution with the mean and
    variance of the replicated discrepancies (a scaled chi-squared; Satterthwaite 1946, Biometrics Bulletin 2, 110-114),
    because corrections for many checks need p-values far below 1 in the number of draws.

    Parameters
    ----------
    replicated, observed : ndarray, shape (R,)
        Discrepancy of the replicated and of the observed data under each draw.
    """
    beyond = int((replicated >= observed - 1e-9).sum())
    mean, variance = float(replicated.mean()), float(replicated.var())
    if beyond >= ENOUGH_EXCEEDANCES or variance <= 0.0:
        return beyond / len(replicated)
    return float(gamma.sf(observed, mean**2 / variance, scale=variance / mean).mean())


def group_counts(
    question: BinaryQuestion, replicated: np.ndarray, by: tuple[str, ...]
) -> Iterator[tuple[str, str, tuple[str, ...], GroupedCounts]]:
    """Counts by every axis of a question, apart for each value of `by`.

    An axis with a single group is left out, and an axis of two columns where one of them has a single value.

    Parameters
    ----------
    question : BinaryQuestion
        The question.
    replicated : ndarray, shape (R, U)
        `BinaryQuestion.replicate_counts`.
    by : tuple of str
        Columns of the units whose values are checked apart: ("arm",) or ("subject", "arm").

    Yields
    ------
    tuple of (str, str, tuple of str, GroupedCounts)
        Subject ("" for all together), arm, axis and counts.
    """
    columns = {column for axis in question.axes for column in axis}
    coded = {column: pd.factorize(question.units[column], sort=True) for column in columns}
    for key, part in question.units.groupby(list(by), sort=False).indices.items():
        rows = np.asarray(part)
        rows = rows[question.n[rows] > 0]
        names = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        several = {column for column, (code, _) in coded.items() if len(np.unique(code[rows][code[rows] >= 0])) > 1}
        for axis in question.axes if len(rows) else ():
            if several.issuperset(axis):
                found = _sum_over(question, replicated, rows, [coded[column] for column in axis])
                yield str(names.get("subject", "")), str(names["arm"]), axis, found


def _sum_over(
    question: BinaryQuestion,
    replicated: np.ndarray,
    rows: np.ndarray,
    axis: Sequence[tuple[np.ndarray, pd.Index]],
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

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[..., rows], starts, axis=-1)

    expected = np.add.reduceat(question.n[rows] * question.probability[:, rows], starts, axis=-1)
    values = [[_value_text(levels[place]) for place in keys[:, 1 + k]] for k, (_, levels) in enumerate(axis)]
    return GroupedCounts(
        values=[", ".join(parts) for parts in zip(*values, strict=True)] or [""],
        n=total(question.n),
        observed=total(question.observed),
        replicated=total(replicated),
        expected=np.resize(expected, (len(replicated), len(keys))),
        weight=question.weight,
    )


def _value_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
