"""What all judges say together, as results: event rates, net detection, and whether judges err together."""

from __future__ import annotations

from gnomon.data.records import IntervalEstimate
from gnomon.data.results import Estimate, ResultPart, finite_number


class PanelEstimate(ResultPart):
    """An estimate from the joint posterior of all judges, under two assumptions on their errors."""

    independent: Estimate | None
    """Judges err independently given the truth."""
    free: Estimate | None
    """Judges may err together."""
    reason: str | None
    """Why an estimate is null."""


class PanelArm(PanelEstimate):
    """The event rate of one arm, from `trials` that any of the judges read and the `labels` on them."""

    arm: str
    trials: int
    labels: int


class OddsRatio(ResultPart):
    """An odds ratio with its interval; null where a limit is infinite."""

    value: float | None
    low: float | None
    high: float | None
    se: float | None
    level: float
    method: str

    @classmethod
    def from_interval(cls, ratio: IntervalEstimate) -> OddsRatio:
        """The odds ratio that `common_odds_ratio` returned."""
        return cls(
            value=finite_number(ratio.value),
            low=finite_number(ratio.low),
            high=finite_number(ratio.high),
            se=finite_number(ratio.se),
            level=ratio.level,
            method=ratio.method,
        )


class LabelledDependence(ResultPart):
    """How the errors of two judges go together on labelled trials, in one arm and class, or (null) over all."""

    a: str
    b: str
    arm: str | None
    truth: str | None
    n: int
    """Labelled trials that both read."""
    both_wrong: float | None
    expected: float | None
    """Number of trials with both wrong if they erred independently."""
    odds_ratio: OddsRatio | None
    p_value: float | None
    verdict: str


class UnlabelledDependence(ResultPart):
    """How often two judges agree in an arm, and how often they would if all judges erred independently."""

    a: str
    b: str
    arm: str | None
    n: int
    agree: float | None
    expected: float | None
    p_value: float | None
    verdict: str


class DependenceSummary(ResultPart):
    """Whether judges err together: with labels, and from what verdicts alone leave over."""

    labelled: tuple[LabelledDependence, ...] = ()
    unlabelled: tuple[UnlabelledDependence, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, and why."""


class PanelSummary(ResultPart):
    """The joint posterior of all judges in one view of the labels."""

    judges: tuple[str, ...]
    """The newest version of each, four at most."""
    arms: tuple[PanelArm, ...]
    not_denied: PanelArm | None = None
    """Control trials that are anything other than a denial: what net detection subtracts."""
    net_detection_audit: PanelEstimate
    """Identified in injection minus not denied in control, models pooled, on the trials that the audit measures on. The
    corrected fit gives net detection by model, from all labels of the view, under another name."""
    dependence: DependenceSummary
    verdict: str
    """Which of the two assumptions to read."""
