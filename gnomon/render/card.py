"""A calibration card on the terminal: a table of the arms, and the card's sentences."""

from __future__ import annotations

from rich.table import Table

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_sentences import LOW_CARD, card_sentences, withheld_sentences
from gnomon.render.text_console import TextConsole, bold_text
from gnomon.stats.tables.calibration.card_tables import arm_table


def print_card(card: CalibrationCard) -> None:
    """Print a card on stdout."""
    console = TextConsole()
    table = arm_table(card)
    shown = Table(title=bold_text(f"Calibration card of {card.basis.judge.name}"), box=None, pad_edge=False)
    shown.title_justify, shown.title_style = "left", ""
    for column in table.columns:
        shown.add_column(column.heading, no_wrap=True)
    for row in table.texts():
        shown.add_row(*row)
    console.print(shown)
    for line in [*card_sentences(card), *withheld_sentences(card)]:
        console.print(line, soft_wrap=True)
    console.print(f"Intervals 95 %. {LOW_CARD} Hash {card.hash[:12]}.", style="dim", soft_wrap=True)
