"""Two judge versions on the same labelled trials, as a result; all differences are the second minus the first."""

from __future__ import annotations

from pydantic import Field

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class ComparedJudge(ResultPart):
    """One of the two judge versions."""

    judge: str
    version: str
    kind: str
    model: str | None
    """Null where the judge asks no model, or its version does not say which."""
    rubric: str | None
    """Name of the rubric; null for judges without one."""
    rubric_hash: str | None
    edition: int | None
    learns_from_labels: bool
    """Whether it was trained on labels of the train split or shows them as examples."""


class PairedMeasure(ResultPart):
    """One measure of both judges on the same labelled trials, and its difference."""

    measure: str
    """sensitivity, specificity, accuracy, youden or kappa."""
    of: int
    """Labelled trials that it is counted on."""
    only_a: int
    """Trials, of `of`, on which only the first judge has the label's answer."""
    only_b: int
    """Trials, of `of`, on which only the second has."""
    a: Estimate | None
    b: Estimate | None
    difference: Estimate | None
    """The second minus the first; its interval knows that both read the same trials."""
    p_exact: float | None
    """McNemar's exact test that both are right equally often, two-sided; null for Youden's J and kappa."""
    p_mid: float | None
    """The same test with mid-p."""
    p_adjusted: float | None
    """`p_exact` by Holm's method over `RubricComparison.family` tests."""


class ArmComparison(ResultPart):
    """Both judges in one arm, or in all arms together."""

    arm: str | None
    """Null for all arms together."""
    labelled: int
    events: int
    """Labelled trials with the event."""
    base_rate: Estimate | None
    """Share of events among the labelled trials: what chance-corrected agreement is to be read beside."""
    weighted: bool
    """Whether labels count unequally."""
    measures: tuple[PairedMeasure, ...]


class ChangedItem(ResultPart):
    """One labelled trial on which the two judges differ."""

    trial: str
    arm: str
    split: str
    label: str
    """Outcome by the label."""
    a: str
    """Outcome by the first judge."""
    b: str
    right: str
    """Who has the label's answer about the event: a, b, both (other outcomes, the same event) or neither."""


class TriedVersion(ResultPart):
    """A version that was tried on these labels, compared with the first judge on all arms together."""

    judge: str
    version: str
    labelled: int
    """Labelled trials that it and the first judge read."""
    accuracy_difference: float | None
    p_exact: float | None


class RubricComparison(ResultDocument):
    """Two judge versions on the same labelled trials: did the change help?"""

    a: ComparedJudge
    b: ComparedJudge
    view: str
    """View of the labels."""
    reading: str
    """What is compared: event, or passed (the study's pass)."""
    splits: tuple[str, ...]
    labelled: int
    """Labelled trials that both read."""
    only_one_read: int
    """Further labelled trials of these splits that only one of them read."""
    tried: tuple[TriedVersion, ...]
    """Every other version of these judges, or of another judge with one of their models, that read these labels."""
    family: int
    """Number of comparisons that p-values are adjusted for: the versions tried, the first judge not counted."""
    arms: tuple[ArmComparison, ...]
    """All arms together, then each arm."""
    changed: tuple[ChangedItem, ...]
    words: tuple[str, ...] = Field(default=())
    """The result in sentences."""
