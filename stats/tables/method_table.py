"""Corrected estimates by every method side by side."""

from __future__ import annotations

from collections.abc import Iterable

from gnomon.stats.estimand_registry import CORRECTED_VIEW, headline_estimands, view_name
from gnomon.stats.narrative.formatting import estimand_label
from gnomon.stats.narrative.method_sentences import METHOD_NAMES
from gnomon.stats.results import MethodEstimate
from gnomon.stats.tables.design_tables import MODEL
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn
from gnomon.stats.tables.headline_tables import estimate_phrase

CAPTION = "Corrected estimates with 95 % intervals by each method; the headline is the one shown elsewhere."


def method_table(rows: Iterable[MethodEstimate]) -> EstimateTable:
    """Headline estimands by every method: columns model, estimate, one per method, and which of them is the headline.

    A method without any estimate has no column.
    """
    names = {view_name(name, CORRECTED_VIEW) for name in headline_estimands()}
    table: dict[tuple[str, str], dict[str, Cell]] = {}
    for row in rows:
        if row.estimand not in names:
            continue
        cells = table.setdefault((row.subject, row.estimand), {})
        cells[row.method] = estimate_phrase(row.estimand, row)
        if row.headline:
            cells["headline"] = METHOD_NAMES[row.method]
    columns = (
        MODEL,
        TableColumn("estimate", "Estimate"),
        *(TableColumn(name, said[:1].upper() + said[1:]) for name, said in METHOD_NAMES.items()),
        TableColumn("headline", "Headline"),
    )
    made = tuple(
        {"model": subject, "estimate": estimand_label(estimand), **cells}
        for (subject, estimand), cells in table.items()
    )
    return EstimateTable("methods", CAPTION, columns, made).filled()
