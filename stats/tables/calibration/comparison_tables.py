"""Two judge versions on the same labelled trials as a table of estimates, for page and report."""

from __future__ import annotations

from collections.abc import Mapping

from gnomon.calibration.comparison.comparison_results import ArmComparison, PairedMeasure, RubricComparison
from gnomon.calibration.comparison.comparison_sentences import judge_names
from gnomon.stats.narrative.formatting import count_noun
from gnomon.stats.tables.calibration.judge_tables import interval_cell, measure_cell
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn

CAPTION = (
    "{b} less {a} on the {n:,} trials with {view} labels of {splits} that both read, with paired 95 % intervals. p: "
    "McNemar's exact test; corrected by Holm's method: for {family}, and by arm for all tests by arm besides."
)
GIVEN = {"sensitivity": "labelled events", "specificity": "labelled non-events"}
ALL_ARMS = "all"


def comparison_table(found: RubricComparison) -> EstimateTable:
    """Every measure of both versions by arm, their difference with its interval, and the exact paired test."""
    one, other = judge_names(found)
    columns = (
        TableColumn("arm", "Arm", terms=("arm",)),
        TableColumn("measure", "Measure", terms=("sensitivity", "specificity", "Youden's J", "Cohen's kappa")),
        TableColumn("a", one, "number"),
        TableColumn("b", other, "number"),
        TableColumn("difference", "Difference", "difference"),
        TableColumn("p", "p", "p"),
        TableColumn("corrected", "p, corrected", "p"),
        TableColumn("n", "n", "count"),
        TableColumn("given", "Given"),
        TableColumn("base", "Events by labels", "rate"),
        TableColumn("only_a", f"Only {one} right", "count"),
        TableColumn("only_b", f"Only {other} right", "count"),
    )
    rows = tuple(_measure_row(arm, row) for arm in found.arms for row in arm.measures if row.of)
    caption = CAPTION.format(
        a=one,
        b=other,
        n=found.labelled,
        view=found.view,
        splits=" and ".join(found.splits),
        family=f"{count_noun(found.family, 'version')} tried",
    )
    return EstimateTable(f"compared-{found.a.version[:8]}-{found.b.version[:8]}", caption, columns, rows)


def _measure_row(arm: ArmComparison, row: PairedMeasure) -> Mapping[str, Cell]:
    is_tested = row.p_exact is not None
    return {
        "arm": arm.arm or ALL_ARMS,
        "measure": "Youden's J" if row.measure == "youden" else row.measure,
        "a": measure_cell(row.measure, row.a),
        "b": measure_cell(row.measure, row.b),
        "difference": interval_cell(row.difference),
        "only_a": row.only_a if is_tested else None,
        "only_b": row.only_b if is_tested else None,
        "n": row.of,
        "given": GIVEN.get(row.measure, "all labelled trials"),
        "base": interval_cell(arm.base_rate),
        "p": row.p_exact,
        "corrected": row.p_adjusted,
    }
