"""A file of results, one JSON object a line, that a simulation appends to and goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


class RunFile:
    """The results that there are already, and those that are added; without a path they are kept in memory alone.

    Parameters
    ----------
    path : Path, optional
        The file; made with the first result.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        there = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
        self.lines: list[Mapping[str, object]] = [json.loads(line) for line in there]

    def add(self, line: Mapping[str, object]) -> None:
        """Keep a result, on disk when this returns."""
        self.lines.append(line)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
