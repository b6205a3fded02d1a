"""`gnomon judge`: asks the judges, or says what that would cost, or attacks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gnomon.api.study import Study, open_study
from gnomon.commands.console_listener import ConsoleListener
from gnomon.console import print_status
from gnomon.render import verdicts as render_verdicts

if TYPE_CHECKING:
    from gnomon.chain.verdict_collection import FlipRateReport, JudgeResults, ReleasedReservation
    from gnomon.judging.runs.cost_estimate import CostEstimate
    from gnomon.judging.runs.panel import JudgeReport

Result = TypeVar("Result")


def collect_verdicts(folder: Path, names: Sequence[str], limit: int | None) -> JudgeResults[JudgeReport]:
    """Ask the judges about the trials that they have not judged, and print a line for each.

    Parameters
    ----------
    folder : Path
        The study's folder.
    names : sequence of str
        Names of the judges; empty for all.
    limit : int, optional
        Largest number of trials per judge; None for all.
    """
    return _run_judges(
        folder,
        lambda study: study.judge(judges=names, limit=limit, incomplete="keep"),
        render_verdicts.judging_line,
    )


def estimate_cost(folder: Path, names: Sequence[str], limit: int | None) -> JudgeResults[CostEstimate]:
    """Print what asking the judges would cost; no judge is asked.

    Parameters
    ----------
    folder : Path
        The study's folder.
    names : sequence of str
        Names of the judges; empty for all.
    limit : int, optional
        Largest number of trials per judge; None for all.
    """
    return _run_judges(
        folder,
        lambda study: study.judging_cost(judges=names, limit=limit, incomplete="keep"),
        render_verdicts.cost_line,
    )


def attack_judges(folder: Path, names: Sequence[str]) -> JudgeResults[FlipRateReport]:
    """Print how often the bundled attacks change each judge's verdict; no trial is judged.

    Parameters
    ----------
    folder : Path
        The study's folder.
    names : sequence of str
        Names of the judges; empty for all.
    """
    return _run_judges(
        folder,
        lambda study: study.attack(judges=names, incomplete="keep"),
        render_verdicts.prompt_injection_line,
    )


def release_reservations(folder: Path, names: Sequence[str]) -> list[ReleasedReservation]:
    """Count what killed runs had set aside as not spent, and print a line for each judge.

    Parameters
    ----------
    folder : Path
        The study's folder.
    names : sequence of str
        Names of the judges; empty for all.
    """
    with open_study(folder, listener=ConsoleListener(), skip_invalid_judges=True) as study:
        released = study.release_reservations(judges=names)
    for each in released:
        print_status(render_verdicts.release_line(each))
    return released


def _run_judges(
    folder: Path, step: Callable[[Study], JudgeResults[Result]], line_of: Callable[[Result], str]
) -> JudgeResults[Result]:
    with open_study(folder, listener=ConsoleListener(), skip_invalid_judges=True) as study:
        found = step(study)
    for result in found.results:
        print_status(line_of(result))
    return found
