"""Comparisons of judge versions and label policies, and a panel's worth, as text for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from gnomon.calibration.comparison.comparison_results import ArmComparison, PairedMeasure, RubricComparison
from gnomon.calibration.comparison.comparison_sentences import format_change, judge_names
from gnomon.calibration.comparison.policy_results import PolicyDocument
from gnomon.calibration.panel_worth.panel_results import PanelDocument, PanelWorth
from gnomon.render.text_console import TextConsole
from gnomon.stats.narrative.formatting import format_percent
from gnomon.stats.tables.calibration.judge_tables import measure_text
from gnomon.stats.tables.estimate_table import Interval, show_cell

MOST_ITEMS = 20
KEY = (
    "Difference: second minus first, in points, intervals 95 % (Tango and Newcombe, paired; docs/calibration.md "
    "says). p: McNemar's exact test; p, corrected: by Holm's method, for accuracy over the versions tried, for others "
    "over versions and tests by arm."
)


def print_comparison(found: RubricComparison) -> None:
    """Print a comparison of two judge versions."""
    console = TextConsole()
    one, other = judge_names(found)
    console.print(Text(f"{one} and {other}", style="bold") + Text(f"  by {found.view} labels"))
    console.print(_comparison_table(found))
    console.print(Text(KEY, style="dim"))
    console.print()
    for line in found.words:
        console.print(line)
    if found.changed:
        console.print()
        console.print(_changed_table(found))
        if len(found.changed) > MOST_ITEMS:
            console.print(f"{len(found.changed) - MOST_ITEMS:,} more trials: --json lists all.")


def print_panel(found: PanelDocument) -> None:
    """Print what judges, and raters, are worth together."""
    console = TextConsole()
    for panel in (found.judges, found.raters):
        if panel is not None:
            console.print(Text(f"A panel of {len(panel.members)} {panel.group}", style="bold"))
            console.print(_arm_table(panel))
            console.print(_member_table(panel))
            if panel.votes:
                console.print(_vote_table(panel))
            for line in panel.words:
                console.print(line)
            console.print()
    for line in found.reasons:
        console.print(line)


def print_policies(found: PolicyDocument) -> None:
    """Print labels by guideline, and judges' errors by the labels of each."""
    console = TextConsole()
    shown = _plain_table("guideline", "trials", "raters", "base rates", "agreement", "alpha")
    for policy in found.policies:
        rates = ", ".join(f"{arm} {measure_text('base_rate', rate)}" for arm, rate in policy.base_rates.items())
        cells = [measure_text("agreement", policy.agreement), measure_text("alpha", policy.alpha)]
        shown.add_row(policy.name, f"{policy.trials:,}", f"{len(policy.raters)}", rates, *cells)
    console.print(shown)
    errors = _plain_table("judge", "guideline", "arm", "trials", "sensitivity", "specificity", "Youden's J")
    for policy in found.policies:
        for row in policy.judges:
            cells = [measure_text(name, getattr(row, name)) for name in ("sensitivity", "specificity", "youden")]
            errors.add_row(row.judge, policy.name, row.arm or "all", f"{row.labelled:,}", *cells)
    console.print(errors)
    for line in found.words:
        console.print(line)


def _arm_table(panel: PanelWorth) -> Table:
    shown = _plain_table("  arm", "trials", "base rate", "correlation", "effective number")
    for arm in panel.arms:
        cells = [measure_text(name, getattr(arm, name)) for name in ("base_rate", "correlation")]
        told = measure_text("effective", arm.effective, arm.reason or "")
        shown.add_row(f"  {arm.arm or 'all'}", f"{arm.trials:,}", *cells, told)
    return shown


def _member_table(panel: PanelWorth) -> Table:
    shown = _plain_table("  member", "trials", "error", "weight", "effective number without it")
    for member in panel.members:
        numbers = [
            "" if each is None else show_cell(each, "number") for each in (member.weight, member.effective_without)
        ]
        shown.add_row(f"  {member.name}", f"{member.trials:,}", measure_text("error", member.error), *numbers)
    return shown


def _vote_table(panel: PanelWorth) -> Table:
    shown = _plain_table("  majority of", "effective number", "error")
    for vote in panel.votes:
        worth = "" if vote.effective is None else show_cell(vote.effective, "number")
        error = "" if vote.error is None else show_cell(vote.error, "rate")
        if vote.error is not None and vote.low is not None and vote.high is not None:
            error = show_cell(Interval(vote.error, vote.low, vote.high), "rate")
        shown.add_row(f"  {vote.members}{' (predicted)' if vote.is_predicted else ''}", worth, error)
    return shown


def _comparison_table(found: RubricComparison) -> Table:
    shown = _plain_table("arm", "measure", "trials", *judge_names(found), "difference", "p", "p, corrected")
    for arm in found.arms:
        for row in arm.measures:
            if row.of:
                shown.add_row(_arm_cell(arm, row), row.measure.replace("youden", "Youden's J"), *_measure_cells(row))
    return shown


def _arm_cell(arm: ArmComparison, row: PairedMeasure) -> str:
    if row.measure != "sensitivity" and not (row.measure == "specificity" and not arm.events):
        return ""
    rate = "" if arm.base_rate is None else f", {format_percent(arm.base_rate.value)} events"
    return f"{arm.arm or 'all'} ({arm.labelled:,}{rate})"


def _measure_cells(row: PairedMeasure) -> list[str]:
    change = "unknown" if row.difference is None else format_change(row.difference)
    tests = (_p_cell(p) for p in (row.p_exact, row.p_adjusted))
    both = (measure_text(row.measure, each, "unknown") for each in (row.a, row.b))
    return [f"{row.of:,}", *both, change, *tests]


def _p_cell(p: float | None) -> str:
    return "" if p is None else show_cell(p, "p")


def _changed_table(found: RubricComparison) -> Table:
    shown = _plain_table("changed trial", "arm", "label", *judge_names(found), "right")
    names = {"a": judge_names(found)[0], "b": judge_names(found)[1]}
    for item in found.changed[:MOST_ITEMS]:
        shown.add_row(item.trial, item.arm, item.label, item.a, item.b, names.get(item.right, item.right))
    return shown


def _plain_table(*columns: str) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        shown.add_column(name)
    return shown
