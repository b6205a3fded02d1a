"""Comparisons of judge versions and label policies, and a panel's worth, as text for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from gnomon.calibration.comparison.comparison_results import ArmComparison, PairedMeasure, RubricComparison
from gnomon.calibration.comparison.comparison_sentences import format_change, judge_names
from gnomon.calibration.comparison.policy_results import PolicyDocument
from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.calibration.panel_worth.panel_results import PanelDocument, PanelWorth
from gnomon.data.results import Estimate
from gnomon.render.text_console import TextConsole
from gnomon.stats.narrative.formatting import format_interval, format_percent
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
        rates = ", ".join(f"{arm} {_share_cell(rate)}" for arm, rate in policy.base_rates.items())
        cells = [_interval_cell(each) for each in (policy.agreement, policy.alpha)]
        shown.add_row(policy.name, f"{policy.trials:,}", f"{len(policy.raters)}", rates, *cells)
    console.print(shown)
    errors = _plain_table("judge", "guideline", "arm", "trials", "sensitivity", "specificity", "Youden's J")
    for policy in found.policies:
        for row in policy.judges:
            shown_rates = [_share_cell(row.sensitivity), _share_cell(row.specificity), _interval_cell(row.youden)]
            errors.add_row(row.judge, policy.name, row.arm or "all", f"{row.labelled:,}", *shown_rates)
    console.print(errors)
    for line in found.words:
        console.print(line)


def _arm_table(panel: PanelWorth) -> Table:
    shown = _plain_table("  arm", "trials", "base rate", "correlation", "effective number")
    for arm in panel.arms:
        cells = [_share_cell(arm.base_rate), _interval_cell(arm.correlation)]
        number = arm.effective
        told = (arm.reason or "") if number is None else f"{number.value:.1f} ({number.low:.1f} to {number.high:.1f})"
        shown.add_row(f"  {arm.arm or 'all'}", f"{arm.trials:,}", *cells, told)
    return shown


def _member_table(panel: PanelWorth) -> Table:
    shown = _plain_table("  member", "trials", "error", "weight", "effective number without it")
    for member in panel.members:
        weight = "" if member.weight is None else f"{member.weight:.2f}"
        without = "" if member.effective_without is None else f"{member.effective_without:.1f}"
        shown.add_row(f"  {member.name}", f"{member.trials:,}", _share_cell(member.error), weight, without)
    return shown


def _vote_table(panel: PanelWorth) -> Table:
    shown = _plain_table("  majority of", "effective number", "error")
    for vote in panel.votes:
        worth = "" if vote.effective is None else f"{vote.effective:.1f}"
        error = "" if vote.error is None else format_percent(vote.error)
        if vote.error is not None and vote.low is not None and vote.high is not None:
            error = format_interval(vote.error, vote.low, vote.high, sign=False)
        shown.add_row(f"  {vote.members}{' (predicted)' if vote.is_predicted else ''}", worth, error)
    return shown


def _share_cell(estimate: Estimate | None) -> str:
    """A rate in percent."""
    return "" if estimate is None else format_interval(estimate.value, estimate.low, estimate.high, sign=False)


def _interval_cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return show_cell(Interval(estimate.value, estimate.low, estimate.high), "number")


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
    rate = "" if arm.base_rate is None else f", {100 * arm.base_rate.value:.0f} % events"
    return f"{arm.arm or 'all'} ({arm.labelled:,}{rate})"


def _measure_cells(row: PairedMeasure) -> list[str]:
    change = "unknown" if row.difference is None else format_change(row.difference)
    tests = (_p_cell(p) for p in (row.p_exact, row.p_adjusted))
    return [f"{row.of:,}", _rate_cell(row.a), _rate_cell(row.b), change, *tests]


def _p_cell(p: float | None) -> str:
    return "" if p is None else format_p(p).removeprefix("p ").removeprefix("= ")


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


def _rate_cell(estimate: Estimate | None) -> str:
    return "unknown" if estimate is None else show_cell(estimate.value, "number")
