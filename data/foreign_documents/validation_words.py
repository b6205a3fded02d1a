"""What is wrong with a document that a model of pydantic refuses, in words for whoever wrote it.

Pydantic speaks of Python ("Input should be a valid list", "String should match pattern") and counts from 0; these
functions speak of texts, lists and tables, and count as readers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Place: TypeAlias = Sequence[str | int]
PLAIN_WORDS = {
    "missing": "is missing: write it",
    "extra_forbidden": "there is no such key",
    "list_type": "write a list, as in [1, 2]",
    "tuple_type": "write a list, as in [1, 2]",
    "dict_type": "write a table of keys and values",
    "model_type": "write a table of keys and values",
    "model_attributes_type": "write a table of keys and values",
    "string_type": "write a text in quotes",
    "string_pattern_mismatch": "is not written as it must be",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a finite number",
}
"""What is wrong with a value, by the kind of pydantic's error, where its own words would be of Python."""
LIMITS = {
    "greater_than": ("gt", "is not above {}"),
    "greater_than_equal": ("ge", "is below {}"),
    "less_than": ("lt", "is not below {}"),
    "less_than_equal": ("le", "is above {}"),
    "too_short": ("min_length", "has too few entries: at least {}"),
    "too_long": ("max_length", "has too many entries: at most {}"),
    "string_too_short": ("min_length", "is too short: at least {} letters"),
    "string_too_long": ("max_length", "is too long: at most {} letters"),
}
"""Errors about a limit: the name of the limit, and the words around it."""
TYPES = ("literal", "function", "[key]", "constrained", "list[", "tuple[")
"""Beginnings of parts of a place that name a type of Python, not a key."""


def first_problem(error: ValidationError, *above: str, document: object = None) -> str:
    """The first problem of a document with its place: `judges 2 ('echo').kind: is missing: write it`.

    Parameters
    ----------
    error : ValidationError
    *above : str
        Keys above the part that was checked.
    document : object, optional
        The document, for the names of tables in lists.
    """
    first = error.errors(include_url=False)[0]
    place = format_place((*above, *key_place(first["loc"])), document)
    return f"{place}: {plain_problem(first)}" if place else plain_problem(first)


def key_place(place: Place) -> tuple[str | int, ...]:
    """The keys and indexes of a place, without the names of types that pydantic puts among them."""
    return tuple(part for part in place if isinstance(part, int) or not part.startswith(TYPES))


def format_place(place: Place, document: object = None) -> str:
    """A place in a document as readers count, with the name of a table of a list where it has one.

    Parameters
    ----------
    place : sequence of str or int
        Keys, and indexes from 0.
    document : object, optional
        The document, for the names of tables in lists.
    """
    told, held = "", document
    for part in place:
        held = _entry(held, part)
        if isinstance(part, int):
            name = held.get("name") if isinstance(held, Mapping) else None
            told += f" {part + 1}" + (f" ('{name}')" if isinstance(name, str) else "")
        else:
            told += f".{part}" if told else part
    return told.strip()


def plain_problem(problem: ErrorDetails) -> str:
    """What is wrong, in words that are not of Python; a message of this program is left as it is."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in LIMITS:
        limit, words = LIMITS[kind]
        return words.format(context[limit])
    if kind == "literal_error":
        return f"choose from {context['expected']}".replace("'", "")
    return PLAIN_WORDS.get(kind) or problem["msg"].removeprefix("Value error, ")


def _entry(held: object, part: str | int) -> object:
    if isinstance(held, Mapping):
        return held.get(part)
    return held[part] if isinstance(held, list) and isinstance(part, int) and part < len(held) else None
