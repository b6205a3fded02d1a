"""An audit of judges as people read it: which may be used to correct rates and why, tables, charts, notebook view."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gnomon.calibration.audit import audit_charts, audit_frames
from gnomon.calibration.results.audit import JudgeAudit, ViewAudit
from gnomon.data.errors import UnknownNameError

COLUMNS = {"value": "estimate", "low": "ci_low", "high": "ci_high", "of": "n"}


@dataclass(frozen=True)
class AuditReport:
    """Judges measured against the labels of one view.

    Attributes
    ----------
    audit : ViewAudit
        The whole result; `audit.model_dump(mode="json")` is its JSON document.
    """

    audit: ViewAudit

    @property
    def view(self) -> str:
        """Which labels counted: blind, first or current."""
        return self.audit.view

    @property
    def judges(self) -> Mapping[str, JudgeAudit]:
        """The measurements of each judge, by name; the newest version of each."""
        return {judge.judge: judge for judge in self.audit.judges}

    @property
    def correctable(self) -> list[str]:
        """Judges whose event rates may be corrected in the injection and the control arm both."""
        return [name for name, judge in self.judges.items() if judge.correctable]

    @property
    def reasons(self) -> dict[str, list[str]]:
        """For each judge, why its rates may not be corrected; empty where they may be."""
        return {name: list(judge.reasons) for name, judge in self.judges.items()}

    @property
    def error_rates(self) -> pd.DataFrame:
        """Error rates against the event: judge, arm, measure (sensitivity, specificity, youden), estimate, ci_low,
        ci_high (95 %), n (labels behind it). A rate that is undefined has no row.
        """
        keys = {name: key for key, name in audit_frames.MEASURES.items()}
        frame = audit_frames.rate_frame(self.audit).rename(columns=COLUMNS).drop(columns="effective")
        return frame.assign(measure=frame["measure"].map(keys))

    @property
    def corrected_rates(self) -> pd.DataFrame:
        """Event rate by judge, arm and method: judge, arm, method, estimate, ci_low, ci_high, judged, labelled, reason
        (why a method gives none).
        """
        return audit_frames.comparison_frame(self.audit).rename(columns=COLUMNS)

    @property
    def agreement(self) -> pd.DataFrame:
        """Agreement of each pair of judges and raters: a, b, coefficient, estimate, ci_low, ci_high, n, reason."""
        return audit_frames.agreement_frame(self.audit).rename(columns=COLUMNS)

    @property
    def plot(self) -> AuditPlots:
        """Charts of the audit."""
        return AuditPlots(self)

    def _repr_html_(self) -> str:
        """The notebook's view: a sentence for each judge, and the error rates."""
        lines = "".join(
            f"<li><b>{html.escape(name)}</b>: {html.escape(judge.verdict)}</li>" for name, judge in self.judges.items()
        )
        table = self.error_rates.to_html(index=False, float_format="{:.3f}".format)
        return f"<p>{self.audit.labelled} {html.escape(self.view)} labels</p><ul>{lines}</ul>{table}"


@dataclass(frozen=True)
class AuditPlots:
    """Altair charts of an audit."""

    report: AuditReport

    def error_rates(self) -> Any:
        """Sensitivity, specificity and Youden's J of each judge by arm, with 95 % intervals."""
        return audit_charts.error_rates(audit_frames.rate_frame(self.report.audit))

    def confusion(self, judge: str) -> Any:
        """Outcome class by label and by verdict of one judge; raises `UnknownNameError` for one that is not there."""
        self._check_judge(judge)
        return audit_charts.confusion_heat_map(audit_frames.class_frame(self.report.audit, judge), judge=judge)

    def corrected_rates(self, judge: str) -> Any:
        """Event rates by method from one judge's verdicts; raises `UnknownNameError` for one that is not there."""
        self._check_judge(judge)
        frame = audit_frames.comparison_frame(self.report.audit)
        return audit_charts.correction_methods_chart(frame[frame["judge"] == judge], judge=judge)

    def agreement(self) -> Any:
        """Agreement of each pair of judges and raters."""
        return audit_charts.agreement_matrix(audit_frames.agreement_frame(self.report.audit))

    def youden_differences(self) -> Any:
        """Differences of Youden's J between arms, by judge."""
        return audit_charts.youden_differences(audit_frames.difference_frame(self.report.audit))

    def _check_judge(self, judge: str) -> None:
        if judge not in self.report.judges:
            known = ", ".join(self.report.judges) or "none"
            raise UnknownNameError(f"judge '{judge}' is not in this audit: it has {known}")
