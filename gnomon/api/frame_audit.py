"""The audit of judges from data frames: no study folder, no model, nothing on disk."""

from __future__ import annotations

import pandas as pd

from gnomon.api.audit_report import AuditReport
from gnomon.api.frame_store import read_frames, store_frames
from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.labels.views import check_view


def audit(
    trials: pd.DataFrame,
    verdicts: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    view: str = "blind",
    rule: str = "strict",
) -> AuditReport:
    """Measure judges against labels: errors by arm, agreement, and whether their rates may be corrected.

    Nothing is measured unless all three frames are in order. docs/api.md lists every column that is read.

    Parameters
    ----------
    trials : DataFrame
        One row a trial: `trial`, `arm`, and `concept` in the injection arm.
    verdicts : DataFrame
        One row a verdict: `trial`, `judge`, and `claims` (with `concept`, `coherent`, `refused`) or `passed`.
    labels : DataFrame
        One row a label: `trial`, `rater`, and the same facts. Without a column `exposure` labels count as blind.
    view : {"blind", "first", "current"}
        Which labels count: given blind, each rater's first, or those that stand now.
    rule : str
        How facts become outcomes: `strict`, `claim_first` or `lenient`.

    Returns
    -------
    AuditReport

    Raises
    ------
    GnomonError
        One line: which frame, row and column, what is wrong, and how to fix it.

    Examples
    --------
    >>> audit = gn.audit(trials, verdicts, labels)  # doctest: +SKIP
    >>> audit.judges["gpt-x"].correctable  # doctest: +SKIP
    False
    """
    check_view(view)
    store = store_frames(read_frames(trials, verdicts, labels), rule)
    try:
        return AuditReport(audit_study(store, view=view))
    finally:
        store.close()
