"""Agreement between every pair of judges and raters, and within each of these groups, on the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd

from gnomon.calibration.agreement.base_rates import commonest_outcome
from gnomon.calibration.agreement.coefficients import cohen_kappa, gwet_ac1, krippendorff_alpha
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import judge_splits
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
    kinds = set(judges["kind"]) or {""}
    measuring = {split for kind in kinds for split in judge_splits(str(kind), splits)}
    return side_by_side(newest, labels[labels["split"].isin(measuring)], with_selected=with_selected)


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
    labels = labels[(labels["role"] == str(RaterRole.RATER)) & ~selected]
    columns = {(JUDGE, name): rows for name, rows in heard.items()}
    kinds = labels["rater_kind"].where(~labels["counts"], RATER)
    columns |= {(str(kind), str(name)): rows for (kind, name), rows in labels.groupby([kinds, "rater"])}
    codes = {key: rows.set_index("trial")["outcome"].map(CODES) for key, rows in columns.items()}
    wide = pd.DataFrame(codes, dtype=float)
    wide.columns = pd.MultiIndex.from_tuples(list(codes), names=["kind", "name"]) if codes else _NOBODY
    return wide.rename_axis("trial").sort_index()


def pair_agreement(wide: pd.DataFrame, every: pd.DataFrame | None = None) -> list[PairAgreement]:
    """Agreement of each pair of judges and raters: share of equal outcomes, Cohen's kappa, AC1 and alpha.

    A pair with fewer than `MIN_ITEMS` trials has no coefficient but a reason.

    Parameters
    ----------
    wide : pandas.DataFrame
        Outcome codes of trials that count (`side_by_side`).
    every : pandas.DataFrame, optional
        Outcome codes with those of labels that were selected by judges' verdicts, to count what is left out.
    """
    everything = wide if every is None else every
    counted = wide.reindex(columns=everything.columns)
    columns = cast("list[tuple[str, str]]", everything.columns.to_list())
    return [_pair_agreement(counted, everything, one, other) for one, other in combinations(columns, 2)]


def group_agreement(wide: pd.DataFrame) -> list[GroupAgreement]:
    """Agreement among all judges and among all raters (groups of two or more): n, AC1 and alpha."""
    kinds = wide.columns.get_level_values("kind")
    groups = [(kind, wide.loc[:, kinds == kind].to_numpy(dtype=float)) for kind in (JUDGE, RATER)]
    return [_group_agreement(kind, values) for kind, values in groups if values.shape[1] > 1]


def _group_agreement(kind: str, values: np.ndarray) -> GroupAgreement:
    n = int(((~np.isnan(values)).sum(axis=1) >= 2).sum())
    reason = _too_few_reason(n, 0)
    return GroupAgreement(
        group=f"{kind}s",
        members=values.shape[1],
        n=n,
        **asdict(commonest_outcome(_outcome_counts(values))),
        ac1=None if reason else _estimate_or_none(partial(gwet_ac1, values, categories=list(CODES.values()))),
        alpha=None if reason else _estimate_or_none(partial(krippendorff_alpha, values)),
        reason=reason,
    )


def _outcome_counts(values: np.ndarray) -> np.ndarray:
    """Answers with each outcome on units that two or more rated."""
    twice = values[(~np.isnan(values)).sum(axis=1) >= 2]
    return np.bincount(twice[~np.isnan(twice)].astype(int), minlength=len(CODES))


def _pair_agreement(
    wide: pd.DataFrame, every: pd.DataFrame, one: tuple[str, str], other: tuple[str, str]
) -> PairAgreement:
    values = wide[[one, other]].dropna().to_numpy(dtype=float)
    table = np.zeros((len(CODES), len(CODES)))
    np.add.at(table, (values[:, 0].astype(int), values[:, 1].astype(int)), 1)
    same, n = int(np.trace(table)), len(values)
    selected = len(every[[one, other]].dropna()) - n
    reason = _too_few_reason(n, selected)
    coefficients: dict[str, Callable[[], IntervalEstimate]] = {
        "agreement": partial(wilson_interval, float(same), float(n)),
        "cohen": partial(cohen_kappa, table),
        "ac1": partial(gwet_ac1, values, categories=list(CODES.values())),
        "alpha": partial(krippendorff_alpha, values),
    }
    return PairAgreement(
        a=one[1],
        a_kind=one[0],
        b=other[1],
        b_kind=other[0],
        n=n,
        selected=selected,
        disagreements=n - same,
        **asdict(commonest_outcome(table.sum(axis=0) + table.sum(axis=1))),
        **{name: None if reason else _estimate_or_none(way) for name, way in coefficients.items()},
        reason=reason,
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
