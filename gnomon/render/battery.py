"""The battery as tables: for each model one row a task, and what is left of detection after the yes-shift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gnomon.chain.battery_run import BatteryDocument
from gnomon.console import format_points, format_rate
from gnomon.data.arms import ARMS
from gnomon.data.results import Estimate
from gnomon.stats.measures.measure_results import MeasuredEstimate, TaskSummary, YesCorrection

if TYPE_CHECKING:
    from rich.table import Table

WITH_INTERVAL = ("injection", "control", "sham")
"""Arms that the table shows with an interval; on a narrow terminal the first alone."""
WIDE, UNBOUNDED = 150, 240
"""Characters of a terminal from which on every column is shown, and of what is no terminal."""
VERDICTS: Mapping[str, str] = {
    "detection": "the question rises by more than the yes-shift",
    "nothing_left": "nothing is left after the yes-shift",
    "below_zero": "the question rises by less than the yes-shift",
    "undecided": "the interval does not tell",
}
NOTE = (
    "Of a task read from logits, a rate is the mean probability of the event among the options. Intervals of 95 %, for "
    "concepts like these where several were injected. Chance is given where guessing has a known rate: the right "
    "option is drawn anew from trial to trial."
)


def print_battery(document: BatteryDocument) -> None:
    """Print one table for each model on stdout."""
    from gnomon.render.text_console import TextConsole

    console = TextConsole()
    if not console.is_terminal:
        console = TextConsole(width=UNBOUNDED)
    made = ", ".join(f"{done.subject} {done.planned:,}" for done in document.generated)
    console.print(f"{document.study}: battery of {document.items} items, trials: {made}", soft_wrap=True)
    for subject in document.summary.subjects:
        console.print(battery_table(document, subject, is_wide=console.width >= WIDE))
        for line in yes_shift_lines(document, subject):
            console.print(line, soft_wrap=True)
    console.print(NOTE, style="dim", soft_wrap=True)


def battery_table(document: BatteryDocument, subject: str, *, is_wide: bool = True) -> Table:
    """One row a task: what is counted, chance, rate by arm, and injection less control.

    Parameters
    ----------
    document : BatteryDocument
    subject : str
    is_wide : bool
        Whether there is room for what is counted, and for intervals of control and sham.
    """
    from rich.table import Table

    from gnomon.render.text_console import bold_text

    rows = {row.task: row for row in document.summary.tasks if row.subject == subject}
    arms = [arm for arm in ARMS if any(rate.arm == arm for row in rows.values() for rate in row.rates)]
    shown = Table(title=bold_text(subject), box=None, title_justify="left", title_style="", pad_edge=False)
    for name in ("task", "counted") if is_wide else ("task",):
        shown.add_column(name, no_wrap=is_wide)
    for name in ("chance", *arms, "injection - control"):
        shown.add_column(name, justify="right", no_wrap=is_wide)
    for entry in document.legend:
        row = _graded_row(document, rows[entry.task]) if entry.task in rows else None
        if row is not None:
            rates = {rate.arm: rate for rate in row.rates}
            bounded = WITH_INTERVAL if is_wide else WITH_INTERVAL[:1]
            cells = [_rate_cell(rates[arm], arm in bounded) if arm in rates else "" for arm in arms]
            chance = "" if row.chance is None else format_rate(row.chance)
            named = (entry.task, entry.event) if is_wide else (entry.task,)
            shown.add_row(*named, chance, *cells, _difference_cell(row.difference))
    return shown


def yes_shift_lines(document: BatteryDocument, subject: str) -> Iterator[str]:
    """Detection less the yes-shift over the whole design, and what the interval says of it.

    Parameters
    ----------
    document : BatteryDocument
    subject : str
    """
    for each in document.summary.yes_corrections:
        if each.corrected.subject == subject and not each.corrected.by:
            yield _yes_shift_line(each)


def _graded_row(document: BatteryDocument, row: TaskSummary) -> TaskSummary | None:
    """The row; of a task without a right answer the area under the curve takes the place of the rate."""
    if row.rates:
        return row
    graded = [
        each
        for each in document.summary.signal_detection
        if (each.subject, each.task, each.estimand) == (row.subject, row.task, "auc") and not each.by
    ]
    return row.model_copy(update={"rates": graded[:1], "chance": graded[0].reference}) if graded else None


def _rate_cell(rate: MeasuredEstimate, has_interval: bool) -> str:
    value, bounds = format_rate(rate.value), rate.headline
    return f"{value} ({_bounds_text(bounds)})" if has_interval and bounds is not None else value


def _bounds_text(bounds: Estimate) -> str:
    return f"{100 * bounds.low:.0f} to {100 * bounds.high:.0f}"


def _difference_cell(difference: MeasuredEstimate | None) -> str:
    if difference is None:
        return ""
    bounds = difference.headline
    told = "" if bounds is None else f" ({100 * bounds.low:+.1f} to {100 * bounds.high:+.1f})"
    return f"{format_points(difference.value)}{told}"


def _yes_shift_line(each: YesCorrection) -> str:
    unit = " nats of log-odds" if each.corrected.scale == "logit" else " %"
    scale = 1.0 if each.corrected.scale == "logit" else 100.0
    bounds = each.corrected.headline
    told = "" if bounds is None else f" ({scale * bounds.low:+.2f} to {scale * bounds.high:+.2f})"
    return (
        f"yes-corrected detection: {scale * each.corrected.value:+.2f}{told}{unit}: shift of the question "
        f"{scale * each.notice.value:+.2f}, yes-shift {scale * each.unrelated.value:+.2f}: {VERDICTS[each.verdict]}"
    )
