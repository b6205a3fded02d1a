"""The outcome classes: which classes a trial can end in and the order of the stages (a sequential logit).

A trial is refused or not; if not, it is an event or not; if not, it is incoherent or not; if not, it claims something
that is not the event (a claim that does not name the injected concept), or it is the rest: denied. Each stage is one
probability conditional on the earlier stages being negative, so a cell's classes have a multinomial distribution with
unconstrained logits. If any claim is an event, as in the controls, the fourth class does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable

from gnomon.data.outcomes import Outcome, is_event
from gnomon.data.records import Arm

REFUSED, EVENT, INCOHERENT, MISNAMED, REST = "refused", "event", "incoherent", "misnamed", "rest"
CLASSES = (REFUSED, EVENT, INCOHERENT, MISNAMED, REST)
"""Classes in the order of the stages; the last is the remainder."""


def outcome_class(outcome: Outcome, arm: Arm) -> str:
    """The class of an outcome in an arm.

    Parameters
    ----------
    outcome : Outcome
        Outcome of a trial.
    arm : Arm
        Arm of the trial.
    """
    if outcome is Outcome.REFUSED:
        return REFUSED
    if is_event(outcome, arm):
        return EVENT
    return {Outcome.INCOHERENT: INCOHERENT, Outcome.CLAIMED: MISNAMED}.get(outcome, REST)


def is_class_possible(name: str, arm: Arm) -> bool:
    """Whether trials of an arm can be of a class.

    Parameters
    ----------
    name : str
        Class, one of `CLASSES`.
    arm : Arm
        Arm of the trial.
    """
    return name != MISNAMED or outcome_class(Outcome.CLAIMED, arm) == MISNAMED


def known_classes(seen: Iterable[str]) -> tuple[str, ...]:
    """The classes of a model for data in which only the classes `seen` occur.

    Incoherence and misnamed claims are left out if no source reports them, as in published counts (the rest then
    contains them); the other classes are always included, because a zero count of them is information.
    """
    told = set(seen)
    return tuple(name for name in CLASSES if name in told or name not in (INCOHERENT, MISNAMED))
