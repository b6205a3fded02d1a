"""How much too narrow intervals of counts are that do not show which trials shared a concept, layer or strength.

    python -m bench.validity.sweep_clustering

From the study's public sweeps by cell, and its net detection by concept as printed (`data/published`).

Estimand: the mean rate over the levels of one axis (concepts, layers, strengths or cells) that might have been used,
beside the rate over the levels that were used. Assumptions: the levels are an exchangeable sample of those, all with
the same number of trials. Formula: se = sd(level rates) / sqrt(k) with the t distribution on k - 1 degrees of freedom;
for the levels used, se^2 = mean over cells of p (1 - p) / (n - 1), divided by the number of cells. The design effect is
(se / binomial se)^2; its root is the factor by which a binomial interval is too narrow. Source: Kish 1965, Survey
Sampling, section 5.4; Cameron and Miller 2015, J. Human Resources 50, 317-372, section VI (few clusters).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from gnomon.data.bundled import HERE

AXES = ("concept", "layer", "strength")
FLOOR = 20
"""Passes below which a sweep says nothing about how its cells differ."""


@dataclass(frozen=True)
class ClusteredRate:
    """One rate with its errors: binomial, for the conditions used, and over levels of an axis.

    Attributes
    ----------
    name : str
        Model, span and arm.
    rate : float
        Share of passes.
    binomial, fixed : float
        Standard errors of a binomial count, and for exactly the conditions that were used.
    over : mapping of str to (float, float)
        By axis: half width of the 95 % interval over levels like these, and the factor over the binomial one.
    """

    name: str
    rate: float
    binomial: float
    fixed: float
    over: dict[str, tuple[float, float]]


def interval_over_levels(rates: Sequence[float]) -> float:
    """Half width of the 95 % interval of the mean over levels like these.

    Raises
    ------
    ValueError
        If there are fewer than two levels.
    """
    many = len(rates)
    if many < 2:
        raise ValueError("one level: give at least two")
    return float(t.ppf(0.975, many - 1) * np.std(rates, ddof=1) / np.sqrt(many))


def clustered_rate(name: str, cells: pd.DataFrame) -> ClusteredRate:
    """The pass rate of one sweep and arm with its errors.

    Parameters
    ----------
    name : str
        What it is called.
    cells : pandas.DataFrame
        Cells with the columns concept, layer, strength, n and passed.
    """
    n, total = cells["n"].to_numpy(dtype=float), float(cells["n"].sum())
    shares = cells["passed"].to_numpy() / n
    rate = float(cells["passed"].sum() / total)
    binomial = float(np.sqrt(rate * (1 - rate) / total))
    fixed = float(np.sqrt((n**2 * shares * (1 - shares) / (n - 1)).sum()) / total)
    over: dict[str, tuple[float, float]] = {}
    for axis in AXES:
        levels = cells.groupby(axis)[["passed", "n"]].sum()
        half = interval_over_levels((levels["passed"] / levels["n"]).tolist())
        over[axis] = (half, half / (1.96 * binomial))
    return ClusteredRate(name, rate, binomial, fixed, over)


def sweep_rates() -> Iterator[ClusteredRate]:
    """Rates of the public sweeps and arms in which enough trials pass, and enough do not."""
    sweeps = pd.read_csv(HERE / "published" / "qwen_sweep_cells.csv")
    for (subject, span, arm), cells in sweeps.groupby(["subject", "span", "arm"]):
        if min(cells["passed"].sum(), cells["failed"].sum()) >= FLOOR:
            yield clustered_rate(f"{subject}, span {span}, {arm}", cells)


def published_by_concept() -> Iterator[tuple[str, float, float]]:
    """Net detection by concept as printed: the models, their mean, and half its interval over concepts like these."""
    table = pd.read_csv(HERE / "published" / "net_detection_by_concept.csv")
    for models, rows in table.groupby("model_set", sort=False):
        values = (rows["net_detection_pct"] / 100).tolist()
        yield str(models), float(np.mean(values)), interval_over_levels(values)


def main() -> None:
    """Print the tables."""
    print("| sweep, arm | passes | binomial | these conditions | over concepts | over layers | over strengths |")
    print("|---|---|---|---|---|---|---|")
    for row in sweep_rates():
        spread = [f"± {100 * half:.1f} (x {factor:.1f})" for half, factor in row.over.values()]
        ends = [f"± {196 * row.binomial:.1f}", f"± {196 * row.fixed:.1f}"]
        print(f"| {row.name} | {100 * row.rate:.1f} | {' | '.join([*ends, *spread])} |")
    print("\n| net detection as printed | mean over its concepts | over concepts like these |\n|---|---|---|")
    for models, mean, half in published_by_concept():
        print(f"| {models} | {100 * mean:+.1f} | {100 * (mean - half):+.1f} to {100 * (mean + half):+.1f} |")


if __name__ == "__main__":
    main()
