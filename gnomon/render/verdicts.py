"""Results of the judge commands as text: runs, cost estimates, flip rates, recounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnomon.calibration.results.audit import RecountDocument
from gnomon.console import format_rate
from gnomon.data.foreign_documents.permissions import KEY_HOSTS, permission_hint, server_entry
from gnomon.data.results import Estimate
from gnomon.data.storage.design_scope import describe_outside

if TYPE_CHECKING:
    from gnomon.chain.verdict_collection import FlipRateReport, ReleasedReservation
    from gnomon.judging.runs.cost_estimate import CostEstimate
    from gnomon.judging.runs.panel import JudgeReport


def judging_line(report: JudgeReport) -> str:
    """A judge's run in one line."""
    states = ", ".join(f"{count} {state}" for state, count in report.by_state.items() if count)
    line = f"judge {report.judge}: {report.new} new verdicts ({states or 'none'}"
    if report.not_ok is not None:
        line += f"; {format_rate(report.not_ok)} failed (excluded)"
    line += f"), {report.already} cached"
    usage = report.usage
    if usage.get("calls"):
        line += f"; {usage['calls']:,} calls, {usage['input_tokens']:,} + {usage['output_tokens']:,} tokens"
        if usage["cost"] is not None:
            line += f", {usage['cost']:.4f} {usage['currency']}"
    if report.enforces_schema is False:
        line += "; its server does not enforce schemas"
    adapted = usage.get("adapted")
    if isinstance(adapted, list) and adapted:
        line += f"; adapted to its server: {', '.join(map(str, adapted))}"
    if usage.get("set_aside") and "--release" not in (report.error or ""):
        line += (
            f"; {usage['set_aside']:.4f} {usage['currency']} of its budget is set aside by {usage['set_aside_by']}: "
        )
        line += "if they were killed, 'gnomon judge DIR --release' frees it"
    return f"{line}; stopped: {report.error}" if report.error else line


def release_line(released: ReleasedReservation) -> str:
    """What was released of one judge in one line."""
    if not released.input_tokens:
        return f"judge {released.judge}: nothing was set aside"
    line = f"judge {released.judge}: {released.input_tokens:,} + {released.output_tokens:,} tokens"
    if released.cost is not None:
        line += f", {released.cost:.4f} {released.currency},"
    runs = "1 run" if released.runs == 1 else f"{released.runs} runs"
    return f"{line} that {runs} had set aside no longer count as spent: compare with your provider's bill"


def cost_line(estimate: CostEstimate) -> str:
    """A judge's cost estimate in one line."""
    line = f"judge {estimate.judge}: {estimate.calls:,} calls"
    if estimate.output_tokens_at_most:
        line += f", {estimate.input_tokens:,} tokens in, {estimate.output_tokens:,} out"
        line += f" (at most {estimate.output_tokens_at_most:,})"
        if estimate.cost is None:
            line += ", cost unknown without a price"
        else:
            line += f", {estimate.cost:.4f} {estimate.currency} (at most {estimate.cost_at_most:.4f})"
    line += ", time unknown" if estimate.seconds is None else f", about {estimate.seconds:.0f} s"
    return f"{line}; {estimate.basis}; {_destination(estimate)}nothing was asked"


def _destination(estimate: CostEstimate) -> str:
    """Where a judge's transcripts and secrets would go."""
    if estimate.server is None:
        return ""
    text = f"transcripts go to {estimate.server}"
    if sent := [name for name in estimate.variables if name not in estimate.refused]:
        text += f" with the value of {', '.join(sent)}"
    hints = [permission_hint(KEY_HOSTS, server_entry(name, estimate.server)) for name in estimate.refused]
    refused = [f"{name} is not sent there without {hint}" for name, hint in zip(estimate.refused, hints, strict=True)]
    return "; ".join([text, *refused, ""])


def prompt_injection_line(report: FlipRateReport) -> str:
    """A judge's result in the prompt-injection test in one line."""
    if report.flip_rate is None:
        return f"judge {report.judge}: none of {report.unusable} attacks gave a verdict"
    line = f"judge {report.judge}: {report.flips} of {report.of} attacks turned it"
    line += f" ({_rate_interval(report.flip_rate)}); without an attack it contradicts itself on {report.noise} of "
    line += f"{report.noise_of}" + (f" ({_rate_interval(report.noise_rate)})" if report.noise_rate else "")
    if report.unusable:
        line += f"; {report.unusable} without a verdict"
    return line


def _rate_interval(rate: Estimate) -> str:
    return f"{format_rate(rate.value)}, 95 % interval {format_rate(rate.low)} to {format_rate(rate.high)}"


def print_recount(document: RecountDocument) -> None:
    """Print event rates of every judge and arm under each rule as a table on stdout."""
    from rich.table import Table

    from gnomon.render.text_console import TextConsole

    table = Table("judge", "arm", "rule", "verdicts", "event", "95 % interval", "pass", box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "right" if place >= 3 else "left"
    for row in document.rows:
        event, passed = row.event, row.passed
        mark = " *" if row.rule == document.rule else ""
        where = f"{format_rate(event.low)} to {format_rate(event.high)}"
        cells = [f"{row.verdicts:,}", format_rate(event.value), where, format_rate(passed.value)]
        table.add_row(row.judge, row.arm, f"{row.rule}{mark}", *cells)
    console = TextConsole()
    console.print(table)
    for state in document.states:
        console.print(f"judge {state.judge}: {format_rate(state.not_ok)} of {state.calls:,} calls not ok, not counted")
    if document.outside_design:
        console.print(describe_outside(document.outside_design), soft_wrap=True)
    console.print(
        "* the study's rule ('rule' in study.toml), which its estimates use; no judge was called", soft_wrap=True
    )
