"""A comparison of two judge versions in sentences: what was compared, what changed, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.comparison.comparison_results import ArmComparison, PairedMeasure, RubricComparison
from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.data.results import Estimate

SIGNIFICANT = 0.05
SHORT_VERSION = 8
"""Characters of a version that name it where no other begins so."""


def comparison_sentences(found: RubricComparison) -> tuple[str, ...]:
    """The result in sentences, the main one first."""
    whole = found.arms[0]
    return (
        _main_sentence(found, _measure(whole, "accuracy")),
        *_class_sentences(found),
        _changed_sentence(found),
        *_condition_sentences(found, whole),
    )


def judge_names(found: RubricComparison) -> tuple[str, str]:
    """Both judges' names, with as much of their versions as tells them apart where they have one name."""
    a, b = found.a, found.b
    if a.judge != b.judge:
        return a.judge, b.judge
    longest = max(len(a.version), len(b.version))
    length = next((n for n in range(SHORT_VERSION, longest) if a.version[:n] != b.version[:n]), longest)
    return f"{a.judge} {a.version[:length]}", f"{b.judge} {b.version[:length]}"


def format_change(difference: Estimate) -> str:
    """A difference in points with its interval: +6.0 points (+1.2 to +10.9)."""
    value, low, high = (_signed(100 * part) for part in (difference.value, difference.low, difference.high))
    return f"{value} points ({low} to {high})"


def _main_sentence(found: RubricComparison, row: PairedMeasure) -> str:
    one, other = judge_names(found)
    what = "the event" if found.reading == "event" else "pass or fail"
    if row.difference is None or row.a is None or row.b is None or row.p_exact is None or row.p_adjusted is None:
        return f"{one} and {other} cannot be compared: no labelled trial in common."
    told = (
        f"On {found.labelled:,} labelled trials, {other} has the label's answer about {what} on {_percent(row.b)} and "
        f"{one} on {_percent(row.a)}: {format_change(row.difference)}, right alone on {row.only_b} and {row.only_a}; "
        f"McNemar's exact test {format_p(row.p_exact)}"
    )
    if found.family > 1:
        told += f", {format_p(row.p_adjusted)} after Holm's correction for {found.family} versions tried"
    if row.p_adjusted >= SIGNIFICANT:
        return f"{told}: no difference is shown."
    return f"{told}: {other} is {'better' if row.difference.value > 0 else 'worse'}."


def _class_sentences(found: RubricComparison) -> Iterator[str]:
    for arm in found.arms[1:]:
        for row in arm.measures:
            if row.p_adjusted is not None and row.difference is not None and row.p_adjusted < SIGNIFICANT:
                way = "rises" if row.difference.value > 0 else "falls"
                yield (
                    f"In {arm.arm} {row.measure} {way} by {format_change(row.difference)}, {format_p(row.p_adjusted)} "
                    "after Holm's correction for all tests by arm."
                )


def _changed_sentence(found: RubricComparison) -> str:
    if not found.changed:
        return "Both give the same outcome on all of these trials."
    counts = {way: sum(item.right == way for item in found.changed) for way in ("a", "b", "neither", "both")}
    one, other = judge_names(found)
    return (
        f"{len(found.changed):,} trials changed their outcome: {other} alone is right on {counts['b']}, {one} alone on "
        f"{counts['a']}, neither on {counts['neither']}; on {counts['both']} both still have the label's answer."
    )


def _condition_sentences(found: RubricComparison, whole: ArmComparison) -> Iterator[str]:
    weighted = ", weighted back to the trials that they were drawn from" if whole.weighted else ""
    yield (
        f"This takes the {found.view} labels of {' and '.join(found.splits)} as the truth{weighted}; the test split is "
        "not looked at."
    )
    if found.only_one_read:
        yield f"{found.only_one_read:,} labelled trials have an answer of one of the two only and do not count."


def _measure(arm: ArmComparison, name: str) -> PairedMeasure:
    return next(row for row in arm.measures if row.measure == name)


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} %"


def _signed(points: float) -> str:
    text = f"{points:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
