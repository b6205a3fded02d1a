"""The battery on the terminal: for each model one row a task, and what is left of detection after the yes-shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from gnomon.chain.battery_run import BatteryDocument

if TYPE_CHECKING:
    from gnomon.stats.tables.estimate_table import EstimateTable

WIDE = 150
"""Characters of a terminal from which on every column is shown."""


def print_battery(document: BatteryDocument) -> None:
    """Print the tables of each model on stdout."""
    from gnomon.render.text_console import TextConsole
    from gnomon.stats.narrative.battery.battery_sentences import yes_shift_sentences
    from gnomon.stats.narrative.battery.dose_sentences import dose_sentences
    from gnomon.stats.narrative.battery.variant_sentences import variant_sentences
    from gnomon.stats.tables.battery.battery_tables import TASKS_CAPTION, task_table
    from gnomon.stats.tables.battery.dose_table import DOSE_CAPTION, dose_table
    from gnomon.stats.tables.battery.variant_table import VARIANT_CAPTION, variant_table

    console = TextConsole()
    is_wide = console.width >= WIDE
    made = ", ".join(f"{done.subject} {done.planned:,}" for done in document.generated)
    console.print(f"{document.study}: battery of {document.items} items, trials: {made}", soft_wrap=True)
    for subject in document.summary.subjects:
        console.print(printed_table(task_table(document.summary, subject), subject, is_wide=is_wide))
        for line in yes_shift_sentences(document.summary, subject):
            console.print(line, soft_wrap=True)
        if doses := dose_table(document.summary, subject):
            console.print(printed_table(doses, f"{subject}, by dose and by depth", is_wide=is_wide))
        for line in dose_sentences(document.summary, subject):
            console.print(line, soft_wrap=True)
    console.print(TASKS_CAPTION, style="dim", soft_wrap=True)
    if document.summary.curves:
        console.print(DOSE_CAPTION, style="dim", soft_wrap=True)
    for comparison in document.variants:
        if comparison.tasks:
            title = f"{comparison.variant} less {comparison.base}"
            console.print(printed_table(variant_table(comparison), title, is_wide=is_wide))
        for line in variant_sentences(comparison):
            console.print(line, soft_wrap=True)
    if document.variants:
        console.print(VARIANT_CAPTION, style="dim", soft_wrap=True)


def printed_table(table: EstimateTable, title: str, *, is_wide: bool = True) -> Table:
    """A table of the battery for the terminal.

    Parameters
    ----------
    table : EstimateTable
    title : str
    is_wide : bool
        Whether there is room for what is counted, and for the intervals of arms without an injection.
    """
    from gnomon.render.text_console import bold_text
    from gnomon.stats.tables.estimate_table import Interval, show_cell

    shown = Table(title=bold_text(title), box=None, title_justify="left", title_style="", pad_edge=False)
    kept = [place for place, column in enumerate(table.columns) if is_wide or column.name != "counted"]
    for place in kept:
        column = table.columns[place]
        shown.add_column(column.heading, justify="left" if column.kind == "text" else "right", no_wrap=is_wide)
    for row in table.rows:
        cells = [(table.columns[place], row.get(table.columns[place].name)) for place in kept]
        shown.add_row(
            *(
                show_cell(cell.value, cell.kind or column.kind)
                if isinstance(cell, Interval) and not is_wide and column.kind == "rate" and column.name != "injection"
                else show_cell(cell, column.kind)
                for column, cell in cells
            )
        )
    return shown
