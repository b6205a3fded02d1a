"""Arrays for the judges' confusion: strata, observed verdict patterns, rows of the likelihood.

Confusion is separate by arm. Within an arm a judge's accuracy may deviate by concept (if the arm has one), subject,
span and protocol; and each logit of its wrong verdicts by strength and layer, if the arm is steered. All deviations are
partially pooled; arms are never pooled, since two groups cannot inform their own variance.

Why every wrong logit for strength and layer: a rate of events that may vary by strength beside an error rate that may
not identifies the rates without labels (Hui and Walter 1980, Biometrics 36, 167-171), and thousands of verdicts then
overrule the labels. Steering that breaks the language of a response changes which wrong verdict is given, not only how
often a verdict is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from gnomon.data.arms import identified_arms, steered_arms
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, canonical_hash
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.model import basis_functions
from gnomon.stats.model.graded_voices import GradeArrays, grade_arrays
from gnomon.stats.model.priors import Priors
from gnomon.stats.model.rater_confusion import RaterArrays, class_sets, rater_arrays, with_open_sets

ACCURACY_AXES = ("concept", "subject", "span", "protocol")
"""Axes by which the accuracy of each true class deviates."""
WRONG_AXES = ("strength", "layer")
"""Axes by which every logit of the wrong verdicts deviates, in steered arms."""
MOST_LEVELS = 6
"""Greatest number of values of strength or layer that are levels; beyond it, fifths of each subject's own values."""
FIFTHS = 5
MOST_UNLABELLED = 25_000
PER_LABEL = 200
LABELS_FOR_ERRORS = 20
"""Labels in an arm from which judges' errors there get the wide prior."""


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


class LevelDeviations(NamedTuple):
    """Deviations by the levels of groups (a group is an axis within an arm): M levels, D columns, N strata, Q groups.

    `level` (N, axes) is each stratum's level on each axis, -1 for none; `design` (M, D) maps coefficients to levels,
    within a group a sum-to-zero contrast; `group` (D) is the group of each column, which has its own scale.
    """

    level: np.ndarray
    design: np.ndarray
    group: np.ndarray
    groups: int


class VerdictArrays(NamedTuple):
    """Verdict patterns as arrays. A arms, J judges, K classes, N strata, R rows, B patterns seen, L full patterns.

    `arm` (N) is each stratum's arm; `accuracy` and `wrong` the deviations of the logit of the correct class and of
    each wrong class; `full` (L, J) all patterns of classes; `partial` (B, J) those seen, -1 where a judge is silent;
    `pairs` (pairs, 2) of judges; `possible` (A, K) whether an arm can be of a class; `wrong_sd` (A) the prior standard
    deviation of an arm's wrong logits. Rows: `cell` (-1 for transcripts of another study), `stratum`, `pattern`,
    `label` (the set of classes that holds the truth if it is known exactly, else -1), `number`; `order` (R) lists them
    by stratum, those of stratum n from `start[n]` to `start[n + 1]`; `raters`: labels that may be wrong. `sets`
    (K + G, K) are the sets of classes that labels name: the single classes, then those of labels that leave it open.
    `grades` are the levels of graded verdicts.
    """

    arm: np.ndarray
    accuracy: LevelDeviations
    wrong: LevelDeviations
    full: np.ndarray
    partial: np.ndarray
    pairs: np.ndarray
    possible: np.ndarray
    cell: np.ndarray
    stratum: np.ndarray
    pattern: np.ndarray
    label: np.ndarray
    number: np.ndarray
    order: np.ndarray
    start: np.ndarray
    arms: int
    wrong_mean: float
    wrong_sd: np.ndarray
    wrong_alike: float
    scale: float
    dose_scale: float
    agreement_sd: float
    raters: RaterArrays
    sets: np.ndarray
    grades: GradeArrays


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
    JASA 114, 1113-1125). This makes intervals wider, never narrower. A labelled trial counts as
    P(verdicts)^weight P(labels | verdicts): a trial that was chosen for its verdicts counts for no more than others
    with the same verdicts.
    """
    unlabelled = patterns.label < 0
    many, labels = int(patterns.count[unlabelled].sum()), int(patterns.count[~unlabelled].sum())
    return min(1.0, max(MOST_UNLABELLED, PER_LABEL * labels) / max(many, 1))


def arms_present(patterns: VerdictPatternCells) -> list[str]:
    """Arms that occur in the patterns, in the order of `Arm`: the first index of every confusion array."""
    return [str(arm) for arm in Arm if (patterns.frame["arm"] == str(arm)).any()]


def confusion_strata(patterns: VerdictPatternCells) -> tuple[pd.DataFrame, np.ndarray]:
    """The strata of judge error and each cell's stratum.

    A stratum is an arm, a subject and a protocol; in arms that count the concept's name also the concept; in steered
    arms also strength, layer and span. Strength and layer (as depth, where all steered cells of the arm have one) are
    levels: the values themselves, or with more than `MOST_LEVELS` of them fifths of each subject's own values.
    """
    cells = patterns.frame
    frame = cells[["arm", "subject", "concept", "protocol", "span"]].reset_index(drop=True).astype(object)
    arm, subject = frame["arm"], frame["subject"]
    steered = arm.isin(steered_arms())
    frame.loc[~arm.isin(identified_arms()), "concept"] = None
    frame.loc[~steered, "span"] = None
    frame["strength"], frame["layer"] = None, None
    for name in sorted(set(arm[steered])):
        here = (arm == name).to_numpy()
        depth = cells["depth"].to_numpy(float)[here]
        place = cells["layer"].to_numpy(float)[here] if np.isnan(depth).any() else depth
        for axis, values in (("strength", np.abs(cells["strength"].to_numpy(float)[here])), ("layer", place)):
            frame.loc[here, axis] = _axis_levels(values, subject[here].to_numpy())
    frame = frame.astype(object).where(frame.notna(), None)
    keys = list(frame.itertuples(index=False, name=None))
    ordered = sorted(set(keys), key=str)
    at = {key: number for number, key in enumerate(ordered)}
    return pd.DataFrame(ordered, columns=frame.columns), np.array([at[key] for key in keys], dtype=np.int64)


def _axis_levels(values: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Levels (n,) of a graded axis as numbers; None where the value is missing."""
    known = ~np.isnan(values)
    out = np.full(len(values), None, dtype=object)
    rounded = np.round(values, 9)
    if len(set(rounded[known])) <= MOST_LEVELS:
        out[known] = rounded[known]
        return out
    for subject in sorted(set(subjects)):
        mine = known & (subjects == subject)
        own = np.unique(rounded[mine])
        rank = np.searchsorted(own, rounded[mine]) / max(len(own) - 1, 1) if len(own) > 1 else np.full(mine.sum(), 0.5)
        out[mine] = np.minimum(np.floor(rank * FIFTHS), FIFTHS - 1)
    return out


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
    if priors.rater_accuracy == 1.0:
        patterns = replace(patterns, raters=())
    patterns = weighted_patterns(patterns)
    elsewhere = [arm for arm in arms if any(one.arm == arm for one in external)]
    judges, classes = len(patterns.judges), len(patterns.classes)
    stratum = {arm: len(strata) + place for place, arm in enumerate(elsewhere)}
    said = np.full((len(external), judges), MISSING)
    for row, one in enumerate(external):
        said[row, patterns.judges.index(one.judge)] = patterns.classes.index(one.verdict)
    partial, pattern = np.unique(np.vstack([patterns.verdict, said]), axis=0, return_inverse=True)
    ours, theirs = of_cell[patterns.cell], np.array([stratum[one.arm] for one in external], dtype=np.int64)
    truth = np.array([patterns.classes.index(one.truth) for one in external], dtype=np.int64)
    raters = rater_arrays(patterns, priors)
    row_stratum = np.concatenate([ours, theirs])
    return VerdictArrays(
        arm=np.array([arms.index(arm) for arm in [*strata["arm"], *elsewhere]]),
        accuracy=_level_deviations(strata, ACCURACY_AXES, elsewhere),
        wrong=_level_deviations(strata, WRONG_AXES, elsewhere),
        full=np.array(list(product(range(classes), repeat=judges))),
        partial=partial,
        pairs=np.array(list(combinations(range(judges), 2)), dtype=np.int64).reshape(-1, 2),
        possible=np.array([[is_class_possible(name, Arm(arm)) for name in patterns.classes] for arm in arms]),
        cell=np.concatenate([patterns.cell, np.full(len(external), MISSING)]),
        stratum=row_stratum,
        pattern=pattern.reshape(-1),
        label=np.concatenate([_exact_sets(patterns), truth]),
        number=np.concatenate([patterns.count, [one.n for one in external]]),
        order=np.argsort(row_stratum, kind="stable"),
        start=np.searchsorted(np.sort(row_stratum), np.arange(len(strata) + len(elsewhere) + 1)),
        arms=len(arms),
        wrong_mean=priors.judge_wrong_mean,
        wrong_sd=wrong_logit_sd(patterns, priors, arms, external),
        wrong_alike=priors.judge_wrong_alike,
        scale=priors.judge_scale,
        dose_scale=priors.judge_dose_scale,
        agreement_sd=priors.judge_agreement_sd,
        raters=raters._replace(row=np.concatenate([raters.row, np.full(len(external), MISSING)])),
        sets=class_sets(patterns),
        grades=grade_arrays(patterns, arms, len(external)),
    )


def _exact_sets(patterns: VerdictPatternCells) -> np.ndarray:
    """The set of classes that holds each row's truth for certain, as an index into `class_sets`; -1 for none."""
    exact = np.where(patterns.exact, patterns.label, MISSING)
    if patterns.opened is None:
        return exact
    return with_open_sets(exact, patterns.opened.label, patterns.classes)


def wrong_logit_sd(
    patterns: VerdictPatternCells, priors: Priors, arms: Sequence[str], external: Sequence[ExternalCalibration] = ()
) -> np.ndarray:
    """Prior standard deviation of the judges' wrong logits in each arm, shape (A,).

    Wide where labels show how judges err. Where they do not, a wide prior would let judges that are wrong more often
    than right explain the verdicts as well as good ones, and the posterior would have two modes.

    Parameters
    ----------
    patterns : VerdictPatternCells
        The study's verdicts and labels.
    priors : Priors
        Prior scales.
    arms : sequence of str
        Arms, in the order of the result.
    external : sequence of ExternalCalibration, default ()
        Calibrations of the judges elsewhere; their transcripts count as labelled.
    """
    own = patterns.labelled_by_arm()
    labels = np.array([own.get(arm, 0) + sum(one.n for one in external if one.arm == arm) for arm in arms])
    return np.where(labels >= LABELS_FOR_ERRORS, priors.judge_wrong_sd, priors.judge_wrong_sd_unlabelled)


def weighted_patterns(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """The patterns with counts as they enter the likelihood: unlabelled trials with their weight.

    With weight w a labelled trial is P(verdicts, labels) P(verdicts)^(w - 1): its row, and a count of w - 1 beside the
    unlabelled trials of its cell and verdicts, which may become negative.

    Parameters
    ----------
    patterns : VerdictPatternCells
        The study's verdicts and labels.
    """
    weight, known = unlabelled_weight(patterns), patterns.labelled
    if weight == 1.0 or not known.any():
        return patterns
    rows = np.flatnonzero(known & (patterns.verdict != MISSING).any(axis=1))
    silent = np.full(len(rows), MISSING)
    return replace(
        patterns,
        cell=np.concatenate([patterns.cell, patterns.cell[rows]]),
        label=np.concatenate([patterns.label, silent]),
        count=np.concatenate([np.where(known, 1.0, weight) * patterns.count, (weight - 1.0) * patterns.count[rows]]),
        verdict=np.concatenate([patterns.verdict, patterns.verdict[rows]]),
        ratings=np.concatenate([patterns.ratings, np.full((len(rows), len(patterns.raters)), MISSING)]),
        exact=np.concatenate([patterns.exact, np.zeros(len(rows), dtype=bool)]),
        opened=None if patterns.opened is None else patterns.opened.with_silent_rows(len(rows)),
        graded=None if patterns.graded is None else patterns.graded.with_levels_of(rows),
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


def _level_deviations(strata: pd.DataFrame, axes: Sequence[str], elsewhere: Sequence[str]) -> LevelDeviations:
    """Levels and design of deviations that sum to zero over an arm's levels of each axis with more than one.

    A stratum of external transcripts (one per arm that has any, after the others) deviates like a further subject.
    """
    level = np.full((len(strata) + len(elsewhere), len(axes)), MISSING, dtype=np.int64)
    blocks: list[np.ndarray] = []
    levels = 0
    for arm in sorted(set(strata["arm"])):
        here = (strata["arm"] == arm).to_numpy()
        for place, axis in enumerate(axes):
            values = sorted(set(strata.loc[here, axis].dropna()))
            if len(values) < 2:
                continue
            at = {value: levels + number for number, value in enumerate(values)}
            level[: len(strata)][here, place] = [at.get(value, MISSING) for value in strata.loc[here, axis]]
            block = basis_functions.sum_to_zero_basis(len(values))
            if axis == "subject" and arm in elsewhere:
                level[len(strata) + elsewhere.index(arm), place] = levels + len(values)
                block = block_diag(block, np.ones((1, 1)))
            blocks.append(block)
            levels += len(block)
    group = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    return LevelDeviations(level, block_diag(*blocks) if blocks else np.zeros((0, 0)), group, len(blocks))
