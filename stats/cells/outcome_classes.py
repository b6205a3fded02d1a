"""The outcome ladder, declared once: which classes a trial can end in and in which order the stages ask for them.

A trial is refused or not; if not, it is an event or not; if not, it is incoherent or not; if not, it claims something
that is no event (a claim that misses the injected concept), or it is the rest: denied. Each stage is one
probability given that the earlier stages said no, so a cell's classes have a multinomial distribution whose
logits are free. Where any claim is an event, as in the controls, there is no claim that misses.
"""

from __future__ import annotations

from collections.abc import Iterable

from gnomon.data.outcomes import Outcome, is_event
from gnomon.data.records import Arm

REFUSED, EVENT, INCOHERENT, MISNAMED, REST = "refused", "event", "incoherent", "misnamed", "rest"
CLASSES = (REFUSED, EVENT, INCOHERENT, MISNAMED, REST)
"""Classes in the order of the stages; the last is what no stage took."""


def outcome_class(outcome: Outcome, arm: Arm) -> str:
    """The class that an outcome counts as in this arm."""
    if outcome is Outcome.REFUSED:
        return REFUSED
    if is_event(outcome, arm):
        return EVENT
    return {Outcome.INCOHERENT: INCOHERENT, Outcome.CLAIMED: MISNAMED}.get(outcome, REST)


def is_class_possible(name: str, arm: Arm) -> bool:
    """Whether trials of this arm can be of this class."""
    return name != MISNAMED or outcome_class(Outcome.CLAIMED, arm) == MISNAMED


def known_classes(seen: Iterable[str]) -> tuple[str, ...]:
    """The ladder for data in which only the classes `seen` occur.

    Incoherence and claims that miss are left out where nobody reports them, as in published counts (the rest then
    holds them); the other classes are always asked for, because a zero count of them is information.
    """
    told = set(seen)
    return tuple(name for name in CLASSES if name in told or name not in (INCOHERENT, MISNAMED))
