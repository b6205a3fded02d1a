"""What a report is made of: numbered sections of paragraphs, notices, tables, charts and text to copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from gnomon.data.glossary import GlossaryTerm, load_glossary
from gnomon.stats.tables.estimate_table import EstimateTable

_NO_NAME = re.compile(r"[^a-z0-9]+")
NAME_LENGTH = 60
MOST_ROWS = 500
"""Rows of a table that a page shows; the CSV file of a bundle has all."""


@dataclass(frozen=True, slots=True)
class Subheading:
    """A heading within a section."""

    title: str


@dataclass(frozen=True, slots=True)
class ReportNotice:
    """Something that a reader must know first; `level` is `error`, `warning` or `info`."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table with its title."""

    title: str
    table: EstimateTable


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A chart without a theme; `words` say what it shows to those who cannot see it."""

    name: str
    chart: Any
    words: str


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text to be copied as it is, such as BibTeX; `name` is that of its file in a bundle."""

    name: str
    text: str


Block: TypeAlias = str | Subheading | ReportNotice | ReportTable | ReportFigure | Snippet


@dataclass
class ReportSection:
    """A section; `id` is its anchor."""

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)

    def say(self, *lines: str) -> None:
        """Add paragraphs; empty ones are left out."""
        self.blocks += [line for line in dict.fromkeys(lines) if line]

    def head(self, title: str) -> None:
        """Begin a part of the section; one without content is left out (`without_empty_parts`)."""
        self.blocks.append(Subheading(title))

    def warn(self, level: str, text: str) -> None:
        """Add a notice.

        Parameters
        ----------
        level : {"error", "warning", "info"}
        text : str
        """
        self.blocks.append(ReportNotice(level, text))

    def tabulate(self, title: str, table: EstimateTable) -> None:
        """Add a table, if it has a row.

        Parameters
        ----------
        title : str
        table : EstimateTable
        """
        if table:
            self.blocks.append(ReportTable(title, table))

    def draw(self, name: str, chart: Any, words: str) -> None:
        """Add a chart.

        Parameters
        ----------
        name : str
            Name of its file in a bundle.
        chart : Chart
            Altair chart without a theme.
        words : str
            Its text alternative.
        """
        self.blocks.append(ReportFigure(name, chart, words))

    def without_empty_parts(self) -> ReportSection:
        """The section without subheadings that nothing follows."""
        ahead = [*self.blocks[1:], None]
        kept = [
            block
            for block, after in zip(self.blocks, ahead, strict=False)
            if not (isinstance(block, Subheading) and (after is None or isinstance(after, Subheading)))
        ]
        return ReportSection(self.id, self.title, kept)


@dataclass(frozen=True, slots=True)
class StudyReport:
    """A whole report: name of the study, when and by which version it was made, and its sections."""

    study: str
    made: str
    version: str
    sections: tuple[ReportSection, ...]

    def blocks(self) -> Iterator[tuple[ReportSection, Block]]:
        """Every block with its section."""
        return ((section, block) for section in self.sections for block in section.blocks)

    @property
    def figure_count(self) -> int:
        """How many charts it has."""
        return sum(isinstance(block, ReportFigure) for _, block in self.blocks())

    @property
    def table_count(self) -> int:
        """How many tables it has."""
        return sum(isinstance(block, ReportTable) for _, block in self.blocks())

    def terms(self) -> list[GlossaryTerm]:
        """The glossary's terms that its tables use, in alphabetical order."""
        names = {
            name
            for _, block in self.blocks()
            if isinstance(block, ReportTable)
            for column in block.table.columns
            for name in column.terms
        }
        known = {term.name: term for name, term in load_glossary().items() if name in names}
        return sorted(known.values(), key=lambda term: term.name.lower())


def page_table(table: EstimateTable) -> EstimateTable:
    """The table as a page shows it: its first rows where it has very many, with a note on where all of them are."""
    if len(table.rows) <= MOST_ROWS:
        return table
    note = (
        f"The first {MOST_ROWS:,} of {len(table.rows):,} rows; all are in the CSV file of the report as .zip or .md "
        f"({table.name})."
    )
    return replace(table, rows=table.rows[:MOST_ROWS], notes=(*table.notes, note))


def file_names(wanted: Iterable[str]) -> list[str]:
    """Names of files for these names, all different: small letters, figures and dashes."""
    found: list[str] = []
    for name in wanted:
        first = slug(name)
        places = (first if n == 1 else f"{first}-{n}" for n in range(1, len(found) + 2))
        found.append(next(one for one in places if one not in found))
    return found


def slug(text: str) -> str:
    """A text as an anchor or the name of a file."""
    return _NO_NAME.sub("-", text.lower()).strip("-")[:NAME_LENGTH].strip("-") or "part"
