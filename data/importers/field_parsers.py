"""Parsing helpers shared by all importers: source location, row errors, typed field access."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

from gnomon.data.arms import arm_aliases
from gnomon.data.foreign_documents.bounds import PROBLEMS, DocumentError
from gnomon.data.records import Arm, Span

Source = TypeVar("Source")
Made = TypeVar("Made")
NUMERIC = (str, bytes, bytearray, SupportsFloat, SupportsIndex)
EMPTY = frozenset(("", "none", "null", "nan", "-nan", "na", "n/a", "#n/a", "#na", "#n/a n/a", "<na>", "nil"))
MOST_NOTES = 1_000
"""Remarks that an import keeps: one on every name of a file that has only odd ones would be as long as the file."""
EARLIEST, LATEST = 946_684_800, 4_102_444_800
"""Seconds since 1970 that are read as times: 2000 to 2100. Other numbers are no times but days of Excel, or years."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
WHOLE = re.compile(r"([+-]?\d+)\.0+")
WORDS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}


class RowError(Exception):
    """A row that cannot be imported: what is wrong and how to fix it, in one line."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Location of a row: file, and line or part of the file (a sample of a log)."""

    file: str
    line: int | None = None
    part: str = ""

    def __str__(self) -> str:
        """File and line, as error lines begin."""
        where = f"line {self.line}" if self.line is not None else self.part
        return f"{self.file} {where}".strip()


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row, or a part of one, that was not imported."""

    place: SourceLocation
    text: str

    def __str__(self) -> str:
        """One line: location, problem, how to fix it."""
        return f"{self.place}: {self.text}"


@dataclass(slots=True)
class ImportReport:
    """Row count, problems, exclusions and remarks on whole files of one import; filled while it runs.

    `empty_verdicts` counts rows without a verdict, by judge.
    """

    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    """How the files were read where they do not say it themselves, in sentences."""
    empty_verdicts: Counter[str] = field(default_factory=Counter)
    _noted: set[str] = field(default_factory=set, repr=False, compare=False)

    def add_note(self, text: str) -> None:
        """Remark on the files, unless it was made before, or very many others were."""
        if text in self._noted or len(self._noted) > MOST_NOTES:
            return
        self._noted.add(text)
        self.notes.append(text if len(self._noted) <= MOST_NOTES else f"further remarks than {MOST_NOTES} are left out")

    def add_problem(self, place: SourceLocation, text: object) -> None:
        """Record a row that cannot be imported.

        Parameters
        ----------
        place : SourceLocation
            Location of the row.
        text : object
            Problem and fix, usually a `RowError`; white space is collapsed.

        Raises
        ------
        DocumentError
            If more rows cannot be read than an import may have: the file is not what it was taken for.
        """
        if len(self.problems) >= PROBLEMS.most:
            raise DocumentError(place.file, f"{PROBLEMS.refusal}; the first of them: {self.problems[0]}")
        self.problems.append(RowProblem(place, " ".join(str(text).split())))

    def add_exclusion(self, place: SourceLocation, reason: str) -> None:
        """Count a valid row that the format excludes by design.

        Parameters
        ----------
        place : SourceLocation
            Location of the row.
        reason : str
            Why rows of this kind are excluded.
        """
        self.left_out[(place.file, reason)] += 1


def parse_rows(
    rows: Iterable[tuple[SourceLocation, Source]], make: Callable[[SourceLocation, Source], Made], report: ImportReport
) -> Iterator[Made]:
    """Apply a parser to each row; rows that raise `RowError` are reported and skipped.

    Parameters
    ----------
    rows : iterable of (SourceLocation, Source)
        Source rows with their locations.
    make : callable
        Parser of one row, called with location and row.
    report : ImportReport
        Receives the problems.

    Yields
    ------
    Made
        Parsed rows, in the order of the source.
    """
    for place, row in rows:
        try:
            yield make(place, row)
        except RowError as error:
            report.add_problem(place, error)


def is_empty(value: Any) -> bool:
    """Whether a field has no value: None, NaN, an empty text or a word of `EMPTY`."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().lower() in EMPTY


def quote_value(value: Any) -> str:
    """A value in quotes, shortened to 60 characters, for an error message."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{text[:60]}...'" if len(text) > 60 else f"'{text}'"


def required_value(row: Mapping[str, object], name: str) -> Any:
    """The value of a required field.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the field is missing or None.
    """
    if name not in row:
        raise RowError(f"'{name}' is missing: the row has {', '.join(map(str, list(row)[:12])) or 'no fields'}")
    if row[name] is None:
        raise RowError(f"'{name}' is null: give a value")
    return row[name]


def parse_text(row: Mapping[str, object], name: str, limit: int | None = None) -> str:
    """The value of a required text field.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.
    limit : int, optional
        Greatest number of characters; if given, the text is also stripped and must not be blank.

    Raises
    ------
    RowError
        If the field is missing, not text, blank or too long.
    """
    value = required_value(row, name)
    if not isinstance(value, str):
        raise RowError(f"'{name}' is {quote_value(value)}, not text: put it in quotes")
    if limit is not None:
        return limit_text(value, name, limit)
    return value


def limit_text(value: str, name: str, limit: int) -> str:
    """A text without surrounding white space, checked for length.

    Parameters
    ----------
    value : str
        The text.
    name : str
        Name of the field, for the message.
    limit : int
        Greatest number of characters.

    Raises
    ------
    RowError
        If the text is blank or too long.
    """
    value = value.strip()
    if not value:
        raise RowError(f"'{name}' is empty: give a name")
    if len(value) > limit:
        raise RowError(f"'{name}' has {len(value)} characters: {limit} are the most")
    return value


def parse_row_id(row: Mapping[str, object], name: str) -> str:
    """The source's own identifier of a row, as text of at most 1000 characters.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field, which holds text, a whole number or a date.

    Raises
    ------
    RowError
        If the field is missing or of another type.
    """
    value = required_value(row, name)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    elif isinstance(value, datetime):
        value = value.date().isoformat() if value.time() == time() else value.isoformat()
    elif isinstance(value, date):
        value = value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError(f"'{name}' is {quote_value(value)}, no name: write text or a whole number")
    return limit_text(str(value), name, 1000)


def parse_name(row: Mapping[str, object], name: str) -> str:
    """The name of a rater, judge or model, as text of at most 1000 characters.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the field is missing, of another type, or holds what programs write for a missing value: NaN, None, null,
        N/A, and NA (but not Na).
    """
    found = parse_row_id(row, name)
    if is_empty(found) and (found == "NA" or found.lower() not in ("na", "nil")):
        raise RowError(f"'{name}' is {quote_value(found)}, which stands for no value: give a name")
    return found


def parse_word(row: Mapping[str, object], name: str) -> str | None:
    """A short name in lower case (a concept), or None if the field is empty.

    'none' and 'null' count as empty; a judge that means a concept of that name cannot be distinguished.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the value is not text, or longer than 100 characters.
    """
    value = row.get(name)
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise RowError(f"'{name}' is {quote_value(value)}, not a word: put it in quotes")
    return limit_text(value, name, 100).lower()


def parse_judge_names(row: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    """Names of judges, separated by semicolons; () for the word 'random', None if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the value is not text, or a name is longer than 64 characters.
    """
    value = row.get(name)
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise RowError(f"'{name}' is {quote_value(value)}: write names of judges separated by ';', or random")
    if value.strip().lower() == "random":
        return ()
    return tuple(limit_text(part.strip(), name, 64) for part in value.split(";") if part.strip())


def parse_bool(row: Mapping[str, object], name: str) -> bool | None:
    """A truth value, or None if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field: a boolean, a word of `WORDS`, or 0 or 1.

    Raises
    ------
    RowError
        If the value is anything else.
    """
    value = row.get(name)
    if isinstance(value, bool):
        return value
    if is_empty(value):
        return None
    known = WORDS.get(str(value).strip().lower())
    if known is None:
        raise RowError(f"'{name}' is {quote_value(value)}: write true or false")
    return known


def parse_number(row: Mapping[str, object], name: str) -> float | None:
    """A finite number, or None if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field: a number, or text that holds one.

    Raises
    ------
    RowError
        If the value is not a finite number.
    """
    value = row.get(name)
    if value is None or is_empty(value):
        return None
    try:
        made = float(value) if isinstance(value, NUMERIC) else math.nan
    except (TypeError, ValueError, OverflowError):
        made = math.nan
    if isinstance(value, bool) or not math.isfinite(made):
        raise RowError(f"'{name}' is {quote_value(value)}: write a finite number")
    return made


def parse_integer(row: Mapping[str, object], name: str) -> int | None:
    """A whole number of at most 63 bits, or None if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the value is not such a number.
    """
    value = parse_number(row, name)
    if value is None:
        return None
    if value != int(value) or abs(value) >= 2**63:
        raise RowError(f"'{name}' is {quote_value(row[name])}: write a whole number")
    return int(value)


def layer_of(row: Mapping[str, object], name: str) -> int | None:
    """A layer index, counted from 0, or None if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the value is not a whole number from 0 to 9999.
    """
    value = parse_integer(row, name)
    if value is not None and not 0 <= value < 10_000:
        raise RowError(f"'{name}' is {value}: layers count from 0")
    return value


def span_of(row: Mapping[str, object], name: str) -> Span:
    """The name of a span, `generation` if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field.

    Raises
    ------
    RowError
        If the value cannot be the name of one.
    """
    value = parse_word(row, name)
    try:
        return Span.GENERATION if value is None else Span(value)
    except ValueError as error:
        raise RowError(f"'{name}': {error}") from None


def require_one_of(value: Any, what: str, words: Iterable[str]) -> Any:
    """The value itself, checked against a closed list.

    Parameters
    ----------
    value : object
        Value to check.
    what : str
        How the error message names the value.
    words : iterable of str
        Allowed values.

    Raises
    ------
    RowError
        If the value is not allowed; the message lists the allowed ones.
    """
    known = list(words)
    if value not in known:
        raise RowError(f"{what} is {quote_value(value)}: choose from {', '.join(known)}")
    return value


def arm_of(value: Any, name: str) -> Arm:
    """The arm that a source's word stands for (`ArmSpec.aliases`).

    Parameters
    ----------
    value : object
        The source's word, in any case.
    name : str
        Name of the field, for the message.

    Raises
    ------
    RowError
        If the word is not known.
    """
    words = arm_aliases()
    word = str(value).strip().lower()
    if word not in words:
        raise RowError(f"'{name}' is {quote_value(value)}, no known arm: choose from {', '.join(words)}")
    return Arm(words[word])


def parse_timestamp(row: Mapping[str, object], name: str) -> str:
    """A time in the store's format (UTC, ISO 8601, microseconds), or '' if the field is empty.

    Parameters
    ----------
    row : mapping of str to object
        Source row.
    name : str
        Name of the field: a datetime, ISO 8601 text (UTC if it has no zone), or seconds since 1970 (from 2000 to 2100).

    Raises
    ------
    RowError
        If the value is not a time.
    """
    value = row.get(name)
    if is_empty(value):
        return ""
    try:
        if isinstance(value, datetime):
            made = value
        elif (seconds := _epoch_seconds(value)) is not None:
            made = datetime.fromtimestamp(seconds, UTC)
        else:
            made = datetime.fromisoformat(str(value).strip())
        made = made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise RowError(f"'{name}' is {quote_value(value)}, no time: write it as 2026-02-28T17:30:00Z") from None
    return made.isoformat(timespec="microseconds")


def _epoch_seconds(value: Any) -> float | None:
    """Seconds since 1970, as a number or its text; None for what is no number or an ISO date without dashes.

    Raises
    ------
    ValueError
        If the number is no time from 2000 to 2100.
    """
    if isinstance(value, str) and (not NUMBER.fullmatch(value.strip()) or len(value.strip()) == 8):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if not EARLIEST <= float(value) <= LATEST:
        raise ValueError("no time from 2000 to 2100")
    return float(value)


def fold_name(name: str) -> str:
    """What a person's name is compared by: spaces, case and the '.0' of a whole number make no difference."""
    folded = " ".join(unicodedata.normalize("NFKC", name).split()).casefold()
    whole = WHOLE.fullmatch(folded)
    return whole[1] if whole else folded
