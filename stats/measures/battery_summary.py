"""Every estimate of the battery of a study, from the frame of its measured trials."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.arm_rates import arm_rate, chance_level, control_difference
from gnomon.stats.measures.doses.cell_pooling import CellEstimates, pool_cells
from gnomon.stats.measures.doses.dose_curves import DoseMeans, cell_estimates, dose_curves, dose_means, dose_measures
from gnomon.stats.measures.graded_detection import area_under_curve, detection_indices
from gnomon.stats.measures.identification_bits import identification_bits
from gnomon.stats.measures.measure_results import (
    BatterySummary,
    BitsEstimate,
    MeasuredEstimate,
    PooledCell,
    TaskSummary,
    YesCorrection,
    YesDiagnosis,
)
from gnomon.stats.measures.measured_contrasts import Cell
from gnomon.stats.measures.measured_trials_frame import (
    LOGIT,
    NOTICE,
    PROBABILITY,
    RATE,
    UNRELATED_NO,
    Scale,
    checked_frame,
    select_trials,
    steered_cells,
)
from gnomon.stats.measures.yes_correction import yes_corrections, yes_diagnosis


def summarise_battery(frame: pd.DataFrame) -> BatterySummary:
    """Rates by task and arm, yes-corrected detection, signal detection, bits, and pooled cells of every subject.

    Parameters
    ----------
    frame : DataFrame
        One row a measured trial; columns as in `measured_trials_frame`.

    Raises
    ------
    InputError
        If a column is missing.
    """
    trials = checked_frame(frame)
    subjects = sorted(trials["subject"].unique())
    corrections = [each for subject in subjects for each in _corrections_of(trials, subject)]
    followed = [each for subject in subjects for each in _dose_means_of(trials, subject)]
    return BatterySummary(
        subjects=subjects,
        tasks=[
            summarise_task(trials, subject, task)
            for subject in subjects
            for task in sorted(trials["task"][trials["subject"] == subject].unique())
        ],
        yes_corrections=corrections,
        diagnoses=[each for subject in subjects for each in _diagnoses_of(trials, subject)],
        signal_detection=[each for subject in subjects for each in _signal_of(trials, subject)],
        identification=[each for subject in subjects for each in _bits_of(trials, subject)],
        pooled=_pooled_cells(followed),
        curves=[curve for each in followed for curve in dose_curves(each)],
    )


def summarise_task(trials: pd.DataFrame, subject: str, task: str) -> TaskSummary:
    """Rates of one task of one subject by arm, its difference from control, and its cells.

    Parameters
    ----------
    trials : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject, task : str
    """
    rows = trials[(trials["subject"] == subject) & (trials["task"] == task)]
    arms = sorted(rows["arm"].unique(), key=lambda arm: (arm != INJECTION, arm))
    cells: list[MeasuredEstimate | None] = []
    for cell in steered_cells(trials, subject, (task,), INJECTION):
        difference = control_difference(trials, subject, task, cell)
        cells.append(difference or arm_rate(trials, subject, task, INJECTION, cell))
    return TaskSummary(
        subject=subject,
        task=task,
        chance=chance_level(trials, subject, task),
        rates=_present(arm_rate(trials, subject, task, arm) for arm in arms),
        difference=control_difference(trials, subject, task),
        cells=_present(cells),
    )


def _dose_means_of(trials: pd.DataFrame, subject: str) -> list[DoseMeans]:
    found = (dose_means(trials, subject, measure) for measure in dose_measures(trials, subject))
    return [each for each in found if each is not None]


def _pooled_cells(followed: list[DoseMeans]) -> list[PooledCell]:
    """Cells pooled within each measure over all subjects."""
    families: dict[tuple[str, str, str], list[CellEstimates]] = {}
    for each in followed:
        if (cells := cell_estimates(each)) is not None:
            measure = each.measure
            families.setdefault((measure.task, measure.estimand, measure.scale), []).append(cells)
    return [cell for family in families.values() for cell in pool_cells(family)]


def _corrections_of(trials: pd.DataFrame, subject: str) -> list[YesCorrection]:
    scales: tuple[Scale, ...] = (LOGIT, PROBABILITY)
    found = [each for scale in scales for each in yes_corrections(trials, subject, scale)]
    return found or yes_corrections(trials, subject, RATE)


def _diagnoses_of(trials: pd.DataFrame, subject: str) -> list[YesDiagnosis]:
    cells = _cells_and_design(trials, subject, UNRELATED_NO)
    return [each for cell in cells if (each := yes_diagnosis(trials, subject, cell)) is not None]


def _signal_of(trials: pd.DataFrame, subject: str) -> list[MeasuredEstimate]:
    found: list[MeasuredEstimate | None] = [*detection_indices(trials, subject)]
    mine = trials[trials["subject"] == subject]
    graded = mine[mine["log_odds_yes"].notna() | mine["score"].notna()]
    found += [area_under_curve(trials, subject, task=task) for task in sorted(graded["task"].unique())]
    for cell in steered_cells(trials, subject, (NOTICE,), INJECTION):
        found.append(area_under_curve(trials, subject, cell))
    return _present(found)


def _bits_of(trials: pd.DataFrame, subject: str) -> list[BitsEstimate]:
    concepts = trials["concept"].dropna().unique()
    names_concept = (trials["expected"] == trials["concept"]) & trials["picked"].isin(concepts)
    tasks = trials["task"][(trials["subject"] == subject) & (trials["arm"] == INJECTION) & names_concept].unique()
    found = [
        identification_bits(trials, subject, cell, task=task)
        for task in sorted(tasks)
        for cell in _cells_and_design(trials, subject, task)
    ]
    return [each for each in found if each is not None]


def _cells_and_design(trials: pd.DataFrame, subject: str, task: str) -> list[Cell | None]:
    """The whole design, and each cell where there are several."""
    cells = steered_cells(trials, subject, (task,), INJECTION)
    return [None, *(cells if len(cells) > 1 else [])] if len(select_trials(trials, subject, task, INJECTION)) else []


def _present(found: Iterable[MeasuredEstimate | None]) -> list[MeasuredEstimate]:
    return [each for each in found if each is not None]
