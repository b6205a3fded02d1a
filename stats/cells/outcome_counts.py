"""How often each outcome occurs in each arm of each model, as counted: by verdicts, or as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gnomon.data.arms import ARMS
from gnomon.data.outcomes import Outcome
from gnomon.data.records import Arm
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.cells.aggregation import CellCounts, judged_cells, published_cells
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, MISNAMED, REFUSED, REST, is_class_possible

DENIED_OR_OTHER = "denied or other"
"""The outcome of trials that a publication counts as neither event nor refused, where it does not tell more."""


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Trials of one model and arm with one outcome, among `of`.

    Attributes
    ----------
    subject : str
        Name of the model.
    parameters : float
        Its size.
    arm, outcome : str
    n, of : int
        Trials with the outcome, and all trials of the arm that count.
    """

    subject: str
    parameters: float
    arm: str
    outcome: str
    n: int
    of: int


def study_outcomes(store: Store, judge: str | None = None) -> tuple[OutcomeCount, ...]:
    """Outcomes by model and arm, as published or by the newest version of one judge; models in order of size.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str, optional
        Name of the judge; by default the study's first.

    Raises
    ------
    NotEnoughDataError
        If no verdict counts, or the study holds no published counts.
    UnknownNameError
        If the judge has no verdicts.
    """
    if load_settings(store).counts_only:
        return count_outcomes(published_cells(store), is_complete=False)
    return count_outcomes(judged_cells(store, judge), is_complete=True)


def count_outcomes(cells: CellCounts, *, is_complete: bool) -> tuple[OutcomeCount, ...]:
    """Outcomes by model and arm.

    Parameters
    ----------
    cells : CellCounts
        Counts by cell and class.
    is_complete : bool
        Whether a class that the counts lack did not occur; else the source did not count it, and it is in the rest.
    """
    frame = cells.frame.reset_index(drop=True)
    out: list[OutcomeCount] = []
    for (_, subject), mine in frame.groupby(["parameters", "subject"], sort=True):
        for arm in (str(each) for each in Arm if str(each) in set(mine["arm"])):
            places = mine.index[mine["arm"] == arm]
            totals = dict(zip(cells.classes, cells.counts[places].sum(axis=0).tolist(), strict=True))
            out += _arm_outcomes(str(subject), float(mine["parameters"].iloc[0]), arm, totals, is_complete)
    return tuple(out)


def _arm_outcomes(
    subject: str, parameters: float, arm: str, totals: dict[str, int], is_complete: bool
) -> Sequence[OutcomeCount]:
    event = Outcome.IDENTIFIED if ARMS[arm].counts_identified else Outcome.CLAIMED
    possible = {name for name in (INCOHERENT, MISNAMED) if is_class_possible(name, Arm(arm))}
    named: dict[str, str] = {REFUSED: Outcome.REFUSED, EVENT: event, INCOHERENT: Outcome.INCOHERENT}
    named |= {MISNAMED: Outcome.CLAIMED, REST: Outcome.DENIED}
    if not is_complete and arm == Arm.INJECTION and possible - set(totals):
        named[REST] = DENIED_OR_OTHER
    of = sum(totals.values())
    return [OutcomeCount(subject, parameters, arm, str(named[name]), n, of) for name, n in totals.items() if n]
