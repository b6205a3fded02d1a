"""Stored verdicts under several outcome rules, side by side. Calls no judge: facts are stored, rules are code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import (
    complete_verdicts,
    judge_frame,
    trial_frame,
    verdict_frame,
    with_outcomes,
)
from gnomon.data.records import Arm, VerdictState
from gnomon.data.storage.store import Store


def compare_rules(store: Store, rules: Sequence[str]) -> dict[str, Any]:
    """Outcomes, events and passes of the newest version of each judge under each rule.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    rules : sequence of str
        Names of outcome rules (`gnomon.data.outcomes.RULES`).

    Returns
    -------
    dict of str to object
        `rules`; `rows`, one for each judge, arm and rule: verdicts, `outcomes` (counts), and `event` and `pass` as
        shares of the verdicts with Wilson intervals (uncorrected; trials taken as independent); `states`, for each
        judge its calls, their states, and the share that is not ok, which no row counts.
    """
    judges = judge_frame(store)
    heard = verdict_frame(store, judges["version"].tolist())
    names = dict(zip(judges["version"], judges["name"], strict=True))
    joined = complete_verdicts(heard).merge(trial_frame(store), on="trial")
    rows: list[dict[str, Any]] = []
    for rule in rules:
        told = with_outcomes(joined, rule)
        for (version, arm), part in told.groupby(["judge", "arm"], sort=False):
            rows.append({"judge": names[str(version)], "arm": str(arm), "rule": rule, **_outcome_counts(part)})
    order = list(names.values())
    arms = [str(arm) for arm in Arm]
    rows.sort(key=lambda row: (order.index(row["judge"]), arms.index(row["arm"])))
    return {"rules": list(rules), "rows": rows, "states": [_verdict_states(heard, *pair) for pair in names.items()]}


def _outcome_counts(part: pd.DataFrame) -> dict[str, Any]:
    number = len(part)
    outcomes = {str(name): int(count) for name, count in part["outcome"].value_counts().items()}
    event, passed = (asdict(wilson_interval(int(part[name].sum()), number)) for name in ("event", "passed"))
    return {"verdicts": number, "outcomes": outcomes, "event": event, "pass": passed}


def _verdict_states(heard: pd.DataFrame, version: str, name: str) -> dict[str, Any]:
    states = heard.loc[heard["judge"] == version, "state"].value_counts()
    calls, ok = int(states.sum()), int(states.get(str(VerdictState.OK), 0))
    by_state = {str(state): int(count) for state, count in states.items()}
    return {"judge": name, "calls": calls, "by_state": by_state, "not_ok": 1 - ok / calls if calls else 0.0}
