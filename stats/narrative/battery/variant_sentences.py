"""Variants of a model in words: the same on the terminal, on the page and in the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from gnomon.data.arms.battery_measures import battery_order, task_title
from gnomon.data.storage.stored_settings import SubjectVariant
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.narrative.battery.battery_sentences import amount_phrase, cell_phrase, item_note, limits_phrase
from gnomon.stats.narrative.estimate_sentences import contrast_sentence, find_contrast
from gnomon.stats.narrative.formatting import count_noun, format_probability
from gnomon.stats.variants.variant_results import VariantComparison

CHANGES = {
    "adapter": "an adapter merged",
    "ablated": "a direction ablated",
    "informed": "its prompts begun with further words",
}
"""What is changed in a variant, in words."""


def variant_name(declared: SubjectVariant) -> str:
    """What a variant is: "ablated (base with a direction ablated)"."""
    how = " and ".join(CHANGES[change] for change in declared.changes)
    return (
        f"{declared.variant} ({declared.base} with {how})"
        if how
        else f"{declared.variant} (vectors of {declared.base})"
    )


def variant_sentences(comparison: VariantComparison) -> list[str]:
    """What a variant does differently from its base over the whole design: detection first, then each task.

    A variant without a trial in common with its base gets one sentence that says so.
    """
    name = variant_name(comparison.declared)
    if not comparison.paired:
        return [
            f"{name}: no trial has the concept, layer, strength and item of one of {comparison.base}: nothing is "
            "compared. Give both the same layers and strengths, and run the battery on both."
        ]
    found = [each for each in comparison.yes_corrected if not each.by] or list(comparison.yes_corrected)
    lines = [_correction_sentence(name, comparison.base, each) for each in found]
    if comparison.unpaired:
        lines.append(
            f"{name}: {count_noun(comparison.unpaired, 'trial')} without a counterpart in the other model left out."
        )
    return lines


def task_contrast_sentences(comparison: VariantComparison) -> list[str]:
    """One sentence for each task in which a variant and its base can be compared."""
    return [
        f"{task_title(task.task)}: {_verdict(shown)} in {comparison.variant} than in {comparison.base}: "
        f"{_signed_amount(shown)}{limits_phrase(shown)}.{item_note(shown)}"
        for task in sorted(comparison.tasks, key=lambda each: battery_order(each.task))
        if (shown := task.effect or task.injected) is not None
    ]


def judged_variant_sentences(contrasts: pd.DataFrame, declared: Sequence[SubjectVariant], name: str) -> Iterator[str]:
    """Variant less base of an estimand of a fit, from its joint posterior: a sentence for each declared variant.

    Parameters
    ----------
    contrasts : DataFrame
        Contrasts of the fit, one row a pair of models.
    declared : sequence of SubjectVariant
        Variants as the study file declares them.
    name : str
        Name of the estimand.
    """
    for each in declared:
        if (row := find_contrast(contrasts, name, each.variant, each.base)) is not None:
            yield contrast_sentence(row)


def _correction_sentence(name: str, base: str, found: MeasuredEstimate) -> str:
    chance = (
        "" if found.probability is None else f"; probability that it is higher {format_probability(found.probability)}"
    )
    return (
        f"{name}{cell_phrase(found.by)}: yes-corrected detection {_verdict(found)} than in {base}: "
        f"{_signed_amount(found)}{limits_phrase(found)}{chance}.{item_note(found)}"
    )


def _verdict(found: MeasuredEstimate) -> str:
    limits = found.headline
    if limits is None:
        return "cannot be told to be higher or lower"
    return "is higher" if limits.low > 0 else "is lower" if limits.high < 0 else "is not shown to be higher or lower"


def _signed_amount(found: MeasuredEstimate) -> str:
    return f"{'+' if found.value > 0 else ''}{amount_phrase(found)}"
