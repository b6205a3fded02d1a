"""Arrays for the judges' confusion: strata, observed verdict patterns, rows of the likelihood.

Confusion is separate by arm. Within an arm a judge's accuracy may deviate by concept (if the arm has one) and by
subject, partially pooled; arms are never pooled, since two groups cannot inform their own variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd

from gnomon.data.arms import identified_arms
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, canonical_hash
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.model import basis_functions
from gnomon.stats.model.priors import Priors

MOST_UNLABELLED = 25_000
PER_LABEL = 200


@dataclass(frozen=True, slots=True)
class ExternalCalibration:
    """Transcripts of another study with known truth: for `n` of true class `truth` the judge's class was `verdict`.

    They inform P(verdict | truth) of that judge in that arm and nothing else, because their mix of outcomes is not that
    of this study. The judge may err there as on a further subject: its accuracy has its own deviation if this study has
    enough subjects to inform its size.
    """

    judge: str
    arm: str
    truth: str
    verdict: str
    n: int


class VerdictArrays(NamedTuple):
    """Verdict patterns as arrays. A arms, J judges, K classes, N strata, R rows, B patterns seen, L full patterns.

    `arm` (N) is each stratum's arm; `deviation` (N, D) the design of accuracy deviations and `group` (D) their
    scales; `full` (L, J) all patterns of classes; `partial` (B, J) those seen, -1 where a judge is silent; `pairs`
    (pairs, 2) of judges; `possible` (A, K) whether an arm can be of a class. Rows: `cell` (-1 for transcripts of
    another study), `stratum`, `pattern`, `label` (-1 for none), `number`.
    """

    arm: np.ndarray
    deviation: np.ndarray
    group: np.ndarray
    full: np.ndarray
    partial: np.ndarray
    pairs: np.ndarray
    possible: np.ndarray
    cell: np.ndarray
    stratum: np.ndarray
    pattern: np.ndarray
    label: np.ndarray
    number: np.ndarray
    arms: int
    groups: int
    wrong_mean: float
    wrong_sd: float
    wrong_alike: float
    scale: float
    agreement_sd: float


def hash_patterns(patterns: VerdictPatternCells, external: Sequence[ExternalCalibration] = ()) -> str:
    """Hash of the data of a corrected fit.

    Parameters
    ----------
    patterns : VerdictPatternCells
        The study's verdicts and labels.
    external : sequence of ExternalCalibration
        Calibrations of the judges elsewhere.
    """
    if not external:
        return patterns.content_hash()
    return canonical_hash([patterns.content_hash(), [astuple(one) for one in external]], 64)


def unlabelled_weight(patterns: VerdictPatternCells) -> float:
    """Weight of an unlabelled trial in the likelihood, in (0, 1]: 1 unless there are very many per label.

    Unlabelled verdicts inform the judges' errors only through the form of the model (independent errors, additive
    accuracies). The form is never exactly right, and a million verdicts would outweigh a hundred labels. So they count
    for at most `MOST_UNLABELLED` trials, or `PER_LABEL` per label, as in a coarsened posterior (Miller and Dunson 2019,
    JASA 114, 1113-1125). This makes intervals wider, never narrower.
    """
    unlabelled = patterns.label < 0
    many, labels = int(patterns.count[unlabelled].sum()), int(patterns.count[~unlabelled].sum())
    return min(1.0, max(MOST_UNLABELLED, PER_LABEL * labels) / max(many, 1))


def arms_present(patterns: VerdictPatternCells) -> list[str]:
    """Arms that occur in the patterns, in the order of `Arm`: the first index of every confusion array."""
    return [str(arm) for arm in Arm if (patterns.frame["arm"] == str(arm)).any()]


def confusion_strata(patterns: VerdictPatternCells) -> tuple[pd.DataFrame, np.ndarray]:
    """The strata (arm, subject, concept; concept only in arms that count its name) and each cell's stratum."""
    frame = patterns.frame[["arm", "subject", "concept"]].copy()
    frame.loc[~frame["arm"].isin(identified_arms()), "concept"] = None
    keys = list(frame.itertuples(index=False, name=None))
    ordered = sorted(set(keys), key=str)
    place = {key: number for number, key in enumerate(ordered)}
    return pd.DataFrame(ordered, columns=frame.columns), np.array([place[key] for key in keys])


def build_verdict_arrays(
    patterns: VerdictPatternCells, priors: Priors, external: Sequence[ExternalCalibration] = ()
) -> VerdictArrays:
    """Arrays of the verdict part of the corrected density.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    priors : Priors
        Prior scales.
    external : sequence of ExternalCalibration, default ()
        Calibrations of the judges on transcripts of other studies.

    Raises
    ------
    InputError
        If an external calibration does not fit the study.
    """
    arms = arms_present(patterns)
    validate_external(external, patterns, arms)
    strata, of_cell = confusion_strata(patterns)
    elsewhere = [arm for arm in arms if any(one.arm == arm for one in external)]
    deviation, group = _deviation_design(strata, elsewhere)
    judges, classes = len(patterns.judges), len(patterns.classes)
    stratum = {arm: len(strata) + place for place, arm in enumerate(elsewhere)}
    said = np.full((len(external), judges), MISSING)
    for row, one in enumerate(external):
        said[row, patterns.judges.index(one.judge)] = patterns.classes.index(one.verdict)
    partial, pattern = np.unique(np.vstack([patterns.verdict, said]), axis=0, return_inverse=True)
    seen = np.where(patterns.label < 0, unlabelled_weight(patterns), 1.0) * patterns.count
    ours, theirs = of_cell[patterns.cell], np.array([stratum[one.arm] for one in external], dtype=np.int64)
    truth = np.array([patterns.classes.index(one.truth) for one in external], dtype=np.int64)
    return VerdictArrays(
        arm=np.array([arms.index(arm) for arm in [*strata["arm"], *elsewhere]]),
        deviation=deviation,
        group=group,
        full=np.array(list(product(range(classes), repeat=judges))),
        partial=partial,
        pairs=np.array(list(combinations(range(judges), 2)), dtype=np.int64).reshape(-1, 2),
        possible=np.array([[is_class_possible(name, Arm(arm)) for name in patterns.classes] for arm in arms]),
        cell=np.concatenate([patterns.cell, np.full(len(external), MISSING)]),
        stratum=np.concatenate([ours, theirs]),
        pattern=pattern.reshape(-1),
        label=np.concatenate([patterns.label, truth]),
        number=np.concatenate([seen, [one.n for one in external]]),
        arms=len(arms),
        groups=int(group.max()) + 1 if len(group) else 0,
        wrong_mean=priors.judge_wrong_mean,
        wrong_sd=priors.judge_wrong_sd,
        wrong_alike=priors.judge_wrong_alike,
        scale=priors.judge_scale,
        agreement_sd=priors.judge_agreement_sd,
    )


def validate_external(
    external: Sequence[ExternalCalibration], patterns: VerdictPatternCells, arms: Sequence[str]
) -> None:
    """Check calibrations against a study.

    Parameters
    ----------
    external : sequence of ExternalCalibration
        Calibrations of the judges on transcripts of other studies.
    patterns : VerdictPatternCells
        Counts of this study.
    arms : sequence of str
        Arms of this study.

    Raises
    ------
    InputError
        If a calibration has an unknown judge, arm or class, or no trials.
    """
    for one in external:
        for what, name, known in (
            ("judge", one.judge, patterns.judges),
            ("arm", one.arm, arms),
            ("class", one.truth, patterns.classes),
            ("class", one.verdict, patterns.classes),
        ):
            if name not in known:
                raise InputError(
                    f"external calibration: {what} '{name}' is not in this study, which has {', '.join(known)}"
                )
        if one.n < 1 or not (
            is_class_possible(one.truth, Arm(one.arm)) and is_class_possible(one.verdict, Arm(one.arm))
        ):
            raise InputError(
                f"external calibration of '{one.judge}', {one.arm} arm, {one.truth} judged "
                f"{one.verdict}: n is {one.n}: "
                "give a positive number of trials, of classes that the arm can have"
            )


def _deviation_design(strata: pd.DataFrame, elsewhere: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Design (strata, D) of accuracy deviations, and the scale of each column.

    Within an arm they sum to zero over its concepts and over its subjects. A stratum of external transcripts (one per
    arm that has any, after the others) deviates like a further subject.
    """
    columns, group = [np.zeros((len(strata) + len(elsewhere), 0))], []
    for arm in sorted(set(strata["arm"])):
        here = strata[strata["arm"] == arm]
        for axis in ("concept", "subject"):
            levels = sorted(here[axis].dropna().unique())
            if len(levels) > 1:
                basis = basis_functions.interaction_basis(
                    basis_functions.arm_indicator(arm), basis_functions.sum_to_zero_contrast(axis, levels)
                )(strata)
                other = np.array([[float(axis == "subject" and one == arm)] for one in elsewhere]).reshape(-1, 1)
                further = other[:, :0] if not other.any() else other
                block = np.block(
                    [
                        [basis, np.zeros((len(strata), further.shape[1]))],
                        [np.zeros((len(elsewhere), basis.shape[1])), further],
                    ]
                )
                group += [len(columns) - 1] * block.shape[1]
                columns.append(block)
    return np.hstack(columns), np.array(group, dtype=np.int64)
