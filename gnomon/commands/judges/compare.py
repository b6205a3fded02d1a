"""`gnomon judge --compare A B` and `gnomon calibrate --compare A B`: two judge versions on the same labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.api.study import open_study
from gnomon.calibration.labels.views import check_view
from gnomon.chain import verdict_collection
from gnomon.commands.console_listener import ConsoleListener
from gnomon.console import print_status
from gnomon.render import verdicts as render_verdicts

if TYPE_CHECKING:
    from gnomon.calibration.comparison.comparison_results import RubricComparison
    from gnomon.calibration.comparison.policy_results import PolicyDocument
    from gnomon.calibration.panel_worth.panel_results import PanelDocument
    from gnomon.chain.verdict_collection import JudgeResults
    from gnomon.judging.runs.cost_estimate import CostEstimate


def ask_and_compare(folder: Path, a: str, b: str, limit: int | None, view: str | None = None) -> RubricComparison:
    """Ask two judges about the labelled trials that they have not judged, print a line for each, and compare them.

    Parameters
    ----------
    folder : Path
        The study's folder.
    a, b : str
        Names of judges, or versions with verdicts: what there was, and what is to be better.
    limit : int, optional
        Largest number of trials per judge; None for all.
    view : str, optional
        Label view; None for the study's.
    """
    if view is not None:
        check_view(view)
    with open_study(folder, listener=ConsoleListener(), skip_invalid_judges=True) as study:
        runs = verdict_collection.collect_comparison(study.opened, a, b, limit)
        for report in runs.done.results:
            print_status(render_verdicts.judging_line(report))
        runs.done.raise_if_incomplete()
        return study.compare_judges(*runs.versions, view=view)


def estimate_comparison_cost(folder: Path, a: str, b: str, limit: int | None) -> JudgeResults[CostEstimate]:
    """Print what `ask_and_compare` would cost; no judge is asked.

    Parameters
    ----------
    folder, a, b, limit
        As for `ask_and_compare`.
    """
    with open_study(folder, listener=ConsoleListener(), skip_invalid_judges=True) as study:
        found = verdict_collection.estimate_comparison_cost(study.opened, a, b, limit)
    for estimate in found.results:
        print_status(render_verdicts.cost_line(estimate))
    return found


def compare_stored(folder: Path, a: str, b: str, view: str | None) -> RubricComparison:
    """Compare two judge versions by their stored verdicts; no judge is asked.

    Parameters
    ----------
    folder : Path
        The study's folder.
    a, b : str
        Names, versions or beginnings of versions.
    view : str, optional
        Label view; None for the study's.
    """
    with open_study(folder) as study:
        return study.compare_judges(a, b, view=view)


def weigh_panel(folder: Path, view: str | None) -> PanelDocument:
    """What the study's judges, and its raters, are worth together.

    Parameters
    ----------
    folder : Path
        The study's folder.
    view : str, optional
        Label view; None for the study's.
    """
    with open_study(folder) as study:
        return study.panel_worth(view)


def compare_policies(folder: Path, view: str | None) -> PolicyDocument:
    """Labels, agreement and judge error by the guideline that raters followed.

    Parameters
    ----------
    folder : Path
        The study's folder.
    view : str, optional
        Label view; None for the study's.
    """
    with open_study(folder) as study:
        return study.compare_policies(view)
