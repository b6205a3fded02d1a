"""A variant of a model less its base on the same vectors: rates, effects of injection, yes-corrected detection.

Estimands, over the design or in one cell, with V the variant and B its base, 1 with the vector and 0 in the control
arm, N the question whether anything is noticed, U matched questions of fact whose right answer is no; a rate is that of
a task's event (of yes for a yes-or-no task, of the right answer else), or its mean probability where logits were read:

    variant_rate            V1 - B1, or V0 - B0
    variant_difference      (V1 - V0) - (B1 - B0)
    variant_yes_corrected   [(N1 - N0) - (U1 - U0)] of V less the same of B

Only what both were asked counts: trials are matched by task, arm, concept, layer, strength and item, and those without
a counterpart are left out. A design that is the same for both loses nothing.

Assumes what `crossed_means` does: concepts are independent draws, and items are; nothing of their distributions, and
nothing of how a concept acts on both models. A concept's deviations in the variant and in the base may be correlated,
and so may an item's: both are kept as pairs, so that what a concept or an item does alike in both models adds nothing
to the interval. Trials that failed in one model are left out in both, which assumes that failing tells nothing.

Formula: signed sums of means over concepts of `crossed_means.crossed_means`, whose groups are the terms of both models;
limits of `contrast_limits`. `probability` is P(above 0). No contrast is corrected for the number of contrasts.

Sources: those of `crossed_means`; the difference of differences of paired units is the paired t test for two groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gnomon.data.storage.stored_settings import SubjectVariant
from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.arm_rates import event_observer, usual_scale
from gnomon.stats.measures.crossed_means import crossed_means, trial_group
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_contrasts import (
    Cell,
    ContrastPlan,
    ContrastTerm,
    contrast_of_groups,
    difference_terms,
    scaled_terms,
)
from gnomon.stats.measures.measured_trials_frame import (
    LOGIT,
    NOTICE,
    PROBABILITY,
    RATE,
    UNRELATED_NO,
    Scale,
    checked_frame,
    control_arm,
    select_trials,
    steered_cells,
    yes_values,
)
from gnomon.stats.variants.variant_results import VariantComparison, VariantTask

VARIANT_RATE, VARIANT_DIFFERENCE, VARIANT_CORRECTED = "variant_rate", "variant_difference", "variant_yes_corrected"
PAIR_KEYS = ("task", "arm", "concept", "layer", "strength", "item")
"""What two trials of different models have in common that are compared."""
COUNTERPART = "counterpart"
"""Column of the number that such trials have in common."""


def compare_variants(frame: pd.DataFrame, declared: Sequence[SubjectVariant]) -> list[VariantComparison]:
    """Every declared variant that was measured, against its base; one whose base was not measured is left out.

    Parameters
    ----------
    frame : DataFrame
        One row a measured trial; columns as in `measured_trials_frame`.
    declared : sequence of SubjectVariant
        Variants as the study file declares them.

    Raises
    ------
    InputError
        If a column is missing.
    """
    trials = checked_frame(frame)
    there = set(trials["subject"])
    return [compare_variant(trials, each) for each in declared if {each.variant, each.base} <= there]


def compare_variant(trials: pd.DataFrame, declared: SubjectVariant) -> VariantComparison:
    """A variant against its base: every task, and yes-corrected detection over the design and by cell.

    Parameters
    ----------
    trials : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    declared : SubjectVariant
    """
    paired = paired_trials(trials, declared.variant, declared.base)
    of_both = int(trials["n"][trials["subject"].isin([declared.variant, declared.base])].sum())
    tasks = [_compare_task(paired, declared, task) for task in sorted(paired["task"].unique())]
    return VariantComparison(
        variant=declared.variant,
        base=declared.base,
        changes=declared.changes,
        paired=int(paired["n"][paired["subject"] == declared.variant].sum()),
        unpaired=of_both - int(paired["n"].sum()),
        tasks=tuple(task for task in tasks if task.injected or task.control or task.effect),
        yes_corrected=tuple(_corrections(paired, declared)),
    )


def paired_trials(trials: pd.DataFrame, variant: str, base: str) -> pd.DataFrame:
    """The trials of two models that each has a counterpart of in the other, with the number of the pair.

    Parameters
    ----------
    trials : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    variant, base : str
    """
    both = trials[trials["subject"].isin([variant, base])]
    pairs = both.groupby(list(PAIR_KEYS), dropna=False, sort=False).ngroup().to_numpy()
    is_variant = (both["subject"] == variant).to_numpy()
    shared = np.intersect1d(pairs[is_variant], pairs[~is_variant])
    return both.assign(**{COUNTERPART: pairs})[np.isin(pairs, shared)].reset_index(drop=True)


def variant_rate(
    paired: pd.DataFrame, declared: SubjectVariant, task: str, arm: str = INJECTION, cell: Cell | None = None
) -> MeasuredEstimate | None:
    """Rate of a task's event in one arm, variant less base; None where either has no trials.

    Parameters
    ----------
    paired : DataFrame
        As `paired_trials` returns it.
    declared : SubjectVariant
    task : str
    arm : str, default "injection"
    cell : (layer, strength), optional
        One cell; by default the whole design.
    """
    return _task_contrast(paired, declared, VARIANT_RATE, task, (ContrastTerm(task, arm, 1.0, cell),))


def variant_difference(
    paired: pd.DataFrame, declared: SubjectVariant, task: str, cell: Cell | None = None
) -> MeasuredEstimate | None:
    """Injection less control of a task's event, variant less base; None where either has no trials of an arm.

    Parameters
    ----------
    paired : DataFrame
        As `paired_trials` returns it.
    declared : SubjectVariant
    task : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    """
    control = control_arm(paired, declared.variant, task)
    if control is None:
        return None
    return _task_contrast(paired, declared, VARIANT_DIFFERENCE, task, difference_terms(task, control, cell))


def variant_yes_corrected(
    paired: pd.DataFrame, declared: SubjectVariant, cell: Cell | None = None, *, scale: Scale = LOGIT
) -> MeasuredEstimate | None:
    """Yes-corrected detection, variant less base; None where a part has no trials.

    Parameters
    ----------
    paired : DataFrame
        As `paired_trials` returns it.
    declared : SubjectVariant
    cell : (layer, strength), optional
        One cell; by default the whole design.
    scale : {"logit", "probability", "rate"}
    """
    asked, matched = (control_arm(paired, declared.variant, task) for task in (NOTICE, UNRELATED_NO))
    if asked is None or matched is None:
        return None
    terms = (
        *difference_terms(NOTICE, asked, cell),
        *scaled_terms(difference_terms(UNRELATED_NO, matched, cell), -1.0),
    )
    return _less_base(paired, declared, ContrastPlan(VARIANT_CORRECTED, terms, scale, yes_values))


def _compare_task(paired: pd.DataFrame, declared: SubjectVariant, task: str) -> VariantTask:
    control = control_arm(paired, declared.variant, task)
    return VariantTask(
        task=task,
        injected=variant_rate(paired, declared, task),
        control=variant_rate(paired, declared, task, control) if control is not None else None,
        effect=variant_difference(paired, declared, task),
    )


def _corrections(paired: pd.DataFrame, declared: SubjectVariant) -> list[MeasuredEstimate]:
    cells: list[Cell | None] = list(steered_cells(paired, declared.variant, (NOTICE, UNRELATED_NO), INJECTION))
    if len(cells) != 1:
        cells = [None, *cells]
    scales: tuple[Scale, ...] = (LOGIT, PROBABILITY)
    found = [variant_yes_corrected(paired, declared, cell, scale=scale) for scale in scales for cell in cells]
    if not any(found):
        found = [variant_yes_corrected(paired, declared, cell, scale=RATE) for cell in cells]
    return [each for each in found if each is not None]


def _task_contrast(
    paired: pd.DataFrame, declared: SubjectVariant, estimand: str, task: str, terms: tuple[ContrastTerm, ...]
) -> MeasuredEstimate | None:
    """A contrast of one task's event: in probabilities where logits of both models were read, else in answers."""
    both = {usual_scale(paired, subject, task) for subject in (declared.variant, declared.base)}
    scale: Scale = PROBABILITY if both == {PROBABILITY} else RATE
    observe = event_observer(paired, declared.variant, task)
    return _less_base(paired, declared, ContrastPlan(estimand, terms, scale, observe))


def _less_base(paired: pd.DataFrame, declared: SubjectVariant, plan: ContrastPlan) -> MeasuredEstimate | None:
    """The estimate of a plan for the variant, less that for its base, from groups of both models."""
    both = ContrastPlan(plan.estimand, (*plan.terms, *scaled_terms(plan.terms, -1.0)), plan.scale, plan.observe)
    subjects = [declared.variant] * len(plan.terms) + [declared.base] * len(plan.terms)
    trials = [
        select_trials(paired, subject, term.task, term.arm, term.cell)
        for subject, term in zip(subjects, both.terms, strict=True)
    ]
    values: list[np.ndarray] = [both.observe(rows, both.scale) for rows in trials]
    seen = _seen_in_both(trials, values)
    groups = [trial_group(term.task, rows, found) for term, rows, found in zip(both.terms, trials, seen, strict=True)]
    if not all(len(group.values) for group in groups):
        return None
    return contrast_of_groups(declared.variant, both, groups, crossed_means(groups))


def _seen_in_both(trials: Sequence[pd.DataFrame], values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The values, NaN where the counterpart in the other model shows none: terms of the variant, then of the base."""
    half = len(trials) // 2
    pairs = [rows[COUNTERPART].to_numpy() for rows in trials]
    seen = [mine[np.isfinite(found)] for mine, found in zip(pairs, values, strict=True)]
    return [
        np.where(np.isin(pairs[place], seen[(place + half) % len(trials)]), found, np.nan)
        for place, found in enumerate(values)
    ]
