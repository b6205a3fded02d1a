"""The battery as a table for readers: one row a task, the same on the terminal, on the page and in the report."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from gnomon.data.arms import ARMS
from gnomon.data.arms.battery_measures import BATTERY
from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import BatterySummary, MeasuredEstimate, TaskSummary
from gnomon.stats.narrative.formatting import format_percent, format_points

WITH_INTERVAL = ("injection", "control", "sham")
"""Arms that the table shows with an interval."""
DIFFERENCE = "injection less control"
NOTE = (
    "Of a task read from logits, a rate is the mean probability of the event among the options. Intervals of 95 %, for "
    "concepts like these where several were injected. Chance is given where guessing has a known rate: the right "
    "option is drawn anew from trial to trial. A rating has no right answer: its rate is how often an injected trial "
    "is rated higher than a control."
)


def battery_table(summary: BatterySummary, subject: str, bounded: Collection[str] = WITH_INTERVAL) -> pd.DataFrame:
    """Tasks of one model in the order of the battery: what is counted, chance, rate by arm, and the difference.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    bounded : collection of str
        Arms whose rates have their interval beside them.

    Returns
    -------
    DataFrame
        Texts; columns `task`, `counted`, `chance`, the label of each arm, and `DIFFERENCE`.
    """
    found = {row.task: row for row in summary.tasks if row.subject == subject}
    order = [*(name for name in BATTERY if name in found), *(name for name in found if name not in BATTERY)]
    rows = [_graded_row(summary, found[name]) for name in order]
    arms = [arm for arm in ARMS if any(rate.arm == arm for row in rows for rate in row.rates)]
    return pd.DataFrame([_table_row(row, arms, bounded) for row in rows if row.rates])


def _table_row(row: TaskSummary, arms: list[str], bounded: Collection[str]) -> dict[str, str]:
    rates = {rate.arm: rate for rate in row.rates}
    return {
        "task": row.task,
        "counted": BATTERY[row.task].event if row.task in BATTERY else "right answer",
        "chance": "" if row.chance is None else format_percent(row.chance),
        **{ARMS[arm].label: _rate_cell(rates[arm], arm in bounded) if arm in rates else "" for arm in arms},
        DIFFERENCE: _difference_cell(row.difference),
    }


def _graded_row(summary: BatterySummary, row: TaskSummary) -> TaskSummary:
    """The row; of a task without a right answer the area under the curve takes the place of the rate."""
    if row.rates:
        return row
    graded = [
        each
        for each in summary.signal_detection
        if (each.subject, each.task, each.estimand) == (row.subject, row.task, "auc") and not each.by
    ]
    return row.model_copy(update={"rates": graded[:1], "chance": graded[0].reference}) if graded else row


def _rate_cell(rate: MeasuredEstimate, is_bounded: bool) -> str:
    value, found = format_percent(rate.value, 1), rate.headline
    return value if found is None or not is_bounded else f"{value} ({_ends(found)})"


def _ends(found: Estimate) -> str:
    return f"{100 * found.low:.0f} to {100 * found.high:.0f}"


def _difference_cell(difference: MeasuredEstimate | None) -> str:
    if difference is None:
        return ""
    found = difference.headline
    told = "" if found is None else f" ({format_points(found.low, 1)} to {format_points(found.high, 1)})"
    return f"{format_points(difference.value, 1)} %{told}"
