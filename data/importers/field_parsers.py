"""What every importer shares: where a row stands, what was wrong with it, and its fields read with plain errors."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from gnomon.data.records import Arm

Source = TypeVar("Source")
Made = TypeVar("Made")
EMPTY = ("", "none", "null", "nan", "na")
WORDS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}
ARMS = {
    "injection": Arm.INJECTION,
    "injected": Arm.INJECTION,
    "inject": Arm.INJECTION,
    "concept": Arm.INJECTION,
    "control": Arm.CONTROL,
    "no_injection": Arm.CONTROL,
    "baseline": Arm.CONTROL,
    "random": Arm.RANDOM,
    "random_direction": Arm.RANDOM,
    "negated": Arm.NEGATED,
    "mismatched": Arm.MISMATCHED,
}


class RowError(Exception):
    """A row that does not fit: what is wrong with it and how to mend it, in one line."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where a row stands: file, and line or the part of the file (a sample of a log)."""

    file: str
    line: int | None = None
    part: str = ""

    def __str__(self) -> str:
        """File and line, as error lines begin."""
        where = f"line {self.line}" if self.line is not None else self.part
        return f"{self.file} {where}".strip()


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row, or a part of one, that was not taken."""

    place: SourceLocation
    text: str

    def __str__(self) -> str:
        """One line: where, what, how to mend it."""
        return f"{self.place}: {self.text}"


@dataclass(slots=True)
class ImportReport:
    """What became of the rows of one import; filled while it runs."""

    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add_problem(self, place: SourceLocation, text: object) -> None:
        """Note a row that does not fit."""
        self.problems.append(RowProblem(place, " ".join(str(text).split())))

    def add_exclusion(self, place: SourceLocation, reason: str) -> None:
        """Count a sound row that this format leaves out on purpose."""
        self.left_out[(place.file, reason)] += 1


def parse_rows(
    rows: Iterable[tuple[SourceLocation, Source]], make: Callable[[SourceLocation, Source], Made], report: ImportReport
) -> Iterator[Made]:
    """What is made of each row; rows that do not fit are noted."""
    for place, row in rows:
        try:
            yield make(place, row)
        except RowError as error:
            report.add_problem(place, error)


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: absent, null, NaN or a word for it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().lower() in EMPTY


def quote_value(value: Any) -> str:
    """A value as an error line quotes it."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{text[:60]}...'" if len(text) > 60 else f"'{text}'"


def required_value(row: Mapping[str, Any], name: str) -> Any:
    """The field, which must be there; raises `RowError`."""
    if name not in row:
        raise RowError(f"'{name}' is missing: the row has {', '.join(map(str, list(row)[:12])) or 'no fields'}")
    if row[name] is None:
        raise RowError(f"'{name}' is null: give a value")
    return row[name]


def parse_text(row: Mapping[str, Any], name: str, limit: int | None = None) -> str:
    """Text that must be there and say something, at most `limit` characters."""
    value = required_value(row, name)
    if not isinstance(value, str):
        raise RowError(f"'{name}' is {quote_value(value)}, not text: put it in quotes")
    if limit is not None:
        return limit_text(value, name, limit)
    return value


def limit_text(value: str, name: str, limit: int) -> str:
    """A name: not blank and at most `limit` characters; raises `RowError`."""
    value = value.strip()
    if not value:
        raise RowError(f"'{name}' is empty: give a name")
    if len(value) > limit:
        raise RowError(f"'{name}' has {len(value)} characters: {limit} are the most")
    return value


def parse_row_id(row: Mapping[str, Any], name: str) -> str:
    """What the source calls the row: text or a whole number, as text."""
    value = required_value(row, name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError(f"'{name}' is {quote_value(value)}, no name: write text or a whole number")
    return limit_text(str(value), name, 1000)


def parse_word(row: Mapping[str, Any], name: str) -> str | None:
    """A short name in small letters (a concept), or None where the field says nothing.

    'none' and 'null' count as nothing; a judge that means a concept of that name cannot be told apart.
    """
    value = row.get(name)
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise RowError(f"'{name}' is {quote_value(value)}, not a word: put it in quotes")
    return limit_text(value, name, 100).lower()


def parse_bool(row: Mapping[str, Any], name: str) -> bool | None:
    """True, false, or None where the field says nothing; booleans may be words or 0 and 1."""
    value = row.get(name)
    if isinstance(value, bool):
        return value
    if is_empty(value):
        return None
    known = WORDS.get(str(value).strip().lower())
    if known is None:
        raise RowError(f"'{name}' is {quote_value(value)}: write true or false")
    return known


def parse_number(row: Mapping[str, Any], name: str) -> float | None:
    """A finite number, or None where the field says nothing."""
    value = row.get(name)
    if value is None or is_empty(value):
        return None
    try:
        made = float(value)
    except (TypeError, ValueError, OverflowError):
        made = math.nan
    if isinstance(value, bool) or not math.isfinite(made):
        raise RowError(f"'{name}' is {quote_value(value)}: write a finite number")
    return made


def parse_integer(row: Mapping[str, Any], name: str) -> int | None:
    """A whole number of at most 63 bits, or None where the field says nothing."""
    value = parse_number(row, name)
    if value is None:
        return None
    if value != int(value) or abs(value) >= 2**63:
        raise RowError(f"'{name}' is {quote_value(row[name])}: write a whole number")
    return int(value)


def layer_of(row: Mapping[str, Any], name: str) -> int | None:
    """The layer, counted from 0, or None."""
    value = parse_integer(row, name)
    if value is not None and not 0 <= value < 10_000:
        raise RowError(f"'{name}' is {value}: layers count from 0")
    return value


def require_one_of(value: Any, what: str, words: Iterable[str]) -> Any:
    """The value, which must be one of these words; raises `RowError`. `what` is how the error line calls it."""
    known = list(words)
    if value not in known:
        raise RowError(f"{what} is {quote_value(value)}: choose from {', '.join(known)}")
    return value


def arm_of(value: Any, name: str) -> Arm:
    """The arm that a source's word means; raises `RowError` with the words that are known."""
    known = ARMS.get(str(value).strip().lower())
    if known is None:
        raise RowError(f"'{name}' is {quote_value(value)}, no known arm: choose from {', '.join(ARMS)}")
    return known


def parse_timestamp(row: Mapping[str, Any], name: str) -> str:
    """The time of a field as the store writes times (UTC, microseconds), or '' where the field says nothing.

    A time without a zone is read as UTC; a number is seconds since 1970.
    """
    value = row.get(name)
    if is_empty(value):
        return ""
    try:
        if isinstance(value, datetime):
            made = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            made = datetime.fromtimestamp(value, UTC)
        else:
            made = datetime.fromisoformat(str(value).strip())
        made = made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise RowError(f"'{name}' is {quote_value(value)}, no time: write it as 2026-02-28T17:30:00Z") from None
    return made.isoformat(timespec="microseconds")
