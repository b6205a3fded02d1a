"""What a scorer's values mean, decided from all values that it gave: pass or fail by its words, or by a threshold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import eq, ge, gt, le, lt
from typing import Literal

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import EMPTY, is_empty, quote_value
from gnomon.data.importers.tabular.value_ranges import PASS_FAIL, YES_NO

Meaning = bool | Literal["partial"]
PARTIAL: Meaning = "partial"
SHOWN = 8
MOST = 1_000
"""Distinct numbers and words of one scorer that are kept: more change nothing in what they mean."""
WORDS: Mapping[str, Meaning] = {
    **{word: flag for word, flag in {**YES_NO, **PASS_FAIL}.items() if word.isalpha() and len(word) > 1},
    **{"noanswer": False, "no answer": False, "partial": PARTIAL, "partially correct": PARTIAL},
}
LETTERS: tuple[Mapping[str, Meaning], ...] = (
    {"c": True, "i": False, "n": False, "p": PARTIAL},
    {"y": True, "n": False},
    {"t": True, "f": False},
)
"""Letters mean something only within one alphabet: C is correct beside I, and a grade beside A and B."""
UNSCORED = frozenset(
    (
        *(*EMPTY, "unscored", "not scored", "unknown", "unsure", "not sure", "uncertain", "unclear", "undecided"),
        *("ambiguous", "cannot tell", "can't tell", "skip", "skipped", "invalid", "parse_error"),
    )
)
_ERROR = re.compile(r"(parse[ _]?)?error\b", re.IGNORECASE)
_THRESHOLD = re.compile(r"\s*(>=|<=|==|=|>|<|≥|≤|)\s*([^<>=≥≤\s].*?)\s*")
_COMPARISONS = {">=": ge, "≥": ge, "<=": le, "≤": le, ">": gt, "<": lt, "==": eq, "=": eq}
NUMBERS_OF: Mapping[Meaning, float] = {True: 1.0, False: 0.0, PARTIAL: 0.5}
"""Inspect's own numbers for its words."""

Scalar = float | str
"""A number, or a word in lower case."""


class UndecidedError(Exception):
    """The meaning of a scorer's values cannot be known; the text says which option decides it."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A comparison that a score passes: with a number, or (`==`) with one of several words.

    Attributes
    ----------
    sign : str
        `>=`, `>`, `<=`, `<` or `==`.
    against : tuple of float or str
        The number, or the words in lower case.
    """

    sign: str
    against: tuple[Scalar, ...]

    def __str__(self) -> str:
        """The comparison as it is typed."""
        shown = (f"{each:g}" if isinstance(each, float) else each for each in self.against)
        return f"{self.sign} {', '.join(shown)}"

    def is_passed(self, value: Scalar) -> bool | None:
        """Whether a value passes; None if it cannot be compared with the threshold."""
        if any(isinstance(each, str) for each in self.against):
            return value in self.against
        if isinstance(value, str):
            known = next((words[value] for words in (WORDS, *LETTERS) if value in words), None)
            if known is None:
                return None
            value = NUMBERS_OF[known]
        return any(_COMPARISONS[self.sign](value, each) for each in self.against)


def parse_threshold(text: str) -> Threshold:
    """The threshold written as `>= 7`, `< 0.5` or `== A, B`; a number alone means *at least*.

    Raises
    ------
    InputError
        If the text is no comparison.
    """
    found = _THRESHOLD.fullmatch(text)
    parts = tuple(scalar_of(part.strip()) for part in found[2].split(",")) if found else ()
    known = tuple(part for part in parts if part is not None)
    sign = {"≥": ">=", "≤": "<=", "": ">="}.get(found[1], found[1]) if found else ""
    is_equality = sign in ("=", "==")
    if not known or len(known) < len(parts) or not (is_equality or all(isinstance(part, float) for part in known)):
        raise InputError(f"--threshold {text!r}: is no comparison: write it as '>= 7', '< 0.5' or '== A, B'")
    if not is_equality and len(known) > 1:
        raise InputError(f"--threshold {text!r}: compares with several numbers: name one")
    return Threshold("==" if is_equality else sign, known)


def scalar_of(value: object) -> Scalar | None:
    """A score's value as a number or a word in lower case; None if it says nothing, or is a list or a table."""
    if isinstance(value, bool | int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return None if math.isnan(number) else number
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    if word in UNSCORED or _ERROR.match(word):
        return None
    try:
        number = float(word)
    except ValueError:
        return word
    return number if math.isfinite(number) else word


@dataclass(slots=True)
class ValueRange:
    """All values that a scorer gave, over all samples of all logs."""

    numbers: set[float] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    parts: dict[str, ValueRange] = field(default_factory=dict)
    has_lists: bool = False

    def add_value(self, value: object) -> None:
        """Extend the range by one value; a table with `claims` reports facts, and needs no decision."""
        if isinstance(value, Mapping):
            if not is_empty(value.get("claims")):
                return
            for name, part in value.items():
                if name in self.parts or len(self.parts) < MOST:
                    self.parts.setdefault(str(name), ValueRange()).add_value(part)
        elif isinstance(value, list):
            self.has_lists = True
        elif isinstance(known := scalar_of(value), float):
            if len(self.numbers) < MOST or not min(self.numbers) <= known <= max(self.numbers):
                self.numbers.add(known)
        elif isinstance(known, str) and len(self.words) < MOST:
            self.words.add(known)

    def iter_parts(self, within: str = "") -> Iterator[tuple[str, ValueRange]]:
        """The parts of tables by their path, those within parts included."""
        for name, part in self.parts.items():
            yield within + name, part
            yield from part.iter_parts(f"{within}{name}.")

    def describe_values(self) -> str:
        """The values in a few words, for a message."""
        shown = [quote_value(word) for word in sorted(self.words)[:SHOWN]]
        if len(self.numbers) > SHOWN:
            shown.insert(0, f"{min(self.numbers):g} to {max(self.numbers):g}")
        else:
            shown = [f"{number:g}" for number in sorted(self.numbers)] + shown
        return ", ".join(shown) + (", ..." if len(self.words) > SHOWN else "")

    def is_binary(self) -> bool:
        """Whether every value says pass, fail or partly: 0 and 1, or words of one vocabulary."""
        letters = {word for word in self.words if len(word) == 1}
        return (
            self.numbers <= {0.0, 1.0}
            and all(word in WORDS for word in self.words - letters)
            and any(letters <= alphabet.keys() for alphabet in LETTERS)
        )


@dataclass(frozen=True, slots=True)
class ScoreReading:
    """How the values of one scorer are read.

    Attributes
    ----------
    scorer : str
        Name of the scorer in the logs.
    part : str or None
        The part of its value that is read, where values are tables.
    threshold : Threshold or None
        What passes; None if the values say it themselves.
    """

    scorer: str
    part: str | None = None
    threshold: Threshold | None = None

    @property
    def name(self) -> str:
        """Name of the judge: the scorer's, with the part."""
        return self.scorer if self.part is None else f"{self.scorer}.{self.part}"

    def part_of(self, value: object) -> object:
        """What is read of a value: itself, or its part, which may lie in a part (`a.b`)."""
        return value if self.part is None else _find_part(value, self.part)

    def graded_number(self, value: object) -> float | None:
        """The number that the threshold compares, negated where low numbers pass: the higher, the surer a pass. None
        where words decide.
        """
        known = scalar_of(self.part_of(value))
        if self.threshold is None or self.threshold.sign == "==" or not isinstance(known, float):
            return None
        return -known if self.threshold.sign.startswith("<") else known

    def read_value(self, value: object) -> tuple[bool | None, str]:
        """Whether a score passes, or None and why that cannot be said."""
        value = self.part_of(value)
        known = scalar_of(value)
        if known is None:
            return None, "not scored" if not isinstance(value, list | Mapping) else "a list or a table"
        if self.threshold is not None:
            passed = self.threshold.is_passed(known)
            return passed, "" if passed is not None else f"{quote_value(value)} cannot be compared"
        meaning = bool(known) if isinstance(known, float) else _meaning_of(known)
        if meaning == PARTIAL:
            return None, f"partial score {quote_value(value)}; --threshold says whether it passes"
        return (meaning, "") if isinstance(meaning, bool) else (None, f"{quote_value(value)} has no known meaning")


def _find_part(value: object, path: str) -> object:
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    within = (name for name in value if path.startswith(f"{name}."))
    return next((_find_part(value[name], path.removeprefix(f"{name}.")) for name in within), None)


def _meaning_of(word: str) -> Meaning | None:
    return next((words[word] for words in (WORDS, *LETTERS) if word in words), None)


def decide_readings(
    ranges: Mapping[str, ValueRange], score: str | None, threshold: str | None
) -> tuple[list[ScoreReading], list[str]]:
    """How each scorer is read, and one sentence for each whose values' meaning cannot be known.

    Parameters
    ----------
    ranges : mapping of str to ValueRange
        All values by scorer.
    score : str, optional
        The scorer, the part of its values, or `scorer.part` to read; all scorers without it.
    threshold : str, optional
        What passes.

    Raises
    ------
    InputError
        If an option names nothing that the logs have, or it is not clear to which of several scorers it belongs.
    """
    bound = None if threshold is None else parse_threshold(threshold)
    chosen = list(_chosen_scores(ranges, score))
    if bound is not None and len(chosen) > 1:
        names = ", ".join(scorer for scorer, _, _ in chosen)
        raise InputError(f"--threshold: the logs have the scorers {names}: name the one that it is for with --score")
    found, undecided = [], []
    for scorer, part, range_ in chosen:
        try:
            _check_decidable(scorer if part is None else f"{scorer}.{part}", range_, bound)
        except UndecidedError as error:
            undecided.append(str(error))
        else:
            found.append(ScoreReading(scorer, part, bound))
    return found, undecided


def _chosen_scores(ranges: Mapping[str, ValueRange], score: str | None) -> Iterator[tuple[str, str | None, ValueRange]]:
    if score is None or score in ranges:
        yield from ((scorer, None, range_) for scorer, range_ in ranges.items() if score in (None, scorer))
        return
    of_parts = [
        (scorer, part, inner)
        for scorer, range_ in ranges.items()
        for part, inner in range_.iter_parts()
        if score in (part, part.rsplit(".", 1)[-1], f"{scorer}.{part}", f"{scorer}/{part}")
    ]
    if not of_parts:
        parts = (f"{scorer}.{part}" for scorer, range_ in ranges.items() for part, _ in range_.iter_parts())
        known = ", ".join([*ranges, *parts][: 2 * SHOWN])
        raise InputError(f"--score {score!r}: the logs have no such score: choose from {known or 'none'}")
    yield from of_parts


def _check_scale(name: str, range_: ValueRange, threshold: Threshold) -> None:
    """Raise `UndecidedError` if words that are 0 to 1 in Inspect are to be compared on another scale."""
    bound = threshold.against[0]
    known = sorted(word for word in range_.words if threshold.is_passed(word) is not None)
    if isinstance(bound, str) or not known:
        return
    if any(not 0 <= number <= 1 for number in range_.numbers):
        raise UndecidedError(
            f"scorer '{name}' gives words ({', '.join(known)}) and grades ({range_.describe_values()}), which no "
            "threshold compares: import the logs with the one and those with the other apart"
        )
    if not 0 <= bound <= 1:
        raise UndecidedError(
            f"scorer '{name}' gives words ({', '.join(known)}), which are 0 to 1 in Inspect: --threshold '{threshold}' "
            "lies outside: leave it out, or write one between 0 and 1"
        )


def _check_decidable(name: str, range_: ValueRange, threshold: Threshold | None) -> None:
    """Raise `UndecidedError` with the option that decides, if the values' meaning cannot be known."""
    if range_.parts:
        parts = list(range_.parts)
        raise UndecidedError(
            f"scorer '{name}' gives several values ({', '.join(parts[:SHOWN])}): name the one to read with "
            f"--score {parts[0]}"
        )
    if range_.has_lists:
        raise UndecidedError(f"scorer '{name}' gives lists, which no option reads: leave it out with --score")
    if threshold is not None:
        values: list[Scalar] = [*range_.numbers, *range_.words]
        _check_scale(name, range_, threshold)
        if values and all(threshold.is_passed(value) is None for value in values):
            raise UndecidedError(
                f"scorer '{name}' gives {range_.describe_values()}, which cannot be compared by --threshold "
                f"'{threshold}': name what passes, as in --threshold '== A, B'"
            )
        return
    if not range_.is_binary():
        passing = [word for word in sorted(range_.words) if _meaning_of(word) is True] or sorted(range_.words)
        example = f">= {max(range_.numbers):g}" if range_.numbers else f"== {passing[0]}"
        raise UndecidedError(
            f"scorer '{name}' gives {range_.describe_values()}: which of them pass cannot be known: say it with "
            f"--threshold, as in --threshold '{example}'"
        )
