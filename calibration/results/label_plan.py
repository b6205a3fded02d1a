"""The label plan as a result: what is known now, which new labels and trials reach a width, and where from."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class PlanOption(ResultPart):
    """A number of new trials with the fewest labels that reach the target width often enough."""

    trials: int
    """New trials."""
    labels: int | None
    """New labels; null where not even labels on all trials reach the target."""
    width: float
    """Median width of the interval over simulated studies."""
    reach: float
    """Share of simulated studies that reach the target."""


class LabelAllocation(ResultPart):
    """New labels that should come from one pattern of verdicts in one arm."""

    arm: str
    pattern: str
    labels: int
    free: int
    """Unlabelled trials of the pattern, those there now and those to be expected."""


class LabelPlan(ResultDocument):
    """How many labels and trials bring the 95 % interval of an estimand down to a target width."""

    estimand: str
    subject: str | None
    """Null for all subjects."""
    view: str
    target: float
    """Target width, as a fraction."""
    now: Estimate
    width_now: float
    labels_now: int
    """Labels that the estimate rests on."""
    trials_now: int
    """Judged trials that the estimate rests on."""
    reached: bool
    """Whether the interval has the target width already."""
    options: tuple[PlanOption, ...] = ()
    allocation: tuple[LabelAllocation, ...] = Field(
        default=(), serialization_alias="from", validation_alias=AliasChoices("from", "allocation")
    )
    """Where the labels of the first option that reaches the target should come from."""
    advice: str
    """In words."""
