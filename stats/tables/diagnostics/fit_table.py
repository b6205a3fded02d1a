"""How the fits went, as one table: status, convergence, draws and time."""

from __future__ import annotations

from collections.abc import Iterable

from gnomon.stats.narrative.fit_sentences import GATES
from gnomon.stats.narrative.formatting import format_time
from gnomon.stats.results import FAILED, StoredFit
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn

COLUMNS = (
    TableColumn("fit", "Fit", terms=("corrected", "as judged")),
    TableColumn("judge", "Judge", terms=("judge",)),
    TableColumn("status", "Status"),
    TableColumn("rhat", "R-hat", "number", ("R-hat",)),
    TableColumn("bulk", "Bulk ESS", "count", ("effective sample size",)),
    TableColumn("tail", "Tail ESS", "count", ("effective sample size",)),
    TableColumn("divergences", "Divergences", "count", ("divergence",)),
    TableColumn("draws", "Draws", "count"),
    TableColumn("chains", "Chains", "count"),
    TableColumn("seconds", "Seconds", "count"),
    TableColumn("weighted", "Weighted from"),
    TableColumn("k", "Pareto k", "number"),
    TableColumn("made", "Fitted"),
    TableColumn("data", "Data"),
    TableColumn("version", "Gnomon"),
)


def fit_table(fits: Iterable[StoredFit]) -> EstimateTable:
    """One row per fit; columns that no fit fills are left out."""
    return EstimateTable("fits", GATES, COLUMNS, tuple(map(_fit_row, fits))).filled()


def _fit_row(fit: StoredFit) -> dict[str, Cell]:
    each, weighted = fit.diagnostics, fit.diagnostics.reweighted
    reasons = "; ".join(each.reasons)
    return {
        "fit": fit.view,
        "judge": fit.result.judge,
        "status": f"{FAILED}: {reasons}" if fit.has_failed and reasons else fit.status,
        "rhat": each.max_rhat,
        "bulk": each.min_ess_bulk,
        "tail": each.min_ess_tail,
        "divergences": each.divergences if each.draws else None,
        "draws": each.draws * each.chains if each.draws else None,
        "chains": each.chains or None,
        "seconds": round(each.seconds_compile + each.seconds_sample) or None,
        "weighted": weighted.fit[:8] if weighted else None,
        "k": weighted.k if weighted else None,
        "made": format_time(fit.created_at) if fit.created_at else None,
        "data": fit.data_hash[:12] or None,
        "version": fit.code_version or None,
    }
