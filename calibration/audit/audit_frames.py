"""The audit document as tidy frames, one estimate per row, for charts and tables."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from gnomon.calibration.results.agreement import PairAgreement
from gnomon.calibration.results.audit import AuditResult, ViewAudit
from gnomon.calibration.results.panel import PanelEstimate, PanelSummary
from gnomon.data.arms import identified_arms
from gnomon.data.results import Estimate

MEASURES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "youden": "Youden's J"}
METHOD_NAMES = {
    "naive": "Verdicts as they are (Wilson)",
    "labels": "Labels alone (Wilson)",
    "rogan_gladen": "Rogan-Gladen",
    "lang_reiczigel": "Lang-Reiczigel",
    "ppi": "PPI++",
    "joint": "Joint posterior",
    "panel": "Joint posterior, all judges",
}
COEFFICIENTS = {
    "agreement": "Agreement",
    "cohen": "Cohen's kappa",
    "ac1": "Gwet's AC1",
    "alpha": "Krippendorff's alpha",
}
INTERVAL = ("value", "low", "high")


Reading = Literal["as_event", "as_pass"]


def rate_frame(audit: AuditResult, reading: Reading = "as_event") -> pd.DataFrame:
    """Error rates by judge, arm and measure; an undefined rate has no row.

    Parameters
    ----------
    audit : AuditResult
        The audit.
    reading : {"as_event", "as_pass"}
        Which rates: of the event, or of the study's pass.

    Returns
    -------
    pandas.DataFrame
        Columns judge, arm, measure, value, low, high, of (labelled trials behind the rate), effective (their
        effective number where labels are weighted).
    """
    rows = []
    for judge in audit.judges:
        for stratum in judge.strata:
            counts = stratum.as_pass if reading == "as_pass" else stratum.as_event
            positives, negatives = counts.tp + counts.fn, counts.fp + counts.tn
            behind = {"sensitivity": positives, "specificity": negatives, "youden": positives + negatives}
            worth = {"sensitivity": counts.effective_positives, "specificity": counts.effective_negatives}
            worth["youden"] = sum(worth.values())
            for key, name in MEASURES.items():
                rate: Estimate | None = getattr(counts, key)
                if stratum.is_whole_arm and rate is not None:
                    shared = {"judge": judge.judge, "arm": stratum.arm, "measure": name, "of": behind[key]}
                    rows.append({**shared, "effective": round(worth[key], 1), **_interval_fields(rate)})
    return pd.DataFrame(rows, columns=["judge", "arm", "measure", *INTERVAL, "of", "effective"])


def difference_frame(audit: AuditResult) -> pd.DataFrame:
    """Differences of Youden's J between arms: judge, arms (text "a - b"), value, low, high."""
    rows = [
        {"judge": judge.judge, "arms": f"{each.a} − {each.b}", **_interval_fields(each.difference)}
        for judge in audit.judges
        for each in judge.youden.differences
        if each.difference is not None
    ]
    return pd.DataFrame(rows, columns=["judge", "arms", *INTERVAL])


def class_word(name: str) -> str:
    """An outcome class as readers see it: what is neither event nor refused nor incoherent is denied, or another."""
    return "denied or other" if name == "rest" else name


def class_frame(audit: AuditResult, judge: str) -> pd.DataFrame:
    """Outcome class by label and by verdict of one judge.

    Parameters
    ----------
    audit : AuditResult
        The audit.
    judge : str
        Name of the judge.

    Returns
    -------
    pandas.DataFrame
        Columns arm, truth, verdict, n, of, effective, share, low, high.
    """
    rows = [vars(row) for each in audit.judges if each.judge == judge for row in each.classes]
    return pd.DataFrame(rows, columns=["arm", "truth", "verdict", "n", "of", "effective", "share", "low", "high"])


def comparison_frame(audit: AuditResult) -> pd.DataFrame:
    """Event rate by judge, arm and method: judge, arm, method, value, low, high, judged, labelled, reason, clipped."""
    rows = [
        {
            "judge": row.judge,
            "arm": row.arm,
            "method": METHOD_NAMES[row.method],
            **(_interval_fields(row.estimate) if row.estimate else dict.fromkeys(INTERVAL)),
            "judged": row.judged,
            "labelled": row.labelled,
            "reason": row.reason,
            "clipped": row.clipped,
        }
        for row in audit.comparison
    ]
    frame = pd.DataFrame(rows, columns=["judge", "arm", "method", *INTERVAL, "judged", "labelled", "reason", "clipped"])
    return frame.astype(dict.fromkeys(INTERVAL, float))


def revision_frame(audit: AuditResult) -> pd.DataFrame:
    """Revisions of labels, one row each: trial, rater, seen, before, after, verdicts (text), direction."""
    rows = [
        {
            "trial": each.trial,
            "rater": each.rater,
            "seen": each.exposure.replace("_", " "),
            "before": each.before,
            "after": each.after,
            "verdicts": "; ".join(f"{said.judge}: {said.outcome}" for said in each.verdicts),
            "direction": each.direction,
        }
        for each in audit.revisions.moves
    ]
    return pd.DataFrame(rows, columns=["trial", "rater", "seen", "before", "after", "verdicts", "direction"])


def contradiction_frame(audit: AuditResult) -> pd.DataFrame:
    """Contradictions that occur, of judges and raters: who, what, n, of, value, low, high, trials (text).

    By kind, impossible combinations of facts first.
    """
    found = audit.contradictions.by_name()
    order = list(dict.fromkeys(name for _, each in found for name in each.kinds))
    rows = [
        {"who": who, "what": kind.words, "n": kind.n, "of": kind.of}
        | (_interval_fields(kind.share) if kind.share else {})
        | {"trials": ", ".join(kind.trials)}
        for name in order
        for who, each in found
        if (kind := each.kinds[name]).n
    ]
    return pd.DataFrame(rows, columns=["who", "what", "n", "of", *INTERVAL, "trials"])


def panel_frame(audit: ViewAudit) -> pd.DataFrame:
    """Estimates by all judges together: rate (`panel_rows`), errors (independent or free), value, low, high."""
    rows = [
        {"rate": name, "errors": errors, **_interval_fields(estimate)}
        for name, row in panel_rows(audit.together)
        for errors, estimate in (("independent", row.independent), ("free", row.free))
        if estimate is not None
    ]
    return pd.DataFrame(rows, columns=["rate", "errors", *INTERVAL])


PANEL_NET = "net detection, audit estimate"
PANEL_NOTE = (
    "Audit estimate: models pooled, labels of the splits that judges are measured on, joint posterior with 95 % "
    "credible intervals. Net detection is the difference: identified in injection minus not denied in control. The "
    "corrected net detection of the fit is by model and uses all labels of the view."
)


def panel_rows(panel: PanelSummary) -> list[tuple[str, PanelEstimate]]:
    """The rates of all judges together by name: events by arm, and net detection below the two rates it is made of."""
    event = {True: "identified", False: "claims anything"}
    rows: list[tuple[str, PanelEstimate]] = [
        (f"{row.arm}, {event[row.arm in identified_arms()]}", row) for row in panel.arms
    ]
    if panel.not_denied is not None:
        rows.append((f"{panel.not_denied.arm}, not denied", panel.not_denied))
    return [*rows, (PANEL_NET, panel.net_detection_audit)]


def agreement_frame(audit: ViewAudit) -> pd.DataFrame:
    """Agreement of each pair of judges and raters: a, b, coefficient, value, low, high, n, base_rate, reason.

    An undefined coefficient has no row; one that is not given for lack of trials has a row with its reason.
    """
    rows = []
    for pair in audit.agreement.pairs:
        names = dict(zip(("a", "b"), pair_names(pair), strict=True))
        for key, name in COEFFICIENTS.items():
            coefficient: Estimate | None = getattr(pair, key)
            if coefficient is not None or (pair.reason and pair.n + pair.selected):
                interval = dict.fromkeys(INTERVAL) if coefficient is None else _interval_fields(coefficient)
                rows.append({**names, "coefficient": name, **interval, "n": pair.n})
                rows[-1] |= {"base_rate": pair.base_rate, "reason": pair.reason}
    frame = pd.DataFrame(rows, columns=["a", "b", "coefficient", *INTERVAL, "n", "base_rate", "reason"])
    return frame.astype(dict.fromkeys((*INTERVAL, "base_rate"), float))


def pair_names(pair: PairAgreement) -> tuple[str, str]:
    """The two names of a pair as `agreement_frame` writes them."""
    return f"{pair.a} ({pair.a_kind})", f"{pair.b} ({pair.b_kind})"


def _interval_fields(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
