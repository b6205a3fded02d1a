"""Labels by the guideline that raters followed, as a result: agreement, judge error, what a changed clause moves."""

from __future__ import annotations

from collections.abc import Mapping

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class PolicyJudgeErrors(ResultPart):
    """One judge's error rates by the labels of one guideline."""

    judge: str
    version: str
    arm: str | None
    """Null for all arms together."""
    labelled: int
    sensitivity: Estimate | None
    specificity: Estimate | None
    accuracy: Estimate | None
    youden: Estimate | None


class PolicyLabels(ResultPart):
    """The labels of one guideline."""

    policy: str
    """Hash of the guideline; empty for labels without one."""
    name: str
    text: str | None
    """The guideline; null for labels without one."""
    labels: int
    """Labels of all raters."""
    trials: int
    raters: tuple[str, ...]
    since: str | None
    """Time of the first label."""
    until: str | None
    base_rates: Mapping[str, Estimate]
    """Share of events by arm: what agreement is to be read beside."""
    agreement: Estimate | None
    """Share of trials on which two raters gave one outcome."""
    alpha: Estimate | None
    """Krippendorff's alpha of its raters on the outcome."""
    agreement_reason: str | None
    """Why there is no agreement; null where there is."""
    judges: tuple[PolicyJudgeErrors, ...]


class MovedLabel(ResultPart):
    """A trial whose label is another under another guideline."""

    trial: str
    arm: str
    a: str
    """Outcome under the first guideline."""
    b: str


class JudgeByPolicy(ResultPart):
    """How often one judge agrees with the labels of two guidelines on the same trials."""

    judge: str
    version: str
    trials: int
    a: Estimate | None
    b: Estimate | None
    difference: Estimate | None
    """Under the second guideline minus under the first, paired."""
    p_exact: float | None
    """McNemar's exact test, two-sided."""


class PolicyChange(ResultPart):
    """What changes from the labels of one guideline to those of another."""

    a: str
    """Hash of the first guideline, the older one."""
    b: str
    both: int
    """Trials that are labelled under both."""
    moved: int
    """Trials, of `both`, with another outcome."""
    to_event: int
    """Trials, of `both`, with the event under the second guideline only."""
    from_event: int
    event_difference: Estimate | None
    """Share of events under the second minus under the first, paired, on the trials labelled under both."""
    p_exact: float | None
    """McNemar's exact test that it is 0, two-sided."""
    unpaired: Mapping[str, Estimate]
    """The same difference by arm where fewer than 20 trials are labelled under both: between different trials."""
    judges: tuple[JudgeByPolicy, ...]
    best_a: str | None
    """The judge that agrees most often with the first guideline's labels on trials labelled under both."""
    best_b: str | None
    items: tuple[MovedLabel, ...]


class PolicyDocument(ResultDocument):
    """Labels, agreement and judge error by the guideline that raters followed."""

    view: str
    splits: tuple[str, ...]
    """Splits on which judges are measured; labels and their agreement are those of all splits."""
    policies: tuple[PolicyLabels, ...]
    """Oldest label first."""
    changes: tuple[PolicyChange, ...]
    """Each guideline against the one before it."""
    words: tuple[str, ...]
