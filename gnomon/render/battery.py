"""The battery on the terminal: for each model one row a task, and what is left of detection after the yes-shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnomon.chain.battery_run import BatteryDocument

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from gnomon.stats.measures.measure_results import BatterySummary

TEXTS = ("task", "counted", "followed", "by")
"""Columns that begin at the left."""
WIDE = 150
"""Characters of a terminal from which on every column is shown."""


def print_battery(document: BatteryDocument) -> None:
    """Print one table for each model on stdout."""
    from gnomon.render.text_console import TextConsole
    from gnomon.stats.narrative.battery.battery_sentences import yes_shift_sentences
    from gnomon.stats.narrative.battery.battery_table import NOTE
    from gnomon.stats.narrative.battery.dose_sentences import DOSE_NOTE, dose_sentences, dose_table
    from gnomon.stats.narrative.battery.variant_sentences import VARIANT_NOTE, variant_sentences, variant_table

    console = TextConsole()
    made = ", ".join(f"{done.subject} {done.planned:,}" for done in document.generated)
    console.print(f"{document.study}: battery of {document.items} items, trials: {made}", soft_wrap=True)
    for subject in document.summary.subjects:
        console.print(printed_table(document.summary, subject, is_wide=console.width >= WIDE))
        for line in yes_shift_sentences(document.summary, subject):
            console.print(line, soft_wrap=True)
        if len(doses := dose_table(document.summary, subject)):
            console.print(framed_table(doses, f"{subject}, by dose and by depth", is_wide=console.width >= WIDE))
        for line in dose_sentences(document.summary, subject):
            console.print(line, soft_wrap=True)
    console.print(NOTE, style="dim", soft_wrap=True)
    if document.summary.curves:
        console.print(DOSE_NOTE, style="dim", soft_wrap=True)
    for comparison in document.variants:
        if comparison.tasks:
            title = f"{comparison.variant} less {comparison.base}"
            console.print(framed_table(variant_table(comparison), title, is_wide=console.width >= WIDE))
        for line in variant_sentences(comparison):
            console.print(line, soft_wrap=True)
    if document.variants:
        console.print(VARIANT_NOTE, style="dim", soft_wrap=True)


def printed_table(summary: BatterySummary, subject: str, *, is_wide: bool = True) -> Table:
    """The table of one model's tasks.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    is_wide : bool
        Whether there is room for what is counted, and for the intervals of control and sham.
    """
    from gnomon.stats.narrative.battery.battery_table import WITH_INTERVAL, battery_table

    frame = battery_table(summary, subject, WITH_INTERVAL if is_wide else WITH_INTERVAL[:1])
    return framed_table(frame, subject, is_wide=is_wide)


def framed_table(frame: pd.DataFrame, title: str, *, is_wide: bool = True) -> Table:
    """A frame of texts as a table.

    Parameters
    ----------
    frame : DataFrame
        Texts; `task` and `counted` begin at the left.
    title : str
    is_wide : bool
        Whether there is room for what is counted.
    """
    from rich.table import Table

    from gnomon.render.text_console import bold_text

    shown = Table(title=bold_text(title), box=None, title_justify="left", title_style="", pad_edge=False)
    columns = [str(name) for name in frame.columns if is_wide or name != "counted"]
    for name in columns:
        shown.add_column(name, justify="left" if name in TEXTS else "right", no_wrap=is_wide)
    for row in frame[columns].itertuples(index=False):
        shown.add_row(*row)
    return shown
