"""The label plan as a result: what is known now, which new labels and trials reach a width, and where from."""

from __future__ import annotations

from pydantic import AliasChoices, Field, NonNegativeFloat

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class PlanPrices(ResultPart):
    """What a label, a new trial and a verdict cost, all in one unit (of money, or of time)."""

    label: NonNegativeFloat = 1.0
    """One label of one person."""
    trial: NonNegativeFloat = 0.0
    """Generating one new trial."""
    verdict: NonNegativeFloat = 0.0
    """One verdict of one judge on a new trial."""

    def total_cost(self, labels: int, trials: int, judges: int) -> float:
        """Cost of new labels and of new trials, each read by every judge.

        Parameters
        ----------
        labels, trials : int
            New labels and new trials.
        judges : int
            Judges that read each new trial.
        """
        return labels * self.label + self.trial_cost(trials, judges)

    def trial_cost(self, trials: int, judges: int) -> float:
        """Cost of new trials with their verdicts.

        Parameters
        ----------
        trials : int
            New trials.
        judges : int
            Judges that read each of them.
        """
        return trials * (self.trial + judges * self.verdict)


class PlannedInterval(ResultPart):
    """The 95 % interval that a plan is for: one that a corrected fit shows, or that of the judges' joint posterior."""

    source: str
    """fit, or panel (the joint posterior of all judges over all models together, which no page shows)."""
    estimand: str
    """Its name in the fit."""
    subject: str | None
    """The model, of several the one with the widest interval; null for all together."""
    subjects: int
    """Models whose interval was available."""
    estimate: Estimate
    outdated: bool = False
    """Whether the fit is older than its trials, verdicts or labels, or than the settings that decide which count."""


class PlanOption(ResultPart):
    """New trials and labels together: the fewest labels that reach the target width, or what a budget buys."""

    trials: int
    """New trials."""
    labels: int | None
    """New labels; null where not even labels on all trials reach the target."""
    width: float
    """Median width of the interval over simulated studies."""
    reach: float | None
    """Share of simulated studies that reach the target; null without a target."""
    cost: float | None = None
    """Cost of the labels, new trials and their verdicts; null where the target is not reached."""


class LabelAllocation(ResultPart):
    """New labels that should come from one pattern of verdicts in one arm."""

    arm: str
    pattern: str
    labels: int
    free: int
    """Unlabelled trials of the pattern, those there now and those to be expected."""


class LabelPlan(ResultDocument):
    """How many labels and trials narrow the 95 % interval of an estimand to a target width, or what a budget buys."""

    estimand: str
    subject: str | None
    """Null for all subjects."""
    view: str
    target: float | None
    """Target width, as a fraction; null where only a budget was given."""
    budget: float | None = None
    """What may be spent, in the unit of the prices."""
    prices: PlanPrices = PlanPrices()
    interval: PlannedInterval
    """The interval that is planned for."""
    scale: float = 1.0
    """Its width today divided by that of the joint posterior; simulated widths are multiplied by it."""
    now: Estimate
    width_now: float
    labels_now: int
    """Labels that the joint posterior rests on."""
    trials_now: int
    """Judged trials that it rests on."""
    reached: bool
    """Whether the interval has the target width already."""
    options: tuple[PlanOption, ...] = ()
    best: PlanOption | None = None
    """The cheapest option that reaches the target, or the one with the narrowest interval that the budget buys."""
    allocation: tuple[LabelAllocation, ...] = Field(
        default=(), serialization_alias="from", validation_alias=AliasChoices("from", "allocation")
    )
    """Where the labels of the best option should come from."""
    advice: str
    """In words."""
