"""Agreement between every pair of judges and raters, and within each of these groups, on the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.agreement.base_rates import commonest_outcome
from gnomon.calibration.agreement.coefficients import gwet_ac1, krippendorff_alpha
from gnomon.calibration.agreement.pair_coefficients import pair_coefficients
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import judge_splits
from gnomon.calibration.observations.verdict_table import VerdictTable
from gnomon.calibration.results.agreement import GroupAgreement, PairAgreement
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.outcomes import Outcome
from gnomon.data.records import IntervalEstimate, RaterRole
from gnomon.data.results import Estimate, finite_estimate

JUDGE = "judge"
RATER = "rater"
MIN_ITEMS = 20
"""Fewest trials for a coefficient: with 20, the interval of a perfect agreement is about .25 wide."""
CODES = {str(outcome): float(code) for code, outcome in enumerate(Outcome)}
ABSENT = -1
PORTION = 20_000

_NOBODY = pd.MultiIndex.from_arrays([[], []], names=["kind", "name"])


def reading_table(
    judges: pd.DataFrame,
    judged: Sequence[pd.DataFrame],
    labels: pd.DataFrame,
    splits: Sequence[str] | None = None,
    *,
    with_selected: bool = False,
) -> pd.DataFrame:
    """Outcome codes of the newest version of each judge and of the raters, on the splits that measure judges.

    Parameters
    ----------
    judges : DataFrame
        Judge versions as of `gnomon.calibration.observations.frames.judge_frame`, the newest of each name first.
    judged : sequence of DataFrame
        Verdicts of each version (`gnomon.calibration.error_rates.confusion.judged_trials`).
    labels : DataFrame
        Labels of one view (`gnomon.calibration.labels.views.rater_labels`).
    splits : sequence of str, optional
        Splits to measure on, as in `judge_splits`.
    with_selected : bool, default False
        As in `side_by_side`.

    Returns
    -------
    DataFrame
        As of `side_by_side`.
    """
    newest: dict[str, pd.DataFrame] = {}
    for name, each in zip(judges["name"], judged, strict=True):
        newest.setdefault(str(name), each)
    inside = labels["split"].isin(_measuring_splits(judges, splits))
    return side_by_side(newest, labels[inside], with_selected=with_selected)


def _measuring_splits(judges: pd.DataFrame, splits: Sequence[str] | None) -> set[str]:
    """Splits that any of the judges is measured on."""
    kinds = set(judges["kind"]) or {""}
    return {split for kind in kinds for split in judge_splits(str(kind), splits)}


def side_by_side(
    heard: Mapping[str, pd.DataFrame], labels: pd.DataFrame, *, with_selected: bool = False
) -> pd.DataFrame:
    """Outcome codes of all judges and raters, one row per trial, one column per (kind, name), NaN where there is no
    outcome.

    Labels of transcripts that were selected by judges' verdicts are left out by default: raters and judges disagree
    there by design.

    Parameters
    ----------
    heard : mapping of str to pandas.DataFrame
        For each judge's name, its trials with columns trial and outcome.
    labels : pandas.DataFrame
        Labels of raters in one view (`gnomon.calibration.labels.views.rater_labels`).
    with_selected : bool, default False
        Keep labels of transcripts that were selected by judges' verdicts.

    Returns
    -------
    pandas.DataFrame
        Codes of `CODES`, indexed by trial; columns are a MultiIndex of kind ("judge", "rater", or, for raters whose
        labels do not count, "model" and "rule") and name.
    """
    selected = labels["stratum"].isin(BY_VERDICT) & (not with_selected)
    labels = _countable_labels(labels[~selected])
    columns = {(JUDGE, name): rows for name, rows in heard.items()}
    columns |= {cast(tuple[str, str], column): rows for column, rows in labels.groupby("column")}
    codes = {key: rows.set_index("trial")["outcome"].map(CODES) for key, rows in columns.items()}
    wide = pd.DataFrame(codes, dtype=float)
    wide.columns = pd.MultiIndex.from_tuples(list(codes), names=["kind", "name"]) if codes else _NOBODY
    return wide.rename_axis("trial").sort_index()


@dataclass(frozen=True, slots=True, eq=False)
class ReadingPatterns:
    """Outcomes by judges and raters: one row for each trial, or for each kind of trial with the number of `units`.

    Attributes
    ----------
    columns : tuple of (str, str)
        Kind and name of the C judges and raters.
    codes : array (rows, C) of int
        Place of the outcome in `CODES`, or -1 without one.
    selected : array (rows, C) of bool
        Labels of transcripts that were selected by judges' verdicts, which do not count.
    units : array (rows,)
        Number of trials that a row stands for.
    """

    columns: tuple[tuple[str, str], ...]
    codes: NDArray[np.int8]
    selected: NDArray[np.bool_]
    units: NDArray[np.float64]

    @property
    def counted(self) -> NDArray[np.int8]:
        """The outcomes that count."""
        return np.where(self.selected, np.int8(ABSENT), self.codes)


def reading_patterns(
    table: VerdictTable, judges: pd.DataFrame, labels: pd.DataFrame, splits: Sequence[str] | None = None
) -> ReadingPatterns:
    """What `reading_table` reads, with a row for each labelled trial and for each pattern of verdicts on the others.

    Parameters
    ----------
    table : VerdictTable
        Verdicts of these judges.
    judges : pandas.DataFrame
        Judge versions as of `gnomon.calibration.observations.frames.judge_frame`, the newest of each name first.
    labels : pandas.DataFrame
        Labels of one view (`gnomon.calibration.labels.views.rater_labels`).
    splits : sequence of str, optional
        Splits to measure on, as in `judge_splits`.
    """
    newest = judges.drop_duplicates("name")
    said = np.full((len(table.trials), len(newest)), ABSENT, dtype=np.int8)
    for place, (version, kind) in enumerate(zip(newest["version"], newest["kind"], strict=True)):
        said[:, place] = _outcome_codes(table, version, judge_splits(str(kind), splits))
    labels = _countable_labels(labels[labels["split"].isin(_measuring_splits(judges, splits))])
    places = table.places_of(labels["trial"].tolist())
    raters, codes, selected = _label_codes(labels, table.trials.iloc[places])
    labelled = np.zeros(len(table.trials), dtype=bool)
    labelled[places] = True
    others, number = _distinct_rows(said[~labelled])
    blank = np.full((len(others), len(raters)), ABSENT, dtype=np.int8)
    never = np.zeros((len(places) + len(others), len(newest)), dtype=bool)
    return ReadingPatterns(
        (*((JUDGE, str(name)) for name in newest["name"]), *raters),
        np.vstack([np.hstack([said[places], codes]), np.hstack([others, blank])]),
        np.hstack([never, np.vstack([selected, blank != ABSENT])]),
        np.concatenate([np.ones(len(places)), number]),
    )


def _outcome_codes(table: VerdictTable, version: str, splits: Sequence[str]) -> NDArray[np.int8]:
    """Code of each trial's outcome by a version on some splits."""
    codes = np.append(table.kinds["outcome"].map(CODES).fillna(ABSENT).to_numpy(dtype=np.int8), np.int8(ABSENT))
    return np.where(table.is_split(splits), codes[table.counted_kinds(version)], np.int8(ABSENT))


def _label_codes(
    labels: pd.DataFrame, trials: pd.Series[str]
) -> tuple[list[tuple[str, str]], NDArray[np.int8], NDArray[np.bool_]]:
    """Kind and name of the raters, their outcomes on the trials (trials, raters), and which were selected."""
    place, columns = pd.factorize(labels["column"], sort=True)
    row = pd.Series(np.arange(len(trials)), index=trials.to_numpy()).reindex(labels["trial"]).to_numpy(dtype=np.intp)
    codes = np.full((len(trials), len(columns)), ABSENT, dtype=np.int8)
    codes[row, place] = labels["outcome"].map(CODES).to_numpy(dtype=np.int8)
    selected = np.zeros(codes.shape, dtype=bool)
    selected[row, place] = labels["stratum"].isin(BY_VERDICT).to_numpy()
    return list(columns), codes, selected


def _countable_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Raters' labels, with `column`: kind and name of the rater."""
    labels = labels[labels["role"] == str(RaterRole.RATER)]
    kinds = labels["rater_kind"].where(~labels["counts"], RATER)
    code, each = pd.MultiIndex.from_arrays([kinds.astype(str), labels["rater"].astype(str)]).factorize()
    return labels.assign(column=pd.Series(np.asarray(each, dtype=object)[code], index=labels.index))


def _distinct_rows(codes: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Distinct rows with at least one outcome, and their numbers."""
    if not codes.shape[1]:
        return codes[:0], np.zeros(0)
    key, width = np.zeros(len(codes), dtype=np.int64), len(CODES) + 1
    for column in codes.T:
        key, _ = pd.factorize(key * width + column + 1)
    first = np.unique(key, return_index=True)[1]
    rows, number = codes[first], np.bincount(key, minlength=len(first)).astype(float)
    heard = (rows != ABSENT).any(axis=1)
    return rows[heard], number[heard]


def patterns_of_tables(wide: pd.DataFrame, every: pd.DataFrame | None = None) -> ReadingPatterns:
    """The patterns of tables with one row for each trial.

    Parameters
    ----------
    wide : pandas.DataFrame
        Outcome codes of trials that count (`side_by_side`).
    every : pandas.DataFrame, optional
        Outcome codes with those of labels that were selected by judges' verdicts.
    """
    everything = wide if every is None else every
    codes = everything.fillna(ABSENT).to_numpy(dtype=np.int8).reshape(everything.shape)
    counted = wide.reindex(index=everything.index, columns=everything.columns).fillna(ABSENT).to_numpy(dtype=np.int8)
    columns = cast("list[tuple[str, str]]", everything.columns.to_list())
    return ReadingPatterns(tuple(columns), codes, counted != codes, np.ones(len(codes)))


def pair_agreement(wide: pd.DataFrame, every: pd.DataFrame | None = None) -> list[PairAgreement]:
    """Agreement of each pair of judges and raters (`agreement_of_pairs`), from one row for each trial.

    Parameters
    ----------
    wide : pandas.DataFrame
        Outcome codes of trials that count (`side_by_side`).
    every : pandas.DataFrame, optional
        Outcome codes with those of labels that were selected by judges' verdicts, to count what is left out.
    """
    return agreement_of_pairs(patterns_of_tables(wide, every))


def agreement_of_pairs(read: ReadingPatterns) -> list[PairAgreement]:
    """Agreement of each pair of judges and raters: share of equal outcomes, Cohen's kappa, AC1 and alpha.

    A pair with fewer than `MIN_ITEMS` trials has no coefficient but a reason.
    """
    pairs = list(combinations(range(len(read.columns)), 2))
    if not pairs:
        return []
    one, other = (np.array(side, dtype=np.intp) for side in zip(*pairs, strict=True))
    tables = _pair_tables(read.counted, read.units, one, other)
    both = _pair_tables(np.minimum(read.codes, 0), read.units, one, other).sum(axis=(1, 2))
    n = tables.sum(axis=(1, 2))
    enough = np.flatnonzero(n >= MIN_ITEMS)
    found = pair_coefficients(tables[enough])
    place = dict(zip(enough.tolist(), range(len(enough)), strict=True))
    return [
        _pair_agreement(
            (read.columns[a], read.columns[b]),
            tables[number],
            int(both[number]) - int(n[number]),
            None if (at := place.get(number)) is None else (found.cohen[at], found.ac1[at], found.alpha[at]),
        )
        for number, (a, b) in enumerate(pairs)
    ]


def _pair_tables(
    codes: NDArray[np.int8], units: NDArray[np.float64], one: NDArray[np.intp], other: NDArray[np.intp]
) -> NDArray[np.float64]:
    """For each pair of columns the trials by the one's category and the other's: (pairs, q, q)."""
    c, q = codes.shape[1], len(CODES)
    total = np.zeros((c * q, c * q))
    for first in range(0, len(codes), PORTION):
        part = codes[first : first + PORTION]
        hits = (part[:, :, None] == np.arange(q)).reshape(len(part), c * q).astype(float)
        total += (hits * units[first : first + PORTION, None]).T @ hits
    return total.reshape(c, q, c, q)[one, :, other, :]


def group_agreement(wide: pd.DataFrame) -> list[GroupAgreement]:
    """Agreement among all judges and among all raters (`agreement_of_groups`), from one row for each trial."""
    return agreement_of_groups(patterns_of_tables(wide))


def agreement_of_groups(read: ReadingPatterns) -> list[GroupAgreement]:
    """Agreement among all judges and among all raters (groups of two or more): n, AC1 and alpha.

    A rater is a member with at least one label that counts.
    """
    counted = read.counted
    kinds = np.array([kind for kind, _ in read.columns], dtype=object)
    member = (counted != ABSENT).any(axis=0) | (kinds == JUDGE)
    groups = [(kind, counted[:, member & (kinds == kind)]) for kind in (JUDGE, RATER)]
    return [_group_agreement(kind, codes, read.units) for kind, codes in groups if codes.shape[1] > 1]


def _group_agreement(kind: str, codes: NDArray[np.int8], units: NDArray[np.float64]) -> GroupAgreement:
    there = codes != ABSENT
    values = np.where(there, codes, np.nan)
    n = int(units[there.sum(axis=1) >= 2].sum())
    reason = _too_few_reason(n, 0)
    every = list(CODES.values())
    return GroupAgreement(
        group=f"{kind}s",
        members=codes.shape[1],
        n=n,
        **asdict(commonest_outcome(_outcome_counts(codes, units))),
        ac1=None if reason else _estimate_or_none(partial(gwet_ac1, values, categories=every, units=units)),
        alpha=None if reason else _estimate_or_none(partial(krippendorff_alpha, values, units=units)),
        reason=reason,
    )


def _outcome_counts(codes: NDArray[np.int8], units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Answers with each outcome on units that two or more rated."""
    there = codes != ABSENT
    twice = there & (there.sum(axis=1) >= 2)[:, None]
    number = np.broadcast_to(units[:, None], codes.shape)
    return np.bincount(codes[twice], weights=number[twice], minlength=len(CODES)).astype(float)


def _pair_agreement(
    pair: tuple[tuple[str, str], tuple[str, str]],
    table: NDArray[np.float64],
    selected: int,
    coefficients: tuple[IntervalEstimate | None, ...] | None,
) -> PairAgreement:
    same, n = int(np.trace(table)), int(table.sum())
    cohen, ac1, alpha = (finite_estimate(each) for each in coefficients or (None, None, None))
    (a_kind, a), (b_kind, b) = pair
    return PairAgreement(
        a=a,
        a_kind=a_kind,
        b=b,
        b_kind=b_kind,
        n=n,
        selected=selected,
        disagreements=n - same,
        **asdict(commonest_outcome(table.sum(axis=0) + table.sum(axis=1))),
        agreement=None if coefficients is None else finite_estimate(wilson_interval(float(same), float(n))),
        cohen=cohen,
        ac1=ac1,
        alpha=alpha,
        reason=_too_few_reason(n, selected),
    )


def _too_few_reason(n: int, selected: int) -> str | None:
    """Why no coefficient is given, with the number of trials that do not count."""
    if n >= MIN_ITEMS:
        return None
    if not selected:
        return f"{n} trials that both read: a coefficient needs {MIN_ITEMS}"
    return (
        f"{n} of {n + selected} trials count, {selected} were chosen because of what judges said: a coefficient "
        f"needs {MIN_ITEMS}"
    )


def _estimate_or_none(coefficient: Callable[[], IntervalEstimate]) -> Estimate | None:
    try:
        return finite_estimate(coefficient())
    except NotEnoughDataError:
        return None
