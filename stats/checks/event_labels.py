"""Whether labels can check the judges at one strength or layer, where few of the trials called an event have one.

Errors of judges differ by strength and layer (decision 19), so what an event verdict means there is shown by labels
there alone. With few of them the joint fit falls back on its prior, that judges err about as often as elsewhere, and
its interval does not hold where they do not (decision 26).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.model.judge_confusion import WRONG_AXES, arms_present, confusion_strata

MOST_UNSEEN = 0.15
"""Greatest error of a rate at one strength or layer that labels may fail to show (decision 26)."""
MISSED_WITH = 0.05
"""Probability with which labels fail to show an error that counts as unseen."""


@dataclass(frozen=True)
class EventLabels:
    """What labels can say of the judges' event verdicts in some trials of an arm, over all subjects.

    Labels of trials that no judge calls an event are not counted: there are more of them, and they are more often
    right.

    Attributes
    ----------
    trials : int
        Judged trials.
    called : int
        Those that a judge calls an event.
    unlabelled : int
        Those of them without a label: only their verdicts can be wrong unseen.
    labelled : int
        Labelled trials that a judge calls an event, here and where judges' errors are taken to be the same.
    """

    trials: int
    called: int
    unlabelled: int
    labelled: int

    @property
    def unseen_shift(self) -> float:
        """How far wrong verdicts of which the labels show none with probability `MISSED_WITH` move the rate, 0 to 1."""
        return self.unlabelled / self.trials * unseen_error(self.labelled)

    @property
    def labels_wanted(self) -> int:
        """Further labels of trials called an event with which the shift is at most `MOST_UNSEEN`."""
        enough = (
            number
            for number in range(self.unlabelled + 1)
            if (self.unlabelled - number) / self.trials * unseen_error(self.labelled + number) <= MOST_UNSEEN
        )
        return next(enough)


def unseen_error(labels: int) -> float:
    """Greatest share of wrong verdicts of which so many labels show none with probability `MISSED_WITH`, 0 to 1."""
    return float(1.0 - MISSED_WITH ** (1.0 / labels)) if labels else 1.0


def count_event_labels(patterns: VerdictPatternCells, arm: str, axis: str) -> dict[float, EventLabels]:
    """Labels of trials that a judge calls an event, by the values of an axis; empty where an arm has one value.

    Values that share a level of judge error (`confusion_strata`) share their labels.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    arm : str
        A steered arm.
    axis : {"strength", "layer"}
        Axis by which judges' errors deviate.

    Returns
    -------
    dict of float to EventLabels
        In the order of the values.
    """
    if EVENT not in patterns.classes:
        return {}
    strata, of_cell = confusion_strata(patterns)
    judged, event = _judged_rows(patterns, arm)
    value_of = patterns.frame[axis].to_numpy(float)[patterns.cell]
    level_of = strata[axis].to_numpy()[of_cell][patterns.cell].astype(float)
    values = np.unique(value_of[judged & ~np.isnan(value_of)])
    out = {}
    for value in values if len(values) > 1 else []:
        mine = judged & (value_of == value)
        alike = event & np.isin(level_of, np.unique(level_of[mine]))
        out[float(value)] = _count_labels(patterns, mine, event & mine, alike)
    return out


def _judged_rows(patterns: VerdictPatternCells, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of an arm with a verdict, and those of them that a judge calls an event."""
    judged = (patterns.frame["arm"] == arm).to_numpy()[patterns.cell] & (patterns.verdict != MISSING).any(axis=1)
    return judged, judged & (patterns.verdict == patterns.classes.index(EVENT)).any(axis=1)


def _count_labels(
    patterns: VerdictPatternCells, judged: np.ndarray, event: np.ndarray, alike: np.ndarray
) -> EventLabels:
    known, count = patterns.label != MISSING, patterns.count
    return EventLabels(*(int(count[rows].sum()) for rows in (judged, event, event & ~known, alike & known)))


def unchecked_levels(patterns: VerdictPatternCells, arm: str) -> dict[tuple[str, float], str]:
    """Strengths and layers where an error of more than `MOST_UNSEEN` could go unseen, and why estimates are withheld.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    arm : str
        A steered arm.

    Returns
    -------
    dict of (str, float) to str
        Reason by axis and value.
    """
    return {
        (axis, value): f"{_unseen_phrase(found, f'at {axis} {value:g}')}, then fit again"
        for axis in WRONG_AXES
        for value, found in count_event_labels(patterns, arm, axis).items()
        if found.labels_wanted
    }


def arm_cautions(patterns: VerdictPatternCells) -> list[str]:
    """A sentence for each arm with labels that could miss an error of more than `MOST_UNSEEN` in the rate of events."""
    out = []
    for arm in arms_present(patterns) if EVENT in patterns.classes else []:
        judged, event = _judged_rows(patterns, arm)
        labelled = judged & (patterns.label != MISSING)
        if labelled.any() and (found := _count_labels(patterns, judged, event, event)).labels_wanted:
            sentence = _unseen_phrase(found, f"in the {arm} arm")
            out.append(
                f"{sentence[:1].upper()}{sentence[1:]}; until then the prior on judges' errors decides much of it."
            )
    return out


def _unseen_phrase(found: EventLabels, where: str) -> str:
    """How few labels there are, what they could miss, and how many are lacking."""
    return (
        f"too few labels {where}: judges call {100 * found.called / found.trials:.0f} % of its trials an event and "
        f"{found.labelled} of these are labelled, so that errors of the judges that move the rate by "
        f"{100 * found.unseen_shift:.0f} points could go unseen (limit {100 * MOST_UNSEEN:.0f}): label "
        f"{found.labels_wanted} more of them"
    )
