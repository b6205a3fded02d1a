"""Runs code that others wrote (a chat template) within bounded time and memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar

from gnomon.data.foreign_documents.bounds import SECONDS, WORK_BYTES, DocumentError

Made = TypeVar("Made")
_MEMORY = Lock()
_PAGES = Path("/proc/self/statm")


class _OutOfTimeError(BaseException):
    """Raised inside the thread; no `except Exception` of the code that runs there catches it."""


def run_within_limits(place: str, make: Callable[[], Made]) -> Made:
    """The result of a function, which runs in a thread of its own and is stopped when its time is over.

    Parameters
    ----------
    place : str
        What the function comes from, for the message.
    make : callable
        The function; what it raises is raised here.

    Raises
    ------
    DocumentError
        If it does not end in time, or needs more memory than allowed.
    """
    made: list[Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(make())
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    with _bounded_memory():
        thread.start()
        thread.join(SECONDS.most)
        if thread.is_alive():
            number = ctypes.c_ulong(thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(_OutOfTimeError))
            thread.join(1)
            raise DocumentError(place, f"does not end: it {SECONDS.refusal}")
    if failed and isinstance(failed[0], MemoryError):
        raise DocumentError(place, f"fills the memory: it {WORK_BYTES.refusal}")
    if failed:
        raise failed[0]
    return made[0]


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Bound what this process may reserve beyond what it has; elsewhere than on Linux nothing is bounded."""
    if not _PAGES.exists():
        yield
        return
    import resource

    with _MEMORY:
        before, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = int(_PAGES.read_text().split()[0]) * resource.getpagesize() + WORK_BYTES.most
        limits = [most, *(limit for limit in (before, hard) if limit != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (before, hard))
