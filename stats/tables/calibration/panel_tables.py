"""What a panel of judges or raters is worth, and the trials on which two judge versions differ, as tables."""

from __future__ import annotations

from gnomon.calibration.comparison.comparison_results import RubricComparison
from gnomon.calibration.comparison.comparison_sentences import judge_names
from gnomon.calibration.panel_worth.panel_results import PanelWorth
from gnomon.stats.tables.calibration.judge_tables import interval_cell
from gnomon.stats.tables.estimate_table import EstimateTable, TableColumn

ARM = TableColumn("arm", "Arm", terms=("arm",))
ALL_ARMS = "all"
CHANGED_CAPTION = "Labelled trials on which the two versions reach different outcomes, and who has the label's event."
WORTH_CAPTION = (
    "How many independent {group} this panel is worth, with 95 % intervals: correlation of two members' {basis} within "
    "each arm."
)
MEMBER_CAPTION = "Each of the {group}: share of its errors, and the panel's effective number without it."


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
