"""`gnomon battery`: runs every task of the battery on a study's models and prints one table for each model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnomon.api.study import open_study
from gnomon.chain.battery_run import BatteryDocument
from gnomon.chain.trial_generation import GenerateOptions
from gnomon.commands.console_listener import ConsoleListener


def battery_of_study(
    folder: Path, subjects: Sequence[str], tasks: Sequence[str], items: int, options: GenerateOptions
) -> BatteryDocument:
    """Generate the missing trials of the battery and summarise them.

    Parameters
    ----------
    folder : Path
        The study's folder.
    subjects : sequence of str
        Names of subjects; empty for all.
    tasks : sequence of str
        Names of tasks; empty for all.
    items : int
        Items of each task and concept.
    options : GenerateOptions
        Engine and batch size.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        return study.battery(subjects=subjects, tasks=tasks, items=items, options=options)
