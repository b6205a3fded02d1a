"""Cautions on the labels of a corrected fit: declared a random sample, chosen by verdicts in fact."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select

from gnomon.calibration.audit.narrative import nonrandom_sentence
from gnomon.calibration.error_rates.label_randomness import (
    ChoiceSign,
    arms_with_declared_choice,
    clearest_choices,
    compare_labelled,
)
from gnomon.calibration.labels.sampling_strata import LOOKS_AGAIN
from gnomon.calibration.results.error_rates import NonrandomLabels
from gnomon.data.storage.design_scope import report_conditions
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import labels as label_table
from gnomon.data.storage.tables import trials as trial_table
from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.model.judge_confusion import arms_present


def label_cautions(store: Store, patterns: VerdictPatternCells) -> list[str]:
    """A sentence for each arm whose labels are declared random and depend on a judge's verdicts.

    The comparison is that of `label_randomness.nonrandom_labels`, corrected for all judges and arms; the smallest
    p-value is told. The fit conditions on verdicts and is right where nothing else chose the
    labels.

    Parameters
    ----------
    store : Store
        Store of the study, for the strata that its labels declare.
    patterns : VerdictPatternCells
        What the fit is made from.
    """
    if EVENT not in patterns.classes:
        return []
    column = label_table.c
    query = select(trial_table.c.arm, column.stratum, column.probability).distinct()
    declared = arms_with_declared_choice(
        store.read_frame(
            query.join(trial_table, trial_table.c.id == column.trial).where(
                column.stratum.not_in(LOOKS_AGAIN), *report_conditions(store)
            )
        )
    )
    arms = [arm for arm in arms_present(patterns) if arm not in declared]
    checks = [each for arm in arms for each in _compare_judges(patterns, arm)]
    sentences = [nonrandom_sentence(each) for each in clearest_choices(checks)]
    return [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in sentences]


def _compare_judges(patterns: VerdictPatternCells, arm: str) -> list[NonrandomLabels]:
    here = (patterns.frame["arm"] == arm).to_numpy()[patterns.cell]
    event, heard = patterns.classes.index(EVENT), patterns.verdict >= 0
    signs = [(heard[:, place], patterns.verdict[:, place] == event) for place in range(heard.shape[1])]
    found = [_compare_labels(patterns, arm, here & asked, sign) for asked, sign in signs]
    lowest = np.where(heard, patterns.verdict, len(patterns.classes)).min(axis=1)
    disputed = (heard.sum(axis=1) > 1) & (lowest != patterns.verdict.max(axis=1))
    several = here & heard.any(axis=1)
    return [*found, _compare_labels(patterns, arm, several, disputed, "dispute")] if disputed[here].any() else found


def _compare_labels(
    patterns: VerdictPatternCells, arm: str, rows: np.ndarray, sign: np.ndarray, by: ChoiceSign = "verdict"
) -> NonrandomLabels:
    labelled, unlabelled = (
        (int(patterns.count[rows & known & sign].sum()), int(patterns.count[rows & known].sum()))
        for known in (patterns.label >= 0, patterns.label < 0)
    )
    return compare_labelled(arm, labelled, unlabelled, by)
