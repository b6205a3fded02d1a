"""Validated arrays of ratings and counts, and agreement weights that give partial credit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.data.errors import InputError, NotEnoughDataError

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval", "ratio"]
TINY = 1e-12


def distance_weights(level: Level, values: Floats, totals: Floats) -> Floats:
    """Agreement weights 1 - d / max d from Krippendorff's squared distances d (alpha does not depend on the scale).

    Parameters
    ----------
    level : {"nominal", "ordinal", "interval", "ratio"}
        Scale of measurement.
    values : array (q,)
        Category codes in order.
    totals : array (q,)
        Number of ratings in each category, used for ordinal distances.

    Returns
    -------
    array (q, q)
        Weights, 1 on the diagonal.

    Raises
    ------
    InputError
        If the level is not known.
    """
    one, other = values[:, None], values[None, :]
    if level == "nominal":
        return np.eye(len(values))
    if level == "ordinal":
        ranks = np.cumsum(totals) - totals / 2
        distance = (ranks[:, None] - ranks[None, :]) ** 2
    elif level == "interval":
        distance = (one - other) ** 2
    elif level == "ratio":
        both = one + other
        distance = np.divide(one - other, both, out=np.zeros_like(both), where=both != 0) ** 2
    else:
        raise InputError(f"level '{level}' of alpha is not known: choose nominal, ordinal, interval or ratio")
    credit: Floats = 1 - distance / max(float(distance.max()), TINY)
    return credit


def named_weights(name: str, values: Floats) -> Floats:
    """Agreement weights by name: decreasing with the distance of the codes, its square, or the categories spanned.

    Parameters
    ----------
    name : {"linear", "quadratic", "ordinal"}
        Kind of weights.
    values : array (q,)
        Category codes in order.

    Returns
    -------
    array (q, q)
        Weights, 1 on the diagonal.

    Raises
    ------
    InputError
        If the name is not known.
    """
    apart = np.abs(values[:, None] - values[None, :])
    place = np.arange(len(values))
    spanned = np.abs(place[:, None] - place[None, :]) + 1
    named = {"linear": apart, "quadratic": apart**2, "ordinal": spanned * (spanned - 1) / 2}
    if name not in named:
        raise InputError(f"weights '{name}' are not known: choose from {', '.join(named)}, or pass a matrix")
    credit: Floats = 1 - named[name] / max(float(named[name].max()), TINY)
    return credit


def as_ratings(ratings: ArrayLike) -> Floats:
    """Ratings as an array (units, raters) with NaN where missing.

    Raises
    ------
    InputError
        If the array is not two-dimensional.
    """
    values = np.asarray(ratings, dtype=float)
    if values.ndim != 2:
        raise InputError(f"ratings of shape {values.shape}: pass an array of units x raters, NaN where missing")
    return values


def count_ratings(ratings: ArrayLike, categories: Sequence[float] | None) -> tuple[Floats, Floats]:
    """How many raters put each unit into each category.

    Parameters
    ----------
    ratings : array (units, raters)
        Category codes, NaN where missing.
    categories : sequence of float or None
        All categories that could be chosen; None for those that occur.

    Returns
    -------
    array (units, q), array (q,)
        Counts, and the category codes in order.

    Raises
    ------
    InputError
        If a rating is not among the categories.
    NotEnoughDataError
        If no unit is rated.
    """
    values = as_ratings(ratings)
    used = np.unique(values[~np.isnan(values)])
    _need_ratings(len(used))
    codes = used if categories is None else np.unique(np.asarray(categories, dtype=float))
    strange = np.setdiff1d(used, codes)
    if len(strange):
        raise InputError(f"rating {strange[0]:g} is not among the categories {codes.tolist()}")
    return (values[:, :, None] == codes).sum(axis=1).astype(float), codes


def check_square(table: ArrayLike) -> Floats:
    """A square table of counts: the same categories in rows and columns.

    Raises
    ------
    InputError
        If the table is not square.
    """
    counts = counts_table(table)
    if counts.shape[0] != counts.shape[1]:
        raise InputError(f"table of shape {counts.shape}: two raters need the same categories in the same order")
    return counts


def counts_table(table: ArrayLike) -> Floats:
    """A two-dimensional table of counts with at least one rating.

    Raises
    ------
    InputError
        If it is not two-dimensional, or has negative or missing counts.
    NotEnoughDataError
        If all counts are 0.
    """
    counts = np.asarray(table, dtype=float)
    if counts.ndim != 2 or bool((counts < 0).any()) or bool(np.isnan(counts).any()):
        raise InputError("table of counts: pass a two-dimensional array of numbers that are not negative")
    _need_ratings(int(counts.sum() > 0))
    return counts


def _need_ratings(number: int) -> None:
    if not number:
        raise NotEnoughDataError("agreement: no unit is rated: label some first")
