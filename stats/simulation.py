"""Studies with a known truth, as counts: to test that intervals hold what they promise, and to plan what to label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from stats.cells import AXES, MISSING, Cells, Patterns


@dataclass(frozen=True)
class Study:
    """A simulated study: what is seen, what the first judge makes of it, and what really happened."""

    patterns: Patterns
    judged: Cells
    truth: Cells


def accurate(classes: int, right: float) -> np.ndarray:
    """Confusion (K, K) of a judge that is right with this probability and errs evenly."""
    wrong = (1.0 - right) / (classes - 1)
    return np.full((classes, classes), wrong) + np.eye(classes) * (right - wrong)


def cell_frame(rows: list[Mapping[str, object]]) -> pd.DataFrame:
    """Cells from the axes that matter; the others get the same value everywhere."""
    usual: dict[str, object] = {"subject": "s", "parameters": 1e9, "variant": "instruct", "concept": None}
    usual |= {"layer": np.nan, "depth": np.nan, "strength": 0.0, "span": "generation", "protocol": "p"}
    frame = pd.DataFrame([{**usual, **row} for row in rows], columns=list(AXES))
    return frame.astype(dict.fromkeys(("subject", "variant", "arm", "concept", "span", "protocol"), object))


def simulate(
    frame: pd.DataFrame,
    n: np.ndarray,
    classes: tuple[str, ...],
    probabilities: np.ndarray,
    confusion: Mapping[str, np.ndarray],
    labelled: tuple[float, float],
    rng: np.random.Generator,
) -> Study:
    """Draw a study.

    Parameters
    ----------
    frame : DataFrame
        Cells (`cell_frame`).
    n : ndarray, shape (cells,)
        Trials in each.
    classes : tuple of str
        The K classes.
    probabilities : ndarray, shape (cells, K)
        Of the true classes.
    confusion : mapping of arm to ndarray, shape (J, K, K)
        P(verdict | truth) of each judge; judges err independently.
    labelled : tuple of float
        Probability that a trial is labelled where all judges agree, and where they do not.
    rng : Generator
    """
    many, judges = len(classes), len(next(iter(confusion.values())))
    full = np.array(list(product(range(many), repeat=judges)))
    agree = (full == full[:, :1]).all(axis=1)
    chance = np.where(agree, *labelled)
    truth = np.stack([rng.multinomial(size, share) for size, share in zip(n, probabilities, strict=True)])
    rows: list[tuple[int, ...]] = []
    for c, z in product(range(len(frame)), range(many)):
        table = confusion[str(frame["arm"].iloc[c])][np.arange(judges), z][np.arange(judges), full]
        seen = rng.multinomial(truth[c, z], table.prod(axis=1))
        known = rng.binomial(seen, chance)
        rows += [(c, z, int(k), *full[f]) for f, k in enumerate(known) if k]
        rows += [(c, MISSING, int(k), *full[f]) for f, k in enumerate(seen - known) if k]
    merged = pd.DataFrame(rows).groupby([0, 1, *range(3, 3 + judges)])[2].sum().reset_index().to_numpy(dtype=np.int64)
    verdict, number = merged[:, 2:-1], merged[:, -1]
    names = tuple(f"judge {j + 1}" for j in range(judges))
    patterns = Patterns(frame, classes, names, merged[:, 0], merged[:, 1], number, verdict)
    said = np.zeros((len(frame), many), dtype=np.int64)
    np.add.at(said, (merged[:, 0], verdict[:, 0]), number)
    return Study(patterns, Cells(frame, classes, said), Cells(frame, classes, truth))
