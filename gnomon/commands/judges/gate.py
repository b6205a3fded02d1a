"""`gnomon gate`: whether a calibration card meets what is required of it, for continuous integration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from gnomon.calibration.cards.card_file import read_card
from gnomon.calibration.cards.requirements import GateDocument, check_card, parse_requirement
from gnomon.console import print_status

NOT_CHECKED = "The card was not compared with its study: --study DIR tells whether it is stale."


def check_gate(path: Path, require: Sequence[str], folder: Path | None) -> GateDocument:
    """Read a card and check requirements on it.

    Parameters
    ----------
    path : Path
        The card.
    require : sequence of str
        Requirements as they were written.
    folder : Path, optional
        Folder of the study that the card is of; by default it is not looked at.
    """
    wanted = [parse_requirement(text) for text in require]
    card = read_card(path)
    if folder is None:
        return check_card(card, wanted)
    from gnomon.api.study import open_study
    from gnomon.calibration.cards.staleness import card_staleness

    with open_study(folder, skip_invalid_judges=True) as study:
        return check_card(card, wanted, card_staleness(card, study.store))


def print_gate(document: GateDocument) -> None:
    """Print one line for each requirement, and one for each reason why the card passes nothing."""
    for each in document.requirements:
        typer.echo(each.words)
    for reason in document.stale:
        typer.echo(f"not passed: the card is stale: {reason}")
    for reason in document.obstacles:
        typer.echo(f"not passed: {reason}")
    if not document.checked:
        print_status(NOT_CHECKED)


def exit_if_not_passed(document: GateDocument) -> None:
    """End with status 1 where the card did not pass."""
    if not document.passed:
        raise typer.Exit(1)
