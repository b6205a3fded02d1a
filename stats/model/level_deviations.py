"""Levels of the conditions of a steered arm, and which groupings of them a study's data carry.

The predictor is smooth in strength and depth and additive in concepts. Real rates are not: a concept may work in one
layer alone, and one cell may lie a logit off. Without deviations for that, intervals shrink around a wrong curve
(decision 18). So trials of a steered arm are grouped by level within each subject, and each group deviates from what
coarser terms say, with a standard deviation of the grouping that the data determine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gnomon.stats.model.basis_functions import Basis
from gnomon.stats.model.priors import Priors

MIN_TRIALS = 5.0
"""Mean number of trials in a group below which a grouping is left out: its groups would follow their prior."""
MAX_LEVELS = 1000
"""Number of groups above which a grouping is left out, because of the size of the draws: coarser ones stay."""
TOLERANCE = 1e-6

Level = tuple[str, ...]


class LevelGrouping(NamedTuple):
    """A grouping of the trials of an arm: its name, the axes whose values make a level, the scale of its prior."""

    name: str
    axes: tuple[str, ...]
    scale: float


def level_groupings(priors: Priors) -> tuple[LevelGrouping, ...]:
    """All groupings, coarse ones first."""
    return (
        LevelGrouping("strength level", ("subject", "dose"), priors.strength_level_scale),
        LevelGrouping("layer level", ("subject", "site"), priors.layer_level_scale),
        LevelGrouping("span level", ("subject", "span"), priors.wording_level_scale),
        LevelGrouping("protocol level", ("subject", "protocol"), priors.wording_level_scale),
        LevelGrouping("layer x strength", ("subject", "site", "dose"), priors.layer_strength_scale),
        LevelGrouping("concept x layer", ("subject", "concept", "site"), priors.concept_layer_scale),
        LevelGrouping("cell", ("subject", "concept", "site", "dose", "span", "protocol"), priors.cell_scale),
    )


def dose_levels(frame: pd.DataFrame) -> pd.Series[str]:
    """Level of strength of each cell, from `s`, which measures it from its subject's own middle, and its sign."""
    sign = np.where(frame["strength"].to_numpy(float) < 0, "negative ", "")
    return pd.Series([f"{a}{b}" for a, b in zip(sign, _rounded(frame["s"]), strict=True)], frame.index, dtype=object)


def site_levels(frame: pd.DataFrame) -> pd.Series[str]:
    """Level of layer of each cell: its depth; the layer's number if no depth is known; "" without a layer."""
    numbered = ["" if pd.isna(layer) else f"layer {layer:g}" for layer in frame["layer"]]
    known = frame["depth"].notna().to_numpy()
    return pd.Series(np.where(known, _rounded(frame["d"]), numbered), frame.index, dtype=object)


def cell_levels(frame: pd.DataFrame, axes: Sequence[str]) -> list[Level]:
    """Level of each cell in the axes; missing values are equal.

    Parameters
    ----------
    frame : pandas.DataFrame
        Prepared cells (`linear_predictor.add_covariates`).
    axes : sequence of str
        Columns.

    Returns
    -------
    list of tuple of str, length n
    """
    columns = [["" if pd.isna(value) else str(value) for value in frame[axis]] for axis in axes]
    return list(zip(*columns, strict=True))


def level_basis(arm: str, axes: Sequence[str], levels: Sequence[Level]) -> Basis:
    """One indicator for each level of an arm's cells; zero for cells of other levels and arms.

    Parameters
    ----------
    arm : str
        Name of the arm.
    axes : sequence of str
        Columns whose values make a level.
    levels : sequence of tuple of str
        The L levels.

    Returns
    -------
    callable
        Basis of width L.
    """
    place = {level: number for number, level in enumerate(levels)}

    def basis(frame: pd.DataFrame) -> np.ndarray:
        out = np.zeros((len(frame), len(levels)))
        here = (frame["arm"] == arm).to_numpy()
        for row, level in enumerate(cell_levels(frame, axes)):
            if here[row] and level in place:
                out[row, place[level]] = 1.0
        return out

    return basis


def carried_groupings(
    cells: pd.DataFrame, trials: np.ndarray, columns: np.ndarray, groupings: Sequence[LevelGrouping]
) -> list[tuple[LevelGrouping, list[Level]]]:
    """The groupings that the data of one arm carry, each with its levels.

    A grouping is carried if (a) it says something new: some of its indicators are no linear combination of the columns
    that the predictor has without it, coarser groupings included (so two strengths, which the linear effect describes,
    have no levels, and a cell of a study with one concept is not a second layer by strength); (b) its groups have
    `MIN_TRIALS` trials on average; (c) they are at most `MAX_LEVELS`. With one trial in a cell, for example, (b) leaves
    out the cells, while layers and strengths stay.

    Parameters
    ----------
    cells : pandas.DataFrame
        Prepared cells of the arm, those with trials only.
    trials : ndarray, shape (n,)
        Trials in each cell; all zero means a design without data, for which (b) is taken as met.
    columns : ndarray, shape (n, P)
        Columns of the predictor for these cells.
    groupings : sequence of LevelGrouping
        Candidates, coarse ones first.
    """
    out: list[tuple[LevelGrouping, list[Level]]] = []
    whole = cell_levels(cells, sorted({axis for grouping in groupings for axis in grouping.axes}))
    first = np.sort(np.unique(whole, axis=0, return_index=True)[1])
    span, rng = _orthonormal(columns[first]), np.random.default_rng(0)
    for grouping in groupings:
        found = cell_levels(cells, grouping.axes)
        levels = sorted(set(found))
        if len(levels) > MAX_LEVELS or (trials.any() and trials.sum() < MIN_TRIALS * len(levels)):
            continue
        place = {level: number for number, level in enumerate(levels)}
        member = np.array([place[found[row]] for row in first])
        # A combination with random weights lies in the span only if every indicator does.
        weights = rng.normal(size=len(levels))[member]
        if np.linalg.norm(weights - span @ (span.T @ weights)) > TOLERANCE * np.linalg.norm(weights):
            out.append((grouping, levels))
            indicator = (member[:, None] == np.arange(len(levels))).astype(float)
            span = np.hstack([span, _orthonormal(indicator - span @ (span.T @ indicator))])
    return out


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the columns' span."""
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, values > TOLERANCE * max(1.0, float(values.max(initial=0.0)))])


def _rounded(values: pd.Series[float]) -> list[str]:
    return [f"{value:.6f}" for value in values.to_numpy(float).round(6) + 0.0]
