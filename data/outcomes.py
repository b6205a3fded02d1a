"""Outcome rules: derive a trial's outcome from facts and condition, and the event from the outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.facts import further_names
from gnomon.data.records import NONE, OTHER, Arm, Facts
from gnomon.data.registry import Registry


class Outcome(StrEnum):
    """What happened in a trial (DESIGN: *Words*)."""

    REFUSED = "refused"
    INCOHERENT = "incoherent"
    DENIED = "denied"
    CLAIMED = "claimed"
    IDENTIFIED = "identified"


RuleFunction = Callable[[Facts, Arm, str | None], Outcome]
MAX_READS = 6
"""Further facts that one rule may read: the database tabulates a rule over all combinations of its facts."""


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """A named outcome rule, called with facts, arm and injected concept.

    Attributes
    ----------
    name : str
        What it is called in study files.
    decide : callable
        The rule itself; it depends on nothing but its arguments, and of the concept only on whether it is the injected
        one.
    reads : tuple of str
        Registered facts (`gnomon.data.facts`) that it reads from `Facts.further` beside the first four. Verdicts and
        labels that do not report all of them do not count under this rule.
    """

    name: str
    decide: RuleFunction
    reads: tuple[str, ...] = ()

    def __call__(self, facts: Facts, arm: Arm, concept: str | None) -> Outcome:
        """Outcome of a trial.

        Parameters
        ----------
        facts : Facts
            What a judge or rater reported.
        arm : Arm
            Arm of the trial.
        concept : str or None
            Injected concept; None if there is none.
        """
        return self.decide(facts, arm, concept)


def strict_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """Classify facts: refusal first, then coherence, then the claim. A claim in an incoherent answer does not count.

    `identified` requires a claim that names the injected concept: only in arms that count it (`ArmSpec.event`).

    Parameters
    ----------
    facts : Facts
        What a judge or rater reported.
    arm : Arm
        Arm of the trial.
    concept : str or None
        Injected concept; None if there is none.
    """
    if facts.refused:
        return Outcome.REFUSED
    if not facts.coherent:
        return Outcome.INCOHERENT
    if not facts.claims:
        return Outcome.DENIED
    named = ARMS[arm].counts_identified and concept is not None and facts.concept == concept
    return Outcome.IDENTIFIED if named else Outcome.CLAIMED


def lenient_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """As `strict_outcome`, but a claim overrides refusal and incoherence (for comparison with lenient judges).

    Parameters
    ----------
    facts : Facts
        What a judge or rater reported.
    arm : Arm
        Arm of the trial.
    concept : str or None
        Injected concept; None if there is none.
    """
    if facts.claims:
        return strict_outcome(Facts(True, facts.concept, True, False), arm, concept)
    return strict_outcome(facts, arm, concept)


def claim_first_outcome(facts: Facts, arm: Arm, concept: str | None) -> Outcome:
    """As `strict_outcome`, but an answer that is flagged both refused and claiming is classified by its claim, provided
    that it is coherent.

    Published data contain answers marked both as refused and as passed; this rule shows how the estimates change if
    such an answer is read as a report with a disclaimer.

    Parameters
    ----------
    facts : Facts
        What a judge or rater reported.
    arm : Arm
        Arm of the trial.
    concept : str or None
        Injected concept; None if there is none.
    """
    return strict_outcome(replace(facts, refused=facts.refused and not facts.claims), arm, concept)


RULES: Registry[OutcomeRule] = Registry("outcome rule", "gnomon.rules")


def register_rule(name: str, rule: RuleFunction, reads: Sequence[str] = ()) -> OutcomeRule:
    """Add an outcome rule, which study files can name from then on.

    Parameters
    ----------
    name : str
        What it is called.
    rule : callable
        Function from facts, arm and injected concept to the outcome.
    reads : sequence of str
        Registered facts that it reads beside the first four, at most `MAX_READS`.

    Raises
    ------
    InputError
        If the name is taken, or it reads too many facts.
    """
    if len(reads) > MAX_READS:
        raise InputError(f"outcome rule '{name}': reads {len(reads)} further facts: {MAX_READS} are the most")
    return RULES.register(name, OutcomeRule(name, rule, tuple(reads)))


for _name, _rule in {"strict": strict_outcome, "claim_first": claim_first_outcome, "lenient": lenient_outcome}.items():
    register_rule(_name, _rule)


def rule_named(name: str) -> OutcomeRule:
    """The outcome rule called `name`.

    Raises
    ------
    UnknownNameError
        If there is none, or it reads a fact that is not registered.
    """
    rule = RULES.find(name)
    if unknown := [fact for fact in rule.reads if fact not in further_names()]:
        raise UnknownNameError(
            f"outcome rule '{name}' reads the fact '{unknown[0]}', which is not registered: install the plug-in that "
            "registers it"
        )
    return rule


def is_event(outcome: Outcome, arm: Arm) -> bool:
    """Whether the outcome counts as the event: identified in the injection arm, claimed or identified in the others.

    In the negated arm a claim counts whichever concept it names, as in the random arm. Arms with questions of
    their own (mismatched) count their measure's event (`gnomon.data.arms.measures`); neither judges nor fits use them.

    Parameters
    ----------
    outcome : Outcome
        Outcome of the trial by any rule.
    arm : Arm
        Arm of the trial.
    """
    if ARMS[arm].counts_identified:
        return outcome is Outcome.IDENTIFIED
    return outcome in (Outcome.CLAIMED, Outcome.IDENTIFIED)


def is_pass(outcome: Outcome, arm: Arm) -> bool:
    """Whether the study's own criterion is met: identified in the injection arm, denied in the others.

    Parameters
    ----------
    outcome : Outcome
        Outcome of the trial by any rule.
    arm : Arm
        Arm of the trial.
    """
    return outcome is (Outcome.IDENTIFIED if ARMS[arm].counts_identified else Outcome.DENIED)


def facts_from_pass_fail(
    passed: bool, arm: Arm, target: str | None, *, coherent: bool, refused: bool, named: str | None = None
) -> Facts:
    """Facts implied by a published study's own pass or fail, which is stored with them.

    Injection arm: a pass claims and names the target; a fail claims only if it names another concept (a fail that
    describes the target is steering without a claim). Other arms: a pass denies; a fail claims if it is coherent and
    not refused.

    Parameters
    ----------
    passed : bool
        The source's result.
    arm : Arm
        Arm of the trial.
    target : str or None
        Injected concept; None if the source gives none.
    coherent : bool
        Whether the source calls the answer coherent.
    refused : bool
        Whether the source calls the answer a refusal.
    named : str, optional
        Concept that the answer names according to the source.
    """
    if ARMS[arm].counts_identified:
        other = named is not None and named != target
        claims, concept = passed or other, (target or OTHER) if passed else named or OTHER
    else:
        claims, concept = not passed and coherent and not refused, named or OTHER
    return Facts(claims, concept if claims else NONE, coherent, refused, passed)
