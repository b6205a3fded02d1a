"""`gnomon plan`: labels and trials needed for an interval of a given width."""

from __future__ import annotations

from pathlib import Path

from gnomon.api.study import open_study
from gnomon.calibration.results.label_plan import LabelPlan


def plan_labels(folder: Path, estimand: str, width: float, subject: str | None, view: str | None) -> LabelPlan:
    """How many labels and trials reach a given width, and which trials to label.

    Parameters
    ----------
    folder : Path
        The study's folder.
    estimand : str
        `net_detection_corrected`, or `event_rate_` and the name of an arm.
    width : float
        Width of the 95 % interval to reach, as a fraction: 0.1 is ten percentage points.
    subject : str, optional
        Only this subject; None for all together.
    view : str, optional
        Label view: blind, first or current; None for the study's.
    """
    with open_study(folder) as study:
        return study.plan(width=width, estimand=estimand, subject=subject, view=view)


def print_plan(plan: LabelPlan) -> None:
    """Print a plan as text on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    now, whose = plan.now, f", {plan.subject}" if plan.subject else ""
    console.print(
        f"{plan.estimand.replace('_', ' ')}{whose}: {now.value:.3f} ({now.low:.3f} to {now.high:.3f}), "
        f"{plan.width_now:.3f} wide, from {plan.labels_now:,} {plan.view} labels on "
        f"{plan.trials_now:,} judged trials",
        soft_wrap=True,
    )
    if plan.options:
        table = Table("new trials", "new labels", "width", "reach it", box=None)
        for column in table.columns:
            column.justify = "right"
        for option in plan.options:
            told = "not reachable" if option.labels is None else f"{option.labels:,}"
            table.add_row(f"{option.trials:,}", told, f"{option.width:.3f}", f"{100 * option.reach:.0f} %")
        console.print(table)
    if plan.allocation:
        table = Table("labels", "arm", "where the judges say", "of free trials", box=None)
        for row in plan.allocation:
            table.add_row(f"{row.labels:,}", row.arm, row.pattern, f"{row.free:,}")
        console.print(table)
    console.print(plan.advice, soft_wrap=True)
    if not plan.reached:
        console.print(
            "by simulation from the joint posterior: judges taken to err independently given the truth, new trials "
            "like the old ones, a fifth of the labels at random",
            soft_wrap=True,
        )
