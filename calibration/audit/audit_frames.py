"""The audit document as tidy frames, one estimate per row, for charts and tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

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


def rate_frame(document: dict[str, Any], reading: str = "as_event") -> pd.DataFrame:
    """Error rates by judge, arm and measure; an undefined rate has no row.

    Parameters
    ----------
    document : dict of str to object
        The audit (`document.audit_study`).
    reading : str, default "as_event"
        Which rates: `as_event` for the event, `as_pass` for the study's pass.

    Returns
    -------
    pandas.DataFrame
        Columns judge, arm, measure, value, low, high, of (labelled trials behind the rate).
    """
    rows = []
    for judge in document["judges"]:
        for stratum in judge["strata"]:
            counts = stratum[reading]
            positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
            behind = {"sensitivity": positives, "specificity": negatives, "youden": positives + negatives}
            for key, name in MEASURES.items():
                if stratum["concept"] is None and stratum["subject"] is None and counts[key] is not None:
                    shared = {"judge": judge["judge"], "arm": stratum["arm"], "measure": name, "of": behind[key]}
                    rows.append({**shared, **_interval_fields(counts[key])})
    return pd.DataFrame(rows, columns=["judge", "arm", "measure", *INTERVAL, "of"])


def difference_frame(document: dict[str, Any]) -> pd.DataFrame:
    """Differences of Youden's J between arms: judge, arms (text "a - b"), value, low, high."""
    rows = [
        {"judge": judge["judge"], "arms": f"{each['a']} − {each['b']}", **_interval_fields(each["difference"])}
        for judge in document["judges"]
        for each in judge["youden"]["differences"]
    ]
    return pd.DataFrame(rows, columns=["judge", "arms", *INTERVAL])


def class_frame(document: dict[str, Any], judge: str) -> pd.DataFrame:
    """Outcome class by label and by verdict of one judge.

    Parameters
    ----------
    document : dict of str to object
        The audit.
    judge : str
        Name of the judge.

    Returns
    -------
    pandas.DataFrame
        Columns arm, truth, verdict, n, of, share, low, high.
    """
    rows = [row for each in document["judges"] if each["judge"] == judge for row in each["classes"]]
    return pd.DataFrame(rows, columns=["arm", "truth", "verdict", "n", "of", "share", "low", "high"])


def comparison_frame(document: dict[str, Any]) -> pd.DataFrame:
    """Event rate by judge, arm and method: judge, arm, method, value, low, high, judged, labelled, reason."""
    rows = []
    for row in document["comparison"]:
        figures = _interval_fields(row["estimate"]) if row["estimate"] else dict.fromkeys(INTERVAL)
        kept = {key: row[key] for key in ("judge", "arm", "judged", "labelled", "reason")}
        rows.append({**kept, "method": METHOD_NAMES[row["method"]], **figures})
    frame = pd.DataFrame(rows, columns=["judge", "arm", "method", *INTERVAL, "judged", "labelled", "reason"])
    return frame.astype(dict.fromkeys(INTERVAL, float))


def revision_frame(document: dict[str, Any]) -> pd.DataFrame:
    """Revisions of labels, one row each: trial, rater, seen, before, after, verdicts (text), direction."""
    rows = [
        {
            **{key: each[key] for key in ("trial", "rater", "before", "after", "direction")},
            "seen": each["exposure"].replace("_", " "),
            "verdicts": "; ".join(f"{said['judge']}: {said['outcome']}" for said in each["verdicts"]),
        }
        for each in document["revisions"]["moves"]
    ]
    return pd.DataFrame(rows, columns=["trial", "rater", "seen", "before", "after", "verdicts", "direction"])


def contradiction_frame(document: dict[str, Any]) -> pd.DataFrame:
    """Contradictions that occur, of judges and raters: who, what, n, of, value, low, high, trials (text)."""
    told = document["contradictions"]
    who = [(each["judge"], each) for each in told["judges"]] + [(each["rater"], each) for each in told["raters"]]
    rows = [
        {"who": name, "what": kind["words"], "n": kind["n"], "of": kind["of"], **_interval_fields(kind["share"])}
        | {"trials": ", ".join(kind["trials"])}
        for name, each in who
        for kind in each["kinds"].values()
        if kind["n"]
    ]
    return pd.DataFrame(rows, columns=["who", "what", "n", "of", *INTERVAL, "trials"])


def panel_frame(document: dict[str, Any]) -> pd.DataFrame:
    """Estimates by all judges together: rate (arm, or net detection), errors (independent or free), value, low,
    high.
    """
    whole = document["together"]
    rows = [*whole["arms"], {"arm": "net detection", **whole["net_detection_corrected"]}]
    shown = [
        {"rate": row["arm"], "errors": fit, **_interval_fields(row[fit])}
        for row in rows
        for fit in ("independent", "free")
        if row[fit] is not None
    ]
    return pd.DataFrame(shown, columns=["rate", "errors", *INTERVAL])


def agreement_frame(document: dict[str, Any]) -> pd.DataFrame:
    """Agreement of each pair of judges and raters: a, b, coefficient, value, low, high, n; undefined ones have no
    row.
    """
    rows = []
    for pair in document["agreement"]["pairs"]:
        names = dict(zip(("a", "b"), pair_names(pair), strict=True))
        for key, name in COEFFICIENTS.items():
            if pair[key] is not None:
                rows.append({**names, "coefficient": name, **_interval_fields(pair[key]), "n": pair["n"]})
    return pd.DataFrame(rows, columns=["a", "b", "coefficient", *INTERVAL, "n"])


def pair_names(pair: dict[str, Any]) -> tuple[str, str]:
    """The two names of a pair as `agreement_frame` writes them."""
    return f"{pair['a']} ({pair['a_kind']})", f"{pair['b']} ({pair['b_kind']})"


def _interval_fields(estimate: dict[str, Any]) -> dict[str, float]:
    return {key: estimate[key] for key in INTERVAL}
