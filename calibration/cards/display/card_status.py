"""What a card is good for at a glance: it passes where gates may rely on it, is low where they may not, or is stale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gnomon.calibration.cards.calibration_card import CalibrationCard, CardArm
from gnomon.calibration.results.error_rates import EvidenceLevel

RELIED_ON = ("sensitivity", "specificity")
"""Rates of an arm that must both not be withheld for gates to rely on the card there."""


class CardLevel(StrEnum):
    """The state of a card."""

    PASSES = "passes"
    """In one arm at least a gate may rely on its rates, in none is the judge inverted, and nothing has changed."""
    LOW = "low"
    """A gate passes nothing by its rates."""
    STALE = "stale"
    """A part of what it rests on has changed since it was made."""


@dataclass(frozen=True, slots=True)
class CardStatus:
    """The state of a card with its reasons.

    Attributes
    ----------
    level : CardLevel
        The state.
    words : str
        What follows from it, in one sentence.
    changed : tuple of str
        What has changed since the card was made, each part a clause.
    relied_on, withheld : tuple of str
        Arms whose rates a gate may rely on, and the other arms with their reason.
    """

    level: CardLevel
    words: str
    changed: tuple[str, ...]
    relied_on: tuple[str, ...]
    withheld: tuple[str, ...]


def card_status(card: CalibrationCard, changed: Sequence[str]) -> CardStatus:
    """The state of a card.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    changed : sequence of str
        What has changed since it was made (`staleness.card_staleness`).
    """
    relied_on = tuple(each.arm for each in card.arms if not _reason_withheld(each))
    withheld = tuple(f"{each.arm}: {reason}" for each in card.arms if (reason := _reason_withheld(each)))
    inverted = [each.arm for each in card.arms if each.evidence.level is EvidenceLevel.INVERTED]
    if changed:
        level, words = CardLevel.STALE, "What it rests on has changed, so a gate passes nothing by it: make it anew."
    elif inverted:
        level = CardLevel.LOW
        words = f"A gate passes nothing by it: the judge says yes where labels say no ({', '.join(inverted)})."
    elif not relied_on:
        level, words = CardLevel.LOW, "A gate passes none of its rates: in every arm they rest on too little."
    else:
        level, words = CardLevel.PASSES, f"A gate may rely on its rates in {_arm_list(relied_on)}."
    return CardStatus(level, words, tuple(changed), relied_on, withheld)


def use_sentences(card: CalibrationCard) -> list[str]:
    """What a card may be used for, arm by arm: correction of the event rate with its evidence, and gates."""
    return list(_use_sentences(card))


def _use_sentences(card: CalibrationCard) -> Iterator[str]:
    for each in card.arms:
        level = each.evidence.level
        corrected = "the event rate may be corrected" if each.correctable else "no correction"
        reason = _reason_withheld(each)
        gates = f"gates pass nothing by its rates ({reason})" if reason else "gates may rely on its rates"
        yield f"{each.arm.capitalize()}: {corrected} (evidence: {level}); {gates}."


def _reason_withheld(entry: CardArm) -> str | None:
    """Why a gate may not rely on an arm's rates; None where it may."""
    return next((entry.withheld[name] for name in RELIED_ON if name in entry.withheld), None)


def _arm_list(arms: Sequence[str]) -> str:
    return arms[0] if len(arms) == 1 else f"{', '.join(arms[:-1])} and {arms[-1]}"
