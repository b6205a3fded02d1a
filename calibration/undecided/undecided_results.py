"""What undecided labels leave open, as a result."""

from __future__ import annotations

from gnomon.data.results import Estimate, ResultPart


class TruthReading(ResultPart):
    """One arm under one reading of its undecided labels."""

    reading: str
    """none (all undecided labels are no event), half (each counts half), or all (all are events)."""
    label_rate: Estimate | None
    """Event rate by PPI++ with the judge's verdicts; null where labels are too few or no sample."""
    reason: str | None
    """Why there is no rate; null where there is one."""
    sensitivity: float | None
    specificity: float | None
    agreement: float | None
    """Expected share of labelled trials on which judge and label agree on the event."""


class UndecidedArm(ResultPart):
    """One arm's undecided labels and what follows under each reading."""

    arm: str
    labelled: int
    undecided: int
    """Labelled trials whose event hangs on an answer that the rater leaves open."""
    readings: tuple[TruthReading, ...]
    low: float | None
    """Lower limit of the rate with no undecided label an event."""
    high: float | None
    """Upper limit of the rate with all of them events: the truth lies in this range whatever they are."""


class UndecidedLabels(ResultPart):
    """Labels that leave open what happened, and the range that they leave."""

    version: str
    view: str
    splits: tuple[str, ...]
    labelled: int
    undecided: int
    arms: tuple[UndecidedArm, ...]
    words: tuple[str, ...]
