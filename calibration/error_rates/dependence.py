"""Dependence between judges' errors: with labels, from their errors given the truth; without, from residual agreement.

Every model that multiplies the judges' probabilities given the truth (Dawid-Skene, the joint posterior) treats two
judges that share a weakness as independent witnesses, and is then overconfident. Hard transcripts that mislead both
count as dependence too: they have the same effect. Array functions at the bottom, `judge_dependence` for a store on
top.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gnomon.calibration.error_rates.confusion import LabelledEvidence, collect_evidence
from gnomon.calibration.latent_class.dawid_skene import (
    RatingPatterns,
    expected_classes,
    maximize_likelihood,
    rating_patterns,
)
from gnomon.calibration.numerics.common_odds_ratio import common_odds_ratio
from gnomon.calibration.numerics.rating_arrays import Floats, as_ratings
from gnomon.calibration.observations.verdict_table import VerdictTable
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import Arm, IntervalEstimate
from gnomon.data.storage.store import Store

Groups = Sequence[tuple[tuple[Hashable, Hashable], NDArray[np.intp]]]
SIGNIFICANT = 0.05
MAX_CELLS = 4096
EventPatterns = Mapping[str, tuple[Floats, Floats]]
"""By arm the judges' verdicts on the event, (patterns, judges), and the number of trials of each pattern."""
NOTHING_SAID: tuple[Floats, Floats] = (np.zeros((0, 0)), np.zeros(0))


@dataclass(frozen=True, slots=True)
class ErrorPair:
    """Association of two judges' errors on units of known truth, in one arm and true class or (None) over all.

    `n` units that both judged; `both_wrong` of them and the number `expected` under independent errors within arms and
    classes (where units are weighted, both on a scale that adds to n); `odds_ratio` of b erring when a errs against
    when a does not, None if a judge always or never errs; `p_value` two-sided; `verdict` in words.
    """

    a: Hashable
    b: Hashable
    arm: Hashable | None
    truth: Hashable | None
    n: int
    both_wrong: float
    expected: float
    odds_ratio: IntervalEstimate | None
    p_value: float
    verdict: str


@dataclass(frozen=True, slots=True)
class ResidualPair:
    """How often two judges agree, and how often they would under independent errors: `agree` and `expected` of n.

    `p_value` of the difference, two-sided. It concerns the panel, not this pair (`residual_dependence`).
    """

    a: Hashable
    b: Hashable
    arm: Hashable | None
    n: int
    agree: float
    expected: float
    p_value: float
    verdict: str


@dataclass(frozen=True, slots=True)
class JudgeDependence:
    """Error dependence from labels and from verdicts alone; `notes` say what could not be checked, and why."""

    labelled: tuple[ErrorPair, ...]
    unlabelled: tuple[ResidualPair, ...]
    notes: tuple[str, ...]


def judge_dependence(
    store: Store,
    versions: Sequence[str],
    view: str = "blind",
    *,
    splits: Sequence[str] | None = None,
    resamples: int = 999,
    seed: int = 0,
) -> JudgeDependence:
    """Whether judge versions err together on the event, from labelled trials and from verdicts alone, arm by arm.

    Labels chosen because judges dispute a transcript under-represent shared errors; they are weighted as in
    `confusion.inverse_inclusion_weights`. See `error_dependence` and `residual_dependence` for estimands and methods.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Two judge versions or more.
    view : str, default "blind"
        Label view (`gnomon.calibration.labels.views`).
    splits : sequence of str, optional
        Splits to measure on; by default as in `gnomon.calibration.observations.frames.judge_splits`.
    resamples : int, default 999
        Number of parametric bootstrap samples of `residual_dependence`.
    seed : int, default 0
        Seed of the bootstrap.

    Raises
    ------
    NotEnoughDataError
        If fewer than two judges are given.
    """
    found = dict(zip(versions, collect_evidence(store, versions, view, splits=splits), strict=True))
    return evidence_dependence(found, resamples=resamples, seed=seed)


def evidence_dependence(
    found: Mapping[str, LabelledEvidence], said: EventPatterns | None = None, *, resamples: int = 999, seed: int = 0
) -> JudgeDependence:
    """The result of `judge_dependence` from verdicts and labels that were already read.

    Parameters
    ----------
    found : mapping of str to LabelledEvidence
        Verdicts and labels by judge version.
    said : EventPatterns, optional
        The versions' verdicts by arm (`event_patterns`), which must be given where the evidence has counts of judged
        trials instead of rows.
    resamples : int, default 999
        Number of parametric bootstrap samples of `residual_dependence`.
    seed : int, default 0
        Seed of the bootstrap.

    Raises
    ------
    NotEnoughDataError
        If fewer than two judges are given.
    """
    if len(found) < 2:
        raise NotEnoughDataError("errors in common: one judge was given: name two or more")
    versions = list(found)
    labelled, notes = _of_labels(found)
    unlabelled: list[ResidualPair] = []
    for arm in Arm:
        patterns, number = _patterns_in(arm, found) if said is None else said.get(str(arm), NOTHING_SAID)
        if len(patterns):
            try:
                pairs = residual_dependence(patterns, judges=versions, units=number, resamples=resamples, seed=seed)
            except NotEnoughDataError as why:
                notes.append(f"{arm}, without labels: {why}")
            else:
                unlabelled += [replace(pair, arm=str(arm)) for pair in pairs]
    return JudgeDependence(tuple(labelled), tuple(unlabelled), tuple(notes))


def event_patterns(table: VerdictTable, splits: Sequence[tuple[str, Sequence[str]]]) -> EventPatterns:
    """The verdicts of judge versions on the event as distinct patterns, by arm, with the number of trials of each.

    Parameters
    ----------
    table : VerdictTable
        Verdicts.
    splits : sequence of (version, splits)
        The V judge versions, each with the splits that it is measured on.

    Returns
    -------
    dict of str to (array (patterns, V), array (patterns,))
        1 for an event, 0 for none, NaN without a verdict; and numbers of trials.
    """
    event = np.append(table.kinds["event"].fillna(False).to_numpy(dtype=np.int64), 0)
    code = np.zeros(len(table.trials), dtype=np.int64)
    for version, own in splits:
        kind = table.counted_kinds(version)
        code = code * 3 + np.where((kind >= 0) & table.is_split(own), event[kind] + 1, 0)
    found = {}
    for arm in table.cells["arm"].unique():
        keys, number = np.unique(code[table.cells["arm"].eq(arm).to_numpy()[table.cell]], return_counts=True)
        digits = [keys // 3 ** (len(splits) - 1 - place) % 3 for place in range(len(splits))]
        values = np.array([np.array([np.nan, 0.0, 1.0])[digit] for digit in digits]).reshape(len(splits), -1).T
        found[str(arm)] = (values[keys > 0], number[keys > 0].astype(float))
    return found


def _patterns_in(arm: str, found: Mapping[str, LabelledEvidence]) -> tuple[Floats, Floats]:
    rows = {version: each.judged[each.judged["arm"] == arm] for version, each in found.items()}
    values = _wide_table(rows, "event").to_numpy(dtype=float)
    return values, np.ones(len(values))


def _of_labels(found: Mapping[str, LabelledEvidence]) -> tuple[list[ErrorPair], list[str]]:
    rows = {
        version: each.pairs.assign(wrong=each.pairs["event"] != each.pairs["true_event"])
        for version, each in found.items()
    }
    wrong = _wide_table(rows, "wrong")
    if not len(wrong):
        return [], ["with labels: no trial that these judges read is labelled: label some"]
    about = pd.concat(rows.values()).drop_duplicates("trial").set_index("trial").loc[wrong.index]
    truth = about["true_event"].map({True: "event", False: "no event"})
    pairs = error_dependence(wrong, truth, judges=list(found), arms=about["arm"], weights=about["weight"])
    return list(pairs), []


def _wide_table(rows: Mapping[str, pd.DataFrame], column: str) -> pd.DataFrame:
    """One row per trial, one column per judge, NaN where a judge gave no verdict."""
    columns = {version: each.set_index("trial")[column].astype(float) for version, each in rows.items()}
    return pd.DataFrame(columns).sort_index()


# -- with the truth known --------------------------------------------------------------------------------


def error_dependence(
    wrong: ArrayLike,
    truth: ArrayLike,
    *,
    judges: Sequence[Hashable] | None = None,
    arms: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[ErrorPair, ...]:
    """Association of the errors of each pair of judges, given the true class and the arm.

    Estimand: the odds ratio of both judges' errors within a class of an arm, and the common odds ratio of all of
    these. Assumes that labels are the truth and that units are a random sample within class and arm, possibly after
    weighting. The exact conditional distribution of the number of joint errors given both judges' margins gives
    Fisher's test, the conditional maximum likelihood odds ratio and exact limits, and over classes and arms the exact
    form of Mantel and Haenszel's test; weights tilt it (`numerics.common_odds_ratio`).
    Sources: Fisher (1935); Mantel and Haenszel (1959); Gart (1970).

    The verdict calls a pair dependent at 5 %, after Holm's correction over the pairs of judges.

    Parameters
    ----------
    wrong : array (units, judges)
        1 if the judge erred, 0 if not, NaN if it gave no verdict.
    truth : array (units,)
        True class of each unit, any hashable values.
    judges : sequence, optional
        Names of the judges; numbers by default.
    arms : array (units,), optional
        Arm of each unit; by default all are in one.
    weights : array (units,), optional
        Inverse inclusion probabilities of the units' labels, on any scale.
    confidence : float, default 0.95
        Nominal coverage of the intervals of odds ratios, 0 to 1.

    Returns
    -------
    tuple of ErrorPair
        For each pair of judges one for every class of every arm, then one over all of them (arm and truth None).

    Raises
    ------
    InputError
        If the shapes of truth, arms or weights do not match, or there are fewer than two judges.
    """
    values = as_ratings(wrong)
    names = _pair_names(values, judges)
    load = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    if load.shape != (len(values),):
        raise InputError(f"{load.size} weights for {len(values)} units: pass one for each unit")
    groups = _unit_groups(truth, arms, len(values))
    found = [
        row
        for a, b in combinations(range(len(names)), 2)
        for row in _pair_dependence(values[:, [a, b]], groups, load, (names[a], names[b]), confidence)
    ]
    return tuple(_judged_matrix(found))


def _unit_groups(truth: ArrayLike, arms: ArrayLike | None, units: int) -> Groups:
    """The units of each (arm, class), in order of their names."""
    classes, places = np.asarray(truth), [None] * units if arms is None else np.asarray(arms).tolist()
    if classes.shape != (units,) or len(places) != units:
        raise InputError(
            f"{classes.size} true classes and {len(places)} arms for {units} units: pass one for each unit"
        )
    members: dict[tuple[Hashable, Hashable], list[int]] = {}
    for unit, key in enumerate(zip(places, classes.tolist(), strict=True)):
        members.setdefault(key, []).append(unit)
    return [(key, np.array(members[key])) for key in sorted(members, key=repr)]


def _pair_dependence(
    both: Floats,
    groups: Groups,
    load: Floats,
    names: tuple[Hashable, Hashable],
    confidence: float,
) -> list[ErrorPair]:
    heard = np.asarray(~np.isnan(both).any(axis=1))
    spoken = [(key, at[heard[at]]) for key, at in groups]
    tables = {key: _error_table(both[at], load[at]) for key, at in spoken if len(at)}
    rows = [_dependence_row(names, key, [table], confidence) for key, table in tables.items()]
    return [*rows, _dependence_row(names, (None, None), list(tables.values()), confidence)] if rows else []


def _error_table(both: Floats, load: Floats) -> tuple[Floats, Floats]:
    """Units, and their mean weight, by a's and b's error (wrong first); weights average 1.

    An empty cell takes the mean weight of its diagonal, since disputed and undisputed units were drawn separately.
    """
    place, scaled = (1 - both).astype(int), load * len(load) / load.sum()
    units, weight = np.zeros((2, 2)), np.zeros((2, 2))
    np.add.at(units, (place[:, 0], place[:, 1]), 1.0)
    np.add.at(weight, (place[:, 0], place[:, 1]), scaled)
    numbers, totals = ((float(np.trace(part)), float(np.trace(part[::-1]))) for part in (units, weight))
    beside = [total / n if n else 1.0 for n, total in zip(numbers, totals, strict=True)]
    empty = np.where(np.eye(2) > 0, *beside)
    mean = np.where(units > 0, weight / np.maximum(units, 1), empty)
    return units, mean


def _dependence_row(
    names: tuple[Hashable, Hashable],
    key: tuple[Hashable, Hashable],
    tables: Sequence[tuple[Floats, Floats]],
    confidence: float,
) -> ErrorPair:
    full = [units * mean for units, mean in tables]
    expected = sum(float(table[0].sum() * table[:, 0].sum() / table.sum()) for table in full)
    both, n = sum(float(table[0, 0]) for table in full), int(sum(units.sum() for units, _ in tables))
    ratio, p_value = common_odds_ratio(
        [units for units, _ in tables], weights=[mean for _, mean in tables], confidence=confidence
    )
    return ErrorPair(*names, *key, n, both, expected, ratio, p_value, "")


def _judged_matrix(rows: Sequence[ErrorPair]) -> list[ErrorPair]:
    """The rows with their verdicts, each corrected for the number of pairs of judges in the same arm and class."""
    keys = pd.Series([(row.arm, row.truth) for row in rows], dtype=object)
    corrected = pd.Series([row.p_value for row in rows], dtype=float).groupby(keys.map(repr)).transform(holm_adjusted)
    return [replace(row, verdict=_pair_sentence(row, p)) for row, p in zip(rows, corrected, strict=True)]


def _pair_sentence(row: ErrorPair, p_value: float) -> str:
    ratio = row.odds_ratio
    if ratio is None:
        return "cannot be told: one of them never errs here, or always does"
    if p_value < SIGNIFICANT and ratio.value > 1:
        return (
            "they err together: two such verdicts are worth less than two, and a model that multiplies them is too sure"
        )
    if p_value < SIGNIFICANT:
        return "they err apart: where one is wrong the other tends to be right"
    if math.isinf(ratio.high):
        return "no sign that errors go together, but too few errors to rule anything out"
    return f"no sign that errors go together, but an odds ratio of up to {ratio.high:.3g} is not ruled out"


def holm_adjusted(p_values: pd.Series[float]) -> Floats:
    """P values adjusted by Holm's method (1979), in the order given."""
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values)
    scaled = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(scaled, 1.0)
    return corrected


# -- with the truth unknown ------------------------------------------------------------------------------


def residual_dependence(
    ratings: ArrayLike,
    *,
    judges: Sequence[Hashable] | None = None,
    units: ArrayLike | None = None,
    resamples: int = 999,
    seed: int = 0,
) -> tuple[ResidualPair, ...]:
    """For each pair of judges, whether they agree more (or less) often than under independent errors.

    Estimand: the number of units on which two judges agree, minus its expectation under Dawid and Skene's model
    fitted to all judges. Assumes one confusion matrix for each judge over all units (so pass one arm at a time) and
    that missing ratings are missing at random. Expected: n * sum over true and given categories of
    share * P(given | true; a) * P(given | true; b). The p value is from a parametric bootstrap: data drawn from the
    fit, refitted, and compared by absolute difference. Sources: Albert and Dodd (2004) on why this matters;
    Reboussin, Ip, Wolfson (2008) for pairwise residuals of latent class models; Efron and Tibshirani (1993).

    This shows that some judges err together, not which. The fit favours judges that agree most: if two of
    four share their mistakes it takes what they share for the truth, and the residual agreement appears between the
    two others. Only labels identify them (`error_dependence`). With three judges of two categories the model fits any
    data and nothing can be checked.

    Parameters
    ----------
    ratings : array (units, judges)
        Category codes, NaN where missing.
    judges : sequence, optional
        Names of the judges; numbers by default.
    units : array (units,), optional
        Number of units that each row stands for; 1 by default.
    resamples : int, default 999
        Number of bootstrap samples; p values are multiples of 1 / (resamples + 1).
    seed : int, default 0
        Seed of the bootstrap.

    Raises
    ------
    NotEnoughDataError
        If the model has as many parameters as the data have degrees of freedom, or cannot be fitted.
    """
    values = as_ratings(ratings)
    names = _pair_names(values, judges)
    rated = ~np.isnan(values).all(axis=1)
    seen = rating_patterns(values[rated])
    if units is not None:
        seen = replace(seen, weight=_pattern_units(seen, np.asarray(units, dtype=float)[rated]))
    _check_freedom(values.shape[1], len(seen.categories))
    fit = maximize_likelihood(seen, seen.weight[None], tolerance=1e-8)
    possible, chance = _possible_patterns(seen, fit.shares, fit.confusion)
    random = np.random.default_rng(seed)
    drawn = np.concatenate([random.multinomial(int(n), p, size=resamples) for n, p in chance], axis=1).astype(float)
    start = expected_classes(possible, fit.shares, fit.confusion)[0]
    again = maximize_likelihood(possible, drawn, np.broadcast_to(start, (resamples, *start.shape[1:])), tolerance=1e-5)
    observed = _residual_agreement(seen, seen.weight[None], fit.shares, fit.confusion)
    simulated = _residual_agreement(possible, drawn, again.shares, again.confusion)
    return tuple(_residual_pairs(names, observed, simulated))


def _check_freedom(judges: int, q: int) -> None:
    free, needed = q**judges - 1, (q - 1) * (1 + judges * q)
    if free <= needed:
        raise NotEnoughDataError(
            f"errors in common cannot be checked with {judges} judges of {q} categories and no labels: independent "
            "errors explain any such data: label some, or add judges (four of two categories, three of three)"
        )
    if free >= MAX_CELLS:
        raise NotEnoughDataError(
            f"errors in common: {judges} judges of {q} categories are too many at once: check fewer"
        )


def _possible_patterns(
    seen: RatingPatterns, shares: Floats, confusion: Floats
) -> tuple[RatingPatterns, list[tuple[float, Floats]]]:
    """All possible verdict patterns for each set of responding judges, with the number of units and the
    probabilities of each.
    """
    spoke = seen.counts.sum(axis=2)
    sets, of = np.unique(spoke, axis=0, return_inverse=True)
    eye, parts, chance = np.eye(len(seen.categories)), [], []
    for place, heard in enumerate(sets):
        choices = [eye if there else np.zeros((1, len(eye))) for there in heard]
        parts.append(np.array(list(product(*choices))))
        logs = np.einsum("prq,rkq->pk", parts[-1], np.log(np.maximum(confusion[0], np.finfo(float).tiny)))
        odds = np.exp(logs) @ shares[0]
        chance.append((float(seen.weight[of.reshape(-1) == place].sum()), odds / odds.sum()))
    counts = np.concatenate(parts)
    ones = np.ones((len(counts), len(eye)))
    return replace(seen, counts=counts, allowed=ones, weight=ones[:, 0], of=np.arange(len(counts))), chance


def _residual_agreement(seen: RatingPatterns, weights: Floats, shares: Floats, confusion: Floats) -> Floats:
    """Units that both judged, agreements and expected agreements of each pair: (3, B, pairs)."""
    one, other = np.triu_indices(seen.counts.shape[1], 1)
    spoke = seen.counts.sum(axis=2)
    together = weights @ (spoke[:, one] * spoke[:, other])
    alike = weights @ (seen.counts[:, one] * seen.counts[:, other]).sum(axis=2)
    chance = np.einsum("bk,bpkq,bpkq->bp", shares, confusion[:, one], confusion[:, other])
    return np.array([together, alike, together * chance])


def _residual_pairs(names: Sequence[Hashable], observed: Floats, simulated: Floats) -> list[ResidualPair]:
    gap, gaps = observed[1, 0] - observed[2, 0], simulated[1] - simulated[2]
    beyond = (np.abs(gaps) >= np.abs(gap) - 1e-9).sum(axis=0)
    p_values = (1 + beyond) / (len(gaps) + 1)
    corrected = holm_adjusted(pd.Series(p_values))
    rows = []
    for at, (a, b) in enumerate(combinations(names, 2)):
        n, agree, expected = (float(part[0, at]) for part in observed)
        sign = "more" if agree > expected else "less"
        clear = f"they agree {sign} often than independent errors allow: some judges err together, labels tell which"
        verdict = clear if corrected[at] < SIGNIFICANT else "no sign of dependence beyond what the model explains"
        rows.append(ResidualPair(a, b, None, int(n), agree, expected, float(p_values[at]), verdict))
    return rows


def _pattern_units(seen: RatingPatterns, units: Floats) -> Floats:
    """Units with each pattern, for rows that stand for several."""
    return np.bincount(seen.of, units, len(seen.counts)).astype(float)


def _pair_names(values: Floats, judges: Sequence[Hashable] | None) -> list[Hashable]:
    names: list[Hashable] = list(range(values.shape[1]) if judges is None else judges)
    if len(names) != values.shape[1] or len(names) < 2:
        raise InputError(f"{len(names)} judges for {values.shape[1]} columns: pass two columns or more and name each")
    return names
