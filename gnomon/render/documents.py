"""The JSON documents of the commands as values: keys, types and what they mean.

A command makes one of these and prints it as a table or, with `--json`, as JSON. Documents of the audit and of the
label plan are in `gnomon.calibration`.
"""

from __future__ import annotations

from pydantic import Field

from gnomon.data.results import ResultDocument, ResultPart
from gnomon.stats.results import Diagnostics, FitComparisons, PredictiveCheck, StoredFit, WithheldEstimate


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
    verdicts: int
    labels: int
    estimates: tuple[EstimateLine, ...]
    refused: tuple[WithheldEstimate, ...]
    failed: tuple[FailedFit, ...]
    diagnostics: DiagnosticsSummary
    comparisons: dict[str, FitComparisons]
    predictive: dict[str, tuple[PredictiveCheck, ...]]


class DemoDocument(EstimatesDocument):
    """What `gnomon demo` prints: the estimates, the seconds of each step, and the same for the published study."""

    seconds: dict[str, float]
    rows: tuple[StoredFit, ...]
    published: DemoDocument | None = Field(default=None, exclude_if=lambda value: value is None)
