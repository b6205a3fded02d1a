"""What several measurements ask of the database, read once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

Read = TypeVar("Read")
_KNOWN: ContextVar[dict[tuple[object, ...], object] | None] = ContextVar("verdicts", default=None)


@contextmanager
def one_verdict_reading() -> Iterator[None]:
    """Within it, the verdicts of a store are read once for each question: each part of a card asks the same one.

    Of use only where nobody writes verdicts in between. One within another shares what the outer one has read.
    """
    token = _KNOWN.set({} if (known := _KNOWN.get()) is None else known)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def known_or_read(key: tuple[object, ...], read: Callable[[], Read]) -> Read:
    """What was read before within `one_verdict_reading`; nobody may change it.

    Parameters
    ----------
    key : tuple
        What is asked, the store among it.
    read : callable
        Reads it.
    """
    known = _KNOWN.get()
    if known is None:
        return read()
    if key not in known:
        known[key] = read()
    return cast(Read, known[key])
