"""The battery in words: what each task shows against its control, and what is left of detection after the yes-shift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gnomon.calibration.measure_counts import MeasureCount
from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.data.arms import ARMS
from gnomon.data.arms.battery_measures import BATTERY, task_event, task_title
from gnomon.data.arms.measures import MEASURES
from gnomon.data.results import Estimate
from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.crossed_means import MIN_ITEMS
from gnomon.stats.measures.measure_results import (
    BatterySummary,
    BitsEstimate,
    MeasuredEstimate,
    TaskSummary,
    YesCorrection,
    YesDiagnosis,
)
from gnomon.stats.measures.measured_trials_frame import LOGIT
from gnomon.stats.narrative.formatting import format_percent, format_points

UNITS = (
    "Log-odds are natural logarithms: a shift of 0.7 doubles the odds of yes, one of 2.3 makes them ten times as high."
)
TARGETS = (
    "Intervals are 95 %, for concepts like these where several concepts were injected, else for these concepts. "
    "Questions, orders of options and sets of sentences count as drawn from many."
)


STEERED = {"steered": "with a vector", "plain": "without"}
"""Trials of a measure of an arm of its own, in words."""


def battery_sentences(summary: BatterySummary, subject: str) -> list[str]:
    """What the battery says of one model over its whole design: tasks, the yes-shift and its cause, bits.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    return [
        *task_sentences(summary, subject),
        *yes_shift_sentences(summary, subject),
        *bits_sentences(summary, subject),
    ]


def task_sentences(summary: BatterySummary, subject: str) -> list[str]:
    """One sentence for each task of a model that has a rate.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    return [task_sentence(task) for task in summary.tasks if task.subject == subject and task.rates]


def yes_shift_sentences(summary: BatterySummary, subject: str) -> list[str]:
    """What is left of a model's detection after the yes-shift, and what shifts its unrelated questions.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    return [
        *(correction_sentence(each) for each in corrections_over_design(summary.yes_corrections, subject)),
        *diagnosis_sentences(summary, subject),
    ]


def diagnosis_sentences(summary: BatterySummary, subject: str) -> list[str]:
    """What shifts the unrelated questions of a model over its whole design.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    return [diagnosis_sentence(each) for each in summary.diagnoses if _is_design(each.bias, subject)]


def bits_sentences(summary: BatterySummary, subject: str) -> list[str]:
    """How much a model's choices tell of the injected concept, a sentence for each task.

    Parameters
    ----------
    summary : BatterySummary
    subject : str
    """
    return [bits_sentence(each) for each in summary.identification if each.subject == subject and not each.by]


def task_sentence(task: TaskSummary) -> str:
    """One task: its rate under injection against chance and against its control."""
    spec = BATTERY.get(task.task)
    shown = {rate.arm: rate for rate in task.rates}
    steered = shown.get(INJECTION, task.rates[0])
    arm = ARMS[steered.arm].label if steered.arm in ARMS else steered.arm
    what = f"{task_title(task.task)} ({spec.label})" if spec else task.task
    sentence = f"{what}: {task_event(task.task)} {_rate_with_interval(steered)} in the arm {arm}"
    if task.chance is not None:
        sentence += f", chance {format_percent(task.chance)}"
    if task.difference is not None:
        sentence += f"; {_points(task.difference)} against its control"
    return f"{sentence}.{item_note(steered)}"


def correction_sentence(correction: YesCorrection) -> str:
    """Detection less the yes-shift in one cell or over the design, and what its interval says."""
    corrected, asked, matched = correction.corrected, correction.notice, correction.unrelated
    parts = (
        f"{_place(corrected)}: the question shifts by {amount_phrase(asked)}, unrelated questions whose right "
        f"answer is no by {amount_phrase(matched)}; what remains is "
        f"{amount_phrase(corrected)}{limits_phrase(corrected)}"
    )
    return f"{parts}: {verdict_phrase(correction)}.{item_note(corrected)}"


def verdict_phrase(correction: YesCorrection) -> str:
    """What the interval of yes-corrected detection says against 0 and the margin, as the end of a sentence."""
    margin = _number(correction.margin, correction.corrected.scale)
    return {
        "detection": "the question rises by more than the yes-shift",
        "explained": "the question rises by more than the yes-shift, but no further than a bias to yes or less certain "
        "answers may raise it",
        "nothing_left": f"nothing is left after the yes-shift (below the margin of {margin})",
        "below_zero": "the question rises by less than the yes-shift",
        "undecided": f"the interval holds 0 and reaches the margin of {margin}, so it does not decide",
    }[correction.verdict]


def diagnosis_sentence(diagnosis: YesDiagnosis) -> str:
    """Whether unrelated questions move to yes, or to even odds, in one cell or over the design."""
    bias, flat = diagnosis.bias, diagnosis.flattening
    biased, flattened = _is_above_zero(bias), _is_above_zero(flat)
    if biased and flattened:
        meaning = "both a bias to yes and less certain answers"
    elif biased:
        meaning = "a bias to yes"
    elif flattened:
        meaning = "less certain answers (log-odds move to 0), not a bias to yes"
    else:
        meaning = "neither a bias to yes nor less certain answers is shown"
    sentence = (
        f"{_place(bias)}: unrelated questions of both kinds move to yes by "
        f"{amount_phrase(bias)}{limits_phrase(bias)} on average, and to even odds by "
        f"{amount_phrase(flat)}{limits_phrase(flat)}: {meaning}."
    )
    if diagnosis.beyond is not None:
        beyond = diagnosis.beyond
        sentence += f" Beyond both, the question rises by {amount_phrase(beyond)}{limits_phrase(beyond)}."
    return sentence


def bits_sentence(bits: BitsEstimate) -> str:
    """How much of the injected concept the choice tells."""
    found = bits.estimate
    return (
        f"{bits.subject}, {task_title(bits.task)}{cell_phrase(bits.by)}: the choice tells {found.value:.2f} bits of "
        f"the injected concept, 95 % interval {found.low:.2f} to {found.high:.2f}, of {bits.most:.2f} "
        f"({bits.concepts} concepts, {bits.n:,} responses; {format_p(bits.p_value)})."
    )


def measure_sentence(count: MeasureCount) -> str:
    """How often the event of a measure occurred, with its interval, and what guessing would give."""
    rate = count.rate
    shown = f"{count.event:,} of {count.n:,} responses {STEERED[count.steering]}"
    if rate is not None:
        shown += (
            f" ({format_percent(rate.value)}, 95 % interval {format_percent(rate.low)} to {format_percent(rate.high)})"
        )
    if count.chance is not None and count.p_above_chance is not None:
        shown += f"; guessing gives {format_percent(count.chance)} ({format_p(count.p_above_chance)})"
    unclear = f"; {count.unclear:,} could not be read" if count.unclear else ""
    return f"{count.subject}, {count.arm} arm: {MEASURES.find(count.measure).label} in {shown}{unclear}."


def corrections_over_design(found: Sequence[YesCorrection], subject: str) -> Iterator[YesCorrection]:
    """A model's corrections over its whole design; those of its cells where there is none.

    Parameters
    ----------
    found : sequence of YesCorrection
    subject : str
    """
    mine = [each for each in found if each.corrected.subject == subject]
    whole = [each for each in mine if not each.corrected.by]
    yield from whole or mine


def _is_design(estimate: MeasuredEstimate, subject: str) -> bool:
    return estimate.subject == subject and not estimate.by


def _place(estimate: MeasuredEstimate) -> str:
    return f"{estimate.subject}{cell_phrase(estimate.by)}"


def cell_phrase(by: Mapping[str, float]) -> str:
    """Layer and strength of a cell: ", layer 9, strength 4"."""
    return "".join(f", {axis} {value:g}" for axis, value in by.items())


def _number(value: float, scale: str) -> str:
    return f"{value:.2f} log-odds" if scale == LOGIT else f"{format_points(value, 1, sign=False)} points"


def amount_phrase(estimate: MeasuredEstimate) -> str:
    """Its value with its unit: "1.20 log-odds", "−3.0 points"."""
    sign = "−" if estimate.value < 0 else ""
    return f"{sign}{_number(abs(estimate.value), estimate.scale)}"


def limits_phrase(estimate: MeasuredEstimate) -> str:
    """Its interval in brackets, after a space."""
    found = estimate.headline
    if found is None:
        return " (no interval)"
    if estimate.scale == LOGIT:
        return f" ({_signed(found.low)} to {_signed(found.high)})"
    return f" ({format_points(found.low, 1)} to {format_points(found.high, 1)})"


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.2f}"


def _points(estimate: MeasuredEstimate) -> str:
    return f"{format_points(estimate.value, 1)} points{limits_phrase(estimate)}"


def _rate_with_interval(rate: MeasuredEstimate) -> str:
    found: Estimate | None = rate.headline
    limits = f" ({format_percent(found.low)} to {format_percent(found.high)})" if found else ""
    return f"{format_percent(rate.value)}{limits}"


def _is_above_zero(estimate: MeasuredEstimate) -> bool:
    return estimate.headline is not None and estimate.headline.low > 0


def item_note(estimate: MeasuredEstimate) -> str:
    """That it rests on few items, if it does."""
    if estimate.items >= MIN_ITEMS:
        return ""
    return f" It rests on {estimate.items} item{'s' if estimate.items > 1 else ''}: the interval is about no others."
