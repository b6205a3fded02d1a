"""What measures that judges do not read have observed, as `gnomon generate` prints it and gives it as JSON."""

from __future__ import annotations

from typing import Any

from gnomon.calibration.measure_counts import MeasureCount, measure_counts
from gnomon.console import format_rate, print_status
from gnomon.data.arms import ARMS
from gnomon.data.arms.measures import MEASURES
from gnomon.data.storage.store import Store

WORDS = {"steered": "with a vector", "plain": "without"}


def summarize_measure(store: Store, arm: str, subject: str) -> dict[str, Any]:
    """Print how often the event of an arm's measure occurs, with and without steering.

    Parameters
    ----------
    store : Store
        The study's store.
    arm : str
        An arm with a measure of its own.
    subject : str
        Name of the subject.

    Returns
    -------
    dict
        For `steered` and `plain`: counts of the event by its name (`yes`), `unclear` and `of`, and `rate` with a 95 %
        interval (Wilson); with a chance level also `chance` and `p_above_chance`.
    """
    measure = MEASURES.find(ARMS.find(arm).measure)
    counts = measure_counts(store, arm, subject)
    parts = [f"{_rate_phrase(count)} {WORDS[count.steering]}" for count in counts if count.n]
    if parts:
        print_status(f"{subject}: {measure.label} in {', in '.join(parts)}")
    return {count.steering: _count_document(measure.event, count) for count in counts}


def _count_document(event: str, count: MeasureCount) -> dict[str, Any]:
    rate = count.rate
    shown = None if rate is None else {"value": rate.value, "low": rate.low, "high": rate.high, "level": rate.level}
    document: dict[str, Any] = {event: count.event, "unclear": count.unclear, "of": count.n, "rate": shown}
    if count.chance is not None:
        document |= {"chance": count.chance, "p_above_chance": count.p_above_chance}
    return document


def _rate_phrase(count: MeasureCount) -> str:
    assert count.rate is not None
    chance = "" if count.chance is None else f", chance {format_rate(count.chance)}"
    return f"{count.event} of {count.n} ({format_rate(count.rate.low)} to {format_rate(count.rate.high)}{chance})"
