"""What measures that judges do not read have observed on one subject, arm by arm."""

from __future__ import annotations

from pydantic import JsonValue

from gnomon.calibration.measure_counts import MeasureCount, measure_counts
from gnomon.data.arms import ARMS
from gnomon.data.arms.measures import MEASURES
from gnomon.data.results import ResultPart
from gnomon.data.storage.store import Store


class MeasureSummary(ResultPart):
    """Counts of an arm's measure, with a vector and without; `event` names what is counted, `label` says it."""

    arm: str
    label: str
    event: str
    counts: tuple[MeasureCount, ...]

    def json_content(self) -> dict[str, JsonValue]:
        """For `steered` and `plain`: counts of the event by its name, `unclear`, `of`, `rate`, and chance level."""
        return {count.steering: _count_content(self.event, count) for count in self.counts}


def summarize_measure(store: Store, arm: str, subject: str) -> MeasureSummary:
    """How often the event of an arm's measure occurs, with and without steering.

    Parameters
    ----------
    store : Store
        The study's store.
    arm : str
        An arm with a measure of its own.
    subject : str
        Name of the subject.
    """
    measure = MEASURES.find(ARMS.find(arm).measure)
    return MeasureSummary(arm=arm, label=measure.label, event=measure.event, counts=measure_counts(store, arm, subject))


def _count_content(event: str, count: MeasureCount) -> dict[str, JsonValue]:
    rate = count.rate
    shown: dict[str, JsonValue] | None = None
    if rate is not None:
        shown = {"value": rate.value, "low": rate.low, "high": rate.high, "level": rate.level}
    content: dict[str, JsonValue] = {event: count.event, "unclear": count.unclear, "of": count.n, "rate": shown}
    if count.chance is not None:
        content |= {"chance": count.chance, "p_above_chance": count.p_above_chance}
    return content
