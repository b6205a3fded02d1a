"""The terms of the field, one definition each, read from `glossary.md`: what the dashboard's tooltips say.

`docs/glossary.md` is a copy of that file. Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gnomon.data.errors import UnknownNameError

SOURCE = Path(__file__).with_name("glossary.md")
_HEADER = "term"


@dataclass(frozen=True, slots=True)
class GlossaryTerm:
    """A term with its definition, the section of the glossary that it stands in, and its other names."""

    name: str
    definition: str
    section: str
    other_names: tuple[str, ...] = ()


def parse_glossary(text: str) -> tuple[GlossaryTerm, ...]:
    """The terms of a glossary in Markdown: tables of term, definition and other names under second-level headings."""
    section, terms = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
        elif line.startswith("| "):
            name, definition, others = (cell.strip() for cell in line.strip().strip("|").split("|"))
            if name != _HEADER:
                names = tuple(other.strip().strip("`") for other in others.split(";") if other.strip())
                terms.append(GlossaryTerm(name, definition, section, names))
    return tuple(terms)


@cache
def load_glossary() -> Mapping[str, GlossaryTerm]:
    """Every term by its name and by each of its other names."""
    terms = parse_glossary(SOURCE.read_text(encoding="utf-8"))
    return {other: term for term in terms for other in term.other_names} | {term.name: term for term in terms}


def define_terms(*names: str) -> str:
    """The definitions of terms as Markdown, one paragraph each: the text of a tooltip.

    Raises
    ------
    UnknownNameError
        If the glossary has no such term.
    """
    glossary = load_glossary()
    for name in names:
        if name not in glossary:
            raise UnknownNameError(f"term '{name}' is not in the glossary: add it to {SOURCE.name}")
    return "\n\n".join(f"**{name[:1].upper()}{name[1:]}**: {glossary[name].definition}" for name in names)
