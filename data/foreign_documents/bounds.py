"""The most that a foreign document may become in memory and time, each with the environment variable that raises it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gnomon.data.errors import InputError


class DocumentError(InputError):
    """A foreign document that is broken, or that exceeds a bound.

    Parameters
    ----------
    place : str
        The file, server or archive member; "" if only the caller knows it.
    problem : str
        What is wrong with it and how to fix that.
    """

    def __init__(self, place: object, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if str(place) else problem)
        self.problem = problem


SMALL_FILE = 10_000_000
"""Bytes of a file up to which it takes no command more than 20 seconds of work or 1.5 GB of memory."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most of one quantity.

    Attributes
    ----------
    setting : str
        Environment variable that replaces the default.
    default : int
        Greatest allowed number.
    unit : str
        What is counted, in the plural.
    reason : str
        What the bound protects, for the documentation.
    bytes_each : int
        Bytes of a file, beyond `SMALL_FILE`, for each of which it may have one more; 0 for none.
    """

    setting: str
    default: int
    unit: str
    reason: str
    bytes_each: int = 0

    @property
    def most(self) -> int:
        """The greatest allowed number: the environment's, else the default.

        Raises
        ------
        InputError
            If the environment holds no positive whole number.
        """
        given = os.environ.get(self.setting)
        if given is None:
            return self.default
        if not (given.isascii() and given.isdigit() and 0 < len(given) <= 15 and int(given)):
            raise InputError(f"{self.setting} = '{given[:40]}': is no positive whole number of {self.unit}: correct it")
        return int(given)

    @property
    def refusal(self) -> str:
        """What is wrong with a document beyond the bound, and the setting that raises it."""
        return f"has more than {self.most:,} {self.unit}: if you trust it, set {self.setting} to allow more"

    def check(self, number: float, place: object = "") -> None:
        """Check a number against the bound.

        Parameters
        ----------
        number : float
            Number of units.
        place : object
            Where they were found, for the message.

        Raises
        ------
        DocumentError
            If there are more than allowed.
        """
        if number > self.most:
            raise DocumentError(place, self.refusal)


TEXT = Bound("GNOMON_MAX_BYTES", 2**28, "bytes", "one line, cell, archive member or document")
VALUES = Bound("GNOMON_MAX_VALUES", 30_000_000, "values", "one JSON document")
PACKED_VALUES = Bound("GNOMON_MAX_PACKED_VALUES", 4_000_000, "values", "one JSON document of an archive")
DEPTH = Bound("GNOMON_MAX_DEPTH", 100, "levels of nesting", "one JSON or TOML document")
COLUMNS = Bound("GNOMON_MAX_COLUMNS", 10_000, "columns", "one table")
UNPACKED = Bound("GNOMON_MAX_UNPACKED", 2**28, "unpacked bytes beyond 80 for each packed byte", "one archive")
WORKBOOK = Bound("GNOMON_MAX_WORKBOOK", 40_000_000, "unpacked bytes beyond 2 for each packed byte", "one workbook")
ROWS = Bound(
    "GNOMON_MAX_ROWS", 100_000, "rows (and one for each 40 bytes beyond 10 MB)", "one table, log or export", 40
)
FACTS = Bound(
    "GNOMON_MAX_FACTS",
    100_000,
    "trials, verdicts and labels (and one for each 30 bytes beyond 10 MB)",
    "one import",
    30,
)
CELLS = Bound("GNOMON_MAX_CELLS", 2_500_000, "cells (and one for each 4 bytes beyond 10 MB)", "one table", 4)
SHEET_CELLS = Bound(
    "GNOMON_MAX_SHEET_CELLS", 1_200_000, "cells (and one for each 8 bytes beyond 10 MB)", "one workbook", 8
)
REVISIONS = Bound("GNOMON_MAX_REVISIONS", 100, "labels of one rater on one trial", "one import")
BLANK_ROWS = Bound("GNOMON_MAX_BLANK_ROWS", 1_100_000, "blank rows", "one table")
PROBLEMS = Bound("GNOMON_MAX_PROBLEMS", 100_000, "rows that cannot be read", "one import")
SMALL_TEXT = Bound("GNOMON_MAX_STUDY_BYTES", 2**22, "bytes", "one study file, map or protocol")
ENTITIES = Bound("GNOMON_MAX_ENTITIES", 1_000, "models or judges", "one study file")
CONDITIONS = Bound("GNOMON_MAX_CONDITIONS", 100_000, "conditions", "one design")
TRIALS = Bound("GNOMON_MAX_TRIALS", 2_000_000, "trials", "one design")
MODEL_LAYERS = Bound("GNOMON_MAX_LAYERS", 1_000, "layers", "one model's configuration")
WEIGHTS = Bound("GNOMON_MAX_WEIGHTS", 50_000_000, "weights beyond 8 for each byte of its files", "one model's folder")
HEADER = Bound("GNOMON_MAX_HEADER_BYTES", 10**8, "bytes in its header", "one file of weights")
ENTRIES = Bound("GNOMON_MAX_ENTRIES", 1_000_000, "entries in its header", "one GGUF file")
SECONDS = Bound("GNOMON_MAX_SECONDS", 10, "seconds of work", "one rendering of a chat template")
WORK_BYTES = Bound("GNOMON_MAX_WORK_BYTES", 2**29, "bytes of memory", "one rendering of a chat template, on Linux")
REPLY = Bound("GNOMON_MAX_REPLY_BYTES", 4_000_000, "bytes", "one reply of a judge's server, unpacked")
REPLY_FILE = Bound("GNOMON_MAX_REPLY_FILE_BYTES", 2**30, "bytes", "one result file of a judge's Batch API, unpacked")
REPLY_VALUES = Bound("GNOMON_MAX_REPLY_VALUES", 500_000, "values", "one reply of a judge's server")

BOUNDS = (
    TEXT,
    VALUES,
    PACKED_VALUES,
    DEPTH,
    COLUMNS,
    UNPACKED,
    WORKBOOK,
    ROWS,
    FACTS,
    CELLS,
    SHEET_CELLS,
    REVISIONS,
    BLANK_ROWS,
    PROBLEMS,
    SMALL_TEXT,
    ENTITIES,
    CONDITIONS,
    TRIALS,
    MODEL_LAYERS,
    WEIGHTS,
    HEADER,
    ENTRIES,
    SECONDS,
    WORK_BYTES,
    REPLY,
    REPLY_FILE,
    REPLY_VALUES,
)
"""All bounds; docs/security.md lists them, which a test checks."""


@dataclass(slots=True)
class Allowance:
    """How many rows, facts or cells may still come from files: as many as the bound says, and from large files more
    by their size. Rows of a few bytes each are no trials, and millions of them fit into a small file.

    Parameters
    ----------
    place : object
        The file, or what else the message names.
    bound : Bound
        `ROWS`, `FACTS`, `CELLS` or `SHEET_CELLS`.
    size : int
        Bytes of the files.
    """

    place: object
    bound: Bound
    size: int
    left: int = field(init=False)
    blank_left: int = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was taken yet."""
        beyond = max(0, self.size - SMALL_FILE)
        self.left = self.bound.most + (beyond // self.bound.bytes_each if self.bound.bytes_each else 0)
        self.blank_left = BLANK_ROWS.most

    @classmethod
    def of_file(cls, path: Path, bound: Bound = ROWS) -> Allowance:
        """What a file may have by its size; what cannot be asked for its size is told where it is opened.

        Parameters
        ----------
        path : Path
            The file.
        bound : Bound, default ROWS
            What is counted.
        """
        try:
            return cls(path, bound, path.stat().st_size)
        except OSError:
            return cls(path, bound, 0)

    def take(self, number: int = 1) -> None:
        """Take rows, facts or cells; raises `DocumentError` if there are more than allowed."""
        self.left -= number
        if self.left < 0:
            raise DocumentError(self.place, self.bound.refusal)

    def take_blank(self) -> None:
        """Take a row without any cell; raises `DocumentError` if there are more than allowed."""
        self.blank_left -= 1
        if self.blank_left < 0:
            raise DocumentError(self.place, BLANK_ROWS.refusal)
