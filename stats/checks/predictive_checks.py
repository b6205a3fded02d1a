"""Prior and posterior predictive checks.

Prior: the distribution of every estimate under the priors alone; shows a prior that excludes a plausible rate or
insists on an extreme one. Posterior: replicated counts compared with the observed ones, by the axes of the design;
shows what the statistical model misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from gnomon.calibration.numerics.multiple_testing import holm_adjusted
from gnomon.data.records import Arm
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.checks.discrepancies import BinaryQuestion, GroupedCounts, group_counts
from gnomon.stats.checks.label_truth import label_probabilities
from gnomon.stats.checks.simulation import draw_from_prior
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import spaced_draws
from gnomon.stats.model.judge_confusion import confusion_strata, unlabelled_weight
from gnomon.stats.results import LABELS, OUTCOMES, PredictiveCheck, PriorPredictiveRow

MAX_CHECK_DRAWS = 400
MIN_CHECK_DRAWS = 50
MAX_TABLE_VALUES, BATCH_TABLE_VALUES = 500_000_000, 20_000_000
"""Probabilities of patterns that the checks of a corrected fit compute in all, and at a time."""

AGREEMENT = "agree"
DESIGN_AXES: tuple[tuple[str, ...], ...] = (
    (),
    ("concept",),
    ("layer",),
    ("strength",),
    ("concept", "layer"),
    ("concept", "strength"),
    ("layer", "strength"),
    ("protocol",),
    ("span",),
)
"""Axes by which outcomes are checked, within each subject and arm; the first is the whole arm."""
VERDICT_AXES = tuple(axis for axis in DESIGN_AXES if axis not in (("concept", "strength"), ("protocol",), ("span",)))
"""Axes by which verdicts are checked, within each subject and arm."""
LABEL_AXES = ((), ("subject",), *DESIGN_AXES[1:4], ("layer", "strength"))
"""Axes by which labels are checked, within each arm: labels are too few to check every subject apart."""


def draw_prior_parameters(model: OutcomeModel, number: int, rng: np.random.Generator) -> np.ndarray:
    """Parameters drawn from the priors; `result.all_estimand_draws` computes estimates from them.

    Parameters
    ----------
    model : OutcomeModel
        The model.
    number : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (number, size)
        One parameter vector per row.
    """
    return np.stack([draw_from_prior(model, rng) for _ in range(number)])


def prior_predictive(draws: Mapping[tuple[str, str], np.ndarray]) -> tuple[PriorPredictiveRow, ...]:
    """Prior distribution of estimates, from their draws by subject and estimand: median, 50 and 95 % limits."""
    rows = []
    for (subject, estimand), values in draws.items():
        low, quarter, middle, three, high = map(float, np.quantile(values, [0.025, 0.25, 0.5, 0.75, 0.975]))
        rows.append(
            PriorPredictiveRow(
                subject=subject,
                estimand=estimand,
                low95=low,
                low50=quarter,
                median=middle,
                high50=three,
                high95=high,
            )
        )
    return tuple(rows)


def posterior_predictive_check(
    model: OutcomeModel, x: np.ndarray, counts: np.ndarray, rng: np.random.Generator
) -> tuple[PredictiveCheck, ...]:
    """Posterior predictive checks of a fit to counts: every stage by every axis of the design.

    A stage is one yes-or-no question about the trials that are in no earlier class, so replicated counts are binomial
    with the observed number of trials as denominator. One check is one stage of one subject, arm and axis: Freeman and
    Tukey's discrepancy summed over the groups of the axis, with its posterior predictive p-value (`discrepancies`).
    p-values of all checks of a fit are adjusted together by the method of Holm (1979, Scandinavian Journal of
    Statistics 6, 65-70), which holds whatever their dependence.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    counts : ndarray, shape (cells, K)
        Observed counts by class.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    tuple of PredictiveCheck
        One row per check, with the counts of the group that is furthest from its expectation.
    """
    frame = model.design.frame
    some = x[spaced_draws(len(x), MAX_CHECK_DRAWS)]
    share = model.class_probabilities(model.coefficient_draws(some), frame)
    questions = _stage_questions(OUTCOMES, model.classes, _check_units(frame), counts, share, DESIGN_AXES)
    return _with_family_p(_check_rows(questions, rng))


def corrected_predictive_check(
    model: OutcomeModel, x: np.ndarray, patterns: VerdictPatternCells, rng: np.random.Generator
) -> tuple[PredictiveCheck, ...]:
    """Posterior predictive checks of a corrected fit: labels given verdicts, verdicts, and agreement of judges.

    Labels: the label of each labelled trial given its verdicts and cell, P(class | cell) P(verdicts | class, cell)
    normalised over classes and, where the label may be wrong, times P(label | class) of the rater, within each arm by
    subject, concept, layer, strength and each judge's verdict. It shows where unlabelled verdicts teach the fit judges'
    errors that labels contradict. It holds for labels chosen by the verdicts of the fit's judges, because it conditions
    on them. Verdicts: each judge's classes, and how often two judges agree, within each subject and arm by the axes of
    the design. p-values as in `posterior_predictive_check`; those of labels and of verdicts are adjusted apart and
    doubled (Bonferroni over the two families), so that hundreds of checks of verdicts do not hide what a few labels
    say.
    Where unlabelled trials have a weight below 1 the discrepancies of verdicts have it too: the fit does not claim to
    reproduce more trials than it was taught by.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    patterns : VerdictPatternCells
        Counts that the model was fitted to.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    tuple of PredictiveCheck
        One row per check.
    """
    some, units = x[spaced_draws(len(x), _affordable_draws(model, patterns))], _check_units(model.design.frame)
    share = model.class_probabilities(model.coefficient_draws(some), model.design.frame)
    given, said, agree = _class_posteriors(model, some, patterns, share)
    given = label_probabilities(model, some, patterns, given)
    labels, verdicts = _check_rows(_label_questions(model, patterns, given), rng), []
    weight = unlabelled_weight(patterns)
    for judge, name in enumerate(patterns.judges):
        heard = patterns.verdict[:, judge] != MISSING
        counts = _count_by_cell(patterns, heard, patterns.verdict[:, judge], len(model.classes))
        data = f"verdicts of {name}"
        verdicts += _check_rows(
            _stage_questions(data, model.classes, units, counts, said[:, :, judge], VERDICT_AXES, weight), rng
        )
    for place, (one, other) in enumerate(combinations(range(len(patterns.judges)), 2)):
        first, second = patterns.verdict[:, one], patterns.verdict[:, other]
        both = (first != MISSING) & (second != MISSING)
        counts = _count_by_cell(patterns, both, (first != second).astype(int), 2)
        question = BinaryQuestion(
            f"verdicts of {patterns.judges[one]} and {patterns.judges[other]}",
            AGREEMENT, units, counts.sum(axis=1), counts[:, 0], agree[:, :, place],
            VERDICT_AXES, weight,
        )  # fmt: skip
        verdicts += _check_rows([question], rng)
    return _with_family_p(labels, verdicts)


def _affordable_draws(model: OutcomeModel, patterns: VerdictPatternCells) -> int:
    """Draws for which the tables of all patterns can be computed in seconds: fewer with many judges and strata."""
    judges, classes = len(patterns.judges), len(model.classes)
    table = len(confusion_strata(patterns)[0]) * classes ** (judges + 1)
    return int(np.clip(MAX_TABLE_VALUES // table, MIN_CHECK_DRAWS, MAX_CHECK_DRAWS))


def _check_units(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells with the axes of the checks; depth stands for a layer that is not known."""
    return frame.assign(layer=frame["layer"].fillna(frame["depth"])).reset_index(drop=True)


def _stage_questions(
    data: str,
    classes: Sequence[str],
    units: pd.DataFrame,
    counts: np.ndarray,
    share: np.ndarray,
    axes: tuple[tuple[str, ...], ...],
    weight: float = 1.0,
) -> Iterator[BinaryQuestion]:
    """For each class but the last: of the trials in no earlier class, how many are in it?"""
    for stage, name in enumerate(classes[:-1]):
        possible = [is_class_possible(name, Arm(arm)) for arm in units["arm"]]
        reached, later = np.where(possible, counts[:, stage:].sum(axis=1), 0), share[..., stage:].sum(axis=-1)
        chance = share[..., stage] / np.maximum(later, 1e-300)
        yield BinaryQuestion(data, name, units, reached, counts[:, stage], chance, axes, weight)


def _label_questions(model: OutcomeModel, patterns: VerdictPatternCells, given: np.ndarray) -> Iterator[BinaryQuestion]:
    """Questions about the labels of each pattern and cell, given the posterior (D, rows, K) of their class."""
    known = patterns.label != MISSING
    counts = np.zeros((int(known.sum()), len(model.classes)), dtype=np.int64)
    counts[np.arange(len(counts)), patterns.label[known]] = patterns.count[known]
    units = _check_units(model.design.frame).iloc[patterns.cell[known]].reset_index(drop=True)
    names = np.array([*patterns.classes, "none"], dtype=object)
    axes = list(LABEL_AXES)
    for judge, name in enumerate(patterns.judges):
        column = f"verdict of {name}"
        units[column] = names[patterns.verdict[known, judge]]
        axes += [(column,), ("strength", column)]
    yield from _stage_questions(LABELS, model.classes, units, counts, given, tuple(axes))


def _class_posteriors(
    model: OutcomeModel, x: np.ndarray, patterns: VerdictPatternCells, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P(class | verdicts) of the labelled rows (D, rows, K), P(verdict) by judge (D, cells, J, K), P(two agree)
    (D, cells, pairs).

    Tables of all patterns are large, so draws are taken in batches.
    """
    from gnomon.stats.inference.judge_youden import pattern_tables

    v, classes = model.require_verdicts(), len(model.classes)
    stratum, known = confusion_strata(patterns)[1], np.flatnonzero(patterns.label != MISSING)
    full = v.full
    said = (full.T[:, :, None] == np.arange(classes)).astype(float)
    agree = np.stack([full[:, one] == full[:, other] for one, other in v.pairs] or [full[:, 0] < 0]).astype(float)
    partial, pattern = np.unique(patterns.verdict[known], axis=0, return_inverse=True)
    fits = ((partial[:, None] == full) | (partial[:, None] == MISSING)).all(axis=-1).astype(float)
    cell, pattern = patterns.cell[known], pattern.reshape(-1)
    batch = max(1, BATCH_TABLE_VALUES // (len(share[0]) * classes * len(full)))
    out: list[list[np.ndarray]] = [[], [], []]
    for start in range(0, len(x), batch):
        tables, part = pattern_tables(model, x[start : start + batch])[:, : stratum.max() + 1], share[start:][:batch]
        seen = np.einsum("dnzl,bl->dnzb", tables, fits, optimize=True)
        joint = part[:, cell] * seen[:, stratum[cell], :, pattern].transpose(1, 0, 2)
        out[0].append(joint / np.maximum(joint.sum(axis=-1, keepdims=True), 1e-300))
        spoken = np.einsum("dnzl,jlv->dnzjv", tables, said, optimize=True)
        out[1].append(
            np.stack(
                [np.einsum("dcz,dczv->dcv", part, spoken[:, :, :, j][:, stratum]) for j in range(len(said))], axis=2
            )
        )
        alike = np.einsum("dnzl,pl->dnzp", tables, agree, optimize=True)
        out[2].append(np.einsum("dcz,dczp->dcp", part, alike[:, stratum]))
    given, spoken, alike = (np.concatenate(parts) for parts in out)
    return given, spoken, alike


def _count_by_cell(patterns: VerdictPatternCells, rows: np.ndarray, kind: np.ndarray, kinds: int) -> np.ndarray:
    """Trials (cells, kinds) of the chosen rows by cell and kind."""
    out = np.zeros((len(patterns.frame), kinds), dtype=np.int64)
    np.add.at(out, (patterns.cell[rows], kind[rows]), patterns.count[rows])
    return out


def _check_rows(
    questions: Iterator[BinaryQuestion] | list[BinaryQuestion], rng: np.random.Generator
) -> list[PredictiveCheck]:
    rows = []
    for question in questions:
        by = ("arm",) if question.data == LABELS else ("subject", "arm")
        for subject, arm, axis, found in group_counts(question, by, rng):
            rows.append(_check_row(question, subject, arm, axis, found))
    return rows


def _check_row(
    question: BinaryQuestion, subject: str, arm: str, axis: tuple[str, ...], found: GroupedCounts
) -> PredictiveCheck:
    group = found.furthest_group()
    mean, low, high = found.interval(group)
    return PredictiveCheck(
        data=question.data,
        subject=subject,
        arm=arm,
        axis=" x ".join(axis),
        value=found.values[group],
        groups=len(found.values),
        outcome_class=question.stage,
        n=int(found.n[group]),
        observed=int(found.observed[group]),
        mean=mean,
        low95=low,
        high95=high,
        p=found.p,
    )


def _with_family_p(*families: Sequence[PredictiveCheck]) -> tuple[PredictiveCheck, ...]:
    """Rows with their p-values adjusted within each family (Holm), and for the number of families (Bonferroni)."""
    used, out = [rows for rows in families if rows], []
    for rows in used:
        adjusted = np.minimum(len(used) * np.array(holm_adjusted([row.p for row in rows])), 1.0)
        out += [row.model_copy(update={"p_family": float(p)}) for row, p in zip(rows, adjusted, strict=True)]
    return tuple(out)
