"""A report as one HTML page that needs no network: contents, numbered tables and figures, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gnomon.data.glossary import load_glossary
from gnomon.report.chart_pictures import picture_address
from gnomon.report.report_blocks import (
    Block,
    ReportFigure,
    ReportNotice,
    ReportSection,
    ReportTable,
    Snippet,
    StudyReport,
    Subheading,
    page_table,
    slug,
)
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.tables.estimate_table import TableColumn

TEMPLATES = Path(__file__).parents[1] / "templates"
Paper: TypeAlias = Literal["a4", "letter"]
PAPERS: dict[Paper, str] = {"a4": "A4", "letter": "letter"}
"""Sizes of paper, by option, as CSS names them."""
TALL = 40
"""Rows from which a table is scrolled on screen; in print all are shown."""
WIDE = 9
"""Columns from which a table is printed in small type."""
LONG = 60
"""Letters from which a cell is a sentence, whose column is given room."""
SHORT, NAME = 22, 32
"""Letters up to which cells of a column, and of the first one, are not broken on screen."""


@dataclass(frozen=True, slots=True)
class PageHeading:
    """A heading of a column, with the definition of its terms and the anchor of the first of them."""

    text: str
    style: str
    definition: str
    anchor: str


@dataclass(frozen=True, slots=True)
class PageBlock:
    """A block as the template draws it: its kind, and what that kind needs."""

    kind: str
    text: str = ""
    number: str = ""
    anchor: str = ""
    level: str = ""
    caption: str = ""
    light: str = ""
    dark: str = ""
    headings: tuple[PageHeading, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    is_tall: bool = False
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section as the template draws it."""

    id: str
    number: int
    title: str
    blocks: tuple[PageBlock, ...]

    @property
    def parts(self) -> list[PageBlock]:
        """Its subheadings."""
        return [block for block in self.blocks if block.kind == "heading"]


def html_page(report: StudyReport, *, paper: Paper = "a4", dark: bool = True) -> str:
    """The page.

    Parameters
    ----------
    report : StudyReport
    paper : {"a4", "letter"}, default "a4"
        Size of paper that it is printed on.
    dark : bool, default True
        Hold every chart on a dark background too, for readers whose system is dark.
    """
    counter = _Counter()
    sections = [
        PageSection(
            section.id,
            number,
            section.title,
            tuple(_page_block(block, section, number, counter, dark) for block in section.blocks),
        )
        for number, section in enumerate(report.sections, 1)
    ]
    house = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return house.get_template("report.html").render(
        report=report, sections=sections, terms=list(_term_rows(report)), paper=PAPERS[paper]
    )


@dataclass
class _Counter:
    tables: int = 0
    figures: int = 0
    parts: int = 0
    section: int = 0


def _page_block(block: Block, section: ReportSection, number: int, counter: _Counter, dark: bool) -> PageBlock:
    if counter.section != number:
        counter.section, counter.parts = number, 0
    if isinstance(block, str):
        return PageBlock("text", non_breaking(block))
    if isinstance(block, Subheading):
        counter.parts += 1
        anchor = f"{section.id}-{counter.parts}"
        return PageBlock("heading", block.title, f"{number}.{counter.parts}", anchor)
    if isinstance(block, ReportNotice):
        return PageBlock("notice", non_breaking(block.text), level=block.level)
    if isinstance(block, Snippet):
        return PageBlock("snippet", block.text, anchor=block.name)
    if isinstance(block, ReportFigure):
        counter.figures += 1
        address = picture_address(block.chart, dark=True) if dark else ""
        return PageBlock("figure", block.words, str(counter.figures), light=picture_address(block.chart), dark=address)
    counter.tables += 1
    return _table_block(block, counter.tables)


def _table_block(block: ReportTable, number: int) -> PageBlock:
    table = page_table(block.table)
    rows = tuple(tuple(map(non_breaking, row)) for row in table.texts())
    longest = [max((len(row[place]) for row in rows), default=0) for place in range(len(table.columns))]
    return PageBlock(
        "table",
        block.title,
        str(number),
        f"table-{number}",
        caption=non_breaking(table.caption),
        headings=tuple(map(_page_heading, table.columns, longest, [NAME, *[SHORT] * len(longest)])),
        rows=rows,
        notes=tuple(map(non_breaking, table.notes)),
        is_tall=len(table.rows) > TALL,
        is_wide=len(table.columns) >= WIDE,
    )


def _page_heading(column: TableColumn, longest: int, short: int) -> PageHeading:
    terms = [load_glossary()[name] for name in column.terms if name in load_glossary()]
    told = " ".join(_plain(term.definition) for term in terms)
    width = " long" if longest > LONG else " short" if longest <= short else ""
    style = f"words{width}" if column.kind == "text" else "number"
    return PageHeading(column.heading, style, told, f"term-{slug(terms[0].name)}" if terms else "")


def _term_rows(report: StudyReport) -> Iterator[tuple[str, str, str]]:
    """Anchor, name and definition of each term that the tables use."""
    for term in report.terms():
        yield f"term-{slug(term.name)}", term.name, _plain(term.definition)


def _plain(text: str) -> str:
    return text.replace("`", "").replace("**", "")
