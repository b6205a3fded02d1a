"""Where a process that is started looks for Python modules: not in the current folder, which may be somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "PYTHONPATH"
OWN = os.path.realpath(Path(__file__).parents[3])
"""Folder that holds the package."""


def absolute_path(given: str) -> str:
    """A `PYTHONPATH` that means the same from any folder, without parts that stand for the current one.

    The current folder stays where it is named in full, or holds Gnomon itself.
    """
    here = os.path.realpath(Path.cwd())
    kept = [
        str(Path(part).absolute())
        for part in given.split(os.pathsep)
        if part and (Path(part).is_absolute() or os.path.realpath(part) != here or here == OWN)
    ]
    return os.pathsep.join(kept)
