"""Graded voices: a judge's verdict together with how sure it is, as one observation of more than K classes.

Estimand: P(verdict, level | truth) of each graded judge, and through it what a verdict of that level says of the truth.
The observation classes of a graded judge are pairs of a verdict and a level of its score (`cells.graded_levels`), so
the emission is K x B with B above K. It is factored into P(verdict | truth), which is that of any judge
(`judge_confusion`), and P(level | verdict, truth). A judge without levels has the factor 1, and the same density as if
this module were not there.

Assumptions: the level depends on truth and verdict only through whether each is the event; given these the levels of
judges are independent of each other and of other judges' verdicts (so a study grades one judge alone: where trials are
hard for every judge, two sure ones would count twice); and the log odds of a level deviate between strata by a shift
along the levels: for each concept, subject, span and protocol by verdict, for each strength and layer by verdict and
truth. Without these deviations the levels of thousands of unlabelled verdicts would overrule the labels wherever scores
drift with the dose (as for verdicts: Hui and Walter 1980, Biometrics 36, 167-171).

Formula: with t and s whether verdict and truth are the event, P(level l) is proportional to exp(eta_l), eta_0 = 0 and
eta_l = common_tl + lean_tl / 2 (s = t) or - lean_tl / 2 (s != t) + l (shifts of the stratum's levels).
Prior: independent normals. `lean` has the mean `LEAN_MEAN` l: right verdicts are surer than wrong ones, and the surer
level is the likelier of the two, before any label is seen; labels may say otherwise. Source: the stereotype model of
Anderson (1984, JRSS B 46, 1-30) for the shifts; Joseph, Gyorkos and Coupal (1995) with levels in the place of yes and
no.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.graded_levels import NO_LEVEL
from gnomon.stats.cells.outcome_classes import EVENT

Array = np.ndarray[Any, Any]

COMMON_SD = 1.5
"""Prior standard deviation of the log odds of a level, whatever the truth."""
LEAN_MEAN, LEAN_SD = 1.0, 1.0
"""Prior of the log odds ratio of neighbouring levels between right and wrong verdicts."""
SHIFT_SD = 0.5
"""Prior standard deviation of the shift of a concept, subject, span or protocol."""
DOSE_SHIFT_SD = 1.0
"""Prior standard deviation of the shift of a strength or layer."""


class GradeArrays(NamedTuple):
    """Levels of verdicts as arrays: Q graded judges, at most L levels of a side, A arms, R rows.

    `judge` (Q) is each graded judge's place among all; `most` (A, Q, 2) the number of levels of an arm's verdicts that
    are no event and that are; `level` (R, Q) each row's level, -1 for none; `event` the place of the event among the
    classes.
    """

    judge: np.ndarray
    most: np.ndarray
    level: np.ndarray
    event: int
    levels: int
    common_sd: float
    lean_mean: float
    lean_sd: float
    shift_sd: float
    dose_sd: float


def grade_arrays(patterns: VerdictPatternCells, arms: list[str], further: int) -> GradeArrays:
    """Arrays of the levels, with rows without levels at the end.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern, levels and labels.
    arms : list of str
        Arms, in the order of the result.
    further : int
        Rows to add.
    """
    graded, rows = patterns.graded, len(patterns.label) + further
    cuts = {} if graded is None else graded.cuts
    judges = sorted({judge for judge, _, _ in cuts})
    most = np.ones((len(arms), len(judges), 2), dtype=np.int64)
    for (judge, arm, event), where in cuts.items():
        if arm in arms:
            most[arms.index(arm), judges.index(judge), int(event)] = 1 + len(where)
    level = np.full((rows, len(judges)), NO_LEVEL, dtype=np.int64)
    if graded is not None:
        level[: len(patterns.label)] = graded.level[:, judges]
    levels = int(most.max(initial=1))
    return GradeArrays(
        np.array(judges, dtype=np.int64), most, level, patterns.classes.index(EVENT), levels,
        COMMON_SD, LEAN_MEAN, LEAN_SD, SHIFT_SD, DOSE_SHIFT_SD,
    )  # fmt: skip


def grade_shapes(grades: GradeArrays, arms: int, accuracy: int, wrong: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters of graded voices, in the order of the vector; none without graded judges.

    Parameters
    ----------
    grades : GradeArrays
        The levels.
    arms : int
        Number of arms A.
    accuracy, wrong : int
        Columns D and D' of the deviations of accuracies and of wrong logits.
    """
    many = len(grades.judge)
    if not many:
        return {}
    return {
        "level_logit": (arms, many, 2, 2, grades.levels - 1),
        "level_shift": (accuracy, many, 2),
        "level_dose": (wrong, many, 2, 2),
    }


def grade_centre(grades: GradeArrays, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Prior means of the parameters of graded voices.

    Parameters
    ----------
    grades : GradeArrays
        The levels.
    shapes : dict of str to tuple of int
        Shapes of all parameters (`grade_shapes`).
    """
    if "level_logit" not in shapes:
        return {}
    out = {name: np.zeros(shapes[name]) for name in ("level_logit", "level_shift", "level_dose")}
    out["level_logit"][:, :, 1] = grades.lean_mean * np.arange(1, grades.levels)
    return out


def grade_scales(grades: GradeArrays, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Prior standard deviations of the parameters of graded voices.

    Parameters
    ----------
    grades : GradeArrays
        The levels.
    shapes : dict of str to tuple of int
        Shapes of all parameters (`grade_shapes`).
    """
    if "level_logit" not in shapes:
        return {}
    logit = np.full(shapes["level_logit"], grades.common_sd)
    logit[:, :, 1] = grades.lean_sd
    return {
        "level_logit": logit,
        "level_shift": np.full(shapes["level_shift"], grades.shift_sd),
        "level_dose": np.full(shapes["level_dose"], grades.dose_sd),
    }
