"""`gnomon recount`: counts the stored verdicts under other outcome rules."""

from __future__ import annotations

from pathlib import Path

from gnomon.api.study import open_study
from gnomon.calibration.results.audit import RecountDocument


def recount_verdicts(folder: Path, rule: str | None) -> RecountDocument:
    """Event rates of every judge and arm under the study's rule and others.

    Parameters
    ----------
    folder : Path
        The study's folder.
    rule : str, optional
        Rule to compare with the study's; None for every rule.
    """
    with open_study(folder) as study:
        return study.recount(rule)
