"""Whether labels can check the judges at one strength, where few of the trials that a judge calls an event have one.

Errors of judges differ by strength (decision 19), so what an event verdict means at one strength is shown by labels of
that strength alone. With few of them the joint fit falls back on its prior, that judges err about as often as at other
strengths, and its interval does not hold where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, log1p

import numpy as np

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.model.judge_confusion import confusion_strata

MOST_UNSEEN = 0.15
"""Greatest error of a rate at one strength that its labels may fail to show (decision 26)."""
MISSED_WITH = 0.05
"""Probability with which labels fail to show an error that counts as unseen."""


@dataclass(frozen=True)
class EventLabels:
    """What labels can say of the judges' event verdicts at one strength of an arm, over all subjects.

    Labels of trials that no judge calls an event are not counted: there are more of them, and
    they are more often right.

    Attributes
    ----------
    share : float
        Share of the judged trials that a judge calls an event, 0 to 1.
    labelled : int
        Labelled trials that a judge calls an event, among those whose judges' errors are taken to be the same.
    """

    share: float
    labelled: int

    @property
    def unseen_error(self) -> float:
        """Greatest share of wrong event verdicts of which the labels show none with probability `MISSED_WITH`."""
        return 1.0 - MISSED_WITH ** (1.0 / self.labelled) if self.labelled else 1.0

    @property
    def unseen_shift(self) -> float:
        """How far these wrong verdicts move the rate of events at that strength, 0 to 1."""
        return self.share * self.unseen_error

    @property
    def labels_wanted(self) -> int:
        """Further labels of trials called an event with which the shift is at most `MOST_UNSEEN`."""
        if self.unseen_shift <= MOST_UNSEEN:
            return 0
        return ceil(log(MISSED_WITH) / log1p(-MOST_UNSEEN / self.share)) - self.labelled


def event_labels_by_strength(patterns: VerdictPatternCells, arm: str) -> dict[float, EventLabels]:
    """Labels of trials that a judge calls an event, by strength; empty where an arm has one strength.

    Strengths that share a level of judge error (`confusion_strata`) share their labels.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    arm : str
        A steered arm.

    Returns
    -------
    dict of float to EventLabels
        In the order of the strengths.
    """
    if EVENT not in patterns.classes:
        return {}
    strata, of_cell = confusion_strata(patterns)
    strength = patterns.frame["strength"].to_numpy(float)[patterns.cell]
    level = strata["strength"].to_numpy()[of_cell][patterns.cell]
    judged = (patterns.frame["arm"] == arm).to_numpy()[patterns.cell] & (patterns.verdict != MISSING).any(axis=1)
    event = judged & (patterns.verdict == patterns.classes.index(EVENT)).any(axis=1)
    known, count = patterns.label != MISSING, patterns.count
    values = np.unique(strength[judged & ~np.isnan(strength)])
    out = {}
    for value in values if len(values) > 1 else []:
        mine = judged & (strength == value)
        alike = event & known & np.isin(level.astype(float), np.unique(level[mine].astype(float)))
        share = float(count[event & mine].sum() / count[mine].sum())
        out[float(value)] = EventLabels(share, int(count[alike].sum()))
    return out


def strengths_without_labels(patterns: VerdictPatternCells, arm: str) -> dict[float, str]:
    """Strengths at which an error of more than `MOST_UNSEEN` could go unseen, and why estimates are withheld there.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    arm : str
        A steered arm.

    Returns
    -------
    dict of float to str
        Reason by strength.
    """
    out = {}
    for strength, found in event_labels_by_strength(patterns, arm).items():
        if found.labels_wanted:
            out[strength] = (
                f"too few labels at strength {strength:g}: judges call {100 * found.share:.0f} % of its trials an "
                f"event and {found.labelled} of these are labelled, so that errors of the judges that move the rate by "
                f"{100 * found.unseen_shift:.0f} points could go unseen (limit {100 * MOST_UNSEEN:.0f}): label "
                f"{found.labels_wanted} more of them, then fit again"
            )
    return out
