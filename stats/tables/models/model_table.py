"""Every model of a study in one table: what was measured, corrected and bounded, and how often it refuses."""

from __future__ import annotations

from collections.abc import Mapping

from gnomon.data.arms import ARMS
from gnomon.stats.bounds.selection_bounds import EffectBounds
from gnomon.stats.estimand_registry import (
    CONTROL,
    DETECTION,
    FALSE_ALARM,
    IDENTIFICATION,
    INJECTION,
    NET_CLAIMED,
    NET_ENGAGED,
    NET_RAW,
    REFUSAL,
    corrected_name,
    view_name,
)
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows
from gnomon.stats.narrative.method_sentences import METHOD_NAMES
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, Interval, TableColumn
from gnomon.stats.tables.headline_tables import (
    MODEL_AND_FIT,
    estimand_column,
    estimate_cell,
    fit_title,
    in_reading_order,
)

CAPTION = (
    "Every model and fit: posterior means with 95 % intervals over the model's own trials. Bounds: where engaged net "
    "detection can lie among trials that would be answered in either arm, if the injection moves refusals one way only "
    "(Lee bounds, from the counts). Columns of methods: raw net detection corrected by each."
)
ESTIMATES = (DETECTION, IDENTIFICATION, FALSE_ALARM, NET_CLAIMED, NET_RAW, NET_ENGAGED)


def model_table(
    fits: Mapping[str, FitFrames], bounds: Mapping[str, Mapping[str, EffectBounds]] | None = None
) -> EstimateTable:
    """One row per model and fit, ordered by size.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    bounds : mapping of str to mapping of str to EffectBounds, optional
        Lee's bounds on engaged net detection by view and model.

    Returns
    -------
    EstimateTable
        Columns without a value are left out.
    """
    rows: list[tuple[tuple[float, str], dict[str, Cell]]] = []
    for view, fit in in_reading_order(fits):
        if not fit.has_failed:
            rows += _rows_of(view, fit, (bounds or {}).get(view, {})).items()
    ordered = tuple(row for _, row in sorted(rows, key=lambda item: item[0]))
    columns = (
        *MODEL_AND_FIT,
        TableColumn("parameters", "Size", "size"),
        TableColumn("variant", "Variant", terms=("variant",)),
        TableColumn("trials", "Trials", "count", ("trial",)),
        *map(estimand_column, ESTIMATES),
        TableColumn("bounds", "Selection bounds", "range", ("selection bounds",)),
        *(_refusal_column(arm) for arm in (INJECTION, CONTROL)),
        *(TableColumn(name, f"Corrected, {said}", "difference") for name, said in METHOD_NAMES.items()),
    )
    return EstimateTable("models", CAPTION, columns, ordered).filled()


def _rows_of(view: str, fit: FitFrames, bounds: Mapping[str, EffectBounds]) -> dict[tuple[float, str], dict[str, Cell]]:
    kind = view.split(":", maxsplit=1)[0]
    found: dict[tuple[float, str], dict[str, Cell]] = {}

    def row_of(parameters: float, subject: str) -> dict[str, Cell]:
        start: dict[str, Cell] = {"model": subject, "fit": fit_title(view), "parameters": parameters}
        return found.setdefault((parameters, subject), start)

    for name in ESTIMATES:
        for row in frame_rows(fit.overall_estimates(view_name(name, kind)), TidyEstimate):
            mine = row_of(row.parameters, row.subject)
            mine |= {name: estimate_cell(row), "variant": row.variant}
            if row.n:
                mine["trials"] = max(row.n, int(str(mine.get("trials", 0))))
    for row in frame_rows(fit.estimates_by_axis(REFUSAL, "arm"), TidyEstimate):
        if row.value in (INJECTION, CONTROL):
            row_of(row.parameters, row.subject)[f"{REFUSAL}_{row.value}"] = estimate_cell(row)
    sizes = {subject: parameters for parameters, subject in found}
    for subject, bound in bounds.items():
        if subject in sizes:
            middle = (bound.low + bound.high) / 2
            found[sizes[subject], subject]["bounds"] = Interval(middle, bound.low, bound.high)
    for estimate in fit.methods:
        if estimate.estimand == corrected_name(NET_RAW) and estimate.subject in sizes:
            found[sizes[estimate.subject], estimate.subject][estimate.method] = estimate_cell(estimate)
    return found


def _refusal_column(arm: str) -> TableColumn:
    return TableColumn(f"{REFUSAL}_{arm}", f"Refusal, {ARMS[arm].label}", "rate", (f"{arm} arm",))
