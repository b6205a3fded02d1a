"""The one place where facts and a trial's condition become an outcome, and an outcome an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from gnomon.data.errors import UnknownNameError
from gnomon.data.records import NONE, OTHER, Arm, Facts


class Outcome(StrEnum):
    """What happened in a trial (DESIGN: *Words*)."""

    REFUSED = "refused"
    INCOHERENT = "incoherent"
    DENIED = "denied"
    CLAIMED = "claimed"
    IDENTIFIED = "identified"


Rule = Callable[[Facts, Arm, str | None], Outcome]


def strict_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """Refusal first, then coherence, then the claim: a claim in word salad is no claim.

    Identified needs a claim and the concept that was injected, so it exists in the injection arm only.
    """
    if facts.refused:
        return Outcome.REFUSED
    if not facts.coherent:
        return Outcome.INCOHERENT
    if not facts.claims:
        return Outcome.DENIED
    named = arm is Arm.INJECTION and concept is not None and facts.concept == concept
    return Outcome.IDENTIFIED if named else Outcome.CLAIMED


def lenient_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """As `strict`, but a claim outweighs refusal and incoherence (for comparison with lenient judges)."""
    if facts.claims:
        return strict_outcome(Facts(True, facts.concept, True, False), arm, concept)
    return strict_outcome(facts, arm, concept)


def claim_first_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """As `strict`, but a claim outweighs a refusal: a refused pass counts as what it claims, if it is coherent.

    Published data hold answers that are marked as refused and as passed; this rule says what becomes of the figures
    if such an answer is taken as a report with a disclaimer.
    """
    return strict_outcome(replace(facts, refused=facts.refused and not facts.claims), arm, concept)


RULES: dict[str, Rule] = {"strict": strict_outcome, "claim_first": claim_first_outcome, "lenient": lenient_outcome}


def rule_named(name: str) -> Rule:
    """The outcome rule called `name`; raises `UnknownNameError` with the names there are."""
    if name not in RULES:
        raise UnknownNameError(f"outcome rule '{name}' is not known: choose from {', '.join(RULES)}")
    return RULES[name]


def is_event(outcome: Outcome, arm: Arm) -> bool:
    """The event counted: identified in the injection arm, claimed or identified in the others.

    A negated trial's claim counts whatever it is of, as a random one's does. A mismatched trial is not asked what it
    notices: its event is a yes (`gnomon.data.yes_no`), and neither judges nor fits see it.
    """
    if arm is Arm.INJECTION:
        return outcome is Outcome.IDENTIFIED
    return outcome in (Outcome.CLAIMED, Outcome.IDENTIFIED)


def is_pass(outcome: Outcome, arm: Arm) -> bool:
    """The study's pass: identified in the injection arm, denied in the others."""
    return outcome is (Outcome.IDENTIFIED if arm is Arm.INJECTION else Outcome.DENIED)


def facts_from_pass_fail(
    passed: bool, arm: Arm, target: str | None, *, coherent: bool, refused: bool, named: str | None = None
) -> Facts:
    """Facts behind the study's own pass or fail, which is kept beside them.

    Injection: a pass claims and names the target; a fail claims only if it names another concept (a fail that
    describes the target is steering, without a claim). Other arms: a pass denies; a fail claims if it is coherent
    and no refusal.
    """
    if arm is Arm.INJECTION:
        other = named is not None and named != target
        claims, concept = passed or other, (target or OTHER) if passed else named or OTHER
    else:
        claims, concept = not passed and coherent and not refused, named or OTHER
    return Facts(claims, concept if claims else NONE, coherent, refused, passed)
