"""What further labels would leave of the interval that a label plan is for, as a table."""

from __future__ import annotations

from gnomon.calibration.results.width_progress import AHEAD, LabelProgress
from gnomon.stats.narrative.formatting import estimand_label
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn

CAPTION = (
    "Width of the 95 % interval of {name} with more labels on the trials that are there, placed as 'gnomon plan' "
    "advises: medians of simulated studies, from {labels:,} labels."
)
FEW = "There are no more unlabelled trials than that: rows of more labels are left out."
SOURCE = {
    True: "The interval is the widest of the corrected fit.",
    False: "No corrected fit shows it: the interval is that of the judges' joint posterior, all models together.",
}


def labels_ahead_table(progress: LabelProgress) -> EstimateTable:
    """The width now and with 20, 40, 80 and 160 more labels, and how far each is from the width that is aimed at.

    Parameters
    ----------
    progress : LabelProgress
        Widths now and ahead, as fractions; without simulations there is only the row of now.
    """
    points = ((0, progress.now.width), *((each.labels, each.width) for each in progress.ahead))
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "more": more,
            "labels": (progress.planned_at or progress.now.labels) + more if more else progress.now.labels,
            "width": 100 * width,
            "narrower": None if not more else width / progress.now.width - 1,
            "reached": None if progress.target is None else "yes" if width <= progress.target else "no",
        }
        for more, width in points
    )
    columns = (
        TableColumn("more", "More labels", "count", ("label",)),
        TableColumn("labels", "Labels then", "count"),
        TableColumn("width", "Width, points", "number", ("credible interval",)),
        TableColumn("narrower", "Change of width", "difference"),
        TableColumn("reached", "Width aimed at"),
    )
    name = estimand_label(progress.estimand)
    caption = CAPTION.format(name=name, labels=progress.planned_at or progress.now.labels)
    ends_early = progress.planned_at is not None and len(progress.ahead) < len(AHEAD)
    notes = (SOURCE[progress.from_fit], *((FEW,) if ends_early else ()))
    return EstimateTable("labels-ahead", caption, columns, rows, notes).filled()
