"""Regression on model size: the curve of a typical subject, its slope, and pairwise differences between subjects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from gnomon.stats.estimand_registry import CONTROL, INJECTION, primary_estimands
from gnomon.stats.estimands.definitions import (
    EstimandDraws,
    SubjectPosterior,
    posterior_interval,
    subject_estimands,
)
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.results import ContrastRow

MIN_SUBJECTS = 3
CURVE_POINTS = 30
RIBBON_BUDGET = 400_000


def reason_without_slope(frame: pd.DataFrame) -> str | None:
    """Why this study has no slope in size, or None if it has one."""
    sizes = frame.groupby("subject")["parameters"].first().nunique()
    subjects = frame["subject"].nunique()
    if subjects == 1:
        return "one subject only: a slope in size needs at least 3 subjects of different size"
    if sizes < MIN_SUBJECTS:
        return f"{subjects} subjects of {sizes} sizes: a slope in size needs at least 3 subjects of different size"
    return None


def size_curve(
    model: OutcomeModel, coefficients: np.ndarray, weights: np.ndarray, points: int = CURVE_POINTS
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Estimates of a typical subject of the reference variant, at sizes from the smallest to the largest subject.

    Typical means that its deviations from the line in log2 size are zero. Its design is that of all subjects pooled:
    their concepts, strengths, layers and protocols, weighted by trials.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    coefficients : ndarray, shape (draws, G + P, S)
        Posterior draws of the coefficients.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    points : int, default CURVE_POINTS
        Number of sizes, evenly spaced in log2.

    Returns
    -------
    dict of str to (ndarray, ndarray)
        By estimand: sizes in parameters (points,) and draws of the estimate (draws, points).
    """
    cells = model.design.frame
    middle = float((np.log2(cells["parameters"]) - cells["x"]).iloc[0])
    span = np.linspace(cells["x"].min(), cells["x"].max(), points)
    typical, merged = pooled_reference_cells(cells, weights)
    names = {estimand.name for estimand in primary_estimands("size")}
    rows: dict[str, list[np.ndarray]] = {}
    for x in span:
        share = model.class_probabilities(coefficients, typical.assign(x=x))
        for figure in subject_estimands(SubjectPosterior("", model.classes, typical, share, merged, None)):
            if figure.estimand in names and not figure.by:
                rows.setdefault(figure.estimand, []).append(figure.draws)
    return {name: (2.0 ** (span + middle), np.column_stack(columns)) for name, columns in rows.items()}


def thin_draws(coefficients: np.ndarray, cells: int) -> np.ndarray:
    """A subset of draws that limits the cost of a curve over all cells (`RIBBON_BUDGET`).

    Parameters
    ----------
    coefficients : ndarray, shape (draws, ...)
        Posterior draws.
    cells : int
        Number of cells.
    """
    return coefficients[:: max(1, len(coefficients) * cells // RIBBON_BUDGET)]


def size_slopes(model: OutcomeModel, coefficients: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Mean change of each estimate per doubling of size, from the smallest to the largest subject.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    coefficients : ndarray, shape (draws, G + P, S)
        Posterior draws of the coefficients.
    weights : ndarray, shape (cells,)
        Trials in each cell.

    Returns
    -------
    dict of str to ndarray, shape (draws,)
        Draws of the slope by estimand.
    """
    ends = size_curve(model, coefficients, weights, points=2)
    return {name: (draws[:, 1] - draws[:, 0]) / np.log2(sizes[1] / sizes[0]) for name, (sizes, draws) in ends.items()}


def pairwise_differences(every: Iterable[EstimandDraws]) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Draws of the difference a - b of each pair of subjects, each pair once: estimand, a, b, draws."""
    overall = [figure for figure in every if not figure.by]
    for estimand in primary_estimands("pairs"):
        for one, other in combinations([figure for figure in overall if figure.estimand == estimand.name], 2):
            yield estimand.name, one.subject, other.subject, one.draws - other.draws


def pairwise_contrasts(every: Iterable[EstimandDraws]) -> list[ContrastRow]:
    """Differences a - b of each pair of subjects, each pair once, with P(a > b)."""
    return [contrast_row(*difference) for difference in pairwise_differences(every)]


def contrast_row(estimand: str, a: str, b: str, gap: np.ndarray) -> ContrastRow:
    """A difference of two subjects, summarised from its draws.

    Parameters
    ----------
    estimand : str
    a, b : str
        Names of the subjects.
    gap : ndarray, shape (draws,)
        Draws of the estimand of `a` minus that of `b`.
    """
    return ContrastRow(estimand=estimand, a=a, b=b, **posterior_interval(gap), probability=float((gap > 0).mean()))


def pooled_reference_cells(frame: pd.DataFrame, weights: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Cells of no particular subject, with the trials of all subjects.

    Parameters
    ----------
    frame : pandas.DataFrame
        Prepared cells of the model's design.
    weights : ndarray, shape (cells,)
        Trials in each cell.

    Returns
    -------
    (pandas.DataFrame, ndarray)
        Pooled cells of the injection and control arms, and their trials.
    """
    axes = ["arm", "concept", "s", "d", "protocol", "span"]
    rounded = frame.assign(s=frame["s"].round(9), d=frame["d"].round(9), weight=weights)
    both = rounded[rounded["arm"].isin([INJECTION, CONTROL])]
    merged = both.groupby(axes, dropna=False, sort=True).agg(weight=("weight", "sum")).reset_index()
    blank = merged.assign(subject=None, variant=None, strength=0.0)
    return blank, blank["weight"].to_numpy(float)
