"""Results of the battery as values: what `--json` prints and what pages, charts and sentences read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class MeasuredEstimate(ResultPart):
    """One estimate of one subject, over its whole design or `by` one cell (layer and strength)."""

    estimand: str
    """rate, difference, yes_shift, shift, yes_corrected, above_matched, yes_bias, flattening, beyond_flattening,
    d_prime, criterion, auc; of a variant less its base variant_rate, variant_difference, variant_yes_corrected."""
    subject: str
    task: str
    arm: str = "injection"
    by: dict[str, float] = Field(default_factory=dict)
    scale: Literal["logit", "probability", "rate"]
    """What was averaged: log-odds of yes, probability of the event among the options, or the event itself."""
    value: float
    these: Estimate | None
    """Interval for these concepts: items and responses are drawn. Null where each concept has one response only."""
    like_these: Estimate | None
    """Interval for concepts like these: concepts are drawn too. Null for a single concept."""
    probability: float | None = None
    """P(above 0, or above chance) for these concepts; for concepts like these where that interval alone is given."""
    reference: float = 0.0
    """Value that `probability` is against: chance for a rate, one half for the AUC, else 0."""
    n: int
    """Trials of all terms."""
    concepts: int
    items: int
    """Fewest items of a task in it; with 1 the intervals are about that item alone."""

    @property
    def headline(self) -> Estimate | None:
        """The wider claim where there is one: concepts like these, else these concepts."""
        return self.like_these or self.these


YesVerdict = Literal["detection", "explained", "nothing_left", "below_zero", "undecided"]


class YesCorrection(ResultPart):
    """Detection less the yes-shift, in one cell or over the design, and what it says."""

    corrected: MeasuredEstimate
    notice: MeasuredEstimate
    """Shift of the question, injection less control."""
    unrelated: MeasuredEstimate
    """Shift of matched questions of fact whose right answer is no: the yes-shift."""
    margin: float
    """Largest corrected detection that counts as nothing."""
    verdict: YesVerdict
    """For concepts like these where that interval exists, else for these concepts. `explained`: above 0, but no further
    than a bias to yes or a loss of certainty may raise the question."""
    above: MeasuredEstimate | None = None
    """The question less its matched questions, both injected: in log-odds where they were read, else in rates."""


class YesDiagnosis(ResultPart):
    """Why matched questions shift, to yes or to even odds: from questions whose right answer is yes and no."""

    bias: MeasuredEstimate
    """Mean shift of the log-odds of yes of both kinds of questions: above 0 for a bias to yes."""
    flattening: MeasuredEstimate
    """Half of how much more questions with the answer no rise than those with the answer yes: above 0 where answers
    become less certain (entropy rises)."""
    certain: MeasuredEstimate
    """Shift of matched questions whose right answer is yes."""
    beyond: MeasuredEstimate | None = None
    """Detection less the shift that bias and flattening predict at the baseline of the question itself."""


class BitsEstimate(ResultPart):
    """Identification in bits: mutual information of the injected concept and the chosen one."""

    subject: str
    task: str
    by: dict[str, float] = Field(default_factory=dict)
    estimate: Estimate
    most: float
    """Bits of a subject that always chooses right: log2 of the number of concepts."""
    n: int
    """Responses, one for each concept and item."""
    concepts: int
    p_value: float
    """Probability of so much information or more where the choice does not depend on the concept."""


class DosePoint(ResultPart):
    """One point of a curve."""

    at: float
    """Strength, or layer."""
    estimate: MeasuredEstimate
    simultaneous: Estimate | None
    """Limits that hold for all points of the curve together with probability .95; for concepts like these where several
    were injected."""


class DoseCurve(ResultPart):
    """A measure by strength, or by layer: the mean over the values of the other axis that all points have."""

    subject: str
    task: str
    estimand: str
    """yes_corrected, difference (injection less control), or rate (where a task has no control)."""
    scale: Literal["logit", "probability", "rate"]
    axis: Literal["strength", "layer"]
    averaged: list[float]
    """Layers, or strengths, that each point is the mean of."""
    reference: float = 0.0
    """Value of nothing: chance of a rate, else 0."""
    points: list[DosePoint]
    rise: MeasuredEstimate | None = None
    """Value at the highest strength less that at the lowest; of a curve over strengths."""


class PooledCell(ResultPart):
    """An estimate of one cell after partial pooling over layers, strengths and subjects."""

    subject: str
    task: str = "notice"
    estimand: str = "yes_corrected"
    scale: Literal["logit", "probability", "rate"] = "logit"
    by: dict[str, float]
    estimate: Estimate
    raw: float
    probability_best: float


class TaskSummary(ResultPart):
    """One task of one subject: the row of the table of `gnomon battery`."""

    subject: str
    task: str
    chance: float | None
    rates: list[MeasuredEstimate]
    """By arm, over the whole design."""
    difference: MeasuredEstimate | None
    """Injection less control."""
    cells: list[MeasuredEstimate] = Field(default_factory=list)
    """Injection less control by cell; the rate against chance where the task has no control."""


class BatterySummary(ResultDocument):
    """Every estimate of the battery."""

    subjects: list[str]
    tasks: list[TaskSummary]
    yes_corrections: list[YesCorrection]
    diagnoses: list[YesDiagnosis]
    signal_detection: list[MeasuredEstimate]
    identification: list[BitsEstimate]
    pooled: list[PooledCell] = Field(default_factory=list)
    curves: list[DoseCurve] = Field(default_factory=list)
