"""`gnomon init`: writes a commented study file."""

from __future__ import annotations

from pathlib import Path

from gnomon.chain.session import write_study_file
from gnomon.console import print_status
from gnomon.data.errors import InputError
from gnomon.study_file import FILE

FULL = {"injection": 5, "control": 40, "random": 2, "draws": 1000, "tune": 500, "strengths": "[0.5, 0.75, 1.0]"}
"""Values of the template's placeholders."""


def init_study(folder: Path) -> None:
    """Write a commented study file.

    Raises
    ------
    InputError
        If there is one already.
    """
    if not write_study_file(folder, "study.toml", **FULL, name=folder.resolve().name, calibration="false"):
        raise InputError(f"{folder / FILE}: is there already: edit it, or name another folder")
    print_status(f"{folder / FILE} written: edit it, then 'gnomon generate {folder}'")
