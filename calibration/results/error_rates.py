"""Error rates of a judge as results: overall, by stratum, by arm, by class, over time."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import AliasChoices, Field

from gnomon.data.records import IntervalEstimate
from gnomon.data.results import Estimate, ResultPart, finite_estimate


class ConfusionCells(ResultPart):
    """The four cells of a confusion matrix of yes and no, as numbers of labelled trials."""

    tp: int
    fp: int
    fn: int
    tn: int


class EvidenceLevel(StrEnum):
    """How well the labels of an arm support a correction for a judge's errors (`correction.evidence`)."""

    NONE = "none"
    INVERTED = "inverted"
    WEAK = "weak"
    MODERATE = "moderate"
    STRONG = "strong"

    @property
    def rank(self) -> int:
        """Place in the order from none to strong."""
        return list(EvidenceLevel).index(self)


class CorrectionEvidence(ResultPart):
    """The evidence for correcting a judge's event rate in one arm by its error rates there."""

    level: EvidenceLevel
    """none, inverted, weak, moderate or strong (docs/calibration.md)."""
    positives: int
    """Labelled events."""
    negatives: int
    """Labelled non-events."""
    effective_positives: float
    """Effective number of labelled events where labels are weighted (Kish)."""
    effective_negatives: float
    """Effective number of labelled non-events."""
    youden: Estimate | None
    needs: str | None
    """In words: what the next level needs; null at the highest, or where labels alone do not help."""
    reason: str | None
    """Why the evidence is below moderate; null where it is not."""

    @property
    def is_sufficient(self) -> bool:
        """Whether it is moderate or strong."""
        return self.level.rank >= EvidenceLevel.MODERATE.rank


class NonrandomLabels(ResultPart):
    """Labels of one arm that are declared a random sample and do not look like one."""

    arm: str
    labelled: int
    labelled_positive: float
    """Share of positive verdicts (or of trials that judges dispute) among the labelled trials."""
    unlabelled: int
    unlabelled_positive: float
    """The same among the judged trials without a label."""
    p_value: float
    """Fisher's exact test that labels do not depend on it, two-sided."""
    by: Literal["verdict", "dispute"] = "verdict"
    """What the labels depend on: the verdict, or whether judges reach different outcomes."""


class ErrorRates(ConfusionCells):
    """Confusion matrix and rates by the labels; a rate is null where there is no trial to count.

    The cells are plain counts. Where labels were chosen with unequal probabilities the rates are weighted, so that they
    differ from ratios of the cells; the effective numbers say how much the weighted labels are worth.
    """

    effective_positives: float = 0.0
    """Effective number of labelled positives behind the sensitivity (Kish)."""
    effective_negatives: float = 0.0
    """Effective number of labelled negatives behind the specificity (Kish)."""

    sensitivity: Estimate | None
    specificity: Estimate | None
    accuracy: Estimate | None
    youden: Estimate | None

    @property
    def is_weighted(self) -> bool:
        """Whether labels count unequally."""
        plain = self.tp + self.fn + self.fp + self.tn
        return plain - self.effective_positives - self.effective_negatives > 0.005


class ExpectedRates(ResultPart):
    """Partially pooled rates: posterior medians with central intervals.

    Concepts of an arm are drawn towards each other, and so are its subjects; arms never are. In the row of a whole
    arm they are those to expect of a subject without labels.
    """

    sensitivity: Estimate | None
    specificity: Estimate | None

    @classmethod
    def from_intervals(cls, sensitivity: IntervalEstimate, specificity: IntervalEstimate) -> ExpectedRates:
        """The pooled rates of one stratum."""
        return cls(sensitivity=finite_estimate(sensitivity), specificity=finite_estimate(specificity))


class PooledErrorRates(ErrorRates):
    """Error rates of a stratum with its partially pooled rates."""

    pooled: ExpectedRates


class OverallErrorRates(ErrorRates):
    """Error rates on all labelled trials: for the study's pass and fail, and again by what is counted."""

    as_pass: ErrorRates
    """The study's pass and fail."""
    as_event: ErrorRates
    """The event: the injected concept identified; without injection, anything claimed."""


class StratumErrorRates(PooledErrorRates):
    """Error rates of one arm, or of one concept or one subject within an arm, for pass and fail and for the event."""

    arm: str
    concept: str | None
    """Null where the stratum is not by concept."""
    subject: str | None
    """Null where the stratum is not by subject."""
    labelled: int
    """Labelled trials of the stratum."""
    as_pass: PooledErrorRates
    as_event: PooledErrorRates
    evidence: CorrectionEvidence
    correctable: bool
    """Whether the event rate is corrected by the labels of this stratum; `evidence` says how well they support it."""
    reason: str | None
    """Why it is not."""

    @property
    def is_whole_arm(self) -> bool:
        """Whether the stratum is an arm, not a part of one."""
        return self.concept is None and self.subject is None


class ClassCell(ResultPart):
    """One cell of the confusion matrix of outcome classes: `n` of the `of` trials with that label in that arm."""

    arm: str
    truth: str
    """Class by label."""
    verdict: str
    """Class by the judge."""
    n: int
    of: int
    effective: float
    """Effective number of trials behind the share (Kish); `of` where labels count equally."""
    share: float
    """Weighted share, with `low` and `high` of its 95 % interval (Wilson)."""
    low: float
    high: float


class YoudenDifference(ResultPart):
    """Difference of Youden's J between two arms, `a` minus `b`."""

    a: str
    b: str
    difference: Estimate | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of the difference lies on one side of zero."""
        return self.difference is not None and (self.difference.low > 0 or self.difference.high < 0)


class YoudenByArm(ResultPart):
    """Youden's J of the event in each arm, and the differences between arms."""

    by_arm: Mapping[str, Estimate | None]
    differences: tuple[YoudenDifference, ...]


class DriftBlock(ResultPart):
    """A block of verdicts that follow each other in time."""

    start: str | None = Field(serialization_alias="from", validation_alias=AliasChoices("from", "start"))
    end: str | None = Field(serialization_alias="to", validation_alias=AliasChoices("to", "end"))
    verdicts: int
    positive_rate: Estimate | None
    """Share of events among the verdicts."""
    labelled: int
    accuracy: Estimate | None
    """Share of labelled trials where the verdict has the label's event."""


class Trend(ResultPart):
    """Test that a share has no trend in time, within strata (Mantel, 1963)."""

    change: Estimate | None
    """From the first block to the last; null with one block."""
    z: float
    p_value: float
    """Two-sided."""


class JudgeDrift(ResultPart):
    """How the verdicts of one judge version move over time."""

    start: str | None = Field(serialization_alias="from", validation_alias=AliasChoices("from", "start"))
    end: str | None = Field(serialization_alias="to", validation_alias=AliasChoices("to", "end"))
    times: int
    """Distinct times."""
    verdicts: int
    blocks: tuple[DriftBlock, ...]
    positive_rate: Trend | None
    """Null where it cannot be tested."""
    accuracy: Trend | None
    """Null where it cannot be tested."""
    words: str


class RepeatConsistency(ResultPart):
    """How often a judge version gives one answer when it is asked again."""

    trials: int
    """Trials that it was asked about twice or more."""
    samples: int
    """Verdicts on them."""
    same_outcome: Estimate
    """Share of trials on which all samples have one outcome."""
    same_event: Estimate
