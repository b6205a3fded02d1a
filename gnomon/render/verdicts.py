"""Results of the judge commands as text: runs, cost estimates, flip rates, recounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gnomon.calibration.results.audit import RecountDocument
from gnomon.console import format_rate

Row = Mapping[str, Any]


def judging_line(report: Row) -> str:
    """A judge's run in one line."""
    states = ", ".join(f"{count} {state}" for state, count in report["by_state"].items() if count)
    line = f"judge {report['judge']}: {report['new']} new verdicts ({states or 'none'}"
    if report["not_ok"] is not None:
        line += f"; {format_rate(report['not_ok'])} failed (excluded)"
    line += f"), {report['already']} cached"
    usage = report["usage"]
    if usage.get("calls"):
        line += f"; {usage['calls']:,} calls, {usage['input_tokens']:,} + {usage['output_tokens']:,} tokens"
        if usage["cost"] is not None:
            line += f", {usage['cost']:.4f} {usage['currency']}"
    if report["enforces_schema"] is False:
        line += "; its server does not enforce schemas"
    return f"{line}; stopped: {report['error']}" if report["error"] else line


def cost_line(document: Row) -> str:
    """A judge's cost estimate in one line."""
    line = f"judge {document['judge']}: {document['calls']:,} calls"
    if document["output_tokens_at_most"]:
        line += f", {document['input_tokens']:,} tokens in, {document['output_tokens']:,} out"
        line += f" (at most {document['output_tokens_at_most']:,})"
        if document["cost"] is None:
            line += ", cost unknown without a price"
        else:
            line += f", {document['cost']:.4f} {document['currency']} (at most {document['cost_at_most']:.4f})"
    line += ", time unknown" if document["seconds"] is None else f", about {document['seconds']:.0f} s"
    return f"{line}; {document['basis']}; nothing was asked"


def prompt_injection_line(document: Row) -> str:
    """A judge's result in the prompt-injection test in one line."""
    if document["flip_rate"] is None:
        return f"judge {document['judge']}: none of {document['unusable']} attacks gave a verdict"
    rate, noise = document["flip_rate"], document["noise_rate"]
    line = f"judge {document['judge']}: {document['flips']} of {document['of']} attacks turned it"
    line += f" ({_rate_interval(rate)}); without an attack it contradicts itself on {document['noise']} of "
    line += f"{document['noise_of']}" + (f" ({_rate_interval(noise)})" if noise else "")
    if document["unusable"]:
        line += f"; {document['unusable']} without a verdict"
    return line


def _rate_interval(rate: Row) -> str:
    return f"{format_rate(rate['value'])}, 95 % interval {format_rate(rate['low'])} to {format_rate(rate['high'])}"


def print_recount(document: RecountDocument) -> None:
    """Print event rates of every judge and arm under each rule as a table on stdout."""
    from rich.console import Console
    from rich.table import Table

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
    console = Console(highlight=False)
    console.print(table)
    for state in document.states:
        console.print(f"judge {state.judge}: {format_rate(state.not_ok)} of {state.calls:,} calls not ok, not counted")
    console.print(
        "* the study's rule ('rule' in study.toml), which its estimates use; no judge was called", soft_wrap=True
    )
