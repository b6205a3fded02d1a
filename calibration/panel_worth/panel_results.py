"""A panel's worth as a result: effective number, votes of more or fewer members, weights."""

from __future__ import annotations

from typing import Literal

from gnomon.data.results import Estimate, ResultDocument, ResultPart

Basis = Literal["errors", "votes"]


class EffectiveMembers(ResultPart):
    """How many independent members a panel is worth, in one arm or in all together."""

    arm: str | None
    """Null for all arms together."""
    trials: int
    """Trials that two members or more read."""
    base_rate: Estimate | None
    """Share of events among them: by label, or by members' votes where no label is used."""
    correlation: Estimate | None
    """Of two members' errors (or votes) within arm and true class (or arm)."""
    effective: Estimate | None
    reason: str | None
    """Why there is no number; null where there is one."""


class MajorityVote(ResultPart):
    """The majority vote of some of the members, averaged over all choices; a tie counts half."""

    members: int
    is_predicted: bool
    """Whether it is a larger panel than there is, of further members like these."""
    effective: float | None
    """Expected effective number of so many members with this correlation."""
    error: float | None
    """Share of labelled trials where the vote has not the label's answer."""
    low: float | None
    """Lower limit of its 95 % interval; null where it is predicted."""
    high: float | None


class MemberWorth(ResultPart):
    """One member of the panel."""

    name: str
    version: str | None
    """Null for raters."""
    trials: int
    """Trials that it read among those of the panel."""
    error: Estimate | None
    """Share where it has not the label's answer."""
    weight: float | None
    """Weight of its vote in the weighted vote; absolute values add to 1."""
    effective_without: float | None
    """Effective number of the panel without it."""


class PanelWorth(ResultPart):
    """What a panel of judges, or of raters, is worth."""

    group: Literal["judges", "raters"]
    basis: Basis
    """errors: members' errors given the label; votes: what they say, which also correlates where all are right."""
    view: str
    splits: tuple[str, ...]
    complete: int
    """Labelled trials that every member read: those of votes and weights."""
    arms: tuple[EffectiveMembers, ...]
    """All arms together, then each arm."""
    votes: tuple[MajorityVote, ...]
    weighted: Estimate | None
    """Error of the weighted vote, on trials that did not teach its weights."""
    members: tuple[MemberWorth, ...]
    words: tuple[str, ...]

    @property
    def whole(self) -> EffectiveMembers:
        """All arms together."""
        return self.arms[0]


class PanelDocument(ResultDocument):
    """What the judges of a study are worth together, and what its raters are."""

    judges: PanelWorth | None
    raters: PanelWorth | None
    reasons: tuple[str, ...]
    """Why one of them is null."""
