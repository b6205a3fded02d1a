"""Refusal by model and arm, and what excluding refusals may hide, as tables."""

from __future__ import annotations

from gnomon.data.arms import ARMS
from gnomon.stats.estimand_registry import NET_ENGAGED, REFUSAL, corrected_name
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows
from gnomon.stats.narrative.fit_sentences import APART
from gnomon.stats.results import EngagementBounds
from gnomon.stats.tables.design_tables import MODEL
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, Interval, TableColumn
from gnomon.stats.tables.headline_tables import estimate_cell, fit_title

MONOTONE, ANY = "monotone", "none"
"""Assumptions of the bounds: refusals move one way only, or either way."""
REFUSAL_CAPTION = "Refusal: share of trials that are refused, {fit}: posterior means with 95 % intervals."
BOUNDS_CAPTION = (
    "Net detection among trials that would be answered in either arm, {fit}. Bounds: posterior means of the least and "
    "the greatest value; 95 % limits: outer ends of their intervals."
)
NEGLIGIBLE, WITH_ZERO, APART_FROM_ZERO = "negligible effect of refusals", "consistent with zero", "apart from zero"


def refusal_table(fit: FitFrames) -> EstimateTable:
    """One row per model, one column per arm, and the number of trials."""
    rows = fit.estimates_by_axis(REFUSAL, "arm").sort_values(["parameters", "subject"], kind="stable")
    arms = [name for name in ARMS if name in set(rows["value"])]
    found: dict[str, dict[str, Cell]] = {}
    for row in frame_rows(rows, TidyEstimate):
        cells = found.setdefault(row.subject, {"model": row.subject, "size": row.parameters})
        cells[str(row.value)] = estimate_cell(row)
    columns = (
        MODEL,
        TableColumn("size", "Size", "size"),
        *(TableColumn(arm, ARMS[arm].label.capitalize(), "rate", ("refusal",)) for arm in arms),
    )
    caption = REFUSAL_CAPTION.format(fit=fit_title(fit.view))
    return EstimateTable("refusal-by-arm", caption, columns, tuple(found.values()))


def bounds_table(fit: FitFrames) -> EstimateTable:
    """One row per model: engaged net detection, its bounds under two assumptions with limits, and what follows."""
    bounds = fit.comparison_entry("bounds")
    engaged = {
        row.subject: row
        for name in (NET_ENGAGED, corrected_name(NET_ENGAGED))
        for row in frame_rows(fit.overall_estimates(name), TidyEstimate)
    }
    found: dict[str, dict[str, Cell]] = {}
    for row in frame_rows(bounds, EngagementBounds) if len(bounds) else ():
        cells = found.setdefault(row.subject, {"model": row.subject})
        if row.subject in engaged:
            cells["engaged"] = estimate_cell(engaged[row.subject])
        cells[row.assuming] = Interval((row.low + row.high) / 2, row.low, row.high)
        cells[f"{row.assuming}_limits"] = Interval((row.low95 + row.high95) / 2, row.low95, row.high95)
        if row.assuming == MONOTONE:
            cells["reading"] = bounds_reading(row)
    order = [name for name in engaged if name in found] + [name for name in found if name not in engaged]
    columns = (
        MODEL,
        TableColumn("engaged", "Engaged net detection", "difference", ("engaged net detection",)),
        TableColumn(MONOTONE, "Bounds, one way", "range", ("Lee bounds",)),
        TableColumn(f"{MONOTONE}_limits", "95 % limits", "range"),
        TableColumn(ANY, "Bounds, either way", "range", ("selection bounds",)),
        TableColumn(f"{ANY}_limits", "95 % limits, either way", "range"),
        TableColumn("reading", "Reading"),
    )
    caption = BOUNDS_CAPTION.format(fit=fit_title(fit.view))
    return EstimateTable("selection-bounds", caption, columns, tuple(found[name] for name in order)).filled()


def bounds_reading(row: EngagementBounds) -> str:
    """What the bounds under monotonicity say: how much refusals matter, and where zero lies."""
    if row.high - row.low < APART:
        return NEGLIGIBLE
    return WITH_ZERO if row.low95 <= 0 <= row.high95 else APART_FROM_ZERO
