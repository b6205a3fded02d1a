"""Runs the battery on the subjects of an open study, and summarises what was read; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gnomon.chain.session import OpenStudy
from gnomon.chain.trial_generation import (
    DEFAULT_OPTIONS,
    GenerateOptions,
    SweepSummary,
    generate_planned,
    requested_sweeps,
)
from gnomon.data.arms.battery_measures import BATTERY, ITEMS, asked_tasks
from gnomon.data.errors import UnknownNameError
from gnomon.data.results import ResultDocument, ResultPart
from gnomon.stats.measures.measure_results import BatterySummary
from gnomon.stats.variants.variant_results import VariantComparison
from gnomon.study_file import DesignSpec, SubjectSpec

if TYPE_CHECKING:
    from gnomon.generation.sweeps.sweep_plan import SweepPlan
    from gnomon.generation.sweeps.trial_design import SweepDesign


class BatteryTaskLegend(ResultPart):
    """What a task asks, and what its rate counts: the answer that is right if the subject notices what was added."""

    task: str
    label: str
    event: str


class BatteryDocument(ResultDocument):
    """What `gnomon battery` prints: trials by model, what each task asks, and every estimate."""

    study: str
    items: int
    """Items of each task and concept."""
    generated: tuple[SweepSummary, ...]
    legend: tuple[BatteryTaskLegend, ...]
    summary: BatterySummary
    """Estimates of these models and tasks, from every trial of the design as it stands that the study holds."""
    variants: tuple[VariantComparison, ...] = ()
    """Variants among these models, each against the model whose vectors it has (`vectors_of` in the study file)."""


def run_battery(
    study: OpenStudy,
    subjects: Sequence[str] = (),
    tasks: Sequence[str] = (),
    items: int = ITEMS,
    options: GenerateOptions = DEFAULT_OPTIONS,
) -> BatteryDocument:
    """Generate the missing trials of the battery, subject by subject, and estimate what they show.

    Parameters
    ----------
    study : OpenStudy
        The open study; its design says concepts, layers, strengths and vectors.
    subjects : sequence of str
        Names of subjects; empty for all.
    tasks : sequence of str
        Names of tasks; empty for all.
    items : int
        Items of each task and concept.
    options : GenerateOptions
        Engine and batch size.

    Raises
    ------
    InputError
        If the study has no design, or a task is not for its concepts or subjects.
    UnknownNameError
        If the study lacks a subject, or there is no such task or engine.
    """
    from gnomon.calibration.measures.battery_trials import battery_trials
    from gnomon.stats.measures.battery_summary import summarise_battery
    from gnomon.stats.variants.variant_contrasts import compare_variants

    specs, design = requested_sweeps(study, subjects, ())
    chosen = _chosen_tasks(tasks)
    options.engine_kind()
    generated = [_run_subject(study, spec, design, chosen, items, options) for spec in specs]
    trials = battery_trials(study.store, [spec.name for spec in specs], chosen)
    declared = [found for spec in specs if (found := spec.as_variant()) is not None]
    return BatteryDocument(
        study=study.file.name,
        items=items,
        generated=tuple(generated),
        legend=tuple(
            BatteryTaskLegend(task=name, label=task.label, event=task.event)
            for name, task in BATTERY.items()
            if (task.asked_in or name) in chosen
        ),
        summary=summarise_battery(trials),
        variants=tuple(compare_variants(trials, declared)),
    )


def _chosen_tasks(tasks: Sequence[str]) -> list[str]:
    """Tasks with trials of their own, in the order of the table."""
    known = asked_tasks()
    for name in tasks:
        if name not in known:
            raise UnknownNameError(f"battery task '{name}' is not known: choose from {', '.join(known)}")
    return [name for name in known if name in tasks or not tasks]


def _run_subject(
    study: OpenStudy,
    spec: SubjectSpec,
    design: DesignSpec,
    tasks: Sequence[str],
    items: int,
    options: GenerateOptions,
) -> SweepSummary:
    from gnomon.generation.battery.battery_plan import battery_design, plan_battery

    def planned(own: SweepDesign, subject: Any) -> SweepPlan:
        return plan_battery(battery_design(own), subject, tasks, items)

    return generate_planned(study, spec, design, options, planned, what="battery")
