"""The JSON documents of the commands as values: keys, types and what they mean.

A command makes one of these and prints it as a table or, with `--json`, as JSON. Documents of the audit and of the
label plan are in `gnomon.calibration`.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from gnomon.calibration.results.truth_summary import TruthSummary
from gnomon.data.results import ResultDocument, ResultPart
from gnomon.stats.results import (
    Diagnostics,
    FitComparisons,
    HeadlineChoice,
    MethodEstimate,
    MissingVerdictRange,
    PredictiveCheck,
    RuleEstimate,
    StoredFit,
    WithheldEstimate,
)


class EstimateLine(ResultPart):
    """One estimate of one subject over its whole design: posterior mean and central interval, as fractions.

    `level` is the probability of the interval, `observed` the proportion in the data where there is one.
    """

    subject: str
    estimand: str
    mean: float
    low: float
    high: float
    level: float
    observed: float | None
    view: str
    judge: str | None


class FailedFit(ResultPart):
    """A fit that did not pass its gates; none of its estimates is given."""

    view: str
    reasons: tuple[str, ...]


class FitDiagnostics(Diagnostics):
    """The diagnostics of one fit, with its status: passed, failed or refused."""

    status: str


class DiagnosticsSummary(ResultPart):
    """The worst diagnostics of all fits together, and those of each fit by view."""

    max_rhat: float | None
    min_ess: float | None
    divergences: int
    fits: dict[str, FitDiagnostics]


class EstimatesDocument(ResultDocument):
    """What `gnomon fit` prints: counts of facts, one row an estimate, what is withheld and why, diagnostics."""

    study: str
    subjects: tuple[str, ...]
    trials: int
    """Stored trials; in a study of counts the trials behind the counts."""
    outside_design: int = 0
    """Those made under another design than the study file has now: no estimate counts them."""
    verdicts: int
    labels: int
    """Label events."""
    truth: TruthSummary | None = None
    """Which of several raters' labels is the truth, in the study's label view; null without labels."""
    estimates: tuple[EstimateLine, ...]
    refused: tuple[WithheldEstimate, ...]
    """Estimates that the data do not allow, with the reason."""
    failed: tuple[FailedFit, ...]
    """Fits that did not pass their gates; none of their estimates is above."""
    diagnostics: DiagnosticsSummary
    methods: dict[str, tuple[MethodEstimate, ...]] = Field(default_factory=dict)
    """Corrected estimates by joint fit, cut fit and design-based method, by view."""
    headlines: dict[str, HeadlineChoice] = Field(default_factory=dict)
    """Which method gives the corrected estimates, by view."""
    comparisons: dict[str, FitComparisons]
    """By view."""
    predictive: dict[str, tuple[PredictiveCheck, ...]]
    outcome_rules: tuple[RuleEstimate, ...] = ()
    """The headline estimates as counted under every outcome rule, by the judge of the uncorrected fit."""
    missing_verdicts: tuple[MissingVerdictRange, ...] = ()
    """Where more than 2 % of an arm's trials have no usable verdict: what the estimates could be with one."""
    warnings: tuple[str, ...] = ()
    """What holds for every estimate above, such as intervals that are too narrow."""


class FittedStudyDocument(EstimatesDocument):
    """What `gnomon demo` prints of one study: its estimates, the seconds of each step, and the stored fits."""

    seconds: dict[str, float]
    """By step: convert, generate, judge, fit, total."""
    rows: tuple[StoredFit, ...]


class DemoDocument(FittedStudyDocument):
    """What `gnomon demo` prints: the demo study, and under `published` the published study beside it."""

    published: FittedStudyDocument | None = Field(default=None, exclude_if=lambda value: value is None)
    """Only without `--published-only`."""


class LeftOutRows(ResultPart):
    """Rows of one file that an import leaves out on purpose, and why."""

    file: str
    reason: str
    rows: int


class ImportProblem(ResultPart):
    """A row that could not be imported: where it is and what is wrong with it."""

    file: str
    line: int | None
    part: str
    problem: str


class UnusableVerdicts(ResultPart):
    """New verdicts of one judge that cannot be used, and why; they are stored as missing, never as a fail."""

    judge: str
    reason: str
    verdicts: int


class ImportDocument(ResultDocument):
    """What `gnomon import` prints: rows read, accepted and new, and everything that was not imported."""

    format: str
    study: str
    made_study_file: bool
    files: tuple[str, ...]
    rows: int
    accepted: int
    repeated: int
    """Accepted rows that the study had already."""
    new: dict[str, int]
    """Rows added, by table."""
    already: dict[str, int]
    revisions: int
    left_out: tuple[LeftOutRows, ...]
    rejected: int
    """Rows with problems."""
    problems: tuple[ImportProblem, ...]
    without_size: tuple[str, ...]
    """Subjects whose number of parameters is not known."""
    notes: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """How the files were read where they do not say it themselves."""
    unusable: tuple[UnusableVerdicts, ...] = ()
    usable: dict[str, int] = Field(default_factory=dict)
    """New verdicts that can be used, by judge."""
    empty: dict[str, int] = Field(default_factory=dict)
    """Rows of the files without a verdict, by judge."""
    label_notes: tuple[str, ...] = ()
    """What to know of the study's labels after the import: who gave them, disagreements, how they were chosen."""


class ExportDocument(ResultDocument):
    """What `gnomon export` prints: rows by table, and the SHA-256 of each file."""

    study: str
    folder: str
    rows: dict[str, int]
    files: dict[str, str]
    guarded_cells: int | None = Field(default=None, exclude_if=lambda value: value is None)
    """Cells that begin like a formula and got a leading apostrophe; only with `--csv`."""


class TableContent(ResultPart):
    """Number of rows of a table, and a hash of its content."""

    rows: int
    sha256: str


class DatabaseCopyDocument(ResultDocument):
    """A copy of a database: all its rows, and each table. No URL contains its password."""

    study: str
    source: str = Field(validation_alias="from", serialization_alias="from")
    all: int
    tables: dict[str, TableContent]

    model_config = ConfigDict(validate_by_name=True)


class MoveDocument(DatabaseCopyDocument):
    """What `gnomon move` prints."""

    to: str


class BackupDocument(DatabaseCopyDocument):
    """What `gnomon backup` prints."""

    file: str


class DamageDocument(ResultPart):
    """One kind of damage: what is wrong, and how to repair it."""

    what: str
    fix: str


class DatabaseCheckDocument(ResultPart):
    """What `gnomon doctor --study` prints; `schema` is the database's own and null if it has no tables."""

    study: str
    database: str
    database_schema: str | None = Field(validation_alias="schema", serialization_alias="schema")
    rows: dict[str, int]
    damage: tuple[DamageDocument, ...]

    model_config = ConfigDict(validate_by_name=True)
