"""Who agrees with whom: every pair of judges and raters, and each kind as a group, by outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd

from calibration.agreement import cohen_kappa, gwet_ac1, krippendorff_alpha
from calibration.facts import MEASURING, ok_verdicts, trial_frame
from calibration.labels import rater_labels
from calibration.prevalence import wilson
from calibration.queue import BY_VERDICT
from data.errors import NotEnoughData
from data.outcomes import Outcome
from data.records import Estimate, RaterRole
from data.store import Store

JUDGE = "judge"
RATER = "rater"
CODES = {str(outcome): float(code) for code, outcome in enumerate(Outcome)}

Figures = dict[str, object]


def readings(store: Store, judges: pd.DataFrame, view: str, *, splits: Sequence[str] = MEASURING) -> pd.DataFrame:
    """Outcomes as codes, one row a trial, one column a (kind, name) of judge or rater, NaN where it said nothing.

    Labels of transcripts that were picked for being disputed are left out: on them judges disagree by choice.
    `judges` is a frame as of `calibration.facts.judge_frame`.
    """
    trials = trial_frame(store)
    trials = trials[trials["split"].isin([str(split) for split in splits])]
    names = dict(zip(judges["version"], judges["name"], strict=True))
    verdicts = ok_verdicts(store, list(names), trials)
    labels = rater_labels(store, view)
    plain = (labels["role"] == str(RaterRole.RATER)) & ~labels["stratum"].isin(BY_VERDICT)
    labels = labels[plain & labels["trial"].isin(set(trials["trial"]))]
    said = pd.concat(
        [
            pd.DataFrame({"trial": verdicts["trial"], "kind": JUDGE, "name": verdicts["judge"].map(names)}),
            pd.DataFrame({"trial": labels["trial"], "kind": RATER, "name": labels["rater"]}),
        ]
    ).assign(code=[CODES[outcome] for frame in (verdicts, labels) for outcome in frame["outcome"]])
    wide = said.pivot_table(index="trial", columns=["kind", "name"], values="code", aggfunc="first")
    order = [(JUDGE, name) for name in names.values()] + sorted((RATER, name) for name in set(labels["rater"]))
    columns = [[kind for kind, _ in order], [name for _, name in order]]
    return wide.reindex(columns=pd.MultiIndex.from_arrays(columns, names=["kind", "name"]))


def pair_agreement(wide: pd.DataFrame) -> list[Figures]:
    """Each pair of judges and raters: n, agreement (share), Cohen's kappa, AC1, alpha; None where undefined."""
    columns = cast("list[tuple[str, str]]", wide.columns.to_list())
    return [_pair(wide, one, other) for one, other in combinations(columns, 2)]


def group_agreement(wide: pd.DataFrame) -> list[Figures]:
    """All judges together, all raters together (where there are two or more): n, AC1 and alpha."""
    kinds = wide.columns.get_level_values("kind")
    groups = [(kind, wide.loc[:, kinds == kind].to_numpy(dtype=float)) for kind in (JUDGE, RATER)]
    return [
        {
            "group": f"{kind}s",
            "members": values.shape[1],
            "n": int(((~np.isnan(values)).sum(axis=1) >= 2).sum()),
            "ac1": _defined(partial(gwet_ac1, values, categories=list(CODES.values()))),
            "alpha": _defined(partial(krippendorff_alpha, values)),
        }
        for kind, values in groups
        if values.shape[1] > 1
    ]


def _pair(wide: pd.DataFrame, one: tuple[str, str], other: tuple[str, str]) -> Figures:
    values = wide[[one, other]].dropna().to_numpy(dtype=float)
    table = np.zeros((len(CODES), len(CODES)))
    np.add.at(table, (values[:, 0].astype(int), values[:, 1].astype(int)), 1)
    same = float(np.trace(table))
    return {
        "a": one[1],
        "a_kind": one[0],
        "b": other[1],
        "b_kind": other[0],
        "n": len(values),
        "agreement": _defined(partial(wilson, same, float(len(values)))),
        "cohen": _defined(partial(cohen_kappa, table)),
        "ac1": _defined(partial(gwet_ac1, values, categories=list(CODES.values()))),
        "alpha": _defined(partial(krippendorff_alpha, values)),
    }


def _defined(figure: Callable[[], Estimate]) -> Estimate | None:
    try:
        return figure()
    except NotEnoughData:
        return None
