"""A fit and its estimates as values: what a fit stores, what `--json` prints, what pages, charts and the report read.

Every model is frozen. `model_dump(mode="json")` gives the JSON document, `model_validate` reads it back; the store
brings documents of older versions to the present schema (`gnomon.data.storage.fit_schema`).
Knows nothing of how an estimate is computed, nor of the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
from pydantic import ConfigDict, Field, ValidationError, field_validator

from gnomon.data.arms import EVENT_RATE
from gnomon.data.errors import StoreError
from gnomon.data.results import ResultPart
from gnomon.data.storage.fit_schema import RESULT_SCHEMA

PASSED, FAILED, REFUSED = "passed", "failed", "refused"
OUTCOMES, LABELS = "outcomes", "labels"
"""What a posterior predictive check replicates, besides the verdicts of a judge."""
MISFIT_P = 0.01
"""p-value, adjusted for the number of checks, below which a posterior predictive check reports misfit."""
JOINT, CUT, DESIGN, POOLED = "joint", "cut", "design", "pooled"
"""Methods of a corrected estimate (`gnomon.stats.estimands.method_comparison`)."""


class ResultModel(ResultPart):
    """A part of a stored result: a key that this version does not know is left out when it is read."""

    model_config = ConfigDict(extra="ignore", validate_by_name=True)


class EstimandRow(ResultModel):
    """A row about one estimand."""

    estimand: str


class IntervalRow(ResultModel):
    """Posterior mean and equal-tailed 95 % limits."""

    mean: float
    low95: float
    high95: float


class RibbonRow(IntervalRow):
    """An interval row that has the 50 % and 80 % limits too."""

    low50: float
    high50: float
    low80: float
    high80: float


EVENT_RATES = ("identification", "false_alarm")
"""Estimands that are the event rate of one arm."""


class EstimateRow(EstimandRow, RibbonRow):
    """One estimate of one subject, over its whole design or `by` one value of an axis.

    `observed` is the same formula on raw counts, `n` the number of trials that the estimate rests on.
    """

    subject: str
    parameters: float
    variant: str
    by: dict[str, str | float] = Field(default_factory=dict)
    sd: float
    observed: float | None = None
    n: int | None = None


class CurvePoint(EstimandRow, RibbonRow):
    """The regression line at one model size."""

    parameters: float


class ContrastRow(EstimandRow, IntervalRow):
    """Difference a - b of two subjects; `probability` is P(a > b)."""

    a: str
    b: str
    probability: float


class WithheldEstimate(EstimandRow):
    """An estimate that is not given, and why; `estimand` is "all" where the whole fit is withheld.

    `by` is the value of an axis where the estimate is withheld there alone, and given over the whole design.
    """

    estimand: str = "all"
    subject: str | None = None
    by: dict[str, str | float] = Field(default_factory=dict)
    reason: str
    view: str | None = None
    """The fit that withholds it, where several are listed together."""


class PredictiveCheck(IntervalRow):
    """One posterior predictive check: a class of one subject and arm, by the groups of one axis of the design.

    `data` is what was observed: outcomes, labels, or verdicts of a judge. `n`, `observed`, `mean` and the limits are
    counts of the group furthest from its expectation, `value`, out of `groups`; `n` counts trials that are in no
    earlier class. `p` is the posterior predictive p-value of all groups together, `p_family` the same adjusted for all
    checks of the fit (`stats.checks.predictive_checks`), null in fits stored before there was one. `subject` is "" for
    all together, `axis` for the whole arm.
    """

    data: str = OUTCOMES
    subject: str
    arm: str
    axis: str = ""
    value: str = ""
    groups: int = 1
    outcome_class: str = Field(validation_alias="class", serialization_alias="class")
    n: int
    p: float
    p_family: float | None = None
    observed: int

    @property
    def is_misfit(self) -> bool:
        """Whether the fit fails this check, the number of its checks allowed for."""
        return self.p_family is not None and self.p_family < MISFIT_P


class PriorPredictiveRow(EstimandRow):
    """Where the priors alone put one estimate of one subject over its whole design."""

    subject: str
    low95: float
    low50: float
    median: float
    high50: float
    high95: float


class SizeStep(EstimandRow):
    """From one subject of the usual variant to another; `probability` is P(the estimand rises)."""

    from_subject: str = Field(validation_alias="from", serialization_alias="from")
    to_subject: str = Field(validation_alias="to", serialization_alias="to")
    probability: float


class SizeLadderStep(SizeStep, IntervalRow):
    """The next larger subject minus this one."""


class SizeLadderSpan(SizeStep):
    """From the smallest subject to the largest: `probability` is P(the estimand rises at every one of `steps`)."""

    steps: int


class RateRatio(EstimandRow):
    """Ratio a / b of a rate of two subjects; `probability` is P(ratio > 1)."""

    a: str
    b: str
    median: float
    low95: float
    high95: float
    probability: float


class ConceptRank(EstimandRow, IntervalRow):
    """One concept's net detection, and the 95 % limits of its rank among the concepts."""

    concept: str
    probability_first: float
    place_low: int
    place_high: int


class DoseCell(IntervalRow):
    """Net detection of one subject at one layer (or relative depth) and strength; `naive` is the raw rate."""

    subject: str
    layer: float | None
    depth: float | None
    strength: float
    naive: float | None
    n: int | None
    probability_best: float


class LeftOutTrend(ResultModel):
    """Posterior mean of a trend without one subject."""

    subject: str
    mean: float


class ObservedSlope(EstimandRow, IntervalRow):
    """Least-squares trend per doubling through the subjects that were run, `within` the usual variant or over `all`.

    `without` has the trend's mean without each subject in turn; empty where fewer than three sizes would be left.
    """

    variants: str
    probability_positive: float
    subjects: int = 0
    without: tuple[LeftOutTrend, ...] = ()


class SizeOddsRatio(ResultModel):
    """Odds ratio of one stage of the outcome per doubling of size, over the population that the subjects stand for.

    `stage` is the outcome whose odds it is about, among trials that none of the earlier stages took; `effect` says
    whether it is of the level of an arm or of the effect of the injection. `prior_share` is the share of the
    information that the prior gives: (posterior sd / prior sd) squared, on the logit scale.
    """

    stage: str
    effect: str
    median: float
    low95: float
    high95: float
    probability: float
    subjects: int
    prior_share: float


class NewConceptEstimate(EstimandRow, IntervalRow):
    """An estimate of one subject over the population of concepts that the study's `concepts` were drawn from."""

    subject: str
    concepts: int


class SignalDetectionIndex(EstimandRow, IntervalRow):
    """`d_prime` or `criterion` of one subject, in standard deviations of the noise."""

    subject: str


class NewSubjectPoint(EstimandRow, IntervalRow):
    """An estimate predicted for a further subject of one size."""

    parameters: float


class EngagementBounds(ResultModel):
    """Bounds on one subject's engaged net detection under one assumption on refusals, with 95 % limits."""

    subject: str
    assuming: str
    low: float
    high: float
    low95: float
    high95: float


class StandardizedEstimate(EstimandRow, IntervalRow):
    """An estimate at the mix of conditions of all subjects; `inside` is the share of it that the subject was run in."""

    subject: str
    inside: float


class RuleEstimate(EstimandRow):
    """One estimate of one subject as counted under one outcome rule, with a 95 % interval for independent trials."""

    subject: str
    rule: str
    is_study_rule: bool
    value: float
    low95: float
    high95: float
    n: int


class MissingVerdictRange(EstimandRow):
    """Where one estimate could lie if the trials without a usable verdict were all of one outcome, in each arm."""

    subject: str
    missing: int
    trials: int
    value: float
    lowest: float
    highest: float


class FitComparisons(ResultModel):
    """The comparisons of a fit (`stats.estimands.comparisons`), a table each."""

    ladder: tuple[SizeLadderStep | SizeLadderSpan, ...] = ()
    ratios: tuple[RateRatio, ...] = ()
    concepts: tuple[ConceptRank, ...] = ()
    best: tuple[DoseCell, ...] = ()
    slopes: tuple[ObservedSlope, ...] = ()
    odds_ratios: tuple[SizeOddsRatio, ...] = ()
    new_subject: tuple[NewSubjectPoint, ...] = ()
    new_concepts: tuple[NewConceptEstimate, ...] = ()
    new_concept_contrasts: tuple[ContrastRow, ...] = ()
    signal_detection: tuple[SignalDetectionIndex, ...] = ()
    bounds: tuple[EngagementBounds, ...] = ()
    standard: tuple[StandardizedEstimate, ...] = ()
    standard_contrasts: tuple[ContrastRow, ...] = ()

    def frames(self) -> dict[str, pd.DataFrame]:
        """Each table as a data frame, empty where the fit has no such comparison."""
        return {name: rows_frame(getattr(self, name)) for name in type(self).model_fields}


class YoudenRow(IntervalRow):
    """Youden's J of one judge in one arm, for one class against the others; `probability` is P(J > 0.1)."""

    judge: str
    arm: str
    question: str
    probability: float


class MethodEstimate(EstimandRow, IntervalRow):
    """One estimate of one subject by one method: pooled, joint, cut or design; `headline` where it is the one shown."""

    subject: str
    method: str
    sd: float
    headline: bool


class MethodDifference(EstimandRow):
    """Joint fit minus design-based estimate, of one subject or all; `p` is corrected for the number of comparisons."""

    subject: str
    joint: float
    design: float
    difference: float
    se: float
    p: float


class HeadlineChoice(ResultModel):
    """Which method gives the corrected estimates of a fit; `p` is the least of the comparisons, null without any.

    Below `limit` the joint fit contradicts the labels.
    """

    method: str
    p: float | None = None
    limit: float = 0.05
    labels_misfit: bool = False
    """Whether the joint fit fails a posterior predictive check of labels given verdicts, which decides likewise."""
    differences: tuple[MethodDifference, ...] = ()


class RaterRow(IntervalRow):
    """P(a rater's label is right), averaged over its labels.

    `prior` is the mean that was assumed before the data; `labels` the labelled trials, `repeated` those of them with
    another rater's label or an adjudication, without which the prior alone decides.
    """

    rater: str
    labels: int
    repeated: int
    prior: float


class FitResult(ResultModel):
    """All that a fit says: estimates, curve, contrasts, comparisons, checks, and what is withheld and why."""

    schema_version: int = Field(default=RESULT_SCHEMA, validation_alias="schema", serialization_alias="schema")
    view: str = ""
    judge: str | None = None
    estimands: tuple[EstimateRow, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    contrasts: tuple[ContrastRow, ...] = ()
    comparisons: FitComparisons = FitComparisons()
    predictive: tuple[PredictiveCheck, ...] = ()
    prior: tuple[PriorPredictiveRow, ...] = ()
    refused: tuple[WithheldEstimate, ...] = ()
    design: str = ""
    judges: tuple[YoudenRow, ...] = ()
    raters: tuple[RaterRow, ...] = ()
    methods: tuple[MethodEstimate, ...] = ()
    """Corrected estimates by every method, one of them the headline."""
    headline: HeadlineChoice | None = None
    cautions: tuple[str, ...] = ()
    """What the labels do not support in words, such as labels declared random that follow the verdicts."""

    @field_validator("schema_version")
    @classmethod
    def _check_schema(cls, schema: int) -> int:
        if schema > RESULT_SCHEMA:
            raise ValueError(f"a newer version wrote it, this one reads schemas up to {RESULT_SCHEMA}")
        return schema

    @property
    def overall_estimates(self) -> list[EstimateRow]:
        """Estimates over a subject's whole design."""
        return [row for row in self.estimands if not row.by]

    @property
    def arm_event_rates(self) -> list[EstimateRow]:
        """Event rates by arm, as `event_rate_ARM`, of subjects that have no estimate over a whole design.

        These are subjects without trials of the injection and the control arm.
        """
        whole = {row.subject for row in self.overall_estimates}
        return [
            row.model_copy(update={"estimand": f"{EVENT_RATE}{row.by['arm']}", "by": {}})
            for row in self.estimands
            if row.subject not in whole and set(row.by) == {"arm"} and row.estimand in EVENT_RATES
        ]

    def estimates_frame(self) -> pd.DataFrame:
        """Estimates as a data frame, `by` spread over the columns `axis` and `value` ("" for the whole design)."""
        return pd.DataFrame(
            [
                {**row.model_dump(exclude={"by"}), "axis": axis, "value": value}
                for row in self.estimands
                for axis, value in [next(iter(row.by.items()), ("", ""))]
            ]
        )


class Reweighting(ResultModel):
    """That draws were weighted: those of which fit, the Pareto shape `k`, the share of draws they are worth."""

    fit: str
    k: float
    share: float


class Diagnostics(ResultModel):
    """How sampling went: convergence of the estimates that are shown, and why gates were missed."""

    max_rhat: float | None = None
    min_ess_bulk: float | None = None
    min_ess_tail: float | None = None
    divergences: int = 0
    draws: int = 0
    chains: int = 0
    seconds_compile: float = 0.0
    seconds_sample: float = 0.0
    passed: bool = False
    reasons: tuple[str, ...] = ()
    reweighted: Reweighting | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def min_ess(self) -> float | None:
        """Smallest effective sample size of bulk and tails; None where nothing was sampled."""
        known = [value for value in (self.min_ess_bulk, self.min_ess_tail) if value is not None]
        return min(known, default=None)


class StoredFit(ResultModel):
    """One row of the table of fits."""

    id: str
    view: str
    status: str
    data_hash: str = ""
    seed: int = 0
    priors: dict[str, float] = Field(default_factory=dict)
    diagnostics: Diagnostics
    result: FitResult
    draws_sha256: str | None = None
    code_version: str = ""
    created_at: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether the fit missed its gates, so that none of its estimates may be shown."""
        return self.status == FAILED

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> StoredFit:
        """A row of the table of fits as a value; raises `StoreError` where its documents cannot be read."""
        try:
            return cls.model_validate(dict(row))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise StoreError(
                f"fit {str(row.get('id'))[:16]}: its stored result cannot be read ({place}: {first['msg']}): "
                "fit again with the version of Gnomon that stored it, or with this one into a new study"
            ) from error


def rows_frame(rows: Iterable[ResultModel]) -> pd.DataFrame:
    """Rows of one table as a data frame, a column for each key."""
    return pd.DataFrame([row.model_dump() for row in rows])
