"""Facts in the columns of the tables of verdicts and labels: one column each for the first four, one for the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table

from gnomon.data.facts import CORE_FACTS, PASSED
from gnomon.data.records import Facts, FurtherFacts

FURTHER = "further_facts"
"""Column of the registered facts beyond the first four: a JSON object of true and false by name, or NULL."""
FACT_COLUMNS = (*CORE_FACTS, PASSED, FURTHER)


def facts_row(facts: Facts | None) -> dict[str, object]:
    """The columns of facts; all of them NULL where there are none."""
    if facts is None:
        return dict.fromkeys(FACT_COLUMNS)
    return {
        "claims": facts.claims,
        "concept": facts.concept,
        "coherent": facts.coherent,
        "refused": facts.refused,
        PASSED: facts.passed,
        FURTHER: dict(facts.further) if facts.further else None,
    }


def facts_from_row(row: RowMapping) -> Facts | None:
    """The facts that the columns of a row hold, or None where one of the first four is NULL."""
    if any(row[name] is None for name in CORE_FACTS):
        return None
    return Facts(**{name: row[name] for name in CORE_FACTS}, passed=row[PASSED], further=FurtherFacts(row[FURTHER]))


def further_columns(table: Table, names: Iterable[str]) -> list[ColumnElement[bool]]:
    """Each named further fact as a column that bears its name: true, false, or NULL where it was not reported."""
    return [further_value(table, name).label(name) for name in names]


def further_value(table: Any, name: str) -> ColumnElement[bool]:
    """One further fact as an SQL expression: true, false, or NULL where it was not reported.

    Parameters
    ----------
    table : Table or alias of one
        Verdicts or labels.
    name : str
        The fact.
    """
    value: ColumnElement[bool] = table.c[FURTHER][name].as_boolean()
    return value


def is_further_document(value: object) -> bool:
    """Whether a value is what the column of further facts may hold: NULL, or true or false by name."""
    if value is None:
        return True
    return isinstance(value, dict) and all(isinstance(answer, bool) for answer in value.values())
