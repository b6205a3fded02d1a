"""The battery as tables, the same on the terminal, on the page and in the report: tasks, the yes-shift, and bits."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.data.arms import ARMS
from gnomon.data.arms.battery_measures import battery_order, task_event, task_title
from gnomon.stats.measures.measure_results import BatterySummary, TaskSummary, YesCorrection
from gnomon.stats.narrative.battery.battery_sentences import corrections_over_design
from gnomon.stats.tables.battery.measured_cells import (
    COUNTED,
    TASK,
    difference_cell,
    difference_unit,
    interval_cell,
    rate_cell,
)
from gnomon.stats.tables.design_tables import MODEL
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn

DIFFERENCE = TableColumn("difference", "Injection less control", "difference")
TASKS_CAPTION = (
    "Of a task read from logits, a rate is the mean probability of the event among the options. Intervals of 95 %, for "
    "concepts like these where several were injected. Chance is given where guessing has a known rate: the right "
    "option is drawn anew from trial to trial. A rating has no right answer: its rate is how often an injected trial "
    "is rated higher than a control."
)
YES_CAPTION = (
    "Injection less control, with 95 % intervals, for concepts like these where several were injected: how far the "
    "question moves to yes, how far unrelated questions whose right answer is no do, and what remains of the first "
    "beyond the second."
)
BITS_CAPTION = (
    "How much a model's choices tell of the injected concept, with 95 % intervals; at most the logarithm of the number "
    "of concepts. p: probability of as much where the choice does not depend on the concept."
)
VERDICTS = {
    "detection": "detection",
    "explained": "may be yes-bias",
    "nothing_left": "nothing left",
    "below_zero": "below zero",
    "undecided": "undecided",
}
"""What the interval of yes-corrected detection says, in a word or two."""


def task_table(summary: BatterySummary, subject: str) -> EstimateTable:
    """Tasks of one model in the order of the battery: what is counted, chance, rate by arm, and the difference.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    found = sorted((row for row in summary.tasks if row.subject == subject), key=lambda row: battery_order(row.task))
    shown = [row for row in (_graded_row(summary, each) for each in found) if row.rates]
    arms = [arm for arm in ARMS if any(rate.arm == arm for row in shown for rate in row.rates)]
    columns = (
        TASK,
        COUNTED,
        TableColumn("chance", "Chance", "rate"),
        *(TableColumn(arm, ARMS[arm].label.capitalize(), "rate", ("arm",)) for arm in arms),
        DIFFERENCE,
    )
    rows = tuple(_task_row(row, arms) for row in shown)
    return EstimateTable("battery-tasks", TASKS_CAPTION, columns, rows).filled()


def _task_row(row: TaskSummary, arms: Sequence[str]) -> dict[str, Cell]:
    return {
        "task": task_title(row.task),
        "counted": task_event(row.task),
        "chance": row.chance,
        **{rate.arm: rate_cell(rate) for rate in row.rates if rate.arm in arms},
        "difference": difference_cell(row.difference),
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


def yes_shift_table(summary: BatterySummary, subjects: Sequence[str]) -> EstimateTable:
    """Detection less the yes-shift, one row a model and scale over its design, or a row a cell where that has none.

    Parameters
    ----------
    summary : BatterySummary
    subjects : sequence of str
        Models, in the order of the rows.
    """
    columns = (
        MODEL,
        TableColumn("layer", "Layer", "count", ("layer",)),
        TableColumn("strength", "Strength", "setting", ("strength",)),
        TableColumn("unit", "Unit"),
        TableColumn("question", "The question", "difference"),
        TableColumn("unrelated", "Unrelated, answer no", "difference", ("yes-shift",)),
        TableColumn("corrected", "What remains", "difference", ("yes-corrected detection",)),
        TableColumn("verdict", "Reading"),
    )
    rows = tuple(
        _yes_row(each) for subject in subjects for each in corrections_over_design(summary.yes_corrections, subject)
    )
    return EstimateTable("yes-shift", YES_CAPTION, columns, rows).filled()


def _yes_row(found: YesCorrection) -> dict[str, Cell]:
    return {
        "model": found.corrected.subject,
        **found.corrected.by,
        "unit": difference_unit(found.corrected.scale),
        "question": difference_cell(found.notice),
        "unrelated": difference_cell(found.unrelated),
        "corrected": difference_cell(found.corrected),
        "verdict": VERDICTS[found.verdict],
    }


def bits_table(summary: BatterySummary, subject: str) -> EstimateTable:
    """How much the choices of one model tell of the injected concept, by task.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    columns = (
        TASK,
        TableColumn("bits", "Bits", "number", ("mutual information",)),
        TableColumn("most", "At most", "number"),
        TableColumn("concepts", "Concepts", "count"),
        TableColumn("n", "Responses", "count"),
        TableColumn("p", "p", "p"),
    )
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "task": task_title(each.task),
            "bits": interval_cell(each.estimate.value, each.estimate, kind="number"),
            "most": each.most,
            "concepts": each.concepts,
            "n": each.n,
            "p": each.p_value,
        }
        for each in summary.identification
        if each.subject == subject and not each.by
    )
    return EstimateTable("identification-bits", BITS_CAPTION, columns, rows)
