"""Outcomes by the study's rule and disputed trials, computed in the database."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, cast, false, func, literal, select

from gnomon.calibration.observations.frames import READABLE
from gnomon.data.outcomes import Outcome, Rule, rule_named
from gnomon.data.records import OTHER, Arm, Facts, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

_trial = tables.trials.c
_verdict = tables.verdicts.c
_LETTERS = dict(zip("abcde", Outcome, strict=True))


def outcome_of(rule: Rule) -> ColumnElement[str]:
    """The outcome of a verdict as an SQL expression over trials and verdicts; NULL if a fact is NULL.

    The rule is evaluated for every combination of facts, arm and whether the named concept is the injected one, so that
    the database agrees with the rule exactly.
    """
    return case({letter: str(outcome) for letter, outcome in _LETTERS.items()}, value=_outcome_letter(rule))


def _outcome_letter(rule: Rule) -> ColumnElement[str]:
    """The outcome as one letter of its arm's string of outcomes, indexed by the facts."""
    same = func.coalesce(_verdict.concept == _trial.concept, false())
    place: Any = literal(1)
    for worth, fact in ((8, _verdict.refused), (4, _verdict.coherent), (2, _verdict.claims), (1, same)):
        place = place + worth * cast(fact, Integer)
    letters = {outcome: letter for letter, outcome in _LETTERS.items()}
    lists = {}
    for arm in Arm:
        known = product((False, True), repeat=4)
        told = [rule(Facts(claims, "x" if named else OTHER, sound, no), arm, "x") for no, sound, claims, named in known]
        lists[str(arm)] = "".join(letters[outcome] for outcome in told)
    return func.substr(case(lists, value=_trial.arm), place, 1)


def is_counted_verdict(versions: Sequence[str]) -> ColumnElement[bool]:
    """SQL condition for counted verdicts (first sample, state ok) of these judge versions."""
    return and_(_verdict.sample == 0, _verdict.state == str(VerdictState.OK), _verdict.judge.in_(versions))


def disputed_trials(store: Store, versions: Sequence[str]) -> set[str]:
    """Ids of answered trials on which these judge versions reach different outcomes.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    """
    letter = _outcome_letter(rule_named(str(store.study_settings().get("rule", "strict"))))
    query = select(_verdict.trial).join(tables.trials, _trial.id == _verdict.trial)
    query = query.where(is_counted_verdict(versions), *READABLE).group_by(_verdict.trial)
    with store.read_transaction() as connection:
        return set(connection.execute(query.having(func.min(letter) != func.max(letter))).scalars())
