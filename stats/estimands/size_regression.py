"""What the regression on size says: the curve of a typical subject, its slope, and subjects compared in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from gnomon.stats.estimands.definitions import (
    CONTROL,
    INJECTION,
    NET_ENGAGED,
    NET_RAW,
    Figure,
    Source,
    figures,
    interval,
)
from gnomon.stats.inference.hierarchical import Model

MIN_SUBJECTS = 3
GRID = 30
BUDGET = 400_000
ON_CURVE = (NET_RAW, NET_ENGAGED, "detection", "false_alarm", "refusal")
IN_PAIRS = (NET_RAW, NET_ENGAGED, "refusal")


def reason_without_slope(frame: pd.DataFrame) -> str | None:
    """Why this study has no slope in size, or None where it has one."""
    sizes = frame.groupby("subject")["parameters"].first().nunique()
    subjects = frame["subject"].nunique()
    if subjects == 1:
        return "one subject only: a slope in size needs at least 3 subjects of different size"
    if sizes < MIN_SUBJECTS:
        return f"{subjects} subjects of {sizes} sizes: a slope in size needs at least 3 subjects of different size"
    return None


def curve(
    model: Model, coefficients: np.ndarray, weights: np.ndarray, points: int = GRID
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Figures of a typical subject of the usual variant, at sizes from the smallest to the largest subject.

    Typical means that its deviations from the line in log2 size are zero. Its design is that of all subjects
    pooled: their concepts, strengths, layers and protocols, weighted by trials.

    Returns
    -------
    dict
        By estimand: sizes in parameters (points,) and draws of the figure (draws, points).
    """
    cells = model.design.frame
    middle = float((np.log2(cells["parameters"]) - cells["x"]).iloc[0])
    span = np.linspace(cells["x"].min(), cells["x"].max(), points)
    typical, merged = reference(cells, weights)
    rows: dict[str, list[np.ndarray]] = {}
    for x in span:
        share = model.probabilities(coefficients, typical.assign(x=x))
        for figure in figures(Source("", model.classes, typical, share, merged, None)):
            if figure.estimand in ON_CURVE and not figure.by:
                rows.setdefault(figure.estimand, []).append(figure.draws)
    return {name: (2.0 ** (span + middle), np.column_stack(columns)) for name, columns in rows.items()}


def thinned(coefficients: np.ndarray, cells: int) -> np.ndarray:
    """As many of the draws as a ribbon over this many cells can afford."""
    return coefficients[:: max(1, len(coefficients) * cells // BUDGET)]


def slopes(model: Model, coefficients: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Mean change of each figure per doubling of size, from the smallest to the largest subject, draws of it."""
    ends = curve(model, coefficients, weights, points=2)
    return {name: (draws[:, 1] - draws[:, 0]) / np.log2(sizes[1] / sizes[0]) for name, (sizes, draws) in ends.items()}


def gaps(every: Iterable[Figure]) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Draws of the difference a - b of each pair of subjects, each pair once: estimand, a, b, draws."""
    overall = [figure for figure in every if not figure.by]
    for name in IN_PAIRS:
        for one, other in combinations([figure for figure in overall if figure.estimand == name], 2):
            yield name, one.subject, other.subject, one.draws - other.draws


def contrasts(every: Iterable[Figure]) -> list[dict[str, Any]]:
    """Differences a - b of each pair of subjects, each pair once, with P(a > b)."""
    out = []
    for name, one, other, gap in gaps(every):
        out.append({"estimand": name, "a": one, "b": other, **interval(gap), "probability": float((gap > 0).mean())})
    return out


def reference(frame: pd.DataFrame, weights: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Cells of no subject in particular, with the trials of all subjects."""
    axes = ["arm", "concept", "s", "d", "protocol", "span"]
    rounded = frame.assign(s=frame["s"].round(9), d=frame["d"].round(9), weight=weights)
    both = rounded[rounded["arm"].isin([INJECTION, CONTROL])]
    merged = both.groupby(axes, dropna=False, sort=True).agg(weight=("weight", "sum")).reset_index()
    blank = merged.assign(subject=None, variant=None, strength=0.0)
    return blank, blank["weight"].to_numpy(float)
