"""What the columns of a table hold, from a reading of all its rows: values, lengths, and which tell rows apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gnomon.data.importers.field_parsers import ImportReport
from gnomon.data.importers.tabular.table_files import FileLayout, table_rows
from gnomon.data.importers.tabular.value_ranges import CellRange, flag_words, value_word, word_number
from gnomon.data.importers.text_files import MISSING, value_at

DEEPEST = 3
MOST_COLUMNS = 300
LONG = 60
"""Mean number of characters from which a column holds texts, not words."""
FEW = 100
"""Distinct values up to which a column holds names of a few things."""


@dataclass(slots=True)
class ColumnProfile:
    """The cells of one column of a table.

    `values` are its distinct values as words, `text` the number of characters of its texts, `distinct` hashes of all
    distinct values, `lists` the number of cells that are lists of objects.
    """

    name: str
    values: CellRange = field(default_factory=CellRange)
    filled: int = 0
    text: int = 0
    lists: int = 0
    distinct: set[int] = field(default_factory=set)

    def add_cell(self, value: object) -> None:
        """Count one cell."""
        if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            self.lists += 1
        self.values.add(value)
        if (word := value_word(value)) is not None:
            self.filled += 1
            self.text += len(value) if isinstance(value, str) else 0
            self.distinct.add(hash(word))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words of its name, in lower case: 'judgeScore' and 'judge_score' are ('judge', 'score')."""
        return _name_words(self.name)

    @property
    def last_tokens(self) -> tuple[str, ...]:
        """The words of its name without the path that leads to it."""
        return _name_words(self.name.rpartition(".")[2])

    @property
    def is_flag(self) -> bool:
        """Whether it holds yes and no (or pass and fail), perhaps with some cells that cannot be read."""
        known = flag_words("passed")
        readable = sum(number for word, number in self.values.words.items() if word in known)
        return not self.values.grades and not self.is_text and 0 < readable >= self.filled / 2

    @property
    def is_grade(self) -> bool:
        """Whether it holds numbers of which some are neither 0 nor 1, and few differ."""
        numbers = [word for word in self.values.words if word_number(word) is not None]
        few = len(self.distinct) <= FEW and len(self.distinct) < self.filled
        return bool(self.values.grades) and len(numbers) == len(self.values.words) and few

    @property
    def is_number(self) -> bool:
        """Whether all cells are numbers."""
        return bool(self.values.words) and all(word_number(word) is not None for word in self.values.words)

    @property
    def is_measurement(self) -> bool:
        """Whether it holds numbers with fractions."""
        return self.is_number and any("." in word for word in self.values.words)

    @property
    def is_text(self) -> bool:
        """Whether it holds texts, not words."""
        return self.filled > 0 and self.text / self.filled > LONG

    @property
    def is_names(self) -> bool:
        """Whether it holds names of a few things: words that are no numbers and no yes and no."""
        return bool(self.filled) and len(self.distinct) <= FEW and not (self.is_number or self.is_flag or self.is_text)


def _name_words(name: str) -> tuple[str, ...]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[a-z]+|[0-9]+", spaced.lower()))


def profile_columns(paths: Sequence[Path], layout: FileLayout) -> tuple[int, list[ColumnProfile]]:
    """Number of rows, and the columns in the order of the first row that has each; fields of objects count as columns.

    Parameters
    ----------
    paths : sequence of Path
        The tables.
    layout : FileLayout
        What the files do not show of how they are written.
    """
    rows, found = 0, dict[str, ColumnProfile]()
    for path in paths:
        for _, row in table_rows(path, ImportReport(), layout):
            rows += 1
            for name, value in _fields(row):
                if name not in found and len(found) < MOST_COLUMNS:
                    found[name] = ColumnProfile(name)
                if name in found:
                    found[name].add_cell(value)
    return rows, [profile for profile in found.values() if profile.filled]


def _fields(row: Mapping[str, object], before: str = "", depth: int = DEEPEST) -> Iterator[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, Mapping) and depth > 1:
            yield from _fields(value, f"{before}{name}.", depth - 1)
        else:
            yield f"{before}{name}", value


def count_distinct(paths: Sequence[Path], layout: FileLayout, columns: Sequence[str]) -> int:
    """Number of distinct combinations of values of several columns.

    Parameters
    ----------
    paths : sequence of Path
        The tables.
    layout : FileLayout
        What the files do not show of how they are written.
    columns : sequence of str
        The columns.
    """
    found = set[int]()
    for path in paths:
        for _, row in table_rows(path, ImportReport(), layout):
            cells = (value_at(row, column) for column in columns)
            found.add(hash(tuple(None if cell is MISSING else value_word(cell) for cell in cells)))
    return len(found)
