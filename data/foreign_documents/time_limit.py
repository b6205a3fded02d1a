"""Runs code that others wrote (a chat template) for a bounded time."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from gnomon.data.foreign_documents.bounds import SECONDS, Bound, DocumentError

Made = TypeVar("Made")


class _OutOfTimeError(BaseException):
    """Raised inside the thread; no `except Exception` of the code that runs there catches it."""


def run_within_time(place: str, make: Callable[[], Made], bound: Bound = SECONDS) -> Made:
    """The result of a function, which runs in a thread of its own and is stopped after the bound.

    Parameters
    ----------
    place : str
        What the function comes from, for the message.
    make : callable
        The function; what it raises is raised here.
    bound : Bound
        Greatest number of seconds.

    Raises
    ------
    DocumentError
        If it does not end in time.
    """
    made: list[Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(make())
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(bound.most)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_OutOfTimeError))
        thread.join(1)
        raise DocumentError(place, f"does not end: it {bound.refusal}")
    if failed:
        raise failed[0]
    return made[0]
