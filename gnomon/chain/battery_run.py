"""Runs the battery on the subjects of an open study, and summarises what was read; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from gnomon.chain.session import OpenStudy, sync_scope
from gnomon.chain.trial_generation import (
    DEFAULT_OPTIONS,
    GenerateOptions,
    requested_sweeps,
    sweep_design,
    trial_workers,
)
from gnomon.data.arms.battery_measures import BATTERY, ITEMS, asked_tasks
from gnomon.data.errors import UnknownNameError
from gnomon.data.records import Subject
from gnomon.data.results import ResultDocument, ResultPart
from gnomon.stats.measures.measure_results import BatterySummary
from gnomon.study_file import DesignSpec, SubjectSpec

if TYPE_CHECKING:
    pass


class BatteryGeneration(ResultPart):
    """What was generated of one subject: trials planned, made now, stored before, failed among those made; seconds."""

    subject: str
    planned: int
    made: int
    already: int
    failed: int
    seconds: float


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
    generated: tuple[BatteryGeneration, ...]
    legend: tuple[BatteryTaskLegend, ...]
    summary: BatterySummary
    """Estimates of these models and tasks, from every trial of the design as it stands that the study holds."""


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

    specs, design = requested_sweeps(study, subjects, ())
    chosen = _chosen_tasks(tasks)
    options.engine_kind()
    generated = [_run_subject(study, spec, design, chosen, items, options) for spec in specs]
    return BatteryDocument(
        study=study.file.name,
        items=items,
        generated=tuple(generated),
        legend=tuple(
            BatteryTaskLegend(task=name, label=task.label, event=task.event)
            for name, task in BATTERY.items()
            if (task.asked_in or name) in chosen
        ),
        summary=summarise_battery(battery_trials(study.store, [spec.name for spec in specs], chosen)),
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
) -> BatteryGeneration:
    from gnomon.generation.battery.battery_plan import battery_design, plan_battery
    from gnomon.generation.sweeps.runner import run_plan

    title = f"{spec.name}: battery"
    with trial_workers(study, spec, options) as workers:
        subject = workers.subject
        record = Subject(spec.name, subject.parameters, spec.family, spec.variant, subject.revision)
        own = sweep_design(study, design, spec, subject.layers)
        sync_scope(study, {spec.name: subject.layers})
        plan = plan_battery(battery_design(own), subject, tasks, items)
        with study.listener.track_steps([title]) as advance:
            done = run_plan(
                study.store, workers, plan, record=record, progress=advance[title], tell=study.listener.tell
            )
    study.listener.tell(
        f"{spec.name}: {done.made} trials generated, {done.already} already stored, {done.failed} failed"
    )
    return BatteryGeneration(subject=spec.name, **asdict(done))
