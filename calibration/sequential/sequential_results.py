"""What holds at all times as results: running error rates, changes, certificates, what looks at test labels cost."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class RatePoint(ResultPart):
    """A running rate at one time."""

    n: int
    """Trials so far."""
    at: str | None
    """When the last of them became known (UTC)."""
    rate: float
    low: float
    high: float


class RateChange(ResultPart):
    """A change of a rate that was decided: it was told when, and most likely came when."""

    decided_after: int
    """Trials after which it was decided."""
    decided_at: str | None
    since: str | None
    """When the first trial after the most likely change became known (UTC)."""
    before: Estimate
    """Rate before the most likely change (Wilson; not corrected for the choice of the time)."""
    after: Estimate
    """Rate from then on (Wilson; not corrected for the choice of the time)."""


class RunDifference(ResultPart):
    """A rate in a later run of the judge minus that in its first run, with limits that hold at all times."""

    start: str
    """Time of the run's first verdict (UTC)."""
    trials: int
    events: int
    error: float
    """Part of the error that this run is given."""
    difference: Estimate

    @property
    def excludes_zero(self) -> bool:
        """Whether the rate surely differs."""
        return self.difference.low > 0 or self.difference.high < 0


class RunningRate(ResultPart):
    """A rate that is followed in the order in which its trials became known."""

    kind: Literal["missed events", "false alarms", "raters apart"]
    """Verdicts without the event among labelled events, verdicts with it among others, or trials on which a second
    label has another event than the first."""
    arm: str
    trials: int
    events: int
    rate: Estimate
    """With limits that hold at all times together."""
    path: tuple[RatePoint, ...]
    evidence: float
    """Base-10 logarithm of the present evidence for a change."""
    change: RateChange | None
    """Null where none was decided."""
    runs: tuple[RunDifference, ...]

    @property
    def has_drifted(self) -> bool:
        """Whether a change, or a difference between runs, was decided."""
        return self.change is not None or any(run.excludes_zero for run in self.runs)


class RunningErrors(ResultDocument):
    """The error rates of a judge version as they became known, and those of repeated labels."""

    judge: str
    version: str
    view: str
    error: float
    """Greatest probability that any drift is ever told where there is none: once for changes, once for runs."""
    rates: tuple[RunningRate, ...]
    left_out: int
    """Labelled trials that verdicts chose: they are no random sample and stand in no sequence."""
    words: str

    @property
    def has_drifted(self) -> bool:
        """Whether one of the judge's own rates has drifted."""
        return any(each.has_drifted for each in self.rates if each.kind != "raters apart")


class ChargedRates(ResultPart):
    """Error rates of a judge in one arm at the level that pays for the looks so far."""

    judge: str
    version: str
    view: str
    arm: str
    sensitivity: Estimate | None
    specificity: Estimate | None


class LookCharge(ResultPart):
    """What looks at the labels of the test split cost: the k-th spends 6 / (pi^2 k^2) of the error."""

    looks: int
    error: float
    """Error over all looks together."""
    spent: float
    """Error of this look."""
    level: float
    """Level of an interval of this look, so that those of all looks hold together: 1 - spent."""
    rates: tuple[ChargedRates, ...]
    words: str


class CertificateOutcome(StrEnum):
    """What a certificate says of a statement."""

    SHOWN = "shown"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class BoundPart(ResultPart):
    """One count behind a bound: events of trials, with the limits used."""

    name: str
    events: float
    of: float
    low: float
    high: float


class RateBound(ResultPart):
    """Limits of the true rate by one way of using verdicts and labels."""

    way: Literal["labels alone", "error rates", "predictive values"]
    """`labels alone`: share of events among labelled trials; `error rates`: judged share, sensitivity and false alarm
    rate; `predictive values`: judged share, and share of events among labelled trials with each verdict."""
    low: float
    high: float
    parts: tuple[BoundPart, ...]


class Certificate(ResultDocument):
    """Whether a statement on a true rate is shown with an imperfect judge, at a given error of the test."""

    statement: str
    judge: str
    version: str
    view: str
    subject: str | None
    """The model; null for all together."""
    arm: str
    what: str
    """event or pass."""
    below: bool
    """Whether the rate is stated to be below the bound (else above)."""
    bound: float
    error: float
    """Greatest probability of a wrong `shown`, and of a wrong `refuted`, asked for."""
    anytime: bool
    """Whether the limits hold at all times, so that one may look after each label; else for this one look."""
    look: int
    """With `anytime` false: which fixed look at the statement this is (each is charged for)."""
    outcome: CertificateOutcome
    estimate: float | None
    """Rate corrected for the judge's errors by the better known way; null where it is not defined."""
    low: float
    """Lower limit of the true rate: the statement's refutation or proof rests on it and on `high`."""
    high: float
    ways: tuple[RateBound, ...]
    judged: int
    labelled: int
    needs: str | None
    """In words: what a decision would take; null where it is decided."""
    words: str

    @property
    def is_shown(self) -> bool:
        """Whether the statement is shown."""
        return self.outcome is CertificateOutcome.SHOWN
