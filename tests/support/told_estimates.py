"""Estimates as the cells of tables tell them, wherever a table stands: on a page, in a report, on a terminal.

A cell is named by what its row, its heading and the words around its table say: estimand, model, arm, judge, fit and
whatever else sets it apart. Two cells with one name must have one text, and the number of the JSON documents.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gnomon.data.arms import ARMS

_SIGNED = r"[+−-]?\d[\d,]*(?:\.\d+)?"
_INTERVAL = re.compile(rf"^({_SIGNED})( %)? \(({_SIGNED}) to ({_SIGNED})\)$")
_RANGE = re.compile(rf"^({_SIGNED}) to ({_SIGNED}) %$")
_SHARE = re.compile(rf"^({_SIGNED}) %$")
_MARKS = re.compile(r" \(w\)$| withheld$")
_KIND_OF_MEMBER = re.compile(r" \((?:judge|rater)\)")
FACETS = {"model": "model", "arm": "arm", "judge": "judge", "fit": "fit", "task": "task", "between": "between",
          "member": "member", "concept": "concept", "strength": "strength", "layer": "layer", "method": "method",
          "judges' errors": "errors", "where": "where", "label": "label", "verdict": "verdict"}  # fmt: skip
"""Headings of cells that set a row apart, and what they say."""
NAMES = {"estimand", "estimate", "rate", "measure", "coefficient"}
"""Headings of cells that name the estimand of their row."""
WITHOUT_NAME = {"estimate", "mean (95 % interval)", "rate", "difference"}
"""Headings over the estimand that the row names."""
SILENT = {"evidence", "needs", "what it needs", "why not more", "corrected", "event rate corrected", "correctable",
          "given", "gates rely on it", "not given because", "base rate", "drift", "reading", "headline", "size",
          "counted", "told", "shown"}  # fmt: skip
"""Headings of texts that describe a row without setting it apart."""
FITS = ("as published", "as judged", "corrected")
ERRORS = ("independent", "correlated")
"""Headings over estimates of all judges together, by what is assumed of their errors."""
UNTOLD = "From"
"""Heading of a table whose rows differ by less than they say: blocks of verdicts of one minute."""
NO_ESTIMATES = re.compile(r"^$|^Data of the chart|\bpay for\b")
"""Words around a table that is not compared: data behind a chart, and intervals whose level changes with each look."""
ELSEWHERE = {
    "pass": ("for the study's pass", "positive = pass"),
    "panel of judges": ("independent judges",),
    "panel of raters": ("independent raters",),
}
"""What sets a whole table apart, by words around it."""


@dataclass(frozen=True, slots=True)
class ToldTable:
    """Rows of a table by their headings, with the words around them: title, caption, and heading of the section."""

    rows: tuple[Mapping[str, str], ...]
    around: str = ""
    section: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """What a cell is about; what nothing names is not there."""

    estimand: str
    facets: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, estimand: str, **facets: object) -> Name:
        """The name of an estimate; facets without a value are left out."""
        told = {key: str(value).lower() for key, value in facets.items() if value not in (None, "")}
        return cls(estimand.lower(), tuple(sorted(told.items())))


@dataclass
class Reader:
    """Reads tables of one study, whose models and judges are known.

    Attributes
    ----------
    models, judges, estimands : collection of str
        Names that words around a table may mention.
    """

    models: Collection[str]
    judges: Collection[str]
    estimands: Collection[str]
    arms: Mapping[str, str] = field(
        default_factory=lambda: {word.lower(): name for name, arm in ARMS.items() for word in (name, arm.label)}
    )

    def cells(self, tables: Iterable[ToldTable]) -> Iterator[tuple[Name, str]]:
        """Every cell that is an estimate, with its name."""
        for table in (each for each in tables if not NO_ESTIMATES.search(each.around)):
            context = self._context(table.around, table.section.lower())
            for row in table.rows:
                yield from self._row_cells(row, context)

    def _context(self, words_around: str, section: str) -> dict[str, str]:
        """What the words around a table say of all its rows."""
        around = words_around.lower()
        found = {key: key for key, words in ELSEWHERE.items() if any(word in around for word in words)}
        judges = [name for name in self.judges if re.search(rf"(?<![\w'-]){re.escape(name)}(?![\w-])", words_around)]
        fits = [name for name in FITS if section.startswith(name) or re.search(rf", {name}(?=[:,. ]|$)", around)]
        models = [name for name in self.models if name.lower() in around]
        for facet, named in (("judge", judges), ("fit", fits), ("model", models)):
            if len(named) == 1:
                found[facet] = named[0]
        named = [name for name in self.estimands if around.startswith(name.lower())]
        if named:
            found["estimand"] = max(named, key=len)
        return found

    def _row_cells(self, row: Mapping[str, str], context: Mapping[str, str]) -> Iterator[tuple[Name, str]]:
        if UNTOLD in row:
            return
        facets = {key: value for key, value in context.items() if key != "estimand"}
        estimand, shown = "", {}
        for heading, cell in row.items():
            head, text = heading.strip().lower(), _MARKS.sub("", cell.strip())
            if head == "more labels":
                facets[head] = text
            elif _numbers(text):
                shown[head] = text
            elif text in ("", "–", "whole design"):
                continue
            elif head in NAMES or not head:
                estimand = text.lower()
            elif head in FACETS:
                facets[FACETS[head]] = text
            elif head not in SILENT and re.search(r"[^\d,.\s–%]", text):
                facets[head] = text
        if estimand.startswith("corrected "):
            estimand = estimand.removeprefix("corrected ")
            facets["fit"] = "corrected"
        if "between" in facets and facets["between"] != "judge and labels":
            facets["between"] = _KIND_OF_MEMBER.sub("", facets["between"])
            facets.pop("judge", None)
        where = facets.pop("where", "").split(" ", 1)
        facets |= {where[0]: where[1]} if len(where) == 2 else {}
        for head, text in shown.items():
            yield self._named(head, estimand, facets, context.get("estimand", "")), text

    def _named(self, head: str, estimand: str, facets: Mapping[str, str], about: str) -> Name:
        more = {}
        if head in self.arms:
            more["arm"], head = self.arms[head], estimand or about
        elif head in FITS:
            more["fit"], head = head, estimand or about
        elif head in ERRORS and estimand:
            more["errors"], head = head, estimand
        elif head in WITHOUT_NAME and estimand:
            head = estimand
        elif estimand:
            more["column"], head = head, estimand
        return Name.of(head, **{**facets, **more})


def disagreements(places: Mapping[str, Iterable[tuple[Name, str]]]) -> list[str]:
    """Estimates that two places give in different texts, each in a line."""
    told: dict[Name, dict[str, str]] = {}
    for place, cells in places.items():
        for name, text in cells:
            told.setdefault(name, {}).setdefault(text, place)
    return [
        f"{name.estimand} {dict(name.facets)}: " + " but ".join(f"'{text}' in {place}" for text, place in texts.items())
        for name, texts in told.items()
        if len(texts) > 1
    ]


def wrong_numbers(cells: Iterable[tuple[Name, str]], known: Mapping[Name, tuple[float, ...]]) -> list[str]:
    """Cells whose text is not the number of the documents, rounded to the digits that it has."""
    return [
        f"{name.estimand} {dict(name.facets)}: '{text}' is not {tuple(round(each, 4) for each in known[name])}"
        for name, text in cells
        if name in known and not _is_rounded(text, known[name])
    ]


def _is_rounded(text: str, values: tuple[float, ...]) -> bool:
    scale = 100 if "%" in text else 1
    shown = _numbers(text)
    return len(shown) == len(values) and all(
        abs(float(one.replace("−", "-").replace(",", "")) - scale * value) <= 0.5000001 * 10.0 ** -_decimals(one)
        for one, value in zip(shown, values, strict=True)
    )


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _numbers(text: str) -> tuple[str, ...]:
    """The numbers of a cell that is an estimate: value and ends, two ends, or a share alone."""
    if found := _INTERVAL.match(text):
        return found[1], found[3], found[4]
    if found := _RANGE.match(text):
        return found[1], found[2]
    return (found[1],) if (found := _SHARE.match(text)) else ()
