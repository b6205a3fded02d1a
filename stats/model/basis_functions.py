"""Basis functions of cells: the columns of a design's terms, and their row-wise products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import pandas as pd

from gnomon.data.arms import steered_arms

Basis = Callable[[pd.DataFrame], np.ndarray]
"""From a prepared frame of n cells to an array (n, width)."""


def sum_to_zero_basis(levels: int) -> np.ndarray:
    """Orthonormal basis (levels, levels - 1) of the effects that sum to zero (Helmert)."""
    table = np.tril(np.ones((levels, levels)), -1)[:, : levels - 1].T
    table = np.eye(levels)[: levels - 1] * np.arange(levels - 1, 0, -1)[:, None] - table
    return np.asarray((table / np.linalg.norm(table, axis=1, keepdims=True)).T)


def intercept_column(frame: pd.DataFrame) -> np.ndarray:
    """A column of ones."""
    return np.ones((len(frame), 1))


def steered_indicator(frame: pd.DataFrame) -> np.ndarray:
    """Indicator of the arms in which a vector is added."""
    return frame["arm"].isin(steered_arms()).to_numpy(float)[:, None]


def arm_indicator(arm: str) -> Basis:
    """Indicator of one arm."""
    return lambda frame: (frame["arm"] == arm).to_numpy(float)[:, None]


def covariate_column(name: str) -> Basis:
    """The values of a column."""
    return lambda frame: frame[name].to_numpy(float)[:, None]


def squared_covariate(name: str) -> Basis:
    """The square of a standardised column, minus its mean of 1."""
    return lambda frame: frame[name].to_numpy(float)[:, None] ** 2 - 1.0


def level_indicators(axis: str, levels: Sequence[str]) -> Basis:
    """One indicator for each level of an axis; zero for cells of another level.

    Parameters
    ----------
    axis : str
        Column of the frame.
    levels : sequence of str
        The L levels.

    Returns
    -------
    callable
        Basis of width L.
    """
    return lambda frame: np.column_stack([(frame[axis] == level).to_numpy(float) for level in levels])


def sum_to_zero_contrast(axis: str, levels: Sequence[str]) -> Basis:
    """Effects of the levels of an axis that sum to zero; zero for cells of another level.

    Parameters
    ----------
    axis : str
        Column of the frame.
    levels : sequence of str
        The L levels.

    Returns
    -------
    callable
        Basis of width L - 1.
    """
    pick, basis = level_indicators(axis, levels), sum_to_zero_basis(len(levels))
    return lambda frame: pick(frame) @ basis


def interaction_basis(*bases: Basis) -> Basis:
    """All products of one column from each basis."""

    def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.asarray((left[:, :, None] * right[:, None, :]).reshape(len(left), -1))

    return lambda frame: reduce(product, (basis(frame) for basis in bases))
