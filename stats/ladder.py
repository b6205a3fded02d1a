"""The outcome ladder, declared once: which classes a trial can end in and in which order the stages ask for them.

A trial is refused or not; if not, it is an event or not; if not, it is incoherent or the rest. Each stage is one
probability given that the earlier stages said no, so a cell's classes have a multinomial distribution whose
logits are free. What the rest means differs by arm: denied in the controls, denied or wrongly named in the
injection arm.
"""

from __future__ import annotations

from collections.abc import Iterable

from data.outcomes import Outcome, is_event
from data.records import Arm

REFUSED, EVENT, INCOHERENT, REST = "refused", "event", "incoherent", "rest"
CLASSES = (REFUSED, EVENT, INCOHERENT, REST)
"""Classes in the order of the stages; the last is what no stage took."""


def class_of(outcome: Outcome, arm: Arm) -> str:
    """The class that an outcome counts as in this arm."""
    if outcome is Outcome.REFUSED:
        return REFUSED
    if is_event(outcome, arm):
        return EVENT
    return INCOHERENT if outcome is Outcome.INCOHERENT else REST


def classes_known(seen: Iterable[str]) -> tuple[str, ...]:
    """The ladder for data in which only the classes `seen` occur.

    Incoherence is left out where nobody reports it, as in published counts; the other classes are always asked
    for, because a zero count of them is information.
    """
    return CLASSES if INCOHERENT in set(seen) else (REFUSED, EVENT, REST)
