"""`gnomon generate`: generates the missing trials, or says how many there are and how long they take."""

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
    folder: Path, subjects: Sequence[str], concepts: Sequence[str], options: GenerateOptions
) -> list[SweepForecast]:
    """Print how many trials would be generated and how long that would take on this machine.

    Parameters
    ----------
    folder : Path
        The study's folder.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    options : GenerateOptions
        Batch size.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        found = study.forecast(subjects=subjects, concepts=concepts, options=options)
    for one in found:
        print_status(_forecast_line(one))
    return found


def _forecast_line(found: SweepForecast) -> str:
    if not found.missing:
        return f"{found.subject}: all {found.already:,} trials are there"
    return (
        f"{found.subject}: {found.missing:,} trials to generate, {found.already:,} already stored; "
        f"at most {found.tokens:,} tokens; about {readable_time(found.seconds)} at {found.rows} rows together, "
        "less where answers end early"
    )


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
