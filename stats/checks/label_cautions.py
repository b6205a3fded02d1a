"""Cautions on the labels of a corrected fit: declared a random sample, chosen by verdicts in fact."""

from __future__ import annotations

from sqlalchemy import select

from gnomon.calibration.audit.narrative import nonrandom_sentence
from gnomon.calibration.error_rates.label_randomness import SELECTED_BELOW, compare_labelled
from gnomon.calibration.labels.sampling_strata import LOOKS_AGAIN, RANDOM_STRATA
from gnomon.calibration.results.error_rates import NonrandomLabels
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import labels as label_table
from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.model.judge_confusion import arms_present


def label_cautions(store: Store, patterns: VerdictPatternCells) -> list[str]:
    """A sentence for each arm whose labels are declared random and depend on a judge's verdicts.

    The comparison is that of `label_randomness.nonrandom_labels`; of several judges the one with the smallest p-value
    counts. The fit conditions on verdicts and is right where nothing else chose the labels.

    Parameters
    ----------
    store : Store
        Store of the study, for the strata that its labels declare.
    patterns : VerdictPatternCells
        What the fit is made from.
    """
    declared = set(store.read_frame(select(label_table.c.stratum).distinct())["stratum"])
    if not declared <= {*RANDOM_STRATA, *LOOKS_AGAIN} or EVENT not in patterns.classes:
        return []
    worst = [min(_compare_judges(patterns, arm), key=lambda each: each.p_value) for arm in arms_present(patterns)]
    sentences = [nonrandom_sentence(each) for each in worst if each.p_value < SELECTED_BELOW]
    return [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in sentences]


def _compare_judges(patterns: VerdictPatternCells, arm: str) -> list[NonrandomLabels]:
    here = (patterns.frame["arm"] == arm).to_numpy()[patterns.cell]
    event = patterns.classes.index(EVENT)
    found = []
    for said in patterns.verdict.T:
        parts = []
        for known in (patterns.label >= 0, patterns.label < 0):
            rows = here & known & (said >= 0)
            parts.append((int(patterns.count[rows & (said == event)].sum()), int(patterns.count[rows].sum())))
        found.append(compare_labelled(arm, *parts))
    return found
