"""Estimates as the JSON documents of docs/json.md, and as tables with the same content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gnomon.console import format_points, format_rate
from gnomon.data.storage import tables
from gnomon.stats.estimand_registry import headline_estimands, is_corrected, is_difference

if TYPE_CHECKING:
    from gnomon.session import Study

Row = Mapping[str, Any]


def estimates_document(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """The document that `fit` and `demo` print: counts of facts, one entry per estimate, diagnostics.

    Parameters
    ----------
    study : Study
        The open study.
    rows : sequence of mapping
        Rows of `tables.fits`.
    """
    passed = [row for row in rows if row["status"] == "passed"]
    figures = [
        _estimate_entry(figure, row) for row in passed for figure in row["result"]["estimands"] if not figure["by"]
    ]
    subjects = [subject.name for subject in study.store.load_subjects()]
    return {
        "study": study.file.name,
        "subjects": subjects,
        "trials": _trial_counts(study),
        "verdicts": study.store.count_rows(tables.verdicts),
        "labels": study.store.count_rows(tables.labels),
        "estimates": sorted(figures, key=lambda figure: _sort_key(figure, subjects)),
        "refused": _withheld_estimates(rows),
        "failed": [_failure_entry(row) for row in rows if row["status"] == "failed"],
        "diagnostics": _diagnostics_document(rows),
        "comparisons": {row["view"]: row["result"].get("comparisons", {}) for row in passed},
        "predictive": {row["view"]: row["result"].get("predictive", []) for row in passed},
    }


def _withheld_estimates(rows: Sequence[Row]) -> list[Row]:
    """Estimates withheld by any fit, deduplicated."""
    lines = [line for row in rows if row["status"] != "failed" for line in row["result"]["refused"]]
    return [line for place, line in enumerate(lines) if line not in lines[:place]]


def _failure_entry(row: Row) -> dict[str, Any]:
    return {"view": row["view"], "reasons": row["diagnostics"]["reasons"]}


def _trial_counts(study: Study) -> int:
    if not study.file.counts:
        return study.store.count_rows(tables.trials)
    return int(study.store.read_frame(tables.counts)["n"].sum())


def _estimate_entry(figure: Row, row: Row) -> dict[str, Any]:
    kept = {
        "subject": figure["subject"],
        "estimand": _unique_estimand_name(figure["estimand"], row["view"]),
        "mean": figure["mean"],
    }
    interval = {"low": figure["low95"], "high": figure["high95"], "level": 0.95}
    return {**kept, **interval, "observed": figure["observed"], "view": row["view"], "judge": row["result"]["judge"]}


def _unique_estimand_name(estimand: str, view: str) -> str:
    """An estimand's name, unique over views: refusal as judged and refusal corrected are different estimands."""
    plain = is_corrected(estimand) or not view.startswith("corrected")
    return estimand if plain else f"{estimand}_corrected"


def _sort_key(figure: Row, subjects: Sequence[str]) -> tuple[int, int, str]:
    name = figure["estimand"]
    return (
        subjects.index(figure["subject"]),
        headline_estimands().index(name) if name in headline_estimands() else len(headline_estimands()),
        name,
    )


def _diagnostics_document(rows: Sequence[Row]) -> dict[str, Any]:
    sampled = [row["diagnostics"] for row in rows if row["diagnostics"]["draws"]]
    return {
        "max_rhat": max((each["max_rhat"] for each in sampled), default=None),
        "min_ess": min((_smallest_ess(each) for each in sampled), default=None),
        "divergences": sum(each["divergences"] for each in sampled),
        "fits": {row["view"]: {"status": row["status"], **row["diagnostics"]} for row in rows},
    }


def _smallest_ess(diagnostics: Row) -> float:
    return float(min(diagnostics["min_ess_bulk"], diagnostics["min_ess_tail"]))


def format_diagnostics(row: Row) -> str:
    """Convergence diagnostics of a fit in one line."""
    each = row["diagnostics"]
    if not each["draws"]:
        return f"{row['status']}: nothing was sampled"
    good = f"R-hat {each['max_rhat']:.3f}, ESS {_smallest_ess(each):.0f}, {each['divergences']} divergences"
    weighted = each.get("reweighted")
    how = f", weighted from fit {weighted['fit'][:8]} (Pareto k {weighted['k']:.2f})" if weighted else ""
    return f"{row['status']}: {good}{how}"


def print_estimates(document: Row) -> None:
    """Print the estimates as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

    title = f"{document['study']}: {document['trials']:,} trials, {document['labels']:,} labels"
    shown = Table(title=title, box=None, title_justify="left")
    shown.add_column("", no_wrap=True)
    for name in ("mean", "95 % interval"):
        shown.add_column(name, justify="right", no_wrap=True)
    last = None
    for figure in document["estimates"]:
        if figure["estimand"] in headline_estimands():
            if figure["subject"] != last:
                shown.add_row(f"[bold]{figure['subject']}")
                last = figure["subject"]
            show = format_points if is_difference(figure["estimand"]) else format_rate
            interval = f"{show(figure['low'])} to {show(figure['high'])}"
            shown.add_row(f"  {figure['estimand'].replace('_', ' ')}", show(figure["mean"]), interval)
    console = Console(highlight=False)
    console.print(shown)
    lines = [f"not given: {each['estimand'].replace('_', ' ')}: {each['reason']}" for each in document["refused"]]
    for line in dict.fromkeys(lines):
        console.print(line, soft_wrap=True)
