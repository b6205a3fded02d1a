"""`gnomon generate`: generates the missing trials, or says how many they are and how long they take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnomon.api.study import open_study
from gnomon.calibration.measure_counts import MeasureCount
from gnomon.chain.measure_summary import MeasureSummary
from gnomon.chain.trial_generation import GenerateOptions, SweepForecast, SweepSummary
from gnomon.commands.console_listener import ConsoleListener
from gnomon.console import print_status, readable_time
from gnomon.stats.narrative.formatting import format_interval, format_percent

NAMES = 2
"""Columns of a forecast that are names."""
WORDS = {"steered": "with a vector", "plain": "without"}


def generate_trials(
    folder: Path, subjects: Sequence[str], concepts: Sequence[str], options: GenerateOptions
) -> list[SweepSummary]:
    """Generate the missing trials of a study.

    Parameters
    ----------
    folder : Path
        The study's folder.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    options : GenerateOptions
        Engine and batch size.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        result = study.generate(subjects=subjects, concepts=concepts, options=options)
    for summary in result.subjects:
        for measure in summary.measures:
            print_measure(summary.subject, measure)
    return list(result.subjects)


def forecast_trials(
    folder: Path,
    subjects: Sequence[str],
    concepts: Sequence[str],
    options: GenerateOptions,
    *,
    timed: bool = False,
) -> list[SweepForecast]:
    """How many trials would be generated, from the design; with `timed` also how long that would take here.

    Parameters
    ----------
    folder : Path
        The study's folder.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    options : GenerateOptions
        Engine and batch size.
    timed : bool, default False
        Whether to load each model and measure its speed.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        return study.forecast(subjects=subjects, concepts=concepts, options=options, timed=timed)


def print_forecast(found: Sequence[SweepForecast]) -> None:
    """Print trials by model and arm as a table on stdout, and what they would take."""
    from rich.table import Table

    from gnomon.render.text_console import TextConsole

    table = Table("model", "arm", "trials", "stored", "to generate", box=None, pad_edge=False)
    for place, column in enumerate(table.columns):
        column.no_wrap, column.justify = True, "left" if place < NAMES else "right"
    for one in found:
        for arm in one.arms:
            table.add_row(one.subject, arm.arm, f"{arm.planned:,}", f"{arm.already:,}", f"{arm.missing:,}")
        if len(one.arms) > 1:
            table.add_row(one.subject, "all", f"{one.planned:,}", f"{one.already:,}", f"{one.missing:,}")
    console = TextConsole()
    console.print(table)
    for one in found:
        console.print(_forecast_line(one), soft_wrap=True)


def _forecast_line(found: SweepForecast) -> str:
    if not found.missing:
        return f"{found.subject}: all {found.already:,} trials are stored"
    said = f"{found.subject}: at most {found.tokens:,} tokens"
    if found.seconds is None:
        return f"{said}; --time loads the model and measures how long that takes on this machine"
    return f"{said}; about {readable_time(found.seconds)} at {found.rows} rows together, less where answers end early"


def print_measure(subject: str, measure: MeasureSummary) -> None:
    """Print how often the event of an arm's measure occurs, with and without steering.

    Parameters
    ----------
    subject : str
        Name of the subject.
    measure : MeasureSummary
        Its counts.
    """
    parts = [f"{_rate_phrase(count)} {WORDS[count.steering]}" for count in measure.counts if count.n]
    if parts:
        print_status(f"{subject}: {measure.label} in {', in '.join(parts)}")


def _rate_phrase(count: MeasureCount) -> str:
    if count.rate is None:
        return f"{count.event} of {count.n}"
    chance = "" if count.chance is None else f", chance {format_percent(count.chance)}"
    shown = format_interval(count.rate.value, count.rate.low, count.rate.high, sign=False)
    return f"{shown}, {count.event} of {count.n}{chance}"
