"""Outcomes by the study's rule and disputed trials, computed in the database."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, cast, false, func, literal, select

from gnomon.calibration.observations.frames import is_readable
from gnomon.data.facts import CORE_FLAGS, facts_from_answers
from gnomon.data.outcomes import Outcome, OutcomeRule, rule_named
from gnomon.data.records import OTHER, Arm, Facts, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.fact_columns import further_value
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

_trial = tables.trials.c
_verdict = tables.verdicts.c
_LETTERS = dict(zip("abcde", Outcome, strict=True))


def outcome_of(rule: OutcomeRule) -> ColumnElement[str]:
    """The outcome of a verdict as an SQL expression over trials and verdicts; NULL if a fact is NULL.

    The rule is evaluated for every combination of facts, arm and whether the named concept is the injected one, so that
    the database agrees with the rule exactly.
    """
    return case({letter: str(outcome) for letter, outcome in _LETTERS.items()}, value=_outcome_letter(rule))


def _outcome_letter(rule: OutcomeRule) -> ColumnElement[str]:
    """The outcome as one letter of its arm's string of outcomes, indexed by the facts."""
    same = func.coalesce(_verdict.concept == _trial.concept, false())
    flags = [_verdict[name] for name in CORE_FLAGS] + [further_value(tables.verdicts, name) for name in rule.reads]
    place: Any = literal(1)
    for bit, fact in enumerate((same, *flags)):
        place = place + (1 << bit) * cast(fact, Integer)
    letters = {outcome: letter for letter, outcome in _LETTERS.items()}
    names = (*CORE_FLAGS, *rule.reads)
    lists = {}
    for arm in Arm:
        known = (bits[::-1] for bits in product((False, True), repeat=1 + len(names)))  # the last bit changes slowest
        told = [_facts_of_flags(dict(zip(names, values, strict=True)), named=named) for named, *values in known]
        lists[str(arm)] = "".join(letters[rule(facts, arm, "x")] for facts in told)
    return func.substr(case(lists, value=_trial.arm), place, 1)


def _facts_of_flags(flags: dict[str, bool], *, named: bool) -> Facts:
    """Facts about an injected concept 'x' from the value of each flag, and whether 'x' is named."""
    return facts_from_answers({**flags, "concept": "x" if named else OTHER})


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
    letter = _outcome_letter(rule_named(load_settings(store).rule))
    query = select(_verdict.trial).join(tables.trials, _trial.id == _verdict.trial)
    query = query.where(is_counted_verdict(versions), *is_readable(store)).group_by(_verdict.trial)
    with store.read_transaction() as connection:
        return set(connection.execute(query.having(func.min(letter) != func.max(letter))).scalars())
