"""What a judge's scores are worth, as results: calibration curve, map, estimates, thresholds, transfers of the map."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from gnomon.data.results import Estimate, ResultPart


class TransferStatus(StrEnum):
    """Whether a map learnt on some trials may be used on others (`graded.map_transfer`)."""

    PASS = "pass"
    """The mean residual there lies within the margin."""
    FAIL = "fail"
    """The mean residual there lies beyond the margin."""
    INCONCLUSIVE = "inconclusive"
    """The labels there show neither."""
    NOT_CHECKED = "not_checked"
    """No margin was said beforehand, or too few labels are there."""
    UNSUPPORTED = "unsupported"
    """Too many scores there lie where hardly a label taught the map."""


class CurveBin(ResultPart):
    """Labelled trials with neighbouring scores: one point of the calibration curve."""

    start: float
    """Lowest score of the bin."""
    end: float
    """Highest score of the bin."""
    score: float
    """Weighted mean score."""
    labelled: int
    effective: float
    """Effective number of labels (Kish)."""
    share: Estimate
    """Share of labelled events (or mean label) with its interval."""


class MapPoint(ResultPart):
    """One point of the isotonic map: what labels say of trials with a score."""

    score: float
    value: float
    """Calibrated share of events; between points the map is linear, outside the ends constant."""
    low: float | None = None
    """Lower limit of the simultaneous 95 % band of the monotone curve; null where it is not defined."""
    high: float | None = None
    """Upper limit."""


class ThresholdCost(ResultPart):
    """What a threshold on the score costs on the labelled trials of one split."""

    threshold: float
    """The verdict is yes where the score is at least this."""
    labelled: int
    sensitivity: Estimate | None
    specificity: Estimate | None
    youden: Estimate | None
    misses: float
    """Events with a verdict of no, per 100 trials."""
    false_alarms: float
    """Non-events with a verdict of yes, per 100 trials."""
    cost: float
    """`misses` times the price of a miss plus `false_alarms` times that of a false alarm."""


class ThresholdChoice(ResultPart):
    """A threshold chosen on the train split, what the others would have cost there, and its error on the dev split."""

    chosen: ThresholdCost
    """On the train split, on which it was chosen: too good by as much as the choice fitted these labels."""
    tried: tuple[ThresholdCost, ...]
    """Every threshold that was tried, on the train split."""
    dev: ThresholdCost | None
    """The chosen threshold on the dev split; null where nothing is labelled there."""
    usual: ThresholdCost | None = None
    """The threshold by which verdicts were rounded, on the dev split; null where nothing is labelled there."""


class GradedTransfer(ResultPart):
    """Whether the map learnt on some trials holds on others: the mean residual there against a margin."""

    source: str
    """Trials that taught the map, in words."""
    target: str
    """Trials that it is to be used on, in words."""
    status: TransferStatus
    margin: float | None
    """Greatest mean residual that counts as none, said beforehand."""
    labelled: int
    """Labelled trials of the target."""
    residual: Estimate | None
    """Mean of label minus calibrated score on the target; its interval decides (90 % for a test of size .05)."""
    unsupported: float
    """Share of the target's scores where fewer than five labels taught the map."""
    needs: int | None = None
    """About how many labels of the target would decide; null where labels do not help or are not needed."""
    words: str

    @property
    def is_usable(self) -> bool:
        """Whether the map may be used on the target without labels there."""
        return self.status is TransferStatus.PASS


class GradedArm(ResultPart):
    """A judge's scores in one arm against the labels there."""

    arm: str
    reversed: bool = False
    """Whether the judge's single score is that of a pass, which is no event in this arm: it counts as negative."""
    scored: int
    """Judged trials with a score, those in `unscored` included."""
    unscored: int = 0
    """Those among them without a score: their own answers stand in. Curve, map and thresholds are without them."""
    left_out: int = 0
    """Judged trials without a score beyond these: the rates are not of them."""
    labelled: int
    """Labelled ones among them."""
    events: int
    """Labelled events among them."""
    curve: tuple[CurveBin, ...]
    isotonic: tuple[MapPoint, ...]
    """The map from scores to shares of events, learnt on all labelled trials of the arm."""
    estimate: Estimate | None
    """Event rate of the arm with the calibrated scores as regressor; null where it is refused."""
    rounded: Estimate | None
    """The same estimator with verdicts of yes and no in the place of scores."""
    labels_only: Estimate | None
    """The same without the judge."""
    posterior: Estimate | None = None
    """Event rate by the posterior with scores as ordered levels; null where labels were chosen by verdict or weigh
    unequally, or no event or no other is labelled.
    """
    width_ratio: float | None
    """Width of the interval with scores over that with rounded verdicts."""
    reason: str | None
    """Why there is no estimate."""
    threshold: ThresholdChoice | None = None
    transfers: tuple[GradedTransfer, ...] = Field(default=())
    """Each subject with labels, on the map that all other subjects teach."""


class GradedCalibration(ResultPart):
    """One judge version's scores, calibrated by labels: section `graded` of a calibration card."""

    judge: str
    version: str
    view: str
    splits: tuple[str, ...]
    """Splits whose labels teach the map; the test split is never read."""
    arms: tuple[GradedArm, ...]
    words: tuple[str, ...]
    """In sentences."""
