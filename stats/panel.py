"""From verdict patterns to arrays: strata of the judges' confusion, patterns seen, rows of the likelihood.

Confusion is separate by arm. Within an arm a judge's accuracy may deviate by concept (where the arm has one) and by
subject, partially pooled; the arms are never shrunk to each other, since two groups cannot teach their own spread.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd

from data.records import Arm
from stats import bases
from stats.cells import Patterns
from stats.priors import Priors


class Verdicts(NamedTuple):
    """Verdict patterns as arrays. A arms, J judges, K classes, N strata, R rows, B patterns seen, L full patterns.

    `arm` (N) is each stratum's arm; `deviation` (N, D) the design of accuracy deviations and `group` (D) their
    scales; `full` (L, J) all patterns of classes; `partial` (B, J) those seen, -1 where a judge is silent; `pairs`
    (pairs, 2) of judges. Rows: `cell`, `stratum`, `pattern`, `label` (-1 for none), `number`.
    """

    arm: np.ndarray
    deviation: np.ndarray
    group: np.ndarray
    full: np.ndarray
    partial: np.ndarray
    pairs: np.ndarray
    cell: np.ndarray
    stratum: np.ndarray
    pattern: np.ndarray
    label: np.ndarray
    number: np.ndarray
    arms: int
    groups: int
    wrong_mean: float
    wrong_sd: float
    scale: float
    agreement_sd: float


def verdict_size(v: Verdicts, classes: int) -> int:
    """Number of the parameters of the verdicts, for a ladder of K classes."""
    judges, deviations = v.full.shape[1], v.deviation.shape[1]
    wrong = v.arms * judges * classes * (classes - 1)
    return int(wrong + v.groups * judges + deviations * judges * classes + v.arms * len(v.pairs))


def arms_of(patterns: Patterns) -> list[str]:
    """Arms that the patterns have, in the order of `Arm`: the first index of every confusion."""
    return [str(arm) for arm in Arm if (patterns.frame["arm"] == str(arm)).any()]


def strata_of(patterns: Patterns) -> tuple[pd.DataFrame, np.ndarray]:
    """The strata (arm, subject, concept; concept only in the injection arm) and each cell's stratum."""
    frame = patterns.frame[["arm", "subject", "concept"]].copy()
    frame.loc[frame["arm"] != str(Arm.INJECTION), "concept"] = None
    keys = list(frame.itertuples(index=False, name=None))
    ordered = sorted(set(keys), key=str)
    place = {key: number for number, key in enumerate(ordered)}
    return pd.DataFrame(ordered, columns=frame.columns), np.array([place[key] for key in keys])


def verdicts_of(patterns: Patterns, priors: Priors) -> Verdicts:
    """Arrays of the verdict part of the corrected density."""
    strata, of_cell = strata_of(patterns)
    deviation, group = _deviations(strata)
    judges, classes = len(patterns.judges), len(patterns.classes)
    partial, pattern = np.unique(patterns.verdict, axis=0, return_inverse=True)
    arms = arms_of(patterns)
    return Verdicts(
        arm=np.array([arms.index(arm) for arm in strata["arm"]]),
        deviation=deviation,
        group=group,
        full=np.array(list(product(range(classes), repeat=judges))),
        partial=partial,
        pairs=np.array(list(combinations(range(judges), 2)), dtype=np.int64).reshape(-1, 2),
        cell=patterns.cell,
        stratum=of_cell[patterns.cell],
        pattern=pattern.reshape(-1),
        label=patterns.label,
        number=patterns.count.astype(float),
        arms=len(arms),
        groups=int(group.max()) + 1 if len(group) else 0,
        wrong_mean=priors.judge_wrong_mean,
        wrong_sd=priors.judge_wrong_sd,
        scale=priors.judge_scale,
        agreement_sd=priors.judge_agreement_sd,
    )


def _deviations(strata: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Design (strata, D) of accuracy deviations that sum to zero within an arm, and the scale of each column."""
    columns, group = [np.zeros((len(strata), 0))], []
    for arm in sorted(set(strata["arm"])):
        here = strata[strata["arm"] == arm]
        for axis in ("concept", "subject"):
            levels = sorted(here[axis].dropna().unique())
            if len(levels) > 1:
                basis = bases.times(bases.arm(arm), bases.contrast(axis, levels))(strata)
                group += [len(columns) - 1] * basis.shape[1]
                columns.append(basis)
    return np.hstack(columns), np.array(group, dtype=np.int64)
