"""What was run, as tables: trials by model and arm, and planned trials that are missing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gnomon.data.arms import ARMS
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn

MODEL = TableColumn("model", "Model", terms=("model",))


def trials_by_arm_table(cells: pd.DataFrame, models: Sequence[str]) -> EstimateTable:
    """One row per model, one column per arm: answered trials.

    Parameters
    ----------
    cells : pandas.DataFrame
        Counts by condition (`StudyOverview.cells`).
    models : sequence of str
        Models in the order of the rows.
    """
    counts = cells.groupby(["subject", "arm"])["n"].sum()
    run = set(cells["arm"])
    arms = [arm for arm in ARMS if arm in run]
    columns = (MODEL, *(TableColumn(arm, arm, "count", ("arm",)) for arm in arms))
    rows: tuple[dict[str, Cell], ...] = tuple(
        {"model": model, **{arm: int(counts.get((model, arm), 0)) for arm in arms}} for model in models
    )
    return EstimateTable("trials-by-arm", "Answered trials of the design.", columns, rows)


def missing_trials_table(missing: pd.DataFrame) -> EstimateTable:
    """One row per model and arm that lacks trials: conditions, trials that are there, trials that were planned.

    Parameters
    ----------
    missing : pandas.DataFrame
        Planned conditions that lack answers (`stats.narrative.study_overview.missing_trials`).
    """
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "model": str(model),
            "arm": str(arm),
            "conditions": len(mine),
            "have": int(mine["have"].sum()),
            "want": int(mine["want"].sum()),
        }
        for (model, arm), mine in missing.groupby(["subject", "arm"], sort=False)
    )
    columns = (
        MODEL,
        TableColumn("arm", "Arm", terms=("arm",)),
        TableColumn("conditions", "Conditions", "count"),
        TableColumn("have", "Answered trials", "count"),
        TableColumn("want", "Planned trials", "count"),
    )
    caption = "Planned conditions with fewer trials than planned, counted by model and arm."
    return EstimateTable("missing-trials", caption, columns, rows)
