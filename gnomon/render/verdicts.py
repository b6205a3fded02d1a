"""Results of the judge commands as text: runs, cost estimates, flip rates, recounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnomon.calibration.results.audit import RecountDocument, RuleRow
from gnomon.data.foreign_documents.permissions import KEY_HOSTS, permission_hint, server_entry
from gnomon.data.results import Estimate
from gnomon.data.storage.design_scope import describe_outside
from gnomon.stats.narrative.formatting import format_interval, format_percent

RULE_COLUMN = 2
RECOUNT_NOTES = (
    "Event: the injected concept identified and, without injection, anything claimed. Pass: the injected concept "
    "identified and, without injection, a denial. Rules that count alike share a row.",
    "* the study's rule ('rule' in study.toml), which its estimates use; no judge was called. Intervals 95 %, without "
    "judge error.",
)

if TYPE_CHECKING:
    from gnomon.chain.verdict_collection import FlipRateReport, ReleasedReservation
    from gnomon.judging.runs.cost_estimate import CostEstimate
    from gnomon.judging.runs.panel import JudgeReport


def judging_line(report: JudgeReport) -> str:
    """A judge's run in one line."""
    states = ", ".join(f"{count} {state}" for state, count in report.by_state.items() if count)
    if not (report.asked or report.already or report.error):
        return f"judge {report.judge}: there are no trials to judge: run 'gnomon generate' or 'gnomon import' first"
    line = f"judge {report.judge}: {report.new:,} new verdicts ({states or 'none'}"
    if report.not_ok is not None:
        line += f"; {format_percent(report.not_ok, 1)} failed (excluded)"
    line += f"), {report.already:,} cached"
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
    return f"{format_percent(rate.value)}, 95 % interval {format_percent(rate.low)} to {format_percent(rate.high)}"


def print_recount(document: RecountDocument) -> None:
    """Print event rates of every judge and arm under each rule as a table on stdout; rules that count alike as one."""
    from rich.table import Table

    from gnomon.render.text_console import TextConsole

    console = TextConsole()
    if not document.rows:
        console.print("No verdicts yet: run 'gnomon generate', then 'gnomon judge'", soft_wrap=True)
        return
    table = Table("judge", "arm", "rule", "verdicts", "event", "pass", box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(table.columns):
        column.no_wrap = place != RULE_COLUMN
        column.justify = "right" if place > RULE_COLUMN else "left"
    for alike in _rules_alike(document):
        first = alike[0]
        rules = ", ".join(f"{row.rule} *" if row.rule == document.rule else row.rule for row in alike)
        rates = [format_interval(rate.value, rate.low, rate.high, sign=False) for rate in (first.event, first.passed)]
        table.add_row(first.judge, first.arm, rules, f"{first.verdicts:,}", *rates)
    console.print(table)
    for state in document.states:
        console.print(
            f"judge {state.judge}: {format_percent(state.not_ok, 1)} of {state.calls:,} calls failed and are excluded"
        )
    if document.outside_design:
        console.print(describe_outside(document.outside_design), soft_wrap=True)
    for line in RECOUNT_NOTES:
        console.print(line, soft_wrap=True)


def _rules_alike(document: RecountDocument) -> list[list[RuleRow]]:
    """Rows of each judge and arm, those together whose rules count every verdict alike."""
    found: dict[tuple[object, ...], list[RuleRow]] = {}
    for row in document.rows:
        counted = (row.verdicts, row.event.value, row.passed.value, *sorted(row.outcomes.items()))
        found.setdefault((row.judge, row.arm, *counted), []).append(row)
    return list(found.values())
