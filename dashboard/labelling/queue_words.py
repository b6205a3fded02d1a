"""The label queue in words: its orders, what each still holds, and what a rater is told when one is empty."""

from __future__ import annotations

from gnomon.calibration.labels.sampling_strata import ADJUDICATE, DISPUTED, SECOND
from gnomon.calibration.queue.label_sampling import Strategy
from gnomon.calibration.queue.queue_sizes import QueueSizes
from gnomon.stats.narrative.formatting import count_noun

QUEUES: dict[Strategy, str] = {
    "disputed": "Where judges disagree",
    "uncertain": "Most informative",
    "random": "At random",
    "second": "Second rater",
    "adjudicate": "Where raters differ",
}
FEWEST = 10
"""Below it the number of disputed trials is not told: 0 would say that judges agree on the trial on the screen."""


def count_left(queue: Strategy, sizes: QueueSizes) -> str:
    """What a queue still holds for the rater, as it stands beside its name.

    Parameters
    ----------
    queue : Strategy
        Order of the queue.
    sizes : QueueSizes
        Its trials.
    """
    if queue == ADJUDICATE:
        return f"{sizes.adjudicable:,} of {sizes.disagreements:,}"
    if queue == SECOND:
        return f"{sizes.second:,}"
    if queue == DISPUTED and sizes.unlabelled:
        return f"{sizes.disputed:,}" if sizes.disputed >= FEWEST else f"under {FEWEST}"
    return f"{sizes.unlabelled:,}"


def empty_words(queue: Strategy, sizes: QueueSizes) -> str:
    """What a rater is told when a queue holds nothing for them: what is done, or why there is nothing.

    Parameters
    ----------
    queue : Strategy
        Order of the queue.
    sizes : QueueSizes
        Its trials.
    """
    if queue == ADJUDICATE:
        return _adjudication_words(sizes)
    if queue == SECOND:
        return _second_words(sizes)
    if not sizes.unlabelled:
        return f"All {count_noun(sizes.trials, 'trial')} have a label, and none is left for you to label a second time."
    return (
        f"{sizes.labelled:,} of {count_noun(sizes.trials, 'trial')} have a label. The others are held by other raters "
        "at the moment, or you have skipped them."
    )


def _second_words(sizes: QueueSizes) -> str:
    if sizes.second:
        return (
            f"{count_noun(sizes.second, 'trial')} with one other label left: held by others at the moment, or skipped."
        )
    if sizes.twice:
        return f"Done: {count_noun(sizes.twice, 'trial')} have labels of two or more raters, and none waits for yours."
    return "Nobody else has labelled a trial yet: a second rater can start once somebody has."


def _adjudication_words(sizes: QueueSizes) -> str:
    if not sizes.twice:
        return "No trial has labels of two raters yet: take the queue 'Second rater' first."
    if not sizes.disagreements:
        return f"Raters agree on all {count_noun(sizes.twice, 'trial')} that two or more of them have labelled."
    told = count_noun(sizes.disagreements, "disagreement")
    if sizes.adjudicated == sizes.disagreements:
        return f"{told}, all adjudicated."
    open_ = sizes.disagreements - sizes.adjudicated
    why = "held by others at the moment, or skipped" if sizes.adjudicable else "you have labelled them yourself"
    return f"{told}, {sizes.adjudicated:,} adjudicated. The other {open_:,}: {why}" + (
        "." if sizes.adjudicable else ", so that another person must decide."
    )
