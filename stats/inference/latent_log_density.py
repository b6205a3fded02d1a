"""Log density and gradient of the corrected model: the true class is marginalised over verdicts and labels.

Parameters after those of the outcome stages: logits of wrong classes (A, J, K, K - 1), log standard deviations of
accuracies (Q, J), coordinates of their deviations (D, J, K), agreement of pairs of judges (A, pairs), then log standard
deviations (Q', J) of the deviations (D', J, K, K - 1) of wrong logits and their coordinates, then what raters and
graded voices have of their own. Letters as in `model.judge_confusion.VerdictArrays`.

There are nearly as many strata as cells, so no table over strata and patterns is made. Odds of a stratum are products
of the odds of its levels, whose exponentials are few; the sum over all patterns, which makes probabilities of odds,
runs over sets of agreeing judges (`agreement_sum`) and not over K^J patterns; and patterns are evaluated where a row
has them. Value and gradient are computed in one pass over strata.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.stats.inference.coordinates import Coordinates
from gnomon.stats.inference.log_density import (
    coefficient_gradient,
    coefficient_priors,
    linear_predictor,
    log_class_probabilities,
    outcome_gradient,
    outcome_prior,
    split_outcome_parameters,
)
from gnomon.stats.inference.reparameterization import CoefficientTransform, coordinate_gradient, to_coefficients
from gnomon.stats.model.graded_density import GradeParameters, add_level_slope, grade_prior, level_probabilities
from gnomon.stats.model.judge_confusion import LevelDeviations, VerdictArrays
from gnomon.stats.model.linear_predictor import PredictorArrays
from gnomon.stats.model.rater_density import label_chances, rater_confusions, rater_gradient, rater_prior

Array = np.ndarray[Any, Any]
SMALLEST = 1e-300
"""Lower limit of the probability of a row."""


class VerdictParameters(NamedTuple):
    """Views of the verdict parameters.

    `wrong` (A, J, K, K - 1) logits; `log_tau` (Q, J) and `accuracy` (D, J K); `agreement` (A, pairs); `log_omega`
    (Q', J) and `deviation` (D', J K (K - 1)) of the wrong logits; `rater_wrong` (K, K - 1) and `rater_deviation` (H) of
    the raters, empty without them; `grade` of the graded voices, shifts by column.
    """

    wrong: np.ndarray
    log_tau: np.ndarray
    accuracy: np.ndarray
    agreement: np.ndarray
    log_omega: np.ndarray
    deviation: np.ndarray
    rater_wrong: np.ndarray
    rater_deviation: np.ndarray
    grade: GradeParameters


class LevelOdds(NamedTuple):
    """Odds, as factors: `base` (A, J, K, K) of each verdict by true class, 0 if impossible; `right` (M, J, K) and
    `wrong` (M', J, K, K) of the levels of deviations.
    """

    base: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


class AgreementSums(NamedTuple):
    """Parts of `agreement_sum` by true class and set of judges (a bit mask): `products` (K, 2^J, K) of their odds by
    verdict, `whole` (K, 2^J) the sums of these, `within` (K, 2^J) the sum over patterns of the set's judges alone.
    """

    products: np.ndarray
    whole: np.ndarray
    within: np.ndarray


class PatternWork(NamedTuple):
    """What the probabilities of patterns need, and working memory.

    `block` (A, 2^J) is the weight of a set of judges that agree, so that, summed over the partitions of a set of
    judges, the products of its blocks' weights are exp of the agreements of all its pairs; `slope` (A, 2^J, pairs) is
    its gradient. Of each pattern seen: `spoke` (B) the set of judges that spoke, `alike` (B, pairs) the pairs that
    agree, `bonus` (A, B) exp of their agreements. Of the stratum at hand: `odds` and `d_odds` (K, J, K),
    `sums` and `narrow_sums`.
    """

    block: np.ndarray
    slope: np.ndarray
    spoke: np.ndarray
    alike: np.ndarray
    bonus: np.ndarray
    odds: np.ndarray
    d_odds: np.ndarray
    sums: AgreementSums
    narrow_sums: AgreementSums


@compiled
def split_verdict_parameters(x: Array, v: VerdictArrays, classes: int) -> VerdictParameters:
    """Views of the verdict parameters.

    Parameters
    ----------
    x : ndarray, shape (size,)
        Verdict part of a parameter vector.
    v : VerdictArrays
        Verdict data.
    classes : int
        Number of classes K.
    """
    judges, many, more = v.full.shape[1], v.accuracy.design.shape[1], v.wrong.design.shape[1]
    odds = judges * classes * (classes - 1)
    one = v.arms * odds
    two = one + v.accuracy.groups * judges
    three = two + many * judges * classes
    four = three + v.arms * v.pairs.shape[0]
    five = four + v.wrong.groups * judges
    six = five + more * odds
    seven = six + min(v.raters.raters, 1) * classes * (classes - 1)
    eight = seven + v.raters.deviating
    graded, levels = v.grades.judge.shape[0], v.grades.levels
    nine = eight + v.arms * graded * 4 * (levels - 1)
    ten = nine + many * graded * 2
    eleven = ten + more * graded * 4
    return VerdictParameters(
        x[:one].reshape(v.arms, judges, classes, classes - 1),
        x[one:two].reshape(v.accuracy.groups, judges),
        x[two:three].reshape(many, judges * classes),
        x[three:four].reshape(v.arms, v.pairs.shape[0]),
        x[four:five].reshape(v.wrong.groups, judges),
        x[five:six].reshape(more, odds),
        x[six:seven].reshape(min(v.raters.raters, 1) * classes, classes - 1),
        x[seven:eight],
        GradeParameters(
            x[eight:nine].reshape(v.arms, graded, 2, 2, levels - 1),
            x[nine:ten].reshape(many, graded, 2),
            x[ten:eleven].reshape(more, graded, 2, 2),
        ),
    )


@compiled
def deviation_precision(log_scale: Array, levels: LevelDeviations, width: int) -> Array:
    """Prior precisions of deviations.

    Parameters
    ----------
    log_scale : ndarray, shape (Q, J)
        Log standard deviations.
    levels : LevelDeviations
        Groups of the deviations.
    width : int
        Deviations of each judge.

    Returns
    -------
    ndarray, shape (D, J width)
        Precisions.
    """
    judges = log_scale.shape[1]
    out = np.zeros((levels.group.shape[0], judges * width))
    for d in range(out.shape[0]):
        for j in range(judges):
            own = np.exp(-2.0 * log_scale[levels.group[d], j])
            for k in range(j * width, (j + 1) * width):
                out[d, k] = own
    return out


@compiled
def deviations_from_coordinates(raw: Array, log_scale: Array, levels: LevelDeviations, c: Coordinates) -> Array:
    """Deviations from their coordinates.

    Parameters
    ----------
    raw : ndarray, shape (D, J width)
        Coordinates.
    log_scale : ndarray, shape (Q, J)
        Log standard deviations.
    levels : LevelDeviations
        Groups of the deviations.
    c : Coordinates
        What the coordinates are.

    Returns
    -------
    ndarray, shape (D, J width)
        Deviations.
    """
    precision = deviation_precision(log_scale, levels, raw.shape[1] // max(log_scale.shape[1], 1))
    return to_coefficients(raw, precision, np.zeros(precision.shape), c).beta


@compiled
def level_effects(deviation: Array, levels: LevelDeviations) -> Array:
    """Effects (M, width) of the levels from the deviations (D, width).

    Parameters
    ----------
    deviation : ndarray, shape (D, width)
        Deviations.
    levels : LevelDeviations
        Design of the levels.
    """
    out = np.zeros((levels.design.shape[0], deviation.shape[1]))
    for m in range(out.shape[0]):
        for d in range(deviation.shape[0]):
            by = levels.design[m, d]
            if by != 0.0:
                for k in range(out.shape[1]):
                    out[m, k] += by * deviation[d, k]
    return out


@compiled
def level_odds(wrong: Array, accuracy: Array, deviation: Array, v: VerdictArrays) -> LevelOdds:
    """Odds of the arms' verdicts and of the levels of deviations.

    Parameters
    ----------
    wrong : ndarray, shape (A, J, K, K - 1)
        Logits of wrong classes.
    accuracy : ndarray, shape (D, J K)
        Deviations of the accuracies.
    deviation : ndarray, shape (D', J K (K - 1))
        Deviations of the wrong logits.
    v : VerdictArrays
        Verdict data.
    """
    judges, classes = wrong.shape[1], wrong.shape[2]
    base = np.zeros((v.arms, judges, classes, classes))
    for a in range(v.arms):
        for j in range(judges):
            for z in range(classes):
                for c in range(classes):
                    if v.possible[a, c]:
                        base[a, j, z, c] = 1.0 if c == z else np.exp(wrong[a, j, z, c - (c > z)])
    right = np.exp(level_effects(accuracy, v.accuracy)).reshape(v.accuracy.design.shape[0], judges, classes)
    effect = level_effects(deviation, v.wrong).reshape(v.wrong.design.shape[0], judges, classes, classes - 1)
    lean = np.ones((effect.shape[0], judges, classes, classes))
    for m in range(effect.shape[0]):
        for j in range(judges):
            for z in range(classes):
                for c in range(classes):
                    if c != z:
                        lean[m, j, z, c] = np.exp(effect[m, j, z, c - (c > z)])
    return LevelOdds(base, right, lean)


@compiled
def stratum_odds(n: int, levels: LevelOdds, v: VerdictArrays, out: Array) -> None:
    """Odds of the verdicts in a stratum.

    Parameters
    ----------
    n : int
        The stratum.
    levels : LevelOdds
        Odds of arms and levels.
    v : VerdictArrays
        Verdict data.
    out : ndarray, shape (K, J, K)
        Filled: odds by true class, judge and verdict.
    """
    judges, classes = out.shape[1], out.shape[2]
    arm = v.arm[n]
    for j in range(judges):
        for z in range(classes):
            for c in range(classes):
                out[z, j, c] = levels.base[arm, j, z, c]
    for axis in range(v.accuracy.level.shape[1]):
        m = v.accuracy.level[n, axis]
        if m >= 0:
            for j in range(judges):
                for z in range(classes):
                    out[z, j, z] *= levels.right[m, j, z]
    for axis in range(v.wrong.level.shape[1]):
        m = v.wrong.level[n, axis]
        if m >= 0:
            for j in range(judges):
                for z in range(classes):
                    for c in range(classes):
                        out[z, j, c] *= levels.wrong[m, j, z, c]


@compiled
def agreement_weights(agreement: Array, v: VerdictArrays) -> tuple[Array, Array]:
    """Weights of sets of agreeing judges (A, 2^J) and their gradient (A, 2^J, pairs) in the agreements of pairs.

    The weight of a block is exp of the agreements of all its pairs, minus what its partitions into more than one block
    add up to, listed by the block that holds its first judge.

    Parameters
    ----------
    agreement : ndarray, shape (A, pairs)
        Log odds of the same verdict.
    v : VerdictArrays
        Verdict data.
    """
    judges, pairs = v.full.shape[1], v.pairs.shape[0]
    many = 1 << judges
    joint, block = np.ones((v.arms, many)), np.ones((v.arms, many))
    slope = np.zeros((v.arms, many, pairs))
    inside = np.zeros((many, pairs))
    for b in range(many):
        for k in range(pairs):
            if (b >> v.pairs[k, 0]) & 1 and (b >> v.pairs[k, 1]) & 1:
                inside[b, k] = 1.0
    for a in range(v.arms):
        for b in range(1, many):
            total = 0.0
            for k in range(pairs):
                total += inside[b, k] * agreement[a, k]
            joint[a, b] = np.exp(total)
        for b in range(1, many):
            low = b & -b
            rest = b ^ low
            block[a, b] = joint[a, b]
            for k in range(pairs):
                slope[a, b, k] = inside[b, k] * joint[a, b]
            part = rest
            while part > 0:
                part = (part - 1) & rest
                mine = part | low
                other = b ^ mine
                block[a, b] -= block[a, mine] * joint[a, other]
                for k in range(pairs):
                    slope[a, b, k] -= (
                        slope[a, mine, k] * joint[a, other] + block[a, mine] * joint[a, other] * inside[other, k]
                    )
    return block, slope


@compiled
def agreement_sum(z: int, arm: int, odds: Array, weight: Array, sums: AgreementSums) -> float:
    """Sum over all patterns of the product of the judges' odds and of exp(agreement) of every pair that agrees.

    A pattern's factor is the sum over the partitions of the judges into blocks that agree, of the blocks' weights
    (`PatternWork.block`): so the sum over K^J patterns is one over partitions of products of sums over K.

    Parameters
    ----------
    z, arm : int
        True class and arm.
    odds : ndarray, shape (K, J, K)
        Odds of each judge's verdicts by true class.
    weight : ndarray, shape (A, 2^J)
        Weights of blocks.
    sums : AgreementSums
        Filled for this true class.
    """
    judges, classes = odds.shape[1], odds.shape[2]
    many = 1 << judges
    sums.within[z, 0] = 1.0
    for j in range(judges):
        bit = 1 << j
        for b in range(bit, 2 * bit):
            total = 0.0
            for c in range(classes):
                one = odds[z, j, c] if b == bit else sums.products[z, b ^ bit, c] * odds[z, j, c]
                sums.products[z, b, c] = one
                total += one
            sums.whole[z, b] = total
    for b in range(1, many):
        low = b & -b
        rest = b ^ low
        part, total = rest, weight[arm, b] * sums.whole[z, b]
        while part > 0:
            part = (part - 1) & rest
            mine = part | low
            total += weight[arm, mine] * sums.whole[z, mine] * sums.within[z, b ^ mine]
        sums.within[z, b] = total
    return float(sums.within[z, many - 1])


@compiled
def agreement_sum_gradient(
    by: float, z: int, arm: int, block: Array, slope: Array, sums: AgreementSums, d_odds: Array, d_agreement: Array
) -> None:
    """Add the gradient of `by` * log of `agreement_sum`.

    Parameters
    ----------
    by : float
        Factor.
    z, arm : int
        True class and arm.
    block : ndarray, shape (A, 2^J)
        Weights of blocks.
    slope : ndarray, shape (A, 2^J, pairs)
        Their gradient in the agreements.
    sums : AgreementSums
        As `agreement_sum` filled them.
    d_odds : ndarray, shape (K, J, K)
        The gradient in the log odds is added to it.
    d_agreement : ndarray, shape (A, pairs)
        The gradient in the agreements is added to it.
    """
    judges, classes, pairs = d_odds.shape[1], d_odds.shape[2], d_agreement.shape[1]
    many = 1 << judges
    by = by / max(sums.within[z, many - 1], SMALLEST)
    for b in range(1, many):
        rest = by * sums.within[z, (many - 1) ^ b]
        full = block[arm, b] * rest
        for j in range(judges):
            if (b >> j) & 1:
                for c in range(classes):
                    d_odds[z, j, c] += full * sums.products[z, b, c]
        for k in range(pairs):
            if slope[arm, b, k] != 0.0:
                d_agreement[arm, k] += slope[arm, b, k] * sums.whole[z, b] * rest


@compiled
def pattern_work(agreement: Array, v: VerdictArrays, classes: int) -> PatternWork:
    """Weights of agreeing judges, what each pattern seen consists of, and empty working memory.

    Parameters
    ----------
    agreement : ndarray, shape (A, pairs)
        Log odds of the same verdict.
    v : VerdictArrays
        Verdict data.
    classes : int
        Number of classes K.
    """
    judges, pairs, seen = v.full.shape[1], v.pairs.shape[0], v.partial.shape[0]
    many = 1 << judges
    spoke = np.zeros(seen, dtype=np.int64)
    alike = np.zeros((seen, pairs), dtype=np.bool_)
    bonus = np.ones((v.arms, seen))
    for b in range(seen):
        for j in range(judges):
            if v.partial[b, j] >= 0:
                spoke[b] |= 1 << j
        for k in range(pairs):
            one, other = v.partial[b, v.pairs[k, 0]], v.partial[b, v.pairs[k, 1]]
            alike[b, k] = one >= 0 and one == other
            if alike[b, k]:
                for a in range(v.arms):
                    bonus[a, b] *= np.exp(agreement[a, k])
    block, slope = agreement_weights(agreement, v)
    shape = (classes, judges, classes)
    sums = AgreementSums(np.zeros((classes, many, classes)), np.zeros((classes, many)), np.zeros((classes, many)))
    further = AgreementSums(np.zeros((classes, many, classes)), np.zeros((classes, many)), np.zeros((classes, many)))
    return PatternWork(block, slope, spoke, alike, bonus, np.zeros(shape), np.zeros(shape), sums, further)


@compiled
def restricted_odds(z: int, b: int, odds: Array, v: VerdictArrays, out: Array) -> None:
    """Odds of the patterns that agree with one that was seen.

    Parameters
    ----------
    z, b : int
        True class and pattern.
    odds : ndarray, shape (K, J, K)
        Odds of each judge's verdicts by true class.
    v : VerdictArrays
        Verdict data.
    out : ndarray, shape (K, J, K)
        Filled for this true class: 0 for other verdicts than those given.
    """
    for j in range(odds.shape[1]):
        said = v.partial[b, j]
        for c in range(odds.shape[2]):
            out[z, j, c] = odds[z, j, c] if said < 0 or said == c else 0.0


@compiled
def rows_log_likelihood(  # noqa: PLR0912, PLR0915
    logs: Array,
    levels: LevelOdds,
    agreement: Array,
    v: VerdictArrays,
    chances: Array,
    grade: GradeParameters,
    weight: Array,
    slope: LevelOdds,
    d_agreement: Array,
    tally: Array,
    d_grade: GradeParameters,
    rows: Array,
) -> float:
    """Log likelihood of the rows; accumulates its gradient.

    One long function: calls with many arrays per row and class, which numba does not inline, cost 30 times as much.

    Parameters
    ----------
    logs : ndarray, shape (cells, K)
        Log class probabilities.
    levels : LevelOdds
        Odds of arms and levels.
    agreement : ndarray, shape (A, pairs)
        Log odds of the same verdict.
    v : VerdictArrays
        Verdict data.
    chances : ndarray, shape (A, G, K)
        Probability of each combination of raters' labels.
    grade : GradeParameters
        Graded voices, shifts by level.
    weight : ndarray, shape (cells, K)
        Expected class counts are added to it.
    slope : LevelOdds
        The gradient in the logs of `levels` is added to it.
    d_agreement : ndarray, shape (A, pairs)
        The gradient in the agreements is added to it.
    tally : ndarray, shape (A, G, K)
        Expected trials by arm, combination of labels and truth are added to it.
    d_grade : GradeParameters
        The gradient in `grade` is added to it.
    rows : ndarray, shape (R,)
        Filled: log likelihood of each row.
    """
    classes = logs.shape[1]
    judges, pairs = v.full.shape[1], v.pairs.shape[0]
    everyone = (1 << judges) - 1
    share, w = np.exp(logs), pattern_work(agreement, v, classes)
    odds, d_odds, narrow, sums, narrow_sums = w.odds, w.d_odds, np.zeros(w.odds.shape), w.sums, w.narrow_sums
    joint, used, norm = np.zeros(classes), np.zeros(classes), np.zeros(classes)
    graded, event = v.grades.judge.shape[0], v.grades.event
    sure, surer = np.zeros((graded, 2, 2, v.grades.levels)), np.zeros((graded, 2, 2, v.grades.levels))
    total = 0.0
    for n in range(v.arm.shape[0]):
        if v.start[n] == v.start[n + 1]:
            continue
        arm = v.arm[n]
        stratum_odds(n, levels, v, odds)
        if graded > 0:
            level_probabilities(arm, v.accuracy.level[n], v.wrong.level[n], grade, v.grades, sure)
            surer[:] = 0.0
        for z in range(classes):
            used[z] = 0.0
            for j in range(judges):
                for k in range(classes):
                    d_odds[z, j, k] = 0.0
            if v.possible[arm, z]:
                norm[z] = 1.0 / max(agreement_sum(z, arm, odds, w.block, sums), SMALLEST)
        for place in range(v.start[n], v.start[n + 1]):
            i = v.order[place]
            c, b, g, whole = v.cell[i], v.pattern[i], v.raters.row[i], 0.0
            for z in range(classes):
                joint[z] = 0.0
                if v.possible[arm, z] and (v.label[i] < 0 or v.sets[v.label[i], z]):
                    chance = 1.0
                    if w.spoke[b] == everyone:
                        chance = w.bonus[arm, b] * norm[z]
                        for j in range(judges):
                            chance *= odds[z, j, v.partial[b, j]]
                    elif w.spoke[b] != 0:
                        restricted_odds(z, b, odds, v, narrow)
                        chance = agreement_sum(z, arm, narrow, w.block, narrow_sums) * norm[z]
                    if g >= 0:
                        chance *= chances[arm, g, z]
                    for q in range(graded):
                        k = v.grades.level[i, q]
                        if k >= 0:
                            said = v.partial[b, v.grades.judge[q]]
                            chance *= sure[q, int(z == event), int(said == event), k]
                    joint[z] = (share[c, z] if c >= 0 else 1.0) * chance
                    whole += joint[z]
            whole = max(whole, SMALLEST)
            rows[i] = v.number[i] * np.log(whole)
            total += rows[i]
            each = v.number[i] / whole
            for z in range(classes):
                if joint[z] == 0.0:
                    continue
                expected = each * joint[z]
                if c >= 0:
                    weight[c, z] += expected
                if g >= 0:
                    tally[arm, g, z] += expected
                for q in range(graded):
                    k = v.grades.level[i, q]
                    if k >= 0:
                        said = v.partial[b, v.grades.judge[q]]
                        surer[q, int(z == event), int(said == event), k] += expected
                if w.spoke[b] == 0:
                    continue
                used[z] += expected
                if w.spoke[b] == everyone:
                    for j in range(judges):
                        d_odds[z, j, v.partial[b, j]] += expected
                    for k in range(pairs):
                        if w.alike[b, k]:
                            d_agreement[arm, k] += expected
                else:
                    agreement_sum_gradient(expected, z, arm, w.block, w.slope, narrow_sums, d_odds, d_agreement)
        for z in range(classes):
            if used[z] != 0.0:
                agreement_sum_gradient(-used[z], z, arm, w.block, w.slope, sums, d_odds, d_agreement)
        add_level_gradient(n, d_odds, v, slope)
        if graded > 0:
            add_level_slope(arm, v.accuracy.level[n], v.wrong.level[n], surer, sure, d_grade)
    return total


@compiled
def grade_by_level(p: GradeParameters, v: VerdictArrays) -> GradeParameters:
    """The parameters of graded voices with the shifts of the levels in place of those of the columns.

    Parameters
    ----------
    p : GradeParameters
        Shifts by column.
    v : VerdictArrays
        Verdict data.
    """
    graded = p.logit.shape[1]
    shift = level_effects(p.shift.reshape(p.shift.shape[0], graded * 2), v.accuracy)
    dose = level_effects(p.dose.reshape(p.dose.shape[0], graded * 4), v.wrong)
    return GradeParameters(p.logit, shift.reshape(shift.shape[0], graded, 2), dose.reshape(dose.shape[0], graded, 2, 2))


@compiled
def empty_grades(p: GradeParameters) -> GradeParameters:
    """Zeros of the shape of parameters of graded voices."""
    return GradeParameters(np.zeros(p.logit.shape), np.zeros(p.shift.shape), np.zeros(p.dose.shape))


@compiled
def row_log_likelihoods(parameters: Array, v: VerdictArrays, logs: Array) -> Array:
    """Log likelihood (R,) of each row at parameters, not coordinates.

    Parameters
    ----------
    parameters : ndarray, shape (size,)
        Verdict part of a parameter vector.
    v : VerdictArrays
        Verdict data.
    logs : ndarray, shape (cells, K)
        Log class probabilities.
    """
    p = split_verdict_parameters(parameters, v, logs.shape[1])
    odds = level_odds(p.wrong, p.accuracy, p.deviation, v)
    unused = LevelOdds(np.zeros(odds.base.shape), np.zeros(odds.right.shape), np.zeros(odds.wrong.shape))
    rows, weight = np.zeros(v.cell.shape[0]), np.zeros(logs.shape)
    confusion = rater_confusions(p.rater_wrong, p.rater_deviation, v.possible, v.raters)
    chances = label_chances(confusion, v.raters, v.sets)
    tally, d_agreement, grade = np.zeros(chances.shape), np.zeros(p.agreement.shape), grade_by_level(p.grade, v)
    d_grade = empty_grades(grade)
    rows_log_likelihood(logs, odds, p.agreement, v, chances, grade, weight, unused, d_agreement, tally, d_grade, rows)
    return rows


@compiled
def add_level_gradient(n: int, d_odds: Array, v: VerdictArrays, slope: LevelOdds) -> None:
    """Propagate the gradient from a stratum's log odds to those of arms and levels.

    Parameters
    ----------
    n : int
        The stratum.
    d_odds : ndarray, shape (K, J, K)
        Gradient in the log odds of its verdicts.
    v : VerdictArrays
        Verdict data.
    slope : LevelOdds
        The gradient is added to it.
    """
    classes, judges = d_odds.shape[0], d_odds.shape[1]
    arm = v.arm[n]
    for j in range(judges):
        for z in range(classes):
            for c in range(classes):
                slope.base[arm, j, z, c] += d_odds[z, j, c]
    for axis in range(v.accuracy.level.shape[1]):
        m = v.accuracy.level[n, axis]
        if m >= 0:
            for j in range(judges):
                for z in range(classes):
                    slope.right[m, j, z] += d_odds[z, j, z]
    for axis in range(v.wrong.level.shape[1]):
        m = v.wrong.level[n, axis]
        if m >= 0:
            for j in range(judges):
                for z in range(classes):
                    for c in range(classes):
                        slope.wrong[m, j, z, c] += d_odds[z, j, c]


@compiled
def pattern_tables(levels: LevelOdds, agreement: Array, v: VerdictArrays) -> Array:
    """P(full pattern | true class) in each stratum.

    Parameters
    ----------
    levels : LevelOdds
        Odds of arms and levels.
    agreement : ndarray, shape (A, pairs)
        Log odds of the same verdict.
    v : VerdictArrays
        Verdict data.

    Returns
    -------
    ndarray, shape (N, K, L)
        Probability of each full pattern.
    """
    classes, judges = levels.base.shape[3], levels.base.shape[1]
    out = np.zeros((v.arm.shape[0], classes, v.full.shape[0]))
    odds = np.zeros((classes, judges, classes))
    for n in range(out.shape[0]):
        stratum_odds(n, levels, v, odds)
        for z in range(classes):
            whole = 0.0
            for f in range(out.shape[2]):
                chance = 1.0
                for j in range(judges):
                    chance *= odds[z, j, v.full[f, j]]
                for k in range(v.pairs.shape[0]):
                    if v.full[f, v.pairs[k, 0]] == v.full[f, v.pairs[k, 1]]:
                        chance *= np.exp(agreement[v.arm[n], k])
                out[n, z, f] = chance
                whole += chance
            for f in range(out.shape[2]):
                out[n, z, f] /= max(whole, SMALLEST)
    return out


@compiled
def arm_confusions(levels: LevelOdds, agreement: Array, v: VerdictArrays, share: Array) -> Array:
    """P(verdict | true class) of each judge, averaged over the strata of each arm.

    Parameters
    ----------
    levels : LevelOdds
        Odds of arms and levels.
    agreement : ndarray, shape (A, pairs)
        Log odds of the same verdict.
    v : VerdictArrays
        Verdict data.
    share : ndarray, shape (N,)
        Weight of each stratum within its arm.

    Returns
    -------
    ndarray, shape (A, J, K, K)
        Confusion matrices, true class first.
    """
    classes, judges = levels.base.shape[3], levels.base.shape[1]
    out, unused = np.zeros(levels.base.shape), np.zeros(agreement.shape)
    w = pattern_work(agreement, v, classes)
    for n in range(v.arm.shape[0]):
        if share[n] > 0.0:
            arm = v.arm[n]
            stratum_odds(n, levels, v, w.odds)
            w.d_odds[:] = 0.0
            for z in range(classes):
                if v.possible[arm, z]:
                    agreement_sum(z, arm, w.odds, w.block, w.sums)
                    agreement_sum_gradient(share[n], z, arm, w.block, w.slope, w.sums, w.d_odds, unused)
                for j in range(judges):
                    for c in range(classes):
                        out[arm, j, z, c] += w.d_odds[z, j, c]
    return out


@compiled
def deviation_prior(
    log_scale: Array,
    width: float,
    power: float,
    precision: Array,
    levels: LevelDeviations,
    beta: Array,
    d_log_scale: Array,
) -> tuple[float, Array]:
    """Log prior of deviations and of their standard deviations: density tau^(power - 1) exp(-tau^2 / (2 width^2)).

    Parameters
    ----------
    log_scale : ndarray, shape (Q, J)
        Log standard deviations.
    width : float
        Scale of their prior.
    power : float
        1 for a half-normal prior, 2 for a Rayleigh prior, which is 0 at 0.
    precision : ndarray, shape (D, J w)
        Prior precisions of the deviations.
    levels : LevelDeviations
        Groups of the deviations.
    beta : ndarray, shape (D, J w)
        Deviations.
    d_log_scale : ndarray, shape (Q, J)
        The gradient is added to it.

    Returns
    -------
    (float, ndarray)
        Log prior, and its gradient in the deviations (D, J w).
    """
    total, slope = 0.0, np.zeros(beta.shape)
    for g in range(log_scale.shape[0]):
        for j in range(log_scale.shape[1]):
            ratio = np.exp(log_scale[g, j]) / width
            total += power * log_scale[g, j] - 0.5 * ratio * ratio
            d_log_scale[g, j] += power - ratio * ratio
    each = beta.shape[1] // log_scale.shape[1]
    for d in range(beta.shape[0]):
        g = levels.group[d]
        for k in range(beta.shape[1]):
            pulled = precision[d, k] * beta[d, k]
            slope[d, k] = -pulled
            total -= 0.5 * pulled * beta[d, k] + log_scale[g, k // each]
            d_log_scale[g, k // each] += pulled * beta[d, k] - 1.0
    return total, slope


@compiled
def judge_prior(p: VerdictParameters, v: VerdictArrays, d: VerdictParameters) -> float:
    """Log prior of the wrong logits of the arms and of the agreements; accumulates its gradient.

    Parameters
    ----------
    p : VerdictParameters
        The parameters.
    v : VerdictArrays
        Verdict data.
    d : VerdictParameters
        The gradient is added to it.
    """
    total = 0.0
    many = p.wrong.size // v.arms
    gaps, slopes = p.wrong.ravel() - v.wrong_mean, d.wrong.ravel()
    common = v.wrong_alike / (1.0 + (many - 1) * v.wrong_alike)
    for arm in range(v.arms):
        sd = v.wrong_sd[arm]
        gaps[arm * many : (arm + 1) * many] /= sd
        whole = gaps[arm * many : (arm + 1) * many].sum()
        for k in range(arm * many, (arm + 1) * many):
            pulled = (gaps[k] - common * whole) / (1.0 - v.wrong_alike)
            total -= 0.5 * gaps[k] * pulled
            slopes[k] -= pulled / sd
    gaps, slopes = p.agreement.ravel() / v.agreement_sd, d.agreement.ravel()
    for k in range(gaps.size):
        total -= 0.5 * gaps[k] * gaps[k]
        slopes[k] -= gaps[k] / v.agreement_sd
    return total


@compiled
def deviation_gradient(
    slope: Array,
    log_scale: Array,
    levels: LevelDeviations,
    way: CoefficientTransform,
    raw: Array,
    c: Coordinates,
    d_raw: Array,
    d_log_scale: Array,
) -> None:
    """Propagate the gradient from deviations to their coordinates and log standard deviations.

    Parameters
    ----------
    slope : ndarray, shape (D, J w)
        Gradient in the deviations.
    log_scale : ndarray, shape (Q, J)
        Log standard deviations.
    levels : LevelDeviations
        Groups of the deviations.
    way : CoefficientTransform
        Transform of the coordinates (`to_coefficients`).
    raw : ndarray, shape (D, J w)
        Coordinates.
    c : Coordinates
        What the coordinates are.
    d_raw : ndarray, shape (D, J w)
        Filled with the gradient in the coordinates.
    d_log_scale : ndarray, shape (Q, J)
        The gradient is added to it.
    """
    d_z, d_precision = coordinate_gradient(raw, way, slope, c)
    d_raw[:] = d_z
    each = slope.shape[1] // log_scale.shape[1]
    for d in range(slope.shape[0]):
        g = levels.group[d]
        for j in range(log_scale.shape[1]):
            by = -2.0 * np.exp(-2.0 * log_scale[g, j])
            for k in range(j * each, (j + 1) * each):
                d_log_scale[g, j] += by * d_precision[d, k]


@compiled
def add_design_gradient(d_level: Array, levels: LevelDeviations, slope: Array) -> None:
    """Add the gradient in the deviations (D, width) from the one in the levels' effects (M, width).

    Parameters
    ----------
    d_level : ndarray, shape (M, width)
        Gradient in the effects of the levels.
    levels : LevelDeviations
        Design of the levels.
    slope : ndarray, shape (D, width)
        The gradient is added to it.
    """
    for m in range(d_level.shape[0]):
        for d in range(slope.shape[0]):
            by = levels.design[m, d]
            if by != 0.0:
                for k in range(slope.shape[1]):
                    slope[d, k] += by * d_level[m, k]


@compiled
def without_diagonal(d_odds: Array) -> Array:
    """The entries (n, J, K, K - 1) of wrong verdicts from those (n, J, K, K) of all.

    Parameters
    ----------
    d_odds : ndarray, shape (n, J, K, K)
        True class before verdict.
    """
    many, judges, classes = d_odds.shape[0], d_odds.shape[1], d_odds.shape[2]
    out = np.zeros((many, judges, classes, classes - 1))
    for m in range(many):
        for j in range(judges):
            for z in range(classes):
                for c in range(classes):
                    if c != z:
                        out[m, j, z, c - (c > z)] = d_odds[m, j, z, c]
    return out


@compiled
def corrected_density(
    x: Array, a: PredictorArrays, c: Coordinates, v: VerdictArrays, cv: Coordinates, cw: Coordinates
) -> tuple[float, Array]:
    """Log density, up to a constant, and gradient, with the true class latent except in labelled rows.

    Parameters
    ----------
    x : ndarray, shape (size,)
        A vector in the model's coordinates.
    a : PredictorArrays
        Arrays of the predictor.
    c : Coordinates
        Coordinates of the coefficients.
    v : VerdictArrays
        Verdict data.
    cv : Coordinates
        Coordinates of the accuracy deviations.
    cw : Coordinates
        Coordinates of the deviations of wrong logits.

    Returns
    -------
    (float, ndarray)
        Log density, and its gradient (size,).
    """
    z, log_tau = split_outcome_parameters(x, a)
    first = z.size + log_tau.size
    classes = a.fixed_mean.shape[1] + 1
    precision, mean = coefficient_priors(log_tau, a)
    way = to_coefficients(z, precision, mean, c)
    eta = linear_predictor(way.beta, a.indptr, a.column, a.value)
    p = split_verdict_parameters(x[first:], v, classes)
    trust = deviation_precision(p.log_tau, v.accuracy, classes)
    bent = to_coefficients(p.accuracy, trust, np.zeros(trust.shape), cv)
    firm = deviation_precision(p.log_omega, v.wrong, classes * (classes - 1))
    leant = to_coefficients(p.deviation, firm, np.zeros(firm.shape), cw)
    odds = level_odds(p.wrong, bent.beta, leant.beta, v)
    slope = LevelOdds(np.zeros(odds.base.shape), np.zeros(odds.right.shape), np.zeros(odds.wrong.shape))
    weight = np.zeros((eta.shape[0], classes))
    total, d_beta, d_log_tau = outcome_prior(log_tau, precision, mean, way, a)
    d_agreement, rows = np.zeros(p.agreement.shape), np.zeros(v.cell.shape[0])
    logs = log_class_probabilities(eta, a.asked)
    confusion = rater_confusions(p.rater_wrong, p.rater_deviation, v.possible, v.raters)
    chances = label_chances(confusion, v.raters, v.sets)
    tally, grade = np.zeros(chances.shape), grade_by_level(p.grade, v)
    d_grade = empty_grades(grade)
    total += rows_log_likelihood(
        logs, odds, p.agreement, v, chances, grade, weight, slope, d_agreement, tally, d_grade, rows
    )
    coefficient_gradient(a, eta, weight, d_beta)
    grad = outcome_gradient(x, a, c, way, d_beta, d_log_tau)
    d = split_verdict_parameters(grad[first:], v, classes)
    total += judge_prior(p, v, d) + bent.log_volume + leant.log_volume
    total += rater_prior(p.rater_wrong, p.rater_deviation, v.raters, d.rater_wrong, d.rater_deviation)
    rater_gradient(tally, confusion, v.raters, v.sets, v.possible, d.rater_wrong, d.rater_deviation)
    if v.grades.judge.shape[0] > 0:
        total += grade_prior(p.grade, v.grades, d.grade)
        d.grade.logit[:] += d_grade.logit
        by_shift, by_dose = d_grade.shift.shape[1] * 2, d_grade.dose.shape[1] * 4
        shifts, doses = d.grade.shift, d.grade.dose
        add_design_gradient(
            d_grade.shift.reshape(d_grade.shift.shape[0], by_shift),
            v.accuracy,
            shifts.reshape(shifts.shape[0], by_shift),
        )
        add_design_gradient(
            d_grade.dose.reshape(d_grade.dose.shape[0], by_dose), v.wrong, doses.reshape(doses.shape[0], by_dose)
        )
    d.wrong[:] += without_diagonal(slope.base)
    d.agreement[:] += d_agreement
    value, d_bent = deviation_prior(p.log_tau, v.scale, 1.0, trust, v.accuracy, bent.beta, d.log_tau)
    total += value
    add_design_gradient(slope.right.reshape(slope.right.shape[0], d_bent.shape[1]), v.accuracy, d_bent)
    deviation_gradient(d_bent, p.log_tau, v.accuracy, bent, p.accuracy, cv, d.accuracy, d.log_tau)
    value, d_leant = deviation_prior(p.log_omega, v.dose_scale, 2.0, firm, v.wrong, leant.beta, d.log_omega)
    total += value
    lean = without_diagonal(slope.wrong)
    add_design_gradient(lean.reshape(lean.shape[0], d_leant.shape[1]), v.wrong, d_leant)
    deviation_gradient(d_leant, p.log_omega, v.wrong, leant, p.deviation, cw, d.deviation, d.log_omega)
    return total, grad
