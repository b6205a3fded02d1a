"""`gnomon report`: writes the report."""

from __future__ import annotations

from pathlib import Path

from gnomon.api.study import open_study
from gnomon.commands.console_listener import ConsoleListener


def write_report(folder: Path, out: Path) -> Path:
    """Write the report of a study.

    Parameters
    ----------
    folder : Path
        The study's folder.
    out : Path
        The .html or .pdf file to write.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        return study.report(out)
