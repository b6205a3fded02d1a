"""`gnomon calibrate`: measures the judges against the labels."""

from __future__ import annotations

from pathlib import Path

from gnomon.api.study import open_study
from gnomon.calibration.results.audit import AuditDocument


def audit_judges(folder: Path, view: str | None) -> AuditDocument:
    """Audit every judge version against the labels.

    Parameters
    ----------
    folder : Path
        The study's folder.
    view : str, optional
        Label view: blind, first or current; None for each in turn.
    """
    with open_study(folder) as study:
        return study.audit_views([view] if view else ())
