"""What measures that judges do not read have observed, in words."""

from __future__ import annotations

from gnomon.calibration.measure_counts import MeasureCount
from gnomon.data.arms.measures import MEASURES
from gnomon.stats.narrative.formatting import format_percent

_WORDS = {"steered": "with a vector", "plain": "without"}


def measure_sentence(count: MeasureCount) -> str:
    """How often the event of a measure occurred, with its interval, and what guessing would give."""
    rate = count.rate
    shown = f"{count.event:,} of {count.n:,} responses {_WORDS[count.steering]}"
    if rate is not None:
        shown += (
            f" ({format_percent(rate.value)}, 95 % interval {format_percent(rate.low)} to {format_percent(rate.high)})"
        )
    if count.chance is not None and count.p_above_chance is not None:
        shown += f"; guessing gives {format_percent(count.chance)} (p {count.p_above_chance:.2g})"
    unclear = f"; {count.unclear:,} could not be read" if count.unclear else ""
    return f"{count.subject}, {count.arm} arm: {MEASURES.find(count.measure).label} in {shown}{unclear}."
