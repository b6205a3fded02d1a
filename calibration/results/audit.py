"""The audit as a result: each judge by each view of the labels, correction methods, changed labels, contradictions."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AliasChoices, Field

from gnomon.calibration.results.agreement import Agreement
from gnomon.calibration.results.error_rates import (
    ClassCell,
    ConfusionCells,
    CorrectionEvidence,
    JudgeDrift,
    NonrandomLabels,
    OverallErrorRates,
    RepeatConsistency,
    StratumErrorRates,
    YoudenByArm,
)
from gnomon.calibration.results.label_funnel import LabelFunnel
from gnomon.calibration.results.panel import PanelSummary
from gnomon.calibration.results.truth_summary import TruthSummary
from gnomon.data.results import Estimate, ResultDocument, ResultPart


class JudgeEstimates(ResultPart):
    """What labels say of one judge version, whichever view they are of."""

    labelled: int
    """Labelled trials that the judge is measured on."""
    exposure: Mapping[str, int]
    """Labels by what their raters had seen: blind, after_verdict, unknown."""
    states: Mapping[str, float]
    """Share of the judge's calls by how they ended."""
    overall: OverallErrorRates
    strata: tuple[StratumErrorRates, ...]
    """By arm, then by concept within arms, then by subject within arms."""
    classes: tuple[ClassCell, ...]
    youden: YoudenByArm
    evidence: Mapping[str, CorrectionEvidence]
    """Evidence for correcting the event rate, by arm."""
    correctable: bool
    """Whether rates are corrected in both arms that net detection needs; `evidence` says how well labels support it."""
    correctable_arms: Mapping[str, bool]
    """Whether rates are corrected, by arm."""
    weighted: bool
    """Whether labels were chosen with unequal probabilities and are weighted back."""
    nonrandom_labels: tuple[NonrandomLabels, ...]
    """Arms whose labels are declared random and do not look so."""
    reasons: tuple[str, ...]
    """Why the judge's rates are not corrected, by arm."""
    notes: tuple[str, ...]
    drift: JudgeDrift


class JudgeAudit(JudgeEstimates):
    """One judge version measured by one view of the labels."""

    judge: str
    version: str
    kind: str
    newest: bool
    """Whether it is the newest version of its name."""
    labels: str
    """View of the labels."""
    splits: tuple[str, ...]
    """Splits that it is measured on."""
    consistency: RepeatConsistency | None
    """Null where it was asked once about each trial."""
    verdict: str
    """In words: where its rates may be corrected, and why not elsewhere."""


class MethodComparison(ResultPart):
    """The event rate of one arm by one method, from one judge and one view; or why the method is refused."""

    judge: str
    version: str
    view: str
    arm: str
    method: str
    """naive, labels, rogan_gladen, lang_reiczigel, ppi, joint or panel."""
    judged: int
    """Trials of the arm that the judge read."""
    labelled: int
    """Those of them with a label."""
    estimate: Estimate | None
    clipped: bool = False
    """The estimate lay outside 0 to 1 and was cut: the labelled trials are unlike the others, or too few."""
    reason: str | None
    """Why the method is refused; null where it is not."""


class RevisionDirections(ResultPart):
    """How many revisions went towards what judges said and away from it, with exact sign tests."""

    toward_judge: int
    away_from_judge: int
    p_value: float | None
    """Two-sided; null where no revision moved."""
    p_one_sided: float | None


class PassFailRevisions(RevisionDirections):
    """Those revisions that change pass or fail."""

    n: int


class JudgeRevisions(RevisionDirections):
    """Revisions against the verdicts of one judge."""

    judge: str
    version: str


class RevisedVerdict(ResultPart):
    """What a judge had said of a trial whose label was revised, and which way the label moved."""

    judge: str
    version: str
    outcome: str
    passed: bool | None
    direction: str
    """toward, away or neither."""


class RevisionMove(ResultPart):
    """One revision of a label."""

    trial: str
    rater: str
    exposure: str
    before: str
    after: str
    passed_before: bool
    passed_after: bool
    direction: str
    verdicts: tuple[RevisedVerdict, ...]


class LabelRevisions(RevisionDirections):
    """Changed labels; directions count those changed after a verdict had been seen."""

    n: int
    """All revisions."""
    after_verdict: int
    """Revisions made after a verdict had been seen."""
    unknown: int
    """Revisions of which nobody knows what had been seen."""
    blind: int
    neither: int
    """Of those after a verdict, revisions that went neither way."""
    pass_fail: PassFailRevisions
    by_judge: tuple[JudgeRevisions, ...]
    trials: tuple[str, ...]
    """Trials with a label revised after a verdict had been seen."""
    moves: tuple[RevisionMove, ...]


class RevisedConfusion(ResultPart):
    """Counts of pass and fail of one judge by the labels as first given and as they stand."""

    judge: str
    version: str
    first: ConfusionCells
    current: ConfusionCells


class RevisionAudit(LabelRevisions):
    """Revisions of labels with what they do to each judge's confusion matrix, and in words."""

    confusion: tuple[RevisedConfusion, ...]
    words: str


class ContradictionShare(ResultPart):
    """`n` of the `of` readings that could show a contradiction do."""

    n: int
    of: int
    share: Estimate | None


class ContradictionCount(ContradictionShare):
    """Readings with one kind of contradiction."""

    words: str
    trials: tuple[str, ...]
    """Up to five of them."""


class ContradictionCounts(ResultPart):
    """Contradictions in the readings of one judge or rater."""

    read: int
    anything: ContradictionShare = Field(serialization_alias="any", validation_alias=AliasChoices("any", "anything"))
    """Readings with a contradiction of any kind."""
    kinds: Mapping[str, ContradictionCount]


class JudgeContradictions(ContradictionCounts):
    """Contradictions in the verdicts of one judge version."""

    judge: str
    version: str


class RaterContradictions(ContradictionCounts):
    """Contradictions in the standing labels of one rater."""

    rater: str


class ContradictionAudit(ResultPart):
    """Facts that cannot all be true, by judge and by rater."""

    judges: tuple[JudgeContradictions, ...]
    raters: tuple[RaterContradictions, ...]

    def by_name(self) -> list[tuple[str, ContradictionCounts]]:
        """Judges, then raters, each with its name."""
        return [*((each.judge, each) for each in self.judges), *((each.rater, each) for each in self.raters)]


class AuditResult(ResultDocument):
    """What an audit of one view and one of all views have in common."""

    judges: tuple[JudgeAudit, ...]
    """One entry for each judge version and view."""
    comparison: tuple[MethodComparison, ...]
    """Event rate by judge, view, arm and correction method."""
    revisions: RevisionAudit
    contradictions: ContradictionAudit
    test_split_looks: int
    """How often judges were measured on labels of the test split; every call that does so counts once."""


class ViewAudit(AuditResult):
    """Judges measured by one view of the labels."""

    view: str
    labelled: int
    """Trials with a label."""
    funnel: LabelFunnel
    """How many labels each estimate uses."""
    disagreements: int
    """Trials on which raters disagree."""
    adjudicated: int
    """Those of them with an adjudicator's label."""
    truth: TruthSummary
    """Which of several raters' labels is the truth."""
    agreement: Agreement
    together: PanelSummary


class AuditDocument(AuditResult):
    """Judges measured by several views of the labels: what `gnomon calibrate` prints."""

    views: tuple[str, ...]
    """Of blind, first and current; with `--view` only that one."""
    labelled: Mapping[str, int]
    """Trials with a label, by view."""
    funnel: Mapping[str, LabelFunnel]
    """How many labels each estimate uses, by view."""
    disagreements: Mapping[str, int]
    """Trials on which raters disagree, by view."""
    adjudicated: Mapping[str, int]
    """Those of them with an adjudicator's label, by view."""
    truth: Mapping[str, TruthSummary]
    """Which of several raters' labels is the truth, by view."""
    agreement: Mapping[str, Agreement]
    """By view."""
    together: Mapping[str, PanelSummary]
    """The joint posterior of all judges, by view."""


class RuleRow(ResultPart):
    """Outcomes of one judge in one arm under one outcome rule."""

    judge: str
    arm: str
    rule: str
    verdicts: int
    outcomes: Mapping[str, int]
    event: Estimate
    """Share of events, each verdict at its word (Wilson)."""
    passed: Estimate = Field(serialization_alias="pass", validation_alias=AliasChoices("pass", "passed"))
    """Share of passes."""


class CallStates(ResultPart):
    """How the calls of one judge ended."""

    judge: str
    calls: int
    by_state: Mapping[str, int]
    not_ok: float
    """Share of calls without a verdict; no row counts them."""


class RuleComparison(ResultPart):
    """Stored verdicts on the trials of the design, counted under several outcome rules."""

    rules: tuple[str, ...]
    rows: tuple[RuleRow, ...]
    states: tuple[CallStates, ...]
    outside_design: int = 0
    """Trials made under another design than the study file has now: nothing counts them."""


class RecountDocument(ResultDocument):
    """Stored verdicts of a study under its own rule and others: what `gnomon recount` prints."""

    study: str
    rule: str
    """The study's rule."""
    rules: tuple[str, ...]
    rows: tuple[RuleRow, ...]
    states: tuple[CallStates, ...]
    outside_design: int = 0
    """Trials made under another design than the study file has now: nothing counts them."""
