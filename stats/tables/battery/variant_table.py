"""Tasks of a variant of a model less its base, as a table."""

from __future__ import annotations

from gnomon.data.arms.battery_measures import battery_order, task_event, task_title
from gnomon.stats.tables.battery.measured_cells import COUNTED, TASK, difference_cell
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn
from gnomon.stats.variants.variant_results import VariantComparison, VariantTask

VARIANT_CAPTION = (
    "Variant less base on the same vectors, concepts, doses and items; only trials that both have count. The effect is "
    "injection less control, in the variant less in the base: what the vector does beyond what it does in the base. "
    "P(higher) is that of the effect, or of the rate where there is no control. The number of contrasts is not "
    "corrected for."
)
_COLUMNS = (
    TASK,
    COUNTED,
    TableColumn("injection", "Injection", "difference", ("arm",)),
    TableColumn("control", "Control", "difference", ("arm",)),
    TableColumn("effect", "Effect", "difference"),
    TableColumn("p_higher", "P(higher)", "probability"),
)


def variant_table(comparison: VariantComparison) -> EstimateTable:
    """Tasks of a variant less its base, in the order of the battery.

    Parameters
    ----------
    comparison : VariantComparison
    """
    rows = tuple(_task_row(task) for task in sorted(comparison.tasks, key=lambda each: battery_order(each.task)))
    return EstimateTable(f"variant-{comparison.variant}", VARIANT_CAPTION, _COLUMNS, rows)


def _task_row(task: VariantTask) -> dict[str, Cell]:
    shown = task.effect or task.injected
    return {
        "task": task_title(task.task),
        "counted": task_event(task.task),
        "injection": difference_cell(task.injected),
        "control": difference_cell(task.control),
        "effect": difference_cell(task.effect),
        "p_higher": None if shown is None else shown.probability,
    }
