"""Two judge versions on the same labels, what a panel of judges is worth, and running error rates as tables."""

from __future__ import annotations

import pandas as pd

from gnomon.calibration.comparison.comparison_results import RubricComparison
from gnomon.calibration.comparison.comparison_sentences import judge_names
from gnomon.calibration.panel_worth.panel_results import PanelWorth
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn
from gnomon.stats.tables.frame_tables import table_of_intervals
from gnomon.stats.tables.judges.judge_tables import interval_cell

ARM = TableColumn("arm", "Arm", terms=("arm",))
ALL_ARMS = "all"
YOUDEN = "youden"
UNITS = ("youden", "kappa")
"""Measures of a comparison that are no rates."""
COMPARISON_CAPTION = (
    "Both judge versions on the same labelled trials, outside the test split: 95 % intervals of the difference, second "
    "minus first, that know that both read the same trials; exact paired p, and p corrected for the versions tried."
)
CHANGED_CAPTION = "Labelled trials on which the two versions reach different outcomes, and who has the label's event."
WORTH_CAPTION = (
    "How many independent {group} this panel is worth, with 95 % intervals: correlation of two members' {basis} within "
    "each arm."
)
MEMBER_CAPTION = "Each of the {group}: share of its errors, and the panel's effective number without it."
RUNNING_CAPTION = (
    "Error rates of {judge} as labels became known, outside the test split; the limits hold at all times and for all "
    "rates together (confidence sequence)."
)


def comparison_table(found: RubricComparison) -> EstimateTable:
    """Each measure of both versions by arm, and its difference."""
    one, other = judge_names(found)
    rows: list[dict[str, Cell]] = []
    for arm in found.arms:
        for row in arm.measures:
            if row.difference is None:
                continue
            unit = "_number" if row.measure in UNITS else ""
            rows.append(
                {
                    "arm": arm.arm or ALL_ARMS,
                    "measure": "Youden's J" if row.measure == YOUDEN else row.measure,
                    "base": interval_cell(arm.base_rate),
                    "of": row.of,
                    f"a{unit}": interval_cell(row.a),
                    f"b{unit}": interval_cell(row.b),
                    f"difference{unit}": interval_cell(row.difference),
                    "p": row.p_exact,
                    "adjusted": row.p_adjusted,
                }
            )
    columns = (
        ARM,
        TableColumn("measure", "Measure", terms=("sensitivity", "specificity", "Youden's J", "Cohen's kappa")),
        TableColumn("base", "Events by label", "rate", ("event",)),
        TableColumn("of", "Labelled trials", "count", ("label",)),
        TableColumn("a", one, "rate", ("judge version",)),
        TableColumn("b", other, "rate", ("judge version",)),
        TableColumn("difference", "Difference", "difference"),
        TableColumn("a_number", f"{one} (J, kappa)", "number", ("judge version",)),
        TableColumn("b_number", f"{other} (J, kappa)", "number", ("judge version",)),
        TableColumn("difference_number", "Difference (J, kappa)", "number"),
        TableColumn("p", "p", "p"),
        TableColumn("adjusted", "p, corrected", "p"),
    )
    return EstimateTable(f"{one}-against-{other}", COMPARISON_CAPTION, columns, tuple(rows)).filled()


def changed_trial_table(found: RubricComparison) -> EstimateTable:
    """Trials whose outcome changed from the first version to the second."""
    one, other = judge_names(found)
    right = {"a": one, "b": other}
    rows = tuple(
        {
            "trial": item.trial,
            "arm": item.arm,
            "label": item.label,
            "a": item.a,
            "b": item.b,
            "right": right.get(item.right, item.right),
        }
        for item in found.changed
    )
    columns = (
        TableColumn("trial", "Trial", terms=("trial",)),
        ARM,
        TableColumn("label", "Label", terms=("label", "outcome")),
        TableColumn("a", one),
        TableColumn("b", other),
        TableColumn("right", "Right about the event", terms=("event",)),
    )
    return EstimateTable(f"changed-{one}-{other}", CHANGED_CAPTION, columns, rows)


def worth_table(panel: PanelWorth) -> EstimateTable:
    """The effective number of judges, or of raters, by arm."""
    rows = tuple(
        {
            "arm": arm.arm or ALL_ARMS,
            "trials": arm.trials,
            "base": interval_cell(arm.base_rate),
            "correlation": interval_cell(arm.correlation),
            "effective": interval_cell(arm.effective),
            "why": arm.reason,
        }
        for arm in panel.arms
    )
    columns = (
        ARM,
        TableColumn("trials", "Trials", "count", ("trial",)),
        TableColumn("base", "Events", "rate", ("event",)),
        TableColumn("correlation", "Correlation", "number"),
        TableColumn("effective", "Effective number", "number"),
        TableColumn("why", "Not given because"),
    )
    caption = WORTH_CAPTION.format(group=panel.group, basis=panel.basis)
    return EstimateTable(f"effective-number-{panel.group}", caption, columns, rows).filled()


def member_table(panel: PanelWorth) -> EstimateTable:
    """Each member of a panel: its errors, the weight of its vote, and the panel without it."""
    rows = tuple(
        {
            "name": member.name,
            "trials": member.trials,
            "error": interval_cell(member.error),
            "weight": member.weight,
            "without": member.effective_without,
        }
        for member in panel.members
    )
    columns = (
        TableColumn("name", panel.group.removesuffix("s").capitalize()),
        TableColumn("trials", "Trials", "count", ("trial",)),
        TableColumn("error", "Errors", "rate"),
        TableColumn("weight", "Weight of its vote", "number"),
        TableColumn("without", "Effective number without it", "number"),
    )
    caption = MEMBER_CAPTION.format(group=panel.group)
    return EstimateTable(f"members-{panel.group}", caption, columns, rows).filled()


def running_table(frame: pd.DataFrame, judge: str) -> EstimateTable:
    """Running error rates with limits that hold at all times.

    Parameters
    ----------
    frame : DataFrame
        `calibration.cards.display.card_tables.running_table`.
    judge : str
        Name of the judge.
    """
    columns = (
        ARM,
        TableColumn("rate", "Rate", terms=("drift",)),
        TableColumn("estimate", "Estimate, limits at all times", "rate"),
        TableColumn("errors", "Errors", "count"),
        TableColumn("n", "Labelled trials", "count", ("label",)),
        TableColumn("drift", "Drift", terms=("drift",)),
    )
    return table_of_intervals(f"running-{judge}", RUNNING_CAPTION.format(judge=judge), frame, columns)
