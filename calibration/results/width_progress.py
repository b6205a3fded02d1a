"""How far labelling has come, as a result: widths of the planned interval with the labels given and with more."""

from __future__ import annotations

from dataclasses import dataclass

AHEAD = (20, 40, 80, 160)
"""Numbers of further labels of which is told what they would leave."""


@dataclass(frozen=True, slots=True)
class WidthPoint:
    """The width of a 95 % interval, as a fraction, with a number of labels."""

    labels: int
    width: float


@dataclass(frozen=True, slots=True)
class LabelProgress:
    """The interval that a label plan is for: its width, and what is still needed. Its place is left out on purpose.

    Attributes
    ----------
    estimand : str
        What the plan is for.
    now : WidthPoint
        Labels that count, and the width now.
    earlier : tuple of WidthPoint
        With the first labels of these.
    ahead : tuple of WidthPoint
        With more labels on the trials that are there: medians of simulated studies. `labels` are the further ones.
    target : float or None
        Width to aim at, as a fraction; None where the study file names none.
    goal : int or None
        Labels in all with which four fifths of simulated studies reach the target; None without a target, or where
        labels alone never do.
    planned_at : int or None
        Labels that counted when `goal` and `ahead` were simulated; None if they have not been.
    from_fit : bool
        Whether it is the interval of the corrected fit, rather than that of the judges' joint posterior.
    """

    estimand: str
    now: WidthPoint
    earlier: tuple[WidthPoint, ...]
    ahead: tuple[WidthPoint, ...]
    target: float | None
    goal: int | None
    planned_at: int | None
    from_fit: bool

    @property
    def is_reached(self) -> bool:
        """Whether the interval has the width that is aimed at."""
        return self.target is not None and self.now.width <= self.target
