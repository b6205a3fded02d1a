"""What the values of a yes-or-no column mean, decided over all values that it has.

A column of grades has 0 and 1 among its values like a column of booleans: a single cell does not show which it is. So
all cells are surveyed before any is read, and a column whose meaning cannot be known is refused.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import NUMBER, WORDS, RowError, is_empty, quote_value

MOST = 500
"""Distinct values of a column that are kept; beyond them only the range of its numbers is."""
YES_NO = {**WORDS, "y": True, "n": False, "t": True, "f": False}
PASS_FAIL = {
    "pass": True,
    "passed": True,
    "fail": False,
    "failed": False,
    "correct": True,
    "incorrect": False,
    "right": True,
    "wrong": False,
    "c": True,
    "i": False,
}
ALPHABETS = (frozenset("ynp"), frozenset("tf"), frozenset("cinp"))
"""Letters mean something only within one alphabet: C is correct beside I, and a grade beside A, B and F."""
PASS_FIELDS = ("passed", "identified")
"""Fields whose column may also hold words of `PASS_FAIL`."""
PERCENT = re.compile(rf"({NUMBER.pattern}) ?%")
OTHER_WRITING = re.compile(
    rf"{NUMBER.pattern} ?%|[+-]?\d+,\d+(?: ?%)?|{NUMBER.pattern} ?(?:/|out of|of) ?{NUMBER.pattern}"
    r"|\d{4}-\d\d-\d\d(?:[ t]00:00:00)?|\d\d?[-. ](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
)
"""Numbers written as percentages, with a comma, as a part of a number, or that a spreadsheet took for dates."""
THRESHOLD = re.compile(rf"\s*(>=|>|<=|<)?\s*({NUMBER.pattern})\s*%?\s*")
COMPARISONS = {
    ">=": lambda value, bound: value >= bound,
    ">": lambda value, bound: value > bound,
    "<=": lambda value, bound: value <= bound,
    "<": lambda value, bound: value < bound,
}
STRUCTURE = "a list or table"


def value_word(value: Any) -> str | None:
    """A value as it is compared with words: lower case, numbers without a superfluous '.0'; None if it is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_empty(value):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a number of more than 30 digits"
    if isinstance(value, list | tuple | dict | set):
        return STRUCTURE
    word = " ".join(str(value).split()).casefold()
    if NUMBER.fullmatch(word) and math.isfinite(number := float(word)):
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return word


def word_number(word: str) -> float | None:
    """The number that a word of `value_word` is, or None."""
    return float(word) if NUMBER.fullmatch(word) else None


def percent_number(word: str) -> float | None:
    """The number before the sign of a percentage, or None."""
    found = PERCENT.fullmatch(word)
    return float(found[1]) if found else None


@dataclass(slots=True)
class CellRange:
    """The distinct values of one column, as words."""

    words: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    beyond: int = 0
    """Cells whose value is not among the kept words."""
    lowest: float = math.inf
    highest: float = -math.inf

    def add(self, value: object) -> None:
        """Count one cell."""
        word = value_word(value)
        if word is None:
            self.empty += 1
            return
        if word in self.words or len(self.words) < MOST:
            self.words[word] += 1
        else:
            self.beyond += 1
        number = word_number(word)
        if (number := percent_number(word) if number is None else number) is not None:
            self.lowest, self.highest = min(self.lowest, number), max(self.highest, number)

    @property
    def grades(self) -> list[str]:
        """Numbers other than 0 and 1."""
        return [word for word in self.words if word not in ("0", "1") and word_number(word) is not None]

    @property
    def letters(self) -> set[str]:
        """Words of one letter."""
        return {word for word in self.words if len(word) == 1 and word.isalpha()}

    @property
    def written_otherwise(self) -> list[str]:
        """Numbers that are written as percentages, with a comma, or as a part of a number."""
        return [word for word in self.words if OTHER_WRITING.fullmatch(word)]

    @property
    def are_percentages(self) -> bool:
        """Whether all of its numbers are percentages."""
        plain = any(word_number(word) is not None for word in self.words)
        return (
            not plain
            and any(map(PERCENT.fullmatch, self.words))
            and all(map(PERCENT.fullmatch, self.written_otherwise))
        )

    @property
    def is_graded(self) -> bool:
        """Whether it holds numbers other than 0 and 1, however they are written."""
        return bool(self.grades or self.written_otherwise)

    def shown_words(self, most: int = 6) -> str:
        """The commonest values, for a message."""
        shown = [quote_value(word) for word, _ in self.words.most_common(most)]
        return ", ".join(shown) + (" ..." if len(self.words) > most else "")


@dataclass(frozen=True, slots=True)
class FlagReader:
    """Reads the cells of one yes-or-no column.

    `words` gives each word its value (None: missing); `bound` with `comparison` decides numbers instead.
    """

    name: str
    words: Mapping[str, bool | None]
    remedy: str
    comparison: str = ""
    bound: float = 0.0

    def read_cell(self, value: object) -> bool | None:
        """True, false, or None for an empty cell.

        Raises
        ------
        RowError
            If the value is none of those that the column may hold.
        """
        word = value_word(value)
        if word is None:
            return None
        if word in self.words:
            return self.words[word]
        if self.comparison:
            number = word_number(word)
            if (number := percent_number(word) if number is None else number) is not None:
                return bool(COMPARISONS[self.comparison](number, self.bound))
        raise RowError(f"'{self.name}' is {quote_value(value)}: {self.remedy}")

    def graded_number(self, value: object) -> float | None:
        """The number that a threshold compares, negated where low numbers are true: the higher, the surer a yes.

        None of a cell that is decided by its word.
        """
        word = value_word(value)
        if word is None or word in self.words or not self.comparison:
            return None
        number = word_number(word)
        number = percent_number(word) if number is None else number
        return -number if number is not None and self.comparison.startswith("<") else number


def parse_threshold(text: str | bool | float) -> tuple[str, float]:
    """Comparison and bound of a threshold as '>= 7'; a number alone means 'at least'.

    Raises
    ------
    ValueError
        If it is no threshold.
    """
    found = None if isinstance(text, bool) else THRESHOLD.fullmatch(str(text))
    if found is None or not math.isfinite(float(found[2])):
        raise ValueError(f"'{text}' is no threshold: write for example \">= 7\"")
    return found[1] or ">=", float(found[2])


def parse_threshold_option(text: str) -> tuple[str, float]:
    """Comparison and bound of the option `--threshold`.

    Raises
    ------
    InputError
        If it is no threshold.
    """
    try:
        return parse_threshold(text)
    except ValueError as error:
        raise InputError(f"--threshold: {error}") from None


def flag_words(name: str) -> Mapping[str, bool]:
    """Words that a column of this field may hold without being listed."""
    return {**YES_NO, **PASS_FAIL} if name in PASS_FIELDS else YES_NO


def threshold_remark(found: CellRange, threshold: tuple[str, float]) -> str:
    """What is odd of a threshold that all numbers of a column pass, or none; '' if it divides them.

    Parameters
    ----------
    found : CellRange
        All values of the column.
    threshold : (str, float)
        Comparison and bound.
    """
    comparison, bound = threshold
    if not found.lowest <= found.highest:
        return ""
    passes = [COMPARISONS[comparison](each, bound) for each in (found.lowest, found.highest)]
    if passes[0] != passes[1] or (found.lowest == found.highest and passes[0]):
        return ""
    return (
        f"{'all' if passes[0] else 'none'} of its numbers, {found.lowest:g} to {found.highest:g}, pass the threshold "
        f"'{comparison} {bound:g}'"
    )


@dataclass(frozen=True, slots=True)
class FlagColumn:
    """One yes-or-no column of the map: its field, its name, and the part of the map that names it."""

    name: str
    column: str
    part: str

    def __str__(self) -> str:
        """As messages name it."""
        return f"column '{self.column}', which the map names for '{self.name}' in [{self.part}],"

    @property
    def list_name(self) -> str:
        """The table of the map that lists its values."""
        return f"[{self.part}.values.{self.name}]"

    def flag_reader(
        self,
        found: CellRange,
        listed: Mapping[str, bool | None] | None = None,
        threshold: tuple[str, float] | None = None,
    ) -> FlagReader:
        """The reader of the column's cells.

        Parameters
        ----------
        found : CellRange
            All values of the column.
        listed : mapping of str to bool or None, optional
            The map's values for it, by word.
        threshold : (str, float), optional
            Comparison and bound.

        Raises
        ------
        InputError
            If the meaning of the values cannot be known.
        """
        if listed is None:
            self._check_writing(found, threshold)
            if threshold is not None:
                self._check_threshold(found, threshold)
        if listed is not None or threshold is not None:
            comparison, bound = threshold or ("", 0.0)
            remedy = "is no number" if listed is None else f"is not in {self.list_name}: add it ('' means no value)"
            return FlagReader(self.name, listed or {}, remedy, comparison, bound)
        known = flag_words(self.name)
        if not any(found.letters <= alphabet for alphabet in ALPHABETS):
            known = {word: value for word, value in known.items() if not (len(word) == 1 and word.isalpha())}
        if found.grades:
            raise InputError(
                f"{self} holds numbers from {found.lowest:g} to {found.highest:g}: say which of them are true with "
                f'threshold = ">= {middle_grade(found):g}" in [{self.part}], or list them in '
                f"{self.list_name}; nothing was stored"
            )
        if found.words and not any(word in known for word in found.words):
            raise InputError(
                f"{self} holds {found.shown_words()}: say which of them are true in {self.list_name}; nothing was "
                "stored"
            )
        return FlagReader(self.name, known, f"write true or false, or list its values in {self.list_name}")

    def _check_writing(self, found: CellRange, threshold: tuple[str, float] | None) -> None:
        """Refuse numbers in another writing: beside them, 0 and 1 are no booleans, and a threshold compares only those
        that it can read. Percentages are compared with a threshold.
        """
        other = found.written_otherwise
        if not other or (threshold is not None and found.are_percentages):
            return
        if found.are_percentages:
            raise InputError(
                f"{self} holds percentages from {found.lowest:g} to {found.highest:g}: say which of them are true with "
                f'threshold = ">= {middle_grade(found):g}" in [{self.part}]; nothing was stored'
            )
        raise InputError(
            f"{self} holds {quote_value(other[0])}, a number in another writing: write all of them as plain numbers "
            f"(0.5, 7), or list the column's values in {self.list_name}; nothing was stored"
        )

    def _check_threshold(self, found: CellRange, threshold: tuple[str, float]) -> None:
        """Refuse a threshold for a column of words, and one above 1 for a column of numbers from 0 to 1."""
        if found.words and not found.lowest <= found.highest:
            raise InputError(f"{self} holds {found.shown_words()}, no numbers for a threshold: list its values instead")
        if 0 <= found.lowest <= found.highest <= 1 < threshold[1]:
            raise InputError(
                f"{self} fits no threshold above 1: {threshold_remark(found, threshold)}; nothing was stored"
            )


def middle_grade(found: CellRange) -> float:
    """An example of a threshold: the least grade above the middle of the range."""
    middle = (found.lowest + found.highest) / 2
    numbers = (word_number(word.rstrip(" %")) for word in found.words)
    return min((number for number in numbers if number is not None and number > middle), default=found.highest)
