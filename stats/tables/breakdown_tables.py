"""Estimates of one fit by concept, strength or arm, its cells of layer and strength, and all that it holds."""

from __future__ import annotations

from gnomon.stats.estimand_registry import ESTIMANDS
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.narrative.formatting import estimand_label
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn
from gnomon.stats.tables.frame_tables import FIT_ENDS, table_of_intervals
from gnomon.stats.tables.headline_tables import estimand_column, estimand_kind, fit_title

MODEL = TableColumn("subject", "Model", terms=("model",))
AXES = {"concept": "concept", "strength": "strength", "arm": "arm"}
"""Axes of a breakdown with the glossary's term for each."""
BREAKDOWN_CAPTION = "{label} by {axis}, {fit}: posterior means with 95 % intervals."
DOSE_CAPTION = (
    "Net detection by layer and strength, {fit}: posterior means with 95 % intervals. The cell with the highest mean "
    "was selected as the maximum, so its estimate is biased upward; P(best) is the posterior probability that it is."
)
ALL_CAPTION = "Every estimate of the fit {fit}: posterior mean with 95 % interval, and the share as counted."


def breakdown_table(fit: FitFrames, name: str, axis: str) -> EstimateTable:
    """One estimand by the values of an axis, models side by side in rows.

    Parameters
    ----------
    fit : FitFrames
    name : str
        Name of the estimand.
    axis : {"concept", "strength", "arm"}
    """
    rows = fit.estimates_by_axis(name, axis).sort_values(["parameters", "subject", "value"], kind="stable")
    about = estimand_column(name)
    columns = (
        MODEL,
        TableColumn("value", axis.capitalize(), terms=(AXES[axis],)),
        TableColumn("estimate", about.heading, about.kind, about.terms),
        TableColumn("observed", "As counted", about.kind),
        TableColumn("n", "Trials", "count", ("trial",)),
    )
    label = estimand_label(name)
    caption = BREAKDOWN_CAPTION.format(label=label[:1].upper() + label[1:], axis=axis, fit=fit_title(fit.view))
    shown = rows.assign(value=[f"{value:g}" if isinstance(value, float) else str(value) for value in rows["value"]])
    table = table_of_intervals(f"{name}-by-{axis}".replace("_", "-"), caption, shown, columns, ends=FIT_ENDS)
    return table.filled()


def dose_cell_table(fit: FitFrames) -> EstimateTable:
    """Net detection in each cell of layer and strength."""
    rows = fit.comparison_entry("best")
    columns = (
        MODEL,
        TableColumn("layer", "Layer", "count", ("layer",)),
        TableColumn("depth", "Depth", "number", ("depth",)),
        TableColumn("strength", "Strength", "setting", ("strength",)),
        TableColumn("estimate", "Net detection", "difference", ("net detection",)),
        TableColumn("naive", "As counted", "difference"),
        TableColumn("n", "Trials", "count", ("trial",)),
        TableColumn("probability_best", "P(best)", "number"),
    )
    caption = DOSE_CAPTION.format(fit=fit_title(fit.view))
    return table_of_intervals("layers-and-strengths", caption, rows, columns, ends=FIT_ENDS).filled()


def estimate_list_table(fit: FitFrames) -> EstimateTable:
    """Every estimate that a fit holds, over the whole design and by axis."""
    rows: list[dict[str, Cell]] = []
    order = list(ESTIMANDS)
    found = fit.estimands.assign(
        place=[order.index(name) if name in order else len(order) for name in fit.estimands["estimand"]]
    ).sort_values(["place", "axis", "parameters", "subject"], kind="stable")
    columns = (
        MODEL,
        TableColumn("estimand", "Estimate", terms=("estimate",)),
        TableColumn("where", "Where"),
        TableColumn("rate", "Rate", "rate"),
        TableColumn("difference", "Difference", "difference"),
        TableColumn("observed_rate", "Counted rate", "rate"),
        TableColumn("observed_difference", "Counted difference", "difference"),
        TableColumn("n", "Trials", "count", ("trial",)),
    )
    estimates = table_of_intervals(
        "", "", found, (TableColumn("estimate", "Estimate"), TableColumn("observed", ""), TableColumn("n", "")),
        ends=FIT_ENDS,
    )  # fmt: skip
    for cells, (_, row) in zip(estimates.rows, found.iterrows(), strict=True):
        name = str(row["estimand"])
        kind = estimand_kind(name)
        where = (
            f"{row['axis']} {row['value']:g}" if isinstance(row["value"], float) else f"{row['axis']} {row['value']}"
        )
        rows.append(
            {
                "subject": str(row["subject"]),
                "estimand": estimand_label(name),
                "where": where.strip() or "whole design",
                kind: cells["estimate"],
                f"observed_{kind}": cells.get("observed"),
                "n": cells.get("n"),
            }
        )
    return EstimateTable("all-estimates", ALL_CAPTION.format(fit=fit_title(fit.view)), columns, tuple(rows)).filled()
