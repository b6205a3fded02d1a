"""`gnomon report`: writes the report."""

from __future__ import annotations

from pathlib import Path

from gnomon.api.study import open_study
from gnomon.commands.console_listener import ConsoleListener


def write_report(folder: Path, out: Path, paper: str = "a4") -> Path:
    """Write the report of a study.

    Parameters
    ----------
    folder : Path
        The study's folder.
    out : Path
        The .html, .pdf, .md or .zip file to write.
    paper : {"a4", "letter"}, default "a4"
        Size of paper of a PDF.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        return study.report(out, paper)
