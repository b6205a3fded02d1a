"""Agreement of judges and raters as results: of each pair, and of each kind as a group."""

from __future__ import annotations

from gnomon.data.results import Estimate, ResultPart


class PairAgreement(ResultPart):
    """Agreement of two judges or raters on the outcome of the trials that both read.

    A coefficient is null where there are fewer than 20 such trials (`reason`) or where it is undefined.
    """

    a: str
    a_kind: str
    """judge, rater, or model or rule: a rater that is no person and whose labels do not count."""
    b: str
    b_kind: str
    n: int
    selected: int = 0
    """Further trials that both read, which do not count: chosen for labelling because of what judges said."""
    disagreements: int = 0
    """Trials, of `n`, with different outcomes."""
    base_rate: float | None = None
    """Share of the commonest outcome among both members' answers: coefficients are to be read beside it."""
    base_outcome: str | None = None
    """The commonest outcome."""
    agreement: Estimate | None
    """Share of trials with the same outcome (Wilson)."""
    cohen: Estimate | None
    """Cohen's kappa."""
    ac1: Estimate | None
    """Gwet's AC1."""
    alpha: Estimate | None
    """Krippendorff's alpha."""
    reason: str | None = None
    """Why no coefficient is given."""


class GroupAgreement(ResultPart):
    """Agreement of all judges, or of all raters, on trials that two or more of them read."""

    group: str
    members: int
    n: int
    base_rate: float | None = None
    """Share of the commonest outcome among all members' answers on these trials."""
    base_outcome: str | None = None
    """The commonest outcome."""
    ac1: Estimate | None
    alpha: Estimate | None
    reason: str | None = None
    """Why no coefficient is given."""


class Agreement(ResultPart):
    """Agreement on outcomes in one view of the labels, without labels that were chosen for what judges say."""

    pairs: tuple[PairAgreement, ...]
    groups: tuple[GroupAgreement, ...]
