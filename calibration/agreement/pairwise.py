"""Agreement between every pair of judges and raters, and within each of these groups, on the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd

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
CODES = {str(outcome): float(code) for code, outcome in enumerate(Outcome)}

_NOBODY = pd.MultiIndex.from_arrays([[], []], names=["kind", "name"])


def reading_table(
    judges: pd.DataFrame, judged: Sequence[pd.DataFrame], labels: pd.DataFrame, splits: Sequence[str] | None = None
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
    return side_by_side(newest, labels[labels["split"].isin(measuring)])


def side_by_side(heard: Mapping[str, pd.DataFrame], labels: pd.DataFrame) -> pd.DataFrame:
    """Outcome codes of all judges and raters, one row per trial, one column per (kind, name), NaN where there is no
    outcome.

    Labels of transcripts that were selected by judges' verdicts are left out: raters and judges disagree there by
    design.

    Parameters
    ----------
    heard : mapping of str to pandas.DataFrame
        For each judge's name, its trials with columns trial and outcome.
    labels : pandas.DataFrame
        Labels of raters in one view (`gnomon.calibration.labels.views.rater_labels`).

    Returns
    -------
    pandas.DataFrame
        Codes of `CODES`, indexed by trial; columns are a MultiIndex of kind ("judge" or "rater") and name.
    """
    plain = (labels["role"] == str(RaterRole.RATER)) & ~labels["stratum"].isin(BY_VERDICT)
    labels = labels[plain]
    columns = {(JUDGE, name): rows for name, rows in heard.items()}
    columns |= {(RATER, str(name)): rows for name, rows in labels.groupby("rater")}
    codes = {key: rows.set_index("trial")["outcome"].map(CODES) for key, rows in columns.items()}
    wide = pd.DataFrame(codes, dtype=float)
    wide.columns = pd.MultiIndex.from_tuples(list(codes), names=["kind", "name"]) if codes else _NOBODY
    return wide.rename_axis("trial").sort_index()


def pair_agreement(wide: pd.DataFrame) -> list[PairAgreement]:
    """Agreement of each pair of judges and raters: n, agreement (share), Cohen's kappa, AC1, alpha; None where
    undefined.
    """
    columns = cast("list[tuple[str, str]]", wide.columns.to_list())
    return [_pair_agreement(wide, one, other) for one, other in combinations(columns, 2)]


def group_agreement(wide: pd.DataFrame) -> list[GroupAgreement]:
    """Agreement among all judges and among all raters (groups of two or more): n, AC1 and alpha."""
    kinds = wide.columns.get_level_values("kind")
    groups = [(kind, wide.loc[:, kinds == kind].to_numpy(dtype=float)) for kind in (JUDGE, RATER)]
    return [
        GroupAgreement(
            group=f"{kind}s",
            members=values.shape[1],
            n=int(((~np.isnan(values)).sum(axis=1) >= 2).sum()),
            ac1=_estimate_or_none(partial(gwet_ac1, values, categories=list(CODES.values()))),
            alpha=_estimate_or_none(partial(krippendorff_alpha, values)),
        )
        for kind, values in groups
        if values.shape[1] > 1
    ]


def _pair_agreement(wide: pd.DataFrame, one: tuple[str, str], other: tuple[str, str]) -> PairAgreement:
    values = wide[[one, other]].dropna().to_numpy(dtype=float)
    table = np.zeros((len(CODES), len(CODES)))
    np.add.at(table, (values[:, 0].astype(int), values[:, 1].astype(int)), 1)
    same = float(np.trace(table))
    return PairAgreement(
        a=one[1],
        a_kind=one[0],
        b=other[1],
        b_kind=other[0],
        n=len(values),
        agreement=_estimate_or_none(partial(wilson_interval, same, float(len(values)))),
        cohen=_estimate_or_none(partial(cohen_kappa, table)),
        ac1=_estimate_or_none(partial(gwet_ac1, values, categories=list(CODES.values()))),
        alpha=_estimate_or_none(partial(krippendorff_alpha, values)),
    )


def _estimate_or_none(coefficient: Callable[[], IntervalEstimate]) -> Estimate | None:
    try:
        return finite_estimate(coefficient())
    except NotEnoughDataError:
        return None
