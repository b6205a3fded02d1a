"""What a judge is fooled by, as a result."""

from __future__ import annotations

from enum import StrEnum

from gnomon.data.results import Estimate, ResultPart


class ErrorKind(StrEnum):
    """Which of the judge's errors: among labelled non-events, among labelled events, or among its own positives."""

    FALSE_ALARM = "false_alarm"
    MISS = "miss"
    WRONG_PASS = "wrong_pass"


class ErrorShare(ResultPart):
    """Errors among the labelled trials on one side of a covariate."""

    errors: int
    of: int
    share: Estimate | None
    """Weighted over arms; null without a trial."""


class CovariateEffect(ResultPart):
    """How one kind of error differs with one property of the trial, within arms."""

    covariate: str
    about: str
    """The property in words, of the trials that have it."""
    error: ErrorKind
    having: ErrorShare
    """Trials that have the property."""
    lacking: ErrorShare
    """Trials that do not."""
    difference: Estimate | None
    """Share of errors with the property less the share without it."""
    odds_ratio: Estimate | None
    """Common odds ratio of the arms, exact; null where it or a limit is infinite."""
    p_exact: float | None
    """Exact test that the odds ratio is 1 in every arm, two-sided; null where there are too few trials."""
    p_adjusted: float | None
    """The same after Holm's correction for all effects of this judge."""
    reason: str | None
    """Why there is no difference; null where there is one."""

    @property
    def is_shown(self) -> bool:
        """Whether the errors surely depend on the property."""
        return self.p_adjusted is not None and self.p_adjusted < 0.05


class JudgeSusceptibility(ResultPart):
    """What one judge version is fooled by, as far as labels show it."""

    version: str
    view: str
    splits: tuple[str, ...]
    labelled: int
    family: int
    """Number of tests that p-values are adjusted for."""
    effects: tuple[CovariateEffect, ...]
    words: tuple[str, ...]
