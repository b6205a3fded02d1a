"""How far labelling has come: the width of the interval that a label plan is for, as it was, is and would become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from gnomon.calibration.labels.views import rater_labels, reference_labels_of, truth_rule
from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.observations.frames import fit_judges
from gnomon.calibration.observations.verdict_table import read_verdict_table
from gnomon.calibration.posterior.plan_target import PlanTarget
from gnomon.calibration.posterior.verdict_patterns import MAX_PANEL, PanelTable, panel_table
from gnomon.calibration.queue.sample_size import (
    LabelStrata,
    default_estimand,
    fitted_strata,
    forecast_widths,
    plan_for_strata,
    plan_splits,
)
from gnomon.calibration.results.label_plan import PlannedInterval
from gnomon.calibration.results.width_progress import AHEAD, LabelProgress, WidthPoint
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.results import Estimate
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.estimand_registry import CORRECTED_VIEW
from gnomon.stats.planned_interval import planned_interval

EARLIER = (0.25, 0.5, 0.75)
"""Shares of the labels, in the order in which they were given, at which the width is told too."""
PLANNED_EVERY = 20
"""Labels after which what is needed is simulated anew."""


def label_progress(store: Store, known: LabelProgress | None = None, *, simulate: bool = True) -> LabelProgress:
    """The width of the planned interval with the labels that are stored now, and what `gnomon plan` says is needed.

    Estimand: width of the 95 % interval of `queue.sample_size.default_estimand`, for the label view and the judges of
    the study. The width is that of the judges' joint posterior (`posterior.judge_panel`) times a constant: where a
    corrected fit shows the estimand, the ratio of its width to that of the joint posterior with the labels that were
    there when it was fitted, which is taken not to change with the labels since. The assumptions are those of
    `queue.sample_size.plan_labels`, which computes `goal` with the same seed.

    Parameters
    ----------
    store : Store
        Store of the study.
    known : LabelProgress, optional
        What was computed last: its simulations are kept until `PLANNED_EVERY` more labels count, or the goal is passed.
    simulate : bool, default True
        Whether to simulate what is needed where nothing known holds, which takes most of the time.

    Raises
    ------
    NotEnoughDataError
        If an arm has no judged trial or no label.
    """
    steps = progress_steps(store, known)
    found = next(steps)
    return next(steps, found) if simulate else found


def progress_steps(store: Store, known: LabelProgress | None = None) -> Iterator[LabelProgress]:
    """The progress of `label_progress` as soon as its width is known, and again with what had to be simulated.

    Parameters
    ----------
    store : Store
        Store of the study.
    known : LabelProgress, optional
        What was computed last; where its simulations hold, there is one step.

    Raises
    ------
    NotEnoughDataError
        If an arm has no judged trial or no label.
    """
    settings = load_settings(store)
    target = PlanTarget.from_name(default_estimand(store))
    reading = _PanelLabels(store, target, settings.label_view, settings.plan.seed)
    today = reading.strata_of(reading.labels)
    width, labels = _width_of(today), _labels_of(today)
    shown = planned_interval(store, target.name)
    scale = 1.0 if shown is None else _fit_scale(store, reading, shown.estimate, width)
    found = LabelProgress(
        estimand=target.name,
        now=WidthPoint(labels, scale * width),
        earlier=tuple(reading.earlier_widths(scale)),
        ahead=(),
        target=settings.plan.width,
        goal=None,
        planned_at=None,
        from_fit=shown is not None,
    )
    if known is not None and _still_planned(found, known):
        yield replace(found, ahead=known.ahead, goal=known.goal, planned_at=known.planned_at)
        return
    yield found
    yield _with_plan(found, today, shown, settings.plan.seed)


def _still_planned(found: LabelProgress, known: LabelProgress) -> bool:
    """Whether the simulations of a while ago still hold."""
    alike = (found.estimand, found.target, found.from_fit) == (known.estimand, known.target, known.from_fit)
    if known.planned_at is None:
        return False
    passed = known.goal is not None and found.now.labels >= known.goal and not found.is_reached
    return alike and not passed and abs(found.now.labels - known.planned_at) < PLANNED_EVERY


def _with_plan(found: LabelProgress, today: LabelStrata, shown: PlannedInterval | None, seed: int) -> LabelProgress:
    """The progress with what is needed and what further labels would leave, by simulation."""
    target, drawn, half = PlanTarget.from_name(found.estimand), summarize_draws(today.estimand), found.now.width / 2
    interval = PlannedInterval(
        source="fit" if found.from_fit else "panel",
        estimand=target.name,
        subject=None if shown is None else shown.subject,
        subjects=0 if shown is None else shown.subjects,
        estimate=Estimate.from_interval(drawn).model_copy(
            update={"low": drawn.value - half, "high": drawn.value + half}
        ),
    )
    width = found.target or found.now.width
    plan = plan_for_strata(today, target, width=width, shown=interval, seed=seed, growth=(1.0,))
    goal = None
    if found.target is not None and (plan.reached or plan.best is not None):
        goal = found.now.labels + (0 if plan.best is None else plan.best.labels or 0)
    ahead = [number for number in AHEAD if number <= sum(today.open_counts)]
    widths = forecast_widths(today, target, ahead, scale=plan.scale, seed=seed)
    points = (WidthPoint(number, wide) for number, wide in zip(ahead, widths, strict=True))
    return replace(found, goal=goal, ahead=tuple(points), planned_at=found.now.labels)


class _PanelLabels:
    """Verdicts of the study's panel, and the labels of one view on the arms of a target, oldest first."""

    def __init__(self, store: Store, target: PlanTarget, view: str, seed: int) -> None:
        self.target, self.view, self.seed = target, view, seed
        self.table, self.rule = _panel_of(store), truth_rule(store)
        labels = rater_labels(store, view)
        self.labels = labels[labels["arm"].isin(list(target.signs))]

    def strata_of(self, labels: pd.DataFrame) -> LabelStrata:
        """The strata with some of the labels."""
        found = self.table.arm_counts(reference_labels_of(labels, self.rule), self.target.question)
        return fitted_strata(self.target, found, self.view, seed=self.seed)

    def before(self, time: str) -> pd.DataFrame:
        """The labels that were given before a time."""
        return self.labels[self.labels["created_at"] <= time]

    def earlier_widths(self, scale: float) -> list[WidthPoint]:
        """Widths with the first labels, where they are in every arm."""
        first = self.labels.groupby("trial")["since"].min().sort_values(kind="stable").index
        points = []
        for number in sorted({round(share * len(first)) for share in EARLIER}):
            kept = self.labels[self.labels["trial"].isin(first[:number])]
            try:
                strata = self.strata_of(kept)
            except NotEnoughDataError:
                continue
            points.append(WidthPoint(_labels_of(strata), scale * _width_of(strata)))
        return points


def _width_of(strata: LabelStrata) -> float:
    drawn = summarize_draws(strata.estimand)
    return drawn.high - drawn.low


def _labels_of(strata: LabelStrata) -> int:
    return sum(arm.counts.label_counts for arm in strata.arms)


def _fit_scale(store: Store, reading: _PanelLabels, shown: Estimate, width: float) -> float:
    """Width that the fit shows over that of the joint posterior with the labels of its time."""
    then = reading.before(store.newest_fit_times().get(CORRECTED_VIEW, ""))
    try:
        before = width if len(then) == len(reading.labels) else _width_of(reading.strata_of(then))
    except NotEnoughDataError:
        before = width
    return (shown.high - shown.low) / before


def _panel_of(store: Store) -> PanelTable:
    """Verdicts of the judges of the fit."""
    judges = fit_judges(store).head(MAX_PANEL)
    return panel_table(read_verdict_table(store, judges["version"].tolist()), judges, plan_splits(store))
