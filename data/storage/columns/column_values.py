"""What each column of the database may hold, checked whenever a value is read.

A database may come from a stranger, or be damaged: SQLite keeps a text where a number should be, and no database knows
what a document should say. The same rules hold for rows that are imported and for the examination of a database.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Float,
    Integer,
    String,
    Table,
    TypeDecorator,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from gnomon.data.errors import StoreError
from gnomon.data.label_selection import is_selection_document
from gnomon.data.readings import parse_readings
from gnomon.data.records import Exposure, LabelKind, RaterKind, RaterRole, Span, Split, VerdictState
from gnomon.data.storage.fact_columns import is_further_document

MEND = "'gnomon doctor --study DIR' lists what is wrong; restore a backup, or ask its sender for a whole database"
SHOWN = 60
"""Characters of a wrong value that a message shows."""
Fits = Callable[[Any], bool]


class WrongValueError(StoreError):
    """A column holds what it may not hold.

    Parameters
    ----------
    table, column : str
        Where the value is.
    problem : str
        What the value is, and what it should be.
    row : str
        Key of its row; "" where it is not known yet.
    """

    def __init__(self, table: str, column: str, problem: str, row: str = "") -> None:
        place = f"table {table}, row {row}" if row else f"table {table}"
        super().__init__(f"{place}: '{column}' is {problem}: {MEND}")
        self.table, self.column, self.problem = table, column, problem


@dataclass(frozen=True, slots=True)
class ValueRule:
    """What a column may hold beside NULL.

    Attributes
    ----------
    kind : type or None
        `str`, `int`, `float` or `bool`; None for a JSON document.
    should_be : str
        What the value should be, as a message says it.
    fits : callable, optional
        Whether a value of the kind may stand there.
    """

    kind: type | None
    should_be: str
    fits: Fits | None = None

    def is_met(self, value: object) -> bool:
        """Whether a value that is not NULL may stand there; a whole number may stand for a float."""
        is_kind = self.kind is None or type(value) is self.kind or (self.kind is float and type(value) is int)
        return is_kind and (self.fits is None or self.fits(value))

    def describe_problem(self, value: object) -> str:
        """What is wrong with a value that may not stand there."""
        shown = repr(value)
        return f"{shown if len(shown) <= SHOWN else f'{shown[:SHOWN]}...'}, no {self.should_be}"


class StoredColumn(TypeDecorator[Any]):
    """The type of a column that checks what it reads by a rule; what is written is left to the plain type.

    Parameters
    ----------
    plain : TypeEngine
        Type of the column in the database.
    rule : ValueRule
        What it may hold.
    table, column : str
        Where it is.
    """

    impl: Any = String
    cache_ok = True
    coerce_to_is_types = (type(None), bool)  # as for plain types: PostgreSQL knows no IS with a parameter

    def __init__(self, plain: TypeEngine[Any], rule: ValueRule, table: str, column: str) -> None:
        super().__init__()
        self.impl = self.plain = plain
        self.rule, self.table, self.column = rule, table, column

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """What a value is taken for that the column is compared with: as for the plain type."""
        return self.plain.coerce_compared_value(op, value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """How values are read; PostgreSQL enforces the types that only SQLite does not."""
        convert = self.impl_instance.result_processor(dialect, coltype)
        if self.rule.kind is None:
            return self._read_document(convert)
        if dialect.name == "sqlite":
            return self._read_flag if self.rule.kind is bool else self._read_scalar(convert)
        return self._read_scalar(convert) if self.rule.kind is str and self.rule.fits else convert

    def _read_document(self, convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
        fits = self.rule.fits

        def read(value: Any) -> Any:
            if value is None:
                return None
            made = value if convert is None else convert(value)
            if fits is None or fits(made):
                return made
            raise self._wrong(made)

        return read

    def _read_flag(self, value: Any) -> bool | None:
        if value is None:
            return None
        if value.__class__ is int and 0 <= value <= 1:
            return bool(value)
        raise self._wrong(value)

    def _read_scalar(self, convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
        kind, fits, met = self.rule.kind, self.rule.fits, self.rule.is_met

        def read(value: Any) -> Any:
            if value is None or (value.__class__ is kind and (fits is None or fits(value))):
                return value
            made = value if convert is None else convert(value)
            if met(made):
                return made
            raise self._wrong(made)

        return read

    def _wrong(self, value: object) -> WrongValueError:
        return WrongValueError(self.table, self.column, self.rule.describe_problem(value))


class _UncheckedFlag(TypeDecorator[Any]):
    """True and false, and whatever else SQLite holds in their place: the plain type would take a text for true."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> object:
        return bool(value) if value.__class__ is int and 0 <= value <= 1 else value


def checked_column(table: str, column: Column[Any]) -> Column[Any]:
    """The column of a table with a type that checks what it reads.

    Parameters
    ----------
    table : str
        Name of the table.
    column : Column
        The column, not yet part of a table.
    """
    column.type = StoredColumn(column.type, value_rule(table, column.name, column.type), table, column.name)
    return column


def plain_type(column: Column[Any]) -> TypeEngine[Any]:
    """The column's type in the database: integer, text, JSON."""
    return column.type.plain if isinstance(column.type, StoredColumn) else column.type


def unchecked_columns(table: Table) -> list[ColumnElement[Any]]:
    """The columns of a table as they stand in it, under their names, for whoever looks for what is wrong."""
    return [type_coerce(column, _unchecked_type(plain_type(column))).label(column.name) for column in table.columns]


def _unchecked_type(plain: TypeEngine[Any]) -> TypeEngine[Any]:
    return _UncheckedFlag() if isinstance(plain, Boolean) else plain


def rule_of(column: Column[Any]) -> ValueRule:
    """What a column of a table may hold."""
    return column.type.rule if isinstance(column.type, StoredColumn) else value_rule("", column.name, column.type)


def value_rule(table: str, column: str, plain: TypeEngine[Any]) -> ValueRule:
    """What a column may hold.

    Parameters
    ----------
    table, column : str
        Names of table and column.
    plain : TypeEngine
        Type of the column in the database.
    """
    for place in ((table, column), ("", column)):
        if place in _RULES:
            return _RULES[place]
    return next(rule for type_, rule in _PLAIN.items() if isinstance(plain, type_))


def _one_of(words: Iterable[str]) -> ValueRule:
    known = frozenset(map(str, words))
    return ValueRule(str, f"word of {', '.join(sorted(known))}", known.__contains__)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_span(text: str) -> bool:
    try:
        Span(text)
    except ValueError:
        return False
    return True


def _are_readings(document: object) -> bool:
    try:
        parse_readings(document)
    except ValueError:
        return False
    return True


def are_scores(document: object) -> bool:
    """Whether a document is what the column of scores may hold: finite numbers by name, at least one."""
    if not isinstance(document, dict) or not document:
        return False
    return all(type(score) in (int, float) and math.isfinite(score) for score in document.values())


def _are_names(document: object) -> bool:
    return isinstance(document, list) and bool(document) and all(isinstance(name, str) for name in document)


def _is_object(document: object) -> bool:
    return isinstance(document, dict)


def _is_prompt(document: object) -> bool:
    turns = document.get("messages", []) if isinstance(document, dict) else None
    return isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns)


_PLAIN: Mapping[type, ValueRule] = {
    Boolean: ValueRule(bool, "true or false"),
    Float: ValueRule(float, "finite number", math.isfinite),
    Integer: ValueRule(int, "whole number"),
    JSON: ValueRule(None, "document"),
    String: ValueRule(str, "text"),
}
_MOMENT = ValueRule(str, "time such as 2026-02-28T17:30:00+00:00", _is_moment)
_SPAN = ValueRule(str, "name of a span", _is_span)
_COUNT = ValueRule(int, "whole number of 0 or more", lambda value: value >= 0)
_OBJECT = ValueRule(None, "object of names and values", _is_object)
_FURTHER = ValueRule(None, "object of true and false by name", is_further_document)
_RULES: Mapping[tuple[str, str], ValueRule] = {
    ("", "created_at"): _MOMENT,
    ("", "begun_at"): _MOMENT,
    ("", "ended_at"): _MOMENT,
    ("", "expires_at"): _MOMENT,
    ("", "span"): _SPAN,
    ("", "layer"): _COUNT,
    ("", "replicate"): _COUNT,
    ("", "tokens"): _COUNT,
    ("", "sample"): _COUNT,
    ("labels", "revision"): _COUNT,
    ("", "input_tokens"): _COUNT,
    ("", "output_tokens"): _COUNT,
    ("", "further_facts"): _FURTHER,
    ("", "content"): _OBJECT,
    ("counts", "n"): _COUNT,
    ("counts", "event"): _COUNT,
    ("counts", "refused"): _COUNT,
    ("counts", "incoherent"): _COUNT,
    ("counts", "misnamed"): _COUNT,
    ("counts", "chance"): ValueRule(float, "number between 0 and 1", lambda value: 0 < value < 1),
    ("events", "detail"): _OBJECT,
    ("fits", "diagnostics"): _OBJECT,
    ("fits", "priors"): _OBJECT,
    ("fits", "result"): _OBJECT,
    ("judges", "config"): _OBJECT,
    ("labels", "exposure"): _one_of(Exposure),
    ("labels", "kind"): _one_of(LabelKind),
    ("labels", "probability"): ValueRule(float, "number above 0 and at most 1", lambda value: 0 < value <= 1),
    ("labels", "rater_kind"): _one_of(RaterKind),
    ("labels", "role"): _one_of(RaterRole),
    ("labels", "undecided"): ValueRule(None, "list of names of facts", _are_names),
    ("labels", "selection"): ValueRule(None, "object with a list 'judges'", is_selection_document),
    ("protocols", "content"): ValueRule(None, "object whose 'messages' are objects", _is_prompt),
    ("trials", "readings"): ValueRule(None, "table of readings by place", _are_readings),
    ("trials", "split"): _one_of(Split),
    ("verdicts", "scores"): ValueRule(None, "object of finite numbers by name", are_scores),
    ("verdicts", "state"): _one_of(VerdictState),
}
