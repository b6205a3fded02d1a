"""Labels that leave a fact undecided: what the outcome is under each answer that the rater calls right."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pandas as pd

from gnomon.calibration.observations.frames import facts_of_rows
from gnomon.data.facts import CORE_FLAGS
from gnomon.data.outcomes import is_event, rule_named
from gnomon.data.records import NONE, OTHER, Arm, Facts, FurtherFacts

DECIDES = "decides"
"""Column of labels: whether the outcome is the same under every answer that the rater calls right."""


def with_readings(labels: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The labels with what they say under every answer that their raters call right.

    Where a rater says of a question that either answer would be right, each flag is read both ways; an undecided
    concept is read as the injected one and as another.

    Parameters
    ----------
    labels : pandas.DataFrame
        Labels with the facts, undecided (list of names of facts, or None), arm, target, outcome and event.
    rule : str
        Name of the outcome rule.

    Returns
    -------
    pandas.DataFrame
        The same rows with `decides`, and `event_low` and `event_high` (bool): the least and the greatest reading of
        the event.
    """
    decide = rule_named(rule)
    said = labels["event"].astype(bool)
    frame = labels.assign(decides=True, event_low=said, event_high=said)
    open_ = labels["undecided"].map(lambda names: isinstance(names, list) and bool(names)).astype(bool)
    for index, facts in zip(labels.index[open_], facts_of_rows(labels[open_], decide.reads), strict=True):
        row = labels.loc[index]
        target = row["target"] if isinstance(row["target"], str) else None
        arm = Arm(row["arm"])
        outcomes = {decide(each, arm, target) for each in label_readings(facts, row["undecided"], target)}
        events = [is_event(outcome, arm) for outcome in outcomes]
        frame.loc[index, [DECIDES, "event_low", "event_high"]] = [len(outcomes) == 1, min(events), max(events)]
    return frame.astype(dict.fromkeys([DECIDES, "event_low", "event_high"], bool))


def decided_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """The labels whose outcome does not hang on an undecided fact: the others are no truth that errors can be told by.

    A frame without the column `decides` has none of them.
    """
    return labels[labels[DECIDES].astype(bool)] if DECIDES in labels else labels


def label_readings(facts: Facts, undecided: list[str], target: str | None) -> list[Facts]:
    """The facts under every combination of answers to the undecided questions."""
    choices = [_choices(facts, name, target) for name in undecided]
    return [_with_answers(facts, dict(zip(undecided, each, strict=True))) for each in product(*choices)]


def _choices(facts: Facts, name: str, target: str | None) -> tuple[bool | str, ...]:
    if name == "concept":
        other = OTHER if facts.concept == target else (target or NONE)
        return (facts.concept, other)
    return (False, True)


def _with_answers(facts: Facts, answers: dict[str, bool | str]) -> Facts:
    core = {name: value for name, value in answers.items() if name in CORE_FLAGS or name == "concept"}
    further = {name: bool(value) for name, value in answers.items() if name not in core and name in facts.further}
    changed = replace(facts, further=FurtherFacts({**facts.further, **further}), **core)  # type: ignore[arg-type]
    return changed if changed.claims else replace(changed, concept=NONE)
