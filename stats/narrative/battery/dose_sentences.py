"""Curves over doses and depths in words: the same on the terminal, on the page and in the report."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.data.arms.battery_measures import task_title
from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import BatterySummary, DoseCurve, PooledCell
from gnomon.stats.measures.measured_trials_frame import LOGIT
from gnomon.stats.narrative.battery.battery_sentences import amount_phrase, limits_phrase
from gnomon.stats.narrative.formatting import format_percent, format_points, format_probability

FOLLOWED = {
    "yes_corrected": "yes-corrected detection",
    "difference": "injection less control",
    "rate": "rate",
}
"""What is followed over cells, in words."""


def dose_sentences(summary: BatterySummary, subject: str) -> list[str]:
    """How each measure of a model changes with the dose, and its best cell.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    rises = [
        rise_sentence(curve)
        for curve in summary.curves
        if curve.subject == subject and curve.rise is not None and len(curve.points) > 1
    ]
    return [*rises, *(best_cell_sentence(cell) for cell in best_cells(summary, subject))]


def rise_sentence(curve: DoseCurve) -> str:
    """How far a measure rises from the lowest strength to the highest, and whether its interval tells a direction."""
    if curve.rise is None:
        return ""
    low, high = curve.points[0].at, curve.points[-1].at
    limits = curve.rise.headline
    change = "changes" if limits is None or limits.low <= 0 <= limits.high else "rises" if limits.low > 0 else "falls"
    told = "" if change != "changes" else ", which may be no change"
    return (
        f"{curve.subject}, {task_title(curve.task)} ({FOLLOWED[curve.estimand]}), {_averaged(curve)}: from "
        f"strength {low:g} to {high:g} it {change} by {amount_phrase(curve.rise)}{limits_phrase(curve.rise)}{told}."
    )


def best_cells(summary: BatterySummary, subject: str) -> Iterator[PooledCell]:
    """The cell of each measure of a model that is highest after pooling.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    families: dict[tuple[str, str], list[PooledCell]] = {}
    for cell in summary.pooled:
        if cell.subject == subject:
            families.setdefault((cell.task, cell.estimand), []).append(cell)
    for cells in families.values():
        yield max(cells, key=lambda cell: cell.estimate.value)


def best_cell_sentence(cell: PooledCell) -> str:
    """The highest cell of a measure after pooling, as estimated alone, and how probably it is the highest."""
    place = ", ".join(f"{axis} {value:g}" for axis, value in cell.by.items())
    own = _value(cell.raw, cell.estimand, cell.scale)
    shown = _with_interval(cell.estimate.value, cell.estimate, cell.estimand, cell.scale)
    return (
        f"{cell.subject}, {task_title(cell.task)} ({FOLLOWED[cell.estimand]}): highest at {place} with {shown} "
        f"after pooling ({own} by itself); it is the highest cell with probability "
        f"{format_probability(cell.probability_best)}."
    )


def _averaged(curve: DoseCurve) -> str:
    values = ", ".join(f"{value:g}" for value in curve.averaged)
    other = "layer" if curve.axis == "strength" else "strength"
    return f"{other} {values}" if len(curve.averaged) == 1 else f"mean of {other}s {values}"


def _value(value: float, estimand: str, scale: str) -> str:
    if scale == LOGIT:
        return f"{'−' if value < 0 else '+'}{abs(value):.2f}"
    return format_percent(value, 1) if estimand == "rate" else format_points(value, 1)


def _ends(found: Estimate | None, estimand: str, scale: str) -> str:
    if found is None:
        return ""
    return f"{_value(found.low, estimand, scale)} to {_value(found.high, estimand, scale)}"


def _with_interval(value: float, found: Estimate | None, estimand: str, scale: str) -> str:
    unit = " log-odds" if scale == LOGIT else "" if estimand == "rate" else " points"
    limits = f" ({_ends(found, estimand, scale)})" if found is not None else ""
    return f"{_value(value, estimand, scale)}{unit}{limits}"
