"""Draws of the battery: an item's question, order and place, from its task, concept and number alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from gnomon.data.records import canonical_hash

Value = TypeVar("Value")
_DIGITS = 13
_SPREAD = 1 << 4 * _DIGITS


def drawn_number(below: int, *parts: str | int) -> int:
    """A whole number from 0 to below - 1, the same for the same parts everywhere.

    Parameters
    ----------
    below : int
        Number of possible values, at least 1.
    *parts : str or int
        What the draw is for.
    """
    return int(canonical_hash(["battery", *parts], _DIGITS), 16) * below // _SPREAD


def drawn_order(values: Sequence[Value], *parts: str | int) -> list[Value]:
    """The values in an order that is the same for the same parts everywhere.

    Parameters
    ----------
    values : sequence
        What is to be ordered.
    *parts : str or int
        What the draw is for.
    """
    keys = {place: canonical_hash(["battery", *parts, place]) for place in range(len(values))}
    return [values[place] for place in sorted(keys, key=lambda place: keys[place])]


def rotated_place(places: int, number: int, *parts: str | int) -> int:
    """A place from 0 to places - 1 for an item: each run of `places` items in turn has every place once.

    A preference for a place is therefore right as often as any other. Where the run begins is drawn.

    Parameters
    ----------
    places : int
        Number of places.
    number : int
        Number of the item, from 0.
    *parts : str or int
        What the draw is for.
    """
    return (drawn_number(places, *parts, "place", number // places) + number) % places


def rotated_value(values: Sequence[Value], number: int, *parts: str | int) -> Value:
    """A value for an item, so that as many items as there are values have all of them.

    Parameters
    ----------
    values : sequence
        What is drawn from.
    number : int
        Number of the item, from 0.
    *parts : str or int
        What the draw is for.
    """
    return values[rotated_place(len(values), number, *parts)]
