"""`gnomon strengths`: the strengths at which a model's answers stay coherent, for each model and layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnomon.api.study import open_study
from gnomon.chain.strength_search import CoherentDose, StrengthsDocument
from gnomon.chain.trial_generation import GenerateOptions
from gnomon.commands.console_listener import ConsoleListener


def find_strengths(
    folder: Path, subjects: Sequence[str], options: GenerateOptions, answers: int, *, again: bool
) -> StrengthsDocument:
    """Search, store and return the strengths at which 95, 80 and 50 % of answers stay coherent.

    Parameters
    ----------
    folder : Path
        The study's folder.
    subjects : sequence of str
        Names of models; empty for all.
    options : GenerateOptions
        Engine and batch size.
    answers : int
        Answers at each strength.
    again : bool
        Search again where the study has a search already.
    """
    from gnomon.chain.strength_search import find_strengths as search

    with open_study(folder, listener=ConsoleListener()) as study:
        return search(study.opened, subjects, options, answers, again=again)


def print_strengths(found: StrengthsDocument) -> None:
    """Print a table with a row for each model and layer, and a column for each share, on stdout."""
    from rich.table import Table

    from gnomon.render.text_console import TextConsole

    shares = [dose.share for dose in found.searches[0].doses] if found.searches else []
    table = Table("model", "layer", "depth", *(f"{100 * share:g} %" for share in shares), "answers", box=None)
    for search in found.searches:
        cells = [str(search.layer), f"{search.depth:.2f}", *(_dose_text(dose) for dose in search.doses)]
        table.add_row(search.subject, *cells, f"{search.answers} of {search.asked}")
    console = TextConsole()
    console.print("strengths at which so many answers stay coherent, with 95 % intervals", soft_wrap=True)
    console.print(table)


def _dose_text(dose: CoherentDose) -> str:
    if dose.strength is None:
        return "none found"
    return f"{dose.strength:g} ({dose.low:g} to {dose.high:g})"
