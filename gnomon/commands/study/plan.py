"""`gnomon plan`: labels and trials needed for an interval of a given width, or what a budget buys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gnomon.api.study import open_study
from gnomon.calibration.queue.sample_size import interval_phrase
from gnomon.calibration.results.label_plan import LabelPlan, PlanOption
from gnomon.data.errors import InputError
from gnomon.stats.estimand_registry import is_difference
from gnomon.stats.narrative.formatting import format_interval


def parse_width(text: str | None) -> float | None:
    """A width as a fraction, from percent (`10`, `10%`, `10 %`) or a fraction below 1 (`0.1`).

    Raises
    ------
    InputError
        If it is no number, or not between 0 and 200 %.
    """
    if text is None:
        return None
    number, percent = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
    try:
        value = float(number)
    except ValueError:
        raise InputError(f"width '{text}': is no number: write 10, 10% or 0.1 for ten points") from None
    width = value / 100 if percent or value >= 1 else value
    if not 0 < width < 2:
        raise InputError(f"width {text}: is outside 0 to 200 %: write 10, 10% or 0.1 for ten points")
    return width


def plan_labels(
    folder: Path,
    estimand: str | None,
    width: float | None,
    subject: str | None,
    view: str | None,
    budget: float | None = None,
    prices: Mapping[str, float | None] | None = None,
) -> LabelPlan:
    """How many labels and trials reach a given width, or what a budget buys, and which trials to label.

    Parameters
    ----------
    folder : Path
        The study's folder.
    estimand : str, optional
        `net_detection_corrected`, `identification_corrected`, `false_alarm_corrected`, or `event_rate_` and the name of
        an arm; None for the first of them whose arms have verdicts.
    width : float, optional
        Width of the 95 % interval to reach, as a fraction: 0.1 is ten percentage points.
    subject : str, optional
        Only this subject; None for all together.
    view : str, optional
        Label view: blind, first or current; None for the study's.
    budget : float, optional
        What may be spent; None for that of the study file.
    prices : mapping of str to float, optional
        Price of `label`, `trial` and `verdict`; one that is None or absent is that of the study file.
    """
    with open_study(folder) as study:
        given = {name: price for name, price in (prices or {}).items() if price is not None}
        chosen = study.file.plan.prices.model_copy(update=given)
        return study.plan(width=width, estimand=estimand, subject=subject, view=view, budget=budget, prices=chosen)


def print_plan(plan: LabelPlan) -> None:
    """Print a plan as text on stdout."""
    from rich.table import Table

    from gnomon.render.text_console import TextConsole

    console = TextConsole()
    for line in _opening_lines(plan):
        console.print(line, soft_wrap=True)
    if plan.options:
        columns = ["new trials", "new labels", "width", *(["reach it"] if plan.target else []), "cost"]
        table = Table(*columns, box=None)
        for column in table.columns:
            column.justify = "right"
        for option in plan.options:
            table.add_row(*_option_cells(plan, option))
        console.print(table)
    if plan.allocation:
        table = Table("labels", "arm", "where the judges say", "of free trials", box=None)
        for row in plan.allocation:
            table.add_row(f"{row.labels:,}", row.arm, row.pattern, f"{row.free:,}")
        console.print(table)
    console.print(plan.advice, soft_wrap=True)
    if not plan.reached:
        console.print(
            "by simulation; assumes that judges err independently given the truth, that new trials follow the same "
            "design, and that 20 % of the labels are random",
            soft_wrap=True,
        )


def _opening_lines(plan: LabelPlan) -> list[str]:
    now, whose = plan.now, plan.interval.subject or plan.subject
    shown = format_interval(now.value, now.low, now.high, sign=is_difference(plan.interval.estimand))
    name = plan.estimand.replace("_", " ") + (f", {whose}" if whose else "")
    lines = [
        f"{name}: {shown}, {100 * plan.width_now:.1f} points wide",
        f"planned for: {interval_phrase(plan.interval)}",
        f"simulated from {plan.labels_now:,} {plan.view} labels on {plan.trials_now:,} judged trials"
        + (f"; widths scaled by {plan.scale:.2f}, today's ratio" if plan.interval.source == "fit" else ""),
    ]
    if plan.interval.source == "panel":
        lines.append("no corrected fit gives this estimate: run 'gnomon fit' first for the interval that it shows")
    if plan.interval.outdated:
        lines.append("data or settings have changed since the fit: run 'gnomon fit' first for today's interval")
    prices = plan.prices
    if plan.budget is not None or prices.trial or prices.verdict:
        lines.append(f"prices: label {prices.label:g}, trial {prices.trial:g}, verdict {prices.verdict:g}")
    return lines


def _option_cells(plan: LabelPlan, option: PlanOption) -> list[str]:
    labels = "not reachable" if option.labels is None else f"{option.labels:,}"
    reach = [] if option.reach is None else [f"{100 * option.reach:.0f} %"]
    cost = "" if option.cost is None else f"{option.cost:,.6g}"
    mark = " (best)" if option == plan.best and len(plan.options) > 1 else ""
    return [f"{option.trials:,}", labels, f"{100 * option.width:.1f} points", *reach, f"{cost}{mark}"]
