"""Transport of a judge's errors as a result: each rate compared, the decision for each place of use, in words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from gnomon.data.results import Estimate, ResultDocument, ResultPart


class TransportOutcome(StrEnum):
    """What is decided on errors learnt in one place and used in another."""

    PASS = "pass"
    """Both rates surely differ by less than the margin."""
    FAIL = "fail"
    """A rate surely differs by more than the margin."""
    INCONCLUSIVE = "inconclusive"
    """The labels allow both."""
    NOT_CHECKED = "not checked"
    """No margin was said, or there are so few labels that no result could have passed."""


class LabelledCount(ResultPart):
    """Right verdicts of labelled trials; effective numbers where labels count unequally."""

    right: float
    of: float


class RateComparison(ResultPart):
    """Sensitivity or specificity of a judge in one arm, where it was learnt and where it is to be used."""

    arm: str
    rate: Literal["sensitivity", "specificity"]
    learnt: LabelledCount
    used: LabelledCount
    difference: Estimate | None
    """Rate where it is used minus rate where it was learnt; its interval has the level 1 - 2 x error, so that it lies
    within the margin where both one-sided tests reject (up to the difference between exact and score test)."""
    p_within: float | None
    """P value that the difference is at least the margin, the larger of two one-sided tests."""
    p_beyond: float | None
    """P value that the difference is at most the margin."""
    outcome: TransportOutcome
    exact: bool
    """Whether the tests are exact (whole counts) or asymptotic (weighted labels, very many)."""
    needs: str | None
    """In words: what a decision would need."""


class TransportDecision(ResultPart):
    """Whether errors learnt elsewhere may be used in one place: passes only if every rate of every arm does."""

    name: str
    """The model, concept, protocol, date, value of a field, or arm of this study where they would be used."""
    outcome: TransportOutcome
    p_within: float | None
    """Largest p value of its rates, adjusted for the number of places (Holm)."""
    p_beyond: float | None
    """Smallest p value of its rates times their number, adjusted for the number of places (Holm)."""
    rates: tuple[RateComparison, ...]
    reason: str
    """In words: what decided, or what is lacking."""
    unchecked: bool = False
    """Whether the study file uses the errors although they have not passed (`unchecked = true`)."""


class TransportAudit(ResultDocument):
    """Whether the errors of one judge version, learnt on some trials, may be used on others."""

    judge: str
    version: str
    """Empty for errors that come from another study without a version."""
    axis: str
    """What the places differ in: subject, concept, protocol, date, a field that trials carry, or study."""
    margin: float | None
    """Greatest difference of a rate that does not matter, said beforehand (`[transport] margin`)."""
    error: float
    """Greatest probability of a wrong pass, and of a wrong fail, in the whole family of places."""
    places: int
    """Places that could be checked: the family of tests."""
    decisions: tuple[TransportDecision, ...]
    without: int = 0
    """Labelled trials that lack the field, and are left out."""
    words: str

    @property
    def outcomes(self) -> Mapping[str, TransportOutcome]:
        """The outcome of each place."""
        return {each.name: each.outcome for each in self.decisions}

    @property
    def travels(self) -> bool:
        """Whether there is a place and every place passed."""
        return bool(self.decisions) and all(each.outcome is TransportOutcome.PASS for each in self.decisions)
