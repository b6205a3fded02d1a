"""Curves over doses and depths as a table: the same on the terminal, on the page and in the report."""

from __future__ import annotations

from gnomon.data.arms.battery_measures import task_title
from gnomon.stats.measures.measure_results import BatterySummary, DoseCurve, DosePoint
from gnomon.stats.measures.measured_trials_frame import LOGIT
from gnomon.stats.narrative.battery.dose_sentences import FOLLOWED
from gnomon.stats.tables.battery.measured_cells import TASK, difference_unit, interval_cell
from gnomon.stats.tables.estimate_table import Cell, ColumnKind, EstimateTable, TableColumn

DOSE_CAPTION = (
    "A point by strength is the mean over the layers that have every strength, a point by layer the mean over the "
    "strengths that every layer has. The interval of a point is its own; that of the curve holds for all its points "
    "together (95 % each). The best cell is pooled over layers and strengths, for the highest of many estimates is too "
    "high."
)
_COLUMNS = (
    TASK,
    TableColumn("followed", "Followed", terms=("yes-corrected detection",)),
    TableColumn("unit", "Unit"),
    TableColumn("by", "By"),
    TableColumn("at", "At", "setting"),
    TableColumn("estimate", "Estimate", "difference"),
    TableColumn("whole_curve", "Whole curve", "range"),
)


def dose_table(summary: BatterySummary, subject: str) -> EstimateTable:
    """Every point of every curve of a model: its own interval, and the limits of the whole curve.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rows = tuple(
        _point_row(curve, point) for curve in summary.curves if curve.subject == subject for point in curve.points
    )
    return EstimateTable("battery-doses", DOSE_CAPTION, _COLUMNS, rows)


def curve_kind(estimand: str, scale: str) -> ColumnKind:
    """How a value of a curve is shown.

    Parameters
    ----------
    estimand : str
        One of `FOLLOWED`.
    scale : str
        What was averaged.
    """
    return "log_odds" if scale == LOGIT else "rate" if estimand == "rate" else "difference"


def _point_row(curve: DoseCurve, point: DosePoint) -> dict[str, Cell]:
    kind, limits, whole = curve_kind(curve.estimand, curve.scale), point.estimate.headline, point.simultaneous
    return {
        "task": task_title(curve.task),
        "followed": FOLLOWED[curve.estimand],
        "unit": "rate" if kind == "rate" else difference_unit(curve.scale),
        "by": curve.axis,
        "at": point.at,
        "estimate": interval_cell(point.estimate.value, limits, kind),
        "whole_curve": None if whole is None else interval_cell(whole.value, whole, kind),
    }
