"""Stored verdicts under several outcome rules, side by side. Calls no judge: facts are stored, rules are code."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import (
    complete_verdicts,
    judge_frame,
    trial_frame,
    verdict_frame,
    with_outcomes,
)
from gnomon.calibration.results.audit import CallStates, RuleComparison, RuleRow
from gnomon.data.records import Arm, VerdictState
from gnomon.data.results import Estimate
from gnomon.data.storage.design_scope import count_outside
from gnomon.data.storage.store import Store


def compare_rules(store: Store, rules: Sequence[str]) -> RuleComparison:
    """Outcomes, events and passes of the newest version of each judge under each rule.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    rules : sequence of str
        Names of outcome rules (`gnomon.data.outcomes.RULES`).

    Returns
    -------
    RuleComparison
        One row for each judge, arm and rule; shares are of the verdicts (uncorrected; trials taken as independent).
    """
    judges = judge_frame(store)
    heard = verdict_frame(store, judges["version"].tolist())
    names = dict(zip(judges["version"], judges["name"], strict=True))
    trials, outside = trial_frame(store), count_outside(store)
    if outside:
        heard = heard[heard["trial"].isin(trials["trial"])]
    joined = complete_verdicts(heard).merge(trials, on="trial")
    rows: list[RuleRow] = []
    for rule in rules:
        told = with_outcomes(joined, rule)
        for (version, arm), part in told.groupby(["judge", "arm"], sort=False):
            rows.append(_rule_row(names[str(version)], str(arm), rule, part))
    order = list(names.values())
    arms = [str(arm) for arm in Arm]
    rows.sort(key=lambda row: (order.index(row.judge), arms.index(row.arm)))
    states = tuple(_call_states(heard, *pair) for pair in names.items())
    return RuleComparison(rules=tuple(rules), rows=tuple(rows), states=states, outside_design=outside)


def _rule_row(judge: str, arm: str, rule: str, part: pd.DataFrame) -> RuleRow:
    number = len(part)
    event, passed = (
        Estimate.from_interval(wilson_interval(int(part[name].sum()), number)) for name in ("event", "passed")
    )
    return RuleRow(
        judge=judge,
        arm=arm,
        rule=rule,
        verdicts=number,
        outcomes={str(name): int(count) for name, count in part["outcome"].value_counts().items()},
        event=event,
        passed=passed,
    )


def _call_states(heard: pd.DataFrame, version: str, name: str) -> CallStates:
    states = heard.loc[heard["judge"] == version, "state"].value_counts()
    calls, ok = int(states.sum()), int(states.get(str(VerdictState.OK), 0))
    by_state = {str(state): int(count) for state, count in states.items()}
    return CallStates(judge=name, calls=calls, by_state=by_state, not_ok=1 - ok / calls if calls else 0.0)
