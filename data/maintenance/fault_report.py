"""Describes any exception in one line, with a log file for what no error of Gnomon explains."""

from __future__ import annotations

import tempfile
import traceback

from gnomon.data.errors import GnomonError, missing_package
from gnomon.data.foreign_documents.display_text import clean_line

LONGEST_LINE = 2_000
MOST_LOGS = 20
"""Log files of one process: a page that fails at each of its runs does not fill the disk."""
_LOGS: dict[str, str] = {}


def describe_error(error: Exception) -> tuple[str, int]:
    """One line about an exception, and the exit status of a command that it ends.

    Parameters
    ----------
    error : Exception
        What was raised. An error of Gnomon, of the system or of memory says itself what is wrong; any other is a fault
        of Gnomon, whose traceback goes into a log file.

    Returns
    -------
    tuple of (str, int)
        The line, without control characters, and the status.
    """
    if isinstance(error, ModuleNotFoundError):
        error = missing_package(error.name) or error
    said = shorten_line(str(error))
    if isinstance(error, GnomonError):
        return said, error.exit_status
    if isinstance(error, OSError):
        return f"{said}: fix that and run the same command again", 1
    if isinstance(error, MemoryError):
        return "the memory is full: end other programs, or name a smaller input", 1
    return (
        f"this is a fault of Gnomon ({type(error).__name__}: {said[:200]}): nothing that was reported as stored is "
        f"lost; send {_log_file(error)} with your report",
        1,
    )


def shorten_line(text: str) -> str:
    """The text in one line without control characters, cut to a length that a terminal takes."""
    line = clean_line(text).rstrip(".")
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..."


def _log_file(error: Exception) -> str:
    """A file that only this user can read, with the traceback; one for all errors of one kind and place."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    kind = f"{type(error).__name__} {[(frame.filename, frame.lineno) for frame in where]}"
    if kind in _LOGS:
        return _LOGS[kind]
    if len(_LOGS) >= MOST_LOGS:
        return "the earlier logs"
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="gnomon-", suffix=".log", delete=False
        ) as file:
            file.writelines(traceback.format_exception(error))
    except OSError as problem:
        return f"what you did (no log could be written: {problem.strerror})"
    return _LOGS.setdefault(kind, file.name)
