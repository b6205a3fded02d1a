"""Outcomes by model and arm as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gnomon.calibration.plotting.theme import OUTCOME_COLOURS
from gnomon.data.arms import ARMS
from gnomon.data.outcomes import Outcome
from gnomon.stats.cells.outcome_counts import DENIED_OR_OTHER, OutcomeCount
from gnomon.stats.tables.design_tables import MODEL
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn

REST_NOTE = (
    "'Denied or other': the publication counts neither claims that name another concept nor incoherent responses, so "
    "they are not told from denials."
)


def outcome_table(rows: Sequence[OutcomeCount], source: str) -> EstimateTable:
    """One row for each model and arm: number of trials, and the share of each outcome.

    Parameters
    ----------
    rows : sequence of OutcomeCount
        `stats.cells.outcome_counts.study_outcomes`.
    source : str
        Who says what the outcomes are, as in "by the verdicts of lexicon".
    """
    found: dict[tuple[str, str], dict[str, Cell]] = {}
    for row in rows:
        cells = found.setdefault((row.subject, row.arm), {"model": row.subject, "arm": row.arm, "n": row.of})
        cells[row.outcome] = row.n / row.of if row.of else None
    shown = [name for name in OUTCOME_COLOURS if any(name in cells for cells in found.values())]
    columns = (
        MODEL,
        TableColumn("arm", "Arm", terms=("arm",)),
        TableColumn("n", "Trials", "count", ("trial",)),
        *(TableColumn(name, name.capitalize(), "rate", ("outcome",)) for name in shown),
    )
    filled = tuple({**_possible_zeros(shown, cells, arm), **cells} for (_, arm), cells in found.items())
    caption = f"Shares of trials {source}: not corrected for judge error, and without intervals."
    notes = (REST_NOTE,) if any(row.outcome == DENIED_OR_OTHER for row in rows) else ()
    return EstimateTable("outcome-shares", caption, columns, filled, notes)


def _possible_zeros(shown: Sequence[str], cells: Mapping[str, Cell], arm: str) -> dict[str, Cell]:
    """No trial with an outcome is a share of zero, except where the arm or the source does not have the outcome."""
    told = [Outcome.REFUSED] if DENIED_OR_OTHER in cells else list(Outcome)
    return {name: 0.0 for name in shown if name in told and (name != Outcome.IDENTIFIED or ARMS[arm].counts_identified)}
